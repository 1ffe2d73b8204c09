// Makes crates/proto/vectors/paymaster-digests.json: the EIP-712 digests a paymaster signer signs,
// computed by ethers. Rust and Solidity tests read the same file. Usage: node
// script/paymaster-digests.mjs [--check]

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { TypedDataEncoder, concat, dataLength, dataSlice, id, toBeHex, zeroPadBytes } from "ethers";

const VECTORS = fileURLToPath(new URL("../../crates/proto/vectors/paymaster-digests.json", import.meta.url));

const TYPE_V06 =
  "SponsoredUserOperation(address sender,uint256 nonce,bytes initCode,bytes callData,uint256 callGasLimit," +
  "uint256 verificationGasLimit,uint256 preVerificationGas,uint256 maxFeePerGas,uint256 maxPriorityFeePerGas," +
  "uint48 validUntil,uint48 validAfter)";
const TYPE_V07 =
  "SponsoredUserOperation(address sender,uint256 nonce,bytes initCode,bytes callData,bytes32 accountGasLimits," +
  "uint256 preVerificationGas,bytes32 gasFees,uint128 paymasterVerificationGasLimit,uint128 paymasterPostOpGasLimit," +
  "uint48 validUntil,uint48 validAfter)";

const EIP7702_MARKER = zeroPadBytes("0x7702", 20);
const MAX_UINT256 = `0x${"f".repeat(64)}`;
const MAX_UINT120 = `0x${"f".repeat(30)}`; // the largest gas value the EntryPoint takes
const MAX_UINT48 = 2 ** 48 - 1;

const EXECUTE =
  "0xb61d27f60000000000000000000000001234567890123456789012345678901234567890" +
  "0000000000000000000000000000000000000000000000000de0b6b3a7640000" +
  "0000000000000000000000000000000000000000000000000000000000000060" +
  "0000000000000000000000000000000000000000000000000000000000000004" +
  "deadbeef00000000000000000000000000000000000000000000000000000000";
const CREATE_ACCOUNT =
  "0x5fbfb9cf000000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb92266" +
  "0000000000000000000000000000000000000000000000000000000000000007";
const FACTORY_V06 = "0x9406Cc6185a346906296840746125a0E44976454";
const FACTORY_V07 = "0x91E60e0613810449d098b0b5Ec8b51A0FE8c8985";
const DELEGATE = "0xe6Cae83BdE06E4c305530e199D7217f42808555B";

// Every field has a value of its own, so that two swapped fields can't give the same digest.
const OP = {
  sender: "0x1306b01bC3e4AD202612D3843387e94737673F53",
  nonce: "0x100000000000000000000000000000005",
  callData: EXECUTE,
  callGasLimit: "0x186a0",
  verificationGasLimit: "0x249f0",
  preVerificationGas: "0xc350",
  maxFeePerGas: "0x77359400",
  maxPriorityFeePerGas: "0x3b9aca00",
};
const BIG_OP = {
  ...OP,
  sender: "0xfffffffffffffffffffffffffffffffffffffffe",
  nonce: MAX_UINT256,
  callData: "0x",
  callGasLimit: MAX_UINT120,
  verificationGasLimit: "0xfffffffffffffffffffffffffffffe",
  preVerificationGas: "0xfffffffffffffffffffffffffffffd",
  maxFeePerGas: "0xfffffffffffffffffffffffffffffc",
  maxPriorityFeePerGas: "0xfffffffffffffffffffffffffffffb",
};
const EIP7702_OP = { ...OP, sender: "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB", nonce: "0x7" };

const TERMS_V06 = terms("0x0", "0x0", 1767226500, 1767226200);
const TERMS_V07 = terms("0xea60", "0x4e20", 1767226500, 1767226200);
const PAYMASTER_A = "0x00000000000000fB866DaAA79352cC568a005D96";
const PAYMASTER_B = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

function terms(paymasterVerificationGasLimit, paymasterPostOpGasLimit, validUntil, validAfter) {
  return { paymasterVerificationGasLimit, paymasterPostOpGasLimit, validUntil, validAfter };
}

const CASES = [
  vector("v0.6-deployed-31337", "0.6", 31337, PAYMASTER_A, { ...OP, initCode: "0x" }, TERMS_V06),
  vector("v0.6-factory-11155111", "0.6", 11155111, PAYMASTER_B, { ...OP, initCode: concat([FACTORY_V06, CREATE_ACCOUNT]) }, TERMS_V06),
  vector("v0.6-big-11155111", "0.6", 11155111, PAYMASTER_A, { ...BIG_OP, initCode: "0x" }, terms("0x0", "0x0", MAX_UINT48, MAX_UINT48 - 1)),
  vector("v0.7-deployed-31337", "0.7", 31337, PAYMASTER_A, OP, TERMS_V07),
  vector("v0.7-factory-11155111", "0.7", 11155111, PAYMASTER_B, withFactory(OP, FACTORY_V07, CREATE_ACCOUNT), TERMS_V07),
  vector("v0.7-big-11155111", "0.7", 11155111, PAYMASTER_A, BIG_OP, terms(MAX_UINT120, "0xfffffffffffffffffffffffffffffa", MAX_UINT48, MAX_UINT48 - 1)),
  vector("v0.8-deployed-11155111", "0.8", 11155111, PAYMASTER_A, OP, { ...TERMS_V07, paymasterPostOpGasLimit: "0x0", validAfter: 0 }),
  vector("v0.8-factory-31337", "0.8", 31337, PAYMASTER_B, withFactory(OP, FACTORY_V07, CREATE_ACCOUNT), TERMS_V07),
  vector("v0.8-eip7702-31337", "0.8", 31337, PAYMASTER_A, withFactory(EIP7702_OP, "0x7702", "0x"), TERMS_V07, DELEGATE),
  vector("v0.8-eip7702-init-11155111", "0.8", 11155111, PAYMASTER_B, withFactory(EIP7702_OP, "0x7702", "0xc4d66de8cafe"), TERMS_V07, DELEGATE),
  vector("v0.9-factory-31337", "0.9", 31337, PAYMASTER_A, withFactory(OP, FACTORY_V07, CREATE_ACCOUNT), TERMS_V07),
  vector("v0.9-eip7702-31337", "0.9", 31337, PAYMASTER_A, withFactory(EIP7702_OP, "0x7702", "0x"), TERMS_V07, FACTORY_V07),
  vector("v0.9-eip7702-padded-init-11155111", "0.9", 11155111, PAYMASTER_B, withFactory(EIP7702_OP, EIP7702_MARKER, "0xc4d66de8cafe"), TERMS_V07, DELEGATE),
];

function withFactory(op, factory, factoryData) {
  const { sender, nonce, ...rest } = op;
  return { sender, nonce, factory, factoryData, ...rest };
}

function vector(name, entryPointVersion, chainId, paymaster, userOp, terms, delegate) {
  const type = entryPointVersion === "0.6" ? TYPE_V06 : TYPE_V07;
  const types = { SponsoredUserOperation: fieldsOf(type) };
  const domain = { name: "SuperPaymaster", version: "1", chainId, verifyingContract: paymaster };
  const message = entryPointVersion === "0.6" ? { ...userOp, ...terms } : packed(userOp, terms, delegate);
  const encoder = TypedDataEncoder.from(types);
  if (encoder.encodeType("SponsoredUserOperation") !== type) throw new Error(`${name}: the type string is not canonical`);
  return {
    name, entryPointVersion, chainId, paymaster, userOp, ...(delegate && { delegate }), terms,
    typeHash: id(type),
    domainSeparator: TypedDataEncoder.hashDomain(domain),
    structHash: encoder.hashStruct("SponsoredUserOperation", message),
    digest: TypedDataEncoder.hash(domain, types, message),
  };
}

function fieldsOf(type) {
  return type.slice(type.indexOf("(") + 1, -1).split(",").map((field) => {
    const [type, name] = field.split(" ");
    return { type, name };
  });
}

function packed(op, terms, delegate) {
  return {
    ...op,
    ...terms,
    initCode: boundInitCode(op, delegate),
    accountGasLimits: concat([toBeHex(op.verificationGasLimit, 16), toBeHex(op.callGasLimit, 16)]),
    gasFees: concat([toBeHex(op.maxPriorityFeePerGas, 16), toBeHex(op.maxFeePerGas, 16)]),
  };
}

// The bytes whose hash stands for initCode: for EIP-7702 the delegate takes the place of the
// 20-byte marker.
function boundInitCode({ factory, factoryData }, delegate) {
  if (!factory) return "0x";
  const initCode = factory === "0x7702" && factoryData !== "0x" ? concat([EIP7702_MARKER, factoryData]) : concat([factory, factoryData]);
  if (!delegate) return initCode;
  return dataLength(initCode) <= 20 ? delegate : concat([delegate, dataSlice(initCode, 20)]);
}

const text = `${JSON.stringify(CASES, null, 2)}\n`;
if (process.argv.includes("--check")) {
  if (readFileSync(VECTORS, "utf8") !== text) {
    console.error("paymaster-digests.json differs from what this script makes; run it without --check and look at the difference");
    process.exit(1);
  }
} else {
  writeFileSync(VECTORS, text);
}
console.log(`${CASES.length} paymaster digests`);
