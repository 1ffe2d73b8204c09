//! A flood from a few addresses, which reconnect as soon as they are disconnected, costs other
//! clients no request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep, timeout};

use crate::support::{PATIENCE, Setup, TeeAccount, World};

/// Connections to the KMS.
const PLACES: u64 = 60;
const PAGES: usize = 8;
const SPONSORSHIPS: usize = 6;
/// The flood's addresses never send the last bytes of a header.
const BEGUN: &[u8] = b"GET /kms/accounts/";
const BODY: &str = r#"{"userName":"page"}"#;

/// Clients that occupy every slot they can get.
struct Flood {
    /// Dropped, they stop.
    _clients: JoinSet<()>,
    connected: Arc<AtomicUsize>,
}

impl Flood {
    fn on(address: SocketAddr) -> Self {
        let (mut clients, connected) = (JoinSet::new(), Arc::<AtomicUsize>::default());
        for host in 20..25 {
            for _ in 0..14 {
                let connected = Arc::clone(&connected);
                clients.spawn(async move {
                    loop {
                        let mut stream = from(host, address).await;
                        connected.fetch_add(1, Ordering::Relaxed);
                        let _ = stream.write_all(BEGUN).await;
                        let mut buffer = [0; 1024];
                        while let Ok(1..) = stream.read(&mut buffer).await {}
                    }
                });
            }
        }
        Self { _clients: clients, connected }
    }

    /// Returns once it has connected as many more times as the port has slots.
    async fn turns_over(&self) {
        let until = self.connected.load(Ordering::Relaxed) + usize::try_from(PLACES).unwrap();
        let turned_over = async {
            while self.connected.load(Ordering::Relaxed) < until {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, turned_over).await.expect("the port is not full");
    }
}

/// A connection from another local address.
async fn from(host: u8, address: SocketAddr) -> TcpStream {
    loop {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, host], 0).into()).unwrap();
        // The listen queue may be full.
        if let Ok(stream) = socket.connect(address).await {
            return stream;
        }
    }
}

#[tokio::test]
async fn a_reconnecting_flood_of_the_kms_ends_no_page_and_no_call_of_the_relay() {
    let few = |configuration: &mut Value| {
        configuration["connections"] = json!({ "kms": PLACES, "per_address": 16 });
    };
    let world = Setup::of(V07).configure(few).start_apart().await;
    let address: SocketAddr = world.kms().url().trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    let mut accounts = Vec::new();
    for _ in 0..SPONSORSHIPS {
        let account = TeeAccount::create(&world).await;
        let operation = account.operation(&world).await;
        accounts.push((account, operation));
    }

    let flood = Flood::on(address);
    flood.turns_over().await;
    let mut pages = Vec::new();
    for _ in 0..PAGES {
        let mut page = from(9, address).await;
        page.write_all(b"POST /webauthn/register/begin HTTP/1.1\r\nhost: kms\r\n").await.unwrap();
        pages.push(page);
    }
    flood.turns_over().await;
    for (account, operation) in &mut accounts {
        sponsored(&world, &flood, account, operation).await;
    }
    for page in &mut pages {
        let rest = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}", BODY.len());
        page.write_all(rest.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        page.read_exact(&mut answer).await.expect("the page was hung up on");
        assert_eq!(&answer, b"HTTP/1.1 200");
    }

    drop(flood);
    let metrics = world.kms_metrics().await;
    let evicted = r#"connections_ended_total{port="kms",reason="evicted"} "#;
    let evicted = metrics.lines().find_map(|line| line.strip_prefix(evicted)).unwrap_or_else(|| panic!("{metrics}"));
    assert!(evicted.parse::<u64>().unwrap() > PLACES, "{evicted}");
}

/// Sponsors the operation, and waits until the flood has connected as many more times as the port
/// has slots.
async fn sponsored(world: &World, flood: &Flood, account: &mut TeeAccount, operation: &Value) {
    account.sponsored(world, operation).await.unwrap();
    flood.turns_over().await;
}
