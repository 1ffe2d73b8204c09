//! Where a request comes from: the address of its connection, or the one reported by a trusted
//! proxy.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use proto::json::Excerpt;
use thiserror::Error;

use crate::table::client;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client of a request, as far as it can be distinguished from others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Client {
    /// An IPv4 address, or the network of an IPv6 address that counts as one client's
    /// ([`client()`]).
    Address(IpAddr),
    /// A trusted proxy that does not report whose request it forwards.
    #[default]
    Untold,
}

/// The proxies whose `X-Forwarded-For` is trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// The text is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{found:?} is not a proxy: expected an IP address or a network in CIDR notation, as in 10.0.0.0/8{}", why.unwrap_or_default())]
pub struct InvalidProxy {
    /// The text found, truncated.
    pub found: String,
    why: Option<&'static str>,
}

impl TrustedProxies {
    /// # Errors
    /// [`InvalidProxy`] for a text that is neither an address nor a network, for a network of all
    /// addresses, and for IPv4 written as IPv6.
    pub fn parse(texts: &[String]) -> Result<Self, InvalidProxy> {
        texts.iter().map(|text| network(text)).collect::<Result<_, _>>().map(Self)
    }

    /// The client of a request from `peer`: for a trusted proxy, the rightmost address of
    /// `X-Forwarded-For` that is not a trusted proxy's. Everything further left was chosen by the
    /// client.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        if !self.trusts(peer) {
            return Client::Address(client(peer));
        }
        for value in headers.get_all(X_FORWARDED_FOR).iter().rev() {
            // Everything further left may be forged, and is ignored.
            for hop in value.as_bytes().rsplit(|byte| *byte == b',') {
                match str::from_utf8(hop).ok().and_then(|hop| address(hop.trim())) {
                    Some(address) if self.trusts(address) => {}
                    Some(address) => return Client::Address(client(address)),
                    None => return Client::Untold,
                }
            }
        }
        Client::Untold
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

fn network(text: &str) -> Result<IpNet, InvalidProxy> {
    let invalid = |why| InvalidProxy { found: Excerpt(text).to_string(), why };
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse::<IpNet>().or_else(|_| address()).map_err(|_| invalid(None))?;
    if network.prefix_len() == 0 {
        return Err(invalid(Some("; with all addresses trusted anybody could choose the address of their requests")));
    }
    match network.addr() {
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => Err(invalid(Some("; write IPv4 as 10.0.0.0/8"))),
        _ => Ok(network),
    }
}

/// Some proxies append the port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn proxies(texts: &[&str]) -> Result<TrustedProxies, InvalidProxy> {
        TrustedProxies::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    fn of(peer: &str, forwarded: &[&str]) -> Client {
        let trusted = proxies(&["10.0.0.0/8", "2001:db8:ffff::1"]).unwrap();
        let headers = forwarded.iter().map(|value| (X_FORWARDED_FOR, value.parse().unwrap())).collect();
        trusted.client(peer.parse().unwrap(), &headers)
    }

    fn at(text: &str) -> Client {
        Client::Address(client(text.parse().unwrap()))
    }

    #[test]
    fn behind_a_trusted_proxy_the_client_is_the_rightmost_address_that_is_not_a_proxy() {
        for (peer, forwarded, expected) in [
            ("10.0.0.1", &["192.0.2.7"][..], "192.0.2.7"),
            ("::ffff:10.0.0.1", &["192.0.2.7"], "192.0.2.7"),
            ("2001:db8:ffff::1", &["192.0.2.7"], "192.0.2.7"),
            ("10.0.0.1", &["198.51.100.1, 192.0.2.7"], "192.0.2.7"),
            ("10.0.0.1", &["garbage,192.0.2.7 , 10.9.9.9"], "192.0.2.7"),
            ("10.0.0.1", &["198.51.100.1", "192.0.2.7", "10.0.0.2"], "192.0.2.7"),
            ("10.0.0.1", &["192.0.2.7:5678"], "192.0.2.7"),
            ("10.0.0.1", &["[2001:db8::1]:5678"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
        ] {
            assert_eq!(of(peer, forwarded), at(expected), "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn otherwise_the_client_is_the_address_of_the_connection() {
        for peer in ["192.0.2.1", "2001:db8::1", "11.0.0.1"] {
            assert_eq!(of(peer, &["192.0.2.7"]), at(peer));
        }
        let nobody = TrustedProxies::default();
        let headers = HeaderMap::from_iter([(X_FORWARDED_FOR, "192.0.2.7".parse().unwrap())]);
        assert_eq!(nobody.client("10.0.0.1".parse().unwrap(), &headers), at("10.0.0.1"));
    }

    #[test]
    fn forged_entries_hide_no_address_that_the_proxy_added() {
        let trusted = proxies(&["10.0.0.0/8"]).unwrap();
        for written in [&b"\xff, 192.0.2.7"[..], b"\xff\xfe,192.0.2.7", b"\x80,,\x80, 192.0.2.7"] {
            let headers = HeaderMap::from_iter([(X_FORWARDED_FOR, HeaderValue::from_bytes(written).unwrap())]);
            assert_eq!(trusted.client("10.0.0.1".parse().unwrap(), &headers), at("192.0.2.7"));
        }
    }

    #[test]
    fn requests_of_a_proxy_that_names_no_client_count_as_one_client() {
        for forwarded in [&[][..], &[""], &["10.0.0.2"], &["unknown"], &["192.0.2.7, unknown"], &["192.0.2.7,"]] {
            assert_eq!(of("10.0.0.1", forwarded), Client::Untold, "{forwarded:?}");
        }
    }

    #[test]
    fn a_list_with_anything_but_addresses_and_networks_is_refused() {
        assert!(proxies(&["10.0.0.1", "10.0.0.0/8", "2001:db8::/32", "::1"]).is_ok());
        for wrong in ["", "ingress", "10.0.0.0/33", "10.0.0", "0.0.0.0/0", "::/0", "::ffff:10.0.0.1", "10.0.0.1:80"] {
            let error = proxies(&["10.0.0.1", wrong]).unwrap_err();
            assert_eq!(error.found, wrong);
            assert!(error.to_string().contains("CIDR"), "{error}");
        }
    }
}
