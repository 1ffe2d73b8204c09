// A webhook of the operator, written with the package "standardwebhooks" as published. It takes
// only requests signed with its secret, and denies the policy "denied".
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.argv[2]);
const taken = [];

function body(request) {
  return new Promise((resolve) => {
    let text = "";
    request.setEncoding("utf8").on("data", (part) => (text += part));
    request.on("end", () => resolve(text));
  });
}

async function answer(request) {
  if (request.method === "GET") return [200, taken];
  if (request.method !== "POST") return [405, {}];
  const { type, data } = webhook.verify(await body(request), request.headers);
  taken.push({ id: request.headers["webhook-id"], type, data });
  return [200, data.policyId === "denied" ? { approve: false, reason: "not today" } : { approve: true }];
}

const server = createServer((request, response) => {
  const send = ([status, json]) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(json));
  answer(request).then(send, (error) => send([401, { error: error.message }]));
});
server.listen(0, "127.0.0.1", () => console.log(`webhook listening on http://127.0.0.1:${server.address().port}`));
