//! The state of the service and its TEE.

use kms_api::Reason;
use kms_api::attestation::Attestation;
use kms_api::status::{
    AuditStats, Health, HealthStatus, QueueStatus, RollbackCounter, SERVICE, ServiceStatus, Stats, TaKey, TeeVersion,
    Version,
};
use proto::bytes::Bounded;
use proto::command::Phase;
use serde_json::{Value, json};

use super::{HASH, ONE, PROTECTION, TEE, TWO, hash, holds, one, protection, tee, two};

#[test]
fn status() {
    let health = Health {
        service: ServiceStatus::new(HealthStatus::Healthy),
        tee_id: Some(TEE),
        tee_mode: "optee".into(),
        ta_key: Some(TaKey::Own),
        protection: Some(PROTECTION),
        phase: Some(Phase::Ready),
        version: "0.1.0".into(),
    };
    let mut expected = json!({
        "status": "healthy",
        "service": "super-relay-kms",
        "teeId": tee(),
        "teeMode": "optee",
        "taKey": "own",
        "protection": protection(),
        "phase": "ready",
        "version": "0.1.0",
    });
    holds(&health, &expected);
    let down = ServiceStatus::new(HealthStatus::Unhealthy(Reason::TeeBusy.into()));
    let down = Health { service: down, tee_id: None, ta_key: None, protection: None, phase: None, ..health };
    expected["status"] = "tee_busy".into();
    for unknown in ["teeId", "taKey", "protection", "phase"] {
        expected[unknown] = Value::Null;
    }
    holds(&down, &expected);

    let tee_version = TeeVersion {
        id: TEE,
        mode: "optee".into(),
        version: "0.1.0+own-key".into(),
        measurement: HASH,
        protection: PROTECTION,
    };
    let version = Version { service: SERVICE.into(), version: "0.1.0".into(), tee: tee_version };
    let tee_version = json!({
        "id": tee(),
        "mode": "optee",
        "version": "0.1.0+own-key",
        "measurement": hash(),
        "protection": protection(),
    });
    holds(&version, &json!({ "service": "super-relay-kms", "version": "0.1.0", "tee": tee_version }));

    let queue = QueueStatus {
        queue_depth: 1,
        estimated_wait_seconds: 0.5,
        average_wait_seconds: 0.25,
        circuit_breaker_open: true,
        consecutive_failures: 2,
        reopened: 3,
    };
    let queue_json = json!({
        "queue_depth": 1,
        "estimated_wait_seconds": 0.5,
        "average_wait_seconds": 0.25,
        "circuit_breaker_open": true,
        "consecutive_failures": 2,
        "reopened": 3,
    });
    holds(&queue, &queue_json);
    let stats = Stats { accounts: 2, audit: AuditStats { rows: 9, head: HASH }, queue };
    holds(&stats, &json!({ "accounts": 2, "audit": { "rows": 9, "head": hash() }, "queue": queue_json }));
    holds(&RollbackCounter { counter: 4 }, &json!({ "counter": 4 }));
}

#[test]
fn an_attestation() {
    let attestation = Attestation {
        nonce: HASH,
        tee_id: TEE,
        tee_mode: "optee".into(),
        version: "0.1.0".into(),
        measurement: HASH,
        counter: 2,
        admin: Some(ONE),
        paymaster_signer: Some(TWO),
        standby_paymaster_signer: None,
        challenge: HASH,
        quote: Some(Bounded::new(vec![1, 2]).unwrap()),
        quote_status: "present".into(),
        ta_key: None,
        protection: PROTECTION,
    };
    let expected = json!({
        "nonce": hash(),
        "teeId": tee(),
        "teeMode": "optee",
        "version": "0.1.0",
        "measurement": hash(),
        "counter": 2,
        "admin": one(),
        "paymasterSigner": two(),
        "standbyPaymasterSigner": null,
        "challenge": hash(),
        "quote": "0x0102",
        "quoteStatus": "present",
        "taKey": null,
        "protection": protection(),
    });
    holds(&attestation, &expected);
}
