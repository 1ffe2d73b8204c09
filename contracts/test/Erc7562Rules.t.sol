// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {SuperPaymasterBase} from "../src/SuperPaymasterBase.sol";
import {UserOperationV06} from "../src/interfaces/IPaymasterV06.sol";
import {
    BreakingAccount,
    BreakingFactory,
    BreakingPaymaster,
    Deposits,
    IDeposits,
    Ledger,
    TouchesSlot,
    WritesField
} from "./support/Breakers.sol";
import {Erc7562, Subject} from "./support/Erc7562.sol";
import {Harness, Terms} from "./support/Harness.sol";
import {HarnessV06} from "./support/HarnessV06.sol";
import {HarnessV07, HarnessV08, HarnessV09} from "./support/HarnessV07.sol";
import {vm} from "./support/Vm.sol";

interface IStaking {
    function addStake(uint32 unstakeDelay) external payable;
}

/// @dev The check of ERC-7562 finds code that breaks a rule, and nothing else, in operations of the
/// real EntryPoints.
abstract contract Erc7562RulesTest is Harness {
    bytes private constant NOTHING = hex"00";
    bytes private constant READS_ITS_STORAGE = hex"5f5400";
    string private constant NONE = "";
    uint32 private constant ONE_DAY = 1 days;

    Ledger private ledger;

    function setUp() public virtual override {
        super.setUp();
        ledger = new Ledger();
    }

    function test_code_that_does_nothing_breaks_no_rule() public {
        _assertBroken(_paidBy(_existing(NOTHING), NOTHING), NONE);
        _assertBroken(_paidBy(_created(_factory(NOTHING, NOTHING)), NOTHING), NONE);
    }

    function test_OP_011_blocked_opcodes() public {
        // ORIGIN, GASPRICE, BLOCKHASH, COINBASE, TIMESTAMP, NUMBER, PREVRANDAO, GASLIMIT, BASEFEE,
        // BLOBHASH, BLOBBASEFEE, CREATE, INVALID, SELFDESTRUCT
        bytes memory blocked = hex"323a40414243444548494af0feff";
        for (uint256 i = 0; i < blocked.length; i++) {
            // Enough on the stack for all.
            bytes memory code = bytes.concat(hex"5f5f5f5f", blocked[i], hex"00");
            _assertBroken(_paidBy(_existing(code), NOTHING), "OP-011 account");
        }
        _assertBrokenByEach(hex"4200", "OP-011");
    }

    function test_OP_012_gas_that_no_call_follows() public {
        _assertBrokenByEach(hex"5a5000", "OP-012");
    }

    function test_OP_013_opcodes_that_are_unassigned() public {
        _assertBrokenByEach(hex"0c", "OP-013");
        _assertBrokenByEach(hex"5fef", "OP-013");
    }

    function test_OP_020_a_frame_that_runs_out_of_gas() public {
        // Memory up to byte 2^32.
        _assertBrokenByEach(hex"5f63ffffffff5200", "OP-020");
    }

    function test_OP_031_create2_of_anything_but_the_sender_by_its_factory() public {
        _assertBrokenByEach(hex"5f5f5f5ff500", "OP-031");
    }

    function test_OP_041_use_of_an_address_without_code() public {
        _assertBrokenByEach(hex"61dead3b00", "OP-041"); // EXTCODESIZE
        _assertBrokenByEach(hex"5f5f5f61dead3c00", "OP-041"); // EXTCODECOPY
        _assertBrokenByEach(hex"61dead3f00", "OP-041"); // EXTCODEHASH
        _assertBrokenByEach(hex"5f5f5f5f5f61dead5af100", "OP-041"); // CALL
        _assertBrokenByEach(hex"5f5f5f5f5f61dead5af200", "OP-041"); // CALLCODE
        _assertBrokenByEach(hex"5f5f5f5f61dead5af400", "OP-041"); // DELEGATECALL
        _assertBrokenByEach(hex"5f5f5f5f61dead5afa00", "OP-041"); // STATICCALL
    }

    function test_OP_042_the_factory_may_look_at_the_sender_before_it_has_code() public {
        // EXTCODESIZE of the address in the calldata.
        bytes memory looks = hex"5f353b00";
        UserOperationV06 memory op = _created(_factory(looks, NOTHING));
        op.initCode = bytes.concat(op.initCode, abi.encode(op.sender));
        _assertBroken(_paidBy(op, NOTHING), NONE);
        op = _created(_factory(looks, NOTHING));
        op.initCode = bytes.concat(op.initCode, abi.encode(address(0xdead)));
        _assertBroken(_paidBy(op, NOTHING), "OP-041 factory");
    }

    function test_OP_051_code_may_check_that_the_entry_point_has_code() public {
        _assertBrokenByEach(abi.encodePacked(hex"73", entryPoint, hex"3b1500"), NONE);
        _assertBrokenByEach(abi.encodePacked(hex"73", entryPoint, hex"3b5000"), "OP-054");
    }

    function test_OP_052_only_sender_and_factory_may_deposit_and_only_for_the_sender() public {
        address forItself = address(new Deposits(entryPoint, address(0)));
        address forAnother = address(new Deposits(entryPoint, address(ledger)));
        address forCalldata = address(new Deposits(entryPoint, address(1)));

        _assertBroken(_paidBy(_existing(forItself), _code(NOTHING)), NONE);
        _assertBroken(_paidBy(_existing(forAnother), _code(NOTHING)), "OP-054 account");
        _assertBroken(_paidBy(_existing(NOTHING), forItself), "OP-054 paymaster");
        UserOperationV06 memory op = _created(new BreakingFactory(forCalldata, _code(NOTHING)));
        op.initCode = bytes.concat(op.initCode, abi.encode(op.sender));
        _assertBroken(_paidBy(op, NOTHING), NONE);
        op = _created(new BreakingFactory(forItself, _code(NOTHING)));
        _assertBroken(_paidBy(op, NOTHING), "OP-054 factory");
    }

    function test_OP_053_only_the_sender_may_pay_the_fallback_of_the_entry_point() public {
        bytes memory pays = abi.encodePacked(hex"5f5f5f5f600173", entryPoint, hex"5af100");
        _assertBroken(_paidBy(_existing(pays), NOTHING), NONE);
        _assertBroken(_paidBy(_existing(NOTHING), pays), "OP-054 paymaster");
        _assertBroken(_paidBy(_created(_factory(pays, NOTHING)), NOTHING), "OP-054 factory");
    }

    function test_OP_054_any_other_access_to_the_entry_point() public {
        _assertBrokenByEach(abi.encodePacked(hex"73", entryPoint, hex"3f00"), "OP-054"); // EXTCODEHASH
        _assertBrokenByEach(abi.encodePacked(hex"5f5f5f73", entryPoint, hex"3c00"), "OP-054"); // EXTCODECOPY
        _assertBrokenByEach(abi.encodePacked(hex"5f5f5f5f73", entryPoint, hex"5afa00"), "OP-054"); // STATICCALL
    }

    function test_OP_061_a_call_with_value() public {
        address sink = address(new BreakingAccount(_code(NOTHING)));
        _assertBrokenByEach(abi.encodePacked(hex"5f5f5f5f600173", sink, hex"5af100"), "OP-061"); // CALL
        _assertBrokenByEach(abi.encodePacked(hex"5f5f5f5f600173", sink, hex"5af200"), "OP-061"); // CALLCODE
        _assertBrokenByEach(abi.encodePacked(hex"5f5f5f5f5f73", sink, hex"5af100"), NONE);
    }

    function test_OP_062_a_call_of_a_precompile_beyond_the_core_ones() public {
        for (uint8 precompile = 1; precompile <= 9; precompile++) {
            bytes memory code = abi.encodePacked(hex"5f5f5f5f60", precompile, hex"5afa00");
            _assertBroken(_paidBy(_existing(code), NOTHING), NONE);
        }
        _assertBrokenByEach(hex"5f5f5f5f600a5afa00", "OP-062"); // EIP-4844
        _assertBrokenByEach(hex"5f5f5f5f60115afa00", "OP-062"); // EIP-2537
    }

    function test_OP_070_transient_storage_counts_as_storage() public {
        _assertBroken(_paidBy(_existing(hex"5f5f5d5f5c00"), NOTHING), NONE);
        _assertBroken(_paidBy(_existing(NOTHING), hex"5f5c00"), "STO-031 paymaster");
        _assertBroken(_paidBy(_existing(NOTHING), hex"5f5f5d00"), "STO-031 paymaster");
    }

    function test_OP_080_balances_only_for_staked_entities() public {
        bytes[2] memory looks = [bytes(hex"303100"), hex"4700"]; // BALANCE of ADDRESS, SELFBALANCE
        for (uint256 i = 0; i < looks.length; i++) {
            _assertBrokenByEach(looks[i], "OP-080");
            UserOperationV06 memory op = _created(_staked(_factory(looks[i], NOTHING)));
            _assertBroken(_paidByStaked(op, _code(looks[i])), NONE);
        }
    }

    function test_STO_010_the_account_may_use_its_own_storage() public {
        _assertBroken(_paidBy(_existing(hex"5f5460015f5500"), NOTHING), NONE);
        _assertBroken(_paidBy(_created(_factory(NOTHING, hex"5f5460015f5500")), NOTHING), NONE);
    }

    function test_STO_021_and_022_storage_associated_with_the_account() public {
        address writes = address(new WritesField(ledger, address(0), 0));
        address touches = address(new TouchesSlot(ledger, 0, true));
        address[2] memory codes = [writes, touches];
        for (uint256 i = 0; i < codes.length; i++) {
            _assertBroken(_paidBy(_existing(codes[i]), _code(NOTHING)), NONE);
            _assertBroken(_paidBy(_created(_factory(_code(NOTHING), codes[i])), NOTHING), "STO-022 account");
            _assertBroken(_paidBy(_created(_staked(_factory(_code(NOTHING), codes[i]))), NOTHING), NONE);
        }
        UserOperationV06 memory op = _existing(NOTHING);
        _assertBroken(_paidBy(op, address(new WritesField(ledger, op.sender, 0))), NONE);
        op = _existing(NOTHING);
        _assertBroken(_paidBy(op, address(new WritesField(ledger, address(ledger), 0))), "STO-033 paymaster");
    }

    function test_storage_is_associated_up_to_128_slots_after_the_hash() public {
        _assertBroken(_paidBy(_existing(address(new WritesField(ledger, address(0), 128))), _code(NOTHING)), NONE);
        address beyond = address(new WritesField(ledger, address(0), 129));
        _assertBroken(_paidBy(_existing(beyond), _code(NOTHING)), "STO-033 account");
    }

    function test_STO_031_an_entity_needs_a_stake_to_use_its_own_storage() public {
        _assertBroken(_paidBy(_existing(NOTHING), READS_ITS_STORAGE), "STO-031 paymaster");
        _assertBroken(_paidByStaked(_existing(NOTHING), _code(READS_ITS_STORAGE)), NONE);
        _assertBroken(_paidBy(_created(_factory(READS_ITS_STORAGE, NOTHING)), NOTHING), "STO-031 factory");
        _assertBroken(_paidBy(_created(_staked(_factory(READS_ITS_STORAGE, NOTHING))), NOTHING), NONE);
    }

    function test_a_stake_that_is_too_small_or_too_short_is_none() public {
        address small = address(new BreakingPaymaster(_code(READS_ITS_STORAGE)));
        _stake(small, 1 ether - 1, ONE_DAY);
        _assertBroken(_paidBy(_existing(NOTHING), BreakingPaymaster(payable(small))), "STO-031 paymaster");
        address short = address(new BreakingPaymaster(_code(READS_ITS_STORAGE)));
        _stake(short, 1 ether, ONE_DAY - 1);
        _assertBroken(_paidBy(_existing(NOTHING), BreakingPaymaster(payable(short))), "STO-031 paymaster");
    }

    function test_STO_032_an_entity_needs_a_stake_for_its_storage_elsewhere() public {
        address writes = address(new WritesField(ledger, address(0), 0));
        _assertBroken(_paidBy(_existing(NOTHING), writes), "STO-032 paymaster");
        _assertBroken(_paidByStaked(_existing(NOTHING), writes), NONE);
        _assertBroken(_paidBy(_created(_factory(writes, _code(NOTHING))), NOTHING), "STO-032 factory");
        _assertBroken(_paidBy(_created(_staked(_factory(writes, _code(NOTHING)))), NOTHING), NONE);
    }

    function test_STO_033_with_a_stake_other_storage_may_be_read_and_not_written() public {
        address reads = address(new TouchesSlot(ledger, bytes32(uint256(1)), false));
        address writes = address(new TouchesSlot(ledger, bytes32(uint256(1)), true));
        _assertBroken(_paidBy(_existing(NOTHING), reads), "STO-033 paymaster");
        _assertBroken(_paidByStaked(_existing(NOTHING), reads), NONE);
        _assertBroken(_paidByStaked(_existing(NOTHING), writes), "STO-033 paymaster");
        _assertBroken(_paidBy(_existing(reads), _code(NOTHING)), "STO-033 account");
    }

    function test_STO_033_the_storage_of_another_entity_may_not_even_be_read() public {
        BreakingFactory factory = _staked(_factory(READS_ITS_STORAGE, NOTHING));
        bytes memory calls = abi.encodePacked(hex"5f5f5f5f5f73", factory, hex"5af100");
        _assertBroken(_paidByStaked(_created(factory), _code(calls)), "STO-033 paymaster, OP-031 paymaster");
    }

    /// @dev The same code breaks the rule, or none, as account, as factory and as paymaster.
    function _assertBrokenByEach(bytes memory code, string memory rule) private {
        bool none = bytes(rule).length == 0;
        _assertBroken(_paidBy(_existing(code), NOTHING), none ? NONE : string.concat(rule, " account"));
        UserOperationV06 memory op = _created(_factory(code, NOTHING));
        _assertBroken(_paidBy(op, NOTHING), none ? NONE : string.concat(rule, " factory"));
        _assertBroken(_paidBy(_existing(NOTHING), code), none ? NONE : string.concat(rule, " paymaster"));
    }

    /// @dev Runs the operation. Several rules are separated by commas, in the order of the trace.
    function _assertBroken(UserOperationV06 memory op, string memory expected) private {
        vm.deal(op.sender, 1 ether);
        vm.deal(address(paymaster), 1 ether);
        vm.assertEq(this.brokenBy(op), expected, "the broken rules");
    }

    /// @dev External, since forge records the memory of the caller with each opcode.
    function brokenBy(UserOperationV06 calldata op) external returns (string memory found) {
        address factory = op.initCode.length == 0 ? address(0) : address(bytes20(op.initCode));
        Subject memory subject = Subject(entryPoint, op.sender, factory, address(paymaster), op.sender.code.length > 0);
        vm.deal(factory, 1 ether);
        vm.startDebugTraceRecording();
        _handle(op);
        string[] memory broken = Erc7562.broken(subject, vm.stopAndReturnDebugTraceRecording());
        for (uint256 i = 0; i < broken.length; i++) {
            found = string.concat(found, i == 0 ? "" : ", ", broken[i]);
        }
    }

    function _existing(address code) private returns (UserOperationV06 memory op) {
        op.sender = address(new BreakingAccount(code));
        _limits(op);
    }

    function _existing(bytes memory code) private returns (UserOperationV06 memory) {
        return _existing(_code(code));
    }

    function _created(BreakingFactory factory) private returns (UserOperationV06 memory op) {
        uint256 state = vm.snapshotState();
        (, bytes memory account) = address(factory).call{gas: 10_000_000}("");
        vm.revertToState(state);
        op.sender = abi.decode(account, (address));
        op.initCode = abi.encodePacked(factory);
        _limits(op);
    }

    function _limits(UserOperationV06 memory op) private pure {
        // Enough for the rest if the code uses up 63 parts in 64 of it.
        op.verificationGasLimit = 10_000_000;
        op.callGasLimit = 50_000;
        op.preVerificationGas = 50_000;
        op.maxFeePerGas = 2 gwei;
        op.maxPriorityFeePerGas = 1 gwei;
    }

    function _paidBy(UserOperationV06 memory op, bytes memory code) private returns (UserOperationV06 memory) {
        return _paidBy(op, _code(code));
    }

    function _paidBy(UserOperationV06 memory op, address code) private returns (UserOperationV06 memory) {
        return _paidBy(op, new BreakingPaymaster(code));
    }

    function _paidByStaked(UserOperationV06 memory op, address code) private returns (UserOperationV06 memory) {
        BreakingPaymaster staked = new BreakingPaymaster(code);
        _stake(address(staked), 1 ether, ONE_DAY);
        return _paidBy(op, staked);
    }

    function _paidBy(UserOperationV06 memory op, BreakingPaymaster by) private returns (UserOperationV06 memory) {
        paymaster = SuperPaymasterBase(address(by));
        IDeposits(entryPoint).depositTo{value: 1 ether}(address(by));
        Terms memory terms = _terms();
        terms.verificationGasLimit = 10_000_000;
        op.paymasterAndData = _unsignedData(terms);
        return op;
    }

    function _factory(bytes memory code, bytes memory accountCode) private returns (BreakingFactory) {
        return new BreakingFactory(_code(code), _code(accountCode));
    }

    function _factory(address code, address accountCode) private returns (BreakingFactory) {
        return new BreakingFactory(code, accountCode);
    }

    function _staked(BreakingFactory factory) private returns (BreakingFactory) {
        _stake(address(factory), 1 ether, ONE_DAY);
        return factory;
    }

    function _stake(address entity, uint256 amount, uint32 delay) private {
        vm.deal(entity, amount);
        vm.prank(entity);
        IStaking(entryPoint).addStake{value: amount}(delay);
    }

    /// @dev A contract of that runtime code.
    function _code(bytes memory runtime) private returns (address) {
        // PUSH2 length, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN
        return _create(abi.encodePacked(hex"61", uint16(runtime.length), hex"80600a5f395ff3", runtime));
    }
}

contract Erc7562RulesV06Test is Erc7562RulesTest, HarnessV06 {
    function setUp() public override(Erc7562RulesTest, Harness) {
        super.setUp();
    }
}

contract Erc7562RulesV07Test is Erc7562RulesTest, HarnessV07 {
    function setUp() public override(Erc7562RulesTest, Harness) {
        super.setUp();
    }
}

contract Erc7562RulesV08Test is Erc7562RulesTest, HarnessV08 {
    function setUp() public override(Erc7562RulesTest, Harness) {
        super.setUp();
    }
}

contract Erc7562RulesV09Test is Erc7562RulesTest, HarnessV09 {
    function setUp() public override(Erc7562RulesTest, Harness) {
        super.setUp();
    }
}
