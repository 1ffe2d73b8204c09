//! A Redis server on its own loopback port, killed when dropped.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;

use crate::{DevkitError, PATIENCE};

/// Ports below the system's ephemeral range, so that no outgoing connection can take one in the
/// meantime.
const PORTS: std::ops::Range<u16> = 12_000..32_000;
const PAUSE: Duration = Duration::from_millis(20);

/// A running `redis-server`.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    folder: Option<PathBuf>,
    process: Child,
}

impl RedisServer {
    /// Starts a server and waits until it serves. With a folder it persists every write there, and
    /// reads it on the next start.
    ///
    /// # Errors
    /// [`DevkitError::RedisDidNotStart`].
    pub async fn start(folder: Option<&Path>) -> Result<Self, DevkitError> {
        let folder = folder.map(Path::to_owned);
        blocking(move || {
            let until = Instant::now() + PATIENCE;
            loop {
                let port = any_port()?;
                match Self::serving(port, folder.as_deref(), until) {
                    Ok(process) => return Ok(Self { port, folder, process }),
                    // Another process uses that port.
                    Err(_) if Instant::now() < until => {}
                    Err(error) => return Err(error),
                }
            }
        })
        .await
    }

    /// Kills it, like a power cut.
    ///
    /// # Errors
    /// The operating system's.
    pub fn stop(&mut self) -> io::Result<()> {
        self.process.kill()?;
        self.process.wait().map(drop)
    }

    /// Restarts it at the same address, and waits until it serves its persisted data.
    ///
    /// # Errors
    /// [`DevkitError::RedisDidNotStart`].
    pub async fn start_again(&mut self) -> Result<(), DevkitError> {
        let (port, folder) = (self.port, self.folder.clone());
        let serving = move || {
            let until = Instant::now() + PATIENCE;
            loop {
                match Self::serving(port, folder.as_deref(), until) {
                    // Another process may use the port briefly.
                    Err(_) if Instant::now() < until => std::thread::sleep(PAUSE),
                    outcome => return outcome,
                }
            }
        };
        self.process = blocking(serving).await?;
        Ok(())
    }

    /// `redis://` and its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The server's process id.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    fn serving(port: u16, folder: Option<&Path>, until: Instant) -> Result<Child, DevkitError> {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]);
        match folder {
            Some(folder) => command.args(["--appendonly", "yes", "--appendfsync", "always", "--dir"]).arg(folder),
            None => command.args(["--appendonly", "no"]),
        };
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let mut process = spawned.map_err(|error| did_not_start(format!("{error}: apt-get install redis-server")))?;
        while !serves(port, process.id()) {
            if let Some(status) = process.try_wait().map_err(did_not_start)? {
                return Err(did_not_start(format!("it ended with {status}")));
            }
            if Instant::now() > until {
                // Fails if it has just ended.
                let _ = process.kill();
                let _ = process.wait();
                return Err(did_not_start("it does not answer PING"));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(process)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Fails if it was already stopped.
        let _ = self.stop();
    }
}

/// Whether this very process answers commands. While it loads its data (`LOADING`) it listens but
/// answers none.
fn serves(port: u16, process: u32) -> bool {
    let ask = || {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut connection = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        connection.set_read_timeout(Some(Duration::from_secs(1)))?;
        connection.write_all(b"PING\r\nINFO server\r\nQUIT\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        io::Result::Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("+PONG\r\n") && answer.contains(&format!("process_id:{process}\r\n")))
}

fn any_port() -> Result<u16, DevkitError> {
    let mut random = [0; 2];
    getrandom::fill(&mut random).map_err(did_not_start)?;
    Ok(PORTS.start + u16::from_le_bytes(random) % (PORTS.end - PORTS.start))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DevkitError> + Send + 'static,
) -> Result<T, DevkitError> {
    spawn_blocking(work).await.map_err(did_not_start)?
}

fn did_not_start(detail: impl ToString) -> DevkitError {
    DevkitError::RedisDidNotStart { detail: detail.to_string() }
}
