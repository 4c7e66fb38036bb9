//! What stands where there is nothing to show: loading, empty, error.

use egui::{Align, Frame, Layout, Margin, Rect, Sense, Stroke, Ui, vec2};
use infernet_api::Problem;

use super::button::secondary;
use super::layout::{Slot, card};
use super::text::{body, heading, icon, icon_disc, mono, muted, rich, small};
use crate::actions::{Action, Actions};
use crate::snapshot::{Loadable, Part};
use crate::theme::{icons, palette, tokens};

/// A part that is on its way. Nothing moves: a window that waits costs no power.
pub fn loading(ui: &mut Ui, what: &str) {
    card(ui, &mut Slot::default(), |ui| {
        ui.horizontal(|ui| {
            let colour = palette(ui).muted;
            icon(ui, icons::HOURGLASS_MEDIUM, tokens::TYPE_ICON, colour);
            muted(ui, format!("Loading {what} …"));
        });
        for share in [0.92, 0.74, 0.83, 0.58] {
            let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 14.0), Sense::hover());
            let bar = Rect::from_min_size(rect.min, vec2(rect.width() * share, 12.0));
            ui.painter().rect_filled(bar, 6.0, palette(ui).inset);
        }
    });
}

/// Nothing there yet: why, and what to do. Says whether its button was pressed.
pub fn empty(ui: &mut Ui, symbol: char, name: &str, text: &str, action: Option<&str>) -> bool {
    let mut pressed = false;
    ui.vertical_centered(|ui| {
        ui.add_space(28.0);
        let palette = palette(ui);
        icon_disc(ui, 56.0, symbol, palette.inset, palette.muted);
        ui.add_space(4.0);
        heading(ui, name);
        ui.scope(|ui| {
            ui.set_max_width(ui.available_width().min(460.0));
            muted(ui, text);
        });
        if let Some(action) = action {
            ui.add_space(6.0);
            pressed = secondary(ui, None, action).clicked();
        }
        ui.add_space(28.0);
    });
    pressed
}

/// A problem, what to do about it, its code, and a button to try again. Says whether it was pressed.
pub fn problem_state(ui: &mut Ui, what: &str, problem: &Problem) -> bool {
    card(ui, &mut Slot::default(), |ui| {
        ui.vertical_centered(|ui| {
            ui.add_space(28.0);
            let palette = palette(ui);
            icon_disc(ui, 56.0, icons::WARNING_CIRCLE, tokens::tint(palette.bad), palette.bad);
            ui.add_space(4.0);
            heading(ui, &format!("Can't show {what}"));
            body(ui, sentence(&problem.message));
            muted(ui, sentence(&problem.next_step));
            mono(ui, format!("code {}", problem.code));
            ui.add_space(6.0);
            let pressed = secondary(ui, icons::ARROW_CLOCKWISE, "Try again").clicked();
            ui.add_space(28.0);
            pressed
        })
        .inner
    })
}

/// A problem beside something else.
pub fn problem_box(ui: &mut Ui, problem: &Problem) {
    let colour = palette(ui).bad;
    let frame = Frame::new().fill(tokens::tint(colour)).stroke(Stroke::new(1.0, colour.gamma_multiply(0.5)));
    frame.corner_radius(tokens::RADIUS_SMALL).inner_margin(Margin::same(12)).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.with_layout(Layout::left_to_right(Align::Min), |ui| {
            icon(ui, icons::WARNING_CIRCLE, tokens::TYPE_ICON, colour);
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 2.0;
                body(ui, sentence(&problem.message));
                let next = rich(sentence(&problem.next_step), tokens::TYPE_SMALL, None, palette(ui).muted);
                ui.add(egui::Label::new(next).wrap());
                small(ui, format!("code {}", problem.code));
            });
        });
    });
}

/// What came, or else a drawing of why not.
pub fn loadable<'a, T>(
    ui: &mut Ui,
    value: &'a Loadable<T>,
    what: &str,
    part: Part,
    actions: &mut Actions,
) -> Option<&'a T> {
    match value {
        Loadable::Ready(value) => return Some(value),
        Loadable::Loading => loading(ui, what),
        Loadable::Failed(problem) => {
            if problem_state(ui, what, problem) {
                actions.push(Action::Reload(part));
            }
        }
    }
    None
}

/// Errors are written without capital and full stop, so that they fit into others.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let Some(first) = characters.next() else { return String::new() };
    let mut line: String = first.to_uppercase().chain(characters).collect();
    if !line.ends_with(['.', '!', '?']) {
        line.push('.');
    }
    line
}
