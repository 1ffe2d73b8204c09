import type { Hex } from "viem";
import { ClientError } from "../errors/client.js";
import type { Authenticator } from "../passkey/authenticator.js";
import { queueOf } from "../passkey/queue.js";
import { touch } from "../passkey/touch.js";
import { getIntentListHash, MOST_INTENTS, tooMany } from "./intent.js";
import { type Approval, askIntent, type Intent, redeem, type SponsorParameters, type Sponsorship } from "./sponsor.js";

/** Sends one operation, with this touch in its `paymasterContext`. */
export type Sender<Result> = (touch: SharedTouch) => Promise<Result>;

/** What became of each sender, in their order, as `Promise.allSettled` says it. */
export type Settled<Senders extends readonly Sender<unknown>[]> = {
  -readonly [Key in keyof Senders]: PromiseSettledResult<Awaited<ReturnType<Senders[Key]>>>;
};

/**
 * Has several operations approved with one touch, 16 at most:
 *
 * ```ts
 * const [first, second] = await approveTogether([
 *   (touch) => bundler.sendUserOperation({ calls: one, paymasterContext: { touch } }),
 *   (touch) => bundler.sendUserOperation({ calls: other, paymasterContext: { touch } }),
 * ]);
 * ```
 *
 * The senders start at once. When each has its final operation, or has failed, the touch approves
 * the list of what is left, and each operation is sponsored and sent by itself: one that fails
 * leaves the others as they are. All need the same passkey. Each operation has to be valid,
 * whichever is mined first: with a nonce key of its own (viem's default) and of a deployed account,
 * or on another chain.
 *
 * @throws {@link ClientError} `too_many_operations`, before anything is asked.
 */
export async function approveTogether<const Senders extends readonly Sender<unknown>[]>(
  senders: Senders,
): Promise<Settled<Senders>> {
  if (senders.length > MOST_INTENTS) throw tooMany(senders.length);
  const ceremony = new Ceremony(senders.length);
  const sending = senders.map(async (send) => {
    const shared = new SharedTouch(ceremony);
    try {
      return await send(shared);
    } finally {
      // One that failed, or asked for another touch: nobody waits for it, and what it still asks
      // for is not sponsored after its outcome was told.
      shared.end();
    }
  });
  return (await Promise.allSettled(sending)) as Settled<Senders>;
}

/** The part of one operation in a touch of {@link approveTogether}. */
export class SharedTouch {
  readonly #ceremony: Ceremony;
  #isAwaited = true;
  #isOver = false;

  /** @internal */
  constructor(ceremony: Ceremony) {
    this.#ceremony = ceremony;
  }

  /** @internal Has the operation sponsored once the list was approved. */
  async sponsor(parameters: SponsorParameters): Promise<Sponsorship> {
    const intent = await askIntent(parameters);
    if (this.#isOver) throw touchOver();
    const sponsored = this.#ceremony.join(intent, parameters, this);
    this.#leave();
    return sponsored;
  }

  /** @internal Its sender has ended: what it still asks for is refused. */
  end(): void {
    this.#isOver = true;
    this.#ceremony.withdraw(this);
    this.#leave();
  }

  /** The others no longer wait for this one. */
  #leave(): void {
    if (!this.#isAwaited) return;
    this.#isAwaited = false;
    this.#ceremony.leave();
  }
}

interface Member {
  by: SharedTouch;
  intent: Intent;
  authenticator: Authenticator;
  /** The chain and account that it deploys, if it does. */
  deploys: string | undefined;
  /** Has the operation sponsored, and settles what its sender waits for. */
  redeem(approval: Approval): Promise<void>;
  refuse(error: unknown): void;
}

/** One touch over a list that is complete when nobody is awaited any more. */
class Ceremony {
  #members: Member[] = [];
  #awaited: number;

  constructor(senders: number) {
    this.#awaited = senders;
  }

  join(intent: Intent, parameters: SponsorParameters, by: SharedTouch): Promise<Sponsorship> {
    const { authenticator } = parameters;
    if (this.#awaited === 0) throw touchOver();
    const [first] = this.#members;
    if (first !== undefined && !isSamePasskey(first, { intent, authenticator })) {
      throw new ClientError("touch_not_shared", "this operation needs another passkey than the first of the list");
    }
    const deploys = deployedBy(parameters);
    if (deploys !== undefined && this.#members.some((member) => member.deploys === deploys)) {
      const message = "another operation of the list deploys this account: send this one once that one is mined";
      throw new ClientError("touch_not_shared", message);
    }
    return new Promise((resolve, reject) => {
      const settle = (approval: Approval) => redeem(parameters, approval).then(resolve, reject);
      this.#members.push({ by, intent, authenticator, deploys, redeem: settle, refuse: reject });
    });
  }

  /** What is not sponsored yet never is; its place in a list that is being approved stays. */
  withdraw(by: SharedTouch): void {
    for (const member of this.#members) if (member.by === by) member.refuse(touchOver());
    this.#members = this.#members.filter((member) => member.by !== by);
  }

  leave(): void {
    this.#awaited -= 1;
    const [first] = this.#members;
    if (this.#awaited === 0 && first !== undefined) void this.#run(first);
  }

  /** Holds the queue until the last one is sponsored: a passkey with a counter is used in order. */
  #run({ authenticator, intent: { webauthn } }: Member): Promise<void> {
    return queueOf(authenticator).run(async () => {
      if (this.#members.length === 0) return;
      try {
        const intents = [...new Set(this.#members.map(({ intent }) => intent.hash))];
        const assertion = await touch({ challenge: challengeOf(intents), webauthn, authenticator });
        const approval = intents.length > 1 ? { ...assertion, intents } : assertion;
        await Promise.all(this.#members.map((member) => member.redeem(approval)));
      } catch (error) {
        for (const member of this.#members) member.refuse(error);
      }
    });
  }
}

function touchOver(): ClientError {
  return new ClientError("touch_over", "the touch was over before this operation was sponsored with it");
}

function challengeOf(intents: readonly Hex[]): Hex {
  const [only] = intents;
  return intents.length === 1 && only !== undefined ? only : getIntentListHash(intents);
}

/** An EIP-7702 authorization (factory 0x7702) may come twice: the second has no effect. */
function deployedBy({ operation: { chainId, userOperation } }: SponsorParameters): string | undefined {
  const { initCode = "0x", factory = initCode.slice(0, 42) } = userOperation;
  if (factory === null || factory === "0x" || BigInt(factory) === 0x7702n) return undefined;
  return `${chainId} ${userOperation.sender.toLowerCase()}`;
}

function isSamePasskey(one: Pick<Member, "intent" | "authenticator">, other: typeof one): boolean {
  const passkeys = ({ intent: { webauthn } }: typeof one) =>
    JSON.stringify([webauthn.rpId, webauthn.allowCredentials?.map(({ id }) => id).sort()]);
  return one.authenticator === other.authenticator && passkeys(one) === passkeys(other);
}
