//! The parts of the contracts' interfaces that the devkit calls.

use alloy_sol_types::sol;

sol! {
    /// v0.6.
    struct UserOperation {
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

    /// v0.7 and later.
    struct PackedUserOperation {
        address sender;
        uint256 nonce;
        bytes initCode;
        bytes callData;
        bytes32 accountGasLimits;
        uint256 preVerificationGas;
        bytes32 gasFees;
        bytes paymasterAndData;
        bytes signature;
    }

    interface EntryPointV06 {
        function handleOps(UserOperation[] ops, address beneficiary);
        function getUserOpHash(UserOperation userOp) view returns (bytes32);
    }

    interface EntryPointV07 {
        function handleOps(PackedUserOperation[] ops, address beneficiary);
        function getUserOpHash(PackedUserOperation userOp) view returns (bytes32);
    }

    interface AnyEntryPoint {
        event UserOperationEvent(
            bytes32 indexed userOpHash,
            address indexed sender,
            address indexed paymaster,
            uint256 nonce,
            bool success,
            uint256 actualGasCost,
            uint256 actualGasUsed
        );
        event UserOperationRevertReason(
            bytes32 indexed userOpHash,
            address indexed sender,
            uint256 nonce,
            bytes revertReason
        );

        error FailedOp(uint256 opIndex, string reason);
        error FailedOpWithRevert(uint256 opIndex, string reason, bytes inner);

        function getNonce(address sender, uint192 key) view returns (uint256);
        function balanceOf(address account) view returns (uint256);
    }

    interface AccountFactory {
        function createAccount(address owner, uint256 salt) returns (address);
        function getAddress(address owner, uint256 salt) view returns (address);
    }

    interface Account {
        function execute(address dest, uint256 value, bytes func);
    }

    interface AccountV06 {
        function executeBatch(address[] dest, bytes[] func);
    }

    interface AccountV07 {
        function executeBatch(address[] dest, uint256[] value, bytes[] func);
    }

    interface AccountV08 {
        struct Call {
            address target;
            uint256 value;
            bytes data;
        }

        function executeBatch(Call[] calls);
    }

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

        function proposeSigner(address signer, bytes32 measurement, bytes32 teeId);
        function activateSigner(address signer);
        function removeSigner(address signer);
        function isActiveSigner(address signer) view returns (bool);
        function signerOf(address signer) view returns (SignerRecord);
        function activationDelay() view returns (uint32);
        function pause();
        function unpause();
        function deposit() payable;
        function withdrawTo(address recipient, uint256 amount);
        function addStake(uint32 unstakeDelaySec) payable;
        function getDeposit() view returns (uint256);
    }

    interface SuperPaymasterV06 {
        function getHash(UserOperation userOp, uint48 validUntil, uint48 validAfter) view returns (bytes32);
    }

    interface SuperPaymasterV07 {
        function getHash(PackedUserOperation userOp, uint48 validUntil, uint48 validAfter) view returns (bytes32);
    }
}
