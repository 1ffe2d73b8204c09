import {
  type Address,
  type Client,
  type Hex,
  isAddressEqual,
  numberToHex,
  recoverAddress,
  type SignableMessage,
  serializeErc6492Signature,
  size,
} from "viem";
import type { SmartAccount } from "viem/account-abstraction";
import { verifyMessage } from "viem/actions";
import type { TeeAccount } from "../account/account.js";
import { ClientError } from "../errors/client.js";
import { type KmsSettings, requestKms } from "../hosts/kms.js";
import type { Authenticator } from "../passkey/authenticator.js";
import { browserAuthenticator } from "../passkey/browser.js";
import { queueOf } from "../passkey/queue.js";
import { touch } from "../passkey/touch.js";
import { bytesOf, type FormedMessage, getMessageIntentHash, messageDigest } from "./digest.js";
import { type Contract, personalSignDomain } from "./verifier.js";

const OPERATION_HASH_LENGTH = 32;

/** Parameters of {@link createTeeMessages}. */
export interface CreateTeeMessagesParameters extends KmsSettings {
  /** The account that signs, of {@link createTeeAccount} or {@link findTeeAccount}. */
  account: Pick<TeeAccount, "accountId" | "ownerAddress" | "passkeys">;
  /** The relying party (`kms.rp_id`), where it is not the page's own host. */
  rpId?: string | undefined;
  /** By default the browser's. */
  authenticator?: Authenticator | undefined;
}

/** Parameters of {@link TeeMessages.signMessage}. */
export interface SignTeeMessageParameters {
  /** Of the contract's chain. */
  client: Client;
  /** The contract that the account owns, as viem's and permissionless' constructors return it. */
  smartAccount: Pick<SmartAccount, "address" | "getFactoryArgs">;
  message: SignableMessage;
}

/** Signatures over messages by a key in the TEE. */
export interface TeeMessages {
  /** The address of the key in the TEE. */
  address: Address;
  /**
   * The key's own signature, of 65 bytes: as EIP-191, or as PersonalSign of ERC-7739 in `domain`.
   * One touch. No message has 32 bytes, which may be an operation's hash.
   */
  sign(message: FormedMessage): Promise<Hex>;
  /**
   * A signature that viem's `verifyMessage` accepts for the contract (ERC-1271), also before it is
   * deployed (ERC-6492). One touch.
   *
   * Throws {@link ClientError} `messages_not_supported`, before the touch, if the contract verifies
   * no messages, as SimpleAccount; `message_not_accepted` if it refuses what was signed.
   */
  signMessage(parameters: SignTeeMessageParameters): Promise<Hex>;
}

/** Has messages signed by an account whose key is in the TEE, through the KMS. */
export function createTeeMessages(parameters: CreateTeeMessagesParameters): TeeMessages {
  const { account, rpId, authenticator = browserAuthenticator } = parameters;
  const { accountId, ownerAddress, passkeys } = account;
  const allowCredentials = passkeys.map(({ credentialId }) => ({ type: "public-key" as const, id: credentialId }));
  const webauthn = { allowCredentials, ...(rpId !== undefined && { rpId }) };

  // A passkey with a counter has to be used in order, so the queue is held until the answer.
  const sign = async (formed: FormedMessage): Promise<Hex> => {
    const message = bytesOf(formed.message);
    if (size(message) === OPERATION_HASH_LENGTH) {
      throw new ClientError("message_is_hash", "a message of 32 bytes could be the hash of an operation");
    }
    return queueOf(authenticator).run(async () => {
      const challenge = getMessageIntentHash({ ...formed, accountId });
      const userSignature = await touch({ challenge, webauthn, authenticator });
      const request = { accountId, message, ...formOf(formed), userSignature };
      const signature = (await requestKms(parameters, "/kms/sign-message", request)).hex("signature", 65);
      const signer = await recoverAddress({ hash: messageDigest(formed), signature }).catch(() => undefined);
      if (signer !== undefined && isAddressEqual(signer, ownerAddress)) return signature;
      throw new ClientError("signature_invalid", `the signature of the message is not by the key of ${ownerAddress}`);
    });
  };

  return {
    address: ownerAddress,
    sign,
    async signMessage({ client, smartAccount, message }) {
      const contract = await contractOf(smartAccount);
      const { address, factory, factoryData } = contract;
      // Whoever is the contract verifies as an externally owned account would.
      const isOwn = isAddressEqual(address, ownerAddress);
      const domain = isOwn ? undefined : await personalSignDomain(client, contract);
      const signed = await sign({ message, domain });
      const signature =
        factory && factoryData
          ? serializeErc6492Signature({ address: factory, data: factoryData, signature: signed })
          : signed;
      if (await verifyMessage(client, { address, message, signature })) return signature;
      throw new ClientError("message_not_accepted", `the contract of ${address} does not accept its owner's signature`);
    },
  };
}

/** The fields of the request. */
function formOf({ domain }: FormedMessage) {
  if (domain === undefined) return { form: "eip191" };
  return { form: "personalSign", domain: { ...domain, chainId: numberToHex(domain.chainId) } };
}

/** Without what is no factory: the marker of EIP-7702. */
async function contractOf(smartAccount: SignTeeMessageParameters["smartAccount"]): Promise<Contract> {
  const { address } = smartAccount;
  const { factory, factoryData } = await smartAccount.getFactoryArgs();
  return factory === "0x7702" ? { address } : { address, factory, factoryData };
}
