//! The process is killed between any two steps of a transaction: it has its effect once.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::time::Duration;

use infernet_settlement::evm::{ChainAddress, ChainConfig, Domain, Driver, EvmAccount, IntentState, SendStage, Store};
use tokio::process::Command;

use crate::party::{CONFIRMATIONS, now_ms};
use crate::world::{World, key};

const STAGES: [SendStage; 5] =
    [SendStage::Chosen, SendStage::Recorded, SendStage::Sent, SendStage::Mined, SendStage::Final];

/// Runs the process below until it ends by itself or is killed; `at`: stage and intent where it kills itself.
async fn run(w: &World, folder: &Path, at: &str, count: u32, kill_after: Option<Duration>) -> Option<i32> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::process", "--ignored", "--nocapture"])
        .env("KILL_URL", &w.chain.url)
        .env("KILL_CONTRACT", w.at.to_string())
        .env("KILL_FOLDER", folder)
        .env("KILL_AT", at)
        .env("KILL_COUNT", count.to_string())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // Blocks go on whatever happens to the process.
    let begun = tokio::time::Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success() || status.signal() == Some(9), "{status}");
            return status.signal();
        }
        if kill_after.is_some_and(|limit| begun.elapsed() >= limit) {
            child.start_kill().unwrap();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the process does not end");
        w.chain.mine(1).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Not a test: what is killed.
#[tokio::test]
#[ignore = "run by the tests of this file, in a process of its own"]
async fn process() {
    let Ok(folder) = std::env::var("KILL_FOLDER") else { return };
    let of = |name: &str| std::env::var(name).unwrap();
    let contract = of("KILL_CONTRACT").parse().unwrap();
    let domain = Domain { chain_id: 31_337, contract };
    let key = key(2, 1);
    let store = Store::open(Path::new(&folder).join("chain.sqlite"), domain, key.address()).unwrap();
    let address = ChainAddress { chain_id: 31_337, contract, rpc: vec![of("KILL_URL")], from_block: 0 };
    let config = ChainConfig { confirmations: CONFIRMATIONS, poll_secs: 0, ..ChainConfig::new(address) };
    let at = of("KILL_AT");
    let driver = Driver::new(config, key.clone(), store.clone()).unwrap().with_observer(move |stage, intent| {
        if format!("{stage:?} {intent}") == at {
            let pid = std::process::id().to_string();
            std::process::Command::new("kill").args(["-9", &pid]).status().unwrap();
            std::thread::sleep(Duration::from_secs(60));
        }
    });
    let rules = driver.status().await.unwrap().rules;
    let account = EvmAccount::new(store.clone(), domain, key, rules);
    for number in 0..of("KILL_COUNT").parse().unwrap() {
        account.stake(1_000 + number, &number.to_string(), now_ms()).unwrap();
    }
    loop {
        driver.round(now_ms()).await.unwrap();
        let intents = store.intents(1_000).unwrap();
        if intents.iter().all(|intent| intent.state.over()) {
            assert!(intents.iter().all(|intent| intent.state == IntentState::Done), "{intents:?}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn nonces(w: &World) -> u64 {
    let account = key(2, 1).address();
    alloy::providers::Provider::get_transaction_count(&w.chain.provider, account).await.unwrap()
}

#[tokio::test]
async fn killed_at_each_step_of_each_transaction() {
    for stage in STAGES {
        let w = World::new().await;
        w.chain.fund(key(2, 1).address()).await;
        let (folder, used) = (tempfile::tempdir().unwrap(), nonces(&w).await);
        for intent in ["approve for stake 0", "stake 0"] {
            let at = format!("{stage:?} {intent}");
            assert_eq!(run(&w, folder.path(), &at, 1, None).await, Some(9), "{at} was not reached");
        }
        assert_eq!(run(&w, folder.path(), "", 1, None).await, None);
        assert_eq!(w.staker(&key(2, 1)).await.0, 1_000, "{stage:?}");
        assert_eq!(nonces(&w).await, used + 2, "{stage:?}");
    }
}

#[tokio::test]
async fn killed_again_and_again_at_any_time() {
    let w = World::new().await;
    w.chain.fund(key(2, 1).address()).await;
    let (folder, used) = (tempfile::tempdir().unwrap(), nonces(&w).await);
    let mut killed = 0;
    for round in 0..12u64 {
        // From before the first transaction to about the last one.
        let limit = Duration::from_millis(10 + 25 * (round % 6));
        killed += u32::from(run(&w, folder.path(), "", 6, Some(limit)).await == Some(9));
    }
    assert!(killed > 0, "the process was always faster");
    assert_eq!(run(&w, folder.path(), "", 6, None).await, None);
    assert_eq!(w.staker(&key(2, 1)).await.0, (0..6).map(|number| 1_000 + number).sum::<u64>());
    assert_eq!(nonces(&w).await, used + 12);
}
