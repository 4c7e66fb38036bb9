//! The question before anything that costs money or deletes something.

use egui::{Align, Id, Layout, Modal, Ui};

use crate::actions::{Action, ActionId, Actions};
use crate::snapshot::Snapshot;
use crate::theme::{palette, tokens};
use crate::widgets::{body, danger, fact, heading, muted, primary, problem_box, secondary};

/// A question; it stays open until what was asked for is done.
#[derive(Clone, Debug)]
pub struct Dialog {
    title: String,
    text: String,
    facts: Vec<(String, String)>,
    confirm: String,
    destructive: bool,
    action: Action,
    sent: Option<ActionId>,
}

impl Dialog {
    /// Asks whether to do `action`; `confirm` is the word on its button.
    pub fn new(title: impl Into<String>, text: impl Into<String>, confirm: impl Into<String>, action: Action) -> Self {
        Self {
            title: title.into(),
            text: text.into(),
            facts: Vec::new(),
            confirm: confirm.into(),
            destructive: false,
            action,
            sent: None,
        }
    }

    /// With a line of name and value.
    #[must_use]
    pub fn fact(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.facts.push((name.into(), value.into()));
        self
    }

    /// Something is lost by it.
    #[must_use]
    pub fn destructive(mut self) -> Self {
        self.destructive = true;
        self
    }

    /// The action that was sent.
    #[must_use]
    pub fn sent(&self) -> Option<ActionId> {
        self.sent
    }
}

/// Draws the open dialog; closes it when it was cancelled, or what it asked for is done.
pub(crate) fn show(ui: &Ui, dialog: &mut Option<Dialog>, snapshot: &Snapshot, actions: &mut Actions) {
    let Some(open) = dialog else { return };
    let outcome = open.sent.and_then(|id| snapshot.outcome(id));
    let pending = open.sent.is_some() && outcome.is_none();
    if outcome.is_some_and(Result::is_ok) {
        *dialog = None;
        return;
    }
    let colours = palette(ui);
    let mut close = false;
    let modal = Modal::new(Id::unique("dialog")).backdrop_color(colours.scrim).frame(egui::Frame::window(ui.style()));
    let shown = modal.show(ui.ctx(), |ui| {
        ui.set_width(400.0_f32.min(ui.ctx().content_rect().width() - 80.0));
        heading(ui, &open.title);
        muted(ui, &open.text);
        ui.add_space(tokens::GAP_TINY);
        for (name, value) in &open.facts {
            fact(ui, name, value);
        }
        if let Some(Err(problem)) = outcome {
            problem_box(ui, problem);
        }
        ui.add_space(tokens::GAP_SMALL);
        let width = ui.available_width();
        ui.allocate_ui_with_layout(egui::vec2(width, 36.0), Layout::right_to_left(Align::Center), |ui| {
            let word = if outcome.is_some() { "Try again" } else { &open.confirm };
            let confirmed = ui
                .add_enabled_ui(!pending, |ui| {
                    if open.destructive { danger(ui, None, word) } else { primary(ui, None, word) }
                })
                .inner;
            if confirmed.clicked() {
                open.sent = Some(actions.push(open.action.clone()));
            }
            close = secondary(ui, None, "Cancel").clicked();
            if pending {
                body(ui, "Working …");
            }
        });
    });
    if close || shown.should_close() {
        *dialog = None;
    }
}
