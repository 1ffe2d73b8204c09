// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {SuperPaymasterBase} from "../src/SuperPaymasterBase.sol";
import {SuperPaymasterV07} from "../src/SuperPaymasterV07.sol";
import {UserOperationV06} from "../src/interfaces/IPaymasterV06.sol";
import {Harness} from "./support/Harness.sol";
import {HarnessV06} from "./support/HarnessV06.sol";
import {HarnessV07, HarnessV09} from "./support/HarnessV07.sol";
import {vm} from "./support/Vm.sol";

/// @dev The lengths and layouts of paymasterAndData.
abstract contract PaymasterDataTest is Harness {
    function _knownLength(uint256 length) internal pure virtual returns (bool);

    function test_every_other_length_up_to_300_bytes_is_refused() public {
        UserOperationV06 memory op = _op();
        for (uint256 length = 0; length <= 300; length++) {
            if (_knownLength(length)) continue;
            op.paymasterAndData = new bytes(length);
            vm.expectRevert(abi.encodeWithSelector(SuperPaymasterBase.InvalidPaymasterDataLength.selector, length));
            this.validateExternally(op);
        }
    }

    function testFuzz_a_good_signature_with_bytes_appended_is_refused(bytes memory appended) public {
        UserOperationV06 memory op = _sponsoredOp();
        op.paymasterAndData = bytes.concat(op.paymasterAndData, appended);
        uint256 length = op.paymasterAndData.length;
        vm.assume(!_knownLength(length));
        vm.expectRevert(abi.encodeWithSelector(SuperPaymasterBase.InvalidPaymasterDataLength.selector, length));
        this.validateExternally(op);
    }

    function testFuzz_arbitrary_data_of_the_right_length_never_validates(bytes32[5] memory noise) public {
        UserOperationV06 memory op = _sponsoredOp();
        bytes memory data = op.paymasterAndData;
        bytes memory random = abi.encode(noise);
        for (uint256 i = 20; i < data.length; i++) {
            data[i] = random[i];
        }
        _assertNeverAccepted(op, "noise");
    }

    function validateExternally(UserOperationV06 memory op) external {
        _validate(op);
    }
}

contract PaymasterDataV06Test is PaymasterDataTest, HarnessV06 {
    function _knownLength(uint256 length) internal pure override returns (bool) {
        return length == 97;
    }
}

contract PaymasterDataV07Test is PaymasterDataTest, HarnessV07 {
    function _knownLength(uint256 length) internal pure override returns (bool) {
        return length == 129 || length == 139;
    }

    function test_get_hash_needs_the_gas_limits_and_nothing_more() public {
        UserOperationV06 memory op = _op();
        bytes32 expected = _digestOf(op, _unsignedData(_terms()));
        bytes memory limitsOnly = abi.encodePacked(paymaster, _terms().verificationGasLimit, _terms().postOpGasLimit);
        vm.assertEq(_digestOf(op, limitsOnly), expected, "52 bytes suffice");
        op.paymasterAndData = new bytes(51);
        vm.expectRevert(abi.encodeWithSelector(SuperPaymasterBase.InvalidPaymasterDataLength.selector, 51));
        this.hashExternally(op);
    }

    function hashExternally(UserOperationV06 memory op) external view returns (bytes32) {
        return _hash(op, _terms());
    }

    function _digestOf(UserOperationV06 memory op, bytes memory data) private view returns (bytes32) {
        op.paymasterAndData = data;
        return _hash(op, _terms());
    }
}

contract ParallelPaymasterDataTest is HarnessV09 {
    function test_the_parallel_layout_is_accepted() public {
        UserOperationV06 memory op = _sponsoredOp();
        op.paymasterAndData = bytes.concat(op.paymasterAndData, PARALLEL_SUFFIX);
        _assertAccepted(op, "139 bytes");
    }

    function test_flipping_any_bit_of_the_parallel_layout_is_refused() public {
        UserOperationV06 memory op = _sponsoredOp();
        op.paymasterAndData = bytes.concat(op.paymasterAndData, PARALLEL_SUFFIX);
        for (uint256 bit = 20 * 8; bit < 139 * 8; bit++) {
            bytes1 mask = bytes1(uint8(1 << (bit % 8)));
            op.paymasterAndData[bit / 8] ^= mask;
            if (bit < 129 * 8) {
                _assertNeverAccepted(op, string.concat("bit ", vm.toString(bit)));
            } else {
                bytes10 suffix = _tail(op.paymasterAndData);
                vm.expectRevert(abi.encodeWithSelector(SuperPaymasterV07.InvalidParallelSuffix.selector, suffix));
                this.validateExternally(op);
            }
            op.paymasterAndData[bit / 8] ^= mask;
        }
    }

    function testFuzz_any_other_suffix_is_refused(bytes10 suffix) public {
        vm.assume(suffix != bytes10(PARALLEL_SUFFIX));
        UserOperationV06 memory op = _sponsoredOp();
        op.paymasterAndData = bytes.concat(op.paymasterAndData, suffix);
        vm.expectRevert(abi.encodeWithSelector(SuperPaymasterV07.InvalidParallelSuffix.selector, suffix));
        this.validateExternally(op);
    }

    /// @dev With a length of 67 in the suffix EntryPoint v0.9 would hash the data up to byte 52
    /// only, without the terms.
    function testFuzz_a_129_byte_form_that_ends_in_the_magic_never_validates(uint16 length, uint256 key) public {
        UserOperationV06 memory op = _op();
        key = 1 + key % (SECP256K1_ORDER - 1);
        vm.assume(vm.addr(key) != vm.addr(SIGNER_KEY));
        _admit(vm.addr(key));
        _sponsor(op, _terms(), key);
        bytes memory ending = abi.encodePacked(length % 68, bytes8(0x22e325a297439656));
        for (uint256 i = 0; i < 10; i++) {
            op.paymasterAndData[119 + i] = ending[i];
        }
        _assertSignatureFailed(op, "v is 0x56");
    }

    function test_the_user_op_hash_covers_the_terms_but_not_the_parallel_signature() public view {
        UserOperationV06 memory op = _sponsoredOp();
        op.paymasterAndData = bytes.concat(op.paymasterAndData, PARALLEL_SUFFIX);
        bytes32 signed = _userOpHash(op);
        for (uint256 i = 20; i < 129; i++) {
            op.paymasterAndData[i] ^= 0x01;
            bool covered = _userOpHash(op) != signed;
            vm.assertTrue(covered == (i < 64), string.concat("byte ", vm.toString(i)));
            op.paymasterAndData[i] ^= 0x01;
        }
    }

    function validateExternally(UserOperationV06 memory op) external {
        _validate(op);
    }

    function _tail(bytes memory data) private pure returns (bytes10 tail) {
        assembly ("memory-safe") {
            tail := mload(add(add(data, 32), 129))
        }
    }
}
