/** How relay and KMS are called; each setting is optional. */
export interface HostSettings {
  /** Sent with each request, for example an API key: `{ authorization: "Bearer srk_…" }`. */
  headers?: Readonly<Record<string, string>> | undefined;
  /** Milliseconds to wait for an answer; by default 30,000. */
  timeout?: number | undefined;
  /**
   * How often a request is repeated after an outage; by default 3. Refusals are never repeated. A
   * repeated request is charged once.
   */
  retryCount?: number | undefined;
  /** Milliseconds before the first repetition, doubled for each further one; by default 150. */
  retryDelay?: number | undefined;
}
