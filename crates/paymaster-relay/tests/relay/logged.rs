//! What the log says of an outage: once when it begins, once when it ends, however many tasks notice it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use devkit::EntryPointVersion::V07;
use serde_json::json;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{ACCOUNT, World, until};

/// What the runtime of this test logs, which has one thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self, word: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(word)).map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn an_outage_of_the_database_is_logged_once_however_many_tasks_need_it() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let params = json!([op, ACCOUNT, world.approval(&mut dapp, &op).await]);

    let options = SqliteConnectOptions::new().filename(world.settings["database"].as_str().unwrap());
    let mut elsewhere = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut elsewhere).await.unwrap();
    let stop = CancellationToken::new();
    let settling = {
        let (relay, stop) = (Arc::clone(&world.relay), stop.clone());
        tokio::spawn(async move { relay.settle_regularly(Duration::from_secs(1), stop).await })
    };
    until(async || !log.lines("is failing").is_empty()).await;
    let sweeping = {
        let (relay, stop) = (Arc::clone(&world.relay), stop.clone());
        tokio::spawn(async move { relay.sweep(stop).await })
    };
    for _ in 0..2 {
        let refusal = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap_err();
        assert!(["store_unavailable", "claims_unavailable"].contains(&refusal.reason()), "{refusal:?}");
    }
    assert_eq!(log.lines("recovered"), Vec::<String>::new());
    sqlx::query("ROLLBACK").execute(&mut elsewhere).await.unwrap();
    until(async || !log.lines("recovered").is_empty()).await;
    world.client.call("pm_sponsor_with_tee", params).await.unwrap();
    stop.cancel();
    settling.await.unwrap();
    sweeping.await.unwrap();

    let (begun, over) = (log.lines("is failing"), log.lines("recovered"));
    assert!(begun.len() == 1 && over.len() == 1, "{begun:?} {over:?}");
    assert!(begun[0].contains("WARN") && begun[0].contains("the relay's database is failing"), "{begun:?}");
    assert!(over[0].contains("WARN") && over[0].contains("the relay's database recovered after"), "{over:?}");
}
