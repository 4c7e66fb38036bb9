//! Which jobs to take. A refusal costs nothing.

use std::collections::BTreeSet;

use egui::Ui;
use infernet_api::types::settings::{PolicySettings, Settings};

use super::page::patch;
use crate::actions::Actions;
use crate::format;
use crate::snapshot::Snapshot;
use crate::state::UiState;
use crate::widgets::{Slot, card_titled, muted, number, rich, small, text_field, toggle};

/// What is typed and not yet kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Typed {
    fee: Option<String>,
    words: Option<String>,
    licenses: Option<String>,
    bounds: Option<[u32; 3]>,
}

/// The owner's rules for jobs.
pub(super) fn jobs(
    ui: &mut Ui,
    slot: &mut Slot,
    snapshot: &Snapshot,
    settings: &Settings,
    state: &mut UiState,
    actions: &mut Actions,
) {
    card_titled(
        ui,
        slot,
        "Which jobs to take",
        |_| {},
        |ui| {
            let policy = &settings.policy;
            let typed = &mut state.settings.jobs;
            fee(ui, policy, typed, actions);
            bounds(ui, policy, typed, actions);
            let kept = policy.blocked_words.join(", ");
            if let Some(words) =
                list(ui, "Refuse prompts with one of these words", "word, another", &kept, &mut typed.words)
            {
                patch(actions, "policy", "blocked_words", words);
            }
            let kept = policy.licenses.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let name = "Only models under these licences; all without any";
            if let Some(licenses) = list(ui, name, "MIT, Apache-2.0", &kept, &mut typed.licenses) {
                patch(actions, "policy", "licenses", licenses);
            }
            models(ui, snapshot, policy, actions);
        },
    );
}

fn fee(ui: &mut Ui, policy: &PolicySettings, typed: &mut Typed, actions: &mut Actions) {
    let kept = policy.min_fee_per_step_microcredits;
    let text = typed.fee.get_or_insert_with(|| format::credits(kept).trim_end_matches(" cr").to_owned());
    let response = text_field(ui, "Least fee for a denoising step, in credits", "0.0003", text);
    match format::parse_credits(text) {
        Some(fee) if response.lost_focus() && fee != kept => {
            patch(actions, "policy", "min_fee_per_step_microcredits", fee);
        }
        None if !text.trim().is_empty() => {
            let colour = crate::theme::palette(ui).bad;
            let words = "not an amount: expected credits such as 0.0003";
            ui.label(rich(words, crate::theme::tokens::TYPE_SMALL, None, colour));
        }
        _ => {}
    }
}

fn bounds(ui: &mut Ui, policy: &PolicySettings, typed: &mut Typed, actions: &mut Actions) {
    let kept = [policy.max_side, policy.max_frames, policy.max_steps];
    let most = PolicySettings::default();
    let values = typed.bounds.get_or_insert(kept);
    let fields = [
        ("Largest side", "max_side", "px", most.max_side),
        ("Most frames", "max_frames", "", most.max_frames),
        ("Most steps", "max_steps", "", most.max_steps),
    ];
    ui.columns(3, |columns| {
        for (at, (name, field, unit, most)) in fields.into_iter().enumerate() {
            let response = number(&mut columns[at], name, &mut values[at], 1..=most, unit);
            if values[at] != kept[at] && (response.drag_stopped() || response.lost_focus()) {
                patch(actions, "policy", field, values[at]);
            }
        }
    });
}

/// A list as one line; the parts when the field was left and they are others.
fn list(ui: &mut Ui, name: &str, hint: &str, kept: &str, typed: &mut Option<String>) -> Option<Vec<String>> {
    let text = typed.get_or_insert_with(|| kept.to_owned());
    let left = text_field(ui, name, hint, text).lost_focus();
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned);
    (left && *text != kept).then(|| parts.collect())
}

fn models(ui: &mut Ui, snapshot: &Snapshot, policy: &PolicySettings, actions: &mut Actions) {
    let Some(list) = snapshot.models.ready() else { return };
    small(ui, "Models");
    let all = policy.models.is_empty();
    for model in list.models.iter().take(8) {
        let mut on = all || policy.models.contains(&model.id);
        if toggle(ui, &mut on, &model.name, "") {
            let ids = list.models.iter().map(|model| &model.id);
            let mut chosen: BTreeSet<_> = if all { ids.clone().collect() } else { policy.models.iter().collect() };
            if on {
                chosen.insert(&model.id)
            } else {
                chosen.remove(&model.id)
            };
            // All of them is what no choice at all means, also for those that come later.
            let chosen: Vec<_> =
                if ids.clone().all(|id| chosen.contains(id)) { Vec::new() } else { chosen.into_iter().collect() };
            patch(actions, "policy", "models", serde_json::json!(chosen));
        }
    }
    if !all {
        muted(ui, "With none of them, jobs of every model are taken.");
    }
}
