// A bare signer: it reads an operation, hashes it as the VerifyingPaymaster of the EntryPoint v0.7
// does, and signs the hash. No check, no chain, no record: node ethers-signer.mjs CHAIN PORT
import { createServer } from "node:http";
import { AbiCoder, Wallet, concat, getBytes, keccak256, toBeHex } from "ethers";

const [, port] = process.argv.slice(2);
const wallet = new Wallet(keccak256("0x01"));
const PAYMASTER = "0x9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a";
const VALID_FOR_SECONDS = 600;
const GAS_LIMITS = [60_000, 0];
const FIELDS = [
  "address", "uint256", "bytes32", "bytes32", "bytes32", "uint256", "uint256", "bytes32", "uint256", "address",
  "uint48", "uint48",
];

const pair = (high, low) => concat([toBeHex(high, 16), toBeHex(low, 16)]);

function hash(op, chainId, until, after) {
  return keccak256(AbiCoder.defaultAbiCoder().encode(FIELDS, [
    op.sender,
    op.nonce,
    keccak256(concat([op.factory ?? "0x", op.factoryData ?? "0x"])),
    keccak256(op.callData),
    pair(op.verificationGasLimit, op.callGasLimit),
    op.preVerificationGas,
    BigInt(GAS_LIMITS[0]),
    pair(op.maxPriorityFeePerGas, op.maxFeePerGas),
    chainId,
    PAYMASTER,
    until,
    after,
  ]));
}

async function sponsor({ id, params: [op, , chainId] }) {
  const after = Math.floor(Date.now() / 1000) - 60;
  const until = after + VALID_FOR_SECONDS;
  const signature = await wallet.signMessage(getBytes(hash(op, chainId, until, after)));
  const paymasterData = AbiCoder.defaultAbiCoder().encode(["uint48", "uint48"], [until, after]) + signature.slice(2);
  return { jsonrpc: "2.0", id, result: { paymaster: PAYMASTER, paymasterData } };
}

createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", async () => {
    const answer = JSON.stringify(await sponsor(JSON.parse(Buffer.concat(parts).toString())));
    response.writeHead(200, { "Content-Type": "application/json" }).end(answer);
  });
}).listen(Number(port), "127.0.0.1", () => console.log("ready"));
