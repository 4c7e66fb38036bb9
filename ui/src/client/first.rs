//! The first clip: on a network of one's own, Start shows at once what all this is for.

use std::time::Duration;

use infernet_api::client::Client;
use infernet_api::types::job::{JobFilter, JobPart, NewJob};
use infernet_api::types::model::ModelState;
use infernet_api::types::status::{MiningState, Role, Status};
use infernet_api::{Problem, RequestId};

use super::thread::{Link, problem};
use crate::snapshot::Part;

/// In the words of the starter model.
const PROMPT: &str = "a red circle moving right";
/// Always the same, so that the node makes one such order at most, however often Start is pressed.
const REQUEST: RequestId = RequestId(*b"the first clip!!");
/// How long a worker may take to be ready, and how often it is asked.
const READY_SECS: u64 = 60;
const LOOK: Duration = Duration::from_secs(1);

/// Orders the first clip where nobody else would: on an own network without an order so far. Says whether it did.
///
/// # Errors
/// What the node says to the order. Whatever else goes wrong is no reason to trouble someone who only pressed Start.
pub(super) async fn order(link: &Link) -> Result<bool, Problem> {
    let Some(job) = wanted(&link.client).await else { return Ok(false) };
    for _ in 0..READY_SECS {
        match link.client.status().await.map(|status| status.mining.state) {
            Ok(MiningState::Waiting | MiningState::Working) => {
                let job = link.client.submit(&job).await.map_err(|error| problem(&error))?;
                link.update(|snapshot| snapshot.job_changed(job));
                for part in [Part::Status, Part::Earnings, Part::Receipts] {
                    // The other end of the channel lives as long as the thread's loop.
                    let _ended = link.stale.send(part);
                }
                return Ok(true);
            }
            Ok(MiningState::Starting) => tokio::time::sleep(LOOK).await,
            _ => return Ok(false),
        }
    }
    Ok(false)
}

/// The order, if there should be one.
async fn wanted(client: &Client) -> Option<NewJob> {
    if !is_own_network(&client.status().await.ok()?) {
        return None;
    }
    let filter = JobFilter { part: Some(JobPart::Requested), limit: Some(1), ..JobFilter::default() };
    if !client.jobs(&filter).await.ok()?.jobs.is_empty() {
        return None;
    }
    let models = client.models().await.ok()?.models;
    let model = models.into_iter().find(|model| matches!(model.state, ModelState::Installed { .. }))?;
    let mut job = NewJob::new(model.id, PROMPT);
    job.request_id = Some(REQUEST);
    Some(job)
}

/// Whether this node decides and orders itself: then nobody else's money is spent.
fn is_own_network(status: &Status) -> bool {
    status.network.validator == Some(status.node_id) && status.roles.contains(&Role::Requester)
}
