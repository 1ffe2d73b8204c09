// The host of the page that the tests open in Chromium: an origin of its own. Its script is put in
// place by test/support/chromium.mjs.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const HTML = '<!doctype html><title>page</title><script type="module" src="/page.js"></script>';

/** A page at `origin`, until it is stopped. */
export interface PageHost {
  origin: string;
  stop(): void;
}

export async function startPage(): Promise<PageHost> {
  const server = createServer((request, response) => {
    if (request.url !== "/") return response.writeHead(404).end();
    return response.writeHead(200, { "content-type": "text/html" }).end(HTML);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  return { origin: `http://localhost:${port}`, stop: () => server.close() };
}
