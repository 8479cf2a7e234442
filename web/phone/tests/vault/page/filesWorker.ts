/** The phone keeps its files from a worker: so does this page. */

import { FolderCabinet, openCabinet } from "../../../src/vault/cabinet";
import { Files } from "../../../src/vault/files";

addEventListener("message", async ({ data }) => {
  const cabinet = await openCabinet();
  const files = new Files(cabinet);
  if (data.file) postMessage(await (await files.blob(data.file, "text/plain")).text());
  else {
    const content = new Blob([data.text.repeat(data.times)]).stream();
    postMessage({ file: await files.write(content), folder: cabinet instanceof FolderCabinet });
  }
});
