// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {UserOperationV06} from "../src/interfaces/IPaymasterV06.sol";
import {ISimpleAccount} from "./support/AccountHarness.sol";
import {EntryPoints, Version} from "./support/EntryPoints.sol";
import {Harness} from "./support/Harness.sol";
import {HarnessV08, HarnessV09} from "./support/HarnessV07.sol";
import {vm} from "./support/Vm.sol";
import {Eip7702Support} from "aa-v08/core/Eip7702Support.sol";
import {IEntryPoint} from "aa-v08/interfaces/IEntryPoint.sol";

/// @dev EIP-7702 operations with the published Simple7702Account: the delegate is part of what was
/// sponsored.
abstract contract Eip7702Test is Harness {
    uint256 private constant ACCOUNT_KEY = uint256(keccak256("eip-7702 account"));

    address private delegate;
    address private otherDelegate;
    uint256 public pings;

    function setUp() public virtual override {
        super.setUp();
        bytes memory creationCode = EntryPoints.published(_version(), "Simple7702Account");
        if (_version() == Version.V09) creationCode = bytes.concat(creationCode, abi.encode(entryPoint));
        delegate = _create(creationCode);
        otherDelegate = _create(creationCode);
        _delegate(delegate);
    }

    function ping() external {
        pings++;
    }

    function test_a_sponsored_operation_runs_with_its_delegate() public {
        UserOperationV06 memory op = _sponsoredBy7702(hex"7702");
        _handle(op);
        vm.assertEq(pings, 1, "the call was made");
        vm.assertEq(op.sender.balance, 0, "the account paid nothing");
    }

    function test_initialisation_data_after_the_marker_is_bound() public {
        UserOperationV06 memory op = _sponsoredBy7702(abi.encodePacked(bytes20(hex"7702"), "initialise"));
        _assertAccepted(op, "as signed");
        op.initCode[25] ^= 0x01;
        _assertSignatureFailed(op, "initialisation data");
    }

    function test_the_padded_and_the_short_marker_mean_the_same() public {
        UserOperationV06 memory op = _sponsoredBy7702(hex"7702");
        op.initCode = abi.encodePacked(bytes20(hex"7702"));
        _assertAccepted(op, "padded to 20 bytes");
    }

    function test_a_delegate_swapped_after_sponsoring_fails_even_when_the_account_signs_again() public {
        UserOperationV06 memory op = _sponsoredBy7702(hex"7702");
        _delegate(otherDelegate);
        op.signature = _sign(ACCOUNT_KEY, _userOpHash(op));
        _assertSignatureFailed(op, "another delegate");
        vm.expectRevert(abi.encodeWithSelector(IEntryPoint.FailedOp.selector, 0, "AA34 signature error"));
        this.handleExternally(op);
        vm.assertEq(pings, 0, "the call was made");
    }

    function testFuzz_any_other_delegate_fails(address other) public {
        vm.assume(other != delegate);
        UserOperationV06 memory op = _sponsoredBy7702(hex"7702");
        _delegate(other);
        _assertSignatureFailed(op, "another delegate");
    }

    function test_a_sender_without_a_delegate_is_refused() public {
        UserOperationV06 memory op = _sponsoredBy7702(hex"7702");
        vm.etch(op.sender, "");
        vm.expectRevert("sender has no code");
        this.validateExternally(op);
        vm.etch(op.sender, hex"6001600155");
        vm.expectRevert("not an EIP-7702 delegate");
        this.validateExternally(op);
    }

    function test_a_marker_followed_by_other_bytes_is_an_ordinary_factory() public {
        UserOperationV06 memory op = _sponsoredBy7702(hex"7702000000000000000000000000000000000001");
        _assertAccepted(op, "a factory address");
        _delegate(otherDelegate);
        _assertAccepted(op, "the delegate plays no part");
    }

    function handleExternally(UserOperationV06 memory op) external {
        _handle(op);
    }

    function validateExternally(UserOperationV06 memory op) external {
        _validate(op);
    }

    function _sponsoredBy7702(bytes memory initCode) private view returns (UserOperationV06 memory op) {
        op = _op();
        op.sender = vm.addr(ACCOUNT_KEY);
        op.nonce = 0;
        op.initCode = initCode;
        op.callData = abi.encodeCall(ISimpleAccount.execute, (address(this), 0, abi.encodeCall(this.ping, ())));
        _sponsor(op, _terms(), SIGNER_KEY);
        op.signature = _sign(ACCOUNT_KEY, _userOpHash(op));
    }

    function _delegate(address to) private {
        vm.etch(vm.addr(ACCOUNT_KEY), abi.encodePacked(Eip7702Support.EIP7702_PREFIX, to));
    }
}

contract Eip7702V08Test is Eip7702Test, HarnessV08 {
    function setUp() public override(Eip7702Test, Harness) {
        super.setUp();
    }
}

contract Eip7702V09Test is Eip7702Test, HarnessV09 {
    function setUp() public override(Eip7702Test, Harness) {
        super.setUp();
    }
}
