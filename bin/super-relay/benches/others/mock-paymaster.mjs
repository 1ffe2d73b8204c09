// Pimlico's mock paymaster, as published, on the chain that the node uses. It deploys and funds its
// own contracts there, and signs whatever it is given: node mock-paymaster.mjs CHAIN PORT
import { paymaster } from "@pimlico/mock-paymaster";

// prool expects Node 22.
Promise.withResolvers ??= () => {
  const resolvers = {};
  resolvers.promise = new Promise((resolve, reject) => Object.assign(resolvers, { resolve, reject }));
  return resolvers;
};

const [anvilRpc, port] = process.argv.slice(2);
const server = paymaster({ anvilRpc, altoRpc: anvilRpc, host: "127.0.0.1", port: Number(port) });
await server.start();
console.log("ready");
