//! Can others reach us?

use std::collections::BTreeSet;
use std::fmt;

use libp2p::multiaddr::Protocol;
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
    /// An incoming connection from the internet that no relay and no hole made.
    pub(super) dialled_from_outside: Option<Multiaddr>,
    /// The same from the local network or this machine.
    pub(super) dialled_from_inside: Option<Multiaddr>,
    /// AutoNAT's last failure.
    pub(super) failed_probe: Option<String>,
    /// What the router said.
    pub(super) router: Option<&'static str>,
}

impl Evidence {
    pub(super) fn is_direct(&self) -> bool {
        matches!(self.verdict(), Reachability::Direct { .. })
    }

    /// Notes who dialled us.
    pub(super) fn dialled_from(&mut self, address: &Multiaddr) {
        let place = if is_local(address) { &mut self.dialled_from_inside } else { &mut self.dialled_from_outside };
        place.get_or_insert_with(|| address.clone());
    }

    pub(super) fn verdict(&self) -> Reachability {
        if let Some(address) = self.confirmed.iter().find(|address| !is_relayed(address)) {
            return Reachability::Direct { how: format!("peers reach {address}") };
        }
        if let Some(address) = &self.dialled_from_outside {
            return Reachability::Direct { how: format!("a peer dialled us from {address}") };
        }
        let reasons = [self.failed_probe.as_deref(), self.router].into_iter().flatten();
        let why = reasons.collect::<Vec<_>>().join("; ");
        if !self.relays.is_empty() {
            let why = if why.is_empty() { "no peer has dialled us yet".to_owned() } else { why };
            return Reachability::Relayed { relays: self.relays.iter().copied().collect(), why };
        }
        if self.failed_probe.is_some() {
            return Reachability::Unreachable {
                why: format!("{why}; open the port in the router or join over a relay"),
            };
        }
        match &self.dialled_from_inside {
            Some(address) => {
                Reachability::Direct { how: format!("a peer on the local network dialled us from {address}") }
            }
            None => Reachability::Unknown { why: "no peer has tried to dial us yet".to_owned() },
        }
    }
}

/// Whether an address leads over a relay.
pub(super) fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// Whether an address is of this machine or its own network.
fn is_local(address: &Multiaddr) -> bool {
    address.iter().any(|part| match part {
        Protocol::Ip4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Protocol::Ip6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        _ => false,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_best_evidence_counts() {
        let mut evidence = Evidence::default();
        assert!(matches!(evidence.verdict(), Reachability::Unknown { .. }));
        evidence.dialled_from(&"/ip4/192.168.1.7/tcp/1".parse().unwrap());
        assert!(evidence.is_direct());
        evidence.failed_probe = Some("a peer could not dial /ip4/1.2.3.4/tcp/1".to_owned());
        evidence.router = Some("the router offers no UPnP");
        let Reachability::Unreachable { why } = evidence.verdict() else { panic!("{evidence:?}") };
        assert!(why.contains("1.2.3.4") && why.contains("UPnP"), "{why}");
        evidence.relays.insert(PeerId::random());
        assert!(matches!(evidence.verdict(), Reachability::Relayed { .. }));
        // A relayed address proves nothing.
        let circuit = format!("/ip4/9.9.9.9/tcp/1/p2p/{}/p2p-circuit", PeerId::random());
        evidence.confirmed.insert(circuit.parse().unwrap());
        assert!(matches!(evidence.verdict(), Reachability::Relayed { .. }));
        evidence.dialled_from(&"/ip4/8.8.8.8/tcp/1".parse().unwrap());
        assert!(evidence.is_direct());
        evidence.confirmed.insert("/ip4/1.2.3.4/tcp/1".parse().unwrap());
        let Reachability::Direct { how } = evidence.verdict() else { panic!("{evidence:?}") };
        assert!(how.contains("1.2.3.4"), "{how}");
    }
}
