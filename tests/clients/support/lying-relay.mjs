// Hosts that lie: they change what they like in requests and answers on their way to a real relay
// or KMS.
import { createServer } from "node:http";
import { json, text } from "node:stream/consumers";
import { urls } from "./world.mjs";

/** Asks the real relay. */
export async function honest(request) {
  const headers = { "content-type": "application/json" };
  return (await fetch(urls.rpc, { method: "POST", headers, body: JSON.stringify(request) })).json();
}

/** A URL whose requests `answer` answers; `stop` ends it. */
export const lyingRelay = (answer) => lyingHost(async (request) => answer(await json(request)));

/** A URL of the real KMS that has each answer changed: `change(path, answer)`. */
export const lyingKms = (change) =>
  lyingHost(async (request) => {
    const { method, url } = request;
    const body = (await text(request)) || undefined;
    const asked = fetch(urls.kms + url, { method, headers: { "content-type": "application/json" }, body });
    return change(url, await (await asked).json());
  });

async function lyingHost(answer) {
  const server = createServer(async (request, response) => {
    const said = await answer(request);
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(said));
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}
