// The code that docs/ shows its readers, as it stands there.
import { mkdtemp, readFile, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const project = new URL("../../../", import.meta.url);

/** Writes the named code blocks (`js NAME`) of a page into a folder where imports find the packages; gives the folder. */
export async function blocksOf(page, names) {
  const text = await readFile(new URL(page, project), "utf8");
  const folder = await mkdtemp(join(tmpdir(), "super-relay-docs-"));
  await symlink(fileURLToPath(new URL("../node_modules", import.meta.url)), join(folder, "node_modules"));
  for (const name of names) {
    const block = text.match(new RegExp(`^\`\`\`js ${name.replace(".", "\\.")}\\n(.*?)^\`\`\`$`, "ms"));
    if (!block) throw new Error(`${page} has no block ${name}`);
    await writeFile(join(folder, name), block[1]);
  }
  return folder;
}

/** The modules of docs/api.md, "With viem or permissionless.js". */
export async function recipe() {
  const names = ["super-relay.mjs", "send.mjs"];
  const folder = await blocksOf("docs/api.md", names);
  const [superRelay, send] = await Promise.all(names.map((name) => import(pathToFileURL(join(folder, name)))));
  return { ...superRelay, ...send };
}
