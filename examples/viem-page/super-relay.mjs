import { createClient, hashTypedData, hexToBigInt, http, numberToHex } from "viem";
import { formatUserOperationRequest, getPaymasterStubData } from "viem/account-abstraction";
import { toAccount } from "viem/accounts";

/**
 * Registers a passkey and makes its account. Options: `signatureScheme`, "eip191" for EntryPoint
 * v0.6 and v0.7 (the default of the KMS), "raw" from v0.8 on; `invitation`, where the KMS wants one.
 */
export async function createAccount(kms, userName, options) {
  const post = async (path, body) => {
    const headers = { "content-type": "application/json" };
    const response = await fetch(kms + path, { method: "POST", headers, body: JSON.stringify(body) });
    const answer = await response.json();
    if (answer.error) throw new Error(`${answer.error.code}: ${answer.error.message}`);
    return answer;
  };
  const begun = await post("/webauthn/register/begin", { userName });
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(begun.publicKey);
  const credential = (await navigator.credentials.create({ publicKey })).toJSON();
  const { registrationId } = begun;
  const finished = await post("/webauthn/register/finish", { registrationId, credential });
  return post("/kms/create-deterministic-account", { registrationId: finished.registrationId, ...options });
}

/** Owner and paymaster of an account that `createAccount` gave, as viem wants them. */
export function superRelay(url, { accountId, ownerAddress }) {
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

    async getPaymasterData({ chainId, entryPointAddress, context, ...final }) {
      const operation = formatUserOperationRequest(final);
      const options = { entryPoint: entryPointAddress, chainId: numberToHex(chainId), ...context };
      const ask = (method, ...params) => relay.request({ method, params });

      const intent = await ask("pm_getSponsorshipIntent", operation, accountId, options);
      const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(intent.webauthn);
      const passkey = (await navigator.credentials.get({ publicKey })).toJSON();
      const sponsored = await ask("pm_sponsor_with_tee", operation, accountId, passkey, options);
      signatures.set(sponsored.userOpHash, sponsored.signature);

      const { paymasterAndData, ...fields } = sponsored.userOperation;
      if (paymasterAndData) return { paymasterAndData }; // EntryPoint v0.6
      return {
        paymaster: fields.paymaster,
        paymasterData: fields.paymasterData,
        paymasterVerificationGasLimit: hexToBigInt(fields.paymasterVerificationGasLimit),
        paymasterPostOpGasLimit: hexToBigInt(fields.paymasterPostOpGasLimit),
      };
    },
  };
  return { owner, paymaster };
}
