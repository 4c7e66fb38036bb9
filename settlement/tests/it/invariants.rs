//! Random calls by everyone, right and wrong ones: whatever happens, every token is somebody's, no job pays twice, and nobody's money moves
//! but by a judgement about that job.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256};
use infernet_settlement::evm::abi::InfernetSettlement as C;
use infernet_settlement::evm::{EvmKey, Judgement};

use crate::world::{DAY, START, TestToken, World};

/// xorshift64*: the same calls for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % n
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len() as u64) as usize]
    }
}

#[derive(Default)]
struct Books {
    /// Open deposits, by job.
    open: BTreeMap<B256, (Address, u64)>,
    known: Vec<(B256, Address)>,
    ends: BTreeMap<B256, u32>,
    /// Miners' parts in jobs that judgements have touched.
    parts: BTreeSet<(B256, Address)>,
    /// Contests under way, by job and miner, and who pays for them.
    contests: BTreeMap<(B256, Address), Address>,
}

/// Everything that is anyone's.
struct Wealth {
    of: BTreeMap<Address, u64>,
}

async fn wealth(w: &World, books: &Books) -> Wealth {
    let mut of = BTreeMap::new();
    let mut held = w.chain.call(w.at, &C::toBurnCall {}).await.to::<u64>();
    let mut outside = 0;
    let mut locked = BTreeMap::new();
    for &(job, miner) in &books.parts {
        let part = w.chain.call(w.at, &C::partOfCall { job, miner }).await;
        match part.status {
            1 => *locked.entry(miner).or_insert(0) += part.amount,
            2 => held += part.amount,
            _ => assert_eq!(part.amount, 0),
        }
    }
    for account in w.everyone() {
        let balance = w.balance(account).await;
        let claimable = w.claimable(account).await;
        let staker = w.chain.call(w.at, &C::stakerOfCall { miner: account }).await;
        let bond = w.chain.call(w.at, &C::validatorOfCall { account }).await.bond;
        assert_eq!(staker.locked, locked.get(&account).copied().unwrap_or(0), "locked stake is that of paid jobs");
        let deposits: u64 = books.open.values().filter(|(by, _)| *by == account).map(|(_, amount)| amount).sum();
        let contests = 700 * books.contests.values().filter(|by| **by == account).count() as u64;
        let inside = claimable + staker.free + staker.locked + staker.cooling + bond + deposits + contests;
        held += inside;
        outside += balance;
        of.insert(account, balance + inside);
    }
    assert_eq!(w.balance(w.at).await, held, "what the contract has is what it owes");
    let supply: u64 = w.chain.call(w.token, &TestToken::totalSupplyCall {}).await.to();
    assert_eq!(supply, held + outside, "no token is lost");
    Wealth { of }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum May {
    /// Nobody may have less.
    Nobody,
    /// These may: the requester of a job that was paid, a miner that was caught, the contester.
    These([Address; 3]),
    /// The validators, for silence.
    Validators,
}

async fn play(seed: u64, calls: u32) -> BTreeMap<&'static str, u32> {
    let w = World::new().await;
    let mut dice = Dice(seed);
    let mut books = Books::default();
    let mut done: BTreeMap<&'static str, u32> = BTreeMap::new();
    let everyone: Vec<&EvmKey> = [&w.validators, &w.miners, &w.requesters].into_iter().flatten().collect();
    let mut before = wealth(&w, &books).await;
    for _ in 0..calls {
        let who = (*dice.of(&everyone)).clone();
        let from = who.address();
        let miner = dice.of(&w.miners).clone();
        let (job, requester) = match books.known.len() {
            0 => (B256::ZERO, Address::ZERO),
            // Old jobs now and then.
            n if dice.below(4) == 0 => books.known[dice.below(n as u64) as usize],
            n => books.known[n - 1 - dice.below(n.min(4) as u64) as usize],
        };
        let parts: Vec<(B256, Address)> = books.parts.iter().copied().collect();
        let target = if parts.is_empty() { (job, miner.address()) } else { *dice.of(&parts) };
        let amount = dice.below(60_000);
        let signers: Vec<&EvmKey> = w.validators.iter().filter(|_| dice.below(8) > 0).collect();
        let stake = 2_000 + dice.below(6_000);
        let bundle = B256::repeat_byte(dice.below(2) as u8);
        let (name, result, may): (&'static str, Result<u64, String>, May) = match dice.below(20) {
            0 | 1 => ("stake", w.try_as(from, &C::stakeCall { amount }).await, May::Nobody),
            2 => ("unstake", w.try_as(from, &C::requestUnstakeCall { amount }).await, May::Nobody),
            3 => ("withdraw", w.try_as(from, &C::withdrawStakeCall { to: from }).await, May::Nobody),
            4 => ("claim", w.try_as(from, &C::claimCall { to: from }).await, May::Nobody),
            5 | 6 if books.open.len() < 6 => {
                let requester = dice.of(&w.requesters).clone();
                if w.balance(requester.address()).await < 10_000 {
                    continue;
                }
                let amount = 1 + dice.below(9_999);
                let job = w.deposit(&requester, amount).await;
                books.known.push((job, requester.address()));
                books.open.insert(job, (requester.address(), amount));
                ("deposit", Ok(0), May::Nobody)
            }
            7 => {
                let result = w.try_as(from, &C::refundCall { job }).await;
                if result.is_ok() {
                    books.open.remove(&job);
                    *books.ends.entry(job).or_default() += 1;
                }
                ("refund", result, May::Nobody)
            }
            8 | 9 => {
                let fee = dice.below(1_000);
                let mut of = Vec::new();
                for miner in &w.miners {
                    if dice.below(3) == 0 {
                        of.push((miner, 1 + dice.below(1_000_000) as u32, dice.below(1_000_001) as u32));
                    }
                }
                let verdict = w.verdict(job, fee, stake, &of);
                let result = w.judge(&verdict, &signers).await;
                if result.is_ok() {
                    books.open.remove(&job);
                    *books.ends.entry(job).or_default() += 1;
                    books.parts.extend(of.iter().map(|(miner, ..)| (job, miner.address())));
                }
                ("settle", result, May::These([requester; 3]))
            }
            10 | 11 => {
                let check = 1 + dice.below(26) as u8;
                let result = w.judge(&w.slash(job, &miner, stake, check), &signers).await;
                if result.is_ok() {
                    books.parts.insert((job, miner.address()));
                }
                ("slash", result, May::These([miner.address(); 3]))
            }
            12 => {
                let (job, miner) = target;
                let call = C::executeSlashCall { job, miner };
                ("execute", w.try_as(from, &call).await, May::Nobody)
            }
            13 => {
                let (job, miner) = target;
                let call = C::contestCall { job, miner, bundle, locator: String::new() };
                let result = w.try_as(from, &call).await;
                if result.is_ok() {
                    books.contests.insert(target, from);
                }
                ("contest", result, May::Nobody)
            }
            14 | 15 => {
                let ((job, miner), guilty) = (target, dice.below(2) == 0);
                let evidence = B256::repeat_byte(5);
                let ruling = Judgement::Answer { job, miner, bundle, guilty, check: 20, evidence };
                let result = w.judge(&ruling, &signers).await;
                let by = books.contests.get(&target).copied().unwrap_or_default();
                if result.is_ok() {
                    books.contests.remove(&target);
                }
                ("answer", result, May::These([miner, by, by]))
            }
            16 => {
                let (job, miner) = target;
                let result = if dice.below(2) == 0 {
                    w.try_as(from, &C::releaseCall { job, miner }).await
                } else {
                    let result = w.try_as(from, &C::expireCall { job, miner }).await;
                    if result.is_ok() {
                        books.contests.remove(&target);
                    }
                    result
                };
                ("release or expire", result, May::Validators)
            }
            17 => {
                w.chain.pass(dice.below(DAY)).await;
                ("time", Ok(0), May::Nobody)
            }
            _ => {
                let result = match dice.below(3) {
                    0 => w.try_as(from, &C::burnCall {}).await,
                    1 => w.try_as(from, &C::bondCall { amount: dice.below(9_000) }).await,
                    _ => {
                        let cancel = Judgement::Cancel { job, reason: 1 };
                        let result = w.judge(&cancel, &signers).await;
                        if result.is_ok() {
                            books.open.remove(&job);
                            *books.ends.entry(job).or_default() += 1;
                        }
                        result
                    }
                };
                ("other", result, May::Nobody)
            }
        };
        if result.is_err() {
            continue;
        }
        *done.entry(name).or_default() += 1;
        assert!(books.ends.values().all(|ends| *ends == 1), "a job ended twice");
        let after = wealth(&w, &books).await;
        for (account, had) in &before.of {
            let has = after.of[account];
            let allowed = match may {
                May::Nobody => false,
                May::These(these) => these.contains(account),
                May::Validators => w.validators.iter().any(|v| v.address() == *account),
            };
            assert!(has >= *had || allowed, "{name} by {from} took {} from {account} (seed {seed})", had - has);
        }
        before = after;
    }
    // At the end everyone gets out what is theirs.
    w.chain.pass(10 * DAY).await;
    let anyone = w.requesters[0].address();
    for (job, _) in books.known.clone() {
        let _ = w.try_as(anyone, &C::refundCall { job }).await;
        for miner in w.miners.iter().map(EvmKey::address) {
            let _ = w.try_as(anyone, &C::expireCall { job, miner }).await;
            let _ = w.try_as(anyone, &C::executeSlashCall { job, miner }).await;
            let _ = w.try_as(anyone, &C::releaseCall { job, miner }).await;
        }
    }
    let _ = w.try_as(anyone, &C::burnCall {}).await;
    for validator in &w.validators {
        w.ok(validator, &C::resignCall {}).await;
    }
    for account in w.everyone() {
        let free = w.chain.call(w.at, &C::stakerOfCall { miner: account }).await.free;
        let _ = w.try_as(account, &C::requestUnstakeCall { amount: free }).await;
    }
    w.chain.pass(9 * DAY).await;
    for account in w.everyone() {
        let _ = w.try_as(account, &C::withdrawStakeCall { to: account }).await;
        let _ = w.try_as(account, &C::withdrawBondCall { to: account }).await;
        let _ = w.try_as(account, &C::claimCall { to: account }).await;
    }
    assert_eq!(w.balance(w.at).await, 0, "nothing is left behind (seed {seed})");
    let total: u64 = w.chain.call(w.token, &TestToken::totalSupplyCall {}).await.to();
    assert!(total <= START * w.everyone().len() as u64);
    done
}

#[tokio::test]
async fn random_calls_lose_nothing_and_pay_once() {
    let mut done: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in [0x1001, 0x2002, 0x3003] {
        for (name, times) in play(seed, 400).await {
            *done.entry(name).or_default() += times;
        }
    }
    // Every kind of call has had its effect: the invariants were not checked on refusals alone.
    for name in
        ["stake", "unstake", "claim", "deposit", "refund", "settle", "slash", "execute", "contest", "answer", "other"]
    {
        assert!(done.get(name).is_some_and(|times| *times >= 3), "{name}: {done:?}");
    }
}
