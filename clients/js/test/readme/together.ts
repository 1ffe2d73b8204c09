import { approveTogether, type SharedTouch } from "@super-relay/client";
import type { Address, Hex, Transport } from "viem";
import type { BundlerClient, SmartAccount } from "viem/account-abstraction";

/** One touch for all: each list of calls is an operation of its own. */
export function sendTogether(
  bundler: BundlerClient<Transport, undefined, SmartAccount>,
  operations: { to: Address; value?: bigint; data?: Hex }[][],
) {
  const send = (calls: (typeof operations)[number]) => (touch: SharedTouch) =>
    bundler.sendUserOperation({ calls, paymasterContext: { touch } });
  return approveTogether(operations.map(send));
}
