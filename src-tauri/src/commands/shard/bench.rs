//! `infernet shard-bench`: plans by members by links, measured with processes of this computer, as one CSV.

use std::fmt::Write as _;
use std::path::Path;

use infernet_engine::sharding::collective::Link;
use infernet_engine::sharding::{MemberReport, Plan};

use super::processes::{self, Job};
use super::seams::{Seams, seams};
use crate::cli::ShardBenchArgs;
use crate::commands::loaded;
use crate::failure::{Failure, Result};
use crate::files::check_new_file;
use crate::output;

/// Every kind of plan with 1 to 6 members, and combinations.
const PLANS: [&str; 24] = [
    "solo",
    "stream",
    "cfg=2",
    "depth=2",
    "cfg=2,depth=2",
    "frames=2",
    "frames=3",
    "frames=4",
    "frames=5",
    "frames=6",
    "cfg=2,frames=2",
    "cfg=2,frames=3",
    "params=2",
    "params=4",
    "params=6",
    "cfg=2,params=2",
    "params=6,cfg=2,frames=3",
    "window=2",
    "window=3",
    "window=4",
    "window=6",
    "window=6/2/context/end",
    "window=6/2/end",
    "stream,frames=6",
];

const HEADER: &str = "plan,members,exact,link,step_seconds,decode_seconds,load_seconds,bytes_per_step,\
    busiest_member_bytes_per_step,rounds_per_step,waited_seconds_per_step,peak_bytes_largest,peak_bytes_smallest,\
    denoising_peak_bytes_largest,max_abs_difference,max_ulp,seam_difference,inside_difference,seam_warped,inside_warped";

/// One measured line.
struct Line {
    plan: Plan,
    link: &'static str,
    text: String,
}

pub(in crate::commands) fn run(arguments: &ShardBenchArgs) -> Result {
    let csv = arguments.out.join("shards.csv");
    std::fs::create_dir_all(&arguments.out)?;
    check_new_file(&csv, arguments.force)?;
    let found = loaded::find(&arguments.model)?;
    let request = found.request(&arguments.size, "");
    let plans = if arguments.plans.is_empty() {
        PLANS.iter().map(|text| Ok(text.parse::<Plan>()?)).collect::<Result<Vec<_>>>()?
    } else {
        arguments.plans.clone()
    };
    let links: Vec<&'static str> = if arguments.links.is_empty() {
        Link::STUDIED.iter().map(|(name, _)| *name).collect()
    } else {
        arguments.links.iter().map(|name| studied(name)).collect::<Result<_>>()?
    };
    let scratch = tempfile::tempdir()?;
    let size = [request.width, request.height, request.frames, request.steps];
    let solo = Plan::solo();
    let reference_path = scratch.path().join("solo");
    let template = Job {
        plan: &solo,
        link: "loopback",
        model: &arguments.model,
        threads: arguments.threads,
        size,
        guidance: request.guidance,
        evaluations: arguments.evaluations,
        lean: arguments.lean,
        out: &reference_path,
    };
    processes::run(&template)?;
    let reference = std::fs::read(&reference_path)?;
    let mut lines: Vec<Line> = Vec::new();
    for plan in &plans {
        if let Err(error) = plan.check_clip(request.frames, request.guidance > 1.0) {
            eprintln!("{plan}: left out: {error}");
            continue;
        }
        for &link in &links {
            if plan.members() == 1 && link != links[0] {
                continue;
            }
            let path = scratch.path().join("run");
            let measured = processes::run(&Job { plan, link, out: &path, ..template })?;
            let result = std::fs::read(&path)?;
            let steps = measured.step_seconds.len().max(1) as f64;
            let per_step = |get: fn(&MemberReport) -> u64| -> Vec<f64> {
                measured.members.iter().map(|member| get(member) as f64 / steps).collect()
            };
            let sent = per_step(|member| member.traffic.bytes_sent);
            let largest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
            let peak = |values: &[Option<u64>], largest: bool| {
                let known = values.iter().flatten().copied();
                (if largest { known.max() } else { known.min() }).unwrap_or(0)
            };
            let (max_abs, max_ulp, seams) = compare(&reference, &result, size, arguments.evaluations.is_some(), plan);
            let mut sorted = measured.step_seconds.clone();
            sorted.sort_by(f64::total_cmp);
            let step_seconds = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
            let mut text = String::new();
            write!(
                text,
                "\"{plan}\",{},{},{link},{step_seconds:.4},{:.4},{:.3},{:.0},{:.0},{:.1},{:.4},{},{},{},{max_abs:e},{max_ulp},{},{},{},{}",
                plan.members(),
                plan.is_exact(),
                measured.decode_seconds,
                measured.load_seconds,
                sent.iter().sum::<f64>(),
                largest(&sent),
                largest(&per_step(|member| member.traffic.rounds)),
                largest(&per_step(|member| member.traffic.waited_nanos)) / 1e9,
                peak(&measured.peak_bytes, true),
                peak(&measured.peak_bytes, false),
                peak(&measured.denoising_peak_bytes, true),
                number(seams.seam),
                number(seams.inside),
                number(seams.seam_warped),
                number(seams.inside_warped),
            )
            .map_err(anyhow::Error::from)?;
            if plan.is_exact() && max_ulp != 0 {
                eprintln!("warning: {plan} should have the bits of solo and differs by {max_ulp} ULP");
            }
            output::line(&text)?;
            lines.push(Line { plan: plan.clone(), link, text });
        }
    }
    lines.sort_by_key(|line| (line.plan.members(), line.plan.to_string(), line.link));
    save(&csv, &lines)
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:.6}"))
}

fn studied(name: &str) -> Result<&'static str> {
    super::member::link(name)?;
    let known = Link::STUDIED.iter().find(|(known, _)| *known == name);
    known.map(|(known, _)| *known).ok_or_else(|| Failure::input(format!("`{name}` is not a link")))
}

fn save(path: &Path, lines: &[Line]) -> Result {
    let mut file = format!("{HEADER}\n");
    for line in lines {
        file.push_str(&line.text);
        file.push('\n');
    }
    infernet_engine::video::write_atomically(path, file.as_bytes())?;
    output::line(&format!("{}: {} lines", path.display(), lines.len()))
}

/// Largest difference of the latents, absolute and in units in the last place; and what borders of shards look like.
fn compare(reference: &[u8], found: &[u8], size: [usize; 4], evaluations: bool, plan: &Plan) -> (f64, u64, Seams) {
    let [width, height, frames, _] = size;
    let pixels = if evaluations { 0 } else { width * height * frames * 3 };
    if reference.len() != found.len() || reference.len() < pixels {
        return (f64::INFINITY, u64::MAX, Seams::default());
    }
    let latents = reference.len() - pixels;
    let values = |bytes: &[u8]| -> Vec<f32> {
        bytes[..latents].as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
    };
    // Order of the bits as numbers: neighbours are one apart.
    let order = |x: f32| {
        let bits = i64::from(x.to_bits() as i32);
        if bits < 0 { i64::from(i32::MIN) - bits } else { bits }
    };
    let (mut max_abs, mut max_ulp) = (0.0_f64, 0_u64);
    for (a, b) in values(reference).into_iter().zip(values(found)) {
        max_abs = max_abs.max(f64::from((a - b).abs()));
        max_ulp = max_ulp.max(order(a).abs_diff(order(b)));
    }
    let seams = if evaluations { Seams::default() } else { seams(&found[latents..], width, height, plan, frames) };
    (max_abs, max_ulp, seams)
}
