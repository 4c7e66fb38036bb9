//! What the contract's events say each account must have, against what the token says it has.

use infernet_settlement::SettlementError;
use infernet_settlement::evm::{ChainEvent, EventKind, IntentState, Store, check_name};
use serde::Serialize;

use super::super::chain::failed;
use super::on_chain::{Actor, OnChain, Part};
use super::run::MinerNow;
use crate::failure::Result;
use crate::output;

/// How the chain stands at the end.
#[derive(Debug, Serialize)]
pub(super) struct ChainReport {
    chain_id: u64,
    contract: String,
    token: String,
    /// What every account has in tokens and in the contract, against what the events add up to.
    accounts: Vec<AccountRow>,
    deposits_microcredits: u64,
    rewards_microcredits: u64,
    validator_fees_microcredits: u64,
    returned_microcredits: u64,
    refunded_microcredits: u64,
    slashed_microcredits: u64,
    /// Tokens of the contract.
    contract_microcredits: u64,
    /// What of them is owed, staked, in bonds, in open deposits, put aside, or waits to be burned.
    accounted_microcredits: u64,
    /// All tokens there are.
    supply_microcredits: u64,
    pub(super) sum_ok: bool,
    transactions: u64,
    gas: u64,
    fees_wei: u128,
}

#[derive(Debug, Serialize)]
struct AccountRow {
    name: String,
    account: String,
    minted_microcredits: u64,
    balance_microcredits: u64,
    claimable_microcredits: u64,
    stake_microcredits: u64,
    bond_microcredits: u64,
    /// All of them by the contract's events.
    expected_microcredits: i128,
    sum_ok: bool,
}

/// Sums of the contract's events.
#[derive(Default)]
struct Flows {
    deposits: u64,
    rewards: u64,
    validator_fees: u64,
    returned: u64,
    refunded: u64,
    slashed: u64,
    /// Deposits that nothing has ended.
    open: u64,
    /// Slashes that are neither handed out nor taken back.
    put_aside: u64,
}

pub(super) async fn report(world: &OnChain) -> Result<ChainReport> {
    let said = |error: SettlementError| failed(&error);
    let events = world.driver.store().events_from(0).map_err(said)?;
    let flows = flows(&events);
    let totals = world.driver.totals().await.map_err(said)?;
    let mut rows = Vec::with_capacity(world.actors.len());
    let (mut inside, mut outside) = (0_u64, 0_u64);
    let mut fees_of_validators = 0_i128;
    for actor in &world.actors {
        let found = world.driver.holdings(actor.key.address()).await.map_err(said)?;
        let stake = found.stake.free + found.stake.locked + found.stake.cooling;
        inside += found.claimable_microcredits + stake + found.bond_microcredits;
        outside += found.balance_microcredits;
        let total = i128::from(found.balance_microcredits)
            + i128::from(found.claimable_microcredits)
            + i128::from(stake)
            + i128::from(found.bond_microcredits);
        let minted = i128::from(actor.minted_microcredits);
        // Events don't say which validators have signed: what they have beyond their tokens is their fee, and must be that together.
        let expected = match actor.part {
            Part::Validator => total,
            Part::Miner | Part::Requester => minted + change(&events, actor),
        };
        if actor.part == Part::Validator {
            fees_of_validators += total - minted;
        }
        rows.push(AccountRow {
            name: actor.name.clone(),
            account: actor.key.address().to_string(),
            minted_microcredits: actor.minted_microcredits,
            balance_microcredits: found.balance_microcredits,
            claimable_microcredits: found.claimable_microcredits,
            stake_microcredits: stake,
            bond_microcredits: found.bond_microcredits,
            expected_microcredits: expected,
            sum_ok: expected == total,
        });
    }
    let accounted = inside + flows.open + flows.put_aside + totals.to_burn_microcredits;
    let minted: u64 = world.actors.iter().map(|actor| actor.minted_microcredits).sum();
    let sum_ok = rows.iter().all(|row| row.sum_ok)
        && fees_of_validators == i128::from(flows.validator_fees)
        && accounted == totals.held_microcredits
        && outside + totals.held_microcredits == totals.supply_microcredits
        && totals.supply_microcredits == minted
        && flows.deposits == flows.rewards + flows.validator_fees + flows.returned + flows.refunded + flows.open;
    let (transactions, gas, fees_wei) = spent(world).await?;
    Ok(ChainReport {
        chain_id: world.config.address.chain_id,
        contract: world.config.address.contract.to_string(),
        token: world.token.to_string(),
        accounts: rows,
        deposits_microcredits: flows.deposits,
        rewards_microcredits: flows.rewards,
        validator_fees_microcredits: flows.validator_fees,
        returned_microcredits: flows.returned,
        refunded_microcredits: flows.refunded,
        slashed_microcredits: flows.slashed,
        contract_microcredits: totals.held_microcredits,
        accounted_microcredits: accounted,
        supply_microcredits: totals.supply_microcredits,
        sum_ok,
        transactions,
        gas,
        fees_wei,
    })
}

fn flows(events: &[ChainEvent]) -> Flows {
    let mut flows = Flows::default();
    for event in events {
        match event.kind {
            EventKind::Deposited { amount, .. } => {
                flows.deposits += amount;
                flows.open += amount;
            }
            EventKind::Settled { rewards, validator_fee, returned, .. } => {
                flows.rewards += rewards;
                flows.validator_fees += validator_fee;
                flows.returned += returned;
                flows.open = flows.open.saturating_sub(rewards + validator_fee + returned);
            }
            EventKind::Refunded { amount, .. } => {
                flows.refunded += amount;
                flows.open = flows.open.saturating_sub(amount);
            }
            EventKind::SlashProposed { amount, .. } => flows.put_aside += amount,
            EventKind::Slashed { to_requester, burned, .. } => {
                flows.slashed += to_requester + burned;
                flows.put_aside = flows.put_aside.saturating_sub(to_requester + burned);
            }
            EventKind::Cleared { amount, .. } => flows.put_aside = flows.put_aside.saturating_sub(amount),
            _ => {}
        }
    }
    flows
}

/// What a miner or requester has gained or lost by the events.
fn change(events: &[ChainEvent], actor: &Actor) -> i128 {
    let own = actor.key.address();
    let deposited = |event: &ChainEvent| {
        events.iter().any(|one| {
            one.job == event.job && matches!(one.kind, EventKind::Deposited { requester, .. } if requester == own)
        })
    };
    let change = |event: &ChainEvent| match event.kind {
        EventKind::Deposited { requester, amount, .. } if requester == own => -i128::from(amount),
        EventKind::Rewarded { miner, reward, .. } if miner == own => i128::from(reward),
        EventKind::SlashProposed { miner, amount, .. } if miner == own => -i128::from(amount),
        EventKind::Cleared { miner, amount } if miner == own => i128::from(amount),
        EventKind::Settled { returned, .. } if deposited(event) => i128::from(returned),
        EventKind::Refunded { requester, amount, .. } if requester == own => i128::from(amount),
        EventKind::Slashed { to_requester, .. } if deposited(event) => i128::from(to_requester),
        _ => 0,
    };
    events.iter().map(change).sum()
}

/// Transactions of everyone, their gas, and what was paid for it in wei.
async fn spent(world: &OnChain) -> Result<(u64, u64, u128)> {
    let said = |error: SettlementError| failed(&error);
    let mut stores: Vec<Store> = vec![world.deployment.clone(), world.driver.store().clone()];
    for actor in &world.actors {
        stores.push(world.driver_of(actor)?.store().clone());
    }
    let (mut transactions, mut gas, mut wei) = (0, 0, 0);
    for store in stores {
        let over = |state| matches!(state, IntentState::Done | IntentState::Reverted);
        for hash in
            store.intents(u32::MAX).map_err(said)?.into_iter().filter_map(|one| one.hash.filter(|_| over(one.state)))
        {
            if let Some(paid) = world.driver.gas_of(hash).await.map_err(said)? {
                (transactions, gas, wei) = (transactions + 1, gas + paid.gas, wei + paid.wei);
            }
        }
    }
    Ok((transactions, gas, wei))
}

/// A miner by what the chain says of it.
pub(super) fn miner_now(world: &OnChain, miner: &Actor) -> MinerNow {
    let own = miner.key.address();
    let mut now = MinerNow { trust_ppm: world.judge(miner).trust_of(own).unwrap_or_default(), ..MinerNow::default() };
    for event in world.driver.store().events_about(own).unwrap_or_default() {
        match event.kind {
            EventKind::Rewarded { reward, .. } => {
                now.paid += 1;
                now.earned_microcredits += reward;
            }
            EventKind::SlashProposed { amount, check, .. } => {
                now.slashed += 1;
                now.slashed_microcredits += amount;
                now.failed_checks.push(check_name(check).unwrap_or("unknown").to_owned());
            }
            EventKind::Cleared { amount, .. } => {
                now.slashed -= 1;
                now.slashed_microcredits -= amount;
            }
            _ => {}
        }
    }
    now
}

/// The report for people.
pub(super) fn show(report: &ChainReport) -> Result {
    output::line(&format!("contract {} on chain {}, token {}", report.contract, report.chain_id, report.token))?;
    output::line("  account      tokens     to claim   stake      bond       by the events")?;
    for row in &report.accounts {
        output::line(&format!(
            "  {:<11} {:>10} {:>10} {:>10} {:>10} {}",
            row.name,
            row.balance_microcredits,
            row.claimable_microcredits,
            row.stake_microcredits,
            row.bond_microcredits,
            if row.sum_ok { "the same" } else { "NOT THE SAME" },
        ))?;
    }
    output::line(&format!(
        "  deposits {} = rewards {} + validators {} + returned {} + refunded {}; slashed {}",
        report.deposits_microcredits,
        report.rewards_microcredits,
        report.validator_fees_microcredits,
        report.returned_microcredits,
        report.refunded_microcredits,
        report.slashed_microcredits
    ))?;
    output::line(&format!(
        "  the contract holds {}, {} are accounted for; {} tokens in all: the sums {}",
        report.contract_microcredits,
        report.accounted_microcredits,
        report.supply_microcredits,
        if report.sum_ok { "hold" } else { "DO NOT HOLD" }
    ))?;
    output::line(&format!("  {} transactions, {} gas", report.transactions, report.gas))
}
