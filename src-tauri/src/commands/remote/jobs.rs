//! `infernet jobs`.

use infernet_api::types::job::{Job, JobFilter, JobList};

use super::money::credits;
use super::status::word;
use super::table::{self, plain};
use super::time::{duration, relative};
use crate::cli::JobsArgs;
use crate::connection;
use crate::failure::Result;
use crate::output;

/// Longest part of a prompt in a list.
const PROMPT_CHARS: usize = 40;

pub(super) fn run(arguments: &JobsArgs) -> Result {
    if let Some(id) = arguments.id {
        let job = connection::ask(&arguments.remote, async |client| Ok(client.job(id).await?))?;
        return if arguments.remote.json { output::json(&job) } else { print_lines(&full(&job)) };
    }
    let filter = JobFilter {
        stage: arguments.stage,
        finished: arguments.open.then_some(false),
        before: arguments.before,
        limit: Some(arguments.limit),
        ..JobFilter::default()
    };
    let list = connection::ask(&arguments.remote, async |client| Ok(client.jobs(&filter).await?))?;
    if arguments.remote.json {
        return output::json(&list);
    }
    print_lines(&lines(&list))
}

fn print_lines(lines: &[String]) -> Result {
    lines.iter().try_for_each(|line| output::line(line))
}

fn lines(list: &JobList) -> Vec<String> {
    if list.jobs.is_empty() {
        return vec!["no jobs".to_owned()];
    }
    let rows: Vec<_> = list.jobs.iter().map(row).collect();
    let mut lines = table::lines(["id", "part", "stage", "done", "posted", "paid", "prompt"], &rows);
    if let Some(next) = list.next {
        lines.push(format!("{} of {}; go on with --before {next}", list.jobs.len(), list.total));
    }
    lines
}

fn row(job: &Job) -> [String; 7] {
    let prompt = job.prompt.as_deref().map_or_else(String::new, |prompt| plain(prompt, PROMPT_CHARS));
    [
        job.id.to_string(),
        word(&job.part),
        word(&job.stage),
        percent(job.progress.done_ppm),
        relative(job.created_unix_ms),
        credits(job.deposit_microcredits.saturating_sub(job.refunded_microcredits)),
        prompt,
    ]
}

fn percent(ppm: u32) -> String {
    format!("{} %", ppm / 10_000)
}

/// A job in one line.
pub(super) fn line(job: &Job) -> String {
    let left =
        job.progress.seconds_left.map_or_else(String::new, |secs| format!(", {} left", duration(secs.ceil() as u64)));
    format!("{} {}, {}{left}", job.id, word(&job.stage), percent(job.progress.done_ppm))
}

fn full(job: &Job) -> Vec<String> {
    let size = &job.size;
    let mut lines = vec![format!("id        {}", job.id)];
    lines.extend(job.prompt.as_deref().map(|prompt| format!("prompt    {}", plain(prompt, 500))));
    let model = job.model.as_ref().map_or_else(|| job.model_digest.to_string(), ToString::to_string);
    lines.extend([
        format!("model     {model}"),
        format!(
            "size      {}x{}, {} frames at {:.2} a second",
            size.width, size.height, size.frames, size.frames_per_second
        ),
        format!("sampler   {}, {} steps, guidance {}", plain(&size.scheduler, 20), size.steps, size.guidance),
        format!("stage     {} (attempt {}), posted {}", word(&job.stage), job.attempt, relative(job.created_unix_ms)),
        format!("progress  {}, step {} of {}", percent(job.progress.done_ppm), job.progress.step, job.progress.steps),
        format!(
            "money     deposit {}, fee {}, back {}",
            credits(job.deposit_microcredits),
            credits(job.fee_microcredits),
            credits(job.refunded_microcredits)
        ),
    ]);
    for miner in &job.miners {
        let (reward, slashed) = (miner.reward_microcredits, miner.slashed_microcredits);
        lines.push(format!("miner     {}: paid {}, slashed {}", miner.id, credits(reward), credits(slashed)));
    }
    if let Some(verdict) = &job.verdict {
        let outcome = match &verdict.failed_check {
            Some(check) => format!("rejected: {}", plain(check, 60)),
            None => "accepted".to_owned(),
        };
        let share = f64::from(verdict.reexecuted_ppm) / 1e4;
        lines.push(format!("verdict   {outcome}, {} checks, {share:.1} % run again", verdict.checks.len()));
    }
    let score = job.quality.as_ref().and_then(|quality| quality.score_ppm);
    lines.extend(score.map(|score| format!("quality   {:.3}", f64::from(score) / 1e6)));
    lines.extend(
        job.clip.as_ref().map(|clip| format!("clip      {}, SHA-256 {}", output::bytes(clip.bytes), clip.sha256)),
    );
    lines.extend(job.problem.as_ref().map(|problem| format!("problem   {}; {}", problem.message, problem.next_step)));
    lines
}
