// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {InitialSigner, SuperPaymasterBase} from "./SuperPaymasterBase.sol";
import {Eip7702Support} from "aa-v08/core/Eip7702Support.sol";
import {IPaymaster} from "aa-v08/interfaces/IPaymaster.sol";
import {PackedUserOperation} from "aa-v08/interfaces/PackedUserOperation.sol";

/// @title Paymaster for EntryPoint v0.7, v0.8 and v0.9
/// @notice Pays for operations that an authorised TEE key has signed, with their terms, as EIP-712
/// typed data.
/// @dev paymasterAndData is one of
/// - `paymaster 20 | verificationGasLimit 16 | postOpGasLimit 16 | validUntil 6 | validAfter 6 | signature 65`,
///   129 bytes;
/// - the same followed by `uint16 65 | 0x22e325a297439656`, 139 bytes: EntryPoint v0.9 leaves the
///   signature and this suffix out of `userOpHash`, so the account can sign before the paymaster
///   does.
///
/// Every byte is either bound by the paymaster signature, or part of that signature, or part of the
/// constant suffix. EntryPoint v0.9 could also mistake the end of a 129-byte form for that suffix,
/// but then the last byte of the signature, v, is 0x56, and no such signature is valid. Because the
/// terms are read at fixed offsets, they never depend on what the EntryPoint left out of its hash.
contract SuperPaymasterV07 is SuperPaymasterBase, IPaymaster {
    using Eip7702Support for PackedUserOperation;

    uint256 private constant VERIFICATION_GAS_LIMIT_OFFSET = 20;
    uint256 private constant POST_OP_GAS_LIMIT_OFFSET = 36;
    uint256 private constant SPONSORSHIP_OFFSET = 52;
    uint256 private constant PAYMASTER_DATA_LENGTH = 129;
    uint256 private constant PARALLEL_PAYMASTER_DATA_LENGTH = 139;

    /// @dev `uint16` length of the signature, then ERC-4337's magic,
    /// keccak256("PaymasterSignature")[:8].
    bytes10 private constant PARALLEL_SUFFIX = 0x004122e325a297439656;

    bytes32 private constant SPONSORED_USER_OPERATION_TYPEHASH = keccak256(
        "SponsoredUserOperation(address sender,uint256 nonce,bytes initCode,bytes callData,bytes32 accountGasLimits,uint256 preVerificationGas,bytes32 gasFees,uint128 paymasterVerificationGasLimit,uint128 paymasterPostOpGasLimit,uint48 validUntil,uint48 validAfter)"
    );

    error InvalidParallelSuffix(bytes10 suffix);

    constructor(
        address entryPoint_,
        address owner_,
        address guardian_,
        uint32 activationDelay_,
        uint32 maxWindow_,
        InitialSigner[] memory signers_
    ) SuperPaymasterBase(entryPoint_, owner_, guardian_, activationDelay_, maxWindow_, signers_) {}

    /// @inheritdoc IPaymaster
    /// @dev The context is always empty. Reverts if paused, if the data has another shape, or if
    /// the window is out of bounds.
    function validatePaymasterUserOp(PackedUserOperation calldata userOp, bytes32, uint256)
        external
        view
        onlyEntryPoint
        whenNotPaused
        returns (bytes memory context, uint256 validationData)
    {
        bytes calldata data = userOp.paymasterAndData;
        _requireKnownLayout(data);
        (uint48 validUntil, uint48 validAfter, bytes calldata signature) = _sponsorship(data, SPONSORSHIP_OFFSET);
        return ("", _validationData(getHash(userOp, validUntil, validAfter), validUntil, validAfter, signature));
    }

    /// @inheritdoc IPaymaster
    /// @dev Never called by the EntryPoint, because the context is always empty.
    function postOp(PostOpMode, bytes calldata, uint256, uint256) external pure {
        revert PostOpNotSupported();
    }

    /// @notice The EIP-712 digest a signer signs to sponsor `userOp`.
    /// @dev Only the two gas limits of paymasterAndData are read, so it must have at least its
    /// first 52 bytes. For an EIP-7702 operation the sender's delegate replaces the marker in
    /// initCode, as in `EntryPoint.getUserOpHash` since v0.8; reverts if the sender has no
    /// delegate.
    /// @param userOp The operation.
    /// @param validUntil Unix seconds. The last moment the sponsorship is valid.
    /// @param validAfter Unix seconds. The first moment the sponsorship is valid.
    function getHash(PackedUserOperation calldata userOp, uint48 validUntil, uint48 validAfter)
        public
        view
        returns (bytes32)
    {
        (uint128 verificationGasLimit, uint128 postOpGasLimit) = _gasLimits(userOp.paymasterAndData);
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    SPONSORED_USER_OPERATION_TYPEHASH,
                    userOp.sender,
                    userOp.nonce,
                    _initCodeHash(userOp),
                    keccak256(userOp.callData),
                    userOp.accountGasLimits,
                    userOp.preVerificationGas,
                    userOp.gasFees,
                    verificationGasLimit,
                    postOpGasLimit,
                    validUntil,
                    validAfter
                )
            )
        );
    }

    function _requireKnownLayout(bytes calldata data) private pure {
        if (data.length == PAYMASTER_DATA_LENGTH) return;
        if (data.length != PARALLEL_PAYMASTER_DATA_LENGTH) revert InvalidPaymasterDataLength(data.length);
        bytes10 suffix = bytes10(data[PAYMASTER_DATA_LENGTH:]);
        if (suffix != PARALLEL_SUFFIX) revert InvalidParallelSuffix(suffix);
    }

    function _gasLimits(bytes calldata data) private pure returns (uint128 verification, uint128 postOperation) {
        if (data.length < SPONSORSHIP_OFFSET) revert InvalidPaymasterDataLength(data.length);
        verification = uint128(bytes16(data[VERIFICATION_GAS_LIMIT_OFFSET:]));
        postOperation = uint128(bytes16(data[POST_OP_GAS_LIMIT_OFFSET:]));
    }

    function _initCodeHash(PackedUserOperation calldata userOp) private view returns (bytes32) {
        bytes32 eip7702Hash = userOp._getEip7702InitCodeHashOverride();
        return eip7702Hash != 0 ? eip7702Hash : keccak256(userOp.initCode);
    }
}
