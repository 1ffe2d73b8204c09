// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {InitialSigner, SuperPaymasterBase} from "../../src/SuperPaymasterBase.sol";
import {UserOperationV06} from "../../src/interfaces/IPaymasterV06.sol";
import {EntryPoints, Version} from "./EntryPoints.sol";
import {vm} from "./Vm.sol";

/// @dev The terms of a sponsorship. EntryPoint v0.6 knows no paymaster gas limits.
struct Terms {
    uint128 verificationGasLimit;
    uint128 postOpGasLimit;
    uint48 validUntil;
    uint48 validAfter;
}

/// @dev Lets one test speak to every EntryPoint version: operations have the fields of v0.6 and are
/// packed where needed.
abstract contract Harness {
    uint256 internal constant SIGNER_KEY = uint256(keccak256("tee signer"));
    uint256 internal constant OTHER_KEY = uint256(keccak256("not a signer"));
    bytes32 internal constant MEASUREMENT = keccak256("ta measurement");
    bytes32 internal constant TEE_ID = keccak256("tee id");
    uint32 internal constant ACTIVATION_DELAY = 1 days;
    uint32 internal constant MAX_WINDOW = 600;
    uint48 internal constant WINDOW_SLACK = 60;
    address internal constant OWNER = address(0x0123);
    address internal constant GUARDIAN = address(0x6a4d);
    address internal constant STRANGER = address(0x0bad);
    address payable internal constant BUNDLER = payable(address(0x0b0b));
    uint256 internal constant NOW = 1_767_226_300;
    uint256 internal constant SECP256K1_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    address internal entryPoint;
    SuperPaymasterBase internal paymaster;

    function setUp() public virtual {
        vm.warp(NOW);
        entryPoint = EntryPoints.deploy(_version());
        paymaster = SuperPaymasterBase(_create(bytes.concat(_paymasterCode(), _arguments())));
        paymaster.deposit{value: 10 ether}();
    }

    /// @dev Of the constructor: one signer is active from the start.
    function _arguments() internal view returns (bytes memory) {
        InitialSigner[] memory signers = new InitialSigner[](1);
        signers[0] = InitialSigner({signer: vm.addr(SIGNER_KEY), measurement: MEASUREMENT, teeId: TEE_ID});
        return abi.encode(entryPoint, OWNER, GUARDIAN, ACTIVATION_DELAY, MAX_WINDOW, signers);
    }

    /// @dev Makes another signer active, and leaves the clock as it was.
    function _admit(address signer) internal {
        vm.startPrank(OWNER);
        paymaster.proposeSigner(signer, MEASUREMENT, TEE_ID);
        vm.warp(NOW + ACTIVATION_DELAY);
        paymaster.activateSigner(signer);
        vm.warp(NOW);
        vm.stopPrank();
    }

    function _version() internal pure virtual returns (Version);
    function _paymasterCode() internal pure virtual returns (bytes memory);
    function _hash(UserOperationV06 memory op, Terms memory terms) internal view virtual returns (bytes32);
    function _validate(UserOperationV06 memory op) internal virtual returns (bytes memory context, uint256 data);
    function _handle(UserOperationV06 memory op) internal virtual;
    function _userOpHash(UserOperationV06 memory op) internal view virtual returns (bytes32);
    function _postOp(bytes memory context) internal virtual;
    /// @dev paymasterAndData up to, not including, the signature.
    function _unsignedData(Terms memory terms) internal view virtual returns (bytes memory);

    function _op() internal pure returns (UserOperationV06 memory) {
        return UserOperationV06({
            sender: address(0x5e4de4),
            nonce: (42 << 64) | 7,
            initCode: hex"91e60e0613810449d098b0b5ec8b51a0fe8c89855fbfb9cf01020304",
            callData: hex"b61d27f600112233445566778899",
            callGasLimit: 100_000,
            verificationGasLimit: 150_000,
            preVerificationGas: 50_000,
            maxFeePerGas: 2 gwei,
            maxPriorityFeePerGas: 1 gwei,
            paymasterAndData: "",
            signature: ""
        });
    }

    function _terms() internal pure returns (Terms memory) {
        return Terms({
            verificationGasLimit: 100_000,
            postOpGasLimit: 0,
            validUntil: uint48(NOW + 300),
            validAfter: uint48(NOW - 60)
        });
    }

    function _sponsor(UserOperationV06 memory op, Terms memory terms, uint256 key) internal view {
        op.paymasterAndData = _unsignedData(terms);
        op.paymasterAndData = bytes.concat(op.paymasterAndData, _sign(key, _hash(op, terms)));
    }

    function _sponsoredOp() internal view returns (UserOperationV06 memory op) {
        op = _op();
        _sponsor(op, _terms(), SIGNER_KEY);
    }

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _assertAccepted(UserOperationV06 memory op, string memory reason) internal {
        (bytes memory context, uint256 data) = _validate(op);
        vm.assertEq(context.length, 0, "the context is empty");
        vm.assertEq(address(uint160(data)), address(0), reason);
    }

    function _assertSignatureFailed(UserOperationV06 memory op, string memory reason) internal {
        (bytes memory context, uint256 data) = _validate(op);
        vm.assertEq(context.length, 0, "the context is empty");
        vm.assertEq(address(uint160(data)), address(1), reason);
    }

    /// @dev Reported as a bad signature, or reverted where the terms are none that anybody may
    /// sign.
    function _assertNeverAccepted(UserOperationV06 memory op, string memory reason) internal {
        try this.tryValidate(op) returns (uint256 data) {
            vm.assertEq(address(uint160(data)), address(1), reason);
        } catch (bytes memory returned) {
            vm.assertTrue(_isWindowRefusal(bytes4(returned)), reason);
        }
    }

    function tryValidate(UserOperationV06 memory op) external returns (uint256 data) {
        (, data) = _validate(op);
    }

    function _isWindowRefusal(bytes4 selector) private pure returns (bool) {
        return selector == SuperPaymasterBase.WindowNeverEnds.selector
            || selector == SuperPaymasterBase.WindowInBlockNumbers.selector
            || selector == SuperPaymasterBase.WindowEndsBeforeItBegins.selector
            || selector == SuperPaymasterBase.WindowTooWide.selector;
    }

    function _create(bytes memory creationCode) internal returns (address deployed) {
        assembly ("memory-safe") {
            deployed := create(0, add(creationCode, 32), mload(creationCode))
        }
        require(deployed != address(0), "create failed");
    }
}
