/**
 * Corrections of ts-mls 2.0.0-rc.10, put in while it is bundled (docs/interoperation.md lists the faults; the
 * numbers are those of its table). Each names the exact text that it replaces: with a version that does not
 * have the fault the build fails, and the correction is taken out here.
 *
 * Nothing of ts-mls is used without them: `engine.ts` refuses to load where the last one is missing.
 */

export interface Mend {
  /** The file of `ts-mls/dist/src`. */
  file: string;
  from: string;
  to: string;
}

/** 1, 15: one expression decides what a committer makes and what a receiver takes (RFC 9420 section 12.4). */
const pathRequired: Mend[] = [
  {
    file: "clientState.js",
    from: `            Object.values(grouped[defaultProposalTypes.update]).length > 1 ||
            Object.values(grouped[defaultProposalTypes.remove]).length > 1;`,
    to: `            grouped[defaultProposalTypes.update].length > 0 ||
            grouped[defaultProposalTypes.remove].length > 0 ||
            grouped[defaultProposalTypes.group_context_extensions].length > 0;`,
  },
];

/** 2: only the nodes between leaf and parent must list the leaf as unmerged, with whatever others (7.9). */
const unmergedLeaves: Mend[] = [
  {
    file: "clientState.js",
    from: "for (const parentIdx of dp) {",
    to: "for (const parentIdx of dp.slice(0, dp.indexOf(i))) {",
  },
  {
    file: "clientState.js",
    from: "if (!arraysEqual(dpNode.parent.unmergedLeaves, n.parent.unmergedLeaves))",
    to: "if (!dpNode.parent.unmergedLeaves.includes(unmergedLeaf))",
  },
];

/** 3: path secrets go to the keys of the tree that the proposals lead to, and not to new leaves (12.4.1). */
const pathSecrets: Mend[] = [
  {
    file: "updatePath.js",
    from: "getHpkePublicKey(originalTree[nodeIndex])",
    to: "getHpkePublicKey(updatedTree[nodeIndex])",
  },
  {
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
];

/**
 * 3, 12, 15 at the committer: each commit has a path, which renews the committer's keys, made for the
 * extensions that the commit sets.
 */
const committersPath: Mend[] = [
  {
    file: "createCommit.js",
    from: "] = res.needsUpdatePath\n",
    to: `] = res.additionalResult.kind === "memberCommit"\n`,
  },
  {
    file: "createCommit.js",
    from: "state.groupContext, state.signaturePrivateKey, cipherSuite)",
    to: `{
            ...state.groupContext,
            extensions: res.additionalResult.extensions.length > 0
                ? res.additionalResult.extensions
                : state.groupContext.extensions,
        }, state.signaturePrivateKey, cipherSuite,
            res.additionalResult.addedLeafNodes.map(([leafIndex]) => 2 * leafIndex))`,
  },
];

/** 20: while half of the tree is empty the root is on nobody's filtered path (7.4). */
const emptyHalf: Mend[] = [
  {
    file: "pathSecrets.js",
    from: "const nextIndex = findFirstNonBlankAncestor(tree, currentIndex);",
    to: `const nextIndex = findFirstNonBlankAncestor(tree, currentIndex);
        if (tree[nextIndex] === undefined) break;`,
  },
  {
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

/**
 * 21: `external_senders` is a list (12.1.8.1). It stays as bytes in a state, is read as a list where it comes
 * in and where a sender is looked up, and each sender of it is shown to the application: `external` says so.
 */
const externalSenders: Mend[] = [
  {
    file: "extension.js",
    from: "return [e.extensionType, encode(externalSenderEncoder, e.extensionData)];",
    to: "return [e.extensionType, e.extensionData];",
  },
  {
    file: "extension.js",
    from: `            const res = decode(externalSenderDecoder, extensionData);
            if (res)
                return { extensionType: defaultExtensionTypes.external_senders, extensionData: res };`,
    to: `            if (decode(varLenTypeDecoder(externalSenderDecoder), extensionData))
                return { extensionType: defaultExtensionTypes.external_senders, extensionData };`,
  },
  {
    file: "extension.js",
    from: "constantTimeEqual(encode(externalSenderEncoder, a.extensionData), encode(externalSenderEncoder, b.extensionData))",
    to: "constantTimeEqual(a.extensionData, b.extensionData)",
  },
  {
    file: "extension.js",
    from: "import { varLenDataDecoder, varLenDataEncoder }",
    to: "import { varLenDataDecoder, varLenDataEncoder, varLenTypeDecoder }",
  },
  {
    file: "publicMessage.js",
    from: `    const externalSenderExtension = externalSenderExtensions[senderIndex];
    if (externalSenderExtension !== undefined) {
        return externalSenderExtension.extensionData;
    }`,
    to: `    const data = externalSenderExtensions[0]?.extensionData;
    return data === undefined ? undefined : decode(varLenTypeDecoder(externalSenderDecoder), data)?.[senderIndex];`,
  },
  {
    file: "publicMessage.js",
    from: "import { varLenDataDecoder, varLenDataEncoder } from",
    to: `import { decode } from "./codec/tlsDecoder.js";
import { externalSenderDecoder } from "./externalSender.js";
import { varLenDataDecoder, varLenDataEncoder, varLenTypeDecoder } from`,
  },
  {
    file: "clientState.js",
    from: `    for (const externalSender of externalSenders) {
        const validCredential = await authService.validateCredential(externalSender.extensionData.credential, externalSender.extensionData.signaturePublicKey);`,
    to: `    const senders = externalSenders.flatMap((e) => decode(varLenTypeDecoder(externalSenderDecoder), e.extensionData) ?? []);
    for (const externalSender of senders) {
        const validCredential = await authService.validateCredential(externalSender.credential, externalSender.signaturePublicKey, true);`,
  },
  {
    file: "clientState.js",
    from: "import { mapDecoders } from",
    to: `import { externalSenderDecoder } from "./externalSender.js";
import { varLenTypeDecoder } from "./codec/variableLength.js";
import { decode, mapDecoders } from`,
  },
];

/** A message that names a blank leaf as its sender is refused; the check was made, and its result dropped (6.3.2). */
const blankSender: Mend[] = [
  {
    file: "messageProtection.js",
    from: `        return new ValidationError("SenderData did not`,
    to: `        throw new ValidationError("SenderData did not`,
  },
];

/**
 * Who sent an application message is not told, nor what was signed: whose signature it bears has to be known, and
 * to be shown to others where a person wants that.
 */
const applicationSender: Mend[] = [
  {
    file: "processMessages.js",
    from: `message: result.content.content.applicationData,
                    newState,`,
    to: `message: result.content.content.applicationData,
                    sender: result.content.content.sender.leafIndex,
                    ...signedAs(result.content, receiverData.groupContext),
                    newState,`,
  },
  {
    file: "processMessages.js",
    from: `message: result.content.content.applicationData,
            newState: updatedState,`,
    to: `message: result.content.content.applicationData,
            sender: result.content.content.sender.leafIndex,
            ...signedAs(result.content, state.groupContext),
            newState: updatedState,`,
  },
  {
    file: "processMessages.js",
    from: `import { verifyConfirmationTag } from "./framedContent.js";`,
    to: `import { framedContentTBSEncoder, toTbs, verifyConfirmationTag } from "./framedContent.js";
import { encode } from "./codec/tlsEncoder.js";
const signedAs = ({ content, auth }, context) => ({
    signed: encode(framedContentTBSEncoder, toTbs(content, wireformats.mls_private_message, context)),
    signature: auth.signature,
});`,
  },
];

const marker: Mend[] = [
  {
    file: "index.js",
    from: 'export { isDefaultProposal, } from "./proposal.js";',
    to: `export { isDefaultProposal, } from "./proposal.js";
export const mended = true;`,
  },
];

export const mends: readonly Mend[] = [
  ...pathRequired,
  ...unmergedLeaves,
  ...pathSecrets,
  ...committersPath,
  ...emptyHalf,
  ...externalSenders,
  ...blankSender,
  ...applicationSender,
  ...marker,
];

/** The source of a file of ts-mls, mended. Throws where a fault is not there, or there more than once. */
export function mend(file: string, source: string): string {
  let mended = source;
  for (const { from, to } of mends.filter((one) => one.file === file)) {
    if (mended.split(from).length !== 2)
      throw new Error(`ts-mls/${file} does not have the fault that is mended here: ${from}`);
    mended = mended.replace(from, () => to);
  }
  return mended;
}

/** Mends ts-mls on its way through Vite, for the pages, the worker and the tests alike. */
export function mendTsMls(): {
  name: string;
  enforce: "pre";
  transform(code: string, id: string): string | null;
} {
  return {
    name: "mend-ts-mls",
    enforce: "pre",
    transform(code, id) {
      const file = /\/ts-mls\/dist\/src\/([\w.]+\.js)(?:\?.*)?$/.exec(id)?.[1];
      return file !== undefined && mends.some((one) => one.file === file) ? mend(file, code) : null;
    },
  };
}
