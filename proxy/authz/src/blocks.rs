//! Sets of IP addresses.

use std::net::IpAddr;

use ipnet::IpNet;

/// A union of addresses and CIDR blocks. A look-up costs the logarithm of their number.
///
/// IPv4 addresses that are written as IPv6 ones (`::ffff:10.0.0.1`) count as IPv4 on both sides.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blocks {
    v4: Ranges,
    v6: Ranges,
}

/// Sorted, disjoint ranges, both ends included.
#[derive(Debug, Clone, Default)]
struct Ranges(Box<[(u128, u128)]>);

impl Blocks {
    pub(crate) fn new(blocks: &[IpNet]) -> Blocks {
        let (mut v4, mut v6) = (vec![], vec![]);
        for block in blocks {
            let (first, last) = (number(block.network()), number(block.broadcast()));
            if block.network().is_ipv4() {
                &mut v4
            } else {
                &mut v6
            }
            .push((first, last));
        }
        Blocks {
            v4: Ranges::new(v4),
            v6: Ranges::new(v6),
        }
    }

    /// Reads a CIDR block, or an address as a block of one.
    pub(crate) fn parse(text: &str) -> Option<IpNet> {
        let block = if text.contains('/') {
            text.parse().ok()?
        } else {
            IpNet::from(text.parse::<IpAddr>().ok()?)
        };
        let address = block.addr().to_canonical();
        let unmapped = if address.is_ipv4() && block.addr().is_ipv6() {
            96
        } else {
            0
        };
        match block.prefix_len().checked_sub(unmapped) {
            Some(length) => IpNet::new(address, length).ok(),
            None => Some(block),
        }
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let ranges = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        ranges.contains(number(address))
    }
}

impl Ranges {
    fn new(mut ranges: Vec<(u128, u128)>) -> Ranges {
        ranges.sort_unstable();
        let mut merged: Vec<(u128, u128)> = vec![];
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if first <= *end => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        Ranges(merged.into())
    }

    fn contains(&self, number: u128) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= number);
        let candidate = after.checked_sub(1).and_then(|index| self.0.get(index));
        candidate.is_some_and(|(_, last)| number <= *last)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

#[cfg(test)]
mod tests;
