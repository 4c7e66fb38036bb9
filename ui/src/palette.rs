//! The command palette: every page and every harmless action, by typing a part of its name.

use egui::{Id, Key, Modal, ScrollArea, TextEdit, Ui, vec2};

use crate::actions::{Action, Actions};
use crate::snapshot::Snapshot;
use crate::state::{Page, UiState};
use crate::theme::{Appearance, icons, palette, tokens};
use crate::widgets::{icon, medium, muted, small};

/// What is typed, and which line is chosen.
#[derive(Clone, Debug, Default)]
pub struct PaletteState {
    query: String,
    chosen: usize,
}

#[derive(Clone, Debug, PartialEq)]
enum Command {
    Go(Page),
    Do(Box<Action>),
    Look(Appearance),
    Wizard,
    Larger(f32),
}

/// Whether all words of the query are in the name.
fn matches(name: &str, query: &str) -> bool {
    let name = name.to_lowercase();
    query.to_lowercase().split_whitespace().all(|word| name.contains(word))
}

fn commands(snapshot: &Snapshot) -> Vec<(char, String, &'static str, Command)> {
    let mut all: Vec<(char, String, &'static str, Command)> = Page::ALL
        .iter()
        .zip(["1", "2", "3", "4", "5", "6", "7", "8", "9"])
        .map(|(page, key)| (page.icon(), format!("Go to {}", page.name()), key, Command::Go(*page)))
        .collect();
    let mut add = |symbol, name: &str, key, command| all.push((symbol, name.to_owned(), key, command));
    add(icons::PLAY, "Start mining", "", Command::Do(Action::StartMining.into()));
    add(icons::PAUSE, "Pause mining", "", Command::Do(Action::PauseMining { for_secs: None }.into()));
    add(icons::PAUSE, "Pause mining for an hour", "", Command::Do(Action::PauseMining { for_secs: Some(3600) }.into()));
    add(icons::ARROWS_CLOCKWISE, "Look for devices again", "", Command::Do(Action::RescanDevices.into()));
    add(icons::LIST_CHECKS, "Check this computer", "", Command::Do(Action::RunDoctor.into()));
    add(icons::SPARKLE, "Open the first-run steps", "", Command::Wizard);
    add(icons::EYE, "Dark colours", "", Command::Look(Appearance::Dark));
    add(icons::EYE, "Light colours", "", Command::Look(Appearance::Light));
    add(icons::MAGNIFYING_GLASS, "Make everything larger", "Ctrl +", Command::Larger(0.25));
    add(icons::MAGNIFYING_GLASS, "Make everything smaller", "Ctrl −", Command::Larger(-0.25));
    if snapshot.can_restart {
        add(icons::ARROW_CLOCKWISE, "Restart the node", "", Command::Do(Action::RestartNode.into()));
    }
    all
}

/// Draws the palette while it is open.
pub(crate) fn show(ui: &Ui, state: &mut UiState, snapshot: &Snapshot, actions: &mut Actions) {
    let Some(open) = &mut state.palette else { return };
    let found: Vec<_> = commands(snapshot).into_iter().filter(|(_, name, _, _)| matches(name, &open.query)).collect();
    let (up, down, enter) = ui.input(|input| {
        (input.key_pressed(Key::ArrowUp), input.key_pressed(Key::ArrowDown), input.key_pressed(Key::Enter))
    });
    open.chosen = if down { open.chosen + 1 } else { open.chosen.saturating_sub(usize::from(up)) };
    open.chosen = open.chosen.min(found.len().saturating_sub(1));
    let mut run = enter.then(|| found.get(open.chosen).map(|(_, _, _, command)| command.clone())).flatten();
    let colours = palette(ui);
    let modal = Modal::new(Id::unique("command palette")).backdrop_color(colours.scrim);
    let shown = modal.frame(egui::Frame::window(ui.style()).inner_margin(12)).show(ui.ctx(), |ui| {
        let screen = ui.ctx().content_rect();
        ui.set_width(520.0_f32.min(screen.width() - 60.0));
        let width = ui.available_width();
        let edit = TextEdit::singleline(&mut open.query).hint_text("Type a command or a page").desired_width(width);
        let response = ui.name_inputs("Command", |ui| ui.add(edit.margin(vec2(12.0, 10.0))));
        ui.ctx().accesskit_node_builder(response.id, |node| node.set_label("Command"));
        response.request_focus();
        if response.changed() {
            open.chosen = 0;
        }
        ui.add_space(tokens::GAP_TINY);
        if found.is_empty() {
            muted(ui, "No command has these words.");
        }
        ScrollArea::vertical().max_height((screen.height() - 220.0).clamp(120.0, 360.0)).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 1.0;
            for (index, (symbol, name, key, command)) in found.iter().enumerate() {
                if line(ui, *symbol, name, key, index == open.chosen, down || up) {
                    run = Some(command.clone());
                }
            }
        });
    });
    let close = run.is_some() || shown.should_close();
    match run {
        Some(Command::Go(page)) => state.page = page,
        Some(Command::Do(action)) => {
            actions.push(*action);
        }
        Some(Command::Look(appearance)) => state.appearance = appearance,
        Some(Command::Wizard) => state.wizard = Some(crate::wizard::WizardState::default()),
        Some(Command::Larger(by)) => state.zoom.change(by),
        None => {}
    }
    if close {
        state.palette = None;
    }
}

fn line(ui: &mut Ui, symbol: char, name: &str, key: &str, chosen: bool, moved: bool) -> bool {
    let colours = palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 36.0), egui::Sense::click());
    if chosen || response.hovered() {
        ui.painter().rect_filled(rect, f32::from(tokens::RADIUS_SMALL), colours.hover);
    }
    if chosen && moved {
        response.scroll_to_me(None);
    }
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, name));
    let layout = egui::Layout::left_to_right(egui::Align::Center);
    let mut child = ui.new_child(egui::UiBuilder::new().max_rect(rect.shrink2(vec2(10.0, 0.0))).layout(layout));
    icon(&mut child, symbol, tokens::TYPE_ICON, if chosen { colours.accent } else { colours.muted });
    medium(&mut child, name, colours.text);
    child.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| small(ui, key));
    response.clicked()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_must_be_there() {
        assert!(matches("Pause mining for an hour", "hour pau"));
        assert!(!matches("Pause mining for an hour", "start"));
        assert!(matches("anything", ""));
    }
}
