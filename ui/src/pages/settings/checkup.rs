//! The check-up.

use egui::Ui;
use infernet_api::types::doctor::{DoctorOutcome, DoctorReport};

use crate::actions::{Action, Actions};
use crate::snapshot::{Loadable, Snapshot};
use crate::theme::{icons, palette, tokens};
use crate::widgets::{Slot, card_titled, empty, icon, medium, mono, muted, problem_box, secondary, split_row};

pub(super) fn doctor(ui: &mut Ui, snapshot: &Snapshot, actions: &mut Actions) {
    let (mut run, mut first) = (false, false);
    card_titled(
        ui,
        &mut Slot::default(),
        "Check-up",
        |ui| run = secondary(ui, icons::LIST_CHECKS, "Check now").clicked(),
        |ui| match &snapshot.doctor {
            None => {
                first = empty(
                    ui,
                    icons::LIST_CHECKS,
                    "Not checked yet",
                    "Looks at drivers, disk, memory, model, network and clock.",
                    Some("Check this computer"),
                );
            }
            Some(Loadable::Loading) => drop(muted(ui, "Checking …")),
            Some(Loadable::Failed(problem)) => problem_box(ui, problem),
            Some(Loadable::Ready(report)) => checks(ui, report),
        },
    );
    if run || first {
        actions.push(Action::RunDoctor);
    }
}

fn checks(ui: &mut Ui, report: &DoctorReport) {
    let colours = palette(ui);
    for check in &report.checks {
        let (symbol, colour) = match check.outcome {
            DoctorOutcome::Ok => (icons::CHECK_CIRCLE, colours.good),
            DoctorOutcome::Warning => (icons::WARNING, colours.warn),
            DoctorOutcome::Failed => (icons::WARNING_CIRCLE, colours.bad),
            DoctorOutcome::Skipped => (icons::CIRCLE_DASHED, colours.muted),
        };
        split_row(
            ui,
            24.0,
            |ui| {
                icon(ui, symbol, tokens::TYPE_ICON, colour);
                medium(ui, check.title.as_str(), colours.text);
            },
            |ui| drop(mono(ui, check.code.as_str())),
        );
        muted(ui, check.found.as_str());
        if !check.next_step.is_empty() {
            muted(ui, format!("What to do: {}", check.next_step));
        }
        ui.add_space(tokens::GAP_TINY);
    }
}
