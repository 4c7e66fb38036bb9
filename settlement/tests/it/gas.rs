//! What calls cost. The table in docs/SETTLEMENT.md is this test's output; a call that has become dearer by a twentieth fails it.

use alloy::primitives::B256;
use infernet_settlement::evm::abi::InfernetSettlement as C;
use infernet_settlement::evm::{EvmKey, Judgement};

use crate::world::{DAY, DEPOSIT, FEE, STAKE, World, key};

#[tokio::test]
async fn gas_is_what_the_documentation_says() {
    let w = World::new().await;
    let mut table: Vec<(String, u64)> = Vec::new();
    let mut note = |name: &str, gas: u64| table.push((name.to_owned(), gas));
    let (miner, other, requester) = (&w.miners[0], &w.miners[1], &w.requesters[0]);
    note("stake, first", w.stake(miner, 5 * STAKE).await);
    note("stake, more", w.stake(miner, STAKE).await);
    let call = C::depositCall {
        id: [1; 16].into(),
        jobDigest: B256::repeat_byte(1),
        promptCommitment: B256::repeat_byte(2),
        amount: DEPOSIT,
        deadline: w.chain.now().await + 500,
    };
    note("deposit", w.ok(requester, &call).await);
    w.chain.pass(501).await;
    let job = infernet_settlement::evm::message::job_key(
        requester.address(),
        [1; 16],
        B256::repeat_byte(1),
        B256::repeat_byte(2),
    );
    note("refund", w.ok(other, &C::refundCall { job }).await);
    let job = w.deposit(requester, DEPOSIT).await;
    note("cancel, 3 signatures", w.judge(&Judgement::Cancel { job, reason: 1 }, &w.quorum()).await.unwrap());
    // Twice: the first time accounts are paid that never were.
    for name in ["settle, 1 miner, 3 signatures, new accounts", "settle, 1 miner, 3 signatures"] {
        let job = w.deposit(requester, DEPOSIT).await;
        note(name, w.judge(&w.verdict(job, FEE, STAKE, &[(miner, 9, 9)]), &w.quorum()).await.unwrap());
        w.chain.pass(DAY + 1).await;
        if name.ends_with("signatures") {
            note("release", w.ok(other, &C::releaseCall { job, miner: miner.address() }).await);
        }
    }
    let many: Vec<EvmKey> = (0..64).map(|n| key(7, n)).collect();
    for one in &many {
        w.mint(one.address(), STAKE).await;
        w.stake(one, STAKE).await;
    }
    for count in [8, 64] {
        let job = w.deposit(requester, DEPOSIT).await;
        let of: Vec<(&EvmKey, u32, u32)> = many[..count].iter().map(|one| (one, 9, 9)).collect();
        // Stake that was used is locked.
        let stake = STAKE;
        let least = if count == 8 { stake / 2 } else { stake / 4 };
        let fee = least / 2;
        note(&format!("settle, {count} miners, 3 signatures, new accounts"), {
            w.judge(&w.verdict(job, fee, least, &of), &w.quorum()).await.unwrap()
        });
    }
    let job = w.deposit(requester, DEPOSIT).await;
    note("slash, 3 signatures", w.judge(&w.slash(job, miner, STAKE, 20), &w.quorum()).await.unwrap());
    let bundle = B256::repeat_byte(4);
    let locator = "https://bundles.example/0123456789abcdef".to_owned();
    note("contest", w.ok(other, &C::contestCall { job, miner: miner.address(), bundle, locator }).await);
    let ruling = Judgement::Answer {
        job,
        miner: miner.address(),
        bundle,
        guilty: true,
        check: 20,
        evidence: B256::repeat_byte(5),
    };
    note("answer, 3 signatures", w.judge(&ruling, &w.quorum()).await.unwrap());
    w.chain.pass(2 * DAY).await;
    note("execute slash", w.ok(other, &C::executeSlashCall { job, miner: miner.address() }).await);
    note("burn", w.ok(other, &C::burnCall {}).await);
    note("claim", w.ok(miner, &C::claimCall { to: miner.address() }).await);
    note("request unstake", w.ok(miner, &C::requestUnstakeCall { amount: STAKE }).await);
    w.chain.pass(10 * DAY).await;
    note("withdraw stake", w.ok(miner, &C::withdrawStakeCall { to: miner.address() }).await);
    note("bond, more", w.ok(&w.validators[0], &C::bondCall { amount: 5 }).await);
    note("resign", w.ok(&w.validators[0], &C::resignCall {}).await);

    let rows: String = table.iter().map(|(name, gas)| format!("| {name} | {gas} |\n")).collect();
    let page = include_str!("../../../docs/SETTLEMENT.md");
    for (name, gas) in &table {
        let told = page.lines().find_map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            (cells.next() == Some(name)).then(|| cells.next()?.replace(',', "").parse::<u64>().ok())?
        });
        let told = told.unwrap_or_else(|| panic!("`{name}` is not in docs/SETTLEMENT.md; now:\n{rows}"));
        assert!(gas.abs_diff(told) * 20 <= told, "{name} costs {gas}, docs/SETTLEMENT.md says {told}; now:\n{rows}");
    }
}
