// The reference bundler for EntryPoint v0.6, with the rules of ERC-7562 on, on a local chain
// (anvil): `node start.mjs CHAIN_URL`. Prints its address when it listens.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import bundler from "@metamask/test-bundler";
import { ethers } from "ethers";

const ENTRY_POINT = "0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789";
const HUNDRED_ETHER = "0x56bc75e2d63100000";

const [chain] = process.argv.slice(2);
if (!chain) {
  console.error("usage: node start.mjs CHAIN_URL");
  process.exit(2);
}

const wallet = ethers.Wallet.createRandom();
await new ethers.providers.JsonRpcProvider(chain).send("anvil_setBalance", [wallet.address, HUNDRED_ETHER]);

const folder = mkdtempSync(join(tmpdir(), "strict-bundler-"));
const forget = () => rmSync(folder, { recursive: true, force: true });
process.on("exit", forget);
const file = (name, text) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const configFile = file(
  "config.json",
  JSON.stringify({
    network: chain,
    entryPoint: ENTRY_POINT,
    mnemonic: file("mnemonic.txt", wallet.mnemonic.phrase),
    beneficiary: wallet.address,
    minBalance: "0",
    maxBundleGas: 5_000_000,
    gasFactor: "1",
    autoBundleInterval: 1,
    autoBundleMempoolSize: 0,
    port: "0",
  }),
);

// It has no option for the interface and would listen on all of them.
const { listen } = Server.prototype;
Server.prototype.listen = function (port, ...rest) {
  this.once("listening", () => console.log(`bundler listening on http://127.0.0.1:${this.address().port}/rpc`));
  return listen.call(this, { port: Number(port), host: "127.0.0.1" }, ...rest);
};

// Where anvil fails and geth gives nothing: an empty slice at the end of the memory, for a tracer,
// which then makes the traced call revert; logs from a block on that is to come.
const SLICE = "toHex(log.memory.slice(ofs, ofs + len))";
const { send } = ethers.providers.JsonRpcProvider.prototype;
ethers.providers.JsonRpcProvider.prototype.send = async function (method, params) {
  if (method === "debug_traceCall") {
    const [call, block, options] = params;
    const tracer = options.tracer.replaceAll(SLICE, `(len > 0 ? ${SLICE} : "0x")`);
    return send.call(this, method, [call, block, { ...options, tracer }]);
  }
  if (method === "eth_getLogs" && Number(params[0].fromBlock) > (await this.getBlockNumber())) return [];
  return send.call(this, method, params);
};

await bundler.startBundler({ configFile, unsafe: false });
forget();
