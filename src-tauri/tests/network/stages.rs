//! Killed with SIGKILL in every stage of a job, and started again: each job ends once, and no credit is made or lost.

use infernet_network::wire::Invitation;

use crate::world::{Network, order, settled, small_job};

/// What the validator logs when a job comes into a stage.
const STAGES: [&str; 5] = ["-> offered", "-> running", "-> committed", "-> auditing", "-> settled"];

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_is_killed_in_any_stage_goes_on() {
    let network = Network::new();
    let mut validator = network.validator();
    let invitation = validator.invitation().to_owned();
    let _miner = network.miner("miner", &invitation);
    let (node, requester) = network.requester(&invitation);
    for stage in STAGES {
        let id = order(&requester, &small_job(8)).await;
        validator.says(stage);
        validator.kill();
        validator = network.validator();
        assert_eq!(validator.up["node"], Invitation::parse(&invitation).unwrap().validator.to_string());
        settled(&requester, id).await;
        network.check_paid_once(id);
    }
    // Just posted: the answer may not have been on its way yet.
    let id = order(&requester, &small_job(8)).await;
    validator.kill();
    let _validator = network.validator();
    settled(&requester, id).await;
    network.check_paid_once(id);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_miner_that_is_killed_in_any_stage_goes_on() {
    let network = Network::new();
    let validator = network.validator();
    let invitation = validator.invitation().to_owned();
    let mut miner = network.miner("miner", &invitation);
    let (node, requester) = network.requester(&invitation);
    for stage in STAGES {
        let id = order(&requester, &small_job(8)).await;
        validator.says(stage);
        miner.kill();
        miner = network.miner("miner", &invitation);
        settled(&requester, id).await;
        network.check_paid_once(id);
    }
    node.stop().await;
}
