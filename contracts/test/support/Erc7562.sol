// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Vm, vm} from "./Vm.sol";

/// @dev One operation and its entities; zero where there is none.
struct Subject {
    address entryPoint;
    address sender;
    address factory;
    address paymaster;
    /// @dev Whether the sender had code before the operation.
    bool existed;
}

interface IStakes {
    /// @dev The deposit is `uint112` in v0.6, which decodes the same.
    function getDepositInfo(address account)
        external
        view
        returns (uint256 deposit, bool staked, uint112 stake, uint32 unstakeDelay, uint48 withdrawTime);
}

/// @dev Holds the opcodes of `handleOps` with one operation against ERC-7562: factory, account and
/// paymaster, each in its phase. The rules are those of its section "Validation Rules" that one
/// trace can break; COD-010, STO-040, STO-041 and the rules of reputation compare several.
library Erc7562 {
    enum Phase {
        None,
        Factory,
        Account,
        Paymaster
    }

    uint256 private constant MIN_STAKE = 1 ether;
    uint32 private constant MIN_UNSTAKE_DELAY = 1 days;

    uint8 private constant ISZERO = 0x15;
    uint8 private constant KECCAK256 = 0x20;
    uint8 private constant BALANCE = 0x31;
    uint8 private constant SELFBALANCE = 0x47;
    uint8 private constant EXTCODESIZE = 0x3b;
    uint8 private constant EXTCODECOPY = 0x3c;
    uint8 private constant EXTCODEHASH = 0x3f;
    uint8 private constant SLOAD = 0x54;
    uint8 private constant SSTORE = 0x55;
    uint8 private constant GAS = 0x5a;
    uint8 private constant TLOAD = 0x5c;
    uint8 private constant TSTORE = 0x5d;
    uint8 private constant LOG1 = 0xa1;
    uint8 private constant CALL = 0xf1;
    uint8 private constant CALLCODE = 0xf2;
    uint8 private constant DELEGATECALL = 0xf4;
    uint8 private constant CREATE2 = 0xf5;
    uint8 private constant STATICCALL = 0xfa;

    /// @dev The EntryPoint emits it between the phases of validation and of execution.
    bytes32 private constant BEFORE_EXECUTION = keccak256("BeforeExecution()");
    bytes4 private constant DEPOSIT_TO = bytes4(keccak256("depositTo(address)"));
    uint256 private constant LAST_CORE_PRECOMPILE = 0x09;
    /// @dev Of Prague: EIP-2537.
    uint256 private constant LAST_PRECOMPILE = 0x11;
    /// @dev `n` in the definition of associated storage.
    uint256 private constant MAX_OFFSET = 128;

    struct Walk {
        Subject subject;
        Vm.DebugStep[] steps;
        Phase phase;
        /// @dev The entity of the phase.
        address entity;
        bool entityStaked;
        bool factoryStaked;
        address senderCreator;
        /// @dev The hashes of `address ‖ x` so far, and those addresses.
        bytes32[] hashes;
        address[] hashed;
        uint256 hashCount;
        string[] broken;
        uint256 brokenCount;
    }

    /// @dev The rules that the operation breaks, each once for a phase, as "OP-011 account"; empty
    /// if it breaks none. Reverts if the trace has no whole validation of that operation.
    function broken(Subject memory subject, Vm.DebugStep[] memory steps) internal view returns (string[] memory rules) {
        Walk memory walk;
        walk.subject = subject;
        walk.steps = steps;
        walk.factoryStaked = isStaked(subject, subject.factory);
        walk.hashes = new bytes32[](256);
        walk.hashed = new address[](256);
        walk.broken = new string[](64);
        _walk(walk);
        rules = walk.broken;
        uint256 count = walk.brokenCount;
        assembly ("memory-safe") {
            mstore(rules, count)
        }
    }

    function isStaked(Subject memory subject, address entity) internal view returns (bool) {
        if (entity == address(0)) return false;
        (, bool staked, uint112 stake, uint32 delay,) = IStakes(subject.entryPoint).getDepositInfo(entity);
        return staked && stake >= MIN_STAKE && delay >= MIN_UNSTAKE_DELAY;
    }

    function _walk(Walk memory walk) private view {
        address entryPoint = walk.subject.entryPoint;
        uint256 i;
        while (walk.steps[i].contractAddr != entryPoint) i++;
        uint256 outermost = walk.steps[i].depth;
        uint256 phases;
        for (;; i++) {
            require(i < walk.steps.length, "the trace ends within validation");
            Vm.DebugStep memory step = walk.steps[i];
            if (step.depth < outermost) revert("validation failed");
            if (step.depth == outermost) {
                if (step.opcode == LOG1 && bytes32(step.stack[2]) == BEFORE_EXECUTION) break;
                if (_isCall(step.opcode)) {
                    _enter(walk, _address(step.stack[1]));
                    phases++;
                }
                continue;
            }
            // The EntryPoint and its SenderCreator may do what they like.
            if (step.contractAddr == entryPoint || step.contractAddr == walk.senderCreator) continue;
            _judge(walk, i);
        }
        require(phases == (walk.subject.factory == address(0) ? 2 : 3), "other phases than expected");
    }

    function _enter(Walk memory walk, address callee) private view {
        Subject memory subject = walk.subject;
        if (callee == subject.sender) {
            (walk.phase, walk.entity) = (Phase.Account, subject.sender);
        } else if (callee == subject.paymaster) {
            (walk.phase, walk.entity) = (Phase.Paymaster, subject.paymaster);
        } else {
            walk.senderCreator = callee;
            (walk.phase, walk.entity) = (Phase.Factory, subject.factory);
        }
        walk.entityStaked = isStaked(subject, walk.entity);
    }

    function _judge(Walk memory walk, uint256 i) private view {
        Vm.DebugStep memory step = walk.steps[i];
        uint8 opcode = step.opcode;
        if (step.isOutOfGas) _break(walk, "OP-020");
        if (isBlocked(opcode)) _break(walk, "OP-011");
        if (isUnassigned(opcode)) _break(walk, "OP-013");
        if (opcode == GAS && !_isCall(walk.steps[i + 1].opcode)) _break(walk, "OP-012");
        if (opcode == CREATE2) _create2(walk, i);
        if (opcode == KECCAK256) _remember(walk, step.memoryInput);
        if ((opcode == BALANCE || opcode == SELFBALANCE) && !walk.entityStaked) _break(walk, "OP-080");
        if (_isCall(opcode) || opcode == EXTCODESIZE || opcode == EXTCODECOPY || opcode == EXTCODEHASH) {
            _access(walk, i);
        }
        if (opcode == SLOAD || opcode == SSTORE || opcode == TLOAD || opcode == TSTORE) {
            _storage(walk, step.contractAddr, bytes32(step.stack[0]), opcode == SSTORE || opcode == TSTORE);
        }
    }

    /// @dev OP-031: by the factory, and for the sender, whose constructor runs next. So it is once,
    /// since none can be created twice.
    function _create2(Walk memory walk, uint256 i) private pure {
        Vm.DebugStep memory next = walk.steps[i + 1];
        bool forSender = next.depth > walk.steps[i].depth && next.contractAddr == walk.subject.sender;
        if (walk.phase != Phase.Factory || !forSender) _break(walk, "OP-031");
    }

    /// @dev OP-041 to OP-062: the use of an address.
    function _access(Walk memory walk, uint256 i) private view {
        Vm.DebugStep memory step = walk.steps[i];
        bool calls = _isCall(step.opcode);
        address used = _address(step.stack[calls ? 1 : 0]);
        if (used == walk.subject.entryPoint) {
            bool checksForCode = step.opcode == EXTCODESIZE && walk.steps[i + 1].opcode == ISZERO;
            if (!checksForCode && !_isDeposit(walk, step)) _break(walk, "OP-054");
            return;
        }
        if ((step.opcode == CALL || step.opcode == CALLCODE) && step.stack[2] != 0) _break(walk, "OP-061");
        if (uint160(used) > LAST_PRECOMPILE || used == address(0)) {
            if (used.code.length == 0 && used != walk.subject.sender) _break(walk, "OP-041");
        } else if (calls && uint160(used) > LAST_CORE_PRECOMPILE) {
            _break(walk, "OP-062");
        } else if (!calls) {
            _break(walk, "OP-041");
        }
    }

    /// @dev OP-052 and OP-053: a deposit for the sender, by itself or its factory.
    function _isDeposit(Walk memory walk, Vm.DebugStep memory step) private pure returns (bool) {
        Subject memory subject = walk.subject;
        if (step.opcode != CALL) return false;
        if (step.memoryInput.length == 0) return step.contractAddr == subject.sender;
        bool byOneOfBoth = step.contractAddr == subject.sender || step.contractAddr == subject.factory;
        bytes memory forSender = abi.encodeWithSelector(DEPOSIT_TO, subject.sender);
        return byOneOfBoth && keccak256(step.memoryInput) == keccak256(forSender);
    }

    /// @dev STO-010 to STO-033, and OP-070: transient storage is treated as storage.
    function _storage(Walk memory walk, address owner, bytes32 slot, bool writes) private pure {
        Subject memory subject = walk.subject;
        if (owner == subject.sender) return;
        bool isEntitys = owner == subject.factory || owner == subject.paymaster;
        bool ofSender = !isEntitys && _isAssociated(walk, subject.sender, slot);
        if (ofSender && (subject.existed || walk.factoryStaked)) return;
        bool ofEntity = !isEntitys && _isAssociated(walk, walk.entity, slot);
        bool isOthers = isEntitys && owner != walk.entity;
        if (walk.entityStaked && !isOthers && (isEntitys || ofEntity || !writes)) return;
        if (ofSender) _break(walk, "STO-022");
        else if (isEntitys && !isOthers) _break(walk, "STO-031");
        else if (ofEntity) _break(walk, "STO-032");
        else _break(walk, "STO-033");
    }

    function _isAssociated(Walk memory walk, address account, bytes32 slot) private pure returns (bool) {
        if (account == address(0)) return false;
        if (slot == bytes32(uint256(uint160(account)))) return true;
        for (uint256 i = 0; i < walk.hashCount; i++) {
            if (walk.hashed[i] != account) continue;
            unchecked {
                if (uint256(slot) - uint256(walk.hashes[i]) <= MAX_OFFSET) return true;
            }
        }
        return false;
    }

    function _remember(Walk memory walk, bytes memory input) private pure {
        if (input.length != 64) return;
        uint256 first = uint256(bytes32(input));
        if (first > type(uint160).max) return;
        require(walk.hashCount < walk.hashes.length, "more hashes than the check can keep");
        walk.hashes[walk.hashCount] = keccak256(input);
        walk.hashed[walk.hashCount++] = address(uint160(first));
    }

    function _break(Walk memory walk, string memory rule) private pure {
        string memory phase =
            walk.phase == Phase.Factory ? " factory" : walk.phase == Phase.Account ? " account" : " paymaster";
        string memory name = string.concat(rule, phase);
        for (uint256 i = 0; i < walk.brokenCount; i++) {
            if (keccak256(bytes(walk.broken[i])) == keccak256(bytes(name))) return;
        }
        walk.broken[walk.brokenCount++] = name;
    }

    /// @dev OP-011, with BLOBHASH and BLOBBASEFEE, of the same kind and younger than the list.
    function isBlocked(uint8 opcode) internal pure returns (bool) {
        if (opcode == 0x32 || opcode == 0x3a) return true; // ORIGIN, GASPRICE
        // BLOCKHASH, COINBASE, TIMESTAMP, NUMBER, PREVRANDAO, GASLIMIT
        if (opcode >= 0x40 && opcode <= 0x45) return true;
        if (opcode >= 0x48 && opcode <= 0x4a) return true; // BASEFEE, BLOBHASH, BLOBBASEFEE
        return opcode == 0xf0 || opcode == 0xfe || opcode == 0xff; // CREATE, INVALID, SELFDESTRUCT
    }

    /// @dev OP-013, in Prague.
    function isUnassigned(uint8 opcode) internal pure returns (bool) {
        return (opcode > 0x0b && opcode < 0x10) || opcode == 0x1e || opcode == 0x1f || (opcode > 0x20 && opcode < 0x30)
            || (opcode > 0x4a && opcode < 0x50) || (opcode > 0xa4 && opcode < 0xf0) || (opcode > 0xf5 && opcode < 0xfa)
            || opcode == 0xfb || opcode == 0xfc;
    }

    function _isCall(uint8 opcode) private pure returns (bool) {
        return opcode == CALL || opcode == CALLCODE || opcode == DELEGATECALL || opcode == STATICCALL;
    }

    function _address(uint256 word) private pure returns (address) {
        return address(uint160(word));
    }
}
