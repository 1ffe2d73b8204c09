//! The paymaster contracts' interface, as far as their owner uses it (contracts/README.md), and
//! that of their EntryPoint.

use alloy_sol_types::sol;

sol! {
    #[sol(all_derives = true)]
    interface SuperPaymaster {
        struct InitialSigner {
            address signer;
            bytes32 measurement;
            bytes32 teeId;
        }

        struct SignerRecord {
            uint48 proposedAt;
            uint48 activatedAt;
            bytes32 measurement;
            bytes32 teeId;
        }

        error EntryPointHasNoCode(address entryPoint);
        error MaxWindowIsZero();
        error GuardianIsZeroAddress();
        error CallerIsNeitherOwnerNorGuardian(address caller);
        error SignerIsZeroAddress();
        error MeasurementIsZero(address signer);
        error TeeIdIsZero(address signer);
        error SignerAlreadyProposed(address signer, uint256 proposedAt);
        error SignerNotProposed(address signer);
        error SignerAlreadyActive(address signer, uint256 activatedAt);
        error ActivationTooEarly(address signer, uint256 activatableAt);
        error OwnableUnauthorizedAccount(address account);
        error OwnableInvalidOwner(address owner);
        error EnforcedPause();
        error ExpectedPause();

        function proposeSigner(address signer, bytes32 measurement, bytes32 teeId);
        function activateSigner(address signer);
        function removeSigner(address signer);
        function pause();
        function unpause();
        function deposit() payable;
        function withdrawTo(address recipient, uint256 amount);
        function addStake(uint32 unstakeDelaySec) payable;
        function unlockStake();
        function withdrawStake(address recipient);

        function entryPoint() view returns (address);
        function owner() view returns (address);
        function guardian() view returns (address);
        function paused() view returns (bool);
        function activationDelay() view returns (uint32);
        function maxWindow() view returns (uint32);
        function signerOf(address signer) view returns (SignerRecord);
    }

    /// Every version encodes it in the same way.
    interface StakeManager {
        function getDepositInfo(address account)
            view
            returns (uint256 deposit, bool staked, uint112 stake, uint32 unstakeDelaySec, uint48 withdrawTime);
    }
}
