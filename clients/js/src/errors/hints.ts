/**
 * What a dApp can do about a refusal of relay or KMS, by reason. Reasons that only an operator can
 * do something about have none: their message says so. Each has a page in docs/reasons.
 */
const HINTS: Readonly<Record<string, string>> = {
  account_already_deployed:
    "The account was deployed since this operation was prepared: prepare it anew, without the factory.",
  account_code_not_allowed: "Use an account whose code the operator accepts (docs/accounts.md, Known code).",
  account_code_unknown: "Deploy the account before its first sponsored operation.",
  account_creation_failed: "Check the factory's address and data on this chain, and raise verificationGasLimit.",
  account_exists: "Choose another accountId, or send none: the account is then named after its credential.",
  account_id_reserved: "Choose another accountId, or send none.",
  account_needs_passkey: "accountId names an account of the TEE: its passkey has to approve (createTeePaymaster).",
  account_nonce_invalid: "Read the nonce again and have the operation approved anew; one nonce key, one at a time.",
  account_not_deployed: "Put factory and factoryData (v0.6: initCode) into the account's first operation.",
  account_reservations_exceeded: "Send what was sponsored, and wait until it is final: limits.rule names the limit.",
  account_unknown: "Create the account first (createTeeAccount), and compare accountId.",
  account_unlisted: "Ask the operator, or choose another policy by policyId.",
  allowance_exhausted: "Lower gas limits or fees, or tell the operator: the TEE may sign no more for this paymaster.",
  api_key_expired: "Use a new API key.",
  argument_not_allowed: "Call the function only with arguments that the operator allows.",
  call_gas_above_policy: "Estimate gas more closely: callGasLimit may be limits.limit at most.",
  call_not_of_account: "Encode the calls with the library of this account and its version.",
  call_not_understood: "Use execute or executeBatch of SimpleAccount, or a policy without targets.",
  challenge_mismatch: "The passkey approved something else: approve an operation after gas and fees are final.",
  cost_above_policy: "Estimate gas more closely, or lower maxFeePerGas: the worst case counts (limits.limit, in wei).",
  cost_above_ceiling: "Lower gas limits or fees: the worst case is over the TEE's ceiling.",
  creation_rationed: "Wait for retryAfter seconds.",
  creation_unauthorised:
    "Have your server ask for an invitation (pm_createAccountInvitation), and pass it as invitation.",
  credential_unknown: "Approve with a passkey of this account: pass on allowCredentials, and check accountId.",
  cross_origin: "Run the ceremony in the top-level page, not in an iframe of another origin.",
  domain_not_allowed: "Send the domain of the account's own contract (eip712Domain), not an EntryPoint's.",
  entry_point_not_supported: "Use one of limits.supported.",
  factory_not_allowed: "Use a factory that the operator lists.",
  factory_unavailable: "Repeat the request: it gives the same account with its address.",
  fee_above_market: "Read the chain's fees again: maxFeePerGas may be limits.limit wei at most.",
  fee_above_policy: "Lower maxFeePerGas to limits.limit wei at most, or wait until the chain is cheaper.",
  fee_too_low: "Raise maxFeePerGas to limits.least at least (wei), and have the operation approved anew.",
  function_not_allowed: "Call only functions that the operator lists.",
  gas_above_policy: "Estimate gas more closely: all three gas limits together may be limits.limit at most.",
  idempotency_conflict: "Use a new idempotencyKey for a new operation; to repeat, send the prepared operation again.",
  intent_not_listed: "Send exactly the operations that the list was computed from (approveTogether does).",
  invalid_field: "Correct the field that is named (limits.field, or details). Unknown fields are refused as well.",
  invitation_expired: "Have your server ask for a new invitation.",
  invitation_invalid: "Ask for a new invitation, from a relay that uses this KMS.",
  invitation_used_up: "Ask for a new invitation.",
  message_empty: "Sign a message of 1 to 16384 bytes.",
  message_is_hash: "Sign the text itself instead of its hash; a text of 32 bytes needs one more.",
  message_rationed: "Wait for retryAfter seconds, and keep signatures instead of having them made again.",
  method_not_found: "Check that the URL is the relay's; send eth_ methods to a bundler or node.",
  origin_not_allowed: "Serve the page from an origin that the operator lists (kms.origins, relay.rpc.allowed_origins).",
  passkey_missing: "The policy requires a passkey: use createTeePaymaster.",
  passkey_signature_invalid: "Send the assertion exactly as the authenticator returned it.",
  paymaster_deposit_too_low:
    "Lower gas limits, or try again later: the paymaster's deposit does not cover the worst case.",
  paymaster_not_ours: "Leave the paymaster fields out.",
  policy_api_key_not_allowed: "Send the API key that the policy is for, or use another policy.",
  policy_disabled: "Name another policy by policyId, or ask the operator.",
  policy_ended: "The policy is over: use another one.",
  policy_limit_reached: "Wait until limits.resetAt (Unix seconds): limits.rule names the limit.",
  policy_not_allowed: "Use one of limits.supported as policyId, or none.",
  policy_not_started: "Wait until limits.limit (Unix seconds), or use another policy.",
  policy_origin_not_allowed: "Serve the page from an origin that the policy lists, or use another policy.",
  quota_exhausted: "Wait until limits.resetAt (Unix seconds). A sponsorship through viem takes three calls.",
  rate_limited: "Wait for limits.retryAfter seconds. A sponsorship through viem takes three calls.",
  refusal_limit_reached: "Correct the reason of the earlier refusals, then wait.",
  registration_invalid: "Pass on the authenticator's response unchanged, or register again.",
  registration_unknown: "Register again: a registration is valid for 300 s.",
  rp_id_mismatch: "The passkey belongs to another relying party than the operator's.",
  scope_missing: "The API key lacks the scope limits.required.",
  sender_blocked: "The operator does not sponsor this account under this policy.",
  sender_not_allowed: "Use another policy, or ask the operator.",
  sender_not_from_factory: "Compute the sender from the same factory, owner and salt as the factory's data.",
  signature_scheme_conflict:
    "The account has the other scheme: leave signatureScheme out, or register another passkey.",
  signing_limit_reached: "Send the operation as it was signed, or wait until its window is over.",
  simulation_failed:
    "The operation would revert on chain: limits.bundler has the bundler's error. Check calls, balances and nonce.",
  target_not_allowed: "Call only contracts that the operator lists.",
  unauthorised: "Send an API key in headers, or in the path of rpcUrl: /rpc/<key>.",
  unknown_policy: "Correct policyId, or leave it out.",
  user_not_verified: "The authenticator needs a PIN or biometrics.",
  webhook_denied: "The operator's own rules deny it: limits.webhookReason has their reason, if it is given.",
  wrong_chain: "Use the URL of a relay for this chain; this one serves limits.supported.",
};

/** The hint for a reason of relay or KMS. */
export function hintFor(reason: string): string | undefined {
  return Object.hasOwn(HINTS, reason) ? HINTS[reason] : undefined;
}

/** The reasons that have a hint. */
export const reasonsWithHints: readonly string[] = Object.keys(HINTS);
