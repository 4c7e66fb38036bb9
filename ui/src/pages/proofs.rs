//! Proofs and trust: what was audited, how it came out, and how far others trust this node.

use egui::{Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};
use egui_plot::{Line, PlotPoints, Points};
use infernet_api::JobId;
use infernet_api::types::job::Job;
use infernet_api::types::trust::Trust;
use infernet_api::types::verdict::{CheckRow, JobProof, LeafKind, ProofKind};

use crate::actions::{Action, Actions};
use crate::format;
use crate::snapshot::{Loadable, Part, Snapshot};
use crate::state::UiState;
use crate::theme::{icons, palette, tokens};
use crate::widgets::{
    Slot, TableColumn, card, card_titled, chart, digits, empty, fact, flow, gauge, heading, loadable, loading, medium,
    mono, muted, page_header, pill, problem_state, scroll_page, secondary, small, split_row, table,
};

/// Which audit is open.
#[derive(Clone, Debug, Default)]
pub struct ProofsState {
    open: Option<JobId>,
    leaf: usize,
}

impl ProofsState {
    pub(crate) fn open(&mut self, job: JobId) {
        *self = Self { open: Some(job), leaf: 0 };
    }
}

/// Draws the page.
pub(crate) fn proofs(ui: &mut Ui, snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    scroll_page(ui, |ui| {
        page_header(ui, "Proofs & trust", "What was checked, step by step, and what it does to trust", |_| {});
        let Some(trust) = loadable(ui, &snapshot.trust, "trust", Part::Trust, actions) else { return };
        let Some(list) = loadable(ui, &snapshot.jobs, "audits", Part::Jobs, actions) else { return };
        flow(ui, "trust", &[0.7, 1.3], 320.0, |ui, index, slot| match index {
            0 => standing(ui, slot, trust),
            _ => history(ui, slot, trust),
        });
        let audited: Vec<&Job> = list.jobs.iter().filter(|job| job.verdict.is_some()).collect();
        audits(ui, &audited, snapshot, state, actions);
        if let Some(job) = state.proofs.open {
            audit(ui, job, snapshot, state, actions);
        }
    });
}

fn standing(ui: &mut Ui, slot: &mut Slot, trust: &Trust) {
    card_titled(
        ui,
        slot,
        "Trust in this node",
        |_| {},
        |ui| {
            let Some(own) = &trust.own else {
                empty(
                    ui,
                    icons::SHIELD_CHECK,
                    "Nobody knows this node yet",
                    "Trust begins with the first audited job.",
                    None,
                );
                return;
            };
            let share = f64::from(own.trust_ppm) / 1e6;
            let colours = palette(ui);
            let (word, colour) = match share {
                s if s >= 0.9 => ("trusted", colours.good),
                s if s >= 0.5 => ("growing", colours.blue),
                _ => ("new", colours.warn),
            };
            ui.vertical_centered(|ui| gauge(ui, 148.0, share, &format::percent(share), word, colour));
            fact(ui, "Accepted", format::count(u64::from(own.jobs_accepted), "job", "jobs"));
            fact(ui, "Rejected", format::count(u64::from(own.jobs_rejected), "job", "jobs"));
            fact(ui, "Ended without blame", format::count(u64::from(own.jobs_released), "job", "jobs"));
            fact(
                ui,
                "Quality, moving average",
                own.quality_ppm.map_or_else(|| "not known".to_owned(), format::percent_ppm),
            );
            fact(ui, "Steps checked in the next job", format::percent_ppm(own.audit_rate_ppm));
            fact(ui, "Stake lost so far", format::credits(own.slashed_microcredits));
        },
    );
}

fn history(ui: &mut Ui, slot: &mut Slot, trust: &Trust) {
    let (drift, decay) = (format::percent_ppm(trust.rule.drift_ppm), format::percent_ppm(trust.rule.decay_ppm));
    let rule = format!("accepted: trust + {drift} of what is missing to 100 %\nrejected: trust − {decay} of it");
    let hint = |ui: &mut Ui| drop(small(ui, "How it moves").on_hover_text(&rule));
    card_titled(ui, slot, "Trust over time", hint, |ui| {
        let colours = palette(ui);
        if trust.history.len() < 2 {
            empty(ui, icons::CHART_LINE_UP, "No history yet", "Each audited job is a point of this curve.", None);
            return;
        }
        let at = |index: usize| [index as f64 + 1.0, f64::from(trust.history[index].trust_ppm) / 1e4];
        let line: PlotPoints<'_> = (0..trust.history.len()).map(at).collect();
        let lost: PlotPoints<'_> =
            (0..trust.history.len()).filter(|index| !trust.history[*index].accepted).map(at).collect();
        chart(ui, "trust history", 236.0, |name, x, y| format!("{name} {x:.0}: {y:.1} % trust"))
            .include_y(0.0)
            .include_y(100.0)
            .y_axis_formatter(|mark, _| format!("{:.0} %", mark.value))
            .y_axis_min_width(44.0)
            .x_axis_formatter(
                |mark, _| if mark.value.fract() == 0.0 { format!("{:.0}", mark.value) } else { String::new() },
            )
            .show(ui, |plot| {
                plot.line(Line::new("Job", line).color(colours.good).width(2.0).fill(0.0));
                plot.points(Points::new("Rejected job", lost).color(colours.bad).radius(4.5).filled(true));
            });
        small(ui, format!("Jobs, oldest first · accepted + {drift} of the rest · rejected − {decay}"));
    });
}

const COLUMNS: [TableColumn; 6] = [
    TableColumn::new("Job", 92.0),
    TableColumn::new("Model", 0.0),
    TableColumn::new("Steps run again", 190.0),
    TableColumn::new("Largest error / bound", 150.0).right(),
    TableColumn::new("Decided", 130.0),
    TableColumn::new("Verdict", 110.0),
];

fn audits(ui: &mut Ui, audited: &[&Job], snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    let number = format::count(audited.len() as u64, "audit", "audits");
    card_titled(
        ui,
        &mut Slot::default(),
        "Audits",
        |ui| drop(small(ui, number)),
        |ui| {
            if audited.is_empty() {
                let text = "When a job's audit is over, it is listed here with every step that was run again.";
                empty(ui, icons::LIST_CHECKS, "No audit yet", text, None);
                return;
            }
            let selected = audited.iter().position(|job| Some(job.id) == state.proofs.open);
            let clicked = table(ui, "audits", &COLUMNS, audited.len(), 300.0, selected, |ui, row, column| {
                let job = audited[row];
                let Some(verdict) = &job.verdict else { return };
                match column {
                    0 => drop(mono(ui, job.id.to_string().chars().take(8).collect::<String>())),
                    1 => drop(small(ui, job.model.as_ref().map_or("not in the catalogue", |model| model.as_str()))),
                    2 => step_marks(ui, job.size.steps, &verdict.audited_steps),
                    3 => drop(digits(ui, worst(&verdict.checks))),
                    4 => drop(small(ui, format::ago(snapshot.now_unix_ms, verdict.decided_unix_ms))),
                    _ => verdict_pill(ui, verdict.accepted),
                }
            });
            if let Some(row) = clicked {
                state.proofs.open(audited[row].id);
            }
            if let Some(job) = state.proofs.open.filter(|job| !snapshot.proofs.contains_key(job))
                && clicked.is_some()
            {
                actions.push(Action::LoadProof(job));
            }
            small(ui, "Choose an audit to see each check, a leaf's Merkle path, and its evidence.");
        },
    );
}

fn verdict_pill(ui: &mut Ui, accepted: bool) {
    let colours = palette(ui);
    let (word, colour) = if accepted { ("Accepted", colours.good) } else { ("Rejected", colours.bad) };
    pill(ui, word, colour);
}

/// The largest measured error as a share of its bound.
fn worst(checks: &[CheckRow]) -> String {
    let shares = checks.iter().filter_map(|check| Some(check.error? / check.bound.filter(|bound| *bound > 0.0)?));
    shares.reduce(f64::max).map_or_else(|| "exact".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// A job's steps as a row of marks; those that were run again stand out.
fn step_marks(ui: &mut Ui, steps: u32, audited: &[u32]) {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width().min(180.0), 16.0), Sense::hover());
    let colours = palette(ui);
    let shown = steps.clamp(1, 120);
    let width = rect.width() / shown as f32;
    for step in 0..shown {
        let on = audited.contains(&step);
        let height = if on { 14.0 } else { 5.0 };
        let x = rect.left() + (step as f32 + 0.5) * width;
        let mark = Rect::from_center_size(pos2(x, rect.center().y), vec2((width - 1.0).clamp(1.0, 4.0), height));
        ui.painter().rect_filled(mark, 1.0, if on { colours.accent } else { colours.line_strong });
    }
    let list: Vec<String> = audited.iter().map(u32::to_string).collect();
    let name =
        format!("Steps run again: {} of {steps}", if list.is_empty() { "none".to_owned() } else { list.join(", ") });
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
    response.on_hover_text(name);
}

fn audit(ui: &mut Ui, id: JobId, snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    match snapshot.proofs.get(&id) {
        None | Some(Loadable::Loading) => loading(ui, "the audit"),
        Some(Loadable::Failed(problem)) => {
            if problem_state(ui, "the audit", problem) {
                actions.push(Action::LoadProof(id));
            }
        }
        Some(Loadable::Ready(proof)) => {
            flow(ui, "audit", &[1.0, 1.0], 360.0, |ui, index, slot| match index {
                0 => checks(ui, slot, proof, state, actions),
                _ => leaf(ui, slot, proof, state),
            });
        }
    }
}

fn checks(ui: &mut Ui, slot: &mut Slot, proof: &JobProof, state: &UiState, actions: &mut Actions) {
    let verdict = &proof.verdict;
    card_titled(
        ui,
        slot,
        "Checks",
        |ui| verdict_pill(ui, verdict.accepted),
        |ui| {
            let colours = palette(ui);
            if !verdict.accepted {
                let check = verdict.failed_check.as_deref().unwrap_or("unknown");
                let at = verdict.failed_leaf.map(|leaf| format!(" at leaf {leaf}")).unwrap_or_default();
                medium(ui, format!("Failed: {}{at}", format::words(check).to_lowercase()), colours.bad);
                let rests = match verdict.proof {
                    Some(ProofKind::Signed) => {
                        "It rests on bytes that the miner signed: anyone confirms it to the bit."
                    }
                    Some(ProofKind::Measured) => {
                        "It rests on signed bytes and a run of the model: anyone with the model confirms it."
                    }
                    Some(ProofKind::Attested) => {
                        "It rests on the validator's word alone, so nobody was slashed for it."
                    }
                    None => "The validator did not say what it rests on.",
                };
                muted(ui, rests);
            }
            for check in &verdict.checks {
                check_row(ui, check);
            }
            fact(ui, "Model evaluations run again", format::percent_ppm(verdict.reexecuted_ppm));
            fact(ui, "Validator", verdict.validator.short());
            if let Some(bundle) = &proof.bundle {
                fact(ui, "Evidence", format::bytes(bundle.bytes));
                if secondary(ui, icons::FILE_ZIP, "Save evidence").clicked() {
                    actions.push(Action::SaveBundle { job: proof.job, folder: state.folder.clone() });
                }
                small(ui, "Check it anywhere: infernet verify --bundle FILE");
            }
        },
    );
}

/// A check with its measured error against its bound, on a logarithmic axis from 1e-8 to 1 bound and beyond.
fn check_row(ui: &mut Ui, check: &CheckRow) {
    let colours = palette(ui);
    let colour = if check.ok { colours.good } else { colours.bad };
    let leaf = check.leaf.map(|leaf| format!(", leaf {leaf}")).unwrap_or_default();
    let values = match (check.error, check.bound) {
        (Some(error), Some(bound)) => {
            format!("{error:.1e} ≤ {bound:.1e}").replace('≤', if check.ok { "≤" } else { ">" })
        }
        _ if check.ok => "holds".to_owned(),
        _ => "does not hold".to_owned(),
    };
    split_row(
        ui,
        20.0,
        |ui| {
            let symbol = if check.ok { icons::CHECK_CIRCLE } else { icons::WARNING_CIRCLE };
            crate::widgets::icon(ui, symbol, 16.0, colour);
            small(ui, format!("{}{leaf}", format::words(&check.name)));
        },
        |ui| drop(digits(ui, values)),
    );
    if let (Some(error), Some(bound)) = (check.error, check.bound.filter(|bound| *bound > 0.0)) {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 10.0), Sense::hover());
        let place = |value: f64| rect.left() + rect.width() * log_place(value / bound);
        ui.painter().rect_filled(rect.shrink2(vec2(0.0, 3.0)), 2.0, colours.inset);
        let end = Rect::from_min_max(rect.min + vec2(0.0, 3.0), pos2(place(error), rect.bottom() - 3.0));
        ui.painter().rect_filled(end, 2.0, colour);
        ui.painter().vline(place(bound), rect.y_range(), egui::Stroke::new(2.0, colours.text));
        let name = format!("measured error {error:.2e}, bound {bound:.2e}, logarithmic");
        response.widget_info(|| WidgetInfo::labeled(Role::Meter, true, &name));
        response.on_hover_text(name);
    }
}

/// Where an error stands, as a multiple of its bound, on an axis of eight decades below the bound and one above.
fn log_place(share: f64) -> f32 {
    if share > 0.0 { (((share.log10() + 8.0) / 9.0).clamp(0.0, 1.0)) as f32 } else { 0.0 }
}

fn leaf(ui: &mut Ui, slot: &mut Slot, proof: &JobProof, state: &mut UiState) {
    card(ui, slot, |ui| {
        heading(ui, "Merkle path of a leaf");
        if proof.opened.is_empty() {
            empty(ui, icons::TREE_STRUCTURE, "No leaf was opened", "The job ended before its challenge.", None);
            return;
        }
        small(
            ui,
            format!("{} of {} leaves were opened", proof.opened.len(), format::grouped(u64::from(proof.leaf_count))),
        );
        let names: Vec<_> = proof
            .opened
            .iter()
            .enumerate()
            .map(|(index, leaf)| {
                let kind = match leaf.kind {
                    LeafKind::Step => "step",
                    LeafKind::Final => "last state",
                    LeafKind::Frame => "frame",
                    LeafKind::Clip => "clip",
                    LeafKind::Text => "text",
                };
                (index, format!("leaf {} ({kind})", leaf.index))
            })
            .collect();
        state.proofs.leaf = state.proofs.leaf.min(names.len() - 1);
        crate::widgets::choice(ui, "Leaf", &mut state.proofs.leaf, &names);
        let leaf = &proof.opened[state.proofs.leaf];
        node(ui, "leaf", &leaf.hash.to_string(), true);
        for (level, sibling) in leaf.path.iter().enumerate() {
            // The bit of the index says on which side the sibling stands.
            let side = if leaf.index >> level & 1 == 0 { "right" } else { "left" };
            node(ui, &format!("{side} sibling, level {}", level + 1), &sibling.to_string(), false);
        }
        node(ui, "root, signed by the miner", &proof.root.to_string(), true);
    });
}

fn node(ui: &mut Ui, name: &str, hash: &str, strong: bool) {
    let colours = palette(ui);
    ui.horizontal(|ui| {
        let (rect, _) = ui.allocate_exact_size(vec2(14.0, 18.0), Sense::hover());
        ui.painter().vline(rect.center().x, rect.y_range(), egui::Stroke::new(1.0, colours.line_strong));
        let colour = if strong { colours.accent } else { colours.muted };
        ui.painter().circle_filled(rect.center(), if strong { 5.0 } else { 3.5 }, colour);
        ui.allocate_ui(vec2(150.0, 18.0), |ui| {
            ui.set_min_width(150.0);
            small(ui, name);
        });
        mono(ui, hash);
    });
    ui.add_space(-tokens::GAP_TINY);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_stand_left_of_their_bound_exactly_when_they_hold() {
        let bound = log_place(1.0);
        assert!(log_place(0.999) < bound && log_place(1.001) > bound);
        assert!(
            log_place(0.0).abs() < 1e-6 && (log_place(1e30) - 1.0).abs() < 1e-6 && log_place(f64::NAN).abs() < 1e-6
        );
    }

    #[test]
    fn the_largest_share_counts_not_the_largest_error() {
        let row = |error, bound| CheckRow { name: String::new(), ok: true, leaf: None, error, bound };
        assert_eq!(worst(&[row(Some(0.5), Some(1.0)), row(Some(0.009), Some(0.01))]), "90.0 %");
        assert_eq!(worst(&[row(None, None), row(Some(1.0), Some(0.0))]), "exact");
    }
}
