// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {InitialSigner, SignerRecord, SuperPaymasterBase} from "../src/SuperPaymasterBase.sol";
import {Harness} from "./support/Harness.sol";
import {HarnessV06} from "./support/HarnessV06.sol";
import {HarnessV07, HarnessV08, HarnessV09} from "./support/HarnessV07.sol";
import {vm} from "./support/Vm.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {IStakeManager} from "aa-v08/interfaces/IStakeManager.sol";

/// @dev What owner and guardian do: signers, ownership, pause, deposit and stake, against the real
/// EntryPoint of each version.
abstract contract AdministrationTest is Harness {
    address private constant NEW_OWNER = address(0x0e30);
    address payable private constant TREASURY = payable(address(0x7ea5));
    address private constant NEW_SIGNER = address(0x516e);
    bytes32 private constant OTHER_MEASUREMENT = keccak256("another ta");
    bytes32 private constant OTHER_TEE_ID = keccak256("another tee");

    function test_the_constructor_refuses_an_entry_point_without_code() public {
        _assertCreationRefused(
            abi.encode(address(0xdead), OWNER, GUARDIAN, ACTIVATION_DELAY, MAX_WINDOW, _none()),
            abi.encodeWithSelector(SuperPaymasterBase.EntryPointHasNoCode.selector, address(0xdead))
        );
    }

    function test_the_constructor_refuses_the_zero_owner() public {
        _assertCreationRefused(
            abi.encode(entryPoint, address(0), GUARDIAN, ACTIVATION_DELAY, MAX_WINDOW, _none()),
            abi.encodeWithSelector(Ownable.OwnableInvalidOwner.selector, address(0))
        );
    }

    function test_the_constructor_refuses_the_zero_guardian() public {
        _assertCreationRefused(
            abi.encode(entryPoint, OWNER, address(0), ACTIVATION_DELAY, MAX_WINDOW, _none()),
            abi.encodeWithSelector(SuperPaymasterBase.GuardianIsZeroAddress.selector)
        );
    }

    function test_the_constructor_refuses_a_window_of_nothing() public {
        _assertCreationRefused(
            abi.encode(entryPoint, OWNER, GUARDIAN, ACTIVATION_DELAY, 0, _none()),
            abi.encodeWithSelector(SuperPaymasterBase.MaxWindowIsZero.selector)
        );
    }

    function test_the_constructor_refuses_a_signer_that_a_proposal_would_be_refused_for() public {
        bytes4[4] memory selectors = [
            SuperPaymasterBase.SignerIsZeroAddress.selector,
            SuperPaymasterBase.MeasurementIsZero.selector,
            SuperPaymasterBase.TeeIdIsZero.selector,
            SuperPaymasterBase.SignerAlreadyProposed.selector
        ];
        bytes[4] memory details =
            [bytes(""), abi.encode(NEW_SIGNER), abi.encode(NEW_SIGNER), abi.encode(NEW_SIGNER, NOW)];
        for (uint256 i = 0; i < selectors.length; i++) {
            InitialSigner[] memory signers = new InitialSigner[](i == 3 ? 2 : 1);
            for (uint256 j = 0; j < signers.length; j++) {
                signers[j] = InitialSigner({signer: NEW_SIGNER, measurement: MEASUREMENT, teeId: TEE_ID});
            }
            if (i == 0) signers[0].signer = address(0);
            if (i == 1) signers[0].measurement = 0;
            if (i == 2) signers[0].teeId = 0;
            _assertCreationRefused(
                abi.encode(entryPoint, OWNER, GUARDIAN, ACTIVATION_DELAY, MAX_WINDOW, signers),
                abi.encodePacked(selectors[i], details[i])
            );
        }
    }

    function test_the_constructor_sets_what_it_is_told_and_nothing_else() public view {
        vm.assertEq(address(paymaster.entryPoint()), entryPoint, "entryPoint");
        vm.assertEq(paymaster.owner(), OWNER, "owner");
        vm.assertEq(paymaster.pendingOwner(), address(0), "pendingOwner");
        vm.assertEq(paymaster.guardian(), GUARDIAN, "guardian");
        vm.assertEq(paymaster.activationDelay(), ACTIVATION_DELAY, "activationDelay");
        vm.assertEq(paymaster.maxWindow(), MAX_WINDOW, "maxWindow");
        vm.assertTrue(!paymaster.paused(), "paused");
        vm.assertTrue(!paymaster.isActiveSigner(address(0)), "the zero address is no signer");
    }

    function test_signers_of_the_constructor_are_active_at_once() public {
        address signer = vm.addr(SIGNER_KEY);
        address expected = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        vm.expectEmit(expected);
        emit SuperPaymasterBase.GuardianChanged(address(0), GUARDIAN);
        vm.expectEmit(expected);
        emit SuperPaymasterBase.SignerProposed(signer, MEASUREMENT, TEE_ID, NOW);
        vm.expectEmit(expected);
        emit SuperPaymasterBase.SignerActivated(signer, MEASUREMENT, TEE_ID);
        paymaster = SuperPaymasterBase(_create(bytes.concat(_paymasterCode(), _arguments())));
        vm.assertTrue(paymaster.isActiveSigner(signer), "active");
        _assertRecord(signer, SignerRecord(uint48(NOW), uint48(NOW), MEASUREMENT, TEE_ID));
    }

    function test_every_owner_function_refuses_the_guardian_and_strangers() public {
        bytes[] memory calls = new bytes[](10);
        calls[0] = abi.encodeCall(paymaster.proposeSigner, (NEW_SIGNER, MEASUREMENT, TEE_ID));
        calls[1] = abi.encodeCall(paymaster.activateSigner, (NEW_SIGNER));
        calls[2] = abi.encodeCall(paymaster.setGuardian, (STRANGER));
        calls[3] = abi.encodeCall(paymaster.unpause, ());
        calls[4] = abi.encodeCall(paymaster.withdrawTo, (TREASURY, 1));
        calls[5] = abi.encodeCall(paymaster.addStake, (1));
        calls[6] = abi.encodeCall(paymaster.unlockStake, ());
        calls[7] = abi.encodeCall(paymaster.withdrawStake, (TREASURY));
        calls[8] = abi.encodeCall(paymaster.transferOwnership, (STRANGER));
        calls[9] = abi.encodeCall(paymaster.renounceOwnership, ());
        address[2] memory callers = [STRANGER, GUARDIAN];
        for (uint256 i = 0; i < calls.length * callers.length; i++) {
            address caller = callers[i % callers.length];
            bytes memory expected = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, caller);
            _assertRefused(caller, calls[i / callers.length], expected);
        }
    }

    function test_pausing_and_removing_signers_refuse_strangers() public {
        bytes memory expected =
            abi.encodeWithSelector(SuperPaymasterBase.CallerIsNeitherOwnerNorGuardian.selector, STRANGER);
        _assertRefused(STRANGER, abi.encodeCall(paymaster.removeSigner, (vm.addr(SIGNER_KEY))), expected);
        _assertRefused(STRANGER, abi.encodeCall(paymaster.pause, ()), expected);
        vm.assertTrue(paymaster.isActiveSigner(vm.addr(SIGNER_KEY)), "still active");
        vm.assertTrue(!paymaster.paused(), "paused");
    }

    function test_a_proposal_is_recorded_announced_and_not_active() public {
        vm.expectEmit(address(paymaster));
        emit SuperPaymasterBase.SignerProposed(NEW_SIGNER, OTHER_MEASUREMENT, OTHER_TEE_ID, NOW + ACTIVATION_DELAY);
        _propose();
        vm.assertTrue(!paymaster.isActiveSigner(NEW_SIGNER), "not active");
        _assertRecord(NEW_SIGNER, SignerRecord(uint48(NOW), 0, OTHER_MEASUREMENT, OTHER_TEE_ID));
        vm.assertTrue(paymaster.isActiveSigner(vm.addr(SIGNER_KEY)), "the first signer stays");
    }

    function test_proposals_without_address_measurement_or_tee_id_are_refused() public {
        _assertRefused(
            OWNER,
            abi.encodeCall(paymaster.proposeSigner, (address(0), MEASUREMENT, TEE_ID)),
            abi.encodeWithSelector(SuperPaymasterBase.SignerIsZeroAddress.selector)
        );
        _assertRefused(
            OWNER,
            abi.encodeCall(paymaster.proposeSigner, (NEW_SIGNER, 0, TEE_ID)),
            abi.encodeWithSelector(SuperPaymasterBase.MeasurementIsZero.selector, NEW_SIGNER)
        );
        _assertRefused(
            OWNER,
            abi.encodeCall(paymaster.proposeSigner, (NEW_SIGNER, MEASUREMENT, 0)),
            abi.encodeWithSelector(SuperPaymasterBase.TeeIdIsZero.selector, NEW_SIGNER)
        );
    }

    function test_neither_a_proposal_nor_an_active_signer_can_be_overwritten() public {
        _propose();
        vm.warp(NOW + 5);
        address[2] memory known = [NEW_SIGNER, vm.addr(SIGNER_KEY)];
        for (uint256 i = 0; i < known.length; i++) {
            _assertRefused(
                OWNER,
                abi.encodeCall(paymaster.proposeSigner, (known[i], keccak256("a third ta"), keccak256("a third tee"))),
                abi.encodeWithSelector(SuperPaymasterBase.SignerAlreadyProposed.selector, known[i], NOW)
            );
        }
    }

    function test_a_proposal_becomes_active_after_the_delay_and_not_a_second_earlier() public {
        _propose();
        uint256 activatableAt = NOW + ACTIVATION_DELAY;
        vm.warp(activatableAt - 1);
        _assertRefused(
            OWNER,
            abi.encodeCall(paymaster.activateSigner, (NEW_SIGNER)),
            abi.encodeWithSelector(SuperPaymasterBase.ActivationTooEarly.selector, NEW_SIGNER, activatableAt)
        );
        vm.assertTrue(!paymaster.isActiveSigner(NEW_SIGNER), "not active");

        vm.warp(activatableAt);
        vm.assertTrue(!paymaster.isActiveSigner(NEW_SIGNER), "time alone activates nothing");
        vm.expectEmit(address(paymaster));
        emit SuperPaymasterBase.SignerActivated(NEW_SIGNER, OTHER_MEASUREMENT, OTHER_TEE_ID);
        vm.prank(OWNER);
        paymaster.activateSigner(NEW_SIGNER);
        vm.assertTrue(paymaster.isActiveSigner(NEW_SIGNER), "active");
        _assertRecord(NEW_SIGNER, SignerRecord(uint48(NOW), uint48(activatableAt), OTHER_MEASUREMENT, OTHER_TEE_ID));
    }

    function test_what_was_never_proposed_or_is_active_already_cannot_be_activated() public {
        address active = vm.addr(SIGNER_KEY);
        vm.warp(NOW + ACTIVATION_DELAY);
        _assertRefused(
            OWNER,
            abi.encodeCall(paymaster.activateSigner, (NEW_SIGNER)),
            abi.encodeWithSelector(SuperPaymasterBase.SignerNotProposed.selector, NEW_SIGNER)
        );
        _assertRefused(
            OWNER,
            abi.encodeCall(paymaster.activateSigner, (active)),
            abi.encodeWithSelector(SuperPaymasterBase.SignerAlreadyActive.selector, active, NOW)
        );
    }

    function test_owner_and_guardian_remove_an_active_signer_at_once() public {
        address[2] memory callers = [OWNER, GUARDIAN];
        address signer = vm.addr(SIGNER_KEY);
        uint256 start = vm.snapshotState();
        for (uint256 i = 0; i < callers.length; i++) {
            vm.expectEmit(address(paymaster));
            emit SuperPaymasterBase.SignerRemoved(signer, MEASUREMENT, TEE_ID);
            vm.prank(callers[i]);
            paymaster.removeSigner(signer);
            vm.assertTrue(!paymaster.isActiveSigner(signer), "not active");
            _assertRecord(signer, SignerRecord(0, 0, 0, 0));
            vm.assertTrue(vm.revertToState(start), "back to the start");
        }
    }

    function test_removing_a_proposal_cancels_it_and_a_new_one_waits_again() public {
        _propose();
        vm.warp(NOW + ACTIVATION_DELAY);
        vm.expectEmit(address(paymaster));
        emit SuperPaymasterBase.SignerRemoved(NEW_SIGNER, OTHER_MEASUREMENT, OTHER_TEE_ID);
        vm.prank(GUARDIAN);
        paymaster.removeSigner(NEW_SIGNER);
        bytes memory activation = abi.encodeCall(paymaster.activateSigner, (NEW_SIGNER));
        _assertRefused(
            OWNER, activation, abi.encodeWithSelector(SuperPaymasterBase.SignerNotProposed.selector, NEW_SIGNER)
        );

        _propose();
        _assertRefused(
            OWNER,
            activation,
            abi.encodeWithSelector(
                SuperPaymasterBase.ActivationTooEarly.selector, NEW_SIGNER, NOW + 2 * ACTIVATION_DELAY
            )
        );
    }

    function test_a_removed_signer_has_to_wait_like_any_other() public {
        address signer = vm.addr(SIGNER_KEY);
        vm.startPrank(OWNER);
        paymaster.removeSigner(signer);
        paymaster.proposeSigner(signer, MEASUREMENT, TEE_ID);
        vm.stopPrank();
        vm.assertTrue(!paymaster.isActiveSigner(signer), "not active");
    }

    function test_removing_an_unknown_signer_is_refused() public {
        _assertRefused(
            OWNER,
            abi.encodeCall(paymaster.removeSigner, (NEW_SIGNER)),
            abi.encodeWithSelector(SuperPaymasterBase.SignerNotProposed.selector, NEW_SIGNER)
        );
    }

    function test_the_owner_replaces_the_guardian_who_then_can_do_nothing() public {
        vm.expectEmit(address(paymaster));
        emit SuperPaymasterBase.GuardianChanged(GUARDIAN, NEW_OWNER);
        vm.prank(OWNER);
        paymaster.setGuardian(NEW_OWNER);
        vm.assertEq(paymaster.guardian(), NEW_OWNER, "guardian");
        _assertRefused(
            GUARDIAN,
            abi.encodeCall(paymaster.pause, ()),
            abi.encodeWithSelector(SuperPaymasterBase.CallerIsNeitherOwnerNorGuardian.selector, GUARDIAN)
        );
        vm.prank(NEW_OWNER);
        paymaster.pause();
    }

    function test_the_zero_address_is_refused_as_guardian() public {
        _assertRefused(
            OWNER,
            abi.encodeCall(paymaster.setGuardian, (address(0))),
            abi.encodeWithSelector(SuperPaymasterBase.GuardianIsZeroAddress.selector)
        );
        vm.assertEq(paymaster.guardian(), GUARDIAN, "guardian");
    }

    function test_the_guardian_pauses_and_only_the_owner_unpauses() public {
        vm.expectEmit(address(paymaster));
        emit Pausable.Paused(GUARDIAN);
        vm.prank(GUARDIAN);
        paymaster.pause();
        vm.assertTrue(paymaster.paused(), "paused");
        _assertRefused(
            GUARDIAN,
            abi.encodeCall(paymaster.unpause, ()),
            abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, GUARDIAN)
        );
        vm.expectEmit(address(paymaster));
        emit Pausable.Unpaused(OWNER);
        vm.prank(OWNER);
        paymaster.unpause();
        vm.assertTrue(!paymaster.paused(), "paused");
    }

    function test_ownership_moves_in_two_steps() public {
        vm.expectEmit(address(paymaster));
        emit Ownable2Step.OwnershipTransferStarted(OWNER, NEW_OWNER);
        vm.prank(OWNER);
        paymaster.transferOwnership(NEW_OWNER);
        vm.assertEq(paymaster.owner(), OWNER, "the first step moves nothing");

        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, STRANGER));
        paymaster.acceptOwnership();

        vm.expectEmit(address(paymaster));
        emit Ownable.OwnershipTransferred(OWNER, NEW_OWNER);
        vm.prank(NEW_OWNER);
        paymaster.acceptOwnership();
        vm.assertEq(paymaster.owner(), NEW_OWNER, "the second step does");

        vm.prank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(SuperPaymasterBase.CallerIsNeitherOwnerNorGuardian.selector, OWNER));
        paymaster.pause();
    }

    function test_a_former_owner_who_was_the_guardian_keeps_no_power() public {
        vm.startPrank(OWNER);
        paymaster.setGuardian(OWNER);
        paymaster.transferOwnership(NEW_OWNER);
        vm.stopPrank();
        vm.assertEq(paymaster.guardian(), OWNER, "the first step moves nothing");

        vm.expectEmit(address(paymaster));
        emit SuperPaymasterBase.GuardianChanged(OWNER, NEW_OWNER);
        vm.prank(NEW_OWNER);
        paymaster.acceptOwnership();
        vm.assertEq(paymaster.guardian(), NEW_OWNER, "guardian");
        bytes memory refusal =
            abi.encodeWithSelector(SuperPaymasterBase.CallerIsNeitherOwnerNorGuardian.selector, OWNER);
        _assertRefused(OWNER, abi.encodeCall(paymaster.pause, ()), refusal);
        _assertRefused(OWNER, abi.encodeCall(paymaster.removeSigner, (vm.addr(SIGNER_KEY))), refusal);
    }

    function test_a_guardian_who_is_not_the_owner_stays_with_another_owner() public {
        vm.prank(OWNER);
        paymaster.transferOwnership(NEW_OWNER);
        vm.prank(NEW_OWNER);
        paymaster.acceptOwnership();
        vm.assertEq(paymaster.guardian(), GUARDIAN, "guardian");
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

    function _propose() private {
        vm.prank(OWNER);
        paymaster.proposeSigner(NEW_SIGNER, OTHER_MEASUREMENT, OTHER_TEE_ID);
    }

    function _none() private pure returns (InitialSigner[] memory) {
        return new InitialSigner[](0);
    }

    function _assertRecord(address signer, SignerRecord memory expected) private view {
        SignerRecord memory record = paymaster.signerOf(signer);
        vm.assertEq(record.proposedAt, expected.proposedAt, "proposedAt");
        vm.assertEq(record.activatedAt, expected.activatedAt, "activatedAt");
        vm.assertEq(record.measurement, expected.measurement, "measurement");
        vm.assertEq(record.teeId, expected.teeId, "teeId");
    }

    function _assertRefused(address caller, bytes memory data, bytes memory expected) private {
        vm.prank(caller);
        (bool success, bytes memory reason) = address(paymaster).call(data);
        string memory selector = vm.toString(uint256(uint32(bytes4(data))));
        vm.assertTrue(!success, string.concat("succeeded: ", selector));
        vm.assertEq(keccak256(reason), keccak256(expected), string.concat("reason: ", selector));
    }

    function _assertCreationRefused(bytes memory arguments, bytes memory expected) private {
        (bool success, bytes memory reason) = _tryCreate(bytes.concat(_paymasterCode(), arguments));
        vm.assertTrue(!success, "created");
        vm.assertEq(keccak256(reason), keccak256(expected), "reason");
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
