//! Can others reach us?

use std::collections::BTreeSet;
use std::fmt;

use libp2p::{Multiaddr, PeerId};

/// How others reach us, and why not better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reachability {
    /// They dial us.
    Direct {
        /// Where, or how we know.
        how: String,
    },
    /// They come over another peer; fine for messages, slow for files until a hole is punched.
    Relayed {
        /// Over whom.
        relays: Vec<PeerId>,
        /// Why not directly.
        why: String,
    },
    /// We reach them, they don't reach us. Mining works: a miner's connection to its validator goes out.
    Unreachable {
        /// Why.
        why: String,
    },
    /// Not known yet.
    Unknown {
        /// What is being waited for.
        why: String,
    },
}

impl fmt::Display for Reachability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct { how } => write!(f, "Direct: {how}"),
            Self::Relayed { relays, why } => write!(f, "Relayed over {} peers: {why}", relays.len()),
            Self::Unreachable { why } => write!(f, "Unreachable: {why}"),
            Self::Unknown { why } => write!(f, "Not known yet: {why}"),
        }
    }
}

/// What has been learned so far. Pure.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// Addresses that AutoNAT, UPnP or the operator vouch for.
    pub(super) confirmed: BTreeSet<Multiaddr>,
    /// Relays that hold a reservation for us.
    pub(super) relays: BTreeSet<PeerId>,
    /// An incoming connection that no relay and no hole made.
    pub(super) dialled_from: Option<Multiaddr>,
    /// AutoNAT's last failure.
    pub(super) failed_probe: Option<String>,
    /// What the router said.
    pub(super) router: Option<&'static str>,
}

impl Evidence {
    pub(super) fn verdict(&self, is_relayed: impl Fn(&Multiaddr) -> bool) -> Reachability {
        if let Some(address) = self.confirmed.iter().find(|address| !is_relayed(address)) {
            return Reachability::Direct { how: format!("peers reach {address}") };
        }
        if let Some(address) = &self.dialled_from {
            return Reachability::Direct { how: format!("a peer dialled us from {address}") };
        }
        let reasons = [self.failed_probe.as_deref(), self.router].into_iter().flatten();
        let why = reasons.collect::<Vec<_>>().join("; ");
        if !self.relays.is_empty() {
            let why = if why.is_empty() { "no peer has dialled us yet".to_owned() } else { why };
            return Reachability::Relayed { relays: self.relays.iter().copied().collect(), why };
        }
        if self.failed_probe.is_some() {
            return Reachability::Unreachable { why: format!("{why}; open the port in the router or join over a relay") };
        }
        Reachability::Unknown { why: "no peer has tried to dial us yet".to_owned() }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_best_evidence_counts() {
        let relayed = |address: &Multiaddr| address.to_string().contains("p2p-circuit");
        let mut evidence = Evidence::default();
        assert!(matches!(evidence.verdict(relayed), Reachability::Unknown { .. }));
        evidence.failed_probe = Some("a peer could not dial /ip4/1.2.3.4/tcp/1".to_owned());
        evidence.router = Some("the router offers no UPnP");
        let Reachability::Unreachable { why } = evidence.verdict(relayed) else { panic!("{evidence:?}") };
        assert!(why.contains("1.2.3.4") && why.contains("UPnP"), "{why}");
        evidence.relays.insert(PeerId::random());
        assert!(matches!(evidence.verdict(relayed), Reachability::Relayed { .. }));
        // A relayed address proves nothing.
        let circuit = format!("/ip4/9.9.9.9/tcp/1/p2p/{}/p2p-circuit", PeerId::random());
        evidence.confirmed.insert(circuit.parse().unwrap());
        assert!(matches!(evidence.verdict(relayed), Reachability::Relayed { .. }));
        evidence.confirmed.insert("/ip4/1.2.3.4/tcp/1".parse().unwrap());
        assert!(matches!(evidence.verdict(relayed), Reachability::Direct { .. }));
    }
}
