// A contract, or a node, that names the domain of another contract.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Authenticator, ClientError, createTeeMessages } from "@super-relay/client";
import { type Address, createClient, custom, defineChain, encodeAbiParameters, type Hex, zeroHash } from "viem";
import { refused } from "../support/refused.js";

const CONTRACT: Address = "0x5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
const VICTIM: Address = "0xa5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5";
const OWNER: Address = "0x1111111111111111111111111111111111111111";
const CHAIN = 31337;

/** Of eip712Domain() (ERC-5267). */
const SELECTOR = "0x84b0196e";
const DOMAIN = ["bytes1", "string", "string", "uint256", "address", "bytes32", "uint256[]"].map((type) => ({ type }));

/** A chain whose contract supports ERC-7739, in that domain. */
function chainWith(chainId: number, verifyingContract: Address) {
  const domain = encodeAbiParameters(DOMAIN, [
    "0x0f",
    "account",
    "1",
    BigInt(chainId),
    verifyingContract,
    zeroHash,
    [],
  ]);
  const request = async ({ method, params }: { method: string; params: [{ data: Hex }] }): Promise<Hex> => {
    assert.equal(method, "eth_call");
    return params[0].data === SELECTOR ? domain : `0x77390001${"00".repeat(28)}`;
  };
  const nativeCurrency = { name: "Ether", symbol: "ETH", decimals: 18 };
  const chain = defineChain({ id: CHAIN, name: "test", nativeCurrency, rpcUrls: { default: { http: [] } } });
  return createClient({ chain, transport: custom({ request }) });
}

const smartAccount = {
  address: CONTRACT,
  getFactoryArgs: async () => ({ factory: undefined, factoryData: undefined }),
};

/** What it signs, and whether it was touched. */
async function ask(chainId: number, verifyingContract: Address) {
  let touches = 0;
  const touched = async (): Promise<never> => {
    touches += 1;
    throw new DOMException("enough", "NotAllowedError");
  };
  const authenticator: Authenticator = { create: touched, get: touched };
  const account = { accountId: "alice", ownerAddress: OWNER, passkeys: [] };
  const messages = createTeeMessages({ kmsUrl: "http://127.0.0.1:1", account, authenticator });
  const client = chainWith(chainId, verifyingContract);
  const error = await messages
    .signMessage({ client, smartAccount, message: "hello" })
    .catch((thrown: unknown) => thrown);
  return { error: Promise.reject(error), touches };
}

test("nothing is approved in the domain of another contract, or of another chain", async () => {
  for (const [chainId, contract] of [
    [CHAIN, VICTIM],
    [1, CONTRACT],
  ] as const) {
    const { error, touches } = await ask(chainId, contract);
    const { details } = await refused(error, ClientError, "messages_not_supported");
    assert.match(details, new RegExp(`has the domain of ${contract} on chain ${chainId},`, "i"));
    assert.equal(touches, 0);
  }
});

test("the contract's own domain is approved", async () => {
  const { error, touches } = await ask(CHAIN, CONTRACT);
  await assert.rejects(error, { reason: "touch_denied" });
  assert.equal(touches, 1);
});
