import type { HostSettings } from "./settings.js";

const DEFAULT_COUNT = 3;
const DEFAULT_DELAY = 150;

/** Repeats what failed, as often as the settings say, while `isOutage` holds for the error. */
export async function retry<Result>(
  attempt: () => Promise<Result>,
  isOutage: (error: unknown) => boolean,
  { retryCount = DEFAULT_COUNT, retryDelay = DEFAULT_DELAY }: HostSettings,
): Promise<Result> {
  for (let repeated = 0; ; repeated += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (repeated >= retryCount || !isOutage(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, retryDelay * 2 ** repeated));
    }
  }
}
