// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {UserOperationV06} from "../src/interfaces/IPaymasterV06.sol";
import {ISimpleAccount} from "./support/AccountHarness.sol";
import {AccountHarness} from "./support/AccountHarness.sol";
import {EntryPoints, Version} from "./support/EntryPoints.sol";
import {Harness} from "./support/Harness.sol";
import {HarnessV06} from "./support/HarnessV06.sol";
import {HarnessV07, HarnessV08, HarnessV09} from "./support/HarnessV07.sol";
import {Vm, vm} from "./support/Vm.sol";
import {Eip7702Support} from "aa-v08/core/Eip7702Support.sol";

/// @dev The opcodes that run in the paymaster while a real EntryPoint handles an operation, held
/// against ERC-7562.
abstract contract Erc7562Test is AccountHarness {
    uint8 private constant EXTCODESIZE = 0x3b;
    uint8 private constant EXTCODECOPY = 0x3c;
    uint8 private constant EXTCODEHASH = 0x3f;
    uint8 private constant TIMESTAMP = 0x42;
    uint8 private constant SLOAD = 0x54;
    uint8 private constant SSTORE = 0x55;
    uint8 private constant GAS = 0x5a;
    uint8 private constant TLOAD = 0x5c;
    uint8 private constant TSTORE = 0x5d;
    uint8 private constant CALL = 0xf1;
    uint8 private constant CALLCODE = 0xf2;
    uint8 private constant DELEGATECALL = 0xf4;
    uint8 private constant STATICCALL = 0xfa;
    uint256 private constant ECRECOVER = 1;
    /// @dev The flag of the pause and the record of the signer.
    uint256 private constant SLOADS = 2;

    function test_validation_runs_no_banned_opcode_and_reads_two_slots_of_its_own() public {
        UserOperationV06 memory op = _sponsoredAccountOp(_terms(), SIGNER_KEY);
        Vm.DebugStep[] memory steps = _traceOf(op);
        vm.assertEq(pings, 1, "the operation ran");
        _assertConforms(steps, address(0));
    }

    function test_the_check_sees_a_banned_opcode_where_there_is_one() public {
        vm.prank(OWNER);
        vm.startDebugTraceRecording();
        paymaster.proposeSigner(address(0x516e), MEASUREMENT, TEE_ID);
        Vm.DebugStep[] memory steps = vm.stopAndReturnDebugTraceRecording();
        uint256 found;
        for (uint256 i = 0; i < steps.length; i++) {
            if (steps[i].contractAddr == address(paymaster) && _isBanned(steps[i].opcode)) found++;
        }
        vm.assertGt(found, 0, "a proposal reads the clock");
        vm.assertTrue(_isBanned(TIMESTAMP), "TIMESTAMP");
    }

    function _traceOf(UserOperationV06 memory op) internal returns (Vm.DebugStep[] memory) {
        vm.startDebugTraceRecording();
        _handle(op);
        return vm.stopAndReturnDebugTraceRecording();
    }

    /// @param delegated An EIP-7702 sender, whose code the paymaster may look at; otherwise zero.
    function _assertConforms(Vm.DebugStep[] memory steps, address delegated) internal view {
        uint256 ran;
        uint256 reads;
        for (uint256 i = 0; i < steps.length; i++) {
            Vm.DebugStep memory step = steps[i];
            if (step.contractAddr != address(paymaster)) continue;
            ran++;
            string memory opcode = string.concat("opcode ", vm.toString(uint256(step.opcode)));
            vm.assertTrue(!step.isOutOfGas, "out of gas (OP-020)");
            vm.assertTrue(!_isBanned(step.opcode), string.concat("banned (OP-011): ", opcode));
            // CREATE, CREATE2 and SELFDESTRUCT are banned opcodes as well; a view writes nothing.
            vm.assertTrue(step.opcode != SSTORE && step.opcode != TLOAD && step.opcode != TSTORE, opcode);
            if (step.opcode == GAS) {
                vm.assertTrue(_isCall(steps[i + 1].opcode), "GAS not before a call (OP-012)");
            }
            if (_isCall(step.opcode)) {
                vm.assertEq(uint256(step.opcode), uint256(STATICCALL), string.concat("call: ", opcode));
                vm.assertEq(step.stack[1], ECRECOVER, "a call of anything but ecrecover (OP-062)");
            }
            if (step.opcode == EXTCODESIZE || step.opcode == EXTCODECOPY || step.opcode == EXTCODEHASH) {
                vm.assertTrue(delegated != address(0), string.concat("reads code: ", opcode));
                vm.assertEq(address(uint160(step.stack[0])), delegated, "reads the code of another");
            }
            if (step.opcode == SLOAD) reads++;
        }
        vm.assertGt(ran, 100, "the paymaster ran");
        vm.assertEq(reads, SLOADS, "storage reads, all of its own (STO-031)");
    }

    /// @dev OP-011, OP-080 and what no opcode is assigned to (OP-013). GAS is judged by what
    /// follows it.
    function _isBanned(uint8 opcode) private pure returns (bool) {
        if (opcode == 0x31 || opcode == 0x32 || opcode == 0x3a) return true; // BALANCE, ORIGIN, GASPRICE
        // BLOCKHASH, COINBASE, TIMESTAMP, NUMBER, PREVRANDAO, GASLIMIT, SELFBALANCE, BASEFEE,
        // BLOBHASH, BLOBBASEFEE
        if (opcode >= 0x40 && opcode <= 0x4a && opcode != 0x46) return true;
        if (opcode == 0xf0 || opcode == 0xf5 || opcode == 0xfe || opcode == 0xff) return true; // CREATE*, INVALID, SELFDESTRUCT
        return (opcode > 0x0b && opcode < 0x10) || opcode == 0x1e || opcode == 0x1f || (opcode > 0x20 && opcode < 0x30)
            || (opcode > 0x4a && opcode < 0x50) || (opcode > 0xa4 && opcode < 0xf0) || (opcode > 0xf5 && opcode < 0xfa)
            || opcode == 0xfb || opcode == 0xfc;
    }

    function _isCall(uint8 opcode) private pure returns (bool) {
        return opcode == CALL || opcode == CALLCODE || opcode == DELEGATECALL || opcode == STATICCALL;
    }
}

/// @dev EIP-7702 operations: the paymaster reads which delegate the sender's code names.
abstract contract Erc7562DelegatedTest is Erc7562Test {
    function test_validation_of_an_eip7702_operation_reads_only_the_code_of_its_sender() public {
        bytes memory creationCode = EntryPoints.published(_version(), "Simple7702Account");
        if (_version() == Version.V09) creationCode = bytes.concat(creationCode, abi.encode(entryPoint));
        address sender = vm.addr(ACCOUNT_KEY);
        vm.etch(sender, abi.encodePacked(Eip7702Support.EIP7702_PREFIX, _create(creationCode)));
        UserOperationV06 memory op = _op();
        op.sender = sender;
        op.nonce = 0;
        op.initCode = hex"7702";
        op.callData = abi.encodeCall(ISimpleAccount.execute, (address(this), 0, abi.encodeCall(this.ping, ())));
        _sponsor(op, _terms(), SIGNER_KEY);
        op.signature = _sign(ACCOUNT_KEY, _userOpHash(op));

        Vm.DebugStep[] memory steps = _traceOf(op);

        vm.assertEq(pings, 1, "the operation ran");
        _assertConforms(steps, sender);
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
}
