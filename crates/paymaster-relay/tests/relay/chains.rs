//! One relay of two chains, on which the contracts have the same addresses.

use devkit::EntryPointVersion::V07;
use jsonrpsee::core::client::ClientT;
use jsonrpsee::rpc_params;
use jsonrpsee_ws_client::WsClientBuilder;
use paymaster_relay::RelayError;
use paymaster_relay::chain::ChainError;
use paymaster_relay::clients::NewApiKey;
use paymaster_relay::status::Check;
use proto::EntryPoint;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Client, Dapp, Fault, Node, Other, Refusal, World, deployment_json, server};

const ETHER: u128 = 10u128.pow(18);
const OTHER: u64 = 31338;

/// Two chains, the second behind a node with injected faults.
struct Two {
    world: World,
    other: Other,
    node: Node,
}

impl Two {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Value)) -> Self {
        let other = Other::new(OTHER, V07, ETHER).await;
        let node = Node::before(other.anvil.url().as_str());
        let listed = |settings: &mut Value| {
            let mut here = settings.as_object_mut().unwrap().remove("chain").unwrap();
            here["timeout_seconds"] = 5.into();
            let mut there = here.clone();
            (there["chain_id"], there["rpc_url"]) = (OTHER.into(), node.url().into());
            settings["chains"] = json!([here, there]);
            settings["deployments"][0]["chain_id"] = 31337.into();
            let mut there = deployment_json(V07, &other.chain, &other.paymaster);
            there["chain_id"] = OTHER.into();
            settings["deployments"].as_array_mut().unwrap().push(there);
            change(settings);
        };
        let world = World::beside(&[&other], V07, ETHER, listed).await;
        assert_eq!(world.entry_point(), other.chain.entry_point.address().to_checksum(None));
        assert_eq!(world.paymaster.address(), other.paymaster.address());
        Self { world, other, node }
    }

    fn at(&self, chain_id: u64) -> Client {
        Client::new(format!("{}/rpc/{chain_id}", self.world.client.url()))
    }

    fn entry_point(&self, chain_id: u64) -> EntryPoint {
        EntryPoint { chain_id, ..self.other.deployment(V07).entry_point }
    }

    /// Approves for a chain and requests a sponsorship there.
    async fn sponsor(&self, chain_id: u64, dapp: &mut Dapp, op: &Value) -> Result<Value, Refusal> {
        let passkey = dapp.approve(op, &self.entry_point(chain_id));
        self.at(chain_id).call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey])).await
    }

    /// Whether anything is reserved on each of the chains.
    async fn is_reserved(&self) -> [bool; 2] {
        let mut reserved = Vec::new();
        for deployment in self.world.relay.parts.catalogue.deployments() {
            reserved.push(self.world.relay.parts.store.reserved(deployment).await.unwrap().count() > 0);
        }
        reserved.try_into().unwrap()
    }

    /// Mines an operation, and one more block, which makes it final.
    async fn mine(&self, chain_id: u64, answer: &Value) {
        let (anvil, chain) = match chain_id {
            OTHER => (&self.other.anvil, &self.other.chain),
            _ => (&self.world.anvil, &self.world.chain),
        };
        assert!(chain.entry_point.handle_ops(&answer["userOperation"]).await.unwrap().success);
        anvil.mine(1).await.unwrap();
    }

    async fn problems(&self) -> Vec<(&'static str, Option<u64>)> {
        let status = self.world.relay.readiness.status().await;
        let wrong = status.into_iter().filter(|check| check.problem.is_some());
        wrong.map(|Check { name, chain_id, .. }| (name, chain_id)).collect()
    }
}

#[tokio::test]
async fn one_account_is_sponsored_on_both_chains_and_each_settles_its_own() {
    let two = Two::new().await;
    let mut dapp = two.world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let [here, there] = &two.world.relay.settlers[..] else { panic!("a settler for each chain") };
    let first = two.sponsor(31337, &mut dapp, &op).await.unwrap();
    assert_eq!(two.is_reserved().await, [true, false]);
    // The same operation on the other chain.
    let second = two.sponsor(OTHER, &mut dapp, &op).await.unwrap();
    assert_ne!(first["userOpHash"], second["userOpHash"]);
    assert_eq!(two.is_reserved().await, [true, true]);
    assert_eq!(two.sponsor(31337, &mut dapp, &op).await.unwrap()["userOpHash"], first["userOpHash"]);

    two.mine(31337, &first).await;
    assert_eq!((here.settle().await.unwrap(), there.settle().await.unwrap()), (1, 0));
    assert_eq!(two.is_reserved().await, [false, true]);
    two.mine(OTHER, &second).await;
    assert_eq!((here.settle().await.unwrap(), there.settle().await.unwrap()), (0, 1));
    assert_eq!(two.is_reserved().await, [false, false]);

    // Expiry on one chain does not affect the other.
    for (chain_id, key) in [(31337, 1), (OTHER, 2)] {
        let mut fresh = two.world.dapp(&format!("account-{key}")).await;
        let op = fresh.first_op(key);
        let passkey = fresh.approve(&op, &two.entry_point(chain_id));
        let params = json!([op, fresh.account_id, passkey, { "idempotencyKey": "order" }]);
        two.at(chain_id).call("pm_sponsor_with_tee", params).await.unwrap();
    }
    two.world.clock.advance(700);
    two.other.anvil.increase_time(700).await.unwrap();
    two.other.anvil.mine(2).await.unwrap();
    for settler in [here, there] {
        settler.settle().await.unwrap();
        settler.release_unused().await.unwrap();
    }
    assert_eq!(two.is_reserved().await, [true, false]);
    assert_eq!(two.problems().await, []);
}

#[tokio::test]
async fn a_chain_that_is_down_leaves_the_other_in_service_and_status_names_it() {
    let two = Two::new().await;
    let mut dapp = two.world.dapp(ACCOUNT).await;
    assert_eq!(two.problems().await, []);
    two.node.fail(Fault::Answers("503 Service Unavailable", ""));
    let op = dapp.first_op(0);
    two.sponsor(OTHER, &mut dapp, &op).await.unwrap_err().assert_is(-32603, "chain_unavailable", true);
    let answer = two.sponsor(31337, &mut dapp, &op).await.unwrap();
    two.mine(31337, &answer).await;
    let [here, there] = &two.world.relay.settlers[..] else { panic!("a settler for each chain") };
    assert!(matches!(there.settle().await, Err(RelayError::ChainUnavailable(_))));
    assert_eq!(here.settle().await.unwrap(), 1);
    assert_eq!(two.is_reserved().await, [false, false]);

    let of_other = ["chain", "clocks", "signer", "window", "deposit", "settlement"].map(|name| (name, Some(OTHER)));
    assert_eq!(two.problems().await, of_other);
    let status = two.world.relay.readiness.status().await;
    let said: Vec<_> = status.iter().filter(|check| check.name == "chain").map(Check::to_string).collect();
    assert_eq!(said[0], "chain 31337: chain: ok");
    let down = "chain 31338: chain: the chain cannot answer now: the node at relay.chains.rpc_url of chain 31338 answered \
                HTTP status 503";
    assert_eq!(said[1], down);
}

#[tokio::test]
async fn a_request_means_the_chain_of_its_path_or_the_one_it_names() {
    let two = Two::with(|settings| {
        let cost = settings["policies"][0]["max_cost_per_operation"].clone();
        settings["policies"] = json!([
            { "id": "there", "max_cost_per_operation": cost, "chain_ids": [OTHER] },
            { "id": "everywhere", "max_cost_per_operation": cost },
        ]);
    })
    .await;
    let (anywhere, here, there) = (&two.world.client, two.at(31337), two.at(OTHER));
    let mut dapp = two.world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    for (client, hex, decimal) in [(&here, "0x7a69", "31337"), (&there, "0x7a6a", "31338")] {
        for method in ["eth_chainId", "pm_chainId"] {
            assert_eq!(client.call(method, json!([])).await.unwrap(), hex);
        }
        assert_eq!(client.call("net_version", json!([])).await.unwrap(), decimal);
        let web_socket = WsClientBuilder::default().build(client.url().replace("http:", "ws:")).await.unwrap();
        for _ in 0..2 {
            assert_eq!(web_socket.request::<Value, _>("eth_chainId", rpc_params![]).await.unwrap(), hex);
        }
        let entry_points = client.call("pm_supportedEntryPoints", json!([])).await.unwrap();
        assert_eq!(entry_points, json!([two.world.entry_point()]));
    }

    // Neither path nor request names a chain.
    let both = json!(["31337", "31338"]);
    for (method, params) in [
        ("eth_chainId", json!([])),
        ("net_version", json!([])),
        ("pm_supportedEntryPoints", json!([])),
        ("pm_getSponsorshipIntent", json!([op, ACCOUNT])),
        ("pm_sponsor_with_tee", json!([op, ACCOUNT])),
    ] {
        let refusal = anywhere.call(method, params).await.unwrap_err();
        refusal.assert_is(-32602, "chain_missing", false);
        assert_eq!(refusal.data["supported"], both, "{method}");
    }
    anywhere.call("web3_clientVersion", json!([])).await.unwrap();

    // ERC-7677 names it by its parameter; our methods by their options.
    let stub = |chain_id: &str| json!([op, two.world.entry_point(), chain_id, { "accountId": ACCOUNT }]);
    for (client, chain_id) in [(anywhere, "0x7a69"), (anywhere, "0x7a6a"), (&here, "0x7a69"), (&there, "0x7a6a")] {
        client.call("pm_getPaymasterStubData", stub(chain_id)).await.unwrap();
    }
    let passkey = dapp.approve(&op, &two.entry_point(OTHER));
    let params = json!([op, ACCOUNT, passkey, { "chainId": OTHER }]);
    anywhere.call("pm_sponsor_with_tee", params.clone()).await.unwrap();
    assert_eq!(two.is_reserved().await, [false, true]);

    // The path and the request contradict each other.
    let intent = json!([op, ACCOUNT, { "chainId": OTHER }]);
    for (method, params) in [
        ("pm_getSponsorshipIntent", intent),
        ("pm_sponsor_with_tee", params),
        ("pm_getPaymasterStubData", stub("0x7a6a")),
    ] {
        let refusal = here.call(method, params).await.unwrap_err();
        refusal.assert_is(-32602, "chain_mismatch", false);
        assert_eq!(refusal.data["expected"], "31337");
        assert_eq!(refusal.message, "the path is for chain 31337, and the request names chain 31338");
    }
    let unknown = Client::new(format!("{}/rpc/1", anywhere.url()));
    for (client, params) in [(&unknown, stub("0x7a6a")), (anywhere, stub("0x1")), (&here, stub("0x1"))] {
        let refusal = client.call("pm_getPaymasterStubData", params).await.unwrap_err();
        refusal.assert_is(-32602, "wrong_chain", false);
        assert_eq!(refusal.data["supported"], both);
    }

    // A policy applies only to its chains.
    let with_policy = |policy| json!([op, ACCOUNT, { "policyId": policy }]);
    let refusal = here.call("pm_getSponsorshipIntent", with_policy("there")).await.unwrap_err();
    refusal.assert_is(-32602, "unknown_policy", false);
    assert_eq!(refusal.message, r#"unknown policy "there" for chain 31337"#);
    here.call("pm_getSponsorshipIntent", with_policy("everywhere")).await.unwrap();
    // So is the default of a key: the first of its policies that is for the chain.
    for (policies, refused) in [(vec!["there", "everywhere"], None), (vec!["there"], Some("unknown_policy"))] {
        let policies = policies.into_iter().map(str::to_owned).collect();
        let (_, key) = two.world.api_keys.generate(NewApiKey { policies, ..server() }).await.unwrap();
        let with_key = Client::new(format!("{}/{}", here.url(), key.expose_secret()));
        let outcome = with_key.call("pm_getSponsorshipIntent", json!([op, ACCOUNT])).await;
        assert_eq!(outcome.err().map(|refusal| refusal.reason().to_owned()), refused.map(str::to_owned));
    }
    for (client, expected) in
        [(&here, vec!["everywhere"]), (&there, vec!["there", "everywhere"]), (anywhere, vec!["there", "everywhere"])]
    {
        let info = client.call("pm_get_account_info", json!([ACCOUNT])).await.unwrap();
        let named: Vec<_> = info["limits"].as_array().unwrap().iter().map(|limit| &limit["policyId"]).collect();
        assert_eq!(named, expected);
    }
}

#[tokio::test]
async fn a_node_that_serves_another_chain_than_it_is_listed_for_is_named_and_sponsors_and_settles_nothing() {
    let two = Two::with(|settings| {
        let there = settings["chains"][1]["rpc_url"].clone();
        settings["chains"][0]["rpc_url"] = there;
    })
    .await;
    let status = two.world.relay.readiness.status().await;
    let chain = status.iter().find(|check| (check.name, check.chain_id) == ("chain", Some(31337))).unwrap();
    let expected = "the node at relay.chains.rpc_url serves chain 31338, and relay.chains.chain_id is 31337";
    assert_eq!(chain.problem.as_deref(), Some(expected));
    assert!(two.problems().await.iter().all(|(_, chain_id)| *chain_id == Some(31337)));

    // What it says of nonces and deposits is not believed.
    let mut dapp = two.world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let refusal = two.sponsor(31337, &mut dapp, &op).await.unwrap_err();
    refusal.assert_is(-32603, "chain_unavailable", true);
    let here = &two.world.relay.settlers[0];
    let is_refused = |outcome| matches!(outcome, Err(RelayError::ChainUnavailable(ChainError::OtherChain { .. })));
    assert!(is_refused(here.settle().await) && is_refused(here.release_unused().await));
    assert_eq!(two.is_reserved().await, [false, false]);
}
