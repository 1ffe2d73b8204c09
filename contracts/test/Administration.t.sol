// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {SuperPaymasterBase} from "../src/SuperPaymasterBase.sol";
import {Harness} from "./support/Harness.sol";
import {HarnessV06} from "./support/HarnessV06.sol";
import {HarnessV07, HarnessV08, HarnessV09} from "./support/HarnessV07.sol";
import {vm} from "./support/Vm.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {IStakeManager} from "aa-v08/interfaces/IStakeManager.sol";

/// @dev The owner's side: signers, ownership, pause, deposit and stake, against the real EntryPoint of each version.
abstract contract AdministrationTest is Harness {
    address private constant NEW_OWNER = address(0x0e30);
    address payable private constant TREASURY = payable(address(0x7ea5));
    address private constant NEW_SIGNER = address(0x516e);

    function test_the_constructor_refuses_an_entry_point_without_code() public {
        bytes memory arguments = abi.encode(address(0xdead), OWNER);
        (bool success, bytes memory reason) = _tryCreate(abi.encodePacked(_paymasterCode(), arguments));
        vm.assertTrue(!success, "created");
        bytes memory expected = abi.encodeWithSelector(SuperPaymasterBase.EntryPointHasNoCode.selector, address(0xdead));
        vm.assertEq(keccak256(reason), keccak256(expected), "reason");
    }

    function test_the_constructor_refuses_the_zero_owner() public {
        (bool success, bytes memory reason) =
            _tryCreate(abi.encodePacked(_paymasterCode(), abi.encode(entryPoint, address(0))));
        vm.assertTrue(!success, "created");
        bytes memory expected = abi.encodeWithSelector(Ownable.OwnableInvalidOwner.selector, address(0));
        vm.assertEq(keccak256(reason), keccak256(expected), "reason");
    }

    function test_the_constructor_sets_entry_point_owner_and_nothing_else() public view {
        vm.assertEq(address(paymaster.entryPoint()), entryPoint, "entryPoint");
        vm.assertEq(paymaster.owner(), OWNER, "owner");
        vm.assertEq(paymaster.pendingOwner(), address(0), "pendingOwner");
        vm.assertTrue(!paymaster.paused(), "paused");
        vm.assertEq(paymaster.measurementOf(address(0)), bytes32(0), "the zero address is no signer");
    }

    function test_every_owner_function_refuses_a_stranger() public {
        bytes[] memory calls = new bytes[](10);
        calls[0] = abi.encodeCall(paymaster.addSigner, (NEW_SIGNER, MEASUREMENT));
        calls[1] = abi.encodeCall(paymaster.removeSigner, (vm.addr(SIGNER_KEY)));
        calls[2] = abi.encodeCall(paymaster.pause, ());
        calls[3] = abi.encodeCall(paymaster.unpause, ());
        calls[4] = abi.encodeCall(paymaster.withdrawTo, (TREASURY, 1));
        calls[5] = abi.encodeCall(paymaster.addStake, (1));
        calls[6] = abi.encodeCall(paymaster.unlockStake, ());
        calls[7] = abi.encodeCall(paymaster.withdrawStake, (TREASURY));
        calls[8] = abi.encodeCall(paymaster.transferOwnership, (STRANGER));
        calls[9] = abi.encodeCall(paymaster.renounceOwnership, ());
        bytes memory expected = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, STRANGER);
        for (uint256 i = 0; i < calls.length; i++) {
            vm.prank(STRANGER);
            (bool success, bytes memory reason) = address(paymaster).call(calls[i]);
            vm.assertTrue(!success, string.concat("call ", vm.toString(i), " succeeded"));
            vm.assertEq(keccak256(reason), keccak256(expected), string.concat("call ", vm.toString(i)));
        }
    }

    function test_adding_a_signer_records_its_measurement_and_says_so() public {
        vm.expectEmit(address(paymaster));
        emit SuperPaymasterBase.SignerAdded(NEW_SIGNER, keccak256("another ta"));
        vm.prank(OWNER);
        paymaster.addSigner(NEW_SIGNER, keccak256("another ta"));
        vm.assertEq(paymaster.measurementOf(NEW_SIGNER), keccak256("another ta"), "new signer");
        vm.assertEq(paymaster.measurementOf(vm.addr(SIGNER_KEY)), MEASUREMENT, "the first signer stays");
    }

    function test_the_zero_address_is_refused_as_a_signer() public {
        vm.prank(OWNER);
        vm.expectRevert(SuperPaymasterBase.SignerIsZeroAddress.selector);
        paymaster.addSigner(address(0), MEASUREMENT);
    }

    function test_a_signer_without_a_measurement_is_refused() public {
        vm.prank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(SuperPaymasterBase.MeasurementIsZero.selector, NEW_SIGNER));
        paymaster.addSigner(NEW_SIGNER, 0);
    }

    function test_the_measurement_of_a_signer_cannot_be_overwritten() public {
        address signer = vm.addr(SIGNER_KEY);
        vm.prank(OWNER);
        vm.expectRevert(
            abi.encodeWithSelector(SuperPaymasterBase.SignerAlreadyAuthorised.selector, signer, MEASUREMENT)
        );
        paymaster.addSigner(signer, keccak256("another ta"));
    }

    function test_removing_a_signer_forgets_it_and_says_so() public {
        address signer = vm.addr(SIGNER_KEY);
        vm.expectEmit(address(paymaster));
        emit SuperPaymasterBase.SignerRemoved(signer, MEASUREMENT);
        vm.prank(OWNER);
        paymaster.removeSigner(signer);
        vm.assertEq(paymaster.measurementOf(signer), bytes32(0), "removed");
    }

    function test_removing_an_unknown_signer_is_refused() public {
        vm.prank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(SuperPaymasterBase.SignerNotAuthorised.selector, NEW_SIGNER));
        paymaster.removeSigner(NEW_SIGNER);
    }

    function test_ownership_moves_in_two_steps() public {
        vm.prank(OWNER);
        paymaster.transferOwnership(NEW_OWNER);
        vm.assertEq(paymaster.owner(), OWNER, "the first step moves nothing");

        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, STRANGER));
        paymaster.acceptOwnership();

        vm.prank(NEW_OWNER);
        paymaster.acceptOwnership();
        vm.assertEq(paymaster.owner(), NEW_OWNER, "the second step does");

        vm.prank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, OWNER));
        paymaster.pause();
    }

    function test_ownership_cannot_be_renounced() public {
        vm.prank(OWNER);
        vm.expectRevert(SuperPaymasterBase.OwnershipCannotBeRenounced.selector);
        paymaster.renounceOwnership();
        vm.assertEq(paymaster.owner(), OWNER, "owner");
    }

    function test_pausing_and_unpausing_twice_is_refused() public {
        vm.startPrank(OWNER);
        vm.expectRevert(Pausable.ExpectedPause.selector);
        paymaster.unpause();
        paymaster.pause();
        vm.assertTrue(paymaster.paused(), "paused");
        vm.expectRevert(Pausable.EnforcedPause.selector);
        paymaster.pause();
        vm.stopPrank();
    }

    function test_anyone_may_deposit_and_the_entry_point_holds_it() public {
        vm.deal(STRANGER, 3 ether);
        vm.prank(STRANGER);
        paymaster.deposit{value: 3 ether}();
        vm.assertEq(paymaster.getDeposit(), 13 ether, "getDeposit");
        vm.assertEq(IStakeManager(entryPoint).balanceOf(address(paymaster)), 13 ether, "balanceOf");
        vm.assertEq(address(paymaster).balance, 0, "the paymaster itself holds nothing");
    }

    function test_the_owner_withdraws_from_the_deposit_and_never_more_than_it_holds() public {
        vm.startPrank(OWNER);
        paymaster.withdrawTo(TREASURY, 4 ether);
        vm.assertEq(TREASURY.balance, 4 ether, "received");
        vm.assertEq(paymaster.getDeposit(), 6 ether, "left");
        (bool success,) = address(paymaster).call(abi.encodeCall(paymaster.withdrawTo, (TREASURY, 6 ether + 1)));
        vm.assertTrue(!success, "withdrew more than the deposit");
        vm.stopPrank();
    }

    function test_the_stake_is_locked_unlocked_and_withdrawn_by_the_owner() public {
        vm.deal(OWNER, 2 ether);
        vm.startPrank(OWNER);
        paymaster.addStake{value: 2 ether}(1 days);
        IStakeManager.DepositInfo memory info = IStakeManager(entryPoint).getDepositInfo(address(paymaster));
        vm.assertTrue(info.staked, "staked");
        vm.assertEq(info.stake, 2 ether, "stake");
        vm.assertEq(info.unstakeDelaySec, 1 days, "delay");

        paymaster.unlockStake();
        vm.warp(NOW + 1 days - 1);
        (bool early,) = address(paymaster).call(abi.encodeCall(paymaster.withdrawStake, (TREASURY)));
        vm.assertTrue(!early, "withdrew before the delay");

        vm.warp(NOW + 1 days);
        paymaster.withdrawStake(TREASURY);
        vm.assertEq(TREASURY.balance, 2 ether, "received");
        vm.assertEq(paymaster.getDeposit(), 10 ether, "the deposit stays");
        vm.stopPrank();
    }

    function test_plain_ether_is_refused() public {
        (bool success,) = address(paymaster).call{value: 1}("");
        vm.assertTrue(!success, "ether outside the EntryPoint would be stuck");
    }

    function _tryCreate(bytes memory creationCode) private returns (bool success, bytes memory reason) {
        try this.createExternally(creationCode) {
            success = true;
        } catch (bytes memory returned) {
            reason = returned;
        }
    }

    function createExternally(bytes memory creationCode) external {
        assembly ("memory-safe") {
            if iszero(create(0, add(creationCode, 32), mload(creationCode))) {
                let pointer := mload(0x40)
                returndatacopy(pointer, 0, returndatasize())
                revert(pointer, returndatasize())
            }
        }
    }
}

contract AdministrationV06Test is AdministrationTest, HarnessV06 {}

contract AdministrationV07Test is AdministrationTest, HarnessV07 {}

contract AdministrationV08Test is AdministrationTest, HarnessV08 {}

contract AdministrationV09Test is AdministrationTest, HarnessV09 {}
