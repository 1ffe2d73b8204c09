// Wires the steps of index.html.
import { createTeeAccount, findTeeAccount, type TeeAccount } from "@super-relay/client";
import { formatEther, formatGwei, numberToHex } from "viem";
import type { UserOperationReceipt } from "viem/account-abstraction";
import { type Connection, connect } from "./connection.js";
import { code, element, fill, make, type Row } from "./dom.js";
import { betterPlace, type Facts, loadFacts } from "./facts.js";
import { healthOf, type State } from "./health.js";
import { isDeployed, mostItCosts, type Sponsored, send, sponsor } from "./operation.js";
import { problemOf } from "./problem.js";
import { Recorder } from "./recorder.js";
import { type Signature, signaturesOf, sponsorship } from "./signatures.js";
import { Step, type Tell } from "./step.js";

const button = (id: string) => element<HTMLButtonElement>(id);
const value = (id: string) => element<HTMLInputElement>(id).value.trim();
const notice = element("notice");
const steps = {
  register: new Step("register"),
  sponsor: new Step("sponsor"),
  send: new Step("send"),
};

let facts: Facts;
let tee: TeeAccount | undefined;
let sponsored: Sponsored | undefined;
let tellOfTouch: Tell = () => undefined;
const recorder = new Recorder(() => tellOfTouch("Your browser asks for your passkey…"));

const connection = (): Connection => connect(facts, value("api-key"));

/** With what every call of the KMS needs. */
const kms = () => ({
  kmsUrl: facts.kmsUrl,
  authenticator: recorder,
  invitation: value("invitation") || undefined,
});

function forget(): void {
  sponsored = undefined;
  for (const name of ["sponsor", "send"] as const) steps[name].clear();
  button("send").disabled = true;
  element("outcome").hidden = true;
  element("outcome-empty").hidden = false;
}

/** Shows the account that an action ends with. */
async function useAccount(find: () => Promise<TeeAccount>): Promise<void> {
  const isDone = await steps.register.run(async (tell) => {
    forget();
    tee = undefined;
    button("sponsor").disabled = true;
    tellOfTouch = tell;
    tell("Talking to the KMS…");
    tee = await find();
    tell("The account is there. Its key never leaves the TEE.");
    return [
      ["Account", code(tee.accountId)],
      ["Its key in the TEE", code(tee.ownerAddress)],
      ["Passkey", code(tee.passkeys[0]?.credentialId ?? "")],
    ];
  });
  if (!isDone) return;
  button("sponsor").disabled = false;
  steps.sponsor.focus();
}

async function register(): Promise<void> {
  const userName = value("user-name");
  const isNamed = userName !== "";
  element("user-name-problem").hidden = isNamed;
  element("user-name").setAttribute("aria-invalid", String(!isNamed));
  if (!isNamed) {
    element("user-name").focus();
    return;
  }
  await useAccount(() => createTeeAccount({ ...kms(), userName, entryPointVersion: facts.entryPointVersion }));
}

async function sponsorIt(): Promise<void> {
  const account = tee;
  if (account === undefined) return;
  const isDone = await steps.sponsor.run(async (tell) => {
    forget();
    tellOfTouch = tell;
    tell("Drafting the operation, and asking the relay what to approve…");
    const made = await sponsor(connection(), account, recorder);
    sponsored = made;
    tell("Approved and sponsored.");
    const { userOperation } = made.operation;
    return [
      ["Smart account", code(userOperation.sender), ...(await deployment(userOperation.sender))],
      ["Operation", code(made.userOpHash)],
      ["Nonce", code(numberToHex(userOperation.nonce))],
      ["Costs at most", `${formatEther(mostItCosts(made))} ETH`],
      ["Valid until", new Date(sponsorship(made).validUntil * 1000).toLocaleTimeString()],
    ];
  });
  if (!isDone) return;
  button("send").disabled = false;
  steps.send.focus();
}

async function deployment(sender: `0x${string}`): Promise<string[]> {
  return (await isDeployed(connection(), sender)) ? [" deployed"] : [" not deployed yet: this operation does it"];
}

async function sendIt(): Promise<void> {
  const sent = sponsored;
  if (sent === undefined) return;
  const isDone = await steps.send.run(async (tell) => {
    tell(`Sending it through ${sent.route.name}…`);
    const receipt = await send(connection(), sent);
    if (!receipt.success) throw new Error(`it was mined, but its call failed: ${receipt.reason ?? "no reason given"}`);
    tell("It is on the chain.");
    await showOutcome(sent, receipt);
    return [
      ["Sent through", sent.route.name],
      ["Transaction", code(receipt.receipt.transactionHash)],
      ["Block", String(BigInt(receipt.receipt.blockNumber))],
    ];
  });
  if (!isDone) return;
  button("send").disabled = true;
  element("outcome-title").focus();
  await showHealth();
}

async function showOutcome(sent: Sponsored, receipt: UserOperationReceipt): Promise<void> {
  const signatures = await signaturesOf(connection(), sent, recorder);
  element("signatures").replaceChildren(...signatures.map(signatureItem));
  const { actualGasCost: cost, actualGasUsed: gas } = receipt;
  const balance = await connection().chain.getBalance({ address: sent.operation.userOperation.sender });
  const rows: Row[] = [
    ["Gas", `${gas.toLocaleString("en")} at ${formatGwei(gas === 0n ? 0n : cost / gas)} gwei`],
    ["In wei", cost.toLocaleString("en")],
    ["In ether", `${formatEther(cost)} ETH`],
    ["Paid by", "the paymaster's deposit ", code(facts.paymaster)],
    ["Balance of the account", `${formatEther(balance)} ETH, never touched`],
  ];
  fill(element("costs"), rows);
  element("outcome-empty").hidden = true;
  element("outcome").hidden = false;
}

function signatureItem({ who, key, what, hash, proof, holds }: Signature): HTMLElement {
  const rows: Row[] = [
    ["Says", what],
    ["Key", code(key)],
  ];
  if (hash !== undefined) rows.push(["Signed", code(hash)]);
  const list = make("dl", { className: "result" });
  fill(list, rows);
  const [state, sign] = holds === undefined ? ["told", "•"] : holds ? ["ok", "✓"] : ["failed", "✗"];
  const mark = make("span", { className: `mark ${state}` }, sign);
  mark.setAttribute("aria-hidden", "true");
  const verdict = make("p", { className: "proof" }, mark, ` ${holds === false ? "Not so: " : ""}${proof}`);
  return make("li", {}, make("h4", {}, who), list, verdict);
}

const WORDS: Record<State, string> = { ok: "OK", warning: "Note", failed: "Failed" };

async function showHealth(): Promise<void> {
  element("health-status").textContent = "Checking…";
  const found = await healthOf(connection());
  element("health").replaceChildren(
    ...found.map(({ part, state, said }) =>
      make(
        "li",
        { className: state },
        make("strong", {}, part),
        make("span", { className: `badge ${state}` }, WORDS[state]),
        make("span", { className: "said" }, said),
      ),
    ),
  );
  const wrong = found.filter(({ state }) => state === "failed").map(({ part }) => part);
  element("health-status").textContent = wrong.length === 0 ? "Every part answers." : `Failed: ${wrong.join(", ")}.`;
}

/** Unless it runs already. */
function onClick(id: string, action: () => Promise<void>): void {
  button(id).addEventListener("click", () => {
    if (button(id).getAttribute("aria-disabled") !== "true") void action().catch(tellAbove);
  });
}

function tellAbove(error: unknown): void {
  const { what, hint } = problemOf(error);
  notice.replaceChildren(make("p", { className: "notice" }, hint === undefined ? what : `${what} ${hint}`));
}

async function start(): Promise<void> {
  element("register-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (button("register").getAttribute("aria-disabled") !== "true") void register().catch(tellAbove);
  });
  facts = await loadFacts();
  element("version").textContent = facts.version;
  onClick("find", () => useAccount(() => findTeeAccount({ ...kms(), rpId: facts.rpId })));
  onClick("sponsor", sponsorIt);
  onClick("send", sendIt);
  onClick("check", showHealth);
  onClick("again", async () => {
    forget();
    steps.sponsor.focus();
  });
  const place = betterPlace(facts);
  if (place !== undefined) {
    const link = make("a", { href: place }, place);
    notice.replaceChildren(
      make("p", { className: "notice" }, `Passkeys of ${facts.rpId} do not work here. Open `, link, "."),
    );
  }
  await showHealth();
}

start().catch(tellAbove);
