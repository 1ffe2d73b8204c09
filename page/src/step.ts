// One step of the page: its progress, its result or its error.
import { fill, make, type Row } from "./dom.js";
import { problemOf } from "./problem.js";

/** How progress is told, while a step runs. */
export type Tell = (progress: string) => void;

export class Step {
  readonly #section: HTMLElement;

  constructor(name: string) {
    const section = document.querySelector<HTMLElement>(`[data-step="${name}"]`);
    if (section === null) throw new Error(`index.html has no step ${name}`);
    this.#section = section;
  }

  /** Runs an action: the step's buttons wait, and what it throws is shown. False if it failed. */
  async run(action: (tell: Tell) => Promise<Row[]>): Promise<boolean> {
    this.clear();
    const buttons = [...this.#section.querySelectorAll("button")].filter((button) => !button.disabled);
    // They keep the focus: a disabled button would lose it.
    for (const button of buttons) button.setAttribute("aria-disabled", "true");
    this.#section.setAttribute("aria-busy", "true");
    try {
      fill(this.#part(".result"), await action((progress) => this.tell(progress)));
      this.#section.classList.add("done");
      return true;
    } catch (error) {
      this.tell("");
      this.#show(error);
      return false;
    } finally {
      this.#section.removeAttribute("aria-busy");
      for (const button of buttons) button.removeAttribute("aria-disabled");
    }
  }

  tell(progress: string): void {
    this.#part(".status").textContent = progress;
  }

  /** As it was in the beginning. */
  clear(): void {
    this.#section.classList.remove("done");
    this.tell("");
    this.#part(".error").replaceChildren();
    this.#part(".result").replaceChildren();
  }

  /** Where a person goes on: the first thing they can do here, or the heading. */
  focus(): void {
    const next = this.#section.querySelector<HTMLElement>("button:not(:disabled)") ?? this.#part("h2");
    next.focus();
  }

  #show(error: unknown): void {
    const { what, hint, reason, requestId } = problemOf(error);
    const said: Node[] = [make("p", { className: "what" }, what)];
    if (hint !== undefined) said.push(make("p", {}, hint));
    const names = [reason && `reason ${reason}`, requestId && `request ${requestId}`].filter(Boolean);
    if (names.length > 0) said.push(make("p", { className: "names" }, names.join(", ")));
    this.#part(".error").replaceChildren(...said);
  }

  #part(selector: string): HTMLElement {
    const part = this.#section.querySelector<HTMLElement>(selector);
    if (part === null) throw new Error(`a step of index.html has no ${selector}`);
    return part;
  }
}
