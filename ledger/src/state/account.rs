//! Issuing, and what holders ask for.

use crate::account::Unstaking;
use crate::entry::Issue;
use crate::error::LedgerError;
use crate::movement::Pocket;
use crate::request::{AccountRequest, Action};

use super::draft::Draft;

/// Most parts of an account's stake that are on their way out at once.
const MAX_UNSTAKING: usize = 64;

impl Draft<'_> {
    pub(super) fn issue(&mut self, issue: &Issue) -> Result<(), LedgerError> {
        if issue.amount_microcredits == 0 {
            return Err(LedgerError::Nothing { what: "an issue" });
        }
        self.check_account(issue.to)?;
        self.transfer(Pocket::Issued, Pocket::Balance(issue.to), issue.amount_microcredits)
    }

    pub(super) fn request(&mut self, request: &AccountRequest) -> Result<(), LedgerError> {
        let holder = request.account;
        let account = self.account(holder);
        if request.nonce != account.next_nonce {
            return Err(LedgerError::Nonce { account: holder, expected: account.next_nonce, found: request.nonce });
        }
        // Comes to an end after 2^64 requests.
        account.next_nonce = account.next_nonce.saturating_add(1);
        if !request.verify(&self.genesis().ledger) {
            return Err(LedgerError::Signature { what: "request", account: holder });
        }
        let some = |amount: u64, what| if amount == 0 { Err(LedgerError::Nothing { what }) } else { Ok(amount) };
        match request.action {
            Action::Transfer { to, amount_microcredits } => {
                let what = "a transfer";
                some(if to == holder { 0 } else { amount_microcredits }, what)?;
                self.check_account(to)?;
                self.transfer(Pocket::Balance(holder), Pocket::Balance(to), amount_microcredits)
            }
            Action::Stake { amount_microcredits } => {
                let amount = some(amount_microcredits, "stake")?;
                self.transfer(Pocket::Balance(holder), Pocket::FreeStake(holder), amount)
            }
            Action::Unstake { amount_microcredits } => {
                let amount = some(amount_microcredits, "what is unstaked")?;
                self.free_ended_locks(holder)?;
                let free_at_ms = self.now_ms + self.parameters().lock_ms();
                let unstaking = &mut self.account(holder).stake.unstaking;
                if unstaking.len() >= MAX_UNSTAKING {
                    return Err(LedgerError::TooManyWithdrawals { account: holder, most: MAX_UNSTAKING });
                }
                unstaking.push(Unstaking { amount, free_at_ms });
                self.transfer(Pocket::FreeStake(holder), Pocket::Unstaking(holder), amount)
            }
            Action::WithdrawStake => {
                let now_ms = self.now_ms;
                let unstaking = &mut self.account(holder).stake.unstaking;
                let mut due = 0u64;
                unstaking.retain(|part| {
                    let is_due = part.free_at_ms <= now_ms;
                    // All credits fit into 64 bits.
                    due += if is_due { part.amount } else { 0 };
                    !is_due
                });
                if due == 0 {
                    let next_ms = unstaking.iter().map(|part| part.free_at_ms).min();
                    return Err(LedgerError::NothingToWithdraw { account: holder, next_ms });
                }
                self.transfer(Pocket::Unstaking(holder), Pocket::Balance(holder), due)
            }
            Action::Claim => {
                let earned = self.account(holder).claimable;
                if earned == 0 {
                    return Err(LedgerError::NothingToClaim { account: holder });
                }
                self.transfer(Pocket::Claimable(holder), Pocket::Balance(holder), earned)
            }
        }
    }
}
