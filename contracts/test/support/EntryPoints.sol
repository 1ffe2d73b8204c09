// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {vm} from "./Vm.sol";

enum Version {
    V06,
    V07,
    V08,
    V09
}

/// @dev Deploys the EntryPoints and accounts that npm has, as bytecode, never recompiled. All
/// EntryPoints land on their canonical addresses.
library EntryPoints {
    address private constant CREATE2_DEPLOYER = 0x4e59b44847b379578588920cA78FbF26c0B4956C;
    bytes private constant CREATE2_DEPLOYER_CODE =
        hex"7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3";

    address internal constant ENTRY_POINT_V09 = 0x433709009B8330FDa32311DF1C2AFA402eD8D009;
    address internal constant SENDER_CREATOR_V09 = 0x0A630a99Df908A81115A3022927Be82f9299987e;
    bytes32 private constant ENTRY_POINT_V09_SHA256 =
        0xf0d229c3dc08a14b41cbd87911c96f9180a55c63aabae897a13aa6cf6f64299a;
    bytes32 private constant SENDER_CREATOR_V09_SHA256 =
        0xc595adabcf5209e80dc8885eded4a1f460396a16f7e79c0fe5a81a92c0d5911b;

    /// @dev The package of v0.9 is a release candidate, so the final one's runtime code is set.
    function deploy(Version version) internal returns (address) {
        if (version != Version.V09) return create2(salt(version), published(version, "EntryPoint"));
        etch(ENTRY_POINT_V09, ENTRY_POINT_V09_SHA256);
        etch(SENDER_CREATOR_V09, SENDER_CREATOR_V09_SHA256);
        return ENTRY_POINT_V09;
    }

    /// @dev The runtime code of a contract on mainnet, from hardhat-predeploy.
    function predeployed(address deployed) internal view returns (bytes memory) {
        string memory file = string.concat(vm.toString(deployed), ".bytecode");
        return vm.readFileBinary(string.concat("node_modules/hardhat-predeploy/bin/", file));
    }

    function etch(address deployed, bytes32 digest) private {
        bytes memory code = predeployed(deployed);
        require(sha256(code) == digest, "not the code of mainnet");
        vm.etch(deployed, code);
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
