// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignerECDSA} from "@openzeppelin/contracts/utils/cryptography/signers/SignerECDSA.sol";
import {ERC7739} from "@openzeppelin/contracts/utils/cryptography/signers/draft-ERC7739.sol";

/// Verifies messages of its owner (ERC-1271, ERC-7739), for the tests of clients/js.
contract Erc7739Account is SignerECDSA, ERC7739 {
    constructor(address owner) EIP712("Erc7739Account", "1") SignerECDSA(owner) {}
}

/// Deploys it, so that a message is verified before (ERC-6492).
contract Erc7739AccountFactory {
    function create(address owner, bytes32 salt) external returns (address) {
        return address(new Erc7739Account{salt: salt}(owner));
    }

    function addressOf(address owner, bytes32 salt) external view returns (address) {
        return
            Create2.computeAddress(
                salt, keccak256(abi.encodePacked(type(Erc7739Account).creationCode, abi.encode(owner)))
            );
    }
}
