//! Starting a group of processes of this program.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use infernet_engine::sharding::Plan;

use super::member::{Group, Listening, Measured};
use crate::failure::{Failure, Result};

/// What every member of a group is told.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) plan: &'a Plan,
    pub(super) link: &'a str,
    pub(super) model: &'a str,
    pub(super) threads: u16,
    pub(super) size: [usize; 4],
    pub(super) guidance: f32,
    pub(super) evaluations: Option<usize>,
    pub(super) lean: bool,
    pub(super) out: &'a Path,
}

/// Ended when dropped, whatever happens.
struct Member {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Drop for Member {
    fn drop(&mut self) {
        // A member that has ended by itself can't be killed, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Member {
    fn start(job: &Job<'_>, rank: usize) -> Result<Self> {
        let [width, height, frames, steps] = job.size.map(|size| size.to_string());
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("shard-member");
        for (name, value) in [
            ("--rank", rank.to_string()),
            ("--plan", job.plan.to_string()),
            ("--link", job.link.to_owned()),
            ("--model", job.model.to_owned()),
            ("--threads", job.threads.to_string()),
            ("--width", width),
            ("--height", height),
            ("--frames", frames),
            ("--steps", steps),
            ("--guidance", job.guidance.to_string()),
        ] {
            command.arg(name).arg(value);
        }
        command.args(job.evaluations.map(|count| format!("--evaluations={count}")));
        if job.lean {
            command.arg("--lean");
        }
        if rank == 0 {
            command.arg("--out").arg(job.out);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let ends = child.stdin.take().zip(child.stdout.take());
        let Some((to, from)) = ends else {
            return Err(Failure::Failed(anyhow::anyhow!("a member's pipes are missing")));
        };
        Ok(Self { child, to: Some(to), from: BufReader::new(from) })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        if line.is_empty() {
            return Err(Failure::Failed(anyhow::anyhow!("a member of the group ended early; its message is above")));
        }
        Ok(line)
    }
}

/// Runs a group of processes to its end.
pub(super) fn run(job: &Job<'_>) -> Result<Measured> {
    let mut members = (0..job.plan.members()).map(|rank| Member::start(job, rank)).collect::<Result<Vec<_>>>()?;
    let mut addresses = Vec::new();
    for member in &mut members {
        let listening: Listening = serde_json::from_str(&member.line()?).map_err(anyhow::Error::from)?;
        addresses.push(listening.address);
    }
    let mut group = [0; 32];
    getrandom::fill(&mut group).map_err(|error| Failure::Failed(anyhow::anyhow!("no random numbers: {error}")))?;
    let line = serde_json::to_string(&Group { addresses, group }).map_err(anyhow::Error::from)?;
    for member in &mut members {
        if let Some(mut to) = member.to.take() {
            writeln!(to, "{line}")?;
        }
    }
    let measured = members[0].line()?;
    for member in &mut members {
        let status = member.child.wait()?;
        if !status.success() {
            return Err(Failure::Failed(anyhow::anyhow!("a member of the group failed ({status})")));
        }
    }
    Ok(serde_json::from_str(&measured).map_err(anyhow::Error::from)?)
}
