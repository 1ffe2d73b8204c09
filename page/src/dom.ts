// Text into the document. No HTML is ever made of a string.

/** The element with that id, which index.html has. */
export function element<E extends HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`index.html has no #${id}`);
  return found as E;
}

/** A new element with this content. */
export function make<K extends keyof HTMLElementTagNameMap>(
  name: K,
  properties: { className?: string; href?: string } = {},
  ...content: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...content);
  return made;
}

/** A hash, key or address: may be broken anywhere. */
export const code = (text: string) => make("code", {}, text);

/** Terms with what is said about them. */
export type Row = [term: string, ...said: (Node | string)[]];

export function fill(list: HTMLElement, rows: Row[]): void {
  const row = ([term, ...said]: Row) => make("div", {}, make("dt", {}, term), make("dd", {}, ...said));
  list.replaceChildren(...rows.map(row));
}
