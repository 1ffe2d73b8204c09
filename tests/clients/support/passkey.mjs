// A platform authenticator and the part of a browser that pages reach it by (WebAuthn Level 3), so
// that a page's own code runs in node: `browser(origin)` puts `navigator.credentials` and
// `PublicKeyCredential` where pages find them.
import { createHash, randomBytes, subtle } from "node:crypto";

const ES256 = -7;
const USER_PRESENT_AND_VERIFIED = 0x05;
const ATTESTED_CREDENTIAL = 0x40;

const SIGNED = ["clientDataJSON", "authenticatorData", "signature"];

const base64url = (bytes) => Buffer.from(bytes).toString("base64url");
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64url"));
const sha256 = (data) => createHash("sha256").update(data).digest();

/**
 * Makes this process a page at `origin` whose user touches the authenticator whenever asked.
 * Returns the touches so far.
 */
export function browser(origin) {
  const credentials = [];
  const touches = [];
  let pending = false; // as in Chromium: one request at a time
  globalThis.PublicKeyCredential = {
    parseCreationOptionsFromJSON: (options) => ({
      ...options,
      challenge: bytes(options.challenge),
      user: { ...options.user, id: bytes(options.user.id) },
    }),
    parseRequestOptionsFromJSON: (options) => ({
      ...options,
      challenge: bytes(options.challenge),
      allowCredentials: options.allowCredentials?.map((allowed) => ({ ...allowed, id: bytes(allowed.id) })),
    }),
  };
  const navigator = {
    credentials: {
      async create({ publicKey }) {
        if (!publicKey.pubKeyCredParams.some(({ alg }) => alg === ES256)) throw new Error("NotSupportedError");
        const credential = await newCredential(publicKey);
        credentials.push(credential);
        touches.push("create");
        return publicKeyCredential(credential, attestation(credential, publicKey.challenge, origin));
      },
      async get({ publicKey }) {
        if (pending) throw new Error("OperationError: A request is already pending.");
        pending = true;
        try {
          // Without a list any credential of the relying party will do: the user chooses, here the
          // newest.
          const allowed = publicKey.allowCredentials?.map(({ id }) => base64url(id));
          const { rpId } = publicKey;
          const fits = (credential) => credential.rpId === rpId && (allowed?.includes(base64url(credential.id)) ?? true);
          const credential = credentials.findLast(fits);
          if (!credential) throw new Error("NotAllowedError");
          touches.push("get");
          const answer = await assertion(credential, publicKey.challenge, origin);
          return publicKeyCredential(credential, answer);
        } finally {
          pending = false;
        }
      },
    },
  };
  globalThis.location = new URL(origin);
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
  return touches;
}

/** A PublicKeyCredential, whose `toJSON` is that. Of its response, what pages read. */
const publicKeyCredential = ({ id }, json) => ({
  id: base64url(id),
  rawId: id,
  response: Object.fromEntries(SIGNED.map((name) => [name, bytes(json.response[name] ?? "").buffer])),
  toJSON: () => json,
});

async function newCredential({ rp, user }) {
  const keys = await subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign"]);
  const { x, y } = await subtle.exportKey("jwk", keys.publicKey);
  const publicKey = base64url(await subtle.exportKey("spki", keys.publicKey));
  return { id: randomBytes(32), rpId: rp.id, user: user.id, key: keys.privateKey, x: bytes(x), y: bytes(y), publicKey };
}

function attestation(credential, challenge, origin) {
  const { id, x, y, publicKey } = credential;
  // COSE_Key: kty EC2, alg ES256, crv P-256, x, y
  const cose = Buffer.concat([hex("a5010203262001215820"), x, hex("225820"), y]);
  const attested = Buffer.concat([Buffer.alloc(16), hex("0020"), id, cose]);
  const data = authenticatorData(credential, ATTESTED_CREDENTIAL, attested);
  // { fmt: "none", attStmt: {}, authData }
  const object = Buffer.concat([hex("a363666d74646e6f6e656761747453746d74a068617574684461746158"), Buffer.from([data.length]), data]);
  return envelope(credential, {
    attestationObject: base64url(object),
    authenticatorData: base64url(data),
    clientDataJSON: base64url(clientData("webauthn.create", challenge, origin)),
    publicKey,
    publicKeyAlgorithm: ES256,
    transports: ["internal"],
  });
}

async function assertion(credential, challenge, origin) {
  const data = authenticatorData(credential, 0, Buffer.alloc(0));
  const client = clientData("webauthn.get", challenge, origin);
  const signed = Buffer.concat([data, sha256(client)]);
  const signature = await subtle.sign({ name: "ECDSA", hash: "SHA-256" }, credential.key, signed);
  return envelope(credential, {
    authenticatorData: base64url(data),
    clientDataJSON: base64url(client),
    signature: base64url(der(Buffer.from(signature))),
    userHandle: base64url(credential.user),
  });
}

const hex = (text) => Buffer.from(text, "hex");

// A synced passkey: its signature counter stays zero.
const authenticatorData = ({ rpId }, flags, attested) =>
  Buffer.concat([sha256(rpId), Buffer.from([USER_PRESENT_AND_VERIFIED | flags]), Buffer.alloc(4), attested]);

const clientData = (type, challenge, origin) =>
  Buffer.from(JSON.stringify({ type, challenge: base64url(challenge), origin, crossOrigin: false }));

const envelope = ({ id }, response) => ({
  authenticatorAttachment: "platform",
  clientExtensionResults: {},
  id: base64url(id),
  rawId: base64url(id),
  response,
  type: "public-key",
});

/** r ‖ s as the DER that authenticators answer. */
function der(raw) {
  const integer = (part) => {
    let start = 0;
    while (start < part.length - 1 && part[start] === 0) start += 1;
    const digits = part.subarray(start);
    const content = digits[0] & 0x80 ? Buffer.concat([Buffer.alloc(1), digits]) : digits;
    return Buffer.concat([Buffer.from([0x02, content.length]), content]);
  };
  const sequence = Buffer.concat([integer(raw.subarray(0, 32)), integer(raw.subarray(32))]);
  return Buffer.concat([Buffer.from([0x30, sequence.length]), sequence]);
}
