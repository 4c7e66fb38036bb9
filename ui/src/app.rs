//! The whole window: rail, page, and what floats above.

use egui::{CentralPanel, Frame, Key, Margin, Modifiers, Panel, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};
use infernet_api::types::status::{MiningState, ReachabilityState};

use crate::actions::{Action, Actions};
use crate::format;
use crate::pages;
use crate::palette::{self, PaletteState};
use crate::snapshot::{Connection, Snapshot};
use crate::state::{Page, UiState};
use crate::theme::{self, MEDIUM, SEMIBOLD, icons, tokens};
use crate::widgets::{icon, icon_tile, rich, secondary, small};
use crate::{backup, dialog, wizard};

impl Page {
    /// Its icon.
    #[must_use]
    pub fn icon(self) -> char {
        match self {
            Self::Home => icons::HOUSE,
            Self::Studio => icons::FILM_STRIP,
            Self::Hardware => icons::GRAPHICS_CARD,
            Self::Proofs => icons::SHIELD_CHECK,
            Self::Earnings => icons::COINS,
            Self::Network => icons::GRAPH,
            Self::Economics => icons::CHART_LINE_UP,
            Self::Models => icons::CUBE,
            Self::Settings => icons::GEAR,
        }
    }
}

/// Draws the window. Reads the snapshot, writes commands down, does nothing else.
pub fn dashboard_ui(ui: &mut Ui, snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    shortcuts(ui, state);
    let colours = theme::palette(ui);
    let narrow = ui.available_width() < tokens::NARROW_BELOW;
    let width = if narrow { tokens::RAIL_NARROW } else { tokens::RAIL_WIDTH };
    let rail_frame = Frame::new().fill(colours.rail).inner_margin(Margin::symmetric(12, 16));
    Panel::left("rail")
        .resizable(false)
        .exact_size(width)
        .frame(rail_frame)
        .show(ui, |ui| rail(ui, snapshot, state, narrow));
    let padding = if narrow { 16 } else { tokens::PAGE_PADDING };
    let page_frame = Frame::new().fill(colours.background).inner_margin(Margin { bottom: 0, ..Margin::same(padding) });
    CentralPanel::default().frame(page_frame).show(ui, |ui| {
        banner(ui, snapshot, actions);
        page_ui(ui, snapshot, state, actions);
    });
    let now = ui.input(|input| input.time);
    let quiet = state.dialog.as_ref().and_then(dialog::Dialog::sent);
    state.toasts.take(snapshot, quiet, now);
    wizard::show(ui, state, snapshot, actions);
    backup::show(ui, state, snapshot, actions);
    dialog::show(ui, &mut state.dialog, snapshot, actions);
    palette::show(ui, state, snapshot, actions);
    if let Some(page) = state.toasts.show(ui, now) {
        state.page = page;
    }
}

/// Draws the chosen page.
pub fn page_ui(ui: &mut Ui, snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    match state.page {
        Page::Home => pages::home(ui, snapshot, state, actions),
        Page::Studio => pages::studio(ui, snapshot, state, actions),
        Page::Hardware => pages::hardware(ui, snapshot, state, actions),
        Page::Proofs => pages::proofs(ui, snapshot, state, actions),
        Page::Earnings => pages::earnings(ui, snapshot, state, actions),
        Page::Network => pages::network(ui, snapshot, state, actions),
        Page::Economics => pages::economics(ui, state),
        Page::Models => pages::models(ui, snapshot, state, actions),
        Page::Settings => pages::settings(ui, snapshot, state, actions),
    }
}

fn shortcuts(ui: &Ui, state: &mut UiState) {
    const KEYS: [Key; 9] =
        [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8, Key::Num9];
    if ui.input_mut(|input| input.consume_key(Modifiers::COMMAND, Key::K)) {
        state.palette = if state.palette.is_some() { None } else { Some(PaletteState::default()) };
    }
    let zoom = ui.input_mut(|input| {
        let larger =
            input.consume_key(Modifiers::COMMAND, Key::Plus) || input.consume_key(Modifiers::COMMAND, Key::Equals);
        let smaller = input.consume_key(Modifiers::COMMAND, Key::Minus);
        f32::from(i8::from(larger) - i8::from(smaller))
    });
    state.zoom.change(zoom * 0.25);
    if ui.ctx().egui_wants_keyboard_input()
        || state.palette.is_some()
        || state.dialog.is_some()
        || state.wizard.is_some()
        || state.backup.is_some()
    {
        return;
    }
    for (key, page) in KEYS.into_iter().zip(Page::ALL) {
        if ui.input_mut(|input| input.consume_key(Modifiers::NONE, key)) {
            state.page = page;
        }
    }
}

fn rail(ui: &mut Ui, snapshot: &Snapshot, state: &mut UiState, narrow: bool) {
    let colours = theme::palette(ui);
    ui.spacing_mut().item_spacing.y = 3.0;
    ui.horizontal(|ui| {
        icon_tile(ui, 38.0, icons::FIRE, colours.accent, colours.on_accent);
        if !narrow {
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                ui.label(rich("InferNet", 17.0, Some(SEMIBOLD), colours.text));
                let name = snapshot.status.ready().map(|status| status.network.name.as_str()).unwrap_or_default();
                small(ui, if name.is_empty() { "verified video" } else { name });
            });
        }
    });
    ui.add_space(tokens::GAP);
    for page in Page::ALL {
        if entry(ui, page, state.page == page, narrow) {
            state.page = page;
        }
    }
    ui.with_layout(egui::Layout::bottom_up(egui::Align::Min), |ui| {
        node_card(ui, snapshot, narrow);
        if !narrow && ui.available_height() > 60.0 {
            ui.add_space(tokens::GAP_SMALL);
            if secondary(ui, icons::MAGNIFYING_GLASS, "Search  Ctrl K").clicked() {
                state.palette = Some(PaletteState::default());
            }
        }
    });
}

fn entry(ui: &mut Ui, page: Page, on: bool, narrow: bool) -> bool {
    let colours = theme::palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 36.0), Sense::click());
    if on {
        ui.painter().rect_filled(rect, f32::from(tokens::RADIUS_SMALL), tokens::tint(colours.accent));
        let mark = Rect::from_min_size(pos2(rect.left(), rect.top() + 9.0), vec2(3.0, rect.height() - 18.0));
        ui.painter().rect_filled(mark, 1.5, colours.accent);
    } else if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, f32::from(tokens::RADIUS_SMALL), colours.hover);
    }
    response.widget_info(|| WidgetInfo::selected(Role::Tab, true, on, page.name()));
    let layout = egui::Layout::left_to_right(egui::Align::Center);
    let inner = rect.shrink2(vec2(if narrow { 10.0 } else { 12.0 }, 0.0));
    let mut child = ui.new_child(egui::UiBuilder::new().max_rect(inner).layout(layout));
    child.spacing_mut().item_spacing.x = 12.0;
    icon(&mut child, page.icon(), 20.0, if on { colours.accent } else { colours.muted });
    if narrow {
        return response.on_hover_text(page.name()).clicked();
    }
    let colour = if on { colours.text } else { colours.muted };
    child.add(egui::Label::new(rich(page.name(), tokens::TYPE_BODY, Some(MEDIUM), colour)).truncate());
    response.clicked()
}

/// Whether the node answers, at the foot of the rail.
fn node_card(ui: &mut Ui, snapshot: &Snapshot, narrow: bool) {
    let colours = theme::palette(ui);
    let (colour, word) = match &snapshot.connection {
        Connection::Connecting => (colours.warn, "Connecting"),
        Connection::Connected => (colours.good, "Node online"),
        Connection::Lost(_) => (colours.bad, "Node offline"),
    };
    if narrow {
        let (rect, response) = ui.allocate_exact_size(vec2(40.0, 24.0), Sense::hover());
        ui.painter().circle_filled(rect.center(), 5.0, colour);
        response.on_hover_text(word);
        return;
    }
    let frame = Frame::new().fill(colours.card).stroke(egui::Stroke::new(1.0, colours.line));
    frame.corner_radius(tokens::RADIUS).inner_margin(Margin::same(12)).show(ui, |ui| {
        let room = vec2(ui.available_width(), 56.0);
        ui.allocate_ui_with_layout(room, egui::Layout::top_down(egui::Align::Min), |ui| {
            ui.set_min_size(room);
            ui.spacing_mut().item_spacing.y = 3.0;
            ui.horizontal(|ui| {
                let (rect, _) = ui.allocate_exact_size(vec2(10.0, 14.0), Sense::hover());
                ui.painter().circle_filled(rect.center(), 5.0, colour);
                ui.label(rich(word, tokens::TYPE_BODY, Some(SEMIBOLD), colours.text));
            });
            match (&snapshot.connection, snapshot.status.ready()) {
                (Connection::Connected, Some(status)) => {
                    let peers = format::count(u64::from(status.peers_connected), "peer", "peers");
                    let link = reach_word(status.reachability.state);
                    small(ui, format!("{peers} · {link}"));
                    small(ui, format!("up {}", format::duration(status.uptime_secs as f64)));
                }
                _ => drop(small(ui, snapshot.node_url.as_str())),
            }
        });
    });
}

/// The word for how others reach the node.
pub(crate) fn reach_word(state: ReachabilityState) -> &'static str {
    match state {
        ReachabilityState::Unknown => "reach not tested",
        ReachabilityState::Direct => "direct",
        ReachabilityState::Relayed => "relayed",
        ReachabilityState::Unreachable => "unreachable",
    }
}

/// What is said above every page while the node does not answer.
fn banner(ui: &mut Ui, snapshot: &Snapshot, actions: &mut Actions) {
    let Connection::Lost(problem) = &snapshot.connection else { return };
    let colours = theme::palette(ui);
    let frame =
        Frame::new().fill(tokens::tint(colours.bad)).stroke(egui::Stroke::new(1.0, colours.bad.gamma_multiply(0.5)));
    frame.corner_radius(tokens::RADIUS).inner_margin(Margin::symmetric(16, 10)).show(ui, |ui| {
        crate::widgets::split_row(
            ui,
            34.0,
            |ui| {
                icon(ui, icons::PLUGS, tokens::TYPE_ICON, colours.bad);
                let text = format!("The node does not answer: {}. Trying again by itself.", problem.message);
                ui.add(egui::Label::new(rich(&text, tokens::TYPE_BODY, None, colours.text)).truncate())
                    .on_hover_text(&problem.next_step);
            },
            |ui| {
                if snapshot.can_restart && secondary(ui, icons::ARROW_CLOCKWISE, "Restart the node").clicked() {
                    actions.push(Action::RestartNode);
                }
            },
        );
    });
    ui.add_space(tokens::GAP_SMALL);
}

/// The word and colour for what mining is doing.
pub(crate) fn mining_word(ui: &Ui, state: MiningState) -> (&'static str, egui::Color32) {
    let colours = theme::palette(ui);
    match state {
        MiningState::Off => ("Off", colours.muted),
        MiningState::Starting => ("Starting", colours.blue),
        MiningState::Waiting => ("Ready, waiting for a job", colours.good),
        MiningState::Working => ("Mining", colours.good),
        MiningState::Paused => ("Paused", colours.warn),
        MiningState::Attention => ("Needs you", colours.bad),
    }
}
