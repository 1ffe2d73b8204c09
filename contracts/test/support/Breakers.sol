// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @dev An entity that runs the code of another contract as its own, with its calldata, whatever it
/// is asked. That the code fails means nothing.
abstract contract Breaker {
    address private immutable CODE;

    constructor(address code) {
        CODE = code;
    }

    function _run() internal {
        address code = CODE;
        assembly ("memory-safe") {
            let input := mload(0x40)
            calldatacopy(input, 0, calldatasize())
            pop(delegatecall(gas(), code, input, calldatasize(), 0, 0))
        }
    }
}

/// @dev An account that takes any signature.
contract BreakingAccount is Breaker {
    constructor(address code) Breaker(code) {}

    fallback() external payable {
        _run();
        assembly {
            mstore(0, 0)
            return(0, 32)
        }
    }
}

/// @dev Makes an account that does nothing itself.
contract BreakingFactory is Breaker {
    address private immutable ACCOUNT_CODE;

    constructor(address code, address accountCode) Breaker(code) {
        ACCOUNT_CODE = accountCode;
    }

    fallback() external payable {
        _run();
        address account = address(new BreakingAccount{salt: 0}(ACCOUNT_CODE));
        assembly {
            mstore(0, account)
            return(0, 32)
        }
    }
}

/// @dev Sponsors everything, with an empty context.
contract BreakingPaymaster is Breaker {
    constructor(address code) Breaker(code) {}

    fallback() external payable {
        _run();
        assembly {
            mstore(0x00, 0x40)
            mstore(0x20, 0)
            mstore(0x40, 0)
            return(0, 0x60)
        }
    }
}

/// @dev A contract that is no entity, with storage of its own and storage by address.
contract Ledger {
    mapping(address account => uint256[200] fields) private accounts;

    function write(address account, uint256 field) external {
        accounts[account][field] = 1;
    }

    function read(bytes32 slot) external view returns (uint256 value) {
        assembly {
            value := sload(slot)
        }
    }

    function writeAt(bytes32 slot) external {
        assembly {
            sstore(slot, 1)
        }
    }
}

/// @dev Code for a breaker: writes a field of its own, or of an account, in the ledger.
contract WritesField {
    Ledger private immutable LEDGER;
    address private immutable ACCOUNT;
    uint256 private immutable FIELD;

    constructor(Ledger ledger, address account, uint256 field) {
        (LEDGER, ACCOUNT, FIELD) = (ledger, account, field);
    }

    fallback() external payable {
        LEDGER.write(ACCOUNT == address(0) ? address(this) : ACCOUNT, FIELD);
    }
}

/// @dev Code for a breaker: reads or writes a slot of the ledger; that of its own address if it is
/// zero.
contract TouchesSlot {
    Ledger private immutable LEDGER;
    bytes32 private immutable SLOT;
    bool private immutable WRITES;

    constructor(Ledger ledger, bytes32 slot, bool writes) {
        (LEDGER, SLOT, WRITES) = (ledger, slot, writes);
    }

    fallback() external payable {
        bytes32 slot = SLOT == 0 ? bytes32(uint256(uint160(address(this)))) : SLOT;
        if (WRITES) LEDGER.writeAt(slot);
        else LEDGER.read(slot);
    }
}

interface IDeposits {
    function depositTo(address account) external payable;
}

/// @dev Code for a breaker: deposits a wei at the EntryPoint for an account; for itself if it is
/// zero, and for the one in its calldata if it is one.
contract Deposits {
    address private immutable ENTRY_POINT;
    address private immutable ACCOUNT;

    constructor(address entryPoint, address account) {
        (ENTRY_POINT, ACCOUNT) = (entryPoint, account);
    }

    fallback() external payable {
        address account = ACCOUNT == address(0) ? address(this) : ACCOUNT;
        if (account == address(1)) account = abi.decode(msg.data, (address));
        IDeposits(ENTRY_POINT).depositTo{value: 1}(account);
    }
}
