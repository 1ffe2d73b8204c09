import type { Hex } from "viem";

/** Far more operations than a page has in flight. */
const CAPACITY = 1000;

/** The signatures of the latest sponsored operations, by `userOpHash`. */
export class Signatures {
  readonly #byHash = new Map<Hex, Hex>();

  get(userOpHash: Hex): Hex | undefined {
    return this.#byHash.get(userOpHash);
  }

  keep(userOpHash: Hex, signature: Hex): void {
    this.#byHash.set(userOpHash, signature);
    const [oldest] = this.#byHash.keys();
    if (this.#byHash.size > CAPACITY && oldest !== undefined) this.#byHash.delete(oldest);
  }
}
