// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {InitialSigner} from "../src/SuperPaymasterBase.sol";
import {SuperPaymasterV06} from "../src/SuperPaymasterV06.sol";
import {SuperPaymasterV07} from "../src/SuperPaymasterV07.sol";
import {UserOperationV06} from "../src/interfaces/IPaymasterV06.sol";
import {EntryPoints, Version} from "./support/EntryPoints.sol";
import {vm} from "./support/Vm.sol";
import {PackedUserOperation} from "aa-v08/interfaces/PackedUserOperation.sol";

/// @dev The contracts give the digests that ethers gave (script/paymaster-digests.mjs) and that the
/// Rust code is held to.
contract PaymasterDigestsTest {
    uint256 private constant VECTOR_COUNT = 13;
    bytes20 private constant EIP7702_MARKER = hex"7702";

    string private json;
    address private entryPoint;

    function setUp() public {
        json = vm.readFile("../crates/proto/vectors/paymaster-digests.json");
        entryPoint = EntryPoints.deploy(Version.V07);
    }

    function test_every_vector_is_the_digest_of_a_paymaster_deployed_there() public {
        vm.assertTrue(!vm.keyExistsJson(json, _key(VECTOR_COUNT, "name")), "a vector that no test reads");
        for (uint256 i = 0; i < VECTOR_COUNT; i++) {
            vm.chainId(vm.parseJsonUint(json, _key(i, "chainId")));
            _deployTo(i);
            _check(i);
        }
    }

    function test_every_vector_holds_when_the_chain_id_changes_after_deployment() public {
        for (uint256 i = 0; i < VECTOR_COUNT; i++) {
            vm.chainId(999);
            _deployTo(i);
            vm.chainId(vm.parseJsonUint(json, _key(i, "chainId")));
            _check(i);
        }
    }

    function _check(uint256 i) private {
        string memory name = vm.parseJsonString(json, _key(i, "name"));
        bytes32 digest = _isV06(i) ? _digestV06(i) : _digestV07(i);
        vm.assertEq(digest, vm.parseJsonBytes32(json, _key(i, "digest")), name);

        bytes32 domainSeparator = vm.parseJsonBytes32(json, _key(i, "domainSeparator"));
        bytes32 structHash = vm.parseJsonBytes32(json, _key(i, "structHash"));
        vm.assertEq(digest, keccak256(abi.encodePacked(hex"1901", domainSeparator, structHash)), name);
    }

    /// @dev Runs the constructor at the vector's address, so that its immutables are those of a
    /// real deployment there.
    function _deployTo(uint256 i) private {
        address paymaster = vm.parseJsonAddress(json, _key(i, "paymaster"));
        bytes memory creationCode =
            _isV06(i) ? type(SuperPaymasterV06).creationCode : type(SuperPaymasterV07).creationCode;
        bytes memory arguments =
            abi.encode(entryPoint, address(this), address(this), uint32(0), uint32(1), new InitialSigner[](0));
        vm.etch(paymaster, bytes.concat(creationCode, arguments));
        (bool success, bytes memory runtime) = paymaster.call("");
        vm.assertTrue(success, "constructor");
        vm.etch(paymaster, runtime);
    }

    function _digestV06(uint256 i) private view returns (bytes32) {
        UserOperationV06 memory op;
        op.sender = vm.parseJsonAddress(json, _op(i, "sender"));
        op.nonce = vm.parseJsonUint(json, _op(i, "nonce"));
        op.initCode = vm.parseJsonBytes(json, _op(i, "initCode"));
        op.callData = vm.parseJsonBytes(json, _op(i, "callData"));
        op.callGasLimit = vm.parseJsonUint(json, _op(i, "callGasLimit"));
        op.verificationGasLimit = vm.parseJsonUint(json, _op(i, "verificationGasLimit"));
        op.preVerificationGas = vm.parseJsonUint(json, _op(i, "preVerificationGas"));
        op.maxFeePerGas = vm.parseJsonUint(json, _op(i, "maxFeePerGas"));
        op.maxPriorityFeePerGas = vm.parseJsonUint(json, _op(i, "maxPriorityFeePerGas"));
        SuperPaymasterV06 paymaster = SuperPaymasterV06(vm.parseJsonAddress(json, _key(i, "paymaster")));
        return paymaster.getHash(op, _uint48(i, "validUntil"), _uint48(i, "validAfter"));
    }

    function _digestV07(uint256 i) private returns (bytes32) {
        SuperPaymasterV07 paymaster = SuperPaymasterV07(vm.parseJsonAddress(json, _key(i, "paymaster")));
        PackedUserOperation memory op;
        op.sender = vm.parseJsonAddress(json, _op(i, "sender"));
        op.nonce = vm.parseJsonUint(json, _op(i, "nonce"));
        op.initCode = _initCode(i);
        op.callData = vm.parseJsonBytes(json, _op(i, "callData"));
        op.accountGasLimits = _pair(_op(i, "verificationGasLimit"), _op(i, "callGasLimit"));
        op.preVerificationGas = vm.parseJsonUint(json, _op(i, "preVerificationGas"));
        op.gasFees = _pair(_op(i, "maxPriorityFeePerGas"), _op(i, "maxFeePerGas"));
        op.paymasterAndData = abi.encodePacked(
            paymaster, _pair(_key(i, "terms.paymasterVerificationGasLimit"), _key(i, "terms.paymasterPostOpGasLimit"))
        );
        if (vm.keyExistsJson(json, _key(i, "delegate"))) {
            vm.etch(op.sender, abi.encodePacked(hex"ef0100", vm.parseJsonAddress(json, _key(i, "delegate"))));
        }
        return paymaster.getHash(op, _uint48(i, "validUntil"), _uint48(i, "validAfter"));
    }

    /// @dev Factory and its data, where the short EIP-7702 marker is padded when data follows it.
    function _initCode(uint256 i) private view returns (bytes memory) {
        if (!vm.keyExistsJson(json, _op(i, "factory"))) return "";
        bytes memory factory = vm.parseJsonBytes(json, _op(i, "factory"));
        bytes memory data = vm.parseJsonBytes(json, _op(i, "factoryData"));
        if (factory.length == 2 && data.length != 0) factory = abi.encodePacked(EIP7702_MARKER);
        return bytes.concat(factory, data);
    }

    function _isV06(uint256 i) private view returns (bool) {
        return keccak256(bytes(vm.parseJsonString(json, _key(i, "entryPointVersion")))) == keccak256("0.6");
    }

    function _pair(string memory high, string memory low) private view returns (bytes32) {
        return bytes32((vm.parseJsonUint(json, high) << 128) | vm.parseJsonUint(json, low));
    }

    function _uint48(uint256 i, string memory name) private view returns (uint48) {
        return uint48(vm.parseJsonUint(json, _key(i, string.concat("terms.", name))));
    }

    function _op(uint256 i, string memory name) private pure returns (string memory) {
        return _key(i, string.concat("userOp.", name));
    }

    function _key(uint256 i, string memory name) private pure returns (string memory) {
        return string.concat("$[", vm.toString(i), "].", name);
    }
}
