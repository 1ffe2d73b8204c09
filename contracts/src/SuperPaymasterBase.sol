// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IStakeManager} from "aa-v08/interfaces/IStakeManager.sol";

/// @title What the paymasters of every EntryPoint version share
/// @notice Holds the authorised TEE signers, the owner's controls, and the deposit and stake at the EntryPoint.
/// @dev Validation reads two storage slots of the paymaster itself, so bundlers that enforce ERC-7562 want it staked.
abstract contract SuperPaymasterBase is Ownable2Step, Pausable, EIP712 {
    /// @notice The only caller of validation. Deposits and stakes work alike in every version of the EntryPoint.
    /// @dev Named as every paymaster's getter is, not in capitals.
    // forge-lint: disable-next-line(screaming-snake-case-immutable)
    IStakeManager public immutable entryPoint;

    /// @notice The TA measurement a signer was admitted with; zero when the address is not an authorised signer.
    mapping(address signer => bytes32 measurement) public measurementOf;

    uint256 private constant SIGNATURE_LENGTH = 65;

    event SignerAdded(address indexed signer, bytes32 indexed measurement);
    event SignerRemoved(address indexed signer, bytes32 indexed measurement);

    error EntryPointHasNoCode(address entryPoint);
    error CallerIsNotEntryPoint(address caller);
    error SignerIsZeroAddress();
    error MeasurementIsZero(address signer);
    error SignerAlreadyAuthorised(address signer, bytes32 measurement);
    error SignerNotAuthorised(address signer);
    error InvalidPaymasterDataLength(uint256 length);
    error PostOpNotSupported();
    error OwnershipCannotBeRenounced();

    modifier onlyEntryPoint() {
        if (msg.sender != address(entryPoint)) revert CallerIsNotEntryPoint(msg.sender);
        _;
    }

    constructor(address entryPoint_, address owner_) Ownable(owner_) EIP712("SuperPaymaster", "1") {
        if (entryPoint_.code.length == 0) revert EntryPointHasNoCode(entryPoint_);
        entryPoint = IStakeManager(entryPoint_);
    }

    /// @notice Authorises a TEE key to sponsor operations.
    /// @param signer The key's address.
    /// @param measurement The measurement of the TA that holds the key, as attested when it was admitted.
    function addSigner(address signer, bytes32 measurement) external onlyOwner {
        if (signer == address(0)) revert SignerIsZeroAddress();
        if (measurement == 0) revert MeasurementIsZero(signer);
        bytes32 current = measurementOf[signer];
        if (current != 0) revert SignerAlreadyAuthorised(signer, current);
        measurementOf[signer] = measurement;
        emit SignerAdded(signer, measurement);
    }

    /// @notice Withdraws a signer's authorisation; what it signed and is not yet on chain becomes worthless.
    function removeSigner(address signer) external onlyOwner {
        bytes32 measurement = measurementOf[signer];
        if (measurement == 0) revert SignerNotAuthorised(signer);
        delete measurementOf[signer];
        emit SignerRemoved(signer, measurement);
    }

    /// @notice Stops all sponsoring: validation reverts until `unpause`.
    function pause() external onlyOwner {
        _pause();
    }

    /// @notice Resumes sponsoring.
    function unpause() external onlyOwner {
        _unpause();
    }

    /// @notice Adds the sent wei to the paymaster's deposit at the EntryPoint. Anyone may.
    function deposit() external payable {
        entryPoint.depositTo{value: msg.value}(address(this));
    }

    /// @notice Takes `amount` wei out of the deposit.
    function withdrawTo(address payable recipient, uint256 amount) external onlyOwner {
        entryPoint.withdrawTo(recipient, amount);
    }

    /// @notice Adds the sent wei to the stake and sets its unlock delay, which can't be shortened.
    function addStake(uint32 unstakeDelaySec) external payable onlyOwner {
        entryPoint.addStake{value: msg.value}(unstakeDelaySec);
    }

    /// @notice Starts the unlock delay of the stake.
    function unlockStake() external onlyOwner {
        entryPoint.unlockStake();
    }

    /// @notice Takes out the whole stake once its delay has passed.
    function withdrawStake(address payable recipient) external onlyOwner {
        entryPoint.withdrawStake(recipient);
    }

    /// @notice Wei. The paymaster's deposit at the EntryPoint.
    function getDeposit() external view returns (uint256) {
        return entryPoint.balanceOf(address(this));
    }

    /// @notice Always reverts: without an owner the deposit, the stake and the signers could never be managed again.
    function renounceOwnership() public view override onlyOwner {
        revert OwnershipCannotBeRenounced();
    }

    /// @dev ERC-4337 validation data. A bad signature is reported, not reverted, so that bundlers can simulate with stubs.
    function _validationData(bytes32 digest, uint48 validUntil, uint48 validAfter, bytes calldata signature)
        internal
        view
        returns (uint256)
    {
        uint256 signatureFailed = _isSignedByAuthorisedSigner(digest, signature) ? 0 : 1;
        return signatureFailed | (uint256(validUntil) << 160) | (uint256(validAfter) << 208);
    }

    /// @dev Refuses high s and every form but the 65-byte one. Recovery failure gives the zero address, which is never a signer.
    function _isSignedByAuthorisedSigner(bytes32 digest, bytes calldata signature) private view returns (bool) {
        (address signer,,) = ECDSA.tryRecoverCalldata(digest, signature);
        return measurementOf[signer] != 0;
    }

    /// @dev `validUntil` 6 bytes, `validAfter` 6 bytes, signature 65 bytes, from `offset` on; the caller has checked the length.
    function _sponsorship(bytes calldata paymasterAndData, uint256 offset)
        internal
        pure
        returns (uint48 validUntil, uint48 validAfter, bytes calldata signature)
    {
        validUntil = uint48(bytes6(paymasterAndData[offset:]));
        validAfter = uint48(bytes6(paymasterAndData[offset + 6:]));
        signature = paymasterAndData[offset + 12:offset + 12 + SIGNATURE_LENGTH];
    }
}
