//! What is known of a name.

use std::net::IpAddr;
use std::sync::Arc;

use crate::error::DnsError;

/// What is known of a name at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolution {
    addresses: Arc<[IpAddr]>,
    last_known: Arc<[IpAddr]>,
    asked: bool,
    error: Option<DnsError>,
}

impl Resolution {
    /// The addresses in the server's order, IPv4 before IPv6, each once.
    ///
    /// As with Envoy's STRICT_DNS, which Istio uses for `resolution: DNS`: an answer without addresses clears them, a
    /// server that fails or is away does not.
    pub fn addresses(&self) -> &Arc<[IpAddr]> {
        &self.addresses
    }

    /// The addresses of the last answer that had any.
    ///
    /// As with Envoy's LOGICAL_DNS, which Istio uses for `resolution: DNS_ROUND_ROBIN`: new connections go to the first
    /// of these, and an answer without addresses changes nothing.
    pub fn last_known(&self) -> &Arc<[IpAddr]> {
        &self.last_known
    }

    /// Whether a server has answered or failed: before that, a name without addresses is not a name that has none.
    pub fn is_asked(&self) -> bool {
        self.asked
    }

    /// What the latest attempt failed on, or that its answer had no addresses.
    pub fn error(&self) -> Option<&DnsError> {
        self.error.as_ref()
    }

    /// What addresses are known to be without asking.
    pub(crate) fn fixed(address: IpAddr) -> Self {
        Self::default().answered(vec![address])
    }

    /// What is known after an answer with addresses.
    pub(crate) fn answered(&self, addresses: Vec<IpAddr>) -> Self {
        // Most answers repeat what is known.
        let addresses = if *self.addresses == *addresses {
            self.addresses.clone()
        } else {
            addresses.into()
        };
        Self {
            last_known: addresses.clone(),
            addresses,
            asked: true,
            error: None,
        }
    }

    /// What is known after an error, which may be that there are no addresses.
    pub(crate) fn failed(&self, error: DnsError) -> Self {
        let mut after = Self {
            asked: true,
            ..self.clone()
        };
        if let DnsError::NoAddresses { .. } = error {
            after.addresses = Arc::default();
        }
        after.error = Some(error);
        after
    }

    /// Whether others than `before` are the addresses, in whatever order: servers turn it from answer to answer.
    pub(crate) fn differs(&self, before: &Self) -> bool {
        let sorted = |addresses: &Arc<[IpAddr]>| {
            let mut sorted = addresses.to_vec();
            sorted.sort_unstable();
            sorted
        };
        !before.asked
            || (self.addresses != before.addresses && sorted(&self.addresses) != sorted(&before.addresses))
            || (self.last_known != before.last_known
                && sorted(&self.last_known) != sorted(&before.last_known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(last: &[u8]) -> Vec<IpAddr> {
        last.iter().map(|last| IpAddr::from([10, 0, 0, *last])).collect()
    }

    fn away() -> DnsError {
        DnsError::Failed {
            host: "h".parse().unwrap(),
            reason: "SERVFAIL".to_owned(),
        }
    }

    fn nothing() -> DnsError {
        DnsError::NoAddresses {
            host: "h".parse().unwrap(),
            answer: "NXDOMAIN".to_owned(),
        }
    }

    #[test]
    fn failures_keep_addresses_and_empty_answers_clear_them() {
        let new = Resolution::default();
        assert!(!new.is_asked());
        let known = new.answered(addresses(&[1, 2]));
        assert!(known.differs(&new));
        let stale = known.failed(away());
        assert_eq!(
            (&**stale.addresses(), stale.error()),
            (&*addresses(&[1, 2]), Some(&away()))
        );
        assert!(!stale.differs(&known));
        let empty = stale.failed(nothing());
        assert!(empty.addresses().is_empty() && empty.differs(&stale));
        assert_eq!(**empty.last_known(), *addresses(&[1, 2]));
        let again = empty.answered(addresses(&[1, 2]));
        assert!(again.differs(&empty) && again.error().is_none());
    }

    #[test]
    fn another_order_is_no_change_but_is_seen() {
        let known = Resolution::default().answered(addresses(&[1, 2, 3]));
        let turned = known.answered(addresses(&[2, 3, 1]));
        assert!(!turned.differs(&known));
        assert_eq!(**turned.addresses(), *addresses(&[2, 3, 1]));
        assert!(known.answered(addresses(&[1, 2])).differs(&known));
    }

    #[test]
    fn the_first_outcome_is_a_change_whatever_it_is() {
        let new = Resolution::default();
        assert!(new.failed(away()).differs(&new) && new.failed(nothing()).differs(&new));
        let failed = new.failed(away());
        assert!(!failed.failed(away()).differs(&failed));
    }
}
