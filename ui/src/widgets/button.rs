//! Buttons.

use egui::{Button, Color32, FontFamily, FontId, Response, RichText, Role, Stroke, Ui, WidgetInfo, vec2};

use super::text::rich;
use crate::theme::{ICONS, MEDIUM, SEMIBOLD, palette, tokens};

/// The name is the word alone; the icon is a code point that no screen reader knows.
fn named(ui: &Ui, response: Response, name: &str) -> Response {
    let enabled = ui.is_enabled();
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, name));
    response
}

fn build(ui: &mut Ui, icon: Option<char>, text: &str, fill: Color32, line: Color32, colour: Color32) -> Response {
    let word = rich(text, tokens::TYPE_BODY, Some(SEMIBOLD), colour);
    let size = vec2(0.0, tokens::CONTROL_HEIGHT);
    let button = match icon {
        Some(icon) => {
            let icon = RichText::new(icon).font(FontId::new(16.0, FontFamily::Name(ICONS.into()))).color(colour);
            Button::new((icon, word))
        }
        None => Button::new(word),
    };
    let response = ui.add(button.fill(fill).stroke(Stroke::new(1.0, line)).min_size(size));
    named(ui, response, text)
}

/// The main action of a page.
pub fn primary(ui: &mut Ui, icon: impl Into<Option<char>>, text: &str) -> Response {
    let palette = palette(ui);
    build(ui, icon.into(), text, palette.accent, palette.accent, palette.on_accent)
}

/// Another action.
pub fn secondary(ui: &mut Ui, icon: impl Into<Option<char>>, text: &str) -> Response {
    let palette = palette(ui);
    build(ui, icon.into(), text, palette.hover, palette.line_strong, palette.text)
}

/// An action that deletes or loses something.
pub fn danger(ui: &mut Ui, icon: impl Into<Option<char>>, text: &str) -> Response {
    let palette = palette(ui);
    build(ui, icon.into(), text, tokens::tint(palette.bad), palette.bad, palette.bad)
}

/// An action without a frame.
pub fn ghost(ui: &mut Ui, text: &str) -> Response {
    let word = rich(text, tokens::TYPE_BODY, Some(MEDIUM), palette(ui).accent);
    ui.add(Button::new(word).frame(false))
}

/// A button of an icon alone; its name is shown on hover and told to screen readers.
pub fn icon_button(ui: &mut Ui, icon: char, name: &str) -> Response {
    let colour = palette(ui).muted;
    let icon = RichText::new(icon).font(FontId::new(tokens::TYPE_ICON, FontFamily::Name(ICONS.into()))).color(colour);
    let response = ui.add(Button::new(icon).frame_when_inactive(false).min_size(vec2(30.0, 30.0)));
    named(ui, response, name).on_hover_text(name)
}

/// Chooses one of a few.
pub fn tabs<T: Copy + PartialEq>(ui: &mut Ui, value: &mut T, all: &[(T, &str)]) -> bool {
    let palette = palette(ui);
    let mut changed = false;
    egui::Frame::new().fill(palette.inset).corner_radius(tokens::RADIUS_SMALL).inner_margin(3).show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            ui.spacing_mut().button_padding = vec2(10.0, 3.0);
            // In a row that is filled from the right the first must be added last.
            let backwards = ui.layout().prefer_right_to_left();
            let order = |index: usize| if backwards { all.len() - 1 - index } else { index };
            for (each, name) in (0..all.len()).map(|index| &all[order(index)]) {
                let on = *value == *each;
                let colour = if on { palette.text } else { palette.muted };
                let word = rich(*name, tokens::TYPE_SMALL, Some(MEDIUM), colour);
                let fill = if on { palette.hover } else { Color32::TRANSPARENT };
                let button =
                    Button::new(word).fill(fill).stroke(Stroke::NONE).corner_radius(6).min_size(vec2(0.0, 24.0));
                let response = ui.add(button);
                response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, on, name));
                if response.clicked() && !on {
                    *value = *each;
                    changed = true;
                }
            }
        });
    });
    changed
}
