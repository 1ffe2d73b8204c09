import { type Hex, numberToHex } from "viem";
import {
  type EntryPointVersion,
  formatUserOperationRequest,
  type GetPaymasterDataReturnType,
  type GetPaymasterStubDataReturnType,
  type PaymasterActions,
} from "viem/account-abstraction";
import type { TeeAccount } from "./account/account.js";
import { relayClient } from "./hosts/relay.js";
import type { HostSettings } from "./hosts/settings.js";
import { entryPointVersionAt } from "./operation/entry-point.js";
import { toPaymasterRequest } from "./operation/operation.js";
import { paymasterFields, type RpcPaymasterFields } from "./operation/paymaster-fields.js";
import { Signatures } from "./operation/signatures.js";
import { sponsor } from "./operation/sponsor.js";
import type { Authenticator } from "./passkey/authenticator.js";
import { browserAuthenticator } from "./passkey/browser.js";
import { queueOf } from "./passkey/queue.js";

/** What may be in viem's `paymasterContext`. */
export interface TeePaymasterContext {
  /** By default the first policy that the caller may use. */
  policyId?: string | undefined;
  /** 1 to 128 printable ASCII characters: keeps an order from being sponsored twice. */
  idempotencyKey?: string | undefined;
}

/** Parameters of {@link createTeePaymaster}. */
export interface CreateTeePaymasterParameters extends HostSettings {
  /** The relay's JSON-RPC; may have chain id and API key: `https://relay.example/rpc/1/srk_…`. */
  rpcUrl: string;
  /** The account that approves, of {@link createTeeAccount} or {@link findTeeAccount}. */
  account: Pick<TeeAccount, "accountId">;
  /** For every operation whose `paymasterContext` does not say otherwise. */
  context?: TeePaymasterContext | undefined;
  /** Of an EntryPoint that is not at its published address. */
  entryPointVersion?: EntryPointVersion | undefined;
  /** By default the browser's. */
  authenticator?: Authenticator | undefined;
}

/** A paymaster for viem and permissionless.js, and the signatures that came with its answers. */
export interface TeePaymaster extends PaymasterActions {
  /** The signature of the account's key in the TEE over a sponsored operation. */
  signatureOf(userOpHash: Hex): Hex | undefined;
}

/**
 * A paymaster for `paymaster:` of viem's `createBundlerClient` and permissionless'
 * `createSmartAccountClient`. `getPaymasterData`, which viem calls with the final operation, costs
 * one touch. Operations that are sent at once are approved one after the other.
 *
 * Its methods throw {@link RelayError}, {@link PasskeyError} and {@link ClientError}.
 */
export function createTeePaymaster(parameters: CreateTeePaymasterParameters): TeePaymaster {
  const { rpcUrl, authenticator = browserAuthenticator } = parameters;
  const { accountId } = parameters.account;
  const relay = relayClient(rpcUrl, parameters);
  const signatures = new Signatures();
  const optionsOf = (context: unknown) => defined({ ...parameters.context, ...(context as object | undefined) });

  return {
    signatureOf: (userOpHash) => signatures.get(userOpHash),

    async getPaymasterStubData(request) {
      const { chainId, entryPointAddress, context, userOperation } = toPaymasterRequest(request);
      const stub = await relay.request<RpcPaymasterFields & { sponsor?: { name: string } }>("pm_getPaymasterStubData", [
        { ...NO_GAS, ...formatUserOperationRequest(userOperation) },
        entryPointAddress,
        numberToHex(chainId),
        { ...optionsOf(context), accountId },
      ]);
      const { sponsor: sponsoredBy } = stub;
      const answer = { ...paymasterFields(stub), isFinal: false, ...(sponsoredBy && { sponsor: sponsoredBy }) };
      return answer as GetPaymasterStubDataReturnType;
    },

    async getPaymasterData(request) {
      const { context, ...operation } = toPaymasterRequest(request);
      const entryPointVersion = parameters.entryPointVersion ?? entryPointVersionAt(operation.entryPointAddress);
      const options = optionsOf(context);
      const { fields, userOpHash, signature } = await queueOf(authenticator).run(() =>
        sponsor({ relay, accountId, operation: { ...operation, entryPointVersion }, options, authenticator }),
      );
      signatures.keep(userOpHash, signature);
      return fields as GetPaymasterDataReturnType;
    },
  };
}

/** For the stub, since gas is not estimated yet. */
const NO_GAS = { callGasLimit: "0x0", verificationGasLimit: "0x0", preVerificationGas: "0x0" };

/** Without the keys that are undefined. */
function defined(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
