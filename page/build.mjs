// Builds the page into dist/, which crates/page embeds. The package of clients/js is bundled from
// its source, with the libraries that are installed here: one viem, whatever is installed there.
import { copyFile, readdir, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** @param {string} path */
const at = (path) => fileURLToPath(new URL(path, import.meta.url));

/** @type {import("esbuild").Plugin} */
const libraries = {
  name: "libraries",
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^@super-relay\/client$/ }, () => ({ path: at("../clients/js/src/index.ts") }));
    onResolve({ filter: /^(viem|@noble\/curves)($|\/)/ }, ({ path, kind, importer, pluginData }) =>
      pluginData === "here" || importer.startsWith(at("node_modules"))
        ? undefined
        : resolve(path, { kind, resolveDir: at("."), pluginData: "here" }),
    );
  },
};

for (const name of await readdir(at("dist"))) {
  if (name !== ".gitignore") await rm(at(`dist/${name}`));
}
await build({
  entryPoints: [at("src/app.ts")],
  outdir: at("dist"),
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none",
  plugins: [libraries],
});
for (const name of ["index.html", "app.css", "icon.svg"]) await copyFile(at(`src/${name}`), at(`dist/${name}`));
