//! Serves HTTP/1.1 on a port within bounds, so that clients who send nothing, or send slowly,
//! cannot keep others out.
//!
//! `bounds` holds the limits, `table` the open connections, `connection` the state of each;
//! `stream` and `body` watch it read and write, `listener` accepts connections, `hangup` lets the
//! service end one, `priority` lets it keep one, `refusal` answers clients that are refused,
//! `caching` keeps every answer out of caches,
//! `web_socket` answers messages instead of requests, `memory` counts their memory cost, `tally`
//! counts connections by state and outcome, with `occupancy` as its handle, `line_ration`
//! rate-limits log lines about all this, `page` detects requests that a browser sends for a page,
//! `trusted_proxies` finds the client of a request, `turns` gives the processor to one request of a
//! client at a time, using `locks` by key, and `descriptors` fits the limits to the process's file
//! descriptors. This crate depends on no other of ours: the relay, the gateway and the operator's
//! port all use it.

mod body;
mod bounds;
mod caching;
mod connection;
mod descriptors;
mod hangup;
mod line_ration;
mod listener;
mod locks;
mod memory;
mod occupancy;
mod page;
mod priority;
mod refusal;
mod stream;
mod table;
mod tally;
mod trusted_proxies;
mod turns;
mod web_socket;

pub use body::{Body, BodyTimeout};
pub use bounds::{Bounds, Full};
pub use descriptors::{raise_limit, share};
pub use hangup::Hangup;
pub use line_ration::LineRation;
pub use listener::{Listener, Peer, Pulse, asks_for_web_socket};
pub use locks::{Locks, PerKey};
pub use occupancy::Occupancy;
pub use page::{is_for_other_host, is_from_other_page};
pub use priority::Priority;
pub use table::client;
pub use tally::{Ended, Occupied, Refused, Tally};
pub use trusted_proxies::{Client, InvalidProxy, TrustedProxies};
pub use turns::{Turn, Turns};
pub use web_socket::{Answer, InvalidHandshake, WebSocket};
