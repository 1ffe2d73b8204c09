//! `super-relay admin`: a TEE is provisioned and commanded over HTTP, by a key in a file or a
//! wallet elsewhere.

mod hostile;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Key, Kms, Process, Setup, TeeAccount, World, admit_key_of_tee, run, run_answering, write_configuration,
};

const RELAY: &str = "0x1111111111111111111111111111111111111111";
const ADMIN: u8 = 7;

/// A KMS whose TEE is new, and the files of its admin.
struct NewTee {
    kms: Process,
    /// As reported by the TEE itself, which no one else has used.
    tee_id: String,
    folder: TempDir,
}

impl NewTee {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kms.toml");
        let configuration = json!({
            "listen": { "kms": "127.0.0.1:0", "ops": "127.0.0.1:0" },
            "log": { "format": "json" },
            "kms": { "data_dir": folder.path().join("kms") },
        });
        write_configuration(&configuration, &file);
        write_key(&folder.path().join("admin.key"), 0o600);
        std::fs::write(folder.path().join("tee.json"), setup().to_string()).unwrap();
        let kms = Process::start("kms", &file).await;
        let version = Kms::at(kms.url("kms")).get("/version").await.unwrap();
        Self { kms, tee_id: version["tee"]["id"].as_str().unwrap().to_owned(), folder }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().into()
    }

    /// The admin's key is in its file.
    async fn command(&self, arguments: &[&str]) -> Result<Value, String> {
        self.command_unnamed(&[&["--tee-id", &self.tee_id], arguments].concat()).await
    }

    /// The same without the TEE's id.
    async fn command_unnamed(&self, arguments: &[&str]) -> Result<Value, String> {
        let (url, key) = (self.kms.url("kms"), self.file("admin.key"));
        result(run(&[&["admin", "--kms", &url, "--key-file", &key], arguments].concat()).await)
    }

    /// The admin's key is in a wallet, which signs what is shown.
    async fn ask_wallet(&self, wallet: &Key, arguments: &[&str]) -> Result<Value, String> {
        let url = self.kms.url("kms");
        let sign = |line: &str| Some(wallet.sign_typed_data(line)?.to_string());
        let common = ["admin", "--kms", &url, "--tee-id", &self.tee_id];
        result(run_answering(&[&common, arguments].concat(), sign).await)
    }
}

fn write_key(path: &Path, mode: u32) {
    std::fs::write(path, hex::encode([ADMIN; 32])).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn setup() -> Value {
    json!({
        "relyingParties": [{ "id": "localhost", "origins": ["http://localhost:5173"] }],
        "ceilings": {
            "deployments": [{
                "chainId": 31337,
                "entryPoint": "0x0000000071727De22E5E9d8BAf0edAc6f37da032",
                "version": "0.7",
                "paymaster": "0x3333333333333333333333333333333333333333",
            }],
            "maxCost": "0x11c37937e08000",
            "maxWindow": 3600,
            "maxAccounts": 100,
        },
    })
}

fn result(output: Output) -> Result<Value, String> {
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

#[tokio::test]
async fn a_new_tee_is_provisioned_and_commanded_with_a_key_in_a_file() {
    let tee = NewTee::start().await;
    let setup = tee.file("tee.json");

    let provisioned = tee.command(&["provision", &setup]).await.unwrap();
    let admin = Key::new(ADMIN).address().to_string();
    assert_eq!(provisioned["signers"]["admin"].as_str().unwrap().to_lowercase(), admin.to_lowercase());
    assert_eq!(provisioned["signers"]["counter"], 1);
    assert!(provisioned["measurement"].is_string());
    let again = tee.command(&["provision", &setup]).await.unwrap_err();
    assert!(again.contains("already_provisioned"), "{again}");

    let authorised = tee.command(&["authorize", RELAY]).await.unwrap();
    let relay = json!([{
        "record": 2,
        "authorisedAs": RELAY,
        "address": RELAY,
        "permissions": ["sponsor", "sign_user_operation", "rotate"],
        "rotations": 0,
    }]);
    assert_eq!(authorised["signers"]["signers"], relay);
    let revoked = tee.command(&["revoke", RELAY]).await.unwrap();
    let tee_id = &revoked["signers"]["teeId"];
    let command = json!({ "teeId": tee_id, "record": 2, "authorisedAs": RELAY, "counter": 3 });
    assert_eq!(revoked["command"], command);
    assert_eq!(revoked["signers"]["signers"], json!([]));
    assert_eq!(tee.command(&["set-ceilings", &setup]).await.unwrap()["signers"]["counter"], 4);
}

#[tokio::test]
async fn the_admin_grants_a_deployment_a_total_with_a_key_in_a_file_or_in_a_wallet() {
    let tee = NewTee::start().await;
    let too_early = tee.command(&["set-allowance", "1"]).await.unwrap_err();
    assert!(too_early.contains("provision it first"), "{too_early}");
    tee.command(&["provision", &tee.file("tee.json")]).await.unwrap();
    let set = tee.command(&["set-allowance", "5000000000000000000"]).await.unwrap();
    let deployment = &setup()["ceilings"]["deployments"][0];
    assert_eq!(set["command"]["total"], "0x4563918244f40000");
    assert_eq!(set["command"]["deployment"]["paymaster"], deployment["paymaster"]);
    let allowances = &set["signers"]["allowances"];
    assert_eq!((&allowances[0]["granted"], &allowances[0]["spent"]), (&json!("0x4563918244f40000"), &json!("0x0")));
    for wrong in [["--paymaster", RELAY], ["--chain-id", "1"], ["--entry-point", RELAY]] {
        let refusal = tee.command(&[&["set-allowance", "1"], &wrong[..]].concat()).await.unwrap_err();
        assert!(refusal.contains("no such deployment"), "{refusal}");
    }
    let refusal = tee.command(&["set-allowance", "1e18"]).await.unwrap_err();
    assert!(refusal.contains("wei in decimal or hex"), "{refusal}");

    // A file with several deployments: one has to be chosen.
    let mut two = setup();
    let mut other = deployment.clone();
    other["chainId"] = 1.into();
    two["ceilings"]["deployments"].as_array_mut().unwrap().push(other);
    std::fs::write(tee.folder.path().join("two.json"), two.to_string()).unwrap();
    tee.command(&["set-ceilings", &tee.file("two.json")]).await.unwrap();
    let refusal = tee.command(&["set-allowance", "7"]).await.unwrap_err();
    assert!(refusal.contains("choose one: --chain-id 31337") && refusal.contains("--chain-id 1 "), "{refusal}");
    let set = tee.command(&["set-allowance", "0x7", "--chain-id", "1"]).await.unwrap();
    assert_eq!(set["signers"]["allowances"][1]["granted"], "0x7");

    let stranger = Key::new(9);
    let refusal = tee.ask_wallet(&stranger, &["set-allowance", "8", "--chain-id", "1"]).await.unwrap_err();
    assert!(refusal.contains("admin"), "{refusal}");
    let set = tee.ask_wallet(&Key::new(ADMIN), &["set-allowance", "8", "--chain-id", "1"]).await.unwrap();
    assert_eq!(set["signers"]["allowances"][1]["granted"], "0x8");
}

#[tokio::test]
async fn a_wallet_elsewhere_is_shown_typed_data_and_signs_it() {
    let tee = NewTee::start().await;
    let (setup, wallet) = (tee.file("tee.json"), Key::new(9));
    let address = wallet.address().to_string();

    let too_early = tee.ask_wallet(&wallet, &["authorize", RELAY]).await.unwrap_err();
    assert!(too_early.contains("provision it first"), "{too_early}");
    let unnamed = tee.ask_wallet(&wallet, &["provision", &setup]).await.unwrap_err();
    assert!(unnamed.contains("--admin"), "{unnamed}");
    tee.ask_wallet(&wallet, &["--admin", &address, "provision", &setup]).await.unwrap();

    let stranger = tee.ask_wallet(&Key::new(8), &["authorize", RELAY]).await.unwrap_err();
    assert!(stranger.contains("not by 0x"), "{stranger}");
    let arguments = ["authorize", RELAY, "--permissions", "sponsor"];
    let authorised = tee.ask_wallet(&wallet, &arguments).await.unwrap();
    let signer = &authorised["signers"]["signers"][0];
    assert_eq!((&signer["address"], &signer["permissions"]), (&json!(RELAY), &json!(["sponsor"])));
}

#[tokio::test]
async fn nothing_is_sent_without_a_signature_or_for_an_unknown_permission() {
    let tee = NewTee::start().await;
    let (url, file) = (tee.kms.url("kms"), tee.file("tee.json"));
    let arguments = ["admin", "--kms", &url, "--tee-id", &tee.tee_id, "--admin", RELAY, "provision", &file];
    let unsigned = result(run(&arguments).await).unwrap_err();
    assert!(unsigned.contains("no signature given"), "{unsigned}");
    tee.command(&["provision", &file]).await.unwrap();

    let unknown = tee.command(&["authorize", RELAY, "--permissions", "everything"]).await.unwrap_err();
    assert!(unknown.contains("expected one of sponsor,"), "{unknown}");
    let origin = |origin: &str| setup().to_string().replace("http://localhost:5173", origin);
    let twice = setup().to_string().replace(r#""maxWindow":3600"#, r#""maxWindow":3600,"maxWindow":9999"#);
    let misspelt = setup().to_string().replace("maxCost", "maxCosts");
    let files = [
        (misspelt, "maxCosts"),
        (twice, "duplicate field"),
        (origin("http://localhost:5173/"), "browsers write"),
        (origin("HTTPS://localhost"), "browsers write"),
        (origin("https://localhost:443"), "browsers write"),
        (origin("https://notlocalhost"), "does not belong"),
        (origin("ftp://localhost"), "is not an origin"),
        (origin("android:apk-key-hash:4E:B4:88"), "expected the SHA-256"),
        (origin("localhost:5173"), "is not an origin"),
    ];
    for (text, words) in files {
        let file = tee.file("wrong.json");
        std::fs::write(&file, text).unwrap();
        let refused = tee.command(&["set-ceilings", &file]).await.unwrap_err();
        assert!(refused.contains(words), "{refused}");
    }
}

#[tokio::test]
async fn a_key_that_others_may_read_is_not_used() {
    let tee = NewTee::start().await;
    write_key(tee.folder.path().join("admin.key").as_path(), 0o640);
    let refused = tee.command(&["provision", &tee.file("tee.json")]).await.unwrap_err();
    assert!(refused.contains("chmod 600"), "{refused}");
}

#[tokio::test]
async fn a_command_for_another_counter_than_the_next_has_no_effect() {
    let tee = NewTee::start().await;
    tee.command(&["provision", &tee.file("tee.json")]).await.unwrap();

    for counter in ["1", "3"] {
        let refused = tee.command(&["--counter", counter, "authorize", RELAY]).await.unwrap_err();
        assert!(refused.contains("counter"), "{refused}");
    }
    let done = tee.command(&["--counter", "2", "authorize", RELAY]).await.unwrap();
    assert_eq!((&done["command"]["counter"], &done["signers"]["counter"]), (&json!(2), &json!(2)));
}

#[tokio::test]
async fn a_tee_id_reported_by_the_gateway_is_accepted_only_on_request() {
    let tee = NewTee::start().await;
    let file = tee.file("tee.json");
    let refused = tee.command_unnamed(&["provision", &file]).await.unwrap_err();
    for way in ["--quote-verifier", "--tee-id", "--unattested"] {
        assert!(refused.contains(way), "{refused}");
    }
    let refused = tee.command(&["provision", "--unattested", &file]).await.unwrap_err();
    assert!(refused.contains("omit it when --tee-id is given"), "{refused}");
    let provisioned = tee.command_unnamed(&["provision", "--unattested", &file]).await.unwrap();
    assert_eq!(provisioned["command"]["teeId"], tee.tee_id);
    let refused = tee.command_unnamed(&["authorize", RELAY]).await.unwrap_err();
    assert!(refused.contains("--tee-id"), "{refused}");
    tee.command(&["authorize", RELAY]).await.unwrap();
}

#[tokio::test]
async fn the_id_of_a_new_tee_comes_from_a_verified_quote() {
    let tee = NewTee::start().await;
    let file = tee.file("tee.json");
    let verifier = |name: &str, script: &str| {
        let program = tee.folder.path().join(name);
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        program.to_str().unwrap().to_owned()
    };
    let strict = verifier("strict", "cat >/dev/null; echo 'refused: no quote' >&2; exit 1");
    let refused = tee.command_unnamed(&["provision", "--quote-verifier", &strict, &file]).await.unwrap_err();
    assert!(refused.contains("the quote is not valid") && refused.contains("refused: no quote"), "{refused}");
    // It gets its arguments, a nonce of 32 bytes, and the answer to that nonce.
    let check = "echo \"$4\" >>\"$0.nonces\"; [ \"$1 $2 $3\" = '--elf ta.elf --nonce' ] && [ ${#4} = 66 ] && grep -q \"nonce.:.$4\"";
    let lenient = format!("{} --elf ta.elf", verifier("lenient", check));
    // A quote of a different TEE than the named one.
    let other = format!("0x{}", "22".repeat(32));
    let named = ["--tee-id", &other, "provision", "--quote-verifier", &lenient, &file];
    let refused = tee.command_unnamed(&named).await.unwrap_err();
    assert!(refused.contains(&format!("the quote is of {}", tee.tee_id)), "{refused}");
    let provisioned = tee.command_unnamed(&["provision", "--quote-verifier", &lenient, &file]).await.unwrap();
    assert_eq!(provisioned["command"]["teeId"], tee.tee_id);
    let nonces = std::fs::read_to_string(tee.folder.path().join("lenient.nonces")).unwrap();
    let nonces: Vec<_> = nonces.lines().collect();
    assert_eq!(nonces.len(), 2);
    assert_ne!(nonces[0], nonces[1], "each run asks for a quote over a nonce of its own");
}

#[tokio::test]
async fn a_relay_key_is_revoked_by_its_address_and_its_record() {
    let tee = NewTee::start().await;
    tee.command(&["provision", &tee.file("tee.json")]).await.unwrap();
    tee.command(&["authorize", RELAY]).await.unwrap();
    let stranger = "0x2222222222222222222222222222222222222222";
    let refused = tee.command(&["revoke", stranger]).await.unwrap_err();
    assert!(
        refused.contains("no record of a relay key has or had") && refused.contains("nothing was sent"),
        "{refused}"
    );
    let refused = tee.command(&["revoke", RELAY, "--record", "7"]).await.unwrap_err();
    assert!(refused.contains("nothing was sent"), "{refused}");
    let revoked = tee.command(&["revoke", RELAY, "--record", "2"]).await.unwrap();
    assert_eq!(revoked["signers"]["signers"], json!([]));
}

#[tokio::test]
async fn the_paymaster_key_is_prepared_and_rotated() {
    let tee = NewTee::start().await;
    let before = tee.command(&["provision", &tee.file("tee.json")]).await.unwrap()["signers"].clone();
    let prepared = tee.command(&["prepare-paymaster-key"]).await.unwrap()["signers"].clone();
    assert_eq!(prepared["paymasterSigner"], before["paymasterSigner"]);
    let standby = prepared["standbyPaymasterSigner"].as_str().unwrap();
    let refused = tee.command(&["rotate-paymaster-key", RELAY]).await.unwrap_err();
    assert!(refused.contains("standby_key_mismatch"), "{refused}");
    let rotated = tee.command(&["rotate-paymaster-key", standby]).await.unwrap()["signers"].clone();
    assert_eq!(rotated["paymasterSigner"], standby);
    assert_eq!((&rotated["standbyPaymasterSigner"], &rotated["teeId"]), (&Value::Null, &before["teeId"]));
}

#[tokio::test]
async fn a_relay_key_sponsors_from_its_authorisation_to_its_revocation() {
    let world = Setup::of(V07).start_apart().await;
    let relay = world.kms().relay_signers().await.remove(0);

    command(&world, &["revoke", &relay]).await.unwrap();
    sponsor(&world).await.unwrap_err().is_final(-32501, "signer_not_authorised");

    command(&world, &["authorize", &relay]).await.unwrap();
    let answer = sponsor(&world).await.unwrap();
    assert!(world.entry_point().handle_ops(&answer["userOperation"]).await.unwrap().success);
}

#[tokio::test]
async fn a_paymaster_key_that_the_contract_admitted_in_advance_signs_what_is_mined() {
    let world = Setup::of(V07).start_apart().await;
    let prepared = command(&world, &["prepare-paymaster-key"]).await.unwrap()["signers"].clone();
    let standby = prepared["standbyPaymasterSigner"].as_str().unwrap();
    admit_key_of_tee(&world.paymaster, &world.kms(), standby).await;
    let before = sponsor(&world).await.unwrap();
    assert_eq!(before["teeDeviceId"], prepared["paymasterSigner"]);

    command(&world, &["rotate-paymaster-key", standby]).await.unwrap();
    let after = sponsor(&world).await.unwrap();
    assert_eq!(after["teeDeviceId"], standby);
    for answer in [after, before] {
        assert!(world.entry_point().handle_ops(&answer["userOperation"]).await.unwrap().success);
    }
}

async fn command(world: &World, arguments: &[&str]) -> Result<Value, String> {
    let (url, key) = (world.kms().url().to_string(), world.file("admin.key"));
    let version = world.kms().get("/version").await.unwrap();
    let tee_id = version["tee"]["id"].as_str().unwrap();
    let common = ["admin", "--kms", &url, "--tee-id", tee_id, "--key-file", path(&key)];
    result(run(&[&common, arguments].concat()).await)
}

async fn sponsor(world: &World) -> Result<Value, crate::support::Refusal> {
    let mut account = TeeAccount::create(world).await;
    let operation = account.operation(world).await;
    account.sponsored(world, &operation).await
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
