import { type Address, type Hex, isAddress, isHex, size } from "viem";
import { ClientError } from "../errors/client.js";
import { isJson, type Json } from "../json.js";

/**
 * An object in a host's answer. Each method gives a field in one form.
 *
 * They throw {@link ClientError} `answer_invalid` for a field that is missing or has another form.
 */
export class Answer {
  /** As it came. */
  readonly fields: Json;
  readonly #host: string;
  readonly #path: string;

  private constructor(host: string, fields: Json, path: string) {
    this.fields = fields;
    this.#host = host;
    this.#path = path;
  }

  /** What `host` answered: its name in errors. */
  static of(host: string, value: unknown): Answer {
    if (isJson(value)) return new Answer(host, value, "");
    throw new ClientError("answer_invalid", `the ${host} answered without an object`);
  }

  /** Whether there is such a field; null counts as absent. */
  has(name: string): boolean {
    return (this.fields[name] ?? null) !== null;
  }

  text(name: string): string {
    return this.#field(name, "text", (value) => typeof value === "string");
  }

  number(name: string): number {
    return this.#field(name, "number", (value) => typeof value === "number");
  }

  oneOf<Value extends string>(name: string, values: readonly Value[]): Value {
    const isOne = (value: unknown): value is Value => values.some((one) => one === value);
    return this.#field(name, values.join(" or "), isOne);
  }

  /** Without padding. */
  base64Url(name: string): string {
    const isBase64Url = (value: unknown): value is string =>
      typeof value === "string" && /^[\w-]*$/.test(value) && value.length % 4 !== 1;
    return this.#field(name, "base64url", isBase64Url);
  }

  /** Whole bytes; `length` of them, where that is fixed. */
  hex(name: string, length?: number): Hex {
    const isBytes = (value: unknown): value is Hex =>
      isHex(value) && value.length % 2 === 0 && (length === undefined || size(value) === length);
    return this.#field(name, length === undefined ? "hex" : `hex of ${length} bytes`, isBytes);
  }

  address(name: string): Address {
    const isOne = (value: unknown): value is Address =>
      typeof value === "string" && isAddress(value, { strict: false });
    return this.#field(name, "address", isOne);
  }

  /** A hex quantity of up to 256 bits. */
  quantity(name: string): bigint {
    const isQuantity = (value: unknown): value is Hex => typeof value === "string" && /^0x[\da-f]{1,64}$/i.test(value);
    return BigInt(this.#field(name, "quantity", isQuantity));
  }

  object(name: string): Answer {
    return this.#inner(this.#field(name, "object", isJson), name);
  }

  objects(name: string): Answer[] {
    const isList = (value: unknown): value is Json[] => Array.isArray(value) && value.every(isJson);
    return this.#field(name, "list of objects", isList).map((fields, index) =>
      this.#inner(fields, `${name}[${index}]`),
    );
  }

  #inner(fields: Json, name: string): Answer {
    return new Answer(this.#host, fields, `${this.#path}${name}.`);
  }

  #field<Value>(name: string, form: string, isForm: (value: unknown) => value is Value): Value {
    const value = this.fields[name];
    if (isForm(value)) return value;
    throw new ClientError("answer_invalid", `the ${this.#host} answered without a valid ${this.#path}${name}: ${form}`);
  }
}
