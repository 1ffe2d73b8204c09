// A relay's host that lies: it changes what it likes in requests and answers on their way to a real relay.
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { urls } from "./world.mjs";

/** Asks the real relay. */
export async function honest(request) {
  const headers = { "content-type": "application/json" };
  return (await fetch(urls.rpc, { method: "POST", headers, body: JSON.stringify(request) })).json();
}

/** A URL whose requests `answer` answers; `stop` ends it. */
export async function lyingRelay(answer) {
  const server = createServer(async (request, response) => {
    const said = await answer(await json(request));
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(said));
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}
