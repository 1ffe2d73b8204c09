// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {UserOperationV06} from "../../src/interfaces/IPaymasterV06.sol";
import {EntryPoints, Version} from "./EntryPoints.sol";
import {Harness, Terms} from "./Harness.sol";
import {vm} from "./Vm.sol";

interface ISimpleAccountFactory {
    function createAccount(address owner, uint256 salt) external returns (address);
    function getAddress(address owner, uint256 salt) external view returns (address);
}

interface ISimpleAccount {
    function execute(address target, uint256 value, bytes calldata data) external;
}

/// @dev Operations of a published SimpleAccount that the operation itself deploys and that owns no
/// ether.
abstract contract AccountHarness is Harness {
    uint256 internal constant ACCOUNT_KEY = uint256(keccak256("account owner"));

    ISimpleAccountFactory internal factory;
    uint256 public pings;

    function setUp() public virtual override {
        super.setUp();
        bytes memory creationCode = EntryPoints.published(_version(), "SimpleAccountFactory");
        factory = ISimpleAccountFactory(_create(bytes.concat(creationCode, abi.encode(entryPoint))));
    }

    /// @dev The call the operations make.
    function ping() external {
        pings++;
    }

    function _accountOp() internal view returns (UserOperationV06 memory op) {
        address owner = vm.addr(ACCOUNT_KEY);
        bytes memory creation = abi.encodeCall(factory.createAccount, (owner, 7));
        op.sender = factory.getAddress(owner, 7);
        op.initCode = abi.encodePacked(factory, creation);
        op.callData = abi.encodeCall(ISimpleAccount.execute, (address(this), 0, abi.encodeCall(this.ping, ())));
        op.callGasLimit = 100_000;
        op.verificationGasLimit = 500_000;
        op.preVerificationGas = 50_000;
        op.maxFeePerGas = 2 gwei;
        op.maxPriorityFeePerGas = 1 gwei;
    }

    function _sponsoredAccountOp(Terms memory terms, uint256 key) internal view returns (UserOperationV06 memory op) {
        op = _accountOp();
        _sponsor(op, terms, key);
        _signByAccount(op);
    }

    /// @dev SimpleAccount takes a personal_sign signature before v0.8 and a bare one since.
    function _signByAccount(UserOperationV06 memory op) internal view {
        bytes32 hash = _userOpHash(op);
        if (_version() == Version.V06 || _version() == Version.V07) {
            hash = keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", hash));
        }
        op.signature = _sign(ACCOUNT_KEY, hash);
    }
}
