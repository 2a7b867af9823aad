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

/// Azure's metadata and provisioning service: by its number a public address,
/// which answers only from inside.
const AZURE_WIRE_SERVER: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

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
        || v4.is_documentation()
        || (a == 100 && (64..128).contains(&b)) // shared address space of carriers, RFC 6598
        || (a == 192 && b == 0 && c == 0) // protocol assignments, RFC 6890
        || (a == 192 && b == 88 && c == 99) // relays of 6to4, RFC 7526
        || (a == 198 && (18..20).contains(&b)) // benchmarking, RFC 2544
        || v4 == AZURE_WIRE_SERVER
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
    // Global unicast is 2000::/3, and everything inward lies outside of it. In it
    // 2001::/23 is for protocols, Teredo among them, which wraps addresses in its
    // own way; 2001:db8::/32 and 3fff::/20 are for documentation.
    let for_protocols = a == 0x2001 && b < 0x200;
    let for_documentation = (a, b) == (0x2001, 0xdb8) || (a == 0x3fff && b < 0x1000);
    a & 0xe000 == 0x2000 && !for_protocols && !for_documentation
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
            ("2002:0808:0808::1", true),
            ("2001:4860:4860::8888", true),
            ("3ffe::1", true),
            ("168.63.129.15", true),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("127.9.9.9", false),
            ("169.254.169.254", false),
            ("168.63.129.16", false),
            ("172.16.0.1", false),
            ("192.168.1.1", false),
            ("100.127.255.255", false),
            ("172.31.255.255", false),
            ("192.0.0.8", false),
            ("192.0.2.1", false),
            ("192.88.99.1", false),
            ("203.0.113.1", false),
            ("198.18.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("::127.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("::ffff:100.64.0.1", false),
            ("::ffff:169.254.169.254", false),
            ("::ffff:168.63.129.16", false),
            ("::ffff:0.0.0.0", false),
            ("64:ff9b::10.0.0.1", false),
            ("64:ff9b::127.0.0.1", false),
            ("64:ff9b::169.254.169.254", false),
            ("64:ff9b::100.64.0.1", false),
            ("64:ff9b:1::8.8.8.8", false),
            ("2002:0a00:0001::1", false),
            ("2002:7f00:0001::1", false),
            ("2001:0:53aa:64c:0:fbff:80ff:fffe", false),
            ("2001:20::1", false),
            ("3fff::1", false),
            ("100::1", false),
            ("fc00::1", false),
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
