//! Notifications in the window: few, each with something to do about it.

use egui::{Align2, Area, Frame, Id, Margin, Order, Stroke, Ui, vec2};
use infernet_api::types::event::{EventKind, NoticeLevel};
use infernet_api::types::status::MiningState;

use crate::actions::ActionId;
use crate::format;
use crate::snapshot::Snapshot;
use crate::state::Page;
use crate::theme::{icons, palette, tokens};
use crate::widgets::{body, ghost, icon, icon_button, strong};

/// Most at once; older ones go.
const MAX_TOASTS: usize = 4;
/// How long good news stays, in seconds.
const GOOD_NEWS_SECS: f64 = 8.0;
/// News of one kind within this many seconds are one toast.
const DEBOUNCE_SECS: f64 = 20.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Good,
    Warning,
    Bad,
}

#[derive(Clone, Debug)]
struct Toast {
    kind: &'static str,
    tone: Tone,
    title: String,
    text: String,
    action: Option<(&'static str, Page)>,
    amount_microcredits: u64,
    count: u32,
    since: f64,
}

/// The notifications that are shown.
#[derive(Debug, Default)]
pub struct Toasts {
    shown: Vec<Toast>,
    last_event: Option<(u64, u64)>,
    last_outcome: Option<ActionId>,
}

impl Toasts {
    /// Takes what is new in a snapshot. `quiet` is an action whose end is shown elsewhere when it fails.
    pub(crate) fn take(&mut self, snapshot: &Snapshot, quiet: Option<ActionId>, now: f64) {
        for outcome in &snapshot.outcomes {
            if self.last_outcome.is_some_and(|last| outcome.id <= last) {
                continue;
            }
            self.last_outcome = Some(outcome.id);
            match &outcome.result {
                Ok(text) if text.is_empty() => {}
                Ok(text) => self.add(now, "done", Tone::Good, "Done", text, None, 0),
                Err(_) if quiet == Some(outcome.id) => {}
                Err(problem) => {
                    let text = format!("{} — {}", problem.message, problem.next_step);
                    self.add(now, "failed", Tone::Bad, "That did not work", &text, None, 0);
                }
            }
        }
        let Some(newest) = snapshot.events.back().map(|event| (event.time_unix_ms, event.sequence)) else { return };
        // What was there before the window was is no news.
        let seen = self.last_event.replace(newest).unwrap_or(newest);
        for event in snapshot.events.iter().rev().take_while(|event| (event.time_unix_ms, event.sequence) > seen) {
            self.event(&event.kind, now);
        }
    }

    fn event(&mut self, kind: &EventKind, now: f64) {
        match kind {
            EventKind::Slashed { amount_microcredits, failed_check, .. } => {
                let text = format!("failed check: {}", format::words(failed_check));
                let action = Some(("See the audit", Page::Proofs));
                self.add(now, "slashed", Tone::Bad, "Stake slashed", &text, action, *amount_microcredits);
            }
            EventKind::Reward { amount_microcredits, .. } => {
                let action = Some(("Earnings", Page::Earnings));
                self.add(now, "reward", Tone::Good, "Reward settled", "", action, *amount_microcredits);
            }
            EventKind::Mining { mining } if mining.state == MiningState::Attention => {
                let text = mining.attention.as_ref().map_or("", |problem| problem.message.as_str());
                self.add(now, "attention", Tone::Warning, "Mining needs you", text, Some(("Show", Page::Home)), 0);
            }
            EventKind::Notice { level, problem } if *level >= NoticeLevel::Warning => {
                let tone = if *level == NoticeLevel::Error { Tone::Bad } else { Tone::Warning };
                let action = Some(("Open the log", Page::Settings));
                self.add(now, "notice", tone, &problem.message, &problem.next_step, action, 0);
            }
            _ => {}
        }
    }

    fn add(
        &mut self,
        now: f64,
        kind: &'static str,
        tone: Tone,
        title: &str,
        text: &str,
        action: Option<(&'static str, Page)>,
        amount: u64,
    ) {
        let fresh =
            |toast: &&mut Toast| toast.kind == kind && toast.title == title && now - toast.since < DEBOUNCE_SECS;
        if let Some(same) = self.shown.iter_mut().find(fresh) {
            same.count += 1;
            same.amount_microcredits = same.amount_microcredits.saturating_add(amount);
            text.clone_into(&mut same.text);
            same.since = now;
            return;
        }
        let (title, text) = (title.to_owned(), text.to_owned());
        self.shown.push(Toast { kind, tone, title, text, action, amount_microcredits: amount, count: 1, since: now });
        if self.shown.len() > MAX_TOASTS {
            self.shown.remove(0);
        }
    }

    /// Draws them at the lower right; returns the page that one leads to.
    pub(crate) fn show(&mut self, ui: &Ui, now: f64) -> Option<Page> {
        self.shown.retain(|toast| toast.tone != Tone::Good || now - toast.since < GOOD_NEWS_SECS);
        if self.shown.is_empty() {
            return None;
        }
        if self.shown.iter().any(|toast| toast.tone == Tone::Good) {
            ui.ctx().request_repaint_after_secs(1.0);
        }
        let (mut close, mut open) = (None, None);
        Area::new(Id::unique("toasts")).order(Order::Foreground).anchor(Align2::RIGHT_BOTTOM, vec2(-20.0, -20.0)).show(
            ui.ctx(),
            |ui| {
                ui.set_width(340.0);
                for (index, toast) in self.shown.iter().enumerate() {
                    let (closed, opened) = toast.show(ui);
                    if closed || opened.is_some() {
                        close = Some(index);
                    }
                    open = open.or(opened);
                }
            },
        );
        close.map(|index| self.shown.remove(index));
        open
    }
}

impl Toast {
    fn show(&self, ui: &mut Ui) -> (bool, Option<Page>) {
        let colours = palette(ui);
        let (symbol, colour) = match self.tone {
            Tone::Good => (icons::CHECK_CIRCLE, colours.good),
            Tone::Warning => (icons::WARNING, colours.warn),
            Tone::Bad => (icons::WARNING_CIRCLE, colours.bad),
        };
        let frame = Frame::window(ui.style()).fill(colours.card).stroke(Stroke::new(1.0, colour.gamma_multiply(0.6)));
        let (mut closed, mut opened) = (false, None);
        frame.inner_margin(Margin::same(12)).corner_radius(tokens::RADIUS).show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.horizontal(|ui| {
                icon(ui, symbol, tokens::TYPE_ICON, colour);
                let title =
                    if self.count > 1 { format!("{} ({})", self.title, self.count) } else { self.title.clone() };
                ui.allocate_ui(vec2(ui.available_width() - 36.0, 20.0), |ui| strong(ui, title));
                ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                    closed = icon_button(ui, icons::X, "Dismiss notification").clicked();
                });
            });
            if self.amount_microcredits > 0 {
                body(ui, format::credits(self.amount_microcredits));
            }
            if !self.text.is_empty() {
                body(ui, &self.text);
            }
            if let Some((word, page)) = self.action
                && ghost(ui, word).clicked()
            {
                opened = Some(page);
            }
        });
        (closed, opened)
    }
}
