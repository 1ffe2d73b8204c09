// A host on a free port of 127.0.0.1.
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** A host, until it is stopped. */
export interface Host {
  url: string;
  stop(): void;
}

/** What a host got. */
export interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** A host that answers with JSON. */
export const startHost = (answer: (received: Received) => unknown): Promise<Host> =>
  startServer(async (received, response) => {
    const answered = await answer(received);
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answered));
  });

/** A host that never answers. */
export const startSilentHost = (): Promise<Host> => startServer(() => undefined);

async function startServer(respond: (received: Received, response: ServerResponse) => unknown): Promise<Host> {
  const server = createServer(async (request, response) => {
    const { url: path = "/", headers } = request;
    await respond({ path, headers, body: await text(request) }, response);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  // A test that fails does not stop it.
  server.unref();
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
