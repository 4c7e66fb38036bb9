//! Replaced blocks, and endpoints that fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use alloy::primitives::B256;
use infernet_ledger::{Digest, JobId};
use infernet_settlement::Settlement as _;
use infernet_settlement::evm::{DepositOrder, IntentState, Judgement};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::chain::Chain;
use crate::party::{CONFIRMATIONS, Party, config, now_ms};
use crate::world::{DAY, DEPOSIT, World};

#[tokio::test]
async fn a_transaction_whose_block_is_replaced_is_sent_again_with_its_nonce() {
    let w = World::new().await;
    let party = Party::new(&w, &w.miners[1]);
    w.chain.fund(party.key.address()).await;
    party.account(&w).await.stake(1_000, "a", now_ms()).unwrap();
    let before = w.chain.snapshot().await;
    for _ in 0..3 {
        party.driver.round(now_ms()).await.unwrap();
    }
    party.is("approve for stake a", IntentState::Mined);
    party.is("stake a", IntentState::Mined);
    let nonce = party.intent("stake a").nonce;
    assert_eq!(w.staker(&w.miners[1]).await.0, 1_000);
    w.chain.revert(&before).await;
    assert_eq!(w.staker(&w.miners[1]).await.0, 0);
    w.chain.mine(1).await;
    party.drive(&w).await;
    party.is("stake a", IntentState::Done);
    assert_eq!(party.intent("stake a").nonce, nonce);
    assert_eq!(w.staker(&w.miners[1]).await.0, 1_000);
}

#[tokio::test]
async fn events_of_replaced_blocks_are_undone_even_when_they_counted() {
    let w = World::new().await;
    let (requester, validator) = (Party::new(&w, &w.requesters[0]), Party::new(&w, &w.validators[0]));
    w.chain.fund(requester.key.address()).await;
    w.chain.fund(validator.key.address()).await;
    w.stake(&w.miners[0], 500).await;
    w.chain.mine(CONFIRMATIONS).await;
    validator.driver.round(now_ms()).await.unwrap();
    let money = validator.settlement(&w);
    assert_eq!(money.stake_of(w.miners[0].address()).unwrap().free, 500);
    let before = w.chain.snapshot().await;
    let height = w.chain.height().await;
    w.stake(&w.miners[0], 70).await;
    let order = DepositOrder {
        id: [1; 16],
        job_digest: B256::repeat_byte(1),
        prompt_commitment: B256::ZERO,
        amount: DEPOSIT,
        deadline: w.chain.now().await + DAY,
    };
    requester.account(&w).await.deposit(&order, now_ms()).unwrap();
    requester.drive(&w).await;
    validator.driver.round(now_ms()).await.unwrap();
    let (job, digest) = (JobId([1; 16]), Digest([1; 32]));
    assert!(money.deposit(job, digest).unwrap().is_some());
    assert_eq!(money.stake_of(w.miners[0].address()).unwrap().free, 570);
    let deep = w.chain.height().await - height;
    assert!(deep > CONFIRMATIONS);
    w.chain.revert(&before).await;
    // A shorter chain says nothing yet: an endpoint may just be behind.
    validator.driver.round(now_ms()).await.unwrap();
    assert!(money.deposit(job, digest).unwrap().is_some());
    w.chain.mine(deep + CONFIRMATIONS + 1).await;
    validator.driver.round(now_ms()).await.unwrap();
    assert_eq!(money.deposit(job, digest).unwrap(), None);
    assert_eq!(money.stake_of(w.miners[0].address()).unwrap().free, 500);
    // The requester's transactions were final for its outbox. It notices that their nonces are free again, and sends them again.
    requester.driver.round(now_ms()).await.unwrap();
    requester.drive(&w).await;
    validator.driver.round(now_ms()).await.unwrap();
    assert_eq!(money.deposit(job, digest).unwrap().unwrap().amount_microcredits, DEPOSIT);
    assert_eq!(w.balance(w.at).await, 4 * 50_000 + 500 + DEPOSIT);
}

#[tokio::test]
async fn anvils_own_reorganisation_changes_nothing_in_the_end() {
    let w = World::new().await;
    let validator = Party::new(&w, &w.validators[0]);
    let party = Party::new(&w, &w.miners[1]);
    w.chain.fund(party.key.address()).await;
    w.chain.mine(40).await;
    party.account(&w).await.stake(1_000, "a", now_ms()).unwrap();
    for round in 0..12u64 {
        party.driver.round(now_ms()).await.unwrap();
        validator.driver.round(now_ms()).await.unwrap();
        // The last blocks, with all that is in them, are replaced by empty ones.
        if round % 2 == 0 && round < 9 {
            w.chain.raw("anvil_reorg", serde_json::json!([round / 2 + 1, []])).await;
        }
        w.chain.mine(1).await;
    }
    party.drive(&w).await;
    party.is("stake a", IntentState::Done);
    assert_eq!(w.staker(&w.miners[1]).await.0, 1_000);
    w.chain.mine(CONFIRMATIONS).await;
    validator.driver.round(now_ms()).await.unwrap();
    assert_eq!(validator.settlement(&w).stake_of(w.miners[1].address()).unwrap().free, 1_000);
}

#[tokio::test]
async fn the_store_goes_on_from_its_last_block() {
    let w = World::new().await;
    let validator = Party::new(&w, &w.validators[0]);
    w.chain.mine(10).await;
    let first = validator.driver.round(now_ms()).await.unwrap();
    assert_eq!(first.read.unwrap().0, 0);
    assert_eq!(validator.driver.round(now_ms()).await.unwrap().read, None);
    let reopened = crate::party::open(validator.folder.path(), &w, &validator.key);
    let again =
        infernet_settlement::evm::Driver::new(config(&w, vec![w.chain.url.clone()]), validator.key.clone(), reopened);
    w.chain.mine(2).await;
    let round = again.unwrap().round(now_ms()).await.unwrap();
    assert_eq!(round.read, Some((first.read.unwrap().1 + 1, first.read.unwrap().1 + 2)));
}

#[tokio::test]
async fn endpoints_that_are_dead_or_of_another_chain_are_passed_over() {
    let w = World::new().await;
    let foreign = Chain::start(&["--chain-id", "5"]);
    let dead = "http://127.0.0.1:1".to_owned();
    let all = vec![dead.clone(), foreign.url.clone(), w.chain.url.clone()];
    let party = Party::with(&w, &w.miners[1], config(&w, all));
    w.chain.fund(party.key.address()).await;
    party.account(&w).await.stake(10, "a", now_ms()).unwrap();
    party.drive(&w).await;
    party.is("stake a", IntentState::Done);
    let alone = Party::with(&w, &w.miners[1], config(&w, vec![foreign.url.clone()]));
    assert_eq!(alone.driver.round(now_ms()).await.unwrap_err().code(), "chain.wrong_chain");
    let nobody = Party::with(&w, &w.miners[1], config(&w, vec![dead]));
    let error = nobody.driver.round(now_ms()).await.unwrap_err();
    assert!(error.is_transient() && error.code() == "chain.unreachable", "{error}");
    let mut nowhere = config(&w, vec![w.chain.url.clone()]);
    nowhere.address.contract = alloy::primitives::Address::repeat_byte(0x77);
    let domain = infernet_settlement::evm::Domain { chain_id: 31_337, contract: nowhere.address.contract };
    let folder = tempfile::tempdir().unwrap();
    let store = infernet_settlement::evm::Store::open(folder.path().join("x"), domain, w.miners[1].address()).unwrap();
    let driver = infernet_settlement::evm::Driver::new(nowhere, w.miners[1].clone(), store).unwrap();
    assert_eq!(driver.round(now_ms()).await.unwrap_err().code(), "chain.no_contract");
}

/// Forwards to a chain; 1: refuses, 2: forwards the question and loses the answer.
async fn proxy(target: String, mode: Arc<AtomicU8>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let target = target.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (mode, target) = (mode.clone(), target.clone());
            tokio::spawn(async move {
                let mut chain = tokio::net::TcpStream::connect(target).await.unwrap();
                let (mut question, mut answer) = (vec![0; 1 << 16], vec![0; 1 << 16]);
                loop {
                    tokio::select! {
                        read = client.read(&mut question) => {
                            let Ok(length @ 1..) = read else { return };
                            if mode.load(Ordering::SeqCst) == 1 {
                                return;
                            }
                            chain.write_all(&question[..length]).await.unwrap();
                        }
                        read = chain.read(&mut answer) => {
                            let Ok(length @ 1..) = read else { return };
                            if mode.load(Ordering::SeqCst) == 2 {
                                return;
                            }
                            client.write_all(&answer[..length]).await.unwrap();
                        }
                    }
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn an_outage_at_any_time_loses_and_doubles_nothing() {
    let w = World::new().await;
    let mode = Arc::new(AtomicU8::new(0));
    let url = proxy(w.chain.url.clone(), mode.clone()).await;
    let party = Party::with(&w, &w.miners[1], config(&w, vec![url]));
    w.chain.fund(party.key.address()).await;
    let account = party.account(&w).await;
    let count = || alloy::providers::Provider::get_transaction_count(&w.chain.provider, party.key.address());
    let before = count().await.unwrap();
    let mut failed = 0;
    for number in 0..4u64 {
        account.stake(100 + number, &format!("{number}"), now_ms()).unwrap();
        for broken in [1, 2] {
            // The outage begins somewhere in the round.
            let during = mode.clone();
            let breaker = tokio::spawn(async move {
                tokio::time::sleep(std::time::Duration::from_micros(1_500 * number * broken)).await;
                during.store(broken as u8, Ordering::SeqCst);
            });
            for _ in 0..3 {
                if let Err(error) = party.driver.round(now_ms()).await {
                    assert!(error.is_transient(), "{error}");
                    failed += 1;
                }
            }
            breaker.await.unwrap();
            mode.store(0, Ordering::SeqCst);
        }
    }
    assert!(failed > 5, "{failed} rounds met an outage");
    party.drive(&w).await;
    assert!(party.store.intents(99).unwrap().iter().all(|intent| intent.state == IntentState::Done));
    assert_eq!(w.staker(&w.miners[1]).await.0, 100 + 101 + 102 + 103);
    assert_eq!(count().await.unwrap(), before + 8);
}

#[tokio::test]
async fn a_judgement_that_another_validator_brought_first_does_no_harm() {
    let w = World::new().await;
    let parties: Vec<Party> = w.validators.iter().map(|key| Party::new(&w, key)).collect();
    let job = w.deposit(&w.requesters[0], DEPOSIT).await;
    w.chain.mine(CONFIRMATIONS).await;
    let cancel = Judgement::Cancel { job, reason: 4 };
    for party in &parties[..2] {
        w.chain.fund(party.key.address()).await;
        party.driver.round(now_ms()).await.unwrap();
        let mut money = party.settlement(&w);
        money.propose(&cancel, now_ms()).unwrap();
        for other in &parties {
            let signature = other.settlement(&w).co_sign(&cancel).unwrap();
            money.add_signature(cancel.digest(&w.domain), &signature, now_ms()).unwrap();
        }
    }
    parties[0].drive(&w).await;
    parties[1].drive(&w).await;
    let names = [parties[0].intent(&cancel.name()).state, parties[1].intent(&cancel.name()).state];
    assert_eq!(names, [IntentState::Done, IntentState::Failed]);
    assert_eq!(w.claimable(w.requesters[0].address()).await, DEPOSIT);
    // The second knows from the chain how it ended.
    let id = JobId(w_id());
    assert_eq!(parties[1].settlement(&w).progress(id).unwrap(), infernet_settlement::Progress::Refunded);
}

fn w_id() -> [u8; 16] {
    let mut id = [0; 16];
    id[0] = 1;
    id
}
