//! A policy that has a webhook decide, one that is written with the package `standardwebhooks` as
//! published; and what a start says of webhooks that cannot work.

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};

use crate::support::{Bystander, Setup, TeeAccount, run, write_configuration};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_c3VwZXItcmVsYXkgc2Vjb25kIHNlY3JldCBvZiAzMiBi";

/// The default policy asks `yes`, `denied` the same, and `forged` asks it without its secret.
fn webhooks(configuration: &mut Value, url: &str, folder: &std::path::Path) {
    let secret = |name: &str, secret: &str| {
        let file = folder.join(name);
        std::fs::write(&file, format!("{secret}\n")).unwrap();
        json!({ "file": file })
    };
    let (first, both) = (secret("secret", SECRET), [secret("old-secret", OTHER), secret("new-secret", SECRET)]);
    let wrong = secret("wrong-secret", OTHER);
    configuration["relay"]["webhooks"] = json!([
        { "name": "yes", "url": url, "secrets": [first] },
        { "name": "rotated", "url": url, "secrets": both },
        { "name": "forged", "url": url, "secrets": [wrong] },
    ]);
    let policies = configuration["relay"]["policies"].as_array_mut().unwrap();
    let usual = policies[0].clone();
    policies[0]["webhook"] = "yes".into();
    for (id, webhook) in [("denied", "yes"), ("rotated", "rotated"), ("forged", "forged")] {
        let mut policy = usual.clone();
        (policy["id"], policy["webhook"]) = (id.into(), webhook.into());
        policies.push(policy);
    }
}

#[tokio::test]
async fn a_webhook_written_with_the_published_package_verifies_approves_and_denies() {
    let hook = Bystander::start("support/webhook.mjs", &[SECRET]).await;
    let mut ground = Setup::of(V07).prepare().await;
    webhooks(&mut ground.configuration, hook.url(), ground.data.path());
    let world = ground.start().await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let passkey = account.approve(&world, &operation).await;
    let under = async |policy: &str| {
        let params = json!([operation, account.id, passkey, { "policyId": policy }]);
        world.rpc().call("pm_sponsor_with_tee", params).await
    };

    let denied = under("denied").await.unwrap_err();
    assert_eq!(
        (denied.data["reason"].as_str(), denied.data["webhookReason"].as_str()),
        (Some("webhook_denied"), Some("not today"))
    );
    let forged = under("forged").await.unwrap_err();
    assert_eq!(forged.data["reason"], "webhook_unavailable", "its signature is not the hook's");
    let answer = under("rotated").await.unwrap();
    assert!(world.entry_point().handle_ops(&answer["userOperation"]).await.unwrap().success);

    let taken: Value = devkit::http::get(hook.url()).await.unwrap().json().await.unwrap();
    let kinds: Vec<_> =
        taken.as_array().unwrap().iter().map(|taken| (&taken["type"], &taken["data"]["policyId"])).collect();
    let requested = json!("sponsorship.requested");
    assert!(
        kinds.contains(&(&requested, &json!("denied"))) && kinds.contains(&(&requested, &json!("rotated"))),
        "{kinds:?}"
    );
    assert!(!kinds.iter().any(|(_, policy)| **policy == json!("forged")), "{kinds:?}");
}

#[tokio::test]
async fn a_webhook_without_its_secret_keeps_a_node_from_starting_and_its_secret_is_not_repeated() {
    let mut ground = Setup::of(V07).prepare().await;
    webhooks(&mut ground.configuration, "http://127.0.0.1:9", ground.data.path());
    let file = ground.data.path().join("checked.toml");
    write_configuration(&ground.configuration, &file);
    let check = async || run(&["config", "check", "--config", file.to_str().unwrap()]).await;
    let said = check().await;
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));

    let secret = ground.data.path().join("secret");
    for (content, problem) in [(Some("hush-hush"), "must begin with whsec_"), (None, "no secret in")] {
        match content {
            Some(content) => std::fs::write(&secret, content).unwrap(),
            None => std::fs::remove_file(&secret).unwrap(),
        }
        let output = check().await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{said}");
        for part in ["webhooks.secrets", "\"yes\"", problem] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!said.contains("hush"), "{said}");
    }
}
