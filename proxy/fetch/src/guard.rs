//! Addresses that are never asked for a module.
//!
//! Whoever may write a WasmPlugin chooses an address that the proxy connects to, with the proxy's place in the network.
//! Metadata services of clouds hand out credentials to whoever reaches them, so that they are never reached from here:
//! neither by name, nor by a redirect, nor as the token server that a registry names. The check is made on the very
//! address that is then connected to, so that a name that changes in between gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Single addresses at which clouds serve metadata, outside of the link-local ranges: Alibaba, Azure and Oracle.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// The same of IPv6: Amazon and Google.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Why an address is not to be connected to. `None`: it may be.
pub(crate) fn forbidden(address: IpAddr, allow_private: bool) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => forbidden_v4(address, allow_private),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => forbidden_v4(inner, allow_private),
            None => forbidden_v6(address, allow_private),
        },
    }
}

fn forbidden_v4(address: Ipv4Addr, allow_private: bool) -> Option<&'static str> {
    // 100.64.0.0/10 is private to a carrier, or to a cloud.
    let [first, second, ..] = address.octets();
    let shared = first == 100 && second & 0b1100_0000 == 64;
    if address.is_link_local() {
        Some("a link-local address")
    } else if METADATA_V4.contains(&address) {
        Some("a cloud's metadata service")
    } else if address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
        Some("no address of a host")
    } else if !allow_private && (address.is_private() || shared) {
        Some("a private address, which this proxy is set not to ask")
    } else {
        None
    }
}

fn forbidden_v6(address: Ipv6Addr, allow_private: bool) -> Option<&'static str> {
    if address.is_unicast_link_local() {
        Some("a link-local address")
    } else if METADATA_V6.contains(&address) {
        Some("a cloud's metadata service")
    } else if address.is_unspecified() || address.is_multicast() {
        Some("no address of a host")
    } else if !allow_private && address.is_unique_local() {
        Some("a private address, which this proxy is set not to ask")
    } else {
        None
    }
}

/// The IPv4 address that an IPv6 address leads to: mapped, compatible, NAT64 or 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(of(high, low)),
        [0x2002, high, low, ..] => Some(of(high, low)),
        // ::1 and :: are addresses of their own.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(of(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str, allow_private: bool) -> bool {
        forbidden(address.parse().unwrap(), allow_private).is_some()
    }

    #[test]
    fn link_local_and_metadata_are_refused_however_written() {
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "0.0.0.0",
            "::",
            "255.255.255.255",
            "224.0.0.1",
            "ff02::1",
        ] {
            assert!(refused(address, true), "{address}");
        }
    }

    #[test]
    fn loopback_and_public_addresses_are_allowed() {
        for address in [
            "127.0.0.1",
            "127.240.0.7",
            "::1",
            "8.8.8.8",
            "2001:db8::1",
            "169.253.0.1",
            "fec0::1",
        ] {
            assert!(!refused(address, false), "{address}");
        }
    }

    #[test]
    fn private_addresses_are_a_choice() {
        for address in [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "fd00::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!refused(address, true), "{address}");
            assert!(refused(address, false), "{address}");
        }
    }
}
