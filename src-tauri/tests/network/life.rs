//! The demonstration, and what is left after a kill -9.

use std::time::Duration;

use infernet_ledger::Entry;
use infernet_network::wire::{Invitation, JobStage};
use serde_json::Value;

use crate::world::{Network, order, program, settled, small_job, stage, until};

#[test]
fn the_demonstration_pays_the_honest_and_slashes_the_cheat() {
    let folder = tempfile::tempdir().unwrap();
    let output = program()
        .args(["demo", "--json", "--jobs", "4", "--miners", "2", "--steps", "8", "--attack", "cached-outputs", "--out"])
        .arg(folder.path())
        .env("INFERNET_DATA_DIR", folder.path().join("data"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["ledger_sum_ok"], &report["journal_ok"]), (&Value::from(true), &Value::from(true)));
    let jobs = report["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 4);
    for job in jobs {
        assert_eq!(job["stage"], "settled", "{report}");
        let clip = std::fs::read(job["clip"].as_str().unwrap()).unwrap();
        assert_eq!(&clip[4..8], b"ftyp");
    }
    let miners = report["miners"].as_array().unwrap();
    assert_eq!(miners.len(), 3);
    for miner in miners {
        let (earned, slashed) = (&miner["earned_microcredits"], miner["slashed_microcredits"].as_u64().unwrap());
        if miner["honest"] == true {
            assert_eq!(slashed, 0, "{report}");
        } else {
            // Three jobs at once for three miners: the cheat got one.
            assert!(slashed > 0 && earned == 0, "{report}");
            assert_eq!(miner["failed_checks"][0], "model_output");
            assert_eq!(miner["trust"], 0.0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_is_killed_in_the_middle_goes_on() {
    let network = Network::new();
    let validator = network.validator();
    let invitation = validator.invitation().to_owned();
    let _miner = network.miner("miner", &invitation);
    let (node, requester) = network.requester(&invitation);
    let id = order(&requester, &small_job(60)).await;
    until("the run", || stage(&requester, id) == JobStage::Running).await;
    validator.kill();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let again = network.validator();
    assert_eq!(again.up["node"], Invitation::parse(&invitation).unwrap().validator.to_string());
    let clip = settled(&requester, id).await;
    assert!(clip.is_file());
    node.stop().await;
    network.check_books();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_miner_that_is_killed_loses_the_job_to_another() {
    let network = Network::new();
    let validator = network.validator();
    let invitation = validator.invitation().to_owned();
    let first = network.miner("first", &invitation);
    let (node, requester) = network.requester(&invitation);
    let id = order(&requester, &small_job(80)).await;
    until("the run", || stage(&requester, id) == JobStage::Running).await;
    first.kill();
    // It comes back and says that its run is lost; the job goes to whoever is there.
    let _second = network.miner("second", &invitation);
    let _first = network.miner("first", &invitation);
    settled(&requester, id).await;
    node.stop().await;
    network.check_books();
    let journal = network.journal().unwrap();
    let slashed: u64 = journal.ledger().accounts().map(|(_, account)| account.standing.slashed).sum();
    assert_eq!(slashed, 0, "nobody is slashed for a crash");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_miners_share_the_reward_of_one_job() {
    let network = Network::new();
    let validator = network.validator();
    let invitation = validator.invitation().to_owned();
    let _miners = ["first", "second", "third"].map(|name| network.miner(name, &invitation));
    let (node, requester) = network.requester(&invitation);
    let mut job = small_job(6);
    job.miners = 3;
    let id = order(&requester, &job).await;
    settled(&requester, id).await;
    node.stop().await;
    network.check_books();
    let journal = network.journal().unwrap();
    let history = journal.job_history(&infernet_ledger::JobId(id.0)).unwrap();
    let assigned = history.iter().find_map(|receipt| match &receipt.entry {
        Entry::Assign(assign) => Some(assign.clone()),
        _ => None,
    });
    let assigned = assigned.unwrap();
    assert_eq!(assigned.miners.len(), 3);
    let audited = history.iter().filter(|receipt| matches!(receipt.entry, Entry::Audited(_))).count();
    assert_eq!(audited, 3, "{history:?}");
    // All alike in trust: a third each, and of it what the quality earns, at least 70 %.
    let earned: Vec<u64> = assigned
        .miners
        .iter()
        .map(|part| journal.ledger().account(&part.miner).unwrap().standing.earned_microcredits)
        .collect();
    let share = assigned.fee_microcredits / 3;
    assert!(earned.iter().all(|one| (share * 7 / 10..=share).contains(one)), "{earned:?} of {assigned:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requester_that_was_gone_gets_its_clip() {
    let network = Network::new();
    let validator = network.validator();
    let invitation = validator.invitation().to_owned();
    let _miner = network.miner("miner", &invitation);
    let (node, requester) = network.requester(&invitation);
    let id = order(&requester, &small_job(20)).await;
    node.stop().await;
    drop((node, requester));
    let paid = || network.journal().is_some_and(|journal| journal.ledger().totals().claimable > 0);
    until("the payment", paid).await;
    let (node, requester) = network.requester(&invitation);
    settled(&requester, id).await;
    node.stop().await;
    network.check_books();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_nobody_takes_is_refunded() {
    let network = Network::new();
    let validator = network.validator();
    let invitation = validator.invitation().to_owned();
    let (node, requester) = network.requester(&invitation);
    let mut job = small_job(20);
    job.deadline_secs = Some(12);
    let id = order(&requester, &job).await;
    // No order for more than there is.
    let mut dear = small_job(20);
    dear.deposit_microcredits = Some(1 << 50);
    let refused = requester.order(&dear).await.unwrap_err();
    assert!(refused.to_string().contains("balance") || refused.to_string().contains("micro-credits"), "{refused}");
    until("the refund", || requester.orders()[&id].state.is_over()).await;
    assert_eq!(stage(&requester, id), JobStage::Refunded);
    node.stop().await;
    network.check_books();
}
