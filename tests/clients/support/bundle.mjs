// The script of examples/viem-page, bundled as its `npm start` does.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

/** `urls` as `--define:URLS=` has them. */
export async function bundle(urls) {
  const { outputFiles } = await build({
    entryPoints: [path("../../../examples/viem-page/page.mjs")],
    bundle: true,
    format: "esm",
    write: false,
    nodePaths: [path("../node_modules")],
    define: { URLS: JSON.stringify(urls) },
  });
  return outputFiles[0].text;
}
