//! Known answers from ethers (contracts/vectors.mjs).

use alloy::primitives::{Address, B256};
use infernet_settlement::evm::message::{
    Acceptance, Cancel, Domain, Ruling, Score, SlashOrder, ValidatorChange, Verdict, job_key, signer_of,
};
use infernet_settlement::evm::{EvmKey, Judgement, Scored};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Vectors {
    domain: Value,
    keys: Vec<Value>,
    signed: Vec<Signed>,
    jobs: Vec<Value>,
    created: Address,
}

#[derive(Deserialize)]
struct Signed {
    r#type: String,
    message: Value,
    digest: B256,
    signature: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../docs/vectors/evm.json")).unwrap()
}

fn hex<T: for<'a> TryFrom<&'a [u8]>>(value: &Value) -> T {
    let bytes = alloy::hex::decode(value.as_str().unwrap()).unwrap();
    T::try_from(&bytes).ok().unwrap()
}

fn number<T: std::str::FromStr>(value: &Value) -> T {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse().ok().unwrap()
}

#[test]
fn keys_are_derived_as_another_program_derives_them() {
    for one in vectors().keys {
        let seed: Vec<u8> = alloy::hex::decode(one["seed"].as_str().unwrap()).unwrap();
        assert_eq!(EvmKey::derive(&seed.try_into().unwrap()).address(), hex::<Address>(&one["address"]));
    }
}

#[test]
fn messages_have_the_digests_and_signatures_of_another_implementation() {
    let vectors = vectors();
    let domain = Domain { chain_id: 31_337, contract: hex(&vectors.domain["verifyingContract"]) };
    let seed: Vec<u8> = alloy::hex::decode(vectors.keys[0]["seed"].as_str().unwrap()).unwrap();
    let key = EvmKey::derive(&seed.try_into().unwrap());
    assert_eq!(vectors.created, key.address().create(5));
    let mut types = std::collections::BTreeSet::new();
    for one in &vectors.signed {
        let m = &one.message;
        let digest = match one.r#type.as_str() {
            "Verdict" => {
                let score = |s: &Value| Score {
                    miner: hex(&s["miner"]),
                    stake: number(&s["stake"]),
                    trustPpm: number(&s["trustPpm"]),
                    qualityPpm: number(&s["qualityPpm"]),
                };
                let scores: Vec<Score> = m["scores"].as_array().unwrap().iter().map(score).collect();
                let verdict = Verdict {
                    job: hex(&m["job"]),
                    fee: number(&m["fee"]),
                    proofRoot: hex(&m["proofRoot"]),
                    bundleDigest: hex(&m["bundleDigest"]),
                    scores,
                };
                let scored = |s: &Score| Scored {
                    miner: s.miner,
                    stake: s.stake,
                    trust_ppm: s.trustPpm,
                    quality_ppm: s.qualityPpm,
                };
                let judgement = Judgement::Settle {
                    job: verdict.job,
                    fee: verdict.fee,
                    proof_root: verdict.proofRoot,
                    bundle_digest: verdict.bundleDigest,
                    scores: verdict.scores.iter().map(scored).collect(),
                    acceptances: vec![],
                };
                assert_eq!(judgement.digest(&domain), domain.digest(&verdict));
                domain.digest(&verdict)
            }
            "SlashOrder" => domain.digest(&SlashOrder {
                job: hex(&m["job"]),
                miner: hex(&m["miner"]),
                fee: number(&m["fee"]),
                stake: number(&m["stake"]),
                check: number(&m["check"]),
                evidence: hex(&m["evidence"]),
            }),
            "Ruling" => domain.digest(&Ruling {
                job: hex(&m["job"]),
                miner: hex(&m["miner"]),
                bundle: hex(&m["bundle"]),
                guilty: m["guilty"].as_bool().unwrap(),
                check: number(&m["check"]),
                evidence: hex(&m["evidence"]),
            }),
            "Cancel" => domain.digest(&Cancel { job: hex(&m["job"]), reason: number(&m["reason"]) }),
            "ValidatorChange" => domain.digest(&ValidatorChange {
                added: hex(&m["added"]),
                removed: hex(&m["removed"]),
                nonce: number(&m["nonce"]),
            }),
            "Acceptance" => domain.digest(&Acceptance {
                job: hex(&m["job"]),
                miner: hex(&m["miner"]),
                fee: number(&m["fee"]),
                stake: number(&m["stake"]),
            }),
            other => panic!("{other}"),
        };
        types.insert(one.r#type.clone());
        assert_eq!(digest, one.digest, "{}", one.r#type);
        // Both sign deterministically (RFC 6979).
        assert_eq!(alloy::hex::encode_prefixed(key.sign(digest).unwrap()), one.signature);
        assert_eq!(signer_of(digest, &key.sign(digest).unwrap()), Some(key.address()));
    }
    assert_eq!(types.len(), 6);
}

#[test]
fn jobs_have_the_names_that_the_contract_gives() {
    for one in vectors().jobs {
        let id: Vec<u8> = alloy::hex::decode(one["id"].as_str().unwrap()).unwrap();
        let key = job_key(hex(&one["requester"]), id.try_into().unwrap(), hex(&one["digest"]), hex(&one["prompt"]));
        assert_eq!(key, hex::<B256>(&one["key"]));
    }
}

#[test]
fn only_one_form_of_a_signature_counts() {
    let key = EvmKey::derive(&[7; 32]);
    let digest = B256::repeat_byte(1);
    let good = key.sign(digest).unwrap();
    assert_eq!(signer_of(digest, &good), Some(key.address()));
    assert_eq!(signer_of(digest, &good[..64]), None);
    let mut other = good;
    other[64] -= 27;
    assert_eq!(signer_of(digest, &other), None);
    // The same point with the high s.
    let order = alloy::primitives::uint!(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141_U256);
    let s = alloy::primitives::U256::from_be_slice(&good[32..64]);
    let mut high = good;
    high[32..64].copy_from_slice(&(order - s).to_be_bytes::<32>());
    high[64] = if good[64] == 27 { 28 } else { 27 };
    assert_eq!(signer_of(digest, &high), None);
    assert_ne!(signer_of(B256::ZERO, &good), Some(key.address()));
}
