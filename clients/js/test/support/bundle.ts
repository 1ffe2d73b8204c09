// The page's script, bundled as a dApp's build would.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { entryPoint, urls } from "./world.js";

export async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("../page/page.js", import.meta.url))],
    bundle: true,
    format: "esm",
    platform: "browser",
    write: false,
    define: { WORLD: JSON.stringify({ urls, entryPoint }) },
  });
  return outputFiles[0]?.text ?? "";
}
