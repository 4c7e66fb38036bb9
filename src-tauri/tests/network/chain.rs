//! Jobs settled by a contract, in real processes: the demonstration, `kill -9` around a payment, and what owners do with their money.

use std::time::{Duration, Instant};

use infernet_api::client::{Client, ClientConfig, ServerTrust};
use infernet_api::read_token;
use infernet_settlement::evm::{EventKind, Intent, IntentState, Terms, testnet};
use serde_json::Value;

use crate::chain_world::{BOND, ChainWorld, TOKENS, has_anvil};
use crate::world::{Process, program};

const PATIENCE: Duration = Duration::from_secs(120);

fn terms() -> Terms {
    Terms {
        challenge_secs: 20,
        answer_secs: 20,
        most_job_secs: 7_200,
        validator_bond: BOND,
        silence_penalty: 50_000,
        contest_bond: 100_000,
        ..Terms::default()
    }
}

fn listen() -> String {
    format!("/ip4/127.0.0.1/tcp/{}", crate::world::port())
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !done().await {
        assert!(start.elapsed() < PATIENCE, "waited for {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The validator, a member that signs, a miner with stake and a requester.
struct Nodes {
    listen: String,
    validator: Process,
    member: Process,
    _miner: Process,
    requester: Process,
}

impl Nodes {
    async fn start(world: &ChainWorld) -> Self {
        let listen = listen();
        let validator = world.validator(&listen);
        let invitation = validator.invitation().to_owned();
        let start = |name: &str, roles: &str| world.node(name, &["--join", &invitation, "--roles", roles]);
        let (member, miner, requester) =
            (start("member", "validator"), start("miner", "miner"), start("requester", "requester"));
        until("the stake", async || world.driver().holdings(world.address("miner")).await.unwrap().stake.free > 0)
            .await;
        until("the miner's offer", async || {
            let peers = world.ask("validator", &["peers"]).await;
            let peers = peers["peers"].as_array().unwrap().clone();
            let accepting = |peer: &Value| peer["offer"]["accepting"] == true;
            peers.iter().any(accepting) && peers.len() >= 3
        })
        .await;
        Self { listen, validator, member, _miner: miner, requester }
    }

    /// SIGKILL, and started again in the same place.
    fn kill_validator(&mut self, world: &ChainWorld, while_gone: impl FnOnce()) {
        let killed = std::process::Command::new("kill").args(["-9", &self.validator.child.id().to_string()]).status();
        assert!(killed.unwrap().success());
        self.validator.child.wait().unwrap();
        while_gone();
        self.validator = world.validator(&self.listen);
    }
}

async fn submit(world: &ChainWorld) -> String {
    let order = ["submit", "a red circle moving right on a white background", "--steps", "8", "--frames", "8"];
    world.ask("requester", &order).await["id"].as_str().unwrap().to_owned()
}

fn settlements(world: &ChainWorld) -> Vec<Intent> {
    world.outbox("validator").into_iter().filter(|intent| intent.name.starts_with("settle ")).collect()
}

async fn settled_events(world: &ChainWorld) -> usize {
    world.events().await.iter().filter(|event| matches!(event.kind, EventKind::Settled { .. })).count()
}

/// One effect each, whenever the validator is killed: before others have signed, when its payment was sent and is in no block, and when it
/// comes back after the block.
#[tokio::test(flavor = "multi_thread")]
async fn a_validator_killed_around_a_payment_pays_once() {
    let Some(world) = ChainWorld::start(terms()).await else { return };
    let mut nodes = Nodes::start(&world).await;
    for round in 0..3_usize {
        submit(&world).await;
        if round == 0 {
            nodes.member.signal("STOP");
            nodes.validator.says("needs the signatures of other members");
            assert!(settlements(&world).is_empty(), "nobody else has signed");
            nodes.kill_validator(&world, || ());
            nodes.member.signal("CONT");
        } else {
            nodes.validator.says("-> committed");
            // From here on what is sent stays where it is.
            world.mine(false);
            until("the payment to be sent", async || {
                settlements(&world).iter().filter(|intent| intent.state == IntentState::Sent).count() == 1
            })
            .await;
            let nonce = settlements(&world)[0].nonce;
            if round == 1 {
                nodes.kill_validator(&world, || ());
                world.mine(true);
            } else {
                nodes.kill_validator(&world, || {
                    world.mine(true);
                    // The block comes while nobody watches.
                    std::thread::sleep(Duration::from_secs(2));
                });
            }
            until("the payment", async || settlements(&world)[0].state == IntentState::Done).await;
            assert_eq!(settlements(&world)[0].nonce, nonce, "it was sent again under another nonce");
        }
        until("the event", async || settled_events(&world).await == round + 1).await;
        until("the clip", async || {
            let list = world.ask("requester", &["jobs"]).await;
            list["jobs"].as_array().unwrap().iter().all(|job| job["stage"] == "settled")
        })
        .await;
    }
    // Nothing was sent beside what the outbox knows, and each of it once.
    until("quiet", async || world.outbox("validator").iter().all(|intent| intent.state.over())).await;
    let sent = world.outbox("validator").iter().filter(|intent| intent.hash.is_some()).count() as u64;
    assert_eq!(testnet::transactions_of(&world.config, world.address("validator")).await.unwrap(), sent);
    let events = world.events().await;
    let rewards: Vec<u64> = events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::Rewarded { reward, .. } => Some(reward),
            _ => None,
        })
        .collect();
    assert_eq!((rewards.len(), settlements(&world).len()), (3, 3));
    let miner = world.driver().holdings(world.address("miner")).await.unwrap();
    assert_eq!(miner.claimable_microcredits, rewards.iter().sum::<u64>());
    assert_eq!(settled_events(&world).await, 3);
}

/// A miner's and a requester's money, through their nodes.
#[tokio::test(flavor = "multi_thread")]
async fn owners_stake_order_and_claim_through_their_nodes() {
    let Some(world) = ChainWorld::start(terms()).await else { return };
    let nodes = Nodes::start(&world).await;
    // It says that it is a validator, and is no member of the contract.
    let stranger = world.node("other", &["--join", nodes.validator.invitation(), "--roles", "validator"]);
    let quote = world.ask("requester", &["submit", "a blue star", "--steps", "8", "--frames", "8", "--quote"]).await;
    assert_eq!(quote["chain"]["account"], world.address("requester").to_string());
    assert!(quote["chain"]["fee_ether"].as_f64().unwrap() > 0.0 && quote["balance_microcredits"] == TOKENS, "{quote}");

    let waited = ["submit", "a blue star growing", "--steps", "8", "--frames", "8", "--wait"];
    let job = world.ask("requester", &waited).await;
    assert_eq!(job["stage"], "settled", "{job}");
    until("the payment", async || settled_events(&world).await == 1).await;
    let earned = world.driver().holdings(world.address("miner")).await.unwrap().claimable_microcredits;
    assert!(earned > 0);
    until("the page", async || {
        let output = world.run("miner", &["status", "--json"]).await;
        let status: Value = serde_json::from_slice(&output.stdout).unwrap();
        status["earned_today_microcredits"] == earned
    })
    .await;
    let claimed = world.ask("miner", &["claim"]).await;
    assert_eq!(claimed["claimed_microcredits"], earned);
    assert_eq!(claimed["transaction"]["state"], "confirmed", "{claimed}");
    let balance = world.driver().holdings(world.address("miner")).await.unwrap().balance_microcredits;
    assert_eq!(claimed["balance_microcredits"], balance);
    let twice = world.run("miner", &["claim", "--json"]).await;
    assert!(!twice.status.success() && String::from_utf8_lossy(&twice.stderr).contains("nothing can be claimed"));

    let more = world.ask("miner", &["stake", "add", "1000", "--yes"]).await;
    assert_eq!(more["transaction"]["state"], "confirmed", "{more}");
    let free = more["stake"]["free_microcredits"].as_u64().unwrap();
    let less = world.ask("miner", &["stake", "unstake", "400", "--yes"]).await;
    assert_eq!(less["stake"]["free_microcredits"], free - 400, "{less}");
    assert_eq!(less["stake"]["unstaking"][0]["amount_microcredits"], 400);
    let early = world.run("miner", &["stake", "withdraw", "--yes", "--json"]).await;
    assert!(!early.status.success() && String::from_utf8_lossy(&early.stderr).contains("cool_down"), "{early:?}");
    // A job that nobody takes, given up: other members agree, and the deposit comes back before its deadline.
    world.ask("miner", &["pause"]).await;
    let given_up = submit(&world).await;
    let token = read_token(nodes.requester.up["token_file"].as_str().unwrap().as_ref()).unwrap();
    let url = nodes.requester.up["api"].as_str().unwrap().to_owned();
    let client = Client::new(&ClientConfig { url, token, trust: ServerTrust::ThisComputer }).unwrap();
    client.cancel(given_up.parse().unwrap()).await.unwrap();
    until("the deposit", async || {
        world.events().await.iter().any(|event| matches!(event.kind, EventKind::Refunded { reason: 1, .. }))
    })
    .await;
    until("the refund", async || {
        let refunds = world.ask("requester", &["refund"]).await;
        let refunds = refunds["refunds"].as_array().unwrap().clone();
        refunds.iter().any(|refund| refund["job"] == *given_up && refund["state"] == "done")
    })
    .await;
    // What the jobs did not cost.
    let back = world.ask("requester", &["claim"]).await;
    assert_eq!(back["transaction"]["state"], "confirmed");
    let requester = world.driver().holdings(world.address("requester")).await.unwrap();
    let paid = TOKENS - requester.balance_microcredits;
    // The fee and the validators' part; what quality takes from the reward has come back.
    assert!(paid > earned && paid < job["deposit_microcredits"].as_u64().unwrap(), "{paid}");
    // Evidence, with its prompt, is for members alone.
    assert_eq!(std::fs::read_dir(world.path("other").join("cosigned")).unwrap().count(), 0);
    assert!(std::fs::read_dir(world.path("member").join("cosigned")).unwrap().count() > 0);
    stranger.kill();
}

#[test]
fn the_demonstration_is_settled_on_a_chain() {
    if !has_anvil() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = program()
        .args(["demo", "--chain", "--json", "--jobs", "3", "--miners", "2", "--steps", "8"])
        .args(["--attack", "cached-outputs", "--out"])
        .arg(folder.path())
        .env("INFERNET_DATA_DIR", folder.path().join("data"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["jobs"].as_array().unwrap().iter().all(|job| job["stage"] == "settled"), "{report}");
    let chain = &report["chain"];
    assert_eq!(chain["sum_ok"], true, "{report}");
    let of = |name: &str| chain[name].as_u64().unwrap();
    let parts = ["rewards", "validator_fees", "returned", "refunded"].map(|part| of(&format!("{part}_microcredits")));
    assert_eq!(of("deposits_microcredits"), parts.iter().sum::<u64>());
    let earned: u64 =
        report["miners"].as_array().unwrap().iter().map(|miner| miner["earned_microcredits"].as_u64().unwrap()).sum();
    assert_eq!(of("rewards_microcredits"), earned);
    let cheat = report["miners"].as_array().unwrap().iter().find(|miner| miner["honest"] == false).unwrap();
    assert_eq!(cheat["slashed_microcredits"], of("slashed_microcredits"));
    assert!(of("slashed_microcredits") > 0 && cheat["failed_checks"][0] == "model_output", "{report}");
    // Everything was claimed, and tokens are where the events say.
    for account in chain["accounts"].as_array().unwrap() {
        assert_eq!((&account["sum_ok"], &account["claimable_microcredits"]), (&true.into(), &0.into()), "{account}");
    }
    let tokens: u64 =
        chain["accounts"].as_array().unwrap().iter().map(|one| one["balance_microcredits"].as_u64().unwrap()).sum();
    assert_eq!(tokens + of("contract_microcredits"), of("supply_microcredits"));
    assert!(of("transactions") > 20 && of("gas") > 1_000_000);
}
