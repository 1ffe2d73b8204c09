// A platform authenticator in software (WebAuthn Level 3): what a back end or a test passes as
// `authenticator`. Like Chromium it refuses a second ceremony while one runs.
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import type {
  AuthenticationResponse,
  Authenticator,
  CreationOptions,
  RegistrationResponse,
  RequestOptions,
} from "@super-relay/client";
import { ORIGIN, RP_ID } from "./world.js";

const USER_PRESENT = 0x01;
const USER_VERIFIED = 0x04;
const ATTESTED_CREDENTIAL = 0x40;

interface Credential {
  id: Buffer;
  userHandle: string;
  key: KeyObject;
  cose: Buffer;
}

/** What goes wrong at a touch. */
export interface Fault {
  /** The exception that the browser would throw. */
  throws?: string;
  origin?: string;
  challenge?: string;
  userVerified?: boolean;
}

export class SoftwareAuthenticator implements Authenticator {
  /** `create` or `get`, for each ceremony that was begun. */
  readonly touches: string[] = [];
  /** The challenges that were approved. */
  readonly approved: string[] = [];
  readonly #credentials: Credential[] = [];
  readonly #faults: Fault[] = [];
  readonly #milliseconds: number;
  #busy = false;
  #id: Buffer<ArrayBuffer> | undefined;

  /** A user who takes that long for a touch. */
  constructor(milliseconds = 0) {
    this.#milliseconds = milliseconds;
  }

  /** What it creates from now on has this id, which another authenticator made. */
  copyId(id: string): void {
    this.#id = Buffer.from(id, "base64url");
  }

  /** The next ceremonies go wrong in these ways, an empty one being right. */
  fail(...faults: Fault[]): void {
    this.#faults.push(...faults);
  }

  create(options: CreationOptions): Promise<RegistrationResponse> {
    return this.#touch("create", (fault) => {
      const credential = newCredential(options.user.id, this.#id);
      this.#credentials.push(credential);
      return attestation(credential, options, fault);
    });
  }

  get(options: RequestOptions): Promise<AuthenticationResponse> {
    return this.#touch("get", (fault) => {
      const allowed = options.allowCredentials?.map(({ id }) => id);
      // Without a list the user chooses: here the newest.
      const credential = this.#credentials.findLast(({ id }) => allowed?.includes(base64url(id)) ?? true);
      if (credential === undefined) throw exception("NotAllowedError");
      this.approved.push(options.challenge);
      return assertion(credential, options, fault);
    });
  }

  async #touch<Response>(kind: string, respond: (fault: Fault) => Response): Promise<Response> {
    if (this.#busy) throw exception("OperationError", "A request is already pending.");
    this.#busy = true;
    try {
      this.touches.push(kind);
      await new Promise((resolve) => setTimeout(resolve, this.#milliseconds));
      const fault = this.#faults.shift() ?? {};
      if (fault.throws !== undefined) throw exception(fault.throws);
      return respond(fault);
    } finally {
      this.#busy = false;
    }
  }
}

const exception = (name: string, message = "as the test wants it") => new DOMException(message, name);
const base64url = (bytes: Buffer) => bytes.toString("base64url");
const hex = (text: string) => Buffer.from(text, "hex");
const sha256 = (data: Buffer | string) => createHash("sha256").update(data).digest();

function newCredential(userHandle: string, id = randomBytes(32)): Credential {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { x, y } = publicKey.export({ format: "jwk" });
  if (x === undefined || y === undefined) throw new Error("no coordinates");
  // COSE_Key: kty EC2, alg ES256, crv P-256, x, y
  const coordinates = [
    hex("a5010203262001215820"),
    Buffer.from(x, "base64url"),
    hex("225820"),
    Buffer.from(y, "base64url"),
  ];
  return { id, userHandle, key: privateKey, cose: Buffer.concat(coordinates) };
}

function attestation(credential: Credential, { challenge }: CreationOptions, fault: Fault): RegistrationResponse {
  const attested = Buffer.concat([Buffer.alloc(16), hex("0020"), credential.id, credential.cose]);
  const data = authenticatorData(ATTESTED_CREDENTIAL, fault, attested);
  // { fmt: "none", attStmt: {}, authData }
  const head = hex("a363666d74646e6f6e656761747453746d74a068617574684461746158");
  const object = Buffer.concat([head, Buffer.from([data.length]), data]);
  return envelope(credential, {
    clientDataJSON: base64url(clientData("webauthn.create", challenge, fault)),
    attestationObject: base64url(object),
  });
}

function assertion(credential: Credential, { challenge }: RequestOptions, fault: Fault): AuthenticationResponse {
  const data = authenticatorData(0, fault, Buffer.alloc(0));
  const client = clientData("webauthn.get", challenge, fault);
  return envelope(credential, {
    clientDataJSON: base64url(client),
    authenticatorData: base64url(data),
    signature: base64url(sign("sha256", Buffer.concat([data, sha256(client)]), credential.key)),
    userHandle: credential.userHandle,
  });
}

// A synced passkey: its signature counter stays zero.
function authenticatorData(flags: number, { userVerified = true }: Fault, attested: Buffer): Buffer {
  const all = USER_PRESENT | (userVerified ? USER_VERIFIED : 0) | flags;
  return Buffer.concat([sha256(RP_ID), Buffer.from([all]), Buffer.alloc(4), attested]);
}

function clientData(type: string, challenge: string, fault: Fault): Buffer {
  const data = { type, challenge: fault.challenge ?? challenge, origin: fault.origin ?? ORIGIN, crossOrigin: false };
  return Buffer.from(JSON.stringify(data));
}

function envelope<Response>({ id }: Credential, response: Response) {
  return {
    id: base64url(id),
    rawId: base64url(id),
    type: "public-key",
    authenticatorAttachment: "platform",
    clientExtensionResults: {},
    response,
  };
}
