//! Memory of the node: what the kernel counts as resident (proc(5), `status`).

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Outcome;
use crate::world::World;

const ASK: &str = r#"{"jsonrpc":"2.0","id":1,"method":"pm_chainId","params":[]}"#;

/// Mebibytes.
pub fn resident(world: &World) -> Outcome<f64> {
    let process = world.node.process_id().ok_or("the node has ended")?;
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kibibytes: u32 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(f64::from(kibibytes) / 1024.0)
}

/// The same while this many connections are open, each of which was answered once.
pub async fn with_connections(world: &World, count: usize) -> Outcome<f64> {
    let url = world.url("rpc")?;
    let host = url.trim_start_matches("http://");
    let head = format!("POST / HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n");
    let request = format!("{head}content-length: {}\r\n\r\n{ASK}", ASK.len());
    let mut open = Vec::with_capacity(count);
    for _ in 0..count {
        let mut connection = TcpStream::connect(host).await?;
        connection.write_all(request.as_bytes()).await?;
        let mut answer = [0; 2048];
        let length = connection.read(&mut answer).await?;
        if !answer[..length].starts_with(b"HTTP/1.1 200") {
            return Err(format!("connection {}: {}", open.len(), String::from_utf8_lossy(&answer[..length])).into());
        }
        open.push(connection);
    }
    resident(world)
}
