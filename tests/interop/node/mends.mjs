/**
 * Corrections of ts-mls 2.0.0-rc.10, put in while Node loads it (`driver.mjs --mended`). The numbers are those
 * of the list in driver.mjs. Each names the exact text it replaces, so that with a version that does not have
 * the fault the driver does not start and the correction is taken out here.
 */

/** @type {{file: string, from: string, to: string}[]} */
const mends = [
  {
    // 1: one expression decides what a committer makes and what a receiver takes.
    file: "clientState.js",
    from: `            Object.values(grouped[defaultProposalTypes.update]).length > 1 ||
            Object.values(grouped[defaultProposalTypes.remove]).length > 1;`,
    to: `            grouped[defaultProposalTypes.update].length > 0 ||
            grouped[defaultProposalTypes.remove].length > 0;`,
  },
  {
    // 2: only the nodes between leaf and parent, and each must list that leaf.
    file: "clientState.js",
    from: "for (const parentIdx of dp) {",
    to: "for (const parentIdx of dp.slice(0, dp.indexOf(i))) {",
  },
  {
    file: "clientState.js",
    from: "if (!arraysEqual(dpNode.parent.unmergedLeaves, n.parent.unmergedLeaves))",
    to: "if (!dpNode.parent.unmergedLeaves.includes(unmergedLeaf))",
  },
  {
    // 3: the keys of the tree that the proposals lead to, ...
    file: "updatePath.js",
    from: "getHpkePublicKey(originalTree[nodeIndex])",
    to: "getHpkePublicKey(updatedTree[nodeIndex])",
  },
  {
    // ... and nothing for the leaves that the commit adds.
    file: "updatePath.js",
    from: "groupContext, signaturePrivateKey, cs) {",
    to: "groupContext, signaturePrivateKey, cs, added = []) {",
  },
  {
    file: "updatePath.js",
    from: "const fdp = filteredDirectPathAndCopathResolution(senderLeafIndex, mutableTree);",
    to: `const fdp = filteredDirectPathAndCopathResolution(senderLeafIndex, mutableTree).map((step) => ({
        ...step,
        resolution: step.resolution.filter((nodeIndex) => !added.includes(nodeIndex)),
    }));`,
  },
  {
    file: "createCommit.js",
    from: "state.groupContext, state.signaturePrivateKey, cipherSuite)",
    to: `state.groupContext, state.signaturePrivateKey, cipherSuite,
            (res.additionalResult.addedLeafNodes ?? []).map(([leafIndex]) => 2 * leafIndex))`,
  },
  {
    // 19: ExternalPub is a struct of one HPKEPublicKey, which has a length in front of it.
    file: "createCommit.js",
    from: 'import { encode } from "./codec/tlsEncoder.js";',
    to: `import { encode } from "./codec/tlsEncoder.js";
import { decode } from "./codec/tlsDecoder.js";
import { varLenDataDecoder, varLenDataEncoder } from "./codec/variableLength.js";`,
  },
  {
    file: "createCommit.js",
    from: "extensionData: externalPub }], cs);",
    to: "extensionData: encode(varLenDataEncoder, externalPub) }], cs);",
  },
  {
    file: "createCommit.js",
    from: "extensionData: externalPub },",
    to: "extensionData: encode(varLenDataEncoder, externalPub) },",
  },
  {
    file: "createCommit.js",
    from: "await exportSecret(externalPub.extensionData, cs);",
    to: "await exportSecret(decode(varLenDataDecoder, externalPub.extensionData), cs);",
  },
  {
    // 20: the root is not on the committer's filtered path while the other half of the tree is empty, ...
    file: "pathSecrets.js",
    from: "const nextIndex = findFirstNonBlankAncestor(tree, currentIndex);",
    to: `const nextIndex = findFirstNonBlankAncestor(tree, currentIndex);
        if (tree[nextIndex] === undefined) break;`,
  },
  {
    // ... and the commit secret comes from the last node that is.
    file: "processMessages.js",
    from: "const rootIndex = root(leafWidth(tree.length));",
    to: "const rootIndex = filteredDirectPath(leafNodeIndex, tree).at(-1);",
  },
  {
    file: "processMessages.js",
    from: "import { findBlankLeafNodeIndex, addLeafNodeMutable }",
    to: "import { filteredDirectPath, findBlankLeafNodeIndex, addLeafNodeMutable }",
  },
];

/** @param {string} url @param {object} context @param {Function} next @returns {Promise<object>} */
export async function load(url, context, next) {
  const loaded = await next(url, context);
  const wanted = mends.filter(({ file }) => url.endsWith(`/ts-mls/dist/src/${file}`));
  if (wanted.length === 0) return loaded;
  let source = loaded.source.toString();
  for (const { file, from, to } of wanted) {
    if (source.split(from).length !== 2) throw new Error(`${file} does not have the fault that is mended here`);
    source = source.replace(from, () => to);
  }
  return { ...loaded, source };
}
