//! Deposits of orders on a chain: sent once the validator would take the job, followed until they count.

use infernet_network::proof::JobSpec;
use infernet_network::wire::JobId;

use super::orders::{Order, OrderError, Requester, locked};
use crate::chain::{ChainError, DepositState};

impl Requester {
    /// Puts an order's deposit on its way to the chain.
    pub(super) fn deposit(&self, id: JobId) -> Result<(), ChainError> {
        let (Some(chain), Some(order)) = (&self.inner.config.chain, locked(&self.inner.orders).get(&id).cloned())
        else {
            return Ok(());
        };
        let Ok(job) = JobSpec::from_bytes(&order.spec) else { return Ok(()) };
        chain.deposit(&job)?;
        self.tell_of_deposit(id, &chain.deposit_state(&job)?);
        Ok(())
    }

    /// Whether the validator can be asked to take the order: there is no deposit to wait for, or it counts. One that the chain refused ends
    /// the order.
    pub(super) fn deposit_stands(&self, id: JobId, order: &Order) -> bool {
        let (Some(chain), Ok(job)) = (&self.inner.config.chain, JobSpec::from_bytes(&order.spec)) else { return true };
        match chain.deposit_state(&job) {
            Ok(state) => {
                self.tell_of_deposit(id, &state);
                matches!(state, DepositState::None | DepositState::Confirmed)
            }
            Err(error) => {
                tracing::warn!(job = %id, code = error.code(), "the deposit can't be looked at: {error}");
                false
            }
        }
    }

    fn tell_of_deposit(&self, id: JobId, state: &DepositState) {
        self.change(id, |order| match state {
            DepositState::None => {}
            DepositState::Pending(text) => order.state.message.clone_from(text),
            DepositState::Confirmed => {
                "the deposit is confirmed; waiting for the validator".clone_into(&mut order.state.message);
            }
            DepositState::Failed(reason) => {
                let text = format!("the chain did not take the deposit: {reason}; nothing was paid");
                order.state.refused = Some(("chain.deposit".to_owned(), text));
            }
        });
    }
}

/// A deposit that can't be made, as an order that can't.
pub(super) fn chain_refusal(error: &ChainError) -> OrderError {
    OrderError::Refused { code: error.code().to_owned(), message: error.to_string() }
}
