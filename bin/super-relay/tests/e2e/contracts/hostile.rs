//! A node that lies or fails, and transactions that are not mined: nothing is sent twice, no fee is
//! unbounded, and what was sent is told.

use std::sync::{Arc, Mutex};

use axum::{Json, Router};
use devkit::EntryPointVersion::V07;
use devkit::U256;
use serde_json::{Value, json};

use super::{OWNER, Operator, done, number, refused};
use crate::support::{ETHER, Rpc, Setup};

#[tokio::test]
async fn a_deposit_that_may_be_mined_already_is_not_sent_again() {
    let ground = Setup::of(V07).prepare().await;
    let owner = Operator::new(&ground, OWNER).await;
    let chain = Rpc::at(ground.anvil.url().to_string());
    let ours = ground.paymaster.address().to_string();
    let deposit = ["--wait-seconds", "1", "--yes", "deposit", "--paymaster", &ours, "1.5ether", "--up-to"];
    chain.call("evm_setAutomine", json!([false])).await.unwrap();

    let unknown = refused(&owner.run(&deposit).await, 3);
    assert!(unknown.contains("is not known to be mined after 1 s"), "{unknown}");
    let again = refused(&owner.run(&deposit).await, 1);
    assert!(again.contains("has 1 transactions that are not mined yet, from nonce 0 on"), "{again}");
    let higher = ["--replace", "--max-fee", "90gwei", "--priority-fee", "80gwei"];
    let replaced = refused(&owner.run(&[&higher[..], &deposit].concat()).await, 3);
    assert!(replaced.contains("is not known to be mined after 1 s"), "{replaced}");
    // The node hides it, and mines it between two answers.
    let hidden = Node::of(&chain, |method, params| match method {
        "eth_getTransactionCount" => {
            Act::Ask(vec![("eth_getTransactionCount".to_owned(), json!([params[0], "latest"]))])
        }
        "eth_estimateGas" => Act::Ask(vec![("evm_mine".to_owned(), json!([])), (method.to_owned(), params)]),
        _ => Act::Ask(vec![(method.to_owned(), params)]),
    })
    .await;
    let raced = refused(&hidden.operator(&owner).run(&deposit).await, 3);
    assert!(raced.contains("nonce too low"), "{raced}");

    let settled = done(&owner.run(&deposit).await);
    assert_eq!(settled["transactions"], json!([]));
    assert_eq!(number(&settled["paymaster"]["deposit"]), U256::from(3 * ETHER / 2));
}

#[tokio::test]
async fn a_node_that_wants_the_fees_for_itself_gets_nothing_signed() {
    let ground = Setup::of(V07).prepare().await;
    let owner = Operator::new(&ground, OWNER).await;
    let chain = Rpc::at(ground.anvil.url().to_string());
    let ours = ground.paymaster.address().to_string();
    let deposit = ["deposit", "--paymaster", &ours, "1gwei"];
    let most = format!("{:#x}", u128::MAX);
    let market = json!({ "oldestBlock": "0x1", "gasUsedRatio": [0.5], "baseFeePerGas": [most, most], "reward": [[most], [most]] });

    for (lying, lie) in [("eth_feeHistory", market), ("eth_estimateGas", json!("0xffffffffffffffff"))] {
        let answers = move |method: &str, params: Value| {
            if method == lying {
                Act::Say(json!({ "result": lie }))
            } else {
                Act::Ask(vec![(method.to_owned(), params)])
            }
        };
        let node = Node::of(&chain, answers).await;
        let rich = node.operator(&owner);
        let balance = json!([owner.address, format!("{:#x}", U256::MAX)]);
        chain.call("anvil_setBalance", balance).await.unwrap();

        let said = refused(&rich.send(&deposit).await, 1);

        assert!(said.contains("over the limit of 1000000000000000000 wei"), "{lying}: {said}");
        assert!(!node.asked("eth_sendRawTransaction"), "{lying}");
    }
    let bounded = [&["--max-gas-cost", "1wei"][..], &deposit].concat();
    assert!(refused(&owner.send(&bounded).await, 1).contains("over the limit of 1 wei"));
}

#[tokio::test]
async fn what_was_sent_is_told_when_the_node_fails_or_refuses_afterwards() {
    let ground = Setup::of(V07).prepare().await;
    let owner = Operator::new(&ground, OWNER).await;
    let chain = Rpc::at(ground.anvil.url().to_string());
    let ours = ground.paymaster.address().to_string();
    let deposit = ["deposit", "--paymaster", &ours, "1gwei"];
    let is_sent = Arc::new(Mutex::new(false));

    let fails = {
        let is_sent = Arc::clone(&is_sent);
        Node::of(&chain, move |method, params| {
            *is_sent.lock().unwrap() |= method == "eth_sendRawTransaction";
            match method {
                "eth_call" if *is_sent.lock().unwrap() => {
                    Act::Say(json!({ "error": { "code": -32603, "message": "down" } }))
                }
                _ => Act::Ask(vec![(method.to_owned(), params)]),
            }
        })
        .await
    };
    let output = fails.operator(&owner).send(&deposit).await;
    let said = refused(&output, 5);
    assert!(said.contains("were mined, and then: the node: eth_call: down"), "{said}");
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["transactions"][0]["value"], "1000000000");

    let refuses = Node::of(&chain, |method, params| {
        let asked = vec![(method.to_owned(), params)];
        match method {
            "eth_sendRawTransaction" => Act::Refuse(asked),
            "eth_getTransactionReceipt" => Act::Say(json!({ "result": null })),
            _ => Act::Ask(asked),
        }
    })
    .await;
    let said = refused(&refuses.operator(&owner).send(&deposit).await, 3);
    assert!(said.contains("eth_sendRawTransaction: refused"), "{said}");
    let status = done(&owner.run(&["status", "--paymaster", &ours]).await);
    assert_eq!(number(&status["paymaster"]["deposit"]), U256::from(ETHER + 2_000_000_000), "both are mined");
}

/// What a node does with a call.
enum Act {
    /// Calls the honest one, and gives its last answer.
    Ask(Vec<(String, Value)>),
    /// Calls the honest one, and says that it did not.
    Refuse(Vec<(String, Value)>),
    Say(Value),
}

/// A node between the operator and the chain.
struct Node {
    url: String,
    methods: Arc<Mutex<Vec<String>>>,
}

impl Node {
    async fn of(chain: &Rpc, act: impl Fn(&str, Value) -> Act + Clone + Send + Sync + 'static) -> Self {
        let methods = Arc::<Mutex<Vec<String>>>::default();
        let (asked, chain) = (Arc::clone(&methods), Arc::new(Rpc::at(chain.url().to_owned())));
        let app = Router::new().fallback(async move |Json(request): Json<Value>| {
            let method = request["method"].as_str().unwrap_or_default().to_owned();
            asked.lock().unwrap().push(method.clone());
            let mut answer = match act(&method, request["params"].clone()) {
                Act::Say(answer) => answer,
                Act::Ask(calls) => passed_on(&chain, calls).await,
                Act::Refuse(calls) => {
                    passed_on(&chain, calls).await;
                    json!({ "error": { "code": -32000, "message": "refused" } })
                }
            };
            answer["jsonrpc"] = "2.0".into();
            answer["id"] = request["id"].clone();
            Json(answer)
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, methods }
    }

    fn operator(&self, honest: &Operator) -> Operator {
        let (key, address) = (honest.key.clone(), honest.address.clone());
        Operator { url: self.url.clone(), key, address, balance: honest.balance }
    }

    fn asked(&self, method: &str) -> bool {
        self.methods.lock().unwrap().iter().any(|asked| asked == method)
    }
}

async fn passed_on(chain: &Rpc, calls: Vec<(String, Value)>) -> Value {
    let mut answer = Value::Null;
    for (method, params) in calls {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let sent = devkit::http::client().post(chain.url()).json(&request).send().await.unwrap();
        answer = sent.json().await.unwrap();
    }
    answer
}
