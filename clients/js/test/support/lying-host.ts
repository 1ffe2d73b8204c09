// Hosts that lie: they change requests and answers on their way to the real relay or KMS.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { urls } from "./world.js";

/** A host that lies, until it is stopped. */
export interface LyingHost {
  url: string;
  stop(): void;
}

type Json = Record<string, unknown>;

/** The real relay with changes: `change` gets each request, and a function that asks the relay. */
export const lyingRelay = (change: (request: Json, ask: (request: Json) => Promise<Json>) => Promise<Json>) =>
  host(async (_path, body) => change(JSON.parse(body) as Json, (request) => post(urls.rpc, JSON.stringify(request))));

/** The real KMS with changed answers. */
export const lyingKms = (change: (path: string, answer: Json) => Json) =>
  host(async (path, body) => change(path, await post(`${urls.kms}${path}`, body || undefined)));

async function post(url: string, body: string | undefined): Promise<Json> {
  const headers = { "content-type": "application/json" };
  const response = await (body === undefined ? fetch(url) : fetch(url, { method: "POST", headers, body }));
  return (await response.json()) as Json;
}

async function host(answer: (path: string, body: string) => Promise<Json>): Promise<LyingHost> {
  const server = createServer(async (request, response) => {
    const answered = await answer(request.url ?? "/", await text(request));
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answered));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  // A test that fails does not stop it.
  server.unref();
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, stop: () => server.close() };
}
