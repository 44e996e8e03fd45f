//! Addresses that a URL of the configuration should not lead to: whoever answers there hands out credentials of the machine, or
//! is nobody in particular.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is link-local, a cloud's metadata service, or one that no single host has: unspecified, multicast,
/// broadcast.
///
/// An IPv4 address counts in all spellings that IPv6 has for it. Private and loopback addresses are none of these.
#[must_use]
pub fn is_link_local_or_metadata(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => forbidden_v4(address),
        IpAddr::V6(address) => forbidden_v6(address),
    }
}

fn forbidden_v4(address: Ipv4Addr) -> bool {
    hands_out_credentials(address)
        || address.is_multicast()
        || address.is_broadcast()
        // RFC 6890: all of 0.0.0.0/8 is "this network", and systems take 0.0.0.0 for the machine itself.
        || address.octets()[0] == 0
}

fn hands_out_credentials(address: Ipv4Addr) -> bool {
    address.is_link_local() || METADATA_V4.contains(&address)
}

fn forbidden_v6(address: Ipv6Addr) -> bool {
    if address.is_loopback() {
        return false;
    }
    METADATA_V6 == address
        || address.is_unicast_link_local()
        || address.is_multicast()
        || address.is_unspecified()
        || embeds_forbidden(address)
}

/// Whether a translator or a tunnel would make such an IPv4 address of it.
fn embeds_forbidden(address: Ipv6Addr) -> bool {
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        // Mapped (RFC 4291 §2.5.5.2), compatible (§2.5.5.1), translated (RFC 2765 §2.1), and NAT64 (RFC 6052 §2.1).
        [0, 0, 0, 0, 0, 0xffff | 0, a, b]
        | [0, 0, 0, 0, 0xffff, 0, a, b]
        | [0x64, 0xff9b, 0, 0, 0, 0, a, b]
        // 6to4 (RFC 3056 §2).
        | [0x2002, a, b, ..] => forbidden_v4(v4(a, b)),
        // NAT64 with a prefix of one's own (RFC 8215), whose length nobody tells: the address stands at the end after a
        // /96, around the ninth octet after a /48 (RFC 6052 §2.2). What is not there is zeros, so those do not count.
        [0x64, 0xff9b, 1, before, ninth, after, a, b] => {
            let around = v4(before, (ninth << 8) | (after >> 8));
            hands_out_credentials(around) || hands_out_credentials(v4(a, b))
        }
        _ => false,
    }
}

/// Metadata services outside of the link-local range: Alibaba Cloud, Azure, Oracle Cloud.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// The metadata service of EC2 over IPv6.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_metadata_and_nobodys_addresses_are_found_in_every_spelling() {
        for address in [
            "169.254.0.0",
            "169.254.169.254",
            "169.254.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "::",
            "fe80::1",
            "febf:ffff::1",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "::ffff:0.0.0.0",
            "::ffff:100.100.100.200",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b::a83f:8110",
            "64:ff9b:1::169.254.169.254",
            "64:ff9b:1:a9fe:a9:fe00::",
            "2002:a9fe:a9fe::1",
            "2002:c000:c0::",
        ] {
            let parsed: IpAddr = address.parse().unwrap();
            assert!(is_link_local_or_metadata(parsed), "{address}");
        }
    }

    #[test]
    fn private_loopback_and_public_addresses_are_not() {
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "192.0.0.191",
            "100.64.0.1",
            "100.100.100.201",
            "169.253.255.255",
            "169.255.0.0",
            "223.255.255.255",
            "1.1.1.1",
            "::1",
            "fd00::1",
            "fd00:ec2::253",
            "fe7f::1",
            "fec0::1",
            "2001:db8::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::10.0.0.1",
            "64:ff9b:1:a00:0:100::",
            "2002:a00:1::1",
        ] {
            let parsed: IpAddr = address.parse().unwrap();
            assert!(!is_link_local_or_metadata(parsed), "{address}");
        }
    }
}
