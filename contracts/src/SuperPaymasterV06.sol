// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {InitialSigner, SuperPaymasterBase} from "./SuperPaymasterBase.sol";
import {IPaymasterV06, UserOperationV06} from "./interfaces/IPaymasterV06.sol";

/// @title Paymaster for EntryPoint v0.6
/// @notice Pays for operations that an authorised TEE key has signed, with their terms, as EIP-712
/// typed data.
/// @dev paymasterAndData is `paymaster 20 | validUntil 6 | validAfter 6 | signature 65`, exactly 97
/// bytes.
contract SuperPaymasterV06 is SuperPaymasterBase, IPaymasterV06 {
    uint256 private constant SPONSORSHIP_OFFSET = 20;
    uint256 private constant PAYMASTER_DATA_LENGTH = 97;

    bytes32 private constant SPONSORED_USER_OPERATION_TYPEHASH = keccak256(
        "SponsoredUserOperation(address sender,uint256 nonce,bytes initCode,bytes callData,uint256 callGasLimit,uint256 verificationGasLimit,uint256 preVerificationGas,uint256 maxFeePerGas,uint256 maxPriorityFeePerGas,uint48 validUntil,uint48 validAfter)"
    );

    constructor(
        address entryPoint_,
        address owner_,
        address guardian_,
        uint32 activationDelay_,
        uint32 maxWindow_,
        InitialSigner[] memory signers_
    ) SuperPaymasterBase(entryPoint_, owner_, guardian_, activationDelay_, maxWindow_, signers_) {}

    /// @inheritdoc IPaymasterV06
    /// @dev The context is always empty. Reverts if paused, if the data has another length, or if
    /// the window is out of bounds.
    function validatePaymasterUserOp(UserOperationV06 calldata userOp, bytes32, uint256)
        external
        view
        onlyEntryPoint
        whenNotPaused
        returns (bytes memory context, uint256 validationData)
    {
        bytes calldata data = userOp.paymasterAndData;
        if (data.length != PAYMASTER_DATA_LENGTH) revert InvalidPaymasterDataLength(data.length);
        (uint48 validUntil, uint48 validAfter, bytes calldata signature) = _sponsorship(data, SPONSORSHIP_OFFSET);
        return ("", _validationData(getHash(userOp, validUntil, validAfter), validUntil, validAfter, signature));
    }

    /// @inheritdoc IPaymasterV06
    /// @dev Never called by the EntryPoint, because the context is always empty.
    function postOp(PostOpMode, bytes calldata, uint256) external pure {
        revert PostOpNotSupported();
    }

    /// @notice The EIP-712 digest a signer signs to sponsor `userOp`. paymasterAndData and
    /// signature are not read.
    /// @param userOp The operation.
    /// @param validUntil Unix seconds. The last moment the sponsorship is valid.
    /// @param validAfter Unix seconds. The first moment the sponsorship is valid.
    function getHash(UserOperationV06 calldata userOp, uint48 validUntil, uint48 validAfter)
        public
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    SPONSORED_USER_OPERATION_TYPEHASH,
                    userOp.sender,
                    userOp.nonce,
                    keccak256(userOp.initCode),
                    keccak256(userOp.callData),
                    userOp.callGasLimit,
                    userOp.verificationGasLimit,
                    userOp.preVerificationGas,
                    userOp.maxFeePerGas,
                    userOp.maxPriorityFeePerGas,
                    validUntil,
                    validAfter
                )
            )
        );
    }
}
