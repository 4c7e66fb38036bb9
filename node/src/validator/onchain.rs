//! What is different where a contract settles: deposits are the requester's own transactions, stake and trust are read from the chain,
//! and judgements take the signatures of other members.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use infernet_ledger::{AccountId, Digest, LedgerParameters, Standing};
use infernet_network::proof::{JobSpec, PublicKey};
use infernet_network::wire::{CoSign, EvmAddress, JobId, MemberQuery, Request, Response, Roles};
use infernet_settlement::evm::message::signer_of;
use infernet_settlement::evm::{Address, B256, EventKind, EvmSettlement, Judgement};
use infernet_settlement::{Deposit, Party, Settlement as _};
use tokio::sync::mpsc;

use super::assign::{Means, cost_of};
use super::desk::{Desk, Message, Miner};
use super::money::ledger_job;
use super::record::Run;
use crate::chain::{Chain, address_of, wire_address};
use crate::courier::Courier;

/// How often signatures are asked for.
const COLLECT_MS: u64 = 1_000;
/// Patience with a member.
const ASK: Duration = Duration::from_secs(10);
/// The pause between askings doubles so often: to a minute.
const MOST_DOUBLINGS: usize = 6;
/// Judgements whose signatures are collected at the same time.
const MOST_AT_ONCE: usize = 8;
/// Members that the evidence is given to.
const MOST_MEMBERS: usize = 256;
/// A deposit must be there for this long after its job's deadline, so that the verdict can be brought.
const LEAST_ROOM_MS: u64 = 60_000;
/// Parts per million in one.
const PPM: u64 = 1_000_000;

/// A validator's view of the contract.
pub(crate) struct OnChain {
    chain: Chain,
    settlement: EvmSettlement,
    parameters: LedgerParameters,
    /// Judgements that somebody is asked to sign right now.
    asked: HashSet<B256>,
    /// How often each was asked for in vain, and not before when it is again; then it is another member's turn.
    turns: HashMap<B256, (usize, u64)>,
    /// Peers that have shown which account is theirs.
    members: HashMap<PublicKey, Address>,
    next_ms: u64,
}

impl OnChain {
    pub(super) fn new(chain: Chain, parameters: LedgerParameters) -> Self {
        let settlement = chain.settlement(parameters);
        Self {
            chain,
            settlement,
            parameters,
            asked: HashSet::new(),
            turns: HashMap::new(),
            members: HashMap::new(),
            next_ms: 0,
        }
    }

    pub(super) fn settlement(&self) -> &EvmSettlement {
        &self.settlement
    }

    /// What the chain says of miners that were heard of.
    pub(crate) fn standings(&self, miners: &HashMap<PublicKey, Miner>) -> Vec<(AccountId, Standing)> {
        let standing = |(key, miner): (&PublicKey, &Miner)| {
            let account = address_of(miner.offer.account.as_ref()?);
            let mut standing = Standing { trust_ppm: self.settlement.trust_of(account).ok()?, ..Standing::default() };
            for event in self.settlement.store().events_about(account).ok()? {
                match event.kind {
                    EventKind::Rewarded { reward, .. } => {
                        standing.paid += 1;
                        standing.earned_microcredits = standing.earned_microcredits.saturating_add(reward);
                    }
                    EventKind::Slashed { to_requester, burned, .. } => {
                        standing.slashed += 1;
                        let lost = to_requester.saturating_add(burned);
                        standing.slashed_microcredits = standing.slashed_microcredits.saturating_add(lost);
                    }
                    _ => {}
                }
            }
            Some((AccountId(key.0), standing))
        };
        miners.iter().filter_map(standing).collect()
    }
}

impl Desk {
    /// What a fee costs with the validators' part, in micro-credits; none while nothing was read of the contract.
    pub(super) fn gross_microcredits(&self, fee: u64) -> Option<u128> {
        let Some(chain) = &self.chain else { return Some(self.journal.ledger().parameters().gross_microcredits(fee)) };
        let split = chain.settlement.rules().ok().flatten()?.split_ppm.max(1);
        Some((u128::from(fee) * u128::from(PPM)).div_ceil(u128::from(split)))
    }

    /// What the chain says of a miner.
    pub(super) fn standing_on_chain(&self, account: &EvmAddress, job: &JobSpec, fee: u64) -> Option<Means> {
        let chain = self.chain.as_ref()?;
        let (settlement, account) = (&chain.settlement, address_of(account));
        let rules = settlement.rules().ok().flatten()?;
        let least = (u128::from(fee) * u128::from(rules.least_stake_ppm)).div_ceil(u128::from(PPM));
        // What a slash takes is the contract's to say.
        let parameters = LedgerParameters { slash_ppm: rules.slash_ppm, ..chain.parameters };
        let trust_ppm = settlement.trust_of(account).ok()?;
        let required = parameters.required_stake(trust_ppm, job.steps, fee, cost_of(fee)).ok()?;
        Some(Means {
            trust_ppm,
            // Clips' qualities are in the verdicts alone.
            quality_ppm: 0,
            available_microcredits: settlement.available_stake(account).ok()?,
            required_microcredits: required.stake_microcredits.max(u64::try_from(least).unwrap_or(u64::MAX)).max(1),
        })
    }

    /// The deposit behind a job, checked; a code and a sentence where it does not do.
    pub(super) fn deposit_behind(&self, job: &JobSpec) -> Option<Result<Deposit, Missing>> {
        let chain = self.chain.as_ref()?;
        let found = chain.settlement.deposit(infernet_ledger::JobId(job.job_id), Digest(job.digest().0));
        Some(match found {
            Err(error) => Err(Missing::Later("validator.disk", error.to_string())),
            Ok(None) => {
                let at = chain.chain.config();
                let text = format!(
                    "no deposit for this job counts yet in contract {} on chain {} ({} confirmations); it is taken as soon as one does",
                    at.address.contract, at.address.chain_id, at.confirmations
                );
                Err(Missing::Later(DEPOSIT_CODE, text))
            }
            Ok(Some(deposit)) if deposit.ended => {
                Err(Missing::Never("deposit.ended", "the deposit was paid out or went back already".to_owned()))
            }
            Ok(Some(deposit)) if deposit.amount_microcredits < job.deposit_microcredits => {
                let (found, needed) = (deposit.amount_microcredits, job.deposit_microcredits);
                let text = format!("{found} micro-credits are deposited, the job says {needed}");
                Err(Missing::Never("deposit.amount", text))
            }
            Ok(Some(deposit)) if deposit.deadline_ms < job.deadline_unix_ms.saturating_add(LEAST_ROOM_MS) => {
                let text =
                    "the deposit must stay for a minute after the job's deadline, so that the verdict can be brought";
                Err(Missing::Never("deposit.deadline", text.to_owned()))
            }
            Ok(Some(deposit)) => Ok(deposit),
        })
    }

    /// Whose deposit stands behind a job.
    pub(super) fn payer(&self, id: JobId) -> Option<EvmAddress> {
        let job = JobSpec::from_bytes(&self.jobs.get(&id)?.spec).ok()?;
        match self.chain.as_ref()?.settlement.deposit(ledger_job(id), Digest(job.digest().0)) {
            Ok(Some(Deposit { requester: Party::Evm(account), .. })) => Some(wire_address(account)),
            _ => None,
        }
    }

    /// Asks members of the contract for the signatures that judgements wait for, one member each time: a run is audited by as few as it
    /// takes.
    pub(super) fn collect_signatures(&mut self, now_ms: u64) {
        let Some(chain) = &mut self.chain else { return };
        if now_ms < chain.next_ms {
            return;
        }
        chain.next_ms = now_ms + COLLECT_MS;
        let waiting = match chain.settlement.waiting() {
            Ok(waiting) => waiting,
            Err(error) => {
                tracing::error!(code = error.code(), "judgements can't be read: {error}");
                return;
            }
        };
        chain.turns.retain(|digest, _| waiting.iter().any(|(known, _)| known == digest));
        let due = waiting.into_iter().filter(|(digest, judgement)| {
            !chain.asked.contains(digest)
                && chain.turns.get(digest).is_none_or(|(_, not_before)| now_ms >= *not_before)
                && !chain.settlement.is_over(judgement).unwrap_or(false)
        });
        let room = MOST_AT_ONCE.saturating_sub(chain.asked.len());
        let due: Vec<(B256, Judgement)> = due.take(room).collect();
        for (digest, judgement) in due {
            let Some(request) = chain.request(&judgement) else {
                tracing::warn!(%digest, "a judgement is about no job of this validator");
                continue;
            };
            let (Some(send), turn) = (self.send.upgrade(), chain.turns.entry(digest).or_default()) else { return };
            let place = turn.0;
            // Longer each time; a member that is just judging is waited for elsewhere.
            let pause_ms = COLLECT_MS << place.min(MOST_DOUBLINGS);
            *turn = (place.wrapping_add(1), now_ms + pause_ms);
            chain.asked.insert(digest);
            let (courier, own) = (self.courier.clone(), self.public);
            let search = Members {
                chain: chain.chain.clone(),
                known: chain.members.clone(),
                judges: chain.settlement.validators().ok().flatten().unwrap_or_default().judges,
            };
            self.runtime.spawn(async move {
                let signature = match search.turn(&courier, &own, place, &send).await {
                    Some(peer) => ask(&courier, &peer, request).await,
                    None => None,
                };
                let _ = send.send(Message::Signed { digest, signature }).await;
            });
        }
    }

    pub(super) fn member(&mut self, peer: PublicKey, account: Address) {
        let Some(chain) = &mut self.chain else { return };
        if chain.members.len() < MOST_MEMBERS {
            chain.members.insert(peer, account);
        }
    }

    /// A member has signed, or this one has not.
    pub(super) fn signed(&mut self, digest: B256, signature: Option<[u8; 65]>) {
        let Some(chain) = &mut self.chain else { return };
        chain.asked.remove(&digest);
        let Some(signature) = signature else { return };
        match chain.settlement.add_signature(digest, &signature, crate::clock::now_ms()) {
            Ok(progress) => tracing::info!(%digest, ?progress, "a member has signed a judgement"),
            Err(error) => tracing::warn!(%digest, code = error.code(), "a signature does not count: {error}"),
        }
    }

    /// Evidence for members whose signatures count.
    pub(super) fn evidence_for(&self, peer: PublicKey, id: JobId, attempt: u32) -> Option<PathBuf> {
        let chain = self.chain.as_ref()?;
        let path = self.store.bundle(&id, Run { attempt, part: 0 });
        let account = chain.members.get(&peer)?;
        let judges = chain.settlement.validators().ok().flatten()?.judges;
        (judges.contains(account) && path.exists()).then_some(path)
    }
}

/// The code of a job whose deposit is not there yet: all else about it is fine.
pub(crate) const DEPOSIT_CODE: &str = "deposit.unconfirmed";

/// Why a deposit does not do.
pub(super) enum Missing {
    /// Asking again may help.
    Later(&'static str, String),
    /// It will not.
    Never(&'static str, String),
}

impl OnChain {
    /// The question to a member: a judgement, and where its evidence is.
    fn request(&self, judgement: &Judgement) -> Option<CoSign> {
        let name = judgement.job()?;
        let store = self.settlement.store();
        let part = match judgement {
            Judgement::Settle { scores, .. } => store.part_of(name, scores.first()?.miner).ok()??,
            Judgement::Slash { miner, .. } => store.part_of(name, *miner).ok()??,
            _ => {
                let events = store.events_of(name).ok()?;
                let id = events.iter().find_map(|event| match event.kind {
                    EventKind::Deposited { id, .. } => Some(id),
                    _ => None,
                })?;
                (id, 0)
            }
        };
        let judgement = serde_json::to_vec(judgement).ok()?;
        Some(CoSign { job_id: JobId(part.0), attempt: part.1, judgement: judgement.into() })
    }
}

/// The contract's members among the peers.
struct Members {
    chain: Chain,
    /// Peers whose accounts are known.
    known: HashMap<PublicKey, Address>,
    /// Accounts whose signatures count.
    judges: Vec<Address>,
}

impl Members {
    /// Whose turn it is, of the members that are connected. Peers that say they are validators are asked once which account is theirs.
    async fn turn(
        mut self,
        courier: &Courier,
        own: &PublicKey,
        turn: usize,
        send: &mpsc::Sender<Message>,
    ) -> Option<PublicKey> {
        let peers = courier.swarm().peers().await;
        let mut members = Vec::new();
        for peer in peers.iter().filter(|peer| peer.roles.has(Roles::VALIDATOR)) {
            if !self.known.contains_key(&peer.key)
                && let Some(account) = self.who(courier, own, &peer.key).await
            {
                self.known.insert(peer.key, account);
                // Only then may it have the evidence.
                let _ = send.send(Message::Member { peer: peer.key, account }).await;
            }
            if self.known.get(&peer.key).is_some_and(|account| self.judges.contains(account)) {
                members.push(peer.key);
            }
        }
        members.sort_by_key(|key| key.0);
        let count = members.len();
        if count == 0 {
            tracing::info!("no other member of the contract is connected; judgements wait for one");
            return None;
        }
        members.get(turn % count).copied()
    }

    /// The account of a peer, by its signature.
    async fn who(&self, courier: &Courier, own: &PublicKey, peer: &PublicKey) -> Option<Address> {
        let domain = self.chain.domain();
        let query = MemberQuery { chain_id: domain.chain_id, contract: wire_address(domain.contract) };
        match courier.request(peer, Request::MemberQuery(query), ASK).await {
            Ok(Response::CoSigned(signed)) => signer_of(self.chain.membership(own, peer), signed.signature.bytes()),
            _ => None,
        }
    }
}

/// Asks until it has judged, or does not want to.
async fn ask(courier: &Courier, peer: &PublicKey, request: CoSign) -> Option<[u8; 65]> {
    const PAUSE: Duration = Duration::from_millis(500);
    /// An audit of a long run on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(180);
    let until = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < until {
        match courier.request(peer, Request::CoSign(request.clone()), ASK).await {
            Ok(Response::CoSigned(signed)) => return Some(*signed.signature.bytes()),
            Err(infernet_network::swarm::RequestError::Remote(refusal)) if refusal.code == "cosign.judging" => {
                tokio::time::sleep(PAUSE).await;
            }
            Ok(_) => return None,
            Err(error) => {
                tracing::info!(%peer, job = %request.job_id, "a member does not sign: {error}");
                return None;
            }
        }
    }
    None
}
