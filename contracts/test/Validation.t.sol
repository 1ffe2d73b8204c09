// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {SuperPaymasterBase} from "../src/SuperPaymasterBase.sol";
import {UserOperationV06} from "../src/interfaces/IPaymasterV06.sol";
import {Harness, Terms} from "./support/Harness.sol";
import {HarnessV06} from "./support/HarnessV06.sol";
import {HarnessV07, HarnessV08, HarnessV09} from "./support/HarnessV07.sol";
import {vm} from "./support/Vm.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

/// @dev What a paymaster of any version accepts, reports as a bad signature, and refuses.
abstract contract ValidationTest is Harness {
    uint256 private constant SIGNATURE_LENGTH = 65;
    uint256 private constant BOUND_FIELDS = 9;

    function test_an_operation_signed_by_an_authorised_signer_is_accepted() public {
        _assertAccepted(_sponsoredOp(), "accepted");
    }

    function test_an_operation_signed_by_another_key_fails() public {
        UserOperationV06 memory op = _op();
        _sponsor(op, _terms(), OTHER_KEY);
        _assertSignatureFailed(op, "not a signer");
    }

    function test_every_active_signer_is_accepted_until_it_is_removed() public {
        UserOperationV06 memory first = _sponsoredOp();
        UserOperationV06 memory second = _op();
        _sponsor(second, _terms(), OTHER_KEY);
        _admit(vm.addr(OTHER_KEY));
        _assertAccepted(first, "first signer");
        _assertAccepted(second, "second signer");

        vm.prank(OWNER);
        paymaster.removeSigner(vm.addr(SIGNER_KEY));
        _assertSignatureFailed(first, "removed signer");
        _assertAccepted(second, "the other signer stays");
    }

    function test_a_high_s_signature_fails() public {
        UserOperationV06 memory op = _op();
        op.paymasterAndData = _unsignedData(_terms());
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(SIGNER_KEY, _hash(op, _terms()));
        bytes32 highS = bytes32(SECP256K1_ORDER - uint256(s));
        op.paymasterAndData = abi.encodePacked(op.paymasterAndData, r, highS, v == 27 ? uint8(28) : uint8(27));
        _assertSignatureFailed(op, "malleable");
    }

    function test_a_signature_with_v_of_zero_or_one_fails() public {
        UserOperationV06 memory op = _sponsoredOp();
        uint256 last = op.paymasterAndData.length - 1;
        op.paymasterAndData[last] = bytes1(uint8(op.paymasterAndData[last]) - 27);
        _assertSignatureFailed(op, "v");
    }

    function test_a_zero_signature_never_recovers_to_a_signer() public {
        UserOperationV06 memory op = _op();
        op.paymasterAndData = bytes.concat(_unsignedData(_terms()), new bytes(SIGNATURE_LENGTH));
        _assertSignatureFailed(op, "zeros");
    }

    function test_a_signature_for_another_chain_fails() public {
        UserOperationV06 memory op = _sponsoredOp();
        vm.chainId(block.chainid + 1);
        _assertSignatureFailed(op, "chain");
    }

    function test_a_signature_for_another_paymaster_fails() public {
        UserOperationV06 memory op = _sponsoredOp();
        paymaster = SuperPaymasterBase(_create(bytes.concat(_paymasterCode(), _arguments())));
        _assertSignatureFailed(op, "paymaster");
        _sponsor(op, _terms(), SIGNER_KEY);
        _assertAccepted(op, "its own signature is good");
    }

    function test_the_account_signature_is_not_bound() public {
        UserOperationV06 memory op = _sponsoredOp();
        op.signature = "made after the paymaster signed";
        _assertAccepted(op, "the account signs last");
    }

    function test_only_the_entry_point_may_validate() public {
        UserOperationV06 memory op = _sponsoredOp();
        entryPoint = STRANGER;
        vm.expectRevert(abi.encodeWithSelector(SuperPaymasterBase.CallerIsNotEntryPoint.selector, STRANGER));
        this.validateExternally(op);
    }

    function test_a_paused_paymaster_refuses_until_it_is_unpaused() public {
        UserOperationV06 memory op = _sponsoredOp();
        vm.prank(OWNER);
        paymaster.pause();
        vm.expectRevert(Pausable.EnforcedPause.selector);
        this.validateExternally(op);

        vm.prank(OWNER);
        paymaster.unpause();
        _assertAccepted(op, "unpaused");
    }

    function test_post_op_reverts_for_everyone() public {
        vm.expectRevert(SuperPaymasterBase.PostOpNotSupported.selector);
        this.postOpExternally(STRANGER);
        vm.expectRevert(SuperPaymasterBase.PostOpNotSupported.selector);
        this.postOpExternally(entryPoint);
    }

    function testFuzz_any_operation_under_any_terms_is_accepted_when_signed(
        UserOperationV06 memory op,
        Terms memory terms
    ) public {
        vm.assume(!_isEip7702(op.initCode));
        _fit(op);
        (terms.validUntil, terms.validAfter) = _boundedWindow(terms.validUntil, terms.validAfter);
        _sponsor(op, terms, SIGNER_KEY);
        _assertAccepted(op, "signed");
    }

    function testFuzz_the_time_range_is_packed_as_erc4337_says(uint48 validUntil, uint48 validAfter, bool good) public {
        UserOperationV06 memory op = _op();
        Terms memory terms = _terms();
        (validUntil, validAfter) = _boundedWindow(validUntil, validAfter);
        terms.validUntil = validUntil;
        terms.validAfter = validAfter;
        _sponsor(op, terms, good ? SIGNER_KEY : OTHER_KEY);
        (, uint256 data) = _validate(op);
        vm.assertEq(data & type(uint160).max, good ? 0 : 1, "signature");
        vm.assertEq(uint48(data >> 160), validUntil, "validUntil");
        vm.assertEq(data >> 208, validAfter, "validAfter");
    }

    function testFuzz_flipping_any_bit_of_any_bound_field_fails(uint256 field, uint256 bit) public {
        UserOperationV06 memory op = _sponsoredOp();
        _flipField(op, field % BOUND_FIELDS, bit);
        _assertSignatureFailed(op, string.concat("field ", vm.toString(field % BOUND_FIELDS)));
    }

    function test_flipping_any_bit_of_the_terms_or_the_signature_fails() public {
        UserOperationV06 memory op = _sponsoredOp();
        for (uint256 bit = 20 * 8; bit < op.paymasterAndData.length * 8; bit++) {
            _flip(op.paymasterAndData, bit);
            _assertNeverAccepted(op, string.concat("bit ", vm.toString(bit)));
            _flip(op.paymasterAndData, bit);
        }
        _assertAccepted(op, "as signed");
    }

    function test_swapping_init_code_and_call_data_fails() public {
        UserOperationV06 memory op = _sponsoredOp();
        (op.initCode, op.callData) = (op.callData, op.initCode);
        _assertSignatureFailed(op, "swapped");
    }

    function test_swapping_the_fees_fails() public {
        UserOperationV06 memory op = _sponsoredOp();
        (op.maxFeePerGas, op.maxPriorityFeePerGas) = (op.maxPriorityFeePerGas, op.maxFeePerGas);
        _assertSignatureFailed(op, "swapped");
    }

    function validateExternally(UserOperationV06 memory op) external {
        _validate(op);
    }

    function postOpExternally(address caller) external {
        vm.prank(caller);
        _postOp("context");
    }

    function _flipField(UserOperationV06 memory op, uint256 field, uint256 bit) private pure {
        if (field == 0) op.sender = address(uint160(op.sender) ^ uint160(1 << (bit % 160)));
        if (field == 1) op.nonce ^= 1 << (bit % 256);
        if (field == 2) _flip(op.initCode, bit % (op.initCode.length * 8));
        if (field == 3) _flip(op.callData, bit % (op.callData.length * 8));
        if (field == 4) op.callGasLimit ^= 1 << (bit % 128);
        if (field == 5) op.verificationGasLimit ^= 1 << (bit % 128);
        if (field == 6) op.preVerificationGas ^= 1 << (bit % 256);
        if (field == 7) op.maxFeePerGas ^= 1 << (bit % 128);
        if (field == 8) op.maxPriorityFeePerGas ^= 1 << (bit % 128);
    }

    function _flip(bytes memory data, uint256 bit) private pure {
        data[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
    }

    /// @dev The digest of an EIP-7702 operation depends on the code of its sender: see
    /// Eip7702.t.sol.
    function _isEip7702(bytes memory initCode) private pure returns (bool) {
        return initCode.length >= 2 && initCode[0] == 0x77 && initCode[1] == 0x02;
    }

    /// @dev Any window that may be signed for, wherever it lies.
    function _boundedWindow(uint48 end, uint48 width) private pure returns (uint48 validUntil, uint48 validAfter) {
        validUntil = 1 + end % ((1 << 47) - 1);
        width %= MAX_WINDOW + WINDOW_SLACK + 1;
        validAfter = validUntil > width ? validUntil - width : 0;
    }

    /// @dev Later versions pack these fields into 128 bits each.
    function _fit(UserOperationV06 memory op) private pure {
        op.callGasLimit %= 1 << 128;
        op.verificationGasLimit %= 1 << 128;
        op.maxFeePerGas %= 1 << 128;
        op.maxPriorityFeePerGas %= 1 << 128;
    }
}

contract ValidationV06Test is ValidationTest, HarnessV06 {}

contract ValidationV07Test is ValidationTest, HarnessV07 {}

contract ValidationV08Test is ValidationTest, HarnessV08 {}

contract ValidationV09Test is ValidationTest, HarnessV09 {}
