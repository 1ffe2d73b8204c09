// Serves the page of examples/viem-page on a free port: an origin of its own. Its script comes from
// bundle.mjs.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const page = await readFile(new URL("../../../examples/viem-page/index.html", import.meta.url));
const server = createServer((request, response) => {
  if (new URL(request.url, "http://localhost").pathname !== "/") return response.writeHead(404).end();
  return response.writeHead(200, { "content-type": "text/html" }).end(page);
});
server.listen(0, "127.0.0.1", () => console.log(`page listening on http://localhost:${server.address().port}`));
