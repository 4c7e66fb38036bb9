//! Every endpoint.

use utoipa::openapi::OpenApi;
use utoipa::openapi::path::HttpMethod::{Get, Patch, Post};

use super::endpoint::Collected;
use crate::ErrorCode::{
    self, Busy, ClipNotFound, CoolDown, DepositTooSmall, DiskFull, InsufficientBalance, InsufficientStake,
    InvalidQuery, InvalidSettings, JobNotFound, LedgerRefused, ModelNotFound, ModelNotInstalled, NoMiner, NoValidator,
    NothingToClaim, PreviewNotFound, ProofNotFound, RequestIdReused, RoleOff, SettingsConflict, WorkerUnavailable,
    WrongStage,
};
use crate::types::device::DeviceList;
use crate::types::doctor::DoctorReport;
use crate::types::event::Event;
use crate::types::job::{Job, JobFilter, JobList, JobPart, JobStage, NewJob, Quote};
use crate::types::log::{LogFilter, LogLevel, LogLines};
use crate::types::model::{Model, ModelList, ModelRequest};
use crate::types::money::{
    Bucket, ClaimRequest, Claimed, Earnings, EarningsQuery, ReceiptFilter, ReceiptKind, ReceiptList, Refund,
    RefundList, RefundRequest, StakeChanged, StakeInfo, StakeRequest,
};
use crate::types::peer::{InvitationLink, PeerList};
use crate::types::settings::{Settings, SettingsCheck};
use crate::types::status::{MiningStatus, PauseRequest, Status};
use crate::types::trust::Trust;
use crate::types::verdict::JobProof;

/// What anything that becomes an entry of the ledger can fail with.
const LEDGER: &[ErrorCode] = &[NoValidator, LedgerRefused, RequestIdReused];

/// The API's description.
#[must_use]
pub fn document() -> OpenApi {
    let mut api = Collected::default();
    node(&mut api);
    jobs(&mut api);
    money(&mut api);
    network(&mut api);
    owner(&mut api);
    api.document()
}

fn node(api: &mut Collected) {
    api.endpoint(Get, "/v1/status", "status", "The node at one moment").json::<Status>("200", "Now.");
    api.endpoint(Get, "/v1/events", "events", "What changes, as it changes")
        .header("Last-Event-ID", "The last event that was seen; what came after it is sent first.")
        .event_stream::<Event>(
            "Server-sent events. `id` is for resuming, `event` the type, `data` one event as JSON. A reader that is too slow gets \
             a `lagged` event and the stream ends.",
        );
    api.endpoint(Get, "/v1/devices", "devices", "Every GPU, the processor and memory, with readings")
        .json::<DeviceList>("200", "The newest readings.");
    api.endpoint(Post, "/v1/devices/rescan", "rescan_devices", "Look for devices again")
        .errors(&[Busy])
        .json::<DeviceList>("200", "What is there now.");
    api.endpoint(Post, "/v1/mining/start", "start_mining", "End a pause by hand")
        .errors(&[RoleOff])
        .json::<MiningStatus>("200", "Mining now.");
    api.endpoint(Post, "/v1/mining/pause", "pause_mining", "Pause mining")
        .body::<PauseRequest>(false)
        .errors(&[RoleOff])
        .json::<MiningStatus>("200", "Mining now.");
    api.endpoint(Get, "/v1/doctor", "doctor", "What is in order on this computer and what is not")
        .json::<DoctorReport>("200", "The checks, made now.");
    api.endpoint(Get, "/v1/log", "log", "What the node has logged, oldest first")
        .query::<LogFilter>()
        .uses::<LogLevel>()
        .errors(&[InvalidQuery])
        .json::<LogLines>("200", "The lines that are kept.");
    api.endpoint(Get, "/metrics", "metrics", "Counters and gauges for Prometheus")
        .text("application/openmetrics-text", "OpenMetrics text.");
    api.endpoint(Get, "/healthz", "healthz", "Whether the server answers").open().text("text/plain", "`ok`");
    api.endpoint(Get, "/openapi.json", "openapi", "This document").open().text("application/json", "OpenAPI 3.1.");
}

fn jobs(api: &mut Collected) {
    api.endpoint(Get, "/v1/jobs", "jobs", "Jobs, newest first")
        .query::<JobFilter>()
        .uses::<JobPart>()
        .uses::<JobStage>()
        .errors(&[InvalidQuery])
        .json::<JobList>("200", "A page of jobs.");
    api.endpoint(Post, "/v1/jobs", "submit", "Order a clip")
        .body::<NewJob>(true)
        .errors(LEDGER)
        .errors(&[RoleOff, ModelNotFound, DepositTooSmall, InsufficientBalance, NoMiner, Busy])
        .json::<Job>("201", "The job. Repeated with the same `request_id`, the same job.");
    api.endpoint(Post, "/v1/jobs/quote", "quote", "What a job would cost and need; nothing is ordered")
        .body::<NewJob>(true)
        .errors(&[RoleOff, ModelNotFound, NoValidator])
        .json::<Quote>("200", "The quote.");
    api.endpoint(Get, "/v1/jobs/{id}", "job", "One job").errors(&[JobNotFound]).json::<Job>("200", "The job.");
    api.endpoint(Post, "/v1/jobs/{id}/cancel", "cancel", "Give an own job up")
        .errors(LEDGER)
        .errors(&[JobNotFound, WrongStage])
        .json::<Job>("200", "The job now.");
    api.endpoint(Get, "/v1/jobs/{id}/clip.mp4", "clip", "The clip of a job")
        .errors(&[JobNotFound, ClipNotFound])
        .file("video/mp4", "The whole clip.");
    api.endpoint(Get, "/v1/jobs/{id}/preview", "preview", "The newest preview of a job on its way")
        .errors(&[JobNotFound, PreviewNotFound])
        .bytes("image/png", "A picture; the header `X-InferNet-Step` says after which step it was made.");
    api.endpoint(Get, "/v1/jobs/{id}/proof", "proof", "What was checked of a job")
        .errors(&[JobNotFound, ProofNotFound])
        .json::<JobProof>("200", "The proof.");
    api.endpoint(Get, "/v1/jobs/{id}/proof/bundle", "bundle", "The evidence of a job, for `infernet verify --bundle`")
        .errors(&[JobNotFound, ProofNotFound])
        .file("application/octet-stream", "The whole bundle.");
}

fn money(api: &mut Collected) {
    api.endpoint(Get, "/v1/earnings", "earnings", "What was earned")
        .query::<EarningsQuery>()
        .uses::<Bucket>()
        .errors(&[InvalidQuery, NoValidator])
        .json::<Earnings>("200", "Earnings.");
    api.endpoint(Post, "/v1/earnings/claim", "claim", "Move rewards to the balance")
        .body::<ClaimRequest>(false)
        .errors(LEDGER)
        .errors(&[NothingToClaim])
        .json::<Claimed>("200", "What was moved.");
    api.endpoint(Get, "/v1/receipts", "receipts", "Entries of the ledger about this account, newest first")
        .query::<ReceiptFilter>()
        .uses::<ReceiptKind>()
        .errors(&[InvalidQuery])
        .json::<ReceiptList>("200", "A page of receipts.");
    api.endpoint(Get, "/v1/stake", "stake", "The stake").errors(&[NoValidator]).json::<StakeInfo>("200", "The stake.");
    api.endpoint(Post, "/v1/stake", "change_stake", "Stake, unstake or withdraw")
        .body::<StakeRequest>(true)
        .errors(LEDGER)
        .errors(&[InsufficientBalance, InsufficientStake, CoolDown])
        .json::<StakeChanged>("200", "The stake now.");
    api.endpoint(Get, "/v1/refunds", "refunds", "Deposits of own jobs that went back, or can")
        .json::<RefundList>("200", "The refunds.");
    api.endpoint(Post, "/v1/refunds", "refund", "Ask for a deposit back")
        .body::<RefundRequest>(true)
        .errors(LEDGER)
        .errors(&[JobNotFound, WrongStage])
        .json::<Refund>("200", "The refund.");
    api.endpoint(Get, "/v1/trust", "trust", "Trust in this node, and on a validator in every miner")
        .json::<Trust>("200", "Trust.");
}

fn network(api: &mut Collected) {
    api.endpoint(Get, "/v1/invitation", "peers", "A link by which others join this node's network")
        .json::<InvitationLink>("200", "The link.");
    api.endpoint(Get, "/v1/peers", "peers", "The nodes this one is connected to").json::<PeerList>("200", "The peers.");
    api.endpoint(Get, "/v1/models", "models", "Models of the catalogue and of this computer")
        .json::<ModelList>("200", "The models.");
    api.endpoint(Post, "/v1/models/{id}", "change_model", "Download, pause, verify or delete a model")
        .body::<ModelRequest>(true)
        .errors(&[ModelNotFound, ModelNotInstalled, DiskFull, Busy, WorkerUnavailable])
        .json::<Model>("200", "The model now; progress comes as events.");
}

fn owner(api: &mut Collected) {
    api.endpoint(Get, "/v1/settings", "settings", "What the owner decides").json::<Settings>("200", "The settings.");
    api.endpoint(Patch, "/v1/settings", "patch_settings", "Change settings with a JSON merge patch (RFC 7396)")
        .merge_patch()
        .errors(&[InvalidSettings, SettingsConflict, DiskFull])
        .json::<Settings>("200", "The settings now.");
    api.endpoint(
        Post,
        "/v1/settings/validate",
        "validate_settings",
        "Whether a patch would be accepted; nothing is changed",
    )
    .merge_patch()
    .json::<SettingsCheck>("200", "What is wrong; an empty list where nothing is.");
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    /// Set to write the file instead of comparing it.
    const UPDATE: &str = "INFERNET_UPDATE_OPENAPI";

    #[test]
    fn the_checked_in_document_is_current() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
        let current = document().to_pretty_json().unwrap() + "\n";
        if std::env::var_os(UPDATE).is_some() {
            std::fs::write(&file, &current).unwrap();
        }
        let kept = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(kept == current, "docs/openapi.json is not current; run this test with {UPDATE}=1");
    }

    /// Calls `visit` with every `$ref` below a value.
    fn references(value: &Value, visit: &mut impl FnMut(&str)) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value.as_str() {
                        Some(target) if name == "$ref" => visit(target),
                        _ => references(value, visit),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, visit)),
            _ => {}
        }
    }

    #[test]
    fn every_schema_is_there_and_used() {
        let document = serde_json::to_value(document()).unwrap();
        let mut used = BTreeSet::new();
        references(&document, &mut |target| {
            used.insert(target.strip_prefix("#/components/schemas/").unwrap().to_owned());
        });
        let present: BTreeSet<_> = document["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(used, present);
    }

    #[test]
    fn everything_is_described() {
        let document = serde_json::to_value(document()).unwrap();
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            assert!(schema["description"].is_string(), "{name}");
            for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
                // A description beside a reference stands in the choice between it and null.
                let choices = schema["oneOf"].as_array().into_iter().flatten();
                let described = choices.chain([schema]).any(|schema| schema["description"].is_string());
                assert!(described, "{name}.{field}");
            }
        }
    }
}
