// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {vm} from "./Vm.sol";

enum Version {
    V06,
    V07,
    V08,
    V09
}

/// @dev Deploys the EntryPoints and accounts that the account-abstraction packages publish, as
/// bytecode, never recompiled.
library EntryPoints {
    address private constant CREATE2_DEPLOYER = 0x4e59b44847b379578588920cA78FbF26c0B4956C;
    bytes private constant CREATE2_DEPLOYER_CODE =
        hex"7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3";

    /// @dev v0.6 to v0.8 land on their canonical addresses. The package of v0.9 is a release
    /// candidate, so its address differs.
    function deploy(Version version) internal returns (address) {
        return create2(salt(version), published(version, "EntryPoint"));
    }

    function published(Version version, string memory name) internal view returns (bytes memory creationCode) {
        string memory path = string.concat("node_modules/", package(version), "/artifacts/", name, ".json");
        return vm.parseJsonBytes(vm.readFile(path), ".bytecode");
    }

    function create2(bytes32 salt_, bytes memory creationCode) internal returns (address deployed) {
        vm.etch(CREATE2_DEPLOYER, CREATE2_DEPLOYER_CODE);
        (bool success, bytes memory result) = CREATE2_DEPLOYER.call(bytes.concat(salt_, creationCode));
        require(success && result.length == 20, "create2 failed");
        deployed = address(bytes20(result));
    }

    function package(Version version) private pure returns (string memory) {
        if (version == Version.V06) return "aa-v06";
        if (version == Version.V07) return "aa-v07";
        if (version == Version.V08) return "aa-v08";
        return "aa-v09";
    }

    function salt(Version version) private pure returns (bytes32) {
        if (version == Version.V07) return 0x90d8084deab30c2a37c45e8d47f49f2f7965183cb6990a98943ef94940681de3;
        if (version == Version.V08) return 0x0a59dbff790c23c976a548690c27297883cc66b4c67024f9117b0238995e35e9;
        return 0;
    }
}
