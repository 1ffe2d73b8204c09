// Serves examples/viem-page, bundled as its `npm start` does, on a free port: an origin of its own.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const example = "../../../examples/viem-page/";

const { outputFiles } = await build({
  entryPoints: [path(`${example}page.mjs`)],
  bundle: true,
  format: "esm",
  write: false,
  nodePaths: [path("../node_modules")],
});
const files = {
  "/": ["text/html", await readFile(path(`${example}index.html`))],
  "/build/page.js": ["text/javascript", outputFiles[0].contents],
};
const server = createServer((request, response) => {
  const [type, content] = files[new URL(request.url, "http://localhost").pathname] ?? [];
  if (!type) return response.writeHead(404).end();
  return response.writeHead(200, { "content-type": type }).end(content);
});
server.listen(0, "127.0.0.1", () => console.log(`page listening on http://localhost:${server.address().port}`));
