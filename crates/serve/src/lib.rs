//! Serves HTTP/1.1 on a port within bounds, so that clients who send nothing, or send slowly,
//! cannot keep others out.
//!
//! `bounds` holds the limits, `table` the open connections, `connection` what each is doing,
//! `stream` and `body` watch it read and write, `listener` accepts, `hangup` lets the service end
//! one, `priority` lets it keep one, `refusal` answers clients there is no room for, `web_socket`
//! answers messages instead of requests, `memory` counts what they make a port keep, `tally` what
//! there is and was, for which `occupancy` is the handle, `line_ration` bounds what the log says of
//! it all, `page` tells what a browser sends for a page, `trusted_proxies` which client a request
//! is of, `turns` lets one request of a client at a time have the processor, over the `locks` of
//! keys, `descriptors` fits the limits to what the operating system grants the process. A leaf: the
//! relay, the gateway and the operator's port all serve through it.

mod body;
mod bounds;
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
pub use locks::Locks;
pub use occupancy::Occupancy;
pub use page::{is_for_other_host, is_from_other_page};
pub use priority::Priority;
pub use table::client;
pub use tally::{Ended, Occupied, Refused, Tally};
pub use trusted_proxies::{Client, InvalidProxy, TrustedProxies};
pub use turns::{Turn, Turns};
pub use web_socket::{Answer, InvalidHandshake, WebSocket};
