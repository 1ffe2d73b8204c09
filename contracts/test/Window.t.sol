// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {SuperPaymasterBase} from "../src/SuperPaymasterBase.sol";
import {UserOperationV06} from "../src/interfaces/IPaymasterV06.sol";
import {Harness, Terms} from "./support/Harness.sol";
import {HarnessV06} from "./support/HarnessV06.sol";
import {HarnessV07, HarnessV08, HarnessV09} from "./support/HarnessV07.sol";
import {vm} from "./support/Vm.sol";

/// @dev A good signature is worth nothing under a window that is too wide, endless, reversed or in
/// block numbers.
abstract contract WindowTest is Harness {
    uint48 private constant LIMIT = uint48(MAX_WINDOW) + WINDOW_SLACK;
    uint48 private constant BLOCK_NUMBER_FLAG = 1 << 47;

    function test_the_widest_window_is_accepted_and_one_second_more_is_not() public {
        uint48[4] memory ends = [LIMIT + 1, uint48(NOW), uint48(NOW + 3650 days), BLOCK_NUMBER_FLAG - 1];
        for (uint256 i = 0; i < ends.length; i++) {
            _assertAccepted(_signed(ends[i], ends[i] - LIMIT), vm.toString(i));
            _assertRefused(
                ends[i],
                ends[i] - LIMIT - 1,
                abi.encodeWithSelector(SuperPaymasterBase.WindowTooWide.selector, uint256(LIMIT) + 1, uint256(LIMIT))
            );
        }
    }

    function test_a_window_of_decades_is_refused() public {
        _assertRefused(
            uint48(NOW + 7300 days),
            0,
            abi.encodeWithSelector(SuperPaymasterBase.WindowTooWide.selector, NOW + 7300 days, uint256(LIMIT))
        );
    }

    function test_a_window_without_an_end_is_refused() public {
        bytes memory expected = abi.encodeWithSelector(SuperPaymasterBase.WindowNeverEnds.selector);
        _assertRefused(0, 0, expected);
        _assertRefused(0, uint48(NOW), expected);
        _assertRefused(0, BLOCK_NUMBER_FLAG, expected);
    }

    function test_a_window_that_ends_before_it_begins_is_refused() public {
        _assertRefused(
            uint48(NOW),
            uint48(NOW + 1),
            abi.encodeWithSelector(SuperPaymasterBase.WindowEndsBeforeItBegins.selector, NOW, NOW + 1)
        );
        _assertAccepted(_signed(uint48(NOW), uint48(NOW)), "one second");
    }

    function test_a_window_in_block_numbers_is_refused() public {
        uint48 from = BLOCK_NUMBER_FLAG | 100;
        uint48 to = BLOCK_NUMBER_FLAG | 200;
        uint48[2][4] memory windows = [[to, from], [to, uint48(NOW)], [uint48(NOW), from], [type(uint48).max, from]];
        for (uint256 i = 0; i < windows.length; i++) {
            (uint48 validUntil, uint48 validAfter) = (windows[i][0], windows[i][1]);
            _assertRefused(
                validUntil,
                validAfter,
                abi.encodeWithSelector(SuperPaymasterBase.WindowInBlockNumbers.selector, validUntil, validAfter)
            );
        }
    }

    function testFuzz_no_window_beyond_the_bounds_is_accepted(uint48 validUntil, uint48 validAfter) public {
        bool bounded = validUntil != 0 && validUntil < BLOCK_NUMBER_FLAG && validAfter <= validUntil
            && validUntil - validAfter <= LIMIT;
        UserOperationV06 memory op = _signed(validUntil, validAfter);
        (bool success,) = address(this).call(abi.encodeCall(this.tryValidate, (op)));
        vm.assertTrue(success == bounded, "accepted");
    }

    function _signed(uint48 validUntil, uint48 validAfter) private view returns (UserOperationV06 memory op) {
        op = _op();
        Terms memory terms = _terms();
        (terms.validUntil, terms.validAfter) = (validUntil, validAfter);
        _sponsor(op, terms, SIGNER_KEY);
    }

    function _assertRefused(uint48 validUntil, uint48 validAfter, bytes memory expected) private {
        UserOperationV06 memory op = _signed(validUntil, validAfter);
        vm.expectRevert(expected);
        this.tryValidate(op);
    }
}

contract WindowV06Test is WindowTest, HarnessV06 {}

contract WindowV07Test is WindowTest, HarnessV07 {}

contract WindowV08Test is WindowTest, HarnessV08 {}

contract WindowV09Test is WindowTest, HarnessV09 {}
