// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {SuperPaymasterV07} from "../../src/SuperPaymasterV07.sol";
import {UserOperationV06} from "../../src/interfaces/IPaymasterV06.sol";
import {Version} from "./EntryPoints.sol";
import {Harness, Terms} from "./Harness.sol";
import {vm} from "./Vm.sol";
import {IEntryPoint} from "aa-v08/interfaces/IEntryPoint.sol";
import {IPaymaster} from "aa-v08/interfaces/IPaymaster.sol";
import {PackedUserOperation} from "aa-v08/interfaces/PackedUserOperation.sol";

abstract contract HarnessV07 is Harness {
    function _version() internal pure virtual override returns (Version) {
        return Version.V07;
    }

    function _paymasterCode() internal pure override returns (bytes memory) {
        return type(SuperPaymasterV07).creationCode;
    }

    function _hash(UserOperationV06 memory op, Terms memory terms) internal view override returns (bytes32) {
        return SuperPaymasterV07(address(paymaster)).getHash(_packed(op), terms.validUntil, terms.validAfter);
    }

    function _validate(UserOperationV06 memory op) internal override returns (bytes memory, uint256) {
        vm.prank(entryPoint);
        return IPaymaster(address(paymaster)).validatePaymasterUserOp(_packed(op), keccak256("userOpHash"), 1 ether);
    }

    function _handle(UserOperationV06 memory op) internal override {
        PackedUserOperation[] memory ops = new PackedUserOperation[](1);
        ops[0] = _packed(op);
        vm.prank(BUNDLER, BUNDLER);
        IEntryPoint(entryPoint).handleOps(ops, BUNDLER);
    }

    function _userOpHash(UserOperationV06 memory op) internal view override returns (bytes32) {
        return IEntryPoint(entryPoint).getUserOpHash(_packed(op));
    }

    function _postOp(bytes memory context) internal override {
        IPaymaster(address(paymaster)).postOp(IPaymaster.PostOpMode.opSucceeded, context, 1, 1);
    }

    function _unsignedData(Terms memory terms) internal view override returns (bytes memory) {
        return abi.encodePacked(
            address(paymaster), terms.verificationGasLimit, terms.postOpGasLimit, terms.validUntil, terms.validAfter
        );
    }

    function _packed(UserOperationV06 memory op) internal pure returns (PackedUserOperation memory) {
        return PackedUserOperation({
            sender: op.sender,
            nonce: op.nonce,
            initCode: op.initCode,
            callData: op.callData,
            accountGasLimits: _pair(op.verificationGasLimit, op.callGasLimit),
            preVerificationGas: op.preVerificationGas,
            gasFees: _pair(op.maxPriorityFeePerGas, op.maxFeePerGas),
            paymasterAndData: op.paymasterAndData,
            signature: op.signature
        });
    }

    function _pair(uint256 high, uint256 low) private pure returns (bytes32) {
        require(high <= type(uint128).max && low <= type(uint128).max, "does not fit 128 bits");
        return bytes32((high << 128) | low);
    }
}

abstract contract HarnessV08 is HarnessV07 {
    function _version() internal pure override returns (Version) {
        return Version.V08;
    }
}

abstract contract HarnessV09 is HarnessV07 {
    /// @dev `uint16 65 | magic`, which EntryPoint v0.9 leaves out of userOpHash together with the
    /// signature before it.
    bytes internal constant PARALLEL_SUFFIX = hex"004122e325a297439656";

    function _version() internal pure override returns (Version) {
        return Version.V09;
    }
}
