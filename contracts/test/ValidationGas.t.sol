// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {UserOperationV06} from "../src/interfaces/IPaymasterV06.sol";
import {AccountHarness} from "./support/AccountHarness.sol";
import {Harness, Terms} from "./support/Harness.sol";
import {HarnessV06} from "./support/HarnessV06.sol";
import {HarnessV07, HarnessV08, HarnessV09} from "./support/HarnessV07.sol";
import {vm} from "./support/Vm.sol";

/// @dev The gas of validation, which .gas-snapshot records and README.md quotes. Cold is the first
/// operation of a bundle.
abstract contract ValidationGasTest is AccountHarness {
    uint256 private constant COLD_BOUND = 14_000;
    uint256 private constant WARM_BOUND = 10_000;

    function test_cold_validation_gas() public {
        vm.assertLt(_validationGas(true), COLD_BOUND, "cold");
    }

    function test_warm_validation_gas() public {
        vm.assertLt(_validationGas(false), WARM_BOUND, "warm");
    }

    /// @dev The limit has to cover the EntryPoint's own work around the call too, which grows with
    /// the operation.
    function test_the_recommended_limit_suffices_for_four_kilobytes_of_call_data() public {
        UserOperationV06 memory op = _accountOp();
        op.callData = new bytes(4096);
        op.preVerificationGas = 200_000;
        Terms memory terms = _terms();
        terms.verificationGasLimit = 40_000;
        _sponsor(op, terms, SIGNER_KEY);
        _signByAccount(op);
        vm.cool(address(paymaster));
        uint256 deposit = paymaster.getDeposit();
        _handle(op);
        vm.assertLt(paymaster.getDeposit(), deposit, "the operation was paid for");
    }

    function _validationGas(bool cold) private returns (uint256) {
        UserOperationV06 memory op = _sponsoredOp();
        _assertAccepted(op, "accepted");
        if (cold) vm.cool(address(paymaster));
        (, uint256 data) = _validate(op);
        uint256 gas = vm.lastCallGas().gasTotalUsed;
        vm.assertEq(uint160(data), 0, "accepted");
        return gas;
    }
}

contract ValidationGasV06Test is ValidationGasTest, HarnessV06 {
    function setUp() public override(AccountHarness, Harness) {
        super.setUp();
    }
}

contract ValidationGasV07Test is ValidationGasTest, HarnessV07 {
    function setUp() public override(AccountHarness, Harness) {
        super.setUp();
    }
}

contract ValidationGasV08Test is ValidationGasTest, HarnessV08 {
    function setUp() public override(AccountHarness, Harness) {
        super.setUp();
    }
}

contract ValidationGasV09Test is ValidationGasTest, HarnessV09 {
    function setUp() public override(AccountHarness, Harness) {
        super.setUp();
    }
}
