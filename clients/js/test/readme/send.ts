import {
  createTeeAccount,
  createTeePaymaster,
  simpleAccountParameters,
  type TeeAccount,
  toTeeOwner,
} from "@super-relay/client";
import { toSimpleSmartAccount } from "permissionless/accounts";
import { type Address, createPublicClient, type Hex, http } from "viem";
import { createBundlerClient, entryPoint07Address } from "viem/account-abstraction";
import { foundry } from "viem/chains";

/** One touch. Keep the account: it has no secret, and is plain JSON. */
export const register = (kmsUrl: string, userName: string): Promise<TeeAccount> =>
  createTeeAccount({ kmsUrl, userName, entryPointVersion: "0.7" });

/** One touch. `urls`: of super-relay, of any node, of any ERC-4337 bundler. */
export async function send(
  urls: { rpc: string; chain: string; bundler: string },
  tee: TeeAccount,
  calls: { to: Address; value?: bigint; data?: Hex }[],
) {
  const paymaster = createTeePaymaster({ rpcUrl: urls.rpc, account: tee });
  const owner = toTeeOwner({ account: tee, paymaster });
  const client = createPublicClient({ chain: foundry, transport: http(urls.chain) });
  const account = await toSimpleSmartAccount({
    client,
    owner,
    entryPoint: { address: entryPoint07Address, version: "0.7" },
    ...simpleAccountParameters(tee),
  });
  const bundler = createBundlerClient({ account, client, paymaster, transport: http(urls.bundler) });

  const hash = await bundler.sendUserOperation({ calls });
  return bundler.waitForUserOperationReceipt({ hash });
}
