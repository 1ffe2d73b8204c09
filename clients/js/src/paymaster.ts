import { type Address, type Hex, numberToHex } from "viem";
import {
  type EntryPointVersion,
  formatUserOperationRequest,
  type GetPaymasterDataReturnType,
  type GetPaymasterStubDataReturnType,
  type PaymasterActions,
  type UserOperation,
} from "viem/account-abstraction";
import type { TeeAccount } from "./account/account.js";
import { relayClient } from "./hosts/relay.js";
import type { HostSettings } from "./hosts/settings.js";
import type { SharedTouch } from "./operation/approve.js";
import { entryPointVersionAt } from "./operation/entry-point.js";
import { type PaymasterRequest, toPaymasterRequest } from "./operation/operation.js";
import { paymasterFields } from "./operation/paymaster-fields.js";
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
  /** Of {@link approveTogether}: approves this operation with others. */
  touch?: SharedTouch | undefined;
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
  /**
   * The operator's paymaster: answers with another are refused. The TEE signs for its operator's
   * only, but an account with a signer of its own would pay with whatever the relay names.
   */
  paymasterAddress?: Address | undefined;
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
 * one touch, unless gas is still missing, as in viem's `estimateUserOperationGas`. Operations that
 * are sent at once are approved one after the other, or with one touch by {@link approveTogether}.
 *
 * Its methods throw {@link RelayError}, {@link PasskeyError} and {@link ClientError}.
 */
export function createTeePaymaster(parameters: CreateTeePaymasterParameters): TeePaymaster {
  const { rpcUrl, paymasterAddress, authenticator = browserAuthenticator } = parameters;
  const { accountId } = parameters.account;
  const relay = relayClient(rpcUrl, parameters);
  const signatures = new Signatures();
  const optionsOf = (context: unknown) => {
    const { touch, ...options }: TeePaymasterContext = { ...parameters.context, ...(context as object | undefined) };
    return { touch, options: defined(options) };
  };
  const versionAt = (address: Address) => parameters.entryPointVersion ?? entryPointVersionAt(address);

  const stubOf = async ({ chainId, entryPointAddress, context, userOperation }: PaymasterRequest) => {
    const stub = await relay.request("pm_getPaymasterStubData", [
      { ...NO_GAS, ...formatUserOperationRequest(userOperation) },
      entryPointAddress,
      numberToHex(chainId),
      { ...optionsOf(context).options, accountId },
    ]);
    const entryPointVersion = versionAt(entryPointAddress);
    return { stub, fields: paymasterFields(stub, { entryPointVersion, paymasterAddress }) };
  };

  return {
    signatureOf: (userOpHash) => signatures.get(userOpHash),

    async getPaymasterStubData(request) {
      const { stub, fields } = await stubOf(toPaymasterRequest(request));
      const by = stub.has("sponsor") && { sponsor: { name: stub.object("sponsor").text("name") } };
      return { ...fields, isFinal: false, ...by } as GetPaymasterStubDataReturnType;
    },

    async getPaymasterData(request) {
      const { context, ...asked } = toPaymasterRequest(request);
      if (!hasGas(asked.userOperation)) {
        return (await stubOf({ ...asked, context })).fields as GetPaymasterDataReturnType;
      }
      const operation = { ...asked, entryPointVersion: versionAt(asked.entryPointAddress) };
      const { touch, options } = optionsOf(context);
      const needed = { relay, accountId, operation, options, paymasterAddress, authenticator };
      const { fields, userOpHash, signature } = await (touch?.sponsor(needed) ??
        queueOf(authenticator).run(() => sponsor(needed)));
      signatures.keep(userOpHash, signature);
      return fields as GetPaymasterDataReturnType;
    },
  };
}

/** For the stub, since gas is not estimated yet. */
const NO_GAS = { callGasLimit: "0x0", verificationGasLimit: "0x0", preVerificationGas: "0x0" };

/** Without gas limits an operation is a draft: there is nothing to approve yet. */
function hasGas({ callGasLimit, verificationGasLimit, preVerificationGas }: Partial<UserOperation>): boolean {
  return [callGasLimit, verificationGasLimit, preVerificationGas].every((limit) => limit !== undefined);
}

/** Without the keys that are undefined. */
function defined(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
