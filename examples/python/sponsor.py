"""A back end whose account signs with a key of its own, sponsored by super-relay (ERC-7677).

Needs web3.py (`pip install web3`), a relay whose policy has allow_without_passkey
(`make demo ARGS="--local-key --keep"`), and a bundler (`make bundler`):

    python sponsor.py RPC_URL CHAIN_URL BUNDLER_URL

Sends one operation of a new SimpleAccount (EntryPoint v0.7), and prints its receipt. API keys go
into RPC_URL: https://relay.example/rpc/srk_...
"""

import json
import sys
import time

from eth_abi import encode
from eth_account import Account
from eth_account.messages import encode_defunct
from web3 import HTTPProvider, Web3

ENTRY_POINT = "0x0000000071727De22E5E9d8BAf0edAc6f37da032"
FACTORY = "0x91E60e0613810449d098b0b5Ec8b51A0FE8c8985"  # SimpleAccountFactory v0.7
FACTORY_ABI = [
    {
        "name": name,
        "type": "function",
        "stateMutability": mutability,
        "inputs": [{"name": "owner", "type": "address"}, {"name": "salt", "type": "uint256"}],
        "outputs": [{"name": "account", "type": "address"}],
    }
    for name, mutability in (("createAccount", "nonpayable"), ("getAddress", "view"))
]
ACCOUNT_ABI = [
    {
        "name": "execute",
        "type": "function",
        "stateMutability": "nonpayable",
        "inputs": [
            {"name": "dest", "type": "address"},
            {"name": "value", "type": "uint256"},
            {"name": "func", "type": "bytes"},
        ],
        "outputs": [],
    }
]
GAS = ("callGasLimit", "verificationGasLimit", "preVerificationGas")
PAYMASTER = (
    "paymaster",
    "paymasterVerificationGasLimit",
    "paymasterPostOpGasLimit",
    "paymasterData",
)
PATIENCE_SECONDS = 60


class Refused(Exception):
    """What relay or bundler refuse: `reason` and `retryable` are the relay's."""

    def __init__(self, error):
        super().__init__(error["message"])
        data = error.get("data") or {}
        self.reason = data.get("reason")
        self.retryable = data.get("retryable", False)
        self.data = data


def call(host, method, *params):
    """Calls a JSON-RPC method that web3.py has no function for."""
    answer = host.provider.make_request(method, list(params))
    if "error" in answer:
        raise Refused(answer["error"])
    return answer["result"]


def user_op_hash(op, chain_id):
    """getUserOpHash of EntryPoint v0.7."""

    def number(name):
        return int(op[name], 16)

    def pair(high, low):
        return number(high).to_bytes(16, "big") + number(low).to_bytes(16, "big")

    def code(name):
        return bytes.fromhex(op.get(name, "0x")[2:])

    paymaster_and_data = (
        code("paymaster")
        + pair("paymasterVerificationGasLimit", "paymasterPostOpGasLimit")
        + code("paymasterData")
    )
    fields = encode(
        ["address", "uint256", "bytes32", "bytes32", "bytes32", "uint256", "bytes32", "bytes32"],
        [
            op["sender"],
            number("nonce"),
            Web3.keccak(code("factory") + code("factoryData")),
            Web3.keccak(code("callData")),
            pair("verificationGasLimit", "callGasLimit"),
            number("preVerificationGas"),
            pair("maxPriorityFeePerGas", "maxFeePerGas"),
            Web3.keccak(paymaster_and_data),
        ],
    )
    place = encode(
        ["bytes32", "address", "uint256"], [Web3.keccak(fields), ENTRY_POINT, chain_id]
    )
    return Web3.keccak(place)


def paymaster_fields(answer):
    """Nothing else of an answer goes into the operation; without a paymaster its account pays."""
    if int(answer["paymaster"], 16) == 0:
        raise ValueError("the relay names no paymaster")
    return {name: answer[name] for name in PAYMASTER}


def send_sponsored(relay, chain, bundler, owner, target, data):
    """Sends one call of a new account of that owner; returns its hash and the receipt."""
    factory = chain.eth.contract(address=FACTORY, abi=FACTORY_ABI)
    account = chain.eth.contract(abi=ACCOUNT_ABI)
    tip = Web3.to_wei(1, "gwei")
    base_fee = chain.eth.get_block("latest")["baseFeePerGas"]
    op = {
        # `getAddress` is also a method of web3.py's contracts.
        "sender": factory.get_function_by_name("getAddress")(owner.address, 0).call(),
        "nonce": "0x0",
        "factory": FACTORY,
        "factoryData": factory.encode_abi("createAccount", [owner.address, 0]),
        "callData": account.encode_abi("execute", [target, 0, data]),
        "maxFeePerGas": hex(2 * base_fee + tip),
        "maxPriorityFeePerGas": hex(tip),
        "signature": "0x" + "ff" * 15 + "f0" + "00" * 16 + "7a" + "aa" * 31 + "1c",
    }
    chain_id = chain.eth.chain_id

    stub = call(relay, "pm_getPaymasterStubData", op, ENTRY_POINT, hex(chain_id), None)
    op |= paymaster_fields(stub)
    estimate = call(bundler, "eth_estimateUserOperationGas", op, ENTRY_POINT)
    op |= {name: estimate[name] for name in GAS}
    final = call(relay, "pm_getPaymasterData", op, ENTRY_POINT, hex(chain_id), None)
    op |= paymaster_fields(final)
    signed = owner.sign_message(encode_defunct(user_op_hash(op, chain_id)))
    op["signature"] = "0x" + signed.signature.hex().removeprefix("0x")

    sent = call(bundler, "eth_sendUserOperation", op, ENTRY_POINT)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (receipt := call(bundler, "eth_getUserOperationReceipt", sent)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{sent} is not mined")
        time.sleep(0.2)
    return "0x" + user_op_hash(op, chain_id).hex().removeprefix("0x"), receipt


def main():
    relay, chain, bundler = (Web3(HTTPProvider(url)) for url in sys.argv[1:4])
    target = Web3.to_checksum_address("0x" + "5a" * 20)
    try:
        sent, receipt = send_sponsored(relay, chain, bundler, Account.create(), target, b"\x12\x34")
    except Refused as refused:
        print(json.dumps({"refused": refused.reason, "retryable": refused.retryable}))
        raise SystemExit(str(refused)) from refused
    kept = ("userOpHash", "success", "paymaster", "actualGasCost")
    print(json.dumps({"sent": sent} | {name: receipt[name] for name in kept}, indent=2))


if __name__ == "__main__":
    main()
