//! Known answers: `docs/vectors/wire.json` was written with Python's cbor2 from the field names and values alone.

use std::collections::BTreeSet;

use infernet_network::wire::{Announcement, BlobMessage, Message, Request, Response, WireError};

pub(crate) struct Known {
    pub(crate) family: String,
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

fn document() -> serde_json::Value {
    serde_json::from_str(include_str!("../../../docs/vectors/wire.json")).unwrap()
}

pub(crate) fn messages() -> Vec<Known> {
    let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = document()["messages"].as_array().unwrap().clone();
    let known = |row| Known { family: text(row, "family"), name: text(row, "name"), bytes: unhex(&text(row, "hex")) };
    rows.iter().map(known).collect()
}

pub(crate) fn invitations() -> Vec<String> {
    document()["invitations"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Reads a message of a family and writes it again; with its name.
pub(crate) fn again(family: &str, bytes: &[u8]) -> Result<(Vec<u8>, &'static str), WireError> {
    fn read<M: Message>(bytes: &[u8]) -> Result<(Vec<u8>, &'static str), WireError> {
        let message = M::from_bytes(bytes)?;
        Ok((message.to_bytes().expect("what was read can be written"), message.name()))
    }
    match family {
        "request" => read::<Request>(bytes),
        "response" => read::<Response>(bytes),
        "announcement" => read::<Announcement>(bytes),
        "blob" => read::<BlobMessage>(bytes),
        other => panic!("{other}"),
    }
}

#[test]
fn another_implementation_writes_the_same_bytes() {
    for known in messages() {
        let (bytes, name) =
            again(&known.family, &known.bytes).unwrap_or_else(|error| panic!("{}: {error}", known.name));
        assert_eq!(name, known.name);
        assert_eq!(bytes, known.bytes, "{name}");
    }
}

#[test]
fn every_kind_is_known() {
    fn kinds<M: Message>(family: &str) {
        let known: BTreeSet<_> =
            messages().into_iter().filter(|known| known.family == family).map(|known| known.name).collect();
        let named: BTreeSet<_> = (0..=u8::MAX).filter_map(M::rule).map(|rule| rule.name.to_owned()).collect();
        assert_eq!(known, named, "{family}");
    }
    kinds::<Request>("request");
    kinds::<Response>("response");
    kinds::<Announcement>("announcement");
    kinds::<BlobMessage>("blob");
}

#[test]
fn values_are_where_they_belong() {
    let of = |name: &str| {
        messages().into_iter().find(|known| known.family == "request" && known.name == name).unwrap().bytes
    };
    let Request::Hello(hello) = Request::from_bytes(&of("Hello")).unwrap() else { panic!() };
    assert_eq!((hello.protocol, hello.network.0, hello.roles.to_string()), (1, [7; 32], "miner, validator".to_owned()));
    let Request::MinerOffer(offer) = Request::from_bytes(&of("MinerOffer")).unwrap() else { panic!() };
    assert_eq!((offer.models[0].seconds_per_evaluation, offer.memory_bytes), (0.1, 1 << 33));
    let Request::OfferJob(offer) = Request::from_bytes(&of("OfferJob")).unwrap() else { panic!() };
    assert_eq!((&*offer.challenge, offer.required_stake_microcredits), (&b"challenge"[..], 70_000));
}
