import type { Authenticator } from "./authenticator.js";

/** Runs tasks one at a time, in the order in which they were given. A failure stops no other. */
export class Queue {
  #last: Promise<unknown> = Promise.resolve();

  run<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(() => task());
    this.#last = result.catch(() => undefined);
    return result;
  }
}

const queues = new WeakMap<Authenticator, Queue>();

/** The queue of an authenticator: a browser runs one ceremony at a time, and refuses a second. */
export function queueOf(authenticator: Authenticator): Queue {
  let queue = queues.get(authenticator);
  if (queue === undefined) {
    queue = new Queue();
    queues.set(authenticator, queue);
  }
  return queue;
}
