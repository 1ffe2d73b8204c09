// The code that docs/ shows its readers, as it stands there.
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const project = new URL("../../../", import.meta.url);

/** The text of the code block `js NAME` of a page. */
export async function block(page, name) {
  const text = await readFile(new URL(page, project), "utf8");
  const found = text.match(new RegExp(`^\`\`\`js ${name.replace(".", "\\.")}\\n(.*?)^\`\`\`$`, "ms"));
  if (!found) throw new Error(`${page} has no block ${name}`);
  return found[1];
}

/** Writes blocks into a folder where imports find the packages; gives the folder. */
async function write(page, names) {
  const folder = await mkdtemp(join(tmpdir(), "super-relay-docs-"));
  await symlink(fileURLToPath(new URL("../node_modules", import.meta.url)), join(folder, "node_modules"));
  for (const name of names) await writeFile(join(folder, name), await block(page, name));
  return folder;
}

/** What those modules of docs/api.md export. */
async function modules(names) {
  const folder = await write("docs/api.md", names);
  const loaded = await Promise.all(names.map((name) => import(pathToFileURL(join(folder, name)))));
  await rm(folder, { recursive: true });
  return Object.assign({}, ...loaded);
}

/** "With viem or permissionless.js". */
export const recipe = () => modules(["super-relay.mjs", "send.mjs"]);

/** "Accounts with their own signer". */
export const localKeyRecipe = () => modules(["send-local.mjs"]);

/** "One URL". */
export const oneUrlRecipe = () => modules(["one-url.mjs"]);

/** "One URL", for EntryPoint v0.9. */
export const paymasterV09Recipe = () => modules(["paymaster-v09.mjs"]);
