//! The identity's words: shown once more than anything else, so that they end on paper, and nowhere else.
//!
//! They come from this computer's disk and never over the node's API; they are in the snapshot only while this is open.

use std::fmt;
use std::sync::Arc;

use egui::{Align, Grid, Id, Layout, Modal, Ui, vec2};
use zeroize::Zeroizing;

use crate::actions::{Action, ActionId, Actions};
use crate::snapshot::{Loadable, Snapshot};
use crate::state::UiState;
use crate::theme::{palette, tokens};
use crate::widgets::{body, digits, heading, muted, primary, problem_box, secondary, small, text_field};

/// Words that are asked for, so that none is written wrongly.
const QUESTIONS: usize = 2;
/// Words beside each other.
const COLUMNS: usize = 4;

/// The words that bring an identity back. Wiped from memory with the last copy, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Words(Arc<Zeroizing<Vec<String>>>);

impl Words {
    /// In their order.
    pub fn new(words: impl IntoIterator<Item = String>) -> Self {
        Self(Arc::new(Zeroizing::new(words.into_iter().collect())))
    }

    fn is(&self, at: usize, typed: &str) -> bool {
        self.0.get(at).is_some_and(|word| *word == typed.trim().to_lowercase())
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Words({})", self.0.len())
    }
}

/// How far the writing down is.
#[derive(Clone, Debug, Default)]
pub struct BackupState {
    /// 64 random bits that say which words are asked for.
    random: u64,
    asks: bool,
    typed: [Zeroizing<String>; QUESTIONS],
    wrong: Option<usize>,
    sent: Option<ActionId>,
}

impl BackupState {
    /// From 64 random bits.
    #[must_use]
    pub fn new(random: u64) -> Self {
        Self { random, ..Self::default() }
    }

    /// Which words are asked for, all different.
    fn asked(&self, count: usize) -> [usize; QUESTIONS] {
        let count = count.max(QUESTIONS);
        let first = (self.random % count as u64) as usize;
        let step = 1 + ((self.random >> 32) % (count as u64 - 1)) as usize;
        [first, (first + step) % count]
    }
}

/// Opens it, and asks for the words.
pub(crate) fn open(state: &mut UiState, actions: &mut Actions) {
    let random = state.request_ids.next_id().0;
    let mut half = [0; 8];
    half.copy_from_slice(&random[..8]);
    state.backup = Some(BackupState::new(u64::from_le_bytes(half)));
    actions.push(Action::ShowWords);
}

/// Draws it while it is open.
pub(crate) fn show(ui: &Ui, state: &mut UiState, snapshot: &Snapshot, actions: &mut Actions) {
    let Some(open) = &mut state.backup else { return };
    let outcome = open.sent.and_then(|id| snapshot.outcome(id));
    let pending = open.sent.is_some() && outcome.is_none();
    let mut close = outcome.is_some_and(Result::is_ok);
    let colours = palette(ui);
    let modal = Modal::new(Id::unique("backup")).backdrop_color(colours.scrim).frame(egui::Frame::window(ui.style()));
    let shown = modal.show(ui.ctx(), |ui| {
        ui.set_width(560.0_f32.min(ui.ctx().content_rect().width() - 80.0));
        heading(ui, "The 24 words of your account");
        match &snapshot.words {
            None | Some(Loadable::Loading) => drop(muted(ui, "Opening the identity …")),
            Some(Loadable::Failed(problem)) => problem_box(ui, problem),
            Some(Loadable::Ready(words)) if open.asks => questions(ui, open, words),
            Some(Loadable::Ready(words)) => table(ui, words),
        }
        if let Some(Err(problem)) = outcome {
            problem_box(ui, problem);
        }
        ui.add_space(tokens::GAP_SMALL);
        let width = ui.available_width();
        ui.allocate_ui_with_layout(vec2(width, 36.0), Layout::right_to_left(Align::Center), |ui| {
            if let Some(Loadable::Ready(words)) = &snapshot.words {
                let word = if open.asks { "They are on paper" } else { "I wrote them down" };
                let pressed = ui.add_enabled_ui(!pending, |ui| primary(ui, None, word)).inner.clicked();
                if pressed && open.asks {
                    check(open, words, actions);
                } else if pressed {
                    open.asks = true;
                }
            }
            if open.asks && secondary(ui, None, "Show them again").clicked() {
                (open.asks, open.wrong) = (false, None);
            }
            close |= secondary(ui, None, "Not now").clicked();
        });
    });
    if close || shown.should_close() {
        state.backup = None;
        actions.push(Action::HideWords);
    }
}

fn table(ui: &mut Ui, words: &Words) {
    body(
        ui,
        "Write them on paper, in order. Whoever has them has this account and its money; without them nobody, also not we, can bring it back when this computer is lost.",
    );
    let rows = words.0.len().div_ceil(COLUMNS);
    ui.add_space(tokens::GAP_SMALL);
    Grid::new("words").num_columns(2 * COLUMNS).spacing(vec2(10.0, 8.0)).show(ui, |ui| {
        for row in 0..rows {
            // Down the columns, as on paper.
            for at in (0..COLUMNS).map(|column| row + rows * column).filter(|at| *at < words.0.len()) {
                small(ui, format!("{}", at + 1));
                ui.scope(|ui| {
                    ui.set_min_width(92.0);
                    digits(ui, words.0[at].as_str());
                });
            }
            ui.end_row();
        }
    });
    ui.add_space(tokens::GAP_SMALL);
    muted(ui, "No photo and no file: what is copied can be stolen.");
}

fn questions(ui: &mut Ui, open: &mut BackupState, words: &Words) {
    body(ui, "To be sure that the paper is right, type these two words from it.");
    let asked = open.asked(words.0.len());
    for (typed, at) in open.typed.iter_mut().zip(asked) {
        text_field(ui, &format!("Word {}", at + 1), "", typed);
    }
    if let Some(at) = open.wrong {
        let colour = palette(ui).bad;
        let text = format!("Word {} is another one. Look at your paper, or see the words again.", at + 1);
        ui.add(egui::Label::new(crate::widgets::rich(text, tokens::TYPE_BODY, None, colour)).wrap());
    }
}

fn check(open: &mut BackupState, words: &Words, actions: &mut Actions) {
    let asked = open.asked(words.0.len());
    open.wrong = asked.into_iter().zip(&open.typed).find(|(at, typed)| !words.is(*at, typed)).map(|(at, _)| at);
    if open.wrong.is_none() {
        open.sent = Some(actions.push(Action::WordsWritten));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_different_words_are_asked_for() {
        for random in [0, 1, u64::MAX, 0x1234_5678_9abc_def0, 23 << 32, 22 << 32 | 23] {
            let [first, second] = BackupState::new(random).asked(24);
            assert!(first < 24 && second < 24 && first != second, "{random}");
        }
    }

    #[test]
    fn words_are_not_printed() {
        let words = Words::new(["secret".to_owned()]);
        assert_eq!(format!("{words:?}"), "Words(1)");
        assert!(words.is(0, " Secret ") && !words.is(0, "other") && !words.is(1, "secret"));
    }
}
