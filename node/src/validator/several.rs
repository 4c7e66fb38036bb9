//! Jobs that several miners compute side by side, each for itself. A part goes the way of a miner that is alone, through the same
//! [`step`](super::lifecycle::step); only beginning and end are common to all: stake is locked when the last has answered, and money
//! moves when nobody is at work any more. Who was accepted shares the fee by trust and quality; the best clip is delivered.

use infernet_network::wire::PostJob;

use super::lifecycle::{Action, DECLINED_MS, Event, Misfit, Paid, refund, step as step_alone};
use super::record::{At, Attempt, Ended, JobRecord, Part, PassedOver, Stage};

/// What was done to one part: what it is now, if it is still there, and what follows.
type Changed = (Option<Part>, Vec<Action>);

/// Whether these can be the parts of one attempt: parts counted from 0, different miners.
pub(super) fn fit(attempts: &[Attempt]) -> bool {
    let different = |at: usize| attempts[..at].iter().all(|earlier| earlier.miner != attempts[at].miner);
    (1..=usize::from(PostJob::MAX_MINERS)).contains(&attempts.len())
        && attempts.iter().zip(0..).all(|(attempt, part)| attempt.part == part && attempt.number == attempts[0].number)
        && (1..=super::lifecycle::MAX_ATTEMPTS).contains(&attempts[0].number)
        && (0..attempts.len()).all(different)
}

/// All are asked.
pub(super) fn ask(mut next: JobRecord, attempts: Vec<Attempt>) -> (JobRecord, Vec<Action>) {
    let offers = attempts.iter().map(|attempt| Action::Offer { miner: attempt.miner }).collect();
    next.attempt = attempts.first().map_or(next.attempt, |attempt| attempt.number);
    next.stage = Stage::Several(attempts.into_iter().map(|attempt| Part { attempt, at: At::Offered }).collect());
    (next, offers)
}

/// What to do for parts that were just read from disk.
pub(super) fn resume(parts: &[Part]) -> Vec<Action> {
    let begin = ready(parts).then_some(Action::Begin);
    let each = parts.iter().filter_map(|part| match part.at {
        At::Offered => Some(Action::Offer { miner: part.attempt.miner }),
        At::Auditing(_) => Some(Action::Audit { miner: part.attempt.miner }),
        At::Agreed | At::Running | At::Committed(_) | At::Accepted { .. } => None,
    });
    begin.into_iter().chain(each).collect()
}

/// Whether all have answered, and stake can be locked.
fn ready(parts: &[Part]) -> bool {
    parts.iter().all(|part| part.at != At::Offered) && parts.iter().any(|part| part.at == At::Agreed)
}

pub(super) fn step(
    record: &JobRecord,
    parts: &[Part],
    event: &Event,
    now_ms: u64,
) -> Result<(JobRecord, Vec<Action>), Misfit> {
    let mut next = record.clone();
    let misfit = Misfit { event: event.name(), stage: record.stage.name() };
    if *event == Event::Cancelled {
        let begun = |part: &Part| matches!(part.at, At::Offered | At::Agreed | At::Running);
        if !parts.iter().all(begun) {
            return Err(misfit);
        }
        let mut actions: Vec<Action> = parts.iter().flat_map(|part| ended(part, now_ms)).collect();
        let (next, rest) = refund(next, "cancelled", "the requester cancelled it", now_ms);
        actions.extend(rest);
        return Ok((next, actions));
    }
    if matches!(event, Event::Begun | Event::NotBegun { .. }) && !ready(parts) {
        return Err(misfit);
    }
    let (mut left, mut actions) = (Vec::with_capacity(parts.len()), Vec::new());
    let mut fits = false;
    for part in parts {
        let (changed, follow) = match changed(&mut next, part, event, now_ms) {
            Some(result) => {
                fits = true;
                result
            }
            None => (Some(part.clone()), Vec::new()),
        };
        left.extend(changed);
        actions.extend(follow);
    }
    if !fits && *event != Event::Tick {
        return Err(misfit);
    }
    if ready(&left) && !ready(parts) {
        actions.push(Action::Begin);
    }
    let (next, rest) = conclude(next, left, now_ms);
    actions.extend(rest);
    Ok((next, actions))
}

/// What an event makes of a part; none where it is not about it, or does not fit it.
fn changed(next: &mut JobRecord, part: &Part, event: &Event, now_ms: u64) -> Option<Changed> {
    let miner = part.attempt.miner;
    match (&part.at, event) {
        (At::Agreed, Event::Begun) => Some((Some(Part { at: At::Running, ..part.clone() }), vec![])),
        (At::Agreed, Event::NotBegun { code, message }) => {
            next.passed_over.push(PassedOver { miner, until_ms: Some(now_ms + DECLINED_MS) });
            Some(out(next, part, code, message, now_ms))
        }
        (_, Event::Tick) if now_ms >= next.deadline_ms && !matches!(part.at, At::Auditing(_) | At::Accepted { .. }) => {
            Some(out(next, part, "deadline", "no clip was there in time", now_ms))
        }
        (_, Event::Tick) => alone(next, part, event, now_ms),
        (_, event) if event.miner() != Some(miner) => None,
        (At::Offered, Event::Accepted { run_deadline_ms, .. }) => {
            let attempt = Attempt { deadline_ms: *run_deadline_ms, ..part.attempt.clone() };
            Some((Some(Part { attempt, at: At::Agreed }), vec![]))
        }
        // A run that fails at once, before all have answered.
        (At::Agreed, Event::Failed { code, message, .. }) => {
            next.passed_over.push(PassedOver { miner, until_ms: None });
            Some(out(next, part, code, message, now_ms))
        }
        // Sent again because the answer was lost.
        (At::Accepted { commitment, .. }, Event::Committed { bytes, .. }) if commitment.bytes == *bytes => {
            Some((Some(part.clone()), vec![Action::PublishNonce]))
        }
        (At::Accepted { .. }, Event::Delivered { .. }) => Some((Some(part.clone()), vec![])),
        _ => alone(next, part, event, now_ms),
    }
}

/// A part as if its miner were the only one, without the job's own deadline.
fn alone(next: &mut JobRecord, part: &Part, event: &Event, now_ms: u64) -> Option<Changed> {
    let view = JobRecord {
        stage: part.stage()?,
        deadline_ms: u64::MAX,
        passed_over: Vec::new(),
        history: Vec::new(),
        ..next.clone()
    };
    let (after, actions) = step_alone(&view, event.clone(), now_ms).ok()?;
    next.passed_over.extend(after.passed_over);
    next.history.extend(after.history);
    let paid = actions.iter().find_map(|action| match action {
        Action::Settle { miners, .. } => miners.first().copied(),
        _ => None,
    });
    let common = |action: &Action| matches!(action, Action::Settle { .. } | Action::Refund | Action::Announce);
    let actions = actions.into_iter().filter(|action| !common(action)).collect();
    let part = match (after.stage, paid) {
        (Stage::Offered(attempt), _) => Some(Part { attempt, at: At::Offered }),
        (Stage::Running(attempt), _) => Some(Part { attempt, at: At::Running }),
        (Stage::Committed(attempt, commitment), _) => Some(Part { attempt, at: At::Committed(commitment) }),
        (Stage::Auditing(attempt, commitment), _) => Some(Part { attempt, at: At::Auditing(commitment) }),
        (Stage::Settled(attempt, commitment), Some(Paid { quality_ppm, verdict, .. })) => {
            Some(Part { attempt, at: At::Accepted { commitment, quality_ppm, verdict } })
        }
        (Stage::Refunded { code, message }, _) => {
            note(next, part, &code, &message);
            None
        }
        (Stage::Posted { .. } | Stage::Settled(..) | Stage::Several(_), _) => None,
    };
    Some((part, actions))
}

fn note(next: &mut JobRecord, part: &Part, code: &str, message: &str) {
    next.history.push(Ended {
        miner: part.attempt.miner,
        attempt: part.attempt.number,
        code: code.to_owned(),
        message: message.to_owned(),
    });
}

/// A part is over without pay.
fn out(next: &mut JobRecord, part: &Part, code: &str, message: &str, now_ms: u64) -> Changed {
    note(next, part, code, message);
    (None, ended(part, now_ms))
}

fn ended(part: &Part, now_ms: u64) -> Vec<Action> {
    let Attempt { number, miner, deadline_ms, .. } = part.attempt;
    let late = matches!(part.at, At::Running | At::Committed(_)) && now_ms >= deadline_ms;
    vec![Action::Release { attempt: number, miner, late }, Action::Stop { miner }]
}

/// The job goes on while anybody is at work; then who was accepted is paid, or other miners are looked for.
fn conclude(mut next: JobRecord, parts: Vec<Part>, now_ms: u64) -> (JobRecord, Vec<Action>) {
    if parts.iter().any(|part| !matches!(part.at, At::Accepted { .. })) {
        next.stage = Stage::Several(parts);
        return (next, vec![]);
    }
    let mut miners = Vec::with_capacity(parts.len());
    let mut best: Option<(u32, Stage, super::record::Run)> = None;
    for Part { attempt, at } in parts {
        let At::Accepted { commitment, quality_ppm, verdict } = at else { continue };
        miners.push(Paid { miner: attempt.miner, quality_ppm, verdict });
        if best.as_ref().is_none_or(|(quality, ..)| quality_ppm > *quality) {
            let run = attempt.run();
            best = Some((quality_ppm, Stage::Settled(attempt, commitment), run));
        }
    }
    match best {
        Some((_, stage, run)) => {
            next.stage = stage;
            (next, vec![Action::Settle { run, miners }, Action::Announce])
        }
        None if now_ms >= next.deadline_ms => refund_unassigned(next, now_ms),
        None => {
            next.stage = Stage::Posted { not_before_ms: now_ms };
            (next, vec![])
        }
    }
}

fn refund_unassigned(mut next: JobRecord, now_ms: u64) -> (JobRecord, Vec<Action>) {
    next.stage = Stage::Posted { not_before_ms: now_ms };
    refund(next, "deadline", "no clip was there in time", now_ms)
}
