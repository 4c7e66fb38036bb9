//! Issuing, and what holders ask for.

use infernet_ledger::{AccountId, AccountRequest, Action, Applied, Digest, Entry, LedgerId, Movement, Pocket};

use crate::world::*;

fn transfer(to: AccountId, amount_microcredits: u64) -> Action {
    Action::Transfer { to, amount_microcredits }
}

#[test]
fn credits_are_issued_once_per_reference() {
    let mut world = World::new();
    let entry = issue(50, id(9), 300);
    let moved = Movement { from: Pocket::Issued, to: Pocket::Balance(id(9)), amount_microcredits: 300 };
    assert_eq!(world.ok(&entry), [moved]);
    assert_eq!(world.apply(&entry), Ok(Applied::AlreadyApplied));
    assert_eq!(world.balance(9), 300);
    world.refused(&issue(50, id(9), 301), "ledger.conflict");
    world.refused(&issue(51, id(9), 0), "ledger.nothing");
    world.refused(&issue(51, id(9), u64::MAX), "ledger.too_much");
    // Nobody can hold the identity point, nor bytes that are no point.
    let mut identity = [0; 32];
    identity[0] = 1;
    world.refused(&issue(51, AccountId(identity), 1), "ledger.account");
    world.refused(&issue(51, AccountId([2; 32]), 1), "ledger.account");
}

#[test]
fn the_sum_of_all_credits_fits_into_64_bits() {
    let mut world = World::new();
    world.ok(&issue(50, id(9), u64::MAX - 3_000_000));
    world.refused(&issue(51, id(8), 1), "ledger.too_much");
}

#[test]
fn transfers_are_signed_numbered_and_covered() {
    let mut world = World::new();
    world.ok(&request(REQUESTER, 0, transfer(id(9), 400)));
    assert_eq!((world.balance(REQUESTER), world.balance(9)), (999_600, 400));
    // The same again is nothing new; the same number for something else is refused; so is a number that skips one.
    assert_eq!(world.apply(&request(REQUESTER, 0, transfer(id(9), 400))), Ok(Applied::AlreadyApplied));
    world.refused(&request(REQUESTER, 0, transfer(id(9), 1)), "ledger.nonce");
    world.refused(&request(REQUESTER, 2, transfer(id(9), 1)), "ledger.nonce");
    world.refused(&request(REQUESTER, 1, transfer(id(9), 999_601)), "ledger.insufficient");
    world.refused(&request(REQUESTER, 1, transfer(id(9), 0)), "ledger.nothing");
    world.refused(&request(REQUESTER, 1, transfer(id(REQUESTER), 1)), "ledger.nothing");
    world.refused(&request(REQUESTER, 1, transfer(AccountId([2; 32]), 1)), "ledger.account");
    world.ok(&request(REQUESTER, 1, transfer(id(9), 999_600)));
    assert_eq!((world.balance(REQUESTER), world.balance(9)), (0, 1_000_000));
}

#[test]
fn nobody_else_can_ask_for_a_holder() {
    let mut world = World::new();
    let action = transfer(id(9), 400);
    let good = AccountRequest::sign(&ledger_id(), 0, action, &key(REQUESTER));
    let other = LedgerId { network: Digest([8; 32]), ..ledger_id() };
    for forged in [
        AccountRequest { action: transfer(id(8), 400), ..good },
        AccountRequest { account: id(MINER), nonce: 1, ..good },
        AccountRequest { signature: AccountRequest::sign(&ledger_id(), 0, action, &key(9)).signature, ..good },
        // Signed, but for another network: not valid here.
        AccountRequest::sign(&other, 0, action, &key(REQUESTER)),
    ] {
        world.refused(&Entry::Request(forged), "ledger.signature");
    }
    world.ok(&Entry::Request(good));
}

#[test]
fn stake_comes_back_after_the_cool_down_and_not_before() {
    let mut world = World::new();
    world.refused(&request(MINER, 1, Action::WithdrawStake), "ledger.nothing_to_withdraw");
    world.refused(&request(MINER, 1, Action::Unstake { amount_microcredits: 1_000_001 }), "ledger.insufficient");
    world.ok(&request(MINER, 1, Action::Unstake { amount_microcredits: 600_000 }));
    let due_ms = world.now_ms + DAY_MS;
    assert_eq!((world.free(MINER), world.balance(MINER)), (400_000, 0));
    world.ok(&request(MINER, 2, Action::Unstake { amount_microcredits: 100_000 }));
    // One millisecond early, and then just in time, for the first part only.
    world.now_ms = due_ms - 2;
    world.refused(&request(MINER, 3, Action::WithdrawStake), "ledger.nothing_to_withdraw");
    world.ok(&request(MINER, 3, Action::WithdrawStake));
    assert_eq!(world.now_ms, due_ms);
    assert_eq!(world.balance(MINER), 600_000);
    world.now_ms += DAY_MS;
    world.ok(&request(MINER, 4, Action::WithdrawStake));
    assert_eq!((world.balance(MINER), world.free(MINER)), (700_000, 300_000));
}

#[test]
fn withdrawals_under_way_are_bounded() {
    let mut world = World::new();
    for nonce in 1..=64 {
        world.ok(&request(MINER, nonce, Action::Unstake { amount_microcredits: 1 }));
    }
    world.refused(&request(MINER, 65, Action::Unstake { amount_microcredits: 1 }), "ledger.too_many_withdrawals");
}

#[test]
fn time_does_not_run_backwards_nor_away() {
    let mut world = World::new();
    let last = world.ledger.time_ms();
    let error = world.ledger.apply(&issue(50, id(9), 1), last - 1).unwrap_err();
    assert_eq!(error.code(), "ledger.clock");
    let error = world.ledger.apply(&issue(50, id(9), 1), u64::MAX).unwrap_err();
    assert_eq!(error.code(), "ledger.time");
    world.ledger.apply(&issue(50, id(9), 1), last).unwrap();
}

#[test]
fn earnings_are_claimed_once() {
    let mut world = World::new();
    world.refused(&request(MINER, 1, Action::Claim), "ledger.nothing_to_claim");
    world.assigned(1, MINER);
    world.ok(&committed(1, 1, MINER));
    world.ok(&audited(1, 1, MINER, 1, accepted(1_000_000)));
    world.ok(&settle(1, 1));
    assert_eq!(world.claimable(MINER), 7_500);
    world.ok(&request(MINER, 1, Action::Claim));
    assert_eq!((world.claimable(MINER), world.balance(MINER)), (0, 7_500));
    world.refused(&request(MINER, 2, Action::Claim), "ledger.nothing_to_claim");
}
