//! `infernet reveal`.

use infernet_engine::video::write_atomically;
use infernet_network::proof::{AuditNonce, Auditor, Bundle, Digest, Timing};
use serde_json::json;

use super::{exchange, loaded};
use crate::cli::RevealArgs;
use crate::failure::{Failure, Result};
use crate::output;
use crate::proof_file::ProofFile;
use infernet_node::bounds::Bounds;

pub(super) fn run(arguments: &RevealArgs) -> Result {
    let out = &arguments.out;
    if out.exists() && !arguments.force {
        return Err(Failure::input(format!("{} exists; choose another name or add --force", out.display())));
    }
    let file = ProofFile::read(&arguments.proof)?;
    let found = loaded::find(&arguments.model)?;
    let job = file.evidence.job.clone();
    let table = Bounds::of_model(found.dir.root(), &job.model)?;
    let nonce = AuditNonce(arguments.nonce.map_or_else(exchange::random, Ok)?);
    let pledge = exchange::pledge(&job, &file.validator, &nonce, arguments.trust, table.digest())?;
    let unusable = |error: &dyn std::fmt::Display| Failure::input(format!("{}: {error}", arguments.proof.display()));
    let challenge = file.evidence.challenge.clone();
    let clip = file.evidence.clip.clone();
    let committed = file.evidence.resume(file.commitment).map_err(|error| unusable(&error))?;
    let auditor = Auditor::Second(&pledge.body);
    let reveal = committed.reveal(auditor, &nonce).map_err(|error| unusable(&error))?;
    let signed = committed.sign_reveal(&reveal, auditor, &nonce, &file.miner).map_err(|error| unusable(&error))?;
    let now = exchange::now_ms();
    let bundle = Bundle {
        job,
        opening: file.opening,
        challenge,
        pledge: Some(pledge),
        commitment: committed.commitment().clone(),
        nonce: AuditNonce(nonce.0),
        timing: Timing {
            committed_unix_ms: file.committed_unix_ms,
            nonce_published_unix_ms: now,
            revealed_unix_ms: now,
        },
        reveal: Some(signed),
        clip,
    };
    let bytes = bundle.to_bytes();
    write_atomically(out, &bytes)?;
    let leaves: Vec<u32> = reveal.leaves.iter().map(|leaf| leaf.index).collect();
    let report = json!({
        "bundle": out,
        "bytes": bytes.len(),
        "nonce": Digest(nonce.0).to_string(),
        "opened_leaves": leaves,
        "root": bundle.commitment.body.root.to_string(),
    });
    if arguments.json {
        return output::json(&report);
    }
    output::line(&format!(
        "{}: {} opened leaves, {}; check it with: infernet verify --bundle {}",
        out.display(),
        leaves.len(),
        output::bytes(bytes.len() as u64),
        out.display()
    ))
}
