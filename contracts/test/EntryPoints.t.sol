// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {EntryPoints, Version} from "./support/EntryPoints.sol";
import {vm} from "./support/Vm.sol";
import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {IEntryPoint} from "aa-v08/interfaces/IEntryPoint.sol";

/// @dev hardhat-predeploy, which has the only code of the final EntryPoint v0.9 on npm, is what it
/// says to be.
contract EntryPointsTest {
    address private constant ENTRY_POINT_V07 = 0x0000000071727De22E5E9d8BAf0edAc6f37da032;
    address private constant SENDER_CREATOR_V07 = 0xEFC2c1444eBCC4Db75e7613d20C6a62fF67A167C;
    address private constant ENTRY_POINT_V08 = 0x4337084D9E255Ff0702461CF8895CE9E3b5Ff108;
    address private constant SENDER_CREATOR_V08 = 0x449ED7C3e6Fee6a97311d4b55475DF59C44AdD33;
    /// @dev v0.8 keeps the chain ID of its deployment in its code.
    uint256 private constant MAINNET = 1;

    function test_the_package_with_v09_has_of_v07_what_its_official_artifact_deploys() public {
        vm.assertEq(EntryPoints.deploy(Version.V07), ENTRY_POINT_V07, "the address");
        _assertSame(ENTRY_POINT_V07);
        _assertSame(SENDER_CREATOR_V07);
    }

    function test_the_package_with_v09_has_of_v08_what_its_official_artifact_deploys() public {
        vm.chainId(MAINNET);
        vm.assertEq(EntryPoints.deploy(Version.V08), ENTRY_POINT_V08, "the address");
        _assertSame(ENTRY_POINT_V08);
        _assertSame(SENDER_CREATOR_V08);
    }

    function test_v09_and_its_sender_creator_name_each_other_at_their_own_addresses() public {
        address entryPoint = EntryPoints.deploy(Version.V09);

        address senderCreator = address(IEntryPoint(entryPoint).senderCreator());

        vm.assertEq(senderCreator, EntryPoints.SENDER_CREATOR_V09, "the SenderCreator that v0.9 calls");
        vm.assertEq(senderCreator, vm.computeCreateAddress(entryPoint, 1), "what its constructor created first");
        (bool byAnother, bytes memory refusal) =
            senderCreator.call(abi.encodeWithSignature("createSender(bytes)", abi.encodePacked(address(this))));
        vm.assertTrue(!byAnother, "another may call the SenderCreator");
        bytes memory expected = abi.encodeWithSignature(
            "NotFromEntryPoint(address,address,address)", address(this), senderCreator, entryPoint
        );
        vm.assertEq(refusal, expected, "whom the SenderCreator expects");
    }

    function test_v09_has_the_domain_of_the_chain_that_it_is_on() public {
        address entryPoint = EntryPoints.deploy(Version.V09);
        vm.chainId(31_337);

        (, string memory name, string memory version, uint256 chainId, address verifying,,) =
            IERC5267(entryPoint).eip712Domain();

        vm.assertEq(name, "ERC4337", "name");
        vm.assertEq(version, "1", "version");
        vm.assertEq(chainId, 31_337, "chain ID");
        vm.assertEq(verifying, entryPoint, "verifying contract");
    }

    function _assertSame(address deployed) private view {
        vm.assertEq(keccak256(deployed.code), keccak256(EntryPoints.predeployed(deployed)), "the code on mainnet");
    }
}
