//! A shared rate: a flood from one address leaves the others their share.

use std::net::{IpAddr, Ipv4Addr};

use devkit::EntryPointVersion::V07;
use paymaster_relay::clients::{KeyKind, NewApiKey, Rate};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::{Refusal, World, server};

/// A caller with its own address.
struct Caller<'a> {
    http: reqwest::Client,
    world: &'a World,
    path: String,
}

impl<'a> Caller<'a> {
    fn at(world: &'a World, last: u8, path: &str) -> Self {
        let address = IpAddr::from(Ipv4Addr::new(127, 0, 0, last));
        let http = devkit::http::builder().local_address(address).build().unwrap();
        Self { http, world, path: path.to_owned() }
    }

    /// The answers to this many concurrent calls, each of which counts: an empty one is refused
    /// after it was counted.
    async fn calls(&self, calls: usize, headers: &[(&str, &str)]) -> Vec<Refusal> {
        let call = |id| json!({ "jsonrpc": "2.0", "id": id, "method": "pm_getPaymasterData", "params": [] });
        let batch: Value = (0..calls).map(call).collect();
        let mut request = self.http.post(format!("{}{}", self.world.client.url(), self.path)).json(&batch);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answers: Vec<Value> = request.send().await.unwrap().json().await.unwrap();
        answers.iter().map(|answer| Refusal::of(&answer["error"])).collect()
    }

    async fn passed(&self, calls: usize, headers: &[(&str, &str)]) -> usize {
        let answers = self.calls(calls, headers).await;
        answers.iter().filter(|answer| answer.reason() != "rate_limited").count()
    }
}

async fn key(world: &World, kind: KeyKind, rate: Rate) -> String {
    let policies = vec!["default".to_owned()];
    let new = NewApiKey { kind, policies, rate: Some(rate), ..server() };
    format!("/rpc/{}", world.api_keys.generate(new).await.unwrap().1.expose_secret())
}

#[tokio::test]
async fn an_address_that_floods_a_publishable_key_leaves_its_other_users_their_part() {
    let world = World::new(V07).await;
    let path = key(&world, KeyKind::Publishable, Rate::per_minute(60)).await;
    let [flood, second, honest] = [2, 3, 4].map(|last| Caller::at(&world, last, &path));
    assert_eq!(flood.passed(100, &[]).await, 30);
    for second_of_flood in 1..=40 {
        world.clock.advance(1);
        flood.passed(12, &[]).await;
        second.passed(12, &[]).await;
        if second_of_flood % 4 == 0 {
            assert_eq!(honest.passed(1, &[]).await, 1, "after {second_of_flood} s");
        }
    }
    let refused = flood.calls(100, &[]).await.pop().unwrap();
    refused.assert_is(-32504, "rate_limited", true);
    assert!(refused.message.starts_with("over the share of one client address in the rate of 60 "), "{refused:?}");
}

#[tokio::test]
async fn an_address_that_floods_without_a_key_leaves_others_their_part() {
    let world = World::with(V07, 1, |settings| settings["rpc"] = json!({ "anonymous_calls_per_minute": 40 })).await;
    let [flood, honest] = [2, 3].map(|last| Caller::at(&world, last, "/"));
    assert_eq!((flood.passed(100, &[]).await, honest.passed(5, &[]).await), (20, 5));
}

#[tokio::test]
async fn a_server_key_has_its_whole_rate_from_one_address() {
    let world = World::new(V07).await;
    let path = key(&world, KeyKind::Server, Rate::per_minute(40)).await;
    assert_eq!(Caller::at(&world, 2, &path).passed(100, &[]).await, 40);
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_part_is_that_of_the_address_it_names() {
    let world = World::with(V07, 1, |settings| {
        settings["rpc"] = json!({ "anonymous_calls_per_minute": 40, "trusted_proxies": ["127.0.0.2"] });
    })
    .await;
    let proxy = Caller::at(&world, 2, "/");
    let stranger = Caller::at(&world, 3, "/");
    for (calls, forwarded, passed) in [(100, "192.0.2.1", 20), (100, "192.0.2.9, 192.0.2.1", 0), (3, "192.0.2.2", 3)] {
        assert_eq!(proxy.passed(calls, &[("x-forwarded-for", forwarded)]).await, passed, "{forwarded}");
    }
    assert_eq!(stranger.passed(100, &[("x-forwarded-for", "192.0.2.3")]).await, 9);
    assert_eq!(
        stranger.passed(1, &[("x-forwarded-for", "192.0.2.4")]).await,
        0,
        "the header of anybody else is not read"
    );
    assert_eq!(proxy.passed(100, &[]).await, 8, "without a named client all that is left may be used");
}

#[tokio::test]
async fn an_address_that_floods_leaves_others_half_of_a_publishable_keys_day() {
    let world = World::new(V07).await;
    let exhausted = async |kind, last, calls: usize| {
        let new = NewApiKey { kind, policies: vec!["default".to_owned()], quota: Some(20), ..server() };
        let path = format!("/rpc/{}", world.api_keys.generate(new).await.unwrap().1.expose_secret());
        let mut refused = Vec::new();
        for caller in [last, last + 1] {
            let answers = Caller::at(&world, caller, &path).calls(calls, &[]).await;
            refused.push(answers.into_iter().filter(|answer| answer.reason() == "quota_exhausted").collect::<Vec<_>>());
        }
        refused
    };
    let refused = exhausted(KeyKind::Publishable, 2, 15).await;
    assert_eq!(refused.iter().map(Vec::len).collect::<Vec<_>>(), [5, 10]);
    refused[0][0].assert_is(-32504, "quota_exhausted", true);
    assert!(refused[0][0].message.starts_with("the share of one client address in the API key's quota"), "{refused:?}");
    let of_server = exhausted(KeyKind::Server, 4, 15).await;
    assert_eq!(of_server.iter().map(Vec::len).collect::<Vec<_>>(), [0, 10]);
}
