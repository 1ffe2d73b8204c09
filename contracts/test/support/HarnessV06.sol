// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {SuperPaymasterV06} from "../../src/SuperPaymasterV06.sol";
import {IPaymasterV06, UserOperationV06} from "../../src/interfaces/IPaymasterV06.sol";
import {Version} from "./EntryPoints.sol";
import {Harness, Terms} from "./Harness.sol";
import {vm} from "./Vm.sol";

interface IEntryPointV06 {
    function handleOps(UserOperationV06[] calldata ops, address payable beneficiary) external;
    function getUserOpHash(UserOperationV06 calldata op) external view returns (bytes32);
}

abstract contract HarnessV06 is Harness {
    function _version() internal pure override returns (Version) {
        return Version.V06;
    }

    function _paymasterCode() internal pure override returns (bytes memory) {
        return type(SuperPaymasterV06).creationCode;
    }

    function _hash(UserOperationV06 memory op, Terms memory terms) internal view override returns (bytes32) {
        return SuperPaymasterV06(address(paymaster)).getHash(op, terms.validUntil, terms.validAfter);
    }

    function _validate(UserOperationV06 memory op) internal override returns (bytes memory, uint256) {
        vm.prank(entryPoint);
        return IPaymasterV06(address(paymaster)).validatePaymasterUserOp(op, keccak256("userOpHash"), 1 ether);
    }

    function _handle(UserOperationV06 memory op) internal override {
        UserOperationV06[] memory ops = new UserOperationV06[](1);
        ops[0] = op;
        vm.prank(BUNDLER, BUNDLER);
        IEntryPointV06(entryPoint).handleOps(ops, BUNDLER);
    }

    function _userOpHash(UserOperationV06 memory op) internal view override returns (bytes32) {
        return IEntryPointV06(entryPoint).getUserOpHash(op);
    }

    function _postOp(bytes memory context) internal override {
        IPaymasterV06(address(paymaster)).postOp(IPaymasterV06.PostOpMode.opSucceeded, context, 1);
    }

    function _unsignedData(Terms memory terms) internal view override returns (bytes memory) {
        return abi.encodePacked(address(paymaster), terms.validUntil, terms.validAfter);
    }
}
