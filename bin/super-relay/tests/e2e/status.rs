//! `/readyz` says whether this process can take requests, `/status` whether a sponsorship could
//! succeed now and what is missing. A dependency that others share takes no replica out of service.

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::support::{
    Ground, Process, Setup, World, eventually, freeze, limit_open_files, problem, ready, thaw, write_configuration,
};

fn impatient(configuration: &mut Value) {
    configuration["relay"]["chain"]["timeout_seconds"] = 5.into();
}

/// A node on this ground whose paymaster has not admitted its TEE.
async fn unadmitted(ground: &Ground) -> Process {
    let file = ground.data.path().join("unadmitted.toml");
    write_configuration(&ground.configuration, &file);
    Process::start("node", &file).await
}

async fn ops(process: &Process, path: &str) -> (u16, String) {
    let answer = devkit::http::get(format!("{}{path}", process.url("ops"))).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn where_nothing_is_missing_the_status_says_so_as_text_and_as_json() {
    let world = World::start(V07).await;
    let (code, text) = world.ops("/status").await;
    assert_eq!((code, text.lines().next()), (200, Some("ok")), "{text}");
    assert!(text.lines().skip(1).all(|line| line.ends_with(": ok")), "{text}");
    let client = devkit::http::client();
    let url = format!("{}/status", world.node.url("ops"));
    let answer: Value =
        client.get(url).header("accept", "application/json").send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["ok"], true);
    let names: Vec<_> = answer["checks"].as_array().unwrap().iter().map(|check| check["name"].clone()).collect();
    let all = json!([
        "process",
        "ports",
        "store",
        "claims",
        "kms",
        "tee",
        "relay_key",
        "ceilings",
        "allowances",
        "chain",
        "clocks",
        "signer",
        "window",
        "deposit",
        "settlement",
        "reconciliation",
        "relying_party"
    ]);
    assert_eq!(json!(names), all);
    assert_eq!(world.ops("/status?format=xml").await.0, 400);
}

/// A browser treats the port as the page's own origin if the page's name resolves to it (DNS
/// rebinding).
#[tokio::test]
async fn no_page_reads_status_or_metrics_and_a_person_with_a_browser_does() {
    let ground = Setup::of(V07).configure(|all| all["listen"]["ops_hosts"] = json!(["ops.example"])).prepare().await;
    let process = unadmitted(&ground).await;
    let (client, url) = (devkit::http::client(), process.url("ops"));
    let ask = async |path: &str, name: &str, value: &str| {
        let request = client.get(format!("{url}{path}")).header(name, value);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for path in ["/status", "/metrics"] {
        for (name, value, reason) in [
            ("origin", "http://evil.example", "origin_not_allowed"),
            ("sec-fetch-site", "same-origin", "origin_not_allowed"),
            ("host", "evil.example:3001", "host_not_allowed"),
        ] {
            let (status, text) = ask(path, name, value).await;
            assert_eq!((status, text.split(':').next()), (403, Some(reason)), "{path} {name}: {value}");
        }
        for (name, value) in [("sec-fetch-site", "none"), ("host", "ops.example:3001"), ("host", "localhost")] {
            assert_ne!(ask(path, name, value).await.0, 403, "{path} {name}: {value}");
        }
    }
    assert_eq!(ask("/livez", "host", "node.relay.example").await.0, 200);
}

/// Field case 06.
#[tokio::test]
async fn a_relay_key_that_the_tee_does_not_know_is_missing_and_the_relay_takes_requests() {
    let mut world = Setup::of(V07).start_apart().await;
    assert_eq!(world.problem("relay_key").await, None);
    world.node.kill().await;
    world.configuration["relay"]["relay_key"]["file"] = json!(world.file("another-key.json"));
    world.restart().await;

    ready(&world.node).await;
    assert_eq!(world.ops("/status").await.0, 503);
    let problem = world.problem("relay_key").await.unwrap();
    assert!(problem.contains("does not authorise the relay key 0x"), "{problem}");
    assert_eq!(world.problem("tee").await, None);
}

/// The KMS is called over HTTP.
#[tokio::test]
async fn a_remote_tee_that_does_not_sign_what_the_settings_allow_is_missing() {
    let lower = |all: &mut Value| all["bootstrap"]["max_cost_wei"] = "10000000000000000".into();
    let mut world = Setup::of(V07).configure(lower).start_apart().await;
    let cost = world.problem("ceilings").await.unwrap();
    for words in ["policy \"default\" (20000000000000000 wei)", "10000000000000000 wei (its ceiling maxCost)"] {
        assert!(cost.contains(words), "{cost}");
    }
    assert_eq!(world.problem("relay_key").await, None);

    let relay = &mut world.configuration["relay"];
    relay["policies"][0]["allow_without_passkey"] = true.into();
    let other = format!("0x{}", "11".repeat(20));
    let second = json!({ "entry_point": other, "version": "0.8", "paymaster": other });
    relay["deployments"].as_array_mut().unwrap().push(second);
    world.node.kill().await;
    world.restart().await;
    assert_eq!(world.ops("/status").await.0, 503);
    let ceilings = world.problem("ceilings").await.unwrap();
    let lacking = format!("lack chain 31337, EntryPoint {other} of version 0.8, paymaster {other}, which");
    assert!(ceilings.contains(&lacking) && ceilings.ends_with(&cost), "{ceilings}");
    let permission = world.problem("relay_key").await.unwrap();
    assert!(permission.contains("allow_without_passkey of policy \"default\""), "{permission}");
}

/// Field case 06.
#[tokio::test]
async fn a_tee_that_is_not_provisioned_is_missing_in_the_relay_and_in_the_kms() {
    let mut ground = Setup::of(V07).prepare().await;
    let data = ground.data.path().to_owned();
    let kms = json!({
        "listen": { "kms": "127.0.0.1:0", "ops": "127.0.0.1:0" },
        "log": { "format": "json" },
        "kms": ground.configuration.as_object_mut().unwrap().remove("kms"),
    });
    let file = data.join("kms.toml");
    write_configuration(&kms, &file);
    let kms = Process::start("kms", &file).await;
    ground.configuration.as_object_mut().unwrap().remove("bootstrap");
    ground.configuration["remote_kms"] = json!({ "urls": [kms.url("kms")] });
    let node = unadmitted(&ground).await;

    for process in [&node, &kms] {
        ready(process).await;
        assert_eq!(ops(process, "/status").await.0, 503);
        let problem = problem(process, "tee").await.unwrap();
        assert!(problem.contains("not provisioned"), "{problem}");
    }
    assert_eq!(problem(&node, "kms").await, None, "it answers");
    for name in ["relay_key", "signer", "ceilings"] {
        let unknown = "unknown: the TEE's signers and ceilings could not be read, see tee";
        assert_eq!(problem(&node, name).await.unwrap(), unknown, "{name}");
    }
}

#[tokio::test]
async fn an_origin_or_relying_party_that_the_tee_was_not_provisioned_with_is_missing() {
    let mut world = Setup::of(V07).start().await;
    assert_eq!(world.problem("relying_party").await, None);
    let sealed = world.configuration["kms"]["origins"].as_array().unwrap().clone();
    let later = "https://app.localhost";
    world.configuration["kms"]["origins"].as_array_mut().unwrap().push(later.into());
    world.node.kill().await;
    world.restart().await;
    let problem = world.problem("relying_party").await.unwrap();
    let had = sealed.iter().map(|origin| origin.as_str().unwrap()).collect::<Vec<_>>().join(", ");
    let told =
        format!("the TEE was provisioned without {later} of kms.origins, and accepts no passkeys there; it has: {had}");
    assert_eq!(problem, told);

    for section in ["kms", "relay"] {
        world.configuration[section]["rp_id"] = "app.localhost".into();
    }
    world.configuration["kms"]["origins"] = json!([later]);
    world.node.kill().await;
    world.restart().await;
    let problem = world.problem("relying_party").await.unwrap();
    let told = "the TEE was provisioned without the relying party \"app.localhost\" (kms.rp_id), and accepts none of its \
                passkeys; it has: \"localhost\"";
    assert_eq!(problem, told);
}

#[tokio::test]
async fn a_signer_that_the_contract_does_not_admit_and_a_deposit_that_is_not_there_are_missing() {
    let ground = Setup::of(V07).deposit(0).prepare().await;
    let node = unadmitted(&ground).await;
    ready(&node).await;
    let signer = problem(&node, "signer").await.unwrap();
    assert!(signer.contains("does not admit the TEE's signer 0x"), "{signer}");
    let deposit = problem(&node, "deposit").await.unwrap();
    assert!(deposit.contains("has a deposit of 0 gwei, of which 0 gwei are reserved"), "{deposit}");
    assert!(
        deposit.ends_with("max_cost_per_operation of the policies, 20000000000000000 wei: deposit() more"),
        "{deposit}"
    );
    let said = "ready, but not every sponsorship could succeed now: ";
    assert_eq!(node.log().iter().filter(|line| line.contains(said)).count(), 1);
}

#[tokio::test]
async fn a_chain_that_hangs_keeps_the_replica_ready_and_is_named_until_it_answers() {
    let world = Setup::of(V07).configure(impatient).start().await;
    freeze(world.anvil.process_id()).await;

    let chain = world.problem("chain").await.unwrap();
    assert!(chain.contains("the chain cannot answer now"), "{chain}");
    assert_eq!(world.ops("/livez").await.0, 200);
    ready(&world.node).await;

    thaw(world.anvil.process_id());
    eventually(async || (world.ops("/status").await.0 == 200).then_some(())).await;
}

/// As after a restore, or a remounted volume.
#[tokio::test]
async fn while_an_embedded_database_takes_no_write_the_replica_is_not_ready_and_names_it() {
    let world = World::start(V07).await;
    for (file, check) in [("relay.sqlite", "store"), ("kms/gateway.sqlite", "kms")] {
        let (database, away) = (world.file(file), world.file("away"));
        std::fs::rename(&database, &away).unwrap();
        eventually(async || {
            let (code, said) = world.ops("/readyz").await;
            (code == 503 && said.contains(file)).then_some(())
        })
        .await;
        assert_eq!(world.ops("/status").await.0, 503);
        let problem = world.problem(check).await.unwrap();
        assert!(problem.contains(file), "{problem}");
        assert_eq!(world.ops("/livez").await.0, 200, "a restart mends nothing");

        std::fs::rename(&away, &database).unwrap();
        ready(&world.node).await;
    }
}

#[tokio::test]
async fn a_replica_with_a_port_that_accepts_no_connections_is_not_ready_and_names_the_port() {
    let world = World::start(V07).await;
    // The probe's connection is open before the files run out.
    let (probe, ops) = (devkit::http::client(), world.node.url("ops"));
    let ask = async |path: &str| {
        let answer = probe.get(format!("{ops}{path}")).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for port in ["rpc", "kms"] {
        eventually(async || (ask("/readyz").await.0 == 200).then_some(())).await;
        limit_open_files(world.node.id(), Some(0));
        // The system accepts it, but the node cannot.
        let _waiting = TcpStream::connect(world.node.address(port)).await.unwrap();
        let refused = format!("listen.{port}: connections cannot be accepted: ");
        for (path, begins) in [("/readyz", "not ready: "), ("/status", "ports: ")] {
            eventually(async || {
                let (code, said) = ask(path).await;
                (code == 503 && said.contains(&format!("{begins}{refused}"))).then_some(())
            })
            .await;
        }
        limit_open_files(world.node.id(), None);
    }
    eventually(async || (ask("/status").await.0 == 200).then_some(())).await;
}
