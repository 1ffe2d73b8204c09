//! What is asked of EntryPoints and of our paymasters, and what they log.

use alloy_sol_types::sol;

sol! {
    struct SignerRecord {
        uint48 proposedAt;
        uint48 activatedAt;
        bytes32 measurement;
        bytes32 teeId;
    }

    function balanceOf(address account) returns (uint256);
    function paused() returns (bool);
    function isActiveSigner(address signer) returns (bool);
    function signerOf(address signer) returns (SignerRecord);
    function activationDelay() returns (uint32);
    function maxWindow() returns (uint32);
    event UserOperationEvent(
        bytes32 indexed userOpHash,
        address indexed sender,
        address indexed paymaster,
        uint256 nonce,
        bool success,
        uint256 actualGasCost,
        uint256 actualGasUsed
    );
}
