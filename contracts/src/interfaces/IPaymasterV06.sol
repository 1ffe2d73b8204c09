// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice A user operation of EntryPoint v0.6. Gas in units of gas, fees in wei per gas.
struct UserOperationV06 {
    address sender;
    uint256 nonce;
    bytes initCode;
    bytes callData;
    uint256 callGasLimit;
    uint256 verificationGasLimit;
    uint256 preVerificationGas;
    uint256 maxFeePerGas;
    uint256 maxPriorityFeePerGas;
    bytes paymasterAndData;
    bytes signature;
}

/// @title The paymaster interface of EntryPoint v0.6
/// @dev Declared here because the v0.6 package is under the GPL; the ABI is that of ERC-4337, v0.6.
interface IPaymasterV06 {
    enum PostOpMode {
        opSucceeded,
        opReverted,
        postOpReverted
    }

    /// @notice Decides whether to pay for an operation.
    /// @param userOp The operation.
    /// @param userOpHash `EntryPoint.getUserOpHash(userOp)`.
    /// @param maxCost Wei. The most the operation can cost the paymaster.
    /// @return context Data passed to `postOp`; empty means no `postOp`.
    /// @return validationData `validAfter` 6 bytes, `validUntil` 6 bytes, then 20 bytes: 0 for a
    /// valid signature or 1 for an invalid one.
    function validatePaymasterUserOp(UserOperationV06 calldata userOp, bytes32 userOpHash, uint256 maxCost)
        external
        returns (bytes memory context, uint256 validationData);

    /// @notice Called after the operation if the context was not empty.
    function postOp(PostOpMode mode, bytes calldata context, uint256 actualGasCost) external;
}
