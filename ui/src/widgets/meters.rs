//! Small things with a number: pills, bars, stats.

use egui::epaint::RectShape;
use egui::{
    Align, Color32, FontFamily, FontId, Layout, Rect, Response, Role, Sense, Shape, Ui, Vec2, WidgetInfo, pos2, vec2,
};

use super::charts::sparkline;
use super::layout::{Slot, card, split_row};
use super::text::{icon_tile, number_text, number_width, rich, small, strong};
use crate::theme::{MEDIUM, palette, tokens};

/// A stat's line.
const SPARK: Vec2 = vec2(72.0, 30.0);

/// One line of a size, in a place that is exactly as large as it needs, so that rows wrap between and never inside.
fn tag(ui: &mut Ui, text: &str, family: FontFamily, colour: Color32, left: f32, padding: Vec2) -> (Rect, Response) {
    let galley = ui.painter().layout_no_wrap(text.to_owned(), FontId::new(tokens::TYPE_SMALL, family), colour);
    let size = galley.size() + 2.0 * padding + vec2(left, 0.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, text));
    let at = ui.painter().add(Shape::Noop);
    ui.painter().galley(rect.min + padding + vec2(left, 0.0), galley, colour);
    if left == 0.0 {
        ui.painter().set(at, RectShape::filled(rect, rect.height() / 2.0, tokens::tint(colour)));
    }
    (rect, response)
}

/// A word in a coloured pill.
pub fn pill(ui: &mut Ui, text: &str, colour: Color32) -> Response {
    tag(ui, text, FontFamily::Name(MEDIUM.into()), colour, 0.0, vec2(9.0, 4.0)).1
}

/// A bar; `share` is 0 to 1.
pub fn progress(ui: &mut Ui, share: f64, colour: Color32, name: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 8.0), Sense::hover());
    let share = if share.is_finite() { share.clamp(0.0, 1.0) as f32 } else { 0.0 };
    let painter = ui.painter();
    painter.rect_filled(rect, 4.0, palette(ui).line);
    if share > 0.0 {
        let width = (rect.width() * share).max(8.0).min(rect.width());
        painter.rect_filled(Rect::from_min_size(rect.min, vec2(width, rect.height())), 4.0, colour);
    }
    response.widget_info(|| {
        let mut info = WidgetInfo::labeled(Role::ProgressIndicator, true, name);
        info.value = Some(f64::from(share) * 100.0);
        info
    });
    response
}

/// A bar of several parts of a whole, such as memory that is ours, that of others, and free.
pub fn usage_bar(ui: &mut Ui, total: u64, parts: &[(u64, Color32)], name: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 10.0), Sense::hover());
    let painter = ui.painter();
    painter.rect_filled(rect, 5.0, palette(ui).line);
    let mut x = rect.left();
    for (amount, colour) in parts {
        let width = if total == 0 { 0.0 } else { rect.width() * (*amount as f32 / total as f32) };
        let end = (x + width).min(rect.right());
        if end - x >= 1.0 {
            painter.rect_filled(Rect::from_min_max(pos2(x, rect.top()), pos2(end, rect.bottom())), 5.0, *colour);
            x = end + 2.0;
        }
    }
    response.widget_info(|| WidgetInfo::labeled(Role::Meter, true, name));
    response
}

/// What a colour means.
pub fn legend(ui: &mut Ui, colour: Color32, text: &str) {
    let words = palette(ui).muted;
    let (rect, _) = tag(ui, text, FontFamily::Proportional, words, 14.0, vec2(0.0, 1.0));
    ui.painter().circle_filled(pos2(rect.left() + 4.0, rect.center().y), 4.0, colour);
}

/// A name at the left and its value at the right.
pub fn fact(ui: &mut Ui, name: &str, value: impl Into<String>) {
    split_row(
        ui,
        20.0,
        |ui| drop(small(ui, name)),
        |ui| {
            let text = rich(value, tokens::TYPE_BODY, Some(MEDIUM), palette(ui).text);
            ui.add(egui::Label::new(text).truncate());
        },
    );
}

/// A card with one number: icon, name, number, a pill, and how it went.
pub fn stat(
    ui: &mut Ui,
    slot: &mut Slot,
    (symbol, colour): (char, Color32),
    name: &str,
    value: &str,
    note: Option<(&str, Color32)>,
    line: Option<&[f64]>,
) {
    card(ui, slot, |ui| {
        split_row(
            ui,
            30.0,
            |ui| {
                icon_tile(ui, 30.0, symbol, tokens::tint(colour), colour);
                small(ui, name);
            },
            |ui| {
                if let Some((text, colour)) = note {
                    pill(ui, text, colour);
                }
            },
        );
        ui.add_space(2.0);
        let width = ui.available_width();
        ui.allocate_ui_with_layout(vec2(width, 34.0), Layout::right_to_left(Align::Center), |ui| {
            let large = number_width(ui, value);
            // The number comes first: a line beside it only where both have room.
            if let Some(values) = line.filter(|_| large + SPARK.x + tokens::GAP < width) {
                sparkline(ui, SPARK, values, colour);
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                if large > width { drop(strong(ui, value)) } else { drop(number_text(ui, value)) }
            });
        });
    });
}
