//! `infernet score`.

use infernet_engine::quality::FramesView;
use infernet_engine::quality::authenticity::{self, Authenticity};
use infernet_engine::quality::score::{ClipScore, Scorer, VisualMetric};
use infernet_engine::video::mp4;
use serde::Serialize;

use crate::cli::ScoreArgs;
use crate::failure::{Failure, Result};
use crate::{output, paths};

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    score: ClipScore,
    authenticity: Authenticity,
}

pub(super) fn run(arguments: &ScoreArgs) -> Result {
    let path = &arguments.clip;
    let bytes =
        std::fs::read(path).map_err(|error| Failure::input(format!("can't read {}: {error}", path.display())))?;
    let clip = mp4::decode(&bytes).map_err(|error| Failure::input(format!("{}: {error}", path.display())))?;
    let frames = FramesView::try_from(&clip)?;
    let clip_model = match &arguments.clip_model {
        Some(folder) => folder.clone(),
        None => paths::assets_dir()?.join("models").join("starter-clip"),
    };
    let scorer = Scorer::load(&clip_model, arguments.lpips.as_deref(), &infernet_engine::Device::Cpu)?;
    let report = Report { score: scorer.score(frames, &arguments.prompt)?, authenticity: authenticity::judge(frames) };
    if arguments.json {
        return output::json(&report);
    }
    let shown = |value: Option<f64>| value.map_or_else(|| "not defined".to_owned(), |value| format!("{value:.3}"));
    let score = &report.score;
    output::line(&format!("MD-VQS                {}", shown(score.md_vqs)))?;
    output::line(&format!("prompt fidelity       {}", shown(score.prompt.as_ref().map(|part| part.fidelity))))?;
    let metric = score.visual.as_ref().map_or("", |part| match part.metric {
        VisualMetric::LpipsAlex => "LPIPS",
        VisualMetric::ClipImageDistance => "by CLIP image distance, no LPIPS weights given",
    });
    output::line(&format!(
        "visual quality        {}  ({metric})",
        shown(score.visual.as_ref().map(|part| part.quality))
    ))?;
    output::line(&format!("temporal consistency  {}", shown(score.temporal.as_ref().map(|part| part.consistency))))?;
    match &report.authenticity.reason {
        None => output::line("authentic             yes"),
        Some(reason) => {
            let json = |value| {
                serde_json::to_value(value).ok().and_then(|value: serde_json::Value| value.as_str().map(str::to_owned))
            };
            let (refusal, statistic) =
                (json(reason.refusal), serde_json::to_string(&reason.statistic).unwrap_or_default());
            let refusal = refusal.unwrap_or_default().replace('_', " ");
            output::line(&format!(
                "authentic             no: {refusal} ({} is {:.4}, bound {:.4})",
                statistic.trim_matches('"'),
                reason.measured,
                reason.bound
            ))
        }
    }
}
