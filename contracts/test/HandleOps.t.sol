// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {UserOperationV06} from "../src/interfaces/IPaymasterV06.sol";
import {AccountHarness} from "./support/AccountHarness.sol";
import {Harness, Terms} from "./support/Harness.sol";
import {HarnessV06} from "./support/HarnessV06.sol";
import {HarnessV07, HarnessV08, HarnessV09} from "./support/HarnessV07.sol";
import {vm} from "./support/Vm.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {IEntryPoint} from "aa-v08/interfaces/IEntryPoint.sol";

/// @dev Whole operations through the real EntryPoint, with a published SimpleAccount.
abstract contract HandleOpsTest is AccountHarness {
    function test_a_sponsored_operation_runs_at_the_cost_of_the_deposit_alone() public {
        UserOperationV06 memory op = _sponsoredAccountOp(_terms(), SIGNER_KEY);
        uint256 deposit = paymaster.getDeposit();
        _handle(op);
        vm.assertEq(pings, 1, "the call was made");
        vm.assertGt(op.sender.code.length, 0, "the account was deployed");
        vm.assertEq(op.sender.balance, 0, "the account paid nothing");
        vm.assertEq(deposit - paymaster.getDeposit(), BUNDLER.balance, "the deposit paid the bundler");
        vm.assertGt(BUNDLER.balance, 0, "the bundler was paid");
    }

    function test_a_sponsored_operation_cannot_run_twice() public {
        UserOperationV06 memory op = _sponsoredAccountOp(_terms(), SIGNER_KEY);
        _handle(op);
        uint256 deposit = paymaster.getDeposit();
        (bool success,) = address(this).call(abi.encodeCall(this.handleExternally, (op)));
        vm.assertTrue(!success, "replayed");
        vm.assertEq(paymaster.getDeposit(), deposit, "charged twice");
    }

    function test_the_entry_point_refuses_another_key() public {
        _assertRefused(_sponsoredAccountOp(_terms(), OTHER_KEY), _failedOp("AA34 signature error"));
    }

    function test_the_entry_point_refuses_a_removed_signer() public {
        UserOperationV06 memory op = _sponsoredAccountOp(_terms(), SIGNER_KEY);
        vm.prank(OWNER);
        paymaster.removeSigner(vm.addr(SIGNER_KEY));
        _assertRefused(op, _failedOp("AA34 signature error"));
    }

    function test_the_entry_point_refuses_call_data_changed_after_sponsoring() public {
        UserOperationV06 memory op = _sponsoredAccountOp(_terms(), SIGNER_KEY);
        op.callData = bytes.concat(op.callData, hex"00");
        _signByAccount(op);
        _assertRefused(op, _failedOp("AA34 signature error"));
    }

    function test_the_entry_point_refuses_a_window_that_has_passed_or_not_begun() public {
        Terms memory terms = _terms();
        UserOperationV06 memory op = _sponsoredAccountOp(terms, SIGNER_KEY);
        uint256 start = vm.snapshotState();
        vm.warp(terms.validUntil + 1);
        _assertRefused(op, _failedOp("AA32 paymaster expired or not due"));
        vm.warp(terms.validAfter - 1);
        _assertRefused(op, _failedOp("AA32 paymaster expired or not due"));
        vm.assertTrue(vm.revertToState(start), "back to the start");
        _handle(op);
    }

    function test_the_entry_point_refuses_a_paused_paymaster() public {
        UserOperationV06 memory op = _sponsoredAccountOp(_terms(), SIGNER_KEY);
        vm.prank(OWNER);
        paymaster.pause();
        _assertRefused(op, _pausedReason());
    }

    function test_the_entry_point_refuses_an_empty_deposit() public {
        UserOperationV06 memory op = _sponsoredAccountOp(_terms(), SIGNER_KEY);
        vm.prank(OWNER);
        paymaster.withdrawTo(payable(OWNER), 10 ether);
        _assertRefused(op, _failedOp("AA31 paymaster deposit too low"));
    }

    function handleExternally(UserOperationV06 memory op) external {
        _handle(op);
    }

    function _pausedReason() internal pure virtual returns (bytes memory) {
        bytes memory reason = abi.encodeWithSelector(Pausable.EnforcedPause.selector);
        return abi.encodeWithSelector(IEntryPoint.FailedOpWithRevert.selector, 0, "AA33 reverted", reason);
    }

    function _assertRefused(UserOperationV06 memory op, bytes memory reason) internal {
        vm.expectRevert(reason);
        this.handleExternally(op);
        vm.assertEq(pings, 0, "the call was made");
    }

    function _failedOp(string memory reason) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IEntryPoint.FailedOp.selector, 0, reason);
    }
}

contract HandleOpsV06Test is HandleOpsTest, HarnessV06 {
    function setUp() public override(AccountHarness, Harness) {
        super.setUp();
    }

    function _pausedReason() internal pure override returns (bytes memory) {
        return _failedOp("AA33 reverted (or OOG)");
    }
}

contract HandleOpsV07Test is HandleOpsTest, HarnessV07 {
    function setUp() public override(AccountHarness, Harness) {
        super.setUp();
    }
}

contract HandleOpsV08Test is HandleOpsTest, HarnessV08 {
    function setUp() public override(AccountHarness, Harness) {
        super.setUp();
    }
}

contract HandleOpsV09Test is HandleOpsTest, HarnessV09 {
    function setUp() public override(AccountHarness, Harness) {
        super.setUp();
    }

    function test_the_user_may_sign_before_the_paymaster_does() public {
        Terms memory terms = _terms();
        UserOperationV06 memory op = _accountOp();
        op.paymasterAndData = bytes.concat(_unsignedData(terms), new bytes(65), PARALLEL_SUFFIX);
        _signByAccount(op);
        bytes32 signed = _userOpHash(op);

        bytes memory signature = _sign(SIGNER_KEY, _hash(op, terms));
        op.paymasterAndData = bytes.concat(_unsignedData(terms), signature, PARALLEL_SUFFIX);
        vm.assertEq(_userOpHash(op), signed, "the account signature stays good");
        _handle(op);
        vm.assertEq(pings, 1, "the call was made");
    }

    function test_the_placeholder_of_the_parallel_form_is_refused() public {
        UserOperationV06 memory op = _accountOp();
        op.paymasterAndData = bytes.concat(_unsignedData(_terms()), new bytes(65), PARALLEL_SUFFIX);
        _signByAccount(op);
        _assertRefused(op, _failedOp("AA34 signature error"));
    }
}
