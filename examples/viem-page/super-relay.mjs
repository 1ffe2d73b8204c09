import {
  concat,
  createClient,
  getAddress,
  hashTypedData,
  hexToBigInt,
  hexToBytes,
  http,
  keccak256,
  numberToHex,
  pad,
  stringToHex,
} from "viem";
import {
  entryPoint06Address,
  entryPoint07Address,
  entryPoint08Address,
  formatUserOperationRequest,
  getPaymasterStubData,
  getUserOperationHash,
} from "viem/account-abstraction";
import { toAccount } from "viem/accounts";

const ENTRY_POINT_VERSIONS = {
  [entryPoint06Address]: "0.6",
  [entryPoint07Address]: "0.7",
  [entryPoint08Address]: "0.8",
};
const NO_PAYMASTER = {
  paymaster: undefined,
  paymasterData: undefined,
  paymasterVerificationGasLimit: undefined,
  paymasterPostOpGasLimit: undefined,
  paymasterAndData: "0x",
};

async function ask(url, body) {
  const post = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await (await fetch(url, body && post)).json();
  if (answer.error) throw new Error(`${answer.error.code}: ${answer.error.message}`);
  return answer;
}

/** The accountId that the KMS gives if none was chosen. */
const accountIdOf = ({ rawId }) => `pk_${keccak256(new Uint8Array(rawId)).slice(2, 42)}`;

/** What the KMS answered, unless it is about another account or another's passkey. */
function accountOf(passkey, answer, passkeys, accountId = accountIdOf(passkey)) {
  const own = answer.accountId === accountId && passkeys.some(({ credentialId }) => credentialId === passkey.id);
  if (!own) throw new Error(`the KMS answered with another account than ${accountId} of this passkey`);
  return answer;
}

/**
 * Registers a passkey and creates its account. Options: `signatureScheme`, "eip191" for EntryPoint
 * v0.6 and v0.7 (the default of the KMS), "raw" for v0.8 and later; `invitation`, where the KMS
 * requires one.
 */
export async function createAccount(kms, userName, options) {
  const { invitation } = options ?? {}; // used up, or missing where it is needed: refused before there is a passkey
  const begun = await ask(`${kms}/webauthn/register/begin`, { userName, invitation });
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(begun.publicKey);
  const passkey = await navigator.credentials.create({ publicKey });
  const registration = { registrationId: begun.registrationId, credential: passkey.toJSON() };
  const { registrationId } = await ask(`${kms}/webauthn/register/finish`, registration);
  const made = await ask(`${kms}/kms/create-deterministic-account`, { registrationId, ...options });
  return accountOf(passkey, made, [made], options?.accountId);
}

/** Whether an assertion was made with that key (WebAuthn Level 3, section 7.2, steps 19 to 21). */
async function isMadeWith(publicKey, { clientDataJSON, authenticatorData, signature }) {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", hexToBytes(publicKey), algorithm, false, ["verify"]);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", clientDataJSON));
  const der = new Uint8Array(signature); // WebCrypto wants r and s of 32 bytes each
  const integer = (begin) => pad(der.slice(begin + 2, begin + 2 + der[begin + 1]).slice(-32), { size: 32 });
  const plain = concat([integer(2), integer(4 + der[3])]);
  return crypto.subtle.verify(algorithm, key, plain, concat([new Uint8Array(authenticatorData), hash]));
}

/**
 * The account of a passkey that `createAccount` registered, for a page that doesn't remember it.
 * Needs one touch. `rpId` is the `rp_id` of the KMS, where that is not the page's own host.
 */
export async function findAccount(kms, rpId = location.hostname) {
  const challenge = crypto.getRandomValues(new Uint8Array(32));
  const passkey = await navigator.credentials.get({ publicKey: { challenge, rpId, userVerification: "required" } });
  const found = await ask(`${kms}/kms/accounts/${accountIdOf(passkey)}`);
  const account = accountOf(passkey, found, found.passkeys);
  // Anyone can register a credential id that they have seen, with a key of their own.
  const { publicKey } = found.passkeys.find(({ credentialId }) => credentialId === passkey.id);
  if (await isMadeWith(publicKey, passkey.response)) return account;
  throw new Error(`somebody else registered this passkey's id as ${account.accountId}: register a new passkey`);
}

/** What the passkey approves: the operation without any paymaster, for this account. */
function intentOf({ chainId, entryPointAddress, context, ...operation }, accountId, entryPointVersion) {
  const userOperation = { ...operation, ...NO_PAYMASTER, signature: "0x" };
  const hash = getUserOperationHash({ chainId, entryPointAddress, entryPointVersion, userOperation });
  return keccak256(concat([hash, stringToHex(accountId)]));
}

let touching = Promise.resolve(); // a browser asks its user one thing at a time

/** An approval of `intent` and of nothing else, whatever the relay says. */
function approve(intent, webauthn) {
  const { rpId, allowCredentials } = PublicKeyCredential.parseRequestOptionsFromJSON(webauthn);
  const publicKey = { challenge: hexToBytes(intent), rpId, allowCredentials, userVerification: "required" };
  const get = () => navigator.credentials.get({ publicKey }); // with no extension that the relay might ask for
  touching = touching.then(get, get);
  return touching.then((credential) => credential.toJSON());
}

/**
 * Owner and paymaster of an account that `createAccount` or `findAccount` gave, as viem wants them.
 * An EntryPoint at another address than the usual one needs its version: "0.6", "0.7" or "0.8".
 */
export function superRelay(url, { accountId, ownerAddress }, entryPointVersion) {
  const relay = createClient({ transport: http(url) });
  const signatures = new Map(); // userOpHash => the owner's signature, made in the TEE

  const signatureOf = (hash) => {
    if (!signatures.has(hash)) throw new Error(`the owner signs sponsored operations only, not ${hash}`);
    return signatures.get(hash);
  };
  const owner = toAccount({
    address: ownerAddress,
    signMessage: async ({ message }) => signatureOf(message.raw ?? message), // EntryPoint v0.6, v0.7
    signTypedData: async (operation) => signatureOf(hashTypedData(operation)), // EntryPoint v0.8
    signTransaction: async () => signatureOf("a transaction"),
  });

  const paymaster = {
    getPaymasterStubData: (operation) =>
      getPaymasterStubData(relay, { ...operation, context: { accountId } }),

    async getPaymasterData(final) {
      const { chainId, entryPointAddress, context, ...fields } = final;
      const operation = formatUserOperationRequest(fields);
      const options = { entryPoint: entryPointAddress, chainId: numberToHex(chainId), ...context };
      const request = (method, ...params) => relay.request({ method, params });

      const version = entryPointVersion ?? ENTRY_POINT_VERSIONS[getAddress(entryPointAddress)];
      const intent = intentOf(final, accountId, version);
      const { intentHash, webauthn } = await request("pm_getSponsorshipIntent", operation, accountId, options);
      if (intentHash !== intent) throw new Error("the relay wants another operation approved than this one");
      const passkey = await approve(intent, webauthn);
      const sponsored = await request("pm_sponsor_with_tee", operation, accountId, passkey, options);
      signatures.set(sponsored.userOpHash, sponsored.signature);

      const { paymasterAndData, ...paid } = sponsored.userOperation;
      if (version === "0.6") return { paymasterAndData };
      return {
        paymaster: paid.paymaster,
        paymasterData: paid.paymasterData,
        paymasterVerificationGasLimit: hexToBigInt(paid.paymasterVerificationGasLimit),
        paymasterPostOpGasLimit: hexToBigInt(paid.paymasterPostOpGasLimit),
      };
    },
  };
  return { owner, paymaster };
}
