//! Fields to fill in, each with its name above it.

use std::ops::RangeInclusive;

use egui::{ComboBox, DragValue, Response, Slider, TextEdit, Ui, vec2};

use super::text::{medium, rich, small};
use crate::format;
use crate::theme::{palette, tokens};

/// A name above an input, which has it as its name for screen readers.
pub fn field<R>(ui: &mut Ui, name: &str, add: impl FnOnce(&mut Ui) -> R) -> R {
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = tokens::GAP_TINY;
        let label = small(ui, name);
        ui.label_inputs_by(label.id, add)
    })
    .inner
}

fn edit(ui: &mut Ui, name: &str, edit: TextEdit<'_>) -> Response {
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = tokens::GAP_TINY;
        let label = small(ui, name);
        let width = ui.available_width();
        // The hint is no name: it goes when something is typed.
        ui.add(edit.desired_width(width)).labelled_by(label.id)
    })
    .inner
}

/// One line of text.
pub fn text_field(ui: &mut Ui, name: &str, hint: &str, text: &mut String) -> Response {
    edit(ui, name, TextEdit::singleline(text).hint_text(hint.to_owned()).margin(vec2(10.0, 7.0)))
}

/// Several lines of text.
pub fn text_area(ui: &mut Ui, name: &str, hint: &str, rows: usize, text: &mut String) -> Response {
    let area = TextEdit::multiline(text).hint_text(hint.to_owned()).desired_rows(rows);
    edit(ui, name, area.margin(vec2(10.0, 8.0)))
}

/// A whole number with its unit.
pub fn number(ui: &mut Ui, name: &str, value: &mut u32, range: RangeInclusive<u32>, unit: &str) -> Response {
    field(ui, name, |ui| {
        let width = ui.available_width().min(180.0);
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        ui.add_sized(vec2(width, 30.0), DragValue::new(value).range(range).suffix(unit))
    })
}

/// A number that is dragged, its name and value above.
pub fn slider(
    ui: &mut Ui,
    name: &str,
    value: &mut f64,
    range: RangeInclusive<f64>,
    step: f64,
    logarithmic: bool,
    show: impl Fn(f64) -> String,
) -> Response {
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        let shown = show(*value);
        super::split_row(
            ui,
            18.0,
            |ui| drop(small(ui, name)),
            |ui| {
                let text = rich(shown, tokens::TYPE_SMALL, Some(crate::theme::MEDIUM), palette(ui).text);
                ui.add(egui::Label::new(text).extend());
            },
        );
        ui.spacing_mut().slider_width = ui.available_width();
        ui.name_inputs(name, |ui| {
            ui.add(Slider::new(value, range).show_value(false).step_by(step).logarithmic(logarithmic))
        })
    })
    .inner
}

/// On or off, with a word about what it does.
pub fn toggle(ui: &mut Ui, value: &mut bool, name: &str, hint: &str) -> bool {
    let mut changed = false;
    ui.horizontal_top(|ui| {
        let response = ui.name_inputs(name, |ui| ui.checkbox(value, ()));
        response.widget_info(|| egui::WidgetInfo::selected(egui::Role::CheckBox, true, *value, name));
        changed = response.changed();
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 1.0;
            // Beside the middle of the box.
            ui.add_space(5.0);
            let colour = palette(ui).text;
            medium(ui, name, colour);
            if !hint.is_empty() {
                let text = rich(hint, tokens::TYPE_SMALL, None, palette(ui).muted);
                ui.add(egui::Label::new(text).wrap());
            }
        });
    });
    changed
}

/// One of several.
pub fn choice<T: Clone + PartialEq>(ui: &mut Ui, name: &str, value: &mut T, all: &[(T, String)]) -> bool {
    let shown = all.iter().find(|(each, _)| each == value).map_or("-", |(_, name)| name.as_str()).to_owned();
    let mut changed = false;
    field(ui, name, |ui| {
        let width = ui.available_width().min(320.0);
        ComboBox::from_id_salt(name).width(width).selected_text(shown).truncate().show_ui(ui, |ui| {
            for (each, name) in all {
                changed |= ui.selectable_value(value, each.clone(), name).clicked();
            }
        });
    });
    changed
}

/// An amount in credits; nothing where the text is none, which is said below it.
pub fn amount_field(ui: &mut Ui, name: &str, text: &mut String) -> Option<u64> {
    text_field(ui, name, "0.00", text);
    let amount = format::parse_credits(text).filter(|amount| *amount > 0);
    if amount.is_none() && !text.trim().is_empty() {
        let words = "not an amount: expected credits such as 12.5, above 0, at most six digits after the point";
        ui.add(egui::Label::new(rich(words, tokens::TYPE_SMALL, None, palette(ui).bad)).wrap());
    }
    amount
}
