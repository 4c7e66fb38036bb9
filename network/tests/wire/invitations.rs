//! Invitations.

use infernet_network::proof::{Digest, PublicKey};
use infernet_network::wire::{EvmAddress, Invitation, InvitationError, NetworkChain, SwarmKey};
use proptest::prelude::*;

use crate::known::invitations;

const PEER: &str = "12D3KooWQK1wnefoLrcVHbbnf5tLzbopUd3K3bFAoJpA7YJgL5pV";

fn invitation(swarm_key: Option<SwarmKey>) -> Invitation {
    Invitation {
        network: Digest([7; 32]),
        name: "Garage".to_owned(),
        validator: PublicKey([4; 32]),
        bootstrap: vec![
            format!("/ip4/192.0.2.1/udp/4001/quic-v1/p2p/{PEER}"),
            format!("/dns4/swarm.example/tcp/4001/p2p/{PEER}"),
        ],
        swarm_key,
        chain: None,
    }
}

fn chain(rpc: &str) -> NetworkChain {
    NetworkChain { chain_id: 31_337, contract: EvmAddress::new([5; 20]), rpc: vec![rpc.to_owned()], from_block: 7 }
}

/// Written with Python's cbor2, hashlib and a base58 of a few lines.
#[test]
fn known_invitations() {
    let [open, keyed, chained] = &invitations()[..] else { panic!() };
    let on_a_chain = Invitation { chain: Some(chain("https://rpc.example")), ..invitation(None) };
    let keyed_too = invitation(Some(SwarmKey::new([11; 32])));
    for (uri, expected) in [(open, invitation(None)), (keyed, keyed_too), (chained, on_a_chain)] {
        assert_eq!(&Invitation::parse(uri).unwrap(), &expected);
        assert_eq!(&expected.to_uri().unwrap(), uri);
        assert_eq!(Invitation::parse(&format!("\n  {uri} ")).unwrap(), expected);
    }
}

#[test]
fn what_is_wrong_is_named() {
    let uri = invitation(None).to_uri().unwrap();
    let code = |text: &str| Invitation::parse(text).unwrap_err().code();
    assert_eq!(code(""), "invitation.prefix");
    assert_eq!(code("https://example.org/join/abc"), "invitation.prefix");
    assert_eq!(code("infernet://join/"), "invitation.checksum");
    assert_eq!(code(&uri[..uri.len() - 1]), "invitation.checksum");
    assert_eq!(code(&format!("{uri}{}", "1".repeat(9000))), "invitation.too_long");
    let with_zero = format!("{}0{}", &uri[..40], &uri[41..]);
    assert_eq!(Invitation::parse(&with_zero).unwrap_err(), InvitationError::Character { position: 40 });
    assert_eq!(code(&format!("{}\u{e9}{}", &uri[..40], &uri[41..])), "invitation.character");
    for at in 16..uri.len() {
        let other = if &uri[at..=at] == "x" { "y" } else { "x" };
        assert_eq!(code(&format!("{}{other}{}", &uri[..at], &uri[at + 1..])), "invitation.checksum", "{at}");
    }
}

#[test]
fn addresses_without_a_peer_are_no_way_in() {
    for address in ["/ip4/192.0.2.1/tcp/1", "192.0.2.1:1", "", "/ip4/192.0.2.1/tcp/1/p2p/abc"] {
        let invitation = Invitation { bootstrap: vec![address.to_owned()], ..invitation(None) };
        assert_eq!(invitation.to_uri().unwrap_err().code(), "wire.field", "{address}");
    }
    let many = Invitation { bootstrap: vec![invitation(None).bootstrap[0].clone(); 17], ..invitation(None) };
    assert_eq!(many.to_uri().unwrap_err().code(), "wire.field");
    // The longest that there can be still fits a link.
    let address = format!("/dns4/{}/tcp/1/p2p/{PEER}", "x".repeat(256 - 19 - PEER.len()));
    let rpc = vec![format!("https://{}", "x".repeat(248)); NetworkChain::MAX_ENDPOINTS];
    let chain = NetworkChain { chain_id: u64::MAX, rpc, from_block: u64::MAX, ..chain("") };
    let key = Some(SwarmKey::new([255; 32]));
    let longest =
        Invitation { bootstrap: vec![address; 16], name: "x".repeat(64), chain: Some(chain), ..invitation(key) };
    assert!(longest.bootstrap[0].len() <= 256 && longest.bootstrap[0].len() > 240);
    assert_eq!(Invitation::parse(&longest.to_uri().unwrap()).unwrap(), longest);
}

#[test]
fn a_chain_without_a_way_to_it_is_refused() {
    let refused = |chain: NetworkChain| {
        let text = Invitation { chain: Some(chain), ..invitation(None) }.to_uri();
        text.is_err_and(|error| error.code() == "wire.field")
    };
    assert!(refused(NetworkChain { chain_id: 0, ..chain("http://a") }));
    assert!(refused(NetworkChain { rpc: Vec::new(), ..chain("http://a") }));
    assert!(refused(NetworkChain { rpc: vec!["http://a".to_owned(); 5], ..chain("http://a") }));
    assert!(refused(chain("ftp://a")));
    assert!(refused(chain(&format!("http://{}", "a".repeat(256)))));
}

#[test]
fn the_key_is_not_printed() {
    let printed = format!("{:?}", invitation(Some(SwarmKey::new([11; 32]))));
    assert!(printed.contains("fingerprint") && !printed.contains("11, 11"), "{printed}");
}

proptest! {
    #[test]
    fn any_text_is_refused_or_read(text in "\\PC{0,200}", prefixed in any::<bool>()) {
        let text = if prefixed { format!("infernet://join/{text}") } else { text };
        if let Ok(invitation) = Invitation::parse(&text) {
            prop_assert_eq!(invitation.to_uri().unwrap(), text.trim());
        }
    }

    /// The checksum is no protection against somebody who can compute it.
    #[test]
    fn any_bytes_with_a_good_checksum(bytes in prop::collection::vec(any::<u8>(), 0..300), known in any::<bool>()) {
        use sha2::Digest as _;
        let mut content = if known { vec![1] } else { Vec::new() };
        content.extend(bytes);
        let sum = sha2::Sha256::digest(&content);
        content.extend(&sum[..4]);
        let uri = format!("infernet://join/{}", bs58::encode(content).into_string());
        if let Ok(invitation) = Invitation::parse(&uri) {
            prop_assert_eq!(invitation.to_uri().unwrap(), uri);
        }
    }
}
