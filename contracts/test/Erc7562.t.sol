// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {UserOperationV06} from "../src/interfaces/IPaymasterV06.sol";
import {AccountHarness, ISimpleAccount} from "./support/AccountHarness.sol";
import {EntryPoints, Version} from "./support/EntryPoints.sol";
import {Erc7562, Subject} from "./support/Erc7562.sol";
import {Harness, Terms} from "./support/Harness.sol";
import {HarnessV06} from "./support/HarnessV06.sol";
import {HarnessV07, HarnessV08, HarnessV09} from "./support/HarnessV07.sol";
import {Vm, vm} from "./support/Vm.sol";
import {Eip7702Support} from "aa-v08/core/Eip7702Support.sol";

/// @dev Sponsored operations of published accounts keep the rules of ERC-7562 in all phases:
/// factory, account and paymaster. Erc7562Rules.t.sol shows that the check finds code that breaks
/// them.
abstract contract Erc7562Test is AccountHarness {
    uint256 private constant STAKE = 1 ether;
    uint8 private constant EXTCODESIZE = 0x3b;
    uint8 private constant EXTCODECOPY = 0x3c;
    uint8 private constant EXTCODEHASH = 0x3f;
    uint8 private constant SLOAD = 0x54;
    uint8 private constant CALL = 0xf1;
    uint8 private constant CALLCODE = 0xf2;
    uint8 private constant DELEGATECALL = 0xf4;
    uint8 private constant STATICCALL = 0xfa;
    uint256 private constant ECRECOVER = 1;
    /// @dev The flag of the pause and the record of the signer.
    uint256 private constant SLOADS = 2;

    function test_factory_account_and_paymaster_break_no_rule() public {
        _stake();
        UserOperationV06 memory op = _sponsoredAccountOp(_terms(), SIGNER_KEY);
        _assertBroken(op, "");
    }

    function test_an_operation_of_an_account_that_exists_breaks_no_rule() public {
        _stake();
        _handle(_sponsoredAccountOp(_terms(), SIGNER_KEY));
        UserOperationV06 memory op = _sponsored(_terms());
        _assertBroken(op, "");
    }

    function test_without_a_stake_the_paymaster_may_not_read_its_storage_and_breaks_nothing_else() public {
        UserOperationV06 memory op = _sponsoredAccountOp(_terms(), SIGNER_KEY);
        _assertBroken(op, "STO-031 paymaster");
    }

    function test_the_paymaster_reads_two_slots_and_calls_ecrecover_alone() public {
        _assertReadsLittle(_trace(_sponsoredAccountOp(_terms(), SIGNER_KEY)), address(0));
    }

    function _stake() internal {
        vm.deal(OWNER, STAKE);
        vm.prank(OWNER);
        paymaster.addStake{value: STAKE}(1 days);
    }

    /// @dev The second operation of the account.
    function _sponsored(Terms memory terms) internal view returns (UserOperationV06 memory op) {
        op = _accountOp();
        op.initCode = "";
        op.nonce = 1;
        _sponsor(op, terms, SIGNER_KEY);
        _signByAccount(op);
    }

    function _assertBroken(UserOperationV06 memory op, string memory expected) internal {
        uint256 before = pings;
        vm.assertEq(this.brokenBy(op), expected, "the broken rules");
        vm.assertEq(pings, before + 1, "the operation ran");
    }

    /// @dev External, since forge records the memory of the caller with each opcode.
    function brokenBy(UserOperationV06 calldata op) external returns (string memory found) {
        bool deploys = op.initCode.length > 20;
        address deployedBy = deploys ? address(factory) : address(0);
        Subject memory subject =
            Subject(entryPoint, op.sender, deployedBy, address(paymaster), op.sender.code.length > 0);
        string[] memory broken = Erc7562.broken(subject, _trace(op));
        for (uint256 i = 0; i < broken.length; i++) {
            found = string.concat(found, i == 0 ? "" : ", ", broken[i]);
        }
    }

    function _trace(UserOperationV06 memory op) internal returns (Vm.DebugStep[] memory) {
        vm.startDebugTraceRecording();
        _handle(op);
        return vm.stopAndReturnDebugTraceRecording();
    }

    /// @param delegated An EIP-7702 sender, whose code the paymaster may look at; otherwise zero.
    function _assertReadsLittle(Vm.DebugStep[] memory steps, address delegated) internal view {
        uint256 ran;
        uint256 reads;
        for (uint256 i = 0; i < steps.length; i++) {
            Vm.DebugStep memory step = steps[i];
            if (step.contractAddr != address(paymaster)) continue;
            ran++;
            if (step.opcode == SLOAD) reads++;
            bool mayChange = step.opcode == CALL || step.opcode == CALLCODE || step.opcode == DELEGATECALL;
            vm.assertTrue(!mayChange, "a call that is not static");
            if (step.opcode == STATICCALL) vm.assertEq(step.stack[1], ECRECOVER, "a call of anything but ecrecover");
            if (step.opcode == EXTCODESIZE || step.opcode == EXTCODECOPY || step.opcode == EXTCODEHASH) {
                vm.assertTrue(delegated != address(0), "reads code");
                vm.assertEq(address(uint160(step.stack[0])), delegated, "reads the code of another");
            }
        }
        vm.assertGt(ran, 100, "the paymaster ran");
        vm.assertEq(reads, SLOADS, "storage reads");
    }
}

/// @dev EIP-7702 operations: the paymaster reads which delegate the sender's code names.
abstract contract Erc7562DelegatedTest is Erc7562Test {
    function test_an_eip7702_operation_breaks_no_rule() public {
        _stake();
        _assertBroken(_delegatedOp(), "");
    }

    function test_of_an_eip7702_operation_the_paymaster_reads_only_the_code_of_the_sender() public {
        UserOperationV06 memory op = _delegatedOp();
        _assertReadsLittle(_trace(op), op.sender);
    }

    function _delegatedOp() private returns (UserOperationV06 memory op) {
        bytes memory creationCode = EntryPoints.published(_version(), "Simple7702Account");
        if (_version() == Version.V09) creationCode = bytes.concat(creationCode, abi.encode(entryPoint));
        address sender = vm.addr(ACCOUNT_KEY);
        vm.etch(sender, abi.encodePacked(Eip7702Support.EIP7702_PREFIX, _create(creationCode)));
        op = _accountOp();
        op.sender = sender;
        op.initCode = hex"7702";
        op.callData = abi.encodeCall(ISimpleAccount.execute, (address(this), 0, abi.encodeCall(this.ping, ())));
        _sponsor(op, _terms(), SIGNER_KEY);
        op.signature = _sign(ACCOUNT_KEY, _userOpHash(op));
    }
}

contract Erc7562V06Test is Erc7562Test, HarnessV06 {
    function setUp() public override(AccountHarness, Harness) {
        super.setUp();
    }
}

contract Erc7562V07Test is Erc7562Test, HarnessV07 {
    function setUp() public override(AccountHarness, Harness) {
        super.setUp();
    }
}

contract Erc7562V08Test is Erc7562DelegatedTest, HarnessV08 {
    function setUp() public override(AccountHarness, Harness) {
        super.setUp();
    }
}

contract Erc7562V09Test is Erc7562DelegatedTest, HarnessV09 {
    function setUp() public override(AccountHarness, Harness) {
        super.setUp();
    }

    /// @dev As the relay answers.
    function test_an_operation_with_the_signature_outside_the_hash_breaks_no_rule() public {
        _stake();
        UserOperationV06 memory op = _accountOp();
        _sponsor(op, _terms(), SIGNER_KEY);
        op.paymasterAndData = bytes.concat(op.paymasterAndData, PARALLEL_SUFFIX);
        _signByAccount(op);
        _assertBroken(op, "");
    }
}
