//! The page's layout and state.

use egui::Ui;
use infernet_api::types::job::{Job, JobPart};

use super::gallery::gallery;
use super::order::{OrderForm, order_form};
use super::player::{Player, player};
use crate::actions::{Action, Actions};
use crate::dialog::Dialog;
use crate::format;
use crate::pages::home::{job_progress, stage_colour};
use crate::snapshot::{Part, Snapshot};
use crate::state::UiState;
use crate::theme::icons;
use crate::widgets::{
    Slot, card, card_titled, danger, empty, flow, loadable, muted, page_header, pill, problem_box, scroll_page,
    secondary,
};

/// What is typed and played.
#[derive(Clone, Debug, Default)]
pub struct StudioState {
    pub(super) form: OrderForm,
    pub(super) player: Option<Player>,
}

impl StudioState {
    /// Writes a prompt into the form.
    pub fn set_prompt(&mut self, prompt: &str) {
        prompt.clone_into(&mut self.form.prompt);
    }
}

/// Draws the page.
pub(crate) fn studio(ui: &mut Ui, snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    scroll_page(ui, |ui| {
        let balance = snapshot.status.ready().map(|status| status.balance_microcredits);
        let line = balance.map_or_else(
            || "Describe a clip, see its price, and order it".to_owned(),
            |balance| format!("Describe a clip, see its price, and order it · balance {}", format::credits(balance)),
        );
        page_header(ui, "Studio", &line, |_| {});
        let Some(models) = loadable(ui, &snapshot.models, "models", Part::Models, actions) else { return };
        let Some(jobs) = loadable(ui, &snapshot.jobs, "clips", Part::Jobs, actions) else { return };
        let own: Vec<&Job> = jobs.jobs.iter().filter(|job| job.part == JobPart::Requested).collect();
        flow(ui, "studio", &[1.0, 1.15], 380.0, |ui, index, slot| match index {
            0 => order_form(ui, slot, snapshot, &models.models, state, actions),
            _ => stage(ui, slot, &own, snapshot, state, actions),
        });
        gallery(ui, &own, snapshot, state, actions);
    });
}

/// The right side: the player, or the clip that is on its way, or what will stand here.
fn stage(ui: &mut Ui, slot: &mut Slot, own: &[&Job], snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    let playing = state.studio.player.as_ref().and_then(|player| own.iter().find(|job| job.id == player.job));
    if let Some(job) = playing {
        player(ui, slot, job, snapshot, state, actions);
        return;
    }
    let Some(job) = own.iter().find(|job| !job.stage.is_final()) else {
        card(ui, slot, |ui| {
            let text = "While your clip is computed, its preview sharpens here step by step. Finished clips are below; choose one to play it.";
            empty(ui, icons::FILM_STRIP, "Nothing on its way", text, None);
        });
        return;
    };
    let colour = stage_colour(ui, job);
    card_titled(
        ui,
        slot,
        "On its way",
        |ui| drop(pill(ui, &format::words(job.stage.name()), colour)),
        |ui| {
            job_progress(ui, job, snapshot, state, 250.0);
            if let Some(problem) = &job.problem {
                problem_box(ui, problem);
            }
            if job.attempt > 1 {
                muted(ui, format!("Attempt {}: a miner before this one did not deliver.", job.attempt));
            }
            ui.horizontal(|ui| {
                if danger(ui, icons::X, "Cancel job").clicked() {
                    let text = "The job is given up. What a miner has not earned yet of the deposit comes back.";
                    let dialog = Dialog::new("Cancel this job?", text, "Cancel the job", Action::Cancel(job.id));
                    state.dialog =
                        Some(dialog.fact("Deposit", format::credits(job.deposit_microcredits)).destructive());
                }
                if job.deadline_unix_ms < snapshot.now_unix_ms
                    && secondary(ui, icons::HAND_COINS, "Ask for a refund").clicked()
                {
                    let dialog = Dialog::new(
                        "Ask for the deposit back?",
                        "The job is past its deadline.",
                        "Ask for refund",
                        Action::Refund(job.id),
                    );
                    state.dialog = Some(dialog.fact("Deposit", format::credits(job.deposit_microcredits)));
                }
            });
        },
    );
}
