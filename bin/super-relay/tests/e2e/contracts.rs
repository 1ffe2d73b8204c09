//! `super-relay contracts`: a paymaster is put into service from the command line, and sponsors an
//! operation; what is done already is not sent again.

mod hostile;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use alloy_signer_local::PrivateKeySigner;
use devkit::EntryPointVersion::{self, V07};
use devkit::{Address, Anvil, U256};
use rand_core::OsRng;
use serde_json::{Value, json};

use crate::support::{ETHER, Ground, Key, Rpc, Setup, TeeAccount, run, run_in};

const OWNER: u8 = 9;
const GUARDIAN: u8 = 8;
const SIGNER: &str = "0x1111111111111111111111111111111111111111";
const MEASUREMENT: &str = "0x2222222222222222222222222222222222222222222222222222222222222222";
const TEE_ID: &str = "0x3333333333333333333333333333333333333333333333333333333333333333";

on_every_version! { a_paymaster_that_was_deployed_and_funded_by_commands_sponsors }

async fn a_paymaster_that_was_deployed_and_funded_by_commands_sponsors(version: EntryPointVersion) {
    let mut ground = Setup::of(version).prepare().await;
    let owner = Operator::new(&ground, OWNER).await;
    let deploy = owner.deployment(&ground, "0");
    let chain = Rpc::at(ground.anvil.url().to_string());

    let shown = done(&owner.run(&[&["--dry-run"][..], &strs(&deploy)].concat()).await);
    let paymaster = shown["paymaster"].as_str().unwrap().to_owned();
    let transaction = &shown["transaction"];
    assert_eq!((&transaction["chainId"], &transaction["value"]), (&json!(31337), &json!("0")));
    assert_eq!(lower(&transaction["from"]), owner.address);
    let unconfirmed = owner.run(&strs(&deploy)).await;
    assert!(refused(&unconfirmed, 1).contains("repeat the command with --yes"));
    assert_eq!(chain.call("eth_getCode", json!([paymaster, "latest"])).await.unwrap(), "0x");

    let deployed = done(&owner.send(&strs(&deploy)).await);
    let (gas, cost) = (&deployed["transactions"][0]["gasUsed"], number(&deployed["transactions"][0]["cost"]));
    assert!(gas.as_u64().unwrap() <= transaction["gasLimit"].as_u64().unwrap());
    assert!(cost <= number(&transaction["maxCost"]));
    assert_eq!(
        (&deployed["paymaster"]["address"], lower(&deployed["paymaster"]["owner"])),
        (&json!(paymaster), owner.address.clone())
    );
    let again = done(&owner.send(&strs(&deploy)).await);
    assert_eq!((&again["transactions"], &again["paymaster"]), (&json!([]), &deployed["paymaster"]));

    let at = ["--paymaster", paymaster.as_str()];
    let stake = [&["stake"][..], &at, &["0.1ether", "--up-to", "--unstake-delay", "86400"]].concat();
    let deposit = [&["deposit"][..], &at, &["0.5ether", "--up-to"]].concat();
    done(&owner.send(&deposit).await);
    let staked = done(&owner.send(&stake).await)["paymaster"].clone();
    assert_eq!((number(&staked["deposit"]), number(&staked["stake"])), (U256::from(ETHER / 2), U256::from(ETHER / 10)));
    assert_eq!((&staked["staked"], &staked["unstakeDelay"]), (&json!(true), &json!(86400)));
    for command in [&deposit, &stake] {
        assert_eq!(done(&owner.send(command).await)["transactions"], json!([]));
    }

    ground.configuration["relay"]["deployments"][0]["paymaster"] = json!(paymaster);
    let world = ground.start().await;
    let (signers, tee) = (world.kms().get("/admin/signers").await.unwrap(), world.kms().get("/version").await.unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let [signer, measurement, tee_id] =
        [&signers["paymasterSigner"], &tee["tee"]["measurement"], &tee["tee"]["id"]].map(text);
    let attested = ["--signer", &signer, "--measurement", &measurement, "--tee-id", &tee_id];
    let admitted = done(&owner.send(&[&["admit"][..], &at, &attested].concat()).await);
    assert_eq!(admitted["transactions"].as_array().unwrap().len(), 2, "no delay: proposed and activated");
    assert_eq!(admitted["paymaster"]["signer"]["active"], true);

    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let sponsored = account.sponsored(&world, &operation).await.unwrap();
    let handled = world.entry_point().handle_ops(&sponsored["userOperation"]).await.unwrap();
    assert_eq!((handled.success, handled.paymaster), (true, paymaster.parse::<Address>().unwrap()));
}

#[tokio::test]
async fn a_signer_waits_for_the_delay_and_can_be_removed() {
    let ground = Setup::of(V07).prepare().await;
    let owner = Operator::new(&ground, OWNER).await;
    let guardian = Operator::new(&ground, GUARDIAN).await;
    let deployed = done(&owner.send(&strs(&owner.deployment(&ground, "86400"))).await);
    let paymaster = deployed["paymaster"]["address"].as_str().unwrap();
    let at = ["--paymaster", paymaster];
    let admit = |measurement: &'static str| {
        [&["admit"][..], &at, &["--signer", SIGNER, "--measurement", measurement, "--tee-id", TEE_ID]].concat()
    };

    let proposed = done(&owner.send(&admit(MEASUREMENT)).await)["paymaster"]["signer"].clone();
    assert_eq!((&proposed["active"], &proposed["measurement"]), (&json!(false), &json!(MEASUREMENT)));
    let early = refused(&owner.send(&admit(MEASUREMENT)).await, 1);
    assert!(early.contains(&format!("from {} on", proposed["activatableAt"])), "{early}");
    let other = refused(&owner.send(&admit(TEE_ID)).await, 1);
    assert!(other.contains(&format!("is known with measurement {MEASUREMENT}")), "{other}");
    ground.anvil.increase_time(86_400).await.unwrap();
    ground.anvil.mine(1).await.unwrap();
    let active = done(&owner.send(&admit(MEASUREMENT)).await);
    assert_eq!(active["paymaster"]["signer"]["active"], true);
    assert_eq!(done(&owner.send(&admit(MEASUREMENT)).await)["transactions"], json!([]));

    let [pause, unpause] = ["pause", "unpause"].map(|command| [&[command][..], &at].concat());
    assert_eq!(done(&guardian.send(&pause).await)["paymaster"]["paused"], true);
    assert_eq!(done(&owner.send(&pause).await)["transactions"], json!([]));
    let unauthorised = refused(&guardian.send(&unpause).await, 1);
    assert!(unauthorised.contains("would revert: OwnableUnauthorizedAccount { account: 0x"), "{unauthorised}");
    assert_eq!(done(&owner.send(&unpause).await)["paymaster"]["paused"], false);
    let remove = [&["remove-signer"][..], &at, &[SIGNER]].concat();
    assert_eq!(done(&guardian.send(&remove).await)["paymaster"]["signer"]["active"], false);
    assert_eq!(done(&owner.send(&remove).await)["transactions"], json!([]));
}

#[tokio::test]
async fn deposit_and_stake_come_back_to_whom_the_owner_names() {
    let ground = Setup::of(V07).prepare().await;
    let owner = Operator::new(&ground, OWNER).await;
    let paymaster = done(&owner.send(&strs(&owner.deployment(&ground, "0"))).await)["paymaster"]["address"].clone();
    let at = ["--paymaster", paymaster.as_str().unwrap()];
    let heir = format!("{:#x}", Address::repeat_byte(0x77));
    let to = ["--to", heir.as_str()];

    done(&owner.send(&[&["deposit"][..], &at, &["0.3ether"]].concat()).await);
    done(&owner.send(&[&["stake"][..], &at, &["0.2ether", "--unstake-delay", "60"]].concat()).await);
    let withdrawn = done(&owner.send(&[&["withdraw"][..], &at, &to, &["0.1ether"]].concat()).await);
    assert_eq!(number(&withdrawn["paymaster"]["deposit"]), U256::from(ETHER / 5));
    let locked = refused(&owner.send(&[&["withdraw-stake"][..], &at, &to].concat()).await, 1);
    assert!(locked.contains("would revert") && locked.contains("must call unlockStake"), "{locked}");
    let unlocked = done(&owner.send(&[&["unlock-stake"][..], &at].concat()).await);
    assert_eq!(unlocked["paymaster"]["staked"], false);
    ground.anvil.increase_time(60).await.unwrap();
    ground.anvil.mine(1).await.unwrap();
    done(&owner.send(&[&["withdraw-stake"][..], &at, &to].concat()).await);
    let status = done(&owner.run(&[&["status"][..], &at].concat()).await);
    assert_eq!(number(&status["paymaster"]["stake"]), U256::ZERO);
    let received = ground.anvil.balance(Address::repeat_byte(0x77)).await.unwrap();
    assert_eq!(received, U256::from(3 * ETHER / 10));
}

#[tokio::test]
async fn nothing_is_sent_to_another_chain_or_contract_or_without_a_key_that_is_kept() {
    let ground = Setup::of(V07).prepare().await;
    let owner = Operator::new(&ground, OWNER).await;
    let poor = Operator { balance: 0, ..Operator::new(&ground, 7).await };
    poor.fund(&ground.anvil).await;
    let deploy = owner.deployment(&ground, "0");
    let ours = ground.paymaster.address().to_string();
    let deposit = ["deposit", "--paymaster", &ours, "1ether", "--dry-run"];

    let rehearsed = done(&owner.send(&deposit).await);
    assert_eq!(
        (&rehearsed["dryRun"], &rehearsed["transactions"]),
        (&json!(true), &Value::Null),
        "whatever else is said"
    );
    let elsewhere = refused(&run(&owner.line("1", &[&["--yes"][..], &strs(&deploy)].concat())).await, 1);
    assert!(elsewhere.contains("the node is of chain 31337, not 1"), "{elsewhere}");
    let keyless = ["contracts", "--rpc-url", &owner.url, "--chain-id", "31337"];
    let missing = refused(&run(&[&keyless[..], &["--yes", "pause", "--paymaster", &ours]].concat()).await, 1);
    assert!(missing.contains("--key-file"), "{missing}");
    let from = [&keyless[..], &["--from", &poor.address, "--dry-run", "pause", "--paymaster", &ours]].concat();
    let stranger = refused(&run(&from).await, 1);
    assert!(stranger.contains("CallerIsNeitherOwnerNorGuardian"), "{stranger}");
    let deployer = ground.anvil.deployer().to_string();
    let from = [&keyless[..], &["--from", &deployer, "--dry-run", "pause", "--paymaster", &ours]].concat();
    let shown = done(&run(&from).await);
    assert_eq!(
        (&shown["transaction"]["data"], lower(&shown["transaction"]["to"])),
        (&json!("0x8456cb59"), ours.to_lowercase())
    );

    for (operator, command, words) in [
        (&poor, &deposit[..], "has 0 wei, and needs at least 1000000000000000000 wei"),
        (&owner, &["status", "--paymaster", SIGNER], "no paymaster at 0x1111111111111111111111111111111111111111"),
        (&owner, &["status", "--paymaster", &entry_point_of(&ground)], "is not one of our paymaster contracts"),
    ] {
        let said = refused(&operator.run(command).await, 1);
        assert!(said.contains(words), "{command:?}: {said}");
    }
    let mut on_nothing = strs(&deploy);
    let entry_point = entry_point_of(&ground);
    on_nothing.iter_mut().filter(|word| **word == entry_point).for_each(|word| *word = SIGNER);
    let said = refused(&owner.send(&on_nothing).await, 1);
    assert!(said.contains("no EntryPoint at 0x1111111111111111111111111111111111111111"), "{said}");
    std::fs::set_permissions(&owner.key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(refused(&owner.send(&strs(&deploy)).await, 1).contains("chmod 600"));

    let secret = "a-key-of-the-node-in-the-url";
    let url = format!("http://127.0.0.1:1/{secret}");
    let line = ["contracts", "--chain-id", "1", "status", "--paymaster", &ours];
    let unreached = refused(&run_in(&[("ETH_RPC_URL", &url)], &line).await, 1);
    assert!(unreached.contains("the node: eth_chainId") && !unreached.contains(secret), "{unreached}");
}

#[tokio::test]
async fn a_keystore_signs_with_its_passphrase() {
    let ground = Setup::of(V07).prepare().await;
    let owner = Operator::new(&ground, OWNER).await;
    let folder = ground.data.path();
    PrivateKeySigner::encrypt_keystore(folder, &mut OsRng, [OWNER; 32], "open sesame", Some("owner.json")).unwrap();
    let keystore = folder.join("owner.json");
    std::fs::set_permissions(&keystore, std::fs::Permissions::from_mode(0o600)).unwrap();
    let passphrase = private(folder, "owner.passphrase", "open sesame\n");
    let ours = ground.paymaster.address().to_string();

    let line = ["contracts", "--rpc-url", &owner.url, "--chain-id", "31337", "--key-file", keystore.to_str().unwrap()];
    let rest = ["--passphrase-file", &passphrase, "--yes", "deposit", "--paymaster", &ours, "1gwei"];
    let sent = done(&run(&[&line[..], &rest].concat()).await);
    assert_eq!(lower(&sent["transactions"][0]["from"]), owner.address);
    assert_eq!(number(&sent["paymaster"]["deposit"]), U256::from(ETHER + 1_000_000_000));
}

/// Somebody with a key in a file, and wei on the chain.
struct Operator {
    url: String,
    key: String,
    address: String,
    balance: u128,
}

impl Operator {
    async fn new(ground: &Ground, seed: u8) -> Self {
        let key = private(ground.data.path(), &format!("{seed}.key"), &hex::encode([seed; 32]));
        let address = Key::new(seed).address().to_string().to_lowercase();
        let operator = Self { url: ground.anvil.url().to_string(), key, address, balance: 10 * ETHER };
        operator.fund(&ground.anvil).await;
        operator
    }

    async fn fund(&self, anvil: &Anvil) {
        let params = json!([self.address, format!("{:#x}", self.balance)]);
        Rpc::at(anvil.url().to_string()).call("anvil_setBalance", params).await.unwrap();
    }

    /// The options of a paymaster of this owner.
    fn deployment(&self, ground: &Ground, delay: &str) -> Vec<String> {
        let entry_point = &ground.deployment.entry_point;
        let guardian = Key::new(GUARDIAN).address().to_string();
        [
            ["deploy", "--entry-point-version"],
            [&entry_point.version().to_string(), "--entry-point"],
            [&entry_point.address().to_string(), "--owner"],
            [&self.address, "--guardian"],
            [&guardian, "--activation-delay"],
            [delay, "--max-window"],
        ]
        .concat()
        .into_iter()
        .chain(["3600"])
        .map(str::to_owned)
        .collect()
    }

    fn line<'a>(&'a self, chain_id: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
        let common = ["contracts", "--rpc-url", &self.url, "--chain-id", chain_id, "--key-file", &self.key];
        [&common[..], arguments].concat()
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        run(&self.line("31337", arguments)).await
    }

    async fn send(&self, arguments: &[&str]) -> Output {
        self.run(&[&["--yes"][..], arguments].concat()).await
    }
}

fn entry_point_of(ground: &Ground) -> String {
    ground.deployment.entry_point.address().to_string()
}

fn private(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    file.to_str().unwrap().to_owned()
}

fn strs(line: &[String]) -> Vec<&str> {
    line.iter().map(String::as_str).collect()
}

#[track_caller]
fn done(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn refused(output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

fn lower(field: &Value) -> String {
    field.as_str().unwrap().to_lowercase()
}

fn number(field: &Value) -> U256 {
    field.as_str().unwrap().parse().unwrap()
}
