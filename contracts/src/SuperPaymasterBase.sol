// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.34;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IStakeManager} from "aa-v08/interfaces/IStakeManager.sol";

/// @notice The contract's record of a TEE key.
/// @param proposedAt Unix seconds. When the key was proposed; zero for an unknown key.
/// @param activatedAt Unix seconds. When the key became active; zero while it is only proposed.
/// @param measurement The measurement of the TA that holds the key, as attested when it was
/// proposed.
/// @param teeId The ID of the TEE that holds the key, as attested when it was proposed.
struct SignerRecord {
    uint48 proposedAt;
    uint48 activatedAt;
    bytes32 measurement;
    bytes32 teeId;
}

/// @notice A TEE key that is active from deployment.
struct InitialSigner {
    address signer;
    bytes32 measurement;
    bytes32 teeId;
}

/// @title The shared base of the paymasters for all EntryPoint versions
/// @notice Manages the TEE signers, the powers of owner and guardian, and the deposit and stake at
/// the EntryPoint.
/// @dev Validation reads two storage slots of the paymaster itself, so bundlers that enforce
/// ERC-7562 require it to be staked. It never reads the clock, which ERC-7562 bans: whether a
/// signer is active is decided in the transaction that activates it.
abstract contract SuperPaymasterBase is Ownable2Step, Pausable, EIP712 {
    // These getters follow the naming of other paymasters, not that of constants.
    // forge-lint: disable-start(screaming-snake-case-immutable)

    /// @notice The only caller of validation. Deposits and stakes work the same in every version of
    /// the EntryPoint.
    IStakeManager public immutable entryPoint;

    /// @notice Seconds between the proposal of a signer and the earliest moment it can be
    /// activated.
    uint32 public immutable activationDelay;

    /// @notice Maximum seconds from the approval of a sponsorship to its end: the TA's ceiling of
    /// the same name. A signed window may be `WINDOW_SLACK` seconds wider, because it begins before
    /// its approval.
    uint32 public immutable maxWindow;

    // forge-lint: disable-end(screaming-snake-case-immutable)

    /// @notice Seconds by which a signed window may exceed `maxWindow`.
    uint48 public constant WINDOW_SLACK = 60;

    /// @notice May pause and remove signers, and nothing else. If the owner is also the guardian, a
    /// transfer of ownership replaces both.
    address public guardian;

    mapping(address signer => SignerRecord record) private _signers;

    uint256 private constant SIGNATURE_LENGTH = 65;

    /// @dev EntryPoint v0.9 reads a window as block numbers if both of its ends have this bit.
    uint48 private constant BLOCK_NUMBER_FLAG = 1 << 47;

    event SignerProposed(
        address indexed signer, bytes32 indexed measurement, bytes32 indexed teeId, uint256 activatableAt
    );
    event SignerActivated(address indexed signer, bytes32 indexed measurement, bytes32 indexed teeId);
    event SignerRemoved(address indexed signer, bytes32 indexed measurement, bytes32 indexed teeId);
    event GuardianChanged(address indexed previousGuardian, address indexed newGuardian);

    error EntryPointHasNoCode(address entryPoint);
    error MaxWindowIsZero();
    error GuardianIsZeroAddress();
    error CallerIsNotEntryPoint(address caller);
    error CallerIsNeitherOwnerNorGuardian(address caller);
    error SignerIsZeroAddress();
    error MeasurementIsZero(address signer);
    error TeeIdIsZero(address signer);
    error SignerAlreadyProposed(address signer, uint256 proposedAt);
    error SignerNotProposed(address signer);
    error SignerAlreadyActive(address signer, uint256 activatedAt);
    error ActivationTooEarly(address signer, uint256 activatableAt);
    error InvalidPaymasterDataLength(uint256 length);
    error WindowNeverEnds();
    error WindowInBlockNumbers(uint48 validUntil, uint48 validAfter);
    error WindowEndsBeforeItBegins(uint48 validUntil, uint48 validAfter);
    error WindowTooWide(uint256 width, uint256 limit);
    error PostOpNotSupported();
    error OwnershipCannotBeRenounced();

    modifier onlyEntryPoint() {
        if (msg.sender != address(entryPoint)) revert CallerIsNotEntryPoint(msg.sender);
        _;
    }

    modifier onlyOwnerOrGuardian() {
        if (msg.sender != owner() && msg.sender != guardian) revert CallerIsNeitherOwnerNorGuardian(msg.sender);
        _;
    }

    /// @param entryPoint_ The EntryPoint; it must be deployed already.
    /// @param owner_ Proposes and activates signers, unpauses, stakes and withdraws.
    /// @param guardian_ May pause and remove signers. The owner itself, if there is no separate
    /// guardian.
    /// @param activationDelay_ Seconds between proposal and activation of a signer. A day or more
    /// in production.
    /// @param maxWindow_ Seconds, not zero. The TA's ceiling of the same name.
    /// @param signers_ TEE keys that are active from deployment.
    constructor(
        address entryPoint_,
        address owner_,
        address guardian_,
        uint32 activationDelay_,
        uint32 maxWindow_,
        InitialSigner[] memory signers_
    ) Ownable(owner_) EIP712("SuperPaymaster", "1") {
        if (entryPoint_.code.length == 0) revert EntryPointHasNoCode(entryPoint_);
        if (maxWindow_ == 0) revert MaxWindowIsZero();
        entryPoint = IStakeManager(entryPoint_);
        activationDelay = activationDelay_;
        maxWindow = maxWindow_;
        _setGuardian(guardian_);
        for (uint256 i = 0; i < signers_.length; i++) {
            InitialSigner memory initial = signers_[i];
            _propose(initial.signer, initial.measurement, initial.teeId, block.timestamp);
            _activate(initial.signer);
        }
    }

    /// @notice Announces a TEE key, which can be activated `activationDelay` seconds later.
    /// @dev A proposal cannot be overwritten: remove it first.
    /// @param signer The key's address.
    /// @param measurement The measurement of the TA that holds the key, as attested.
    /// @param teeId The ID of the TEE that holds the key, as attested.
    function proposeSigner(address signer, bytes32 measurement, bytes32 teeId) external onlyOwner {
        _propose(signer, measurement, teeId, block.timestamp + activationDelay);
    }

    /// @notice Lets a proposed TEE key sponsor operations from now on. Reverts before
    /// `activationDelay` has passed.
    function activateSigner(address signer) external onlyOwner {
        SignerRecord storage record = _signers[signer];
        if (record.proposedAt == 0) revert SignerNotProposed(signer);
        if (record.activatedAt != 0) revert SignerAlreadyActive(signer, record.activatedAt);
        uint256 activatableAt = uint256(record.proposedAt) + activationDelay;
        // A validator can shift the time by seconds; the delay is days.
        // forge-lint: disable-next-line(block-timestamp)
        if (block.timestamp < activatableAt) revert ActivationTooEarly(signer, activatableAt);
        _activate(signer);
    }

    /// @notice Takes effect at once. Signatures of an active signer that are not yet on chain
    /// become invalid; a proposal is cancelled.
    function removeSigner(address signer) external onlyOwnerOrGuardian {
        SignerRecord memory record = _signers[signer];
        if (record.proposedAt == 0) revert SignerNotProposed(signer);
        delete _signers[signer];
        emit SignerRemoved(signer, record.measurement, record.teeId);
    }

    /// @notice Replaces the guardian at once.
    function setGuardian(address newGuardian) external onlyOwner {
        _setGuardian(newGuardian);
    }

    /// @notice Stops all sponsoring: validation reverts until the owner calls `unpause`.
    function pause() external onlyOwnerOrGuardian {
        _pause();
    }

    /// @notice Resumes sponsoring. The guardian cannot.
    function unpause() external onlyOwner {
        _unpause();
    }

    /// @notice Adds the sent wei to the paymaster's deposit at the EntryPoint. Anyone may call it.
    function deposit() external payable {
        entryPoint.depositTo{value: msg.value}(address(this));
    }

    /// @notice Withdraws `amount` wei from the deposit.
    function withdrawTo(address payable recipient, uint256 amount) external onlyOwner {
        entryPoint.withdrawTo(recipient, amount);
    }

    /// @notice Adds the sent wei to the stake and sets its unlock delay, which cannot be shortened.
    function addStake(uint32 unstakeDelaySec) external payable onlyOwner {
        entryPoint.addStake{value: msg.value}(unstakeDelaySec);
    }

    /// @notice Starts the unlock delay of the stake.
    function unlockStake() external onlyOwner {
        entryPoint.unlockStake();
    }

    /// @notice Withdraws the whole stake once its delay has passed.
    function withdrawStake(address payable recipient) external onlyOwner {
        entryPoint.withdrawStake(recipient);
    }

    /// @notice Whether this key is an active signer.
    function isActiveSigner(address signer) public view returns (bool) {
        return _signers[signer].activatedAt != 0;
    }

    /// @notice The record of a key: all zero if it was never proposed, or was removed.
    function signerOf(address signer) external view returns (SignerRecord memory) {
        return _signers[signer];
    }

    /// @notice Wei. The paymaster's deposit at the EntryPoint.
    function getDeposit() external view returns (uint256) {
        return entryPoint.balanceOf(address(this));
    }

    /// @notice Always reverts: without an owner the deposit, the stake and the signers could never
    /// be managed again.
    function renounceOwnership() public view override onlyOwner {
        revert OwnershipCannotBeRenounced();
    }

    /// @dev A former owner who was also the guardian keeps no power: the role passes to the new
    /// owner, who may name another guardian.
    function _transferOwnership(address newOwner) internal override {
        address previousOwner = owner();
        super._transferOwnership(newOwner);
        // The constructor sets the guardian itself.
        if (previousOwner != address(0) && guardian == previousOwner) _setGuardian(newOwner);
    }

    /// @dev ERC-4337 validation data. A bad signature is reported, not reverted, so that bundlers
    /// can simulate with stubs.
    function _validationData(bytes32 digest, uint48 validUntil, uint48 validAfter, bytes calldata signature)
        internal
        view
        returns (uint256)
    {
        uint256 signatureFailed = _isSignedByActiveSigner(digest, signature) ? 0 : 1;
        return signatureFailed | (uint256(validUntil) << 160) | (uint256(validAfter) << 208);
    }

    /// @dev Refuses high s and every form but the 65-byte one. A failed recovery gives the zero
    /// address, which is never a signer.
    function _isSignedByActiveSigner(bytes32 digest, bytes calldata signature) private view returns (bool) {
        (address signer,,) = ECDSA.tryRecoverCalldata(digest, signature);
        return isActiveSigner(signer);
    }

    /// @dev `validUntil` 6 bytes, `validAfter` 6 bytes, signature 65 bytes, starting at `offset`;
    /// the caller has checked the length. Reverts if the window is not one that a signer may sign.
    function _sponsorship(bytes calldata paymasterAndData, uint256 offset)
        internal
        view
        returns (uint48 validUntil, uint48 validAfter, bytes calldata signature)
    {
        validUntil = uint48(bytes6(paymasterAndData[offset:]));
        validAfter = uint48(bytes6(paymasterAndData[offset + 6:]));
        signature = paymasterAndData[offset + 12:offset + 12 + SIGNATURE_LENGTH];
        _requireBoundedWindow(validUntil, validAfter);
    }

    /// @dev Limits what a stolen relay key can obtain in advance: the width is limited wherever the
    /// window begins.
    function _requireBoundedWindow(uint48 validUntil, uint48 validAfter) private view {
        if (validUntil == 0) revert WindowNeverEnds();
        if ((validUntil | validAfter) & BLOCK_NUMBER_FLAG != 0) revert WindowInBlockNumbers(validUntil, validAfter);
        if (validUntil < validAfter) revert WindowEndsBeforeItBegins(validUntil, validAfter);
        uint48 width = validUntil - validAfter;
        uint48 limit = maxWindow + WINDOW_SLACK;
        if (width > limit) revert WindowTooWide(width, limit);
    }

    function _propose(address signer, bytes32 measurement, bytes32 teeId, uint256 activatableAt) private {
        if (signer == address(0)) revert SignerIsZeroAddress();
        if (measurement == 0) revert MeasurementIsZero(signer);
        if (teeId == 0) revert TeeIdIsZero(signer);
        uint256 proposedAt = _signers[signer].proposedAt;
        if (proposedAt != 0) revert SignerAlreadyProposed(signer, proposedAt);
        _signers[signer] =
            SignerRecord({proposedAt: uint48(block.timestamp), activatedAt: 0, measurement: measurement, teeId: teeId});
        emit SignerProposed(signer, measurement, teeId, activatableAt);
    }

    function _activate(address signer) private {
        SignerRecord storage record = _signers[signer];
        record.activatedAt = uint48(block.timestamp);
        emit SignerActivated(signer, record.measurement, record.teeId);
    }

    function _setGuardian(address newGuardian) private {
        if (newGuardian == address(0)) revert GuardianIsZeroAddress();
        emit GuardianChanged(guardian, newGuardian);
        guardian = newGuardian;
    }
}
