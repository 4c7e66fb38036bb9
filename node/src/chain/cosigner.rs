//! A member's own judgement: what the network's validator wants signed is fetched as evidence and audited here, on this node's own
//! model, and signed only where both found the same.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use infernet_engine::video::write_atomically;
use infernet_ledger::LedgerParameters;
use infernet_network::proof::{Bundle, Digest, PublicKey};
use infernet_network::wire::{BlobSubject, CoSign, CoSigned, EvmSignature, JobId, MemberQuery, Response};
use infernet_settlement::evm::{B256, EventKind, Judgement, slashable_check};

use super::convert::address_of;
use super::side::Chain;
use crate::courier::Courier;
use crate::models::LocalModels;
use crate::validator::Judge;
use crate::worker::Supervisor;

/// Findings that are remembered; older ones are made again when they are asked for.
const MOST_FINDINGS: usize = 256;
/// Wait before a judgement that broke off is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// How far two audits' qualities may be apart: decoders and CLIP differ in the last digits between machines.
const QUALITY_PPM: u32 = 20_000;

/// What this node found in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    /// Digest of the whole job.
    job: Digest,
    /// Digest of the bundle.
    bundle: Digest,
    /// Root that the miner committed itself to.
    root: Digest,
    /// Who challenged the miner.
    validator: PublicKey,
    /// The failed check; none of a run that holds.
    failed: Option<&'static str>,
    /// Quality of the clip, in millionths.
    quality_ppm: u32,
}

enum State {
    Judging,
    Broken(Instant),
    Found(Arc<Finding>),
}

/// What it is made of.
pub(crate) struct CoSignerParts {
    /// Its side of the contract.
    pub(crate) chain: Chain,
    /// This node.
    pub(crate) own: PublicKey,
    /// Whose judgements it looks at.
    pub(crate) validator: PublicKey,
    /// Where evidence goes.
    pub(crate) folder: PathBuf,
    /// What it judges with.
    pub(crate) models: Arc<LocalModels>,
    /// CLIP model for quality scores.
    pub(crate) clip_model: Option<PathBuf>,
    pub(crate) courier: Courier,
    pub(crate) supervisor: Arc<Supervisor>,
}

/// Judges and signs; cheap to clone.
#[derive(Clone)]
pub(crate) struct CoSigner {
    parts: Arc<CoSignerParts>,
    findings: Arc<Mutex<Findings>>,
}

#[derive(Default)]
struct Findings {
    states: BTreeMap<(JobId, u32), State>,
    order: VecDeque<(JobId, u32)>,
}

impl CoSigner {
    /// Makes its folder.
    ///
    /// # Errors
    /// It can't be made.
    pub(crate) fn start(parts: CoSignerParts) -> std::io::Result<Self> {
        std::fs::create_dir_all(&parts.folder)?;
        Ok(Self { parts: Arc::new(parts), findings: Arc::default() })
    }

    fn locked(&self) -> MutexGuard<'_, Findings> {
        // What is in it is whole after any panic.
        self.findings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the network's validator.
    pub(crate) fn answer(&self, peer: PublicKey, request: &CoSign) -> Response {
        if peer != self.parts.validator {
            return Response::refused("cosign.validator", "this node signs with its network's validator only");
        }
        let Ok(judgement) = serde_json::from_slice::<Judgement>(&request.judgement) else {
            return Response::refused("cosign.unreadable", "the judgement can't be read; bring both to one version");
        };
        let settlement = self.parts.chain.settlement(LedgerParameters::default());
        match settlement.validators() {
            Ok(Some(set)) if set.judges.contains(&self.parts.chain.address()) => {}
            Ok(Some(_)) => {
                let text = format!("{} is no member of the contract with its whole bond", self.parts.chain.address());
                return Response::refused("cosign.no_member", text);
            }
            Ok(None) => return Response::error("cosign.unread", "nothing was read of the contract yet; ask again"),
            Err(error) => return Response::error("cosign.disk", error.to_string()),
        }
        if let Err(response) = self.agrees(request, &judgement) {
            return *response;
        }
        if let Err(error) = self.note(&judgement) {
            return Response::error("cosign.disk", format!("the signature can't be noted: {error}"));
        }
        match settlement.co_sign(&judgement) {
            Ok(signature) => Response::CoSigned(CoSigned { signature: EvmSignature::new(signature) }),
            // Its chain may be a block ahead of ours: the deposit, a payment before this one.
            Err(error) => Response::error("cosign.chain", format!("{error} ({})", error.code())),
        }
    }

    /// Tells the network's validator whose account this node's is.
    pub(crate) fn is_member(&self, peer: PublicKey, query: &MemberQuery) -> Response {
        let (parts, domain) = (&self.parts, self.parts.chain.domain());
        if peer != parts.validator {
            return Response::refused("cosign.validator", "this node signs with its network's validator only");
        }
        if (query.chain_id, address_of(&query.contract)) != (domain.chain_id, domain.contract) {
            return Response::refused("cosign.contract", "this node's contract is another one");
        }
        match parts.chain.sign(parts.chain.membership(&peer, &parts.own)) {
            Ok(signature) => Response::CoSigned(CoSigned { signature: EvmSignature::new(signature) }),
            Err(error) => Response::error("cosign.key", error.to_string()),
        }
    }

    /// Whether this node finds the same.
    fn agrees(&self, request: &CoSign, judgement: &Judgement) -> Result<(), Box<Response>> {
        let no = |text: String| Err(Box::new(Response::refused("cosign.disagrees", text)));
        let job = match judgement {
            Judgement::Settle { job, .. } | Judgement::Slash { job, .. } => *job,
            Judgement::Cancel { job, .. } if self.has_settled(*job) => {
                return no("this node has signed that the job is paid".to_owned());
            }
            Judgement::Cancel { .. } => return Ok(()),
            Judgement::Answer { .. } | Judgement::ChangeValidators { .. } => {
                return no("contests and members are decided by people: infernet chain".to_owned());
            }
        };
        let found = self.finding(request)?;
        self.is_of(&found, job)?;
        differs(&found, judgement).map_or(Ok(()), no)
    }

    /// Whether a finding is about the job that a deposit was made for.
    fn is_of(&self, found: &Finding, name: B256) -> Result<(), Box<Response>> {
        let events = self.parts.chain.store().events_of(name).unwrap_or_default();
        let digest = events.iter().find_map(|event| match event.kind {
            EventKind::Deposited { job_digest, .. } => Some(job_digest),
            _ => None,
        });
        match digest {
            None => {
                Err(Box::new(Response::error("cosign.deposit", "no deposit for this job counts here yet; ask again")))
            }
            Some(digest) if same(found.job, digest) && found.validator == self.parts.validator => Ok(()),
            Some(_) => {
                let text = "the evidence is about another job than the deposit";
                Err(Box::new(Response::refused("cosign.disagrees", text)))
            }
        }
    }

    /// What was found, or an answer for now; the first question begins the search.
    fn finding(&self, request: &CoSign) -> Result<Arc<Finding>, Box<Response>> {
        let place = (request.job_id, request.attempt);
        let mut findings = self.locked();
        match findings.states.get(&place) {
            Some(State::Found(found)) => return Ok(Arc::clone(found)),
            Some(State::Broken(since)) if since.elapsed() >= AGAIN => {}
            Some(State::Judging | State::Broken(_)) => {
                let text = "the evidence is being judged; ask again in a moment";
                return Err(Box::new(Response::error("cosign.judging", text)));
            }
            None => {}
        }
        findings.states.insert(place, State::Judging);
        findings.order.push_back(place);
        while findings.order.len() > MOST_FINDINGS {
            if let Some(oldest) = findings.order.pop_front().filter(|oldest| *oldest != place) {
                findings.states.remove(&oldest);
            }
        }
        drop(findings);
        let signer = self.clone();
        tokio::spawn(async move {
            let state = match signer.judge(place.0, place.1).await {
                Ok(found) => State::Found(Arc::new(found)),
                Err(reason) => {
                    tracing::warn!(job = %place.0, "another validator's run can't be judged: {reason}");
                    State::Broken(Instant::now())
                }
            };
            signer.locked().states.insert(place, state);
        });
        Err(Box::new(Response::error("cosign.judging", "the evidence is being judged; ask again in a moment")))
    }

    async fn judge(&self, id: JobId, attempt: u32) -> Result<Finding, String> {
        let parts = &self.parts;
        let path = parts.folder.join(format!("{id}-{attempt}.bundle"));
        let subject = BlobSubject::Evidence { job_id: id, attempt };
        let fetched = parts.courier.fetch(&parts.validator, subject, path.clone()).await;
        fetched.map_err(|error| error.to_string())?;
        let read = tokio::task::spawn_blocking({
            let path = path.clone();
            move || {
                let bytes = std::fs::read(&path).map_err(|error| error.to_string())?;
                Bundle::from_bytes(&bytes).map_err(|error| error.to_string())
            }
        });
        let bundle = read.await.map_err(|error| error.to_string())??;
        if bundle.job.job_id != id.0 {
            return Err("the evidence is about another job".to_owned());
        }
        let judge =
            Judge { models: &parts.models, clip_model: parts.clip_model.as_deref(), supervisor: &parts.supervisor };
        let command = judge.command(&bundle.job.model, &bundle.challenge.body.terms.tolerance, &path)?;
        let (verdict, quality_ppm) = judge.judge(command).await?;
        Ok(Finding {
            job: bundle.job.digest(),
            bundle: verdict.bundle,
            root: bundle.commitment.body.root,
            validator: bundle.challenge.body.validator,
            failed: verdict.failure().map(|failure| failure.check.name()),
            quality_ppm,
        })
    }

    fn settled_file(&self, job: B256) -> PathBuf {
        self.parts.folder.join(format!("{job}.settled"))
    }

    fn has_settled(&self, job: B256) -> bool {
        self.settled_file(job).exists()
    }

    /// Notes, before it is out, that this node says a job is paid: it never says afterwards that nothing came of it.
    fn note(&self, judgement: &Judgement) -> std::io::Result<()> {
        let Judgement::Settle { job, .. } = judgement else { return Ok(()) };
        if self.has_settled(*job) {
            return Ok(());
        }
        let text = serde_json::to_vec(judgement)?;
        write_atomically(&self.settled_file(*job), &text).map_err(std::io::Error::other)
    }
}

fn same(ours: Digest, theirs: B256) -> bool {
    ours.0 == theirs.0
}

/// What a judgement about a run says otherwise than what was found here; none where they agree.
fn differs(found: &Finding, judgement: &Judgement) -> Option<String> {
    match judgement {
        Judgement::Settle { proof_root, bundle_digest, scores, .. } => {
            let [score] = &scores[..] else { return Some("a run of one miner has one score".to_owned()) };
            if let Some(check) = found.failed {
                return Some(format!("the run failed {check} here"));
            }
            if !same(found.bundle, *bundle_digest) || !same(found.root, *proof_root) {
                return Some("the judgement is about another run".to_owned());
            }
            let apart = score.quality_ppm.abs_diff(found.quality_ppm);
            (apart > QUALITY_PPM).then(|| format!("the clip's quality is {} millionths here", found.quality_ppm))
        }
        Judgement::Slash { check, evidence, .. } => {
            let agrees = found.failed.and_then(slashable_check) == Some(*check) && same(found.bundle, *evidence);
            (!agrees).then(|| format!("the run fails {} here", found.failed.unwrap_or("nothing")))
        }
        _ => Some("it is about no run".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use infernet_settlement::evm::{Address, Scored};

    use super::*;

    fn found(failed: Option<&'static str>) -> Finding {
        Finding {
            job: Digest([1; 32]),
            bundle: Digest([2; 32]),
            root: Digest([3; 32]),
            validator: PublicKey([4; 32]),
            failed,
            quality_ppm: 700_000,
        }
    }

    fn paid(root: u8, bundle: u8, qualities: &[u32]) -> Judgement {
        let scored =
            |quality_ppm: &u32| Scored { miner: Address::ZERO, stake: 1, trust_ppm: 1, quality_ppm: *quality_ppm };
        Judgement::Settle {
            job: B256::ZERO,
            fee: 1,
            proof_root: B256::repeat_byte(root),
            bundle_digest: B256::repeat_byte(bundle),
            scores: qualities.iter().map(scored).collect(),
            acceptances: Vec::new(),
        }
    }

    fn slashed(check: u8, evidence: u8) -> Judgement {
        Judgement::Slash {
            job: B256::ZERO,
            miner: Address::ZERO,
            fee: 1,
            stake: 1,
            check,
            evidence: B256::repeat_byte(evidence),
            acceptance: Vec::new().into(),
        }
    }

    /// Only what was found here is signed: every single difference is a no.
    #[test]
    fn a_member_signs_what_it_has_found_itself() {
        let (honest, cheat) = (found(None), found(Some("model_output")));
        for quality in [680_000, 700_000, 720_000] {
            assert_eq!(differs(&honest, &paid(3, 2, &[quality])), None, "{quality}");
        }
        let others = [
            paid(9, 2, &[700_000]),
            paid(3, 9, &[700_000]),
            paid(3, 2, &[679_999]),
            paid(3, 2, &[720_001]),
            paid(3, 2, &[]),
            paid(3, 2, &[700_000, 700_000]),
            slashed(22, 2),
            Judgement::Cancel { job: B256::ZERO, reason: 4 },
        ];
        for judgement in others {
            assert!(differs(&honest, &judgement).is_some(), "{judgement:?}");
        }
        assert_eq!(differs(&cheat, &slashed(22, 2)), None);
        for judgement in [slashed(22, 9), slashed(20, 2), paid(3, 2, &[700_000])] {
            assert!(differs(&cheat, &judgement).is_some(), "{judgement:?}");
        }
        // A check that rests on the validator's word slashes nobody, whoever signs.
        assert!(differs(&found(Some("reveal_deadline")), &slashed(7, 2)).is_some());
    }
}
