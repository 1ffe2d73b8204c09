//! The functions that are called on EntryPoints and our paymasters, and their events.

use alloy_primitives::aliases::U192;
use alloy_sol_types::sol;
use proto::{Address, Uint256};

sol! {
    struct SignerRecord {
        uint48 proposedAt;
        uint48 activatedAt;
        bytes32 measurement;
        bytes32 teeId;
    }

    function getNonce(address sender, uint192 key) returns (uint256);
    function balanceOf(address account) returns (uint256);
    function paused() returns (bool);
    function isActiveSigner(address signer) returns (bool);
    function signerOf(address signer) returns (SignerRecord);
    function activationDelay() returns (uint32);
    function maxWindow() returns (uint32);
    event Deposited(address indexed account, uint256 totalDeposit);
    event Withdrawn(address indexed account, address withdrawAddress, uint256 amount);
    function decimals() returns (uint8);
    function latestRoundData() returns (
        uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound
    );
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

/// The call for the sender's next nonce with that nonce's key (its first 24 bytes).
pub(super) fn next_nonce_of(sender: Address, nonce: &Uint256) -> getNonceCall {
    let mut key = [0; 24];
    key.copy_from_slice(&nonce.0[..24]);
    getNonceCall { sender: sender.into(), key: U192::from_be_bytes(key) }
}
