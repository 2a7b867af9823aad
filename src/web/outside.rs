//! How people reach the pages: whether over TLS, under which origin, and
//! through which proxies. Decided by settings, never by a request alone.

use std::net::{IpAddr, SocketAddr};

use axum::extract::connect_info::Connected;
use axum::http::{HeaderMap, header};
use axum::serve::IncomingStream;

use super::connection::Bounded;
use crate::domain::signin::client_of;

/// So many hops of a request are looked at.
const MOST_HOPS: usize = 16;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(SocketAddr);

impl Connected<IncomingStream<'_, Bounded>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// How people reach the pages.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    origin: Option<String>,
    proxies: Vec<(IpAddr, u8)>,
}

impl Outside {
    /// From the base of links and the proxies whose word counts, each an
    /// address with the length of its prefix.
    pub fn new(public_url: Option<&str>, proxies: Vec<(IpAddr, u8)>) -> Self {
        let origin = public_url
            .and_then(|text| url::Url::parse(text).ok())
            .map(|url| url.origin().ascii_serialization());
        Self { origin, proxies }
    }

    /// Whether browsers reach the pages over TLS, so that cookies may be for
    /// TLS only.
    pub(super) fn secure(&self) -> bool {
        self.origin.as_deref().is_some_and(|origin| origin.starts_with("https://"))
    }

    /// Whether a browser says that a form was sent from another site. Browsers
    /// say nothing, or `null`, where they know nothing; the field in the form
    /// decides then.
    pub(super) fn foreign(&self, headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        if text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
            return true;
        }
        let host = text(header::HOST.as_str()).unwrap_or_default();
        match text(header::ORIGIN.as_str()) {
            None | Some("null") => false,
            Some(origin) => {
                let ours = self.origin.as_deref() == Some(origin);
                let same = origin.split_once("://").is_some_and(|(_, at)| !host.is_empty() && at == host);
                !ours && !same
            }
        }
    }

    /// The client that failures are counted for: the nearest one that is no
    /// proxy of ours. What a client claims itself counts for nothing.
    pub(super) fn client(&self, Peer(peer): Peer, headers: &HeaderMap) -> String {
        let mut client = peer.ip().to_canonical();
        let named = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = named.flat_map(|value| value.split(',')).collect();
        for hop in hops.iter().rev().take(MOST_HOPS) {
            if !self.is_proxy(client) {
                break;
            }
            let Ok(next) = hop.trim().parse::<IpAddr>() else { break };
            client = next.to_canonical();
        }
        client_of(client)
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|(network, prefix)| match (network.to_canonical(), address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differ = network.to_bits() ^ address.to_bits();
                differ.leading_zeros() >= u32::from(*prefix)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differ = network.to_bits() ^ address.to_bits();
                differ.leading_zeros() >= u32::from(*prefix)
            }
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn client(proxies: &[(&str, u8)], peer: &str, forwarded: &str) -> String {
        let proxies = proxies.iter().map(|(address, prefix)| (address.parse().unwrap(), *prefix)).collect();
        let peer = Peer(SocketAddr::new(peer.parse().unwrap(), 1));
        Outside::new(None, proxies).client(peer, &headers(&[("x-forwarded-for", forwarded)]))
    }

    #[test]
    fn a_client_cannot_name_another_address_as_its_own() {
        assert_eq!(client(&[], "192.0.2.1", "198.51.100.7"), "192.0.2.1");
        let proxies = [("10.0.0.0", 8), ("fd00::", 8)];
        assert_eq!(client(&proxies, "192.0.2.1", "198.51.100.7"), "192.0.2.1");
        assert_eq!(client(&proxies, "10.1.2.3", "198.51.100.7"), "198.51.100.7");
        assert_eq!(client(&proxies, "::ffff:10.1.2.3", "1.1.1.1, 198.51.100.7, 10.9.9.9"), "198.51.100.7");
        assert_eq!(client(&proxies, "fd00::1", "2001:db8::1"), "2001:db8:0:0::/64");
        assert_eq!(client(&proxies, "10.1.2.3", "nonsense"), "10.1.2.3");
        assert_eq!(client(&[("0.0.0.0", 0)], "10.1.2.3", "198.51.100.7"), "198.51.100.7");
    }

    #[test]
    fn a_form_from_another_site_is_recognised_by_what_browsers_say() {
        let outside = Outside::new(Some("https://accounts.example.org/x"), vec![]);
        let foreign = |pairs: &[(&'static str, &str)]| outside.foreign(&headers(pairs));
        for own in [
            &[][..],
            &[("origin", "https://accounts.example.org"), ("host", "10.0.0.7:8080")],
            &[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")],
            &[("origin", "null")],
            &[("sec-fetch-site", "same-origin")],
        ] {
            assert!(!foreign(own), "{own:?}");
        }
        for other in [
            &[("origin", "https://evil.example"), ("host", "accounts.example.org")][..],
            &[("origin", "https://accounts.example.org.evil.example")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site"), ("origin", "https://accounts.example.org")],
        ] {
            assert!(foreign(other), "{other:?}");
        }
    }
}
