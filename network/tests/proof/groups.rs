//! Shard groups: who is blamed for what, on a toy exchange of sums and halos between three members.

use std::collections::BTreeMap;

use infernet_engine::pipeline::Precision;
use infernet_network::proof::group::{
    Attribution, BoundaryRecord, BoundaryTensor, Disclosure, Exchange, Fault, GroupError, MemberCommitment, MemberLeaf,
    Piece, PieceReplay, ReceivedTensor, Shipment, attribute, boundary_digest, check_members, check_slices, frame_slice,
    group_root, member_commitment,
};
use infernet_network::proof::{
    Digest, MerkleTree, PublicKey, ReexecutionError, Signed, SigningKey, Tensor, relative_l2,
};

use super::world::bytes;

const MEMBERS: u16 = 3;
const STEP: u32 = 4;
const BOUND: f64 = 1e-3;
/// Numbers a member holds.
const SLICE: usize = 4;

fn to_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn to_values(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|&value| f32::from_le_bytes(value)).collect()
}

fn slice(member: u16) -> Vec<f32> {
    (0..SLICE).map(|at| 1.0 + f32::from(member) + at as f32 / 7.0).collect()
}

fn message(number: u32, from: u16, to: u16) -> Exchange {
    Exchange { exchange: number, from, to }
}

/// Everyone sends its sum and its last number (a halo) to everyone; then its output to member 0.
fn pieces() -> Vec<Piece> {
    let others = |member: u16| (0..MEMBERS).filter(move |&other| other != member);
    let first = (0..MEMBERS).map(|member| Piece {
        member,
        receives: Vec::new(),
        sends: others(member).map(|other| message(0, member, other)).collect(),
    });
    let second = (0..MEMBERS).map(|member| Piece {
        member,
        receives: others(member).map(|other| message(0, other, member)).collect(),
        sends: vec![message(1, member, 0)],
    });
    first.chain(second).collect()
}

/// What a member sends in a piece.
fn compute(piece: &Piece, received: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let own = slice(piece.member);
    if piece.receives.is_empty() {
        let sums = vec![own.iter().sum::<f32>(), own[SLICE - 1]];
        return vec![sums; piece.sends.len()];
    }
    let total: f32 = own.iter().sum::<f32>() + received.iter().map(|sums| sums[0]).sum::<f32>();
    let halo = received[0][1];
    vec![own.iter().map(|value| value / total + 0.1 * halo).collect()]
}

struct Replay;

impl PieceReplay for Replay {
    fn replay(&mut self, piece: &Piece, received: &[&[u8]], sent: &[&[u8]]) -> Result<Vec<f64>, ReexecutionError> {
        let received: Vec<Vec<f32>> = received.iter().map(|bytes| to_values(bytes)).collect();
        let own = compute(piece, &received);
        let error = |(own, sent): (&Vec<f32>, &&[u8])| {
            let sent = to_values(sent);
            if sent.len() == own.len() { relative_l2(&sent, own) } else { f64::INFINITY }
        };
        Ok(own.iter().zip(sent).map(error).collect())
    }
}

struct Group {
    session: Digest,
    keys: Vec<SigningKey>,
    members: Vec<Signed<MemberCommitment>>,
    disclosures: Vec<Disclosure>,
}

type Change = fn(&Exchange, &mut Vec<f32>);

/// What the cheats do while the step runs.
#[derive(Default)]
struct Cheat {
    /// Changes what a member sends, everywhere.
    sends: Option<(u16, Change)>,
    /// The sender records this instead of what it shipped.
    records_sent: Option<(u16, Vec<f32>)>,
    /// The receiver records this instead of what it was shipped.
    records_received: Option<(u16, Vec<f32>)>,
}

fn key(member: u16) -> SigningKey {
    SigningKey::from_bytes(&bytes("member", u64::from(member)))
}

impl Group {
    fn run(cheat: &Cheat) -> Self {
        let session = Digest(bytes("group session", 0));
        let mut shipped: BTreeMap<Exchange, Vec<f32>> = BTreeMap::new();
        for piece in pieces() {
            let received: Vec<Vec<f32>> = piece.receives.iter().map(|exchange| shipped[exchange].clone()).collect();
            for (exchange, mut values) in piece.sends.iter().zip(compute(&piece, &received)) {
                if let Some((_, change)) = cheat.sends.filter(|(member, _)| *member == piece.member) {
                    change(exchange, &mut values);
                }
                shipped.insert(*exchange, values);
            }
        }
        let keys: Vec<SigningKey> = (0..MEMBERS).map(key).collect();
        let shipment = |exchange: &Exchange, values: &[f32]| {
            let body = Shipment {
                session,
                sender: PublicKey::from(&keys[usize::from(exchange.from)]),
                step: STEP,
                exchange: exchange.exchange,
                from: exchange.from,
                to: exchange.to,
                digest: boundary_digest(&to_bytes(values)),
            };
            Signed::sign(body, &keys[usize::from(exchange.from)]).unwrap()
        };
        let (mut members, mut disclosures) = (Vec::new(), Vec::new());
        for member in 0..MEMBERS {
            let recorded = |exchange: &Exchange, sent: bool| {
                let other = if sent { &cheat.records_sent } else { &cheat.records_received };
                match other {
                    Some((cheat, values)) if *cheat == member && exchange.exchange == 0 => values.clone(),
                    _ => shipped[exchange].clone(),
                }
            };
            let mut own: Vec<(BoundaryRecord, Vec<u8>)> = Vec::new();
            for exchange in shipped.keys() {
                for sent in [true, false] {
                    if member == if sent { exchange.from } else { exchange.to } {
                        let bytes = to_bytes(&recorded(exchange, sent));
                        let Exchange { exchange, from, to } = *exchange;
                        let digest = boundary_digest(&bytes);
                        own.push((BoundaryRecord { step: STEP, exchange, from, to, sent, digest }, bytes));
                    }
                }
            }
            let mut records: Vec<BoundaryRecord> = own.iter().map(|(record, _)| *record).collect();
            let leaves = [MemberLeaf { step: STEP, state: Digest::ZERO, conditional: None, unconditional: None }];
            let signer = &keys[usize::from(member)];
            let body = member_commitment(session, member, PublicKey::from(signer), &leaves, &mut records).unwrap();
            members.push(Signed::sign(body, signer).unwrap());
            let hashes: Vec<Digest> = records.iter().map(|record| record.leaf_hash(&session)).collect();
            let tree = MerkleTree::new(&hashes).unwrap();
            let mut disclosure = Disclosure::default();
            for (record, bytes) in own {
                let index = records.iter().position(|other| *other == record).unwrap() as u32;
                let tensor = BoundaryTensor { record, index, path: tree.path(index).unwrap(), bytes };
                let exchange = message(record.exchange, record.from, record.to);
                if record.sent {
                    disclosure.sent.push(tensor);
                } else {
                    let shipment = shipment(&exchange, &shipped[&exchange]);
                    disclosure.received.push(ReceivedTensor { tensor, shipment });
                }
            }
            disclosures.push(disclosure);
        }
        Self { session, keys, members, disclosures }
    }

    fn keys(&self) -> Vec<PublicKey> {
        self.keys.iter().map(PublicKey::from).collect()
    }

    fn attribute(&self) -> Attribution {
        let root = group_root(&self.members).unwrap();
        check_members(&root, &self.session, &self.keys(), &self.members).unwrap();
        attribute(&self.session, STEP, &pieces(), &self.members, &self.disclosures, BOUND, &mut Replay).unwrap()
    }
}

fn blamed(attribution: Attribution) -> (u16, Exchange, &'static str) {
    let Attribution::Member { member, exchange, fault } = attribution else { panic!("{attribution:?}") };
    let name = match fault {
        Fault::Withholds => "withholds",
        Fault::UnsignedClaim => "unsigned claim",
        Fault::Equivocates => "equivocates",
        Fault::Deviates { error, bound } => {
            assert!(error > bound);
            "deviates"
        }
    };
    (member, exchange, name)
}

#[test]
fn an_honest_group_leaves_the_coordinator() {
    assert_eq!(Group::run(&Cheat::default()).attribute(), Attribution::Coordinator);
}

#[test]
fn only_the_member_that_deviates_is_blamed() {
    let poisoned: Change = |exchange, values| {
        if exchange.exchange == 0 {
            values[0] *= 1.01;
        }
    };
    let stale: Change = |exchange, values| {
        if exchange.exchange == 0 {
            values[1] = 0.0;
        }
    };
    let lazy: Change = |exchange, values| {
        if exchange.exchange == 1 {
            values[2] = 0.0;
        }
    };
    let to_one: Change = |exchange, values| {
        if exchange.to == 2 {
            values[0] += 1.0;
        }
    };
    for (name, member, change, expected) in [
        ("a poisoned GroupNorm sum", 1, poisoned, message(0, 1, 0)),
        ("a stale halo", 2, stale, message(0, 2, 0)),
        ("an output that was not computed", 2, lazy, message(1, 2, 0)),
        ("a sum poisoned for one receiver only", 0, to_one, message(0, 0, 2)),
    ] {
        let group = Group::run(&Cheat { sends: Some((member, change)), ..Cheat::default() });
        assert_eq!(blamed(group.attribute()), (member, expected, "deviates"), "{name}");
    }
}

#[test]
fn a_receiver_can_not_blame_its_peer_for_what_that_did_not_sign() {
    let other = vec![99.0, 99.0];
    let group = Group::run(&Cheat { records_received: Some((2, other.clone())), ..Cheat::default() });
    assert_eq!(blamed(group.attribute()), (2, message(0, 0, 2), "unsigned claim"));
    // With a shipment that it signed itself it gets no further.
    let mut group = Group::run(&Cheat { records_received: Some((2, other)), ..Cheat::default() });
    for received in &mut group.disclosures[2].received {
        let record = received.tensor.record;
        let body =
            Shipment { digest: record.digest, sender: PublicKey::from(&key(2)), ..received.shipment.body.clone() };
        received.shipment = Signed::sign(body, &key(2)).unwrap();
    }
    assert_eq!(blamed(group.attribute()).2, "unsigned claim");
}

#[test]
fn a_sender_can_not_sign_two_things() {
    let group = Group::run(&Cheat { records_sent: Some((1, vec![5.0, 5.0])), ..Cheat::default() });
    assert_eq!(blamed(group.attribute()), (1, message(0, 1, 0), "equivocates"));
}

#[test]
fn what_is_not_opened_as_committed_is_withheld() {
    let mut group = Group::run(&Cheat::default());
    group.disclosures[1].sent.clear();
    assert_eq!(blamed(group.attribute()), (1, message(0, 1, 0), "withholds"));
    let mut group = Group::run(&Cheat::default());
    group.disclosures[2].received[0].tensor.bytes[0] ^= 1;
    assert_eq!(blamed(group.attribute()), (2, message(0, 0, 2), "withholds"));
    let mut group = Group::run(&Cheat::default());
    group.disclosures[0].sent[1].path.pop();
    assert_eq!(blamed(group.attribute()).2, "withholds");
    let mut group = Group::run(&Cheat::default());
    group.disclosures.pop();
    assert_eq!(blamed(group.attribute()), (2, message(0, 2, 0), "withholds"));
}

#[test]
fn members_are_those_of_the_plan() {
    let group = Group::run(&Cheat::default());
    let (root, keys, session) = (group_root(&group.members).unwrap(), group.keys(), group.session);
    let check =
        |members: &[Signed<MemberCommitment>], keys: &[PublicKey]| check_members(&root, &session, keys, members);
    assert_eq!(check(&group.members, &keys), Ok(()));
    assert_eq!(check(&group.members[..2], &keys), Err(GroupError::Root));
    let mut swapped = group.members.clone();
    swapped.swap(0, 1);
    assert_eq!(check(&swapped, &keys), Err(GroupError::Root));
    let mut other = keys.clone();
    other.swap(1, 2);
    assert_eq!(check(&group.members, &other), Err(GroupError::Signature(1)));
    let elsewhere = check_members(&root, &Digest::ZERO, &keys, &group.members);
    assert_eq!(elsewhere, Err(GroupError::Signature(0)));
    let mut forged = group.members.clone();
    forged[2].body.leaf_count += 1;
    let root = group_root(&forged).unwrap();
    assert_eq!(check_members(&root, &session, &keys, &forged), Err(GroupError::Signature(2)));
    for member in &group.members {
        assert_eq!(&Signed::<MemberCommitment>::from_bytes(&member.to_bytes()).unwrap(), member);
    }
    let shipment = &group.disclosures[0].received[0].shipment;
    assert_eq!(&Signed::<Shipment>::from_bytes(&shipment.to_bytes()).unwrap(), shipment);
}

#[test]
fn one_exchange_has_one_record() {
    let record = BoundaryRecord { step: 0, exchange: 0, from: 0, to: 1, sent: true, digest: Digest::ZERO };
    let other = BoundaryRecord { digest: Digest([1; 32]), ..record };
    let leaf = MemberLeaf { step: 0, state: Digest::ZERO, conditional: None, unconditional: None };
    let made = |leaves: &[MemberLeaf], records: &mut [BoundaryRecord]| {
        member_commitment(Digest::ZERO, 1, PublicKey([0; 32]), leaves, records)
    };
    assert_eq!(made(std::slice::from_ref(&leaf), &mut [record, other]), Err(GroupError::Twice(1)));
    assert_eq!(made(&[], &mut [record]), Err(GroupError::Empty(1)));
    assert_eq!(made(&[leaf], &mut []).unwrap().boundary_root, Digest::ZERO);
}

#[test]
fn the_coordinator_answers_for_what_it_put_together() {
    // (1, 2 channels, 3 frames, 1, 2): value = 100 channel + 10 frame + column.
    let values: Vec<f32> =
        (0..2).flat_map(|c| (0..3).flat_map(move |f| (0..2).map(move |x| (100 * c + 10 * f + x) as f32))).collect();
    let whole = Tensor::from_f32(&values, Precision::F16, &[1, 2, 3, 1, 2]);
    let part = frame_slice(&whole, 1..3).unwrap();
    assert_eq!(part.to_f32(), [10.0, 11.0, 20.0, 21.0, 110.0, 111.0, 120.0, 121.0]);
    assert_eq!(part.dims, [1, 2, 2, 1, 2]);
    for range in [0..0, 3..3, 2..4] {
        assert_eq!(frame_slice(&whole, range), None);
    }
    let mut slices =
        BTreeMap::from([(0, (0..1, frame_slice(&whole, 0..1).unwrap().digest())), (1, (1..3, part.digest()))]);
    assert_eq!(check_slices(&whole, &slices), Ok(()));
    slices.insert(1, (1..3, Digest::ZERO));
    assert_eq!(check_slices(&whole, &slices), Err(1));
}
