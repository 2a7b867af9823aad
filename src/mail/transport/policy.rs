//! Which addresses a mail server may have. In a cluster a tenant's author
//! chooses a host name, and must not thereby reach what only the controller
//! can reach: loopback, the pod network, the cloud's metadata service.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Decides about every address that a mail host resolves to, on the very
/// addresses that are then connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressPolicy {
    /// Anything goes: the operator named the host.
    Any,
    /// Loopback, link-local, private and other inward addresses are refused.
    Public {
        /// Hosts of `--mail-allow-hosts`, which may resolve to anything.
        allow_hosts: Vec<String>,
    },
}

impl AddressPolicy {
    /// May `host`, which resolved to `address`, be connected to?
    #[must_use]
    pub fn permits(&self, host: &str, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Public { allow_hosts } => {
                let same = |allowed: &String| {
                    allowed.trim_end_matches('.').eq_ignore_ascii_case(host.trim_end_matches('.'))
                };
                allow_hosts.iter().any(same) || is_public(address)
            }
        }
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    !(a == 0
        || v4.is_loopback()
        || v4.is_private()
        || v4.is_link_local()
        || (a == 100 && (64..128).contains(&b)) // shared address space of carriers, RFC 6598
        || (a == 192 && b == 0 && c == 0) // protocol assignments, RFC 6890
        || (a == 198 && (18..20).contains(&b)) // benchmarking, RFC 2544
        || a >= 224) // multicast, reserved, broadcast
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    // An address that only wraps an IPv4 one is judged by what it wraps.
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let wrapped = match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0 | 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => Some((g, h)),
        (0x2002, ..) => Some((b, c)),
        _ => None,
    };
    if let Some((high, low)) = wrapped {
        let [w, x] = high.to_be_bytes();
        let [y, z] = low.to_be_bytes();
        return is_public_v4(Ipv4Addr::new(w, x, y, z));
    }
    // Global unicast is 2000::/3; everything inward lies outside of it, and
    // 2001:db8::/32 is for documentation.
    a & 0xe000 == 0x2000 && (a, b) != (0x2001, 0xdb8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inward_addresses_are_refused_and_public_ones_permitted() {
        let policy = AddressPolicy::Public { allow_hosts: Vec::new() };
        for (address, permitted) in [
            ("8.8.8.8", true),
            ("172.32.0.1", true),
            ("100.128.0.1", true),
            ("2606:4700::1111", true),
            ("::ffff:8.8.8.8", true),
            ("64:ff9b::8.8.8.8", true),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("127.9.9.9", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("192.168.1.1", false),
            ("192.0.0.8", false),
            ("198.18.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("::127.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("64:ff9b::10.0.0.1", false),
            ("2002:0a00:0001::1", false),
            ("fe80::1", false),
            ("fd00::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(policy.permits("mail.example", address.parse().unwrap()), permitted, "{address}");
        }
    }

    #[test]
    fn a_host_that_the_operator_named_may_be_anywhere() {
        let policy = AddressPolicy::Public { allow_hosts: vec!["Relay.mail.svc".into()] };
        let inside = "10.0.0.1".parse().unwrap();
        assert!(policy.permits("relay.mail.svc", inside));
        assert!(policy.permits("relay.mail.svc.", inside));
        assert!(!policy.permits("other.mail.svc", inside));
        assert!(AddressPolicy::Any.permits("other.mail.svc", inside));
    }
}
