//! Text in the sizes of the scale.

use egui::{Align2, Color32, FontFamily, FontId, Label, Response, RichText, Sense, Ui, vec2};

use crate::theme::{ICONS, MEDIUM, SEMIBOLD, palette, tokens};

fn family(name: &'static str) -> FontFamily {
    FontFamily::Name(name.into())
}

/// Text of a size, family and colour.
#[must_use]
pub fn rich(text: impl Into<String>, size: f32, name: Option<&'static str>, colour: Color32) -> RichText {
    let family = name.map_or(FontFamily::Proportional, family);
    RichText::new(text).font(FontId::new(size, family)).color(colour)
}

fn line(ui: &mut Ui, text: RichText) -> Response {
    ui.add(Label::new(text).truncate())
}

/// A page's title, one line.
pub fn title(ui: &mut Ui, text: &str) -> Response {
    let text = rich(text, tokens::TYPE_TITLE, Some(SEMIBOLD), palette(ui).text);
    line(ui, text)
}

/// A card's title, one line.
pub fn heading(ui: &mut Ui, text: &str) -> Response {
    let text = rich(text, tokens::TYPE_HEADING, Some(SEMIBOLD), palette(ui).text);
    line(ui, text)
}

/// Text that wraps.
pub fn body(ui: &mut Ui, text: impl Into<String>) -> Response {
    let text = rich(text, tokens::TYPE_BODY, None, palette(ui).text);
    ui.add(Label::new(text).wrap())
}

/// Text that matters, one line.
pub fn strong(ui: &mut Ui, text: impl Into<String>) -> Response {
    let text = rich(text, tokens::TYPE_BODY, Some(SEMIBOLD), palette(ui).text);
    line(ui, text)
}

/// Text of a colour, one line.
pub fn medium(ui: &mut Ui, text: impl Into<String>, colour: Color32) -> Response {
    line(ui, rich(text, tokens::TYPE_BODY, Some(MEDIUM), colour))
}

/// Text beside what matters; wraps.
pub fn muted(ui: &mut Ui, text: impl Into<String>) -> Response {
    let text = rich(text, tokens::TYPE_BODY, None, palette(ui).muted);
    ui.add(Label::new(text).wrap())
}

/// A caption, one line.
pub fn small(ui: &mut Ui, text: impl Into<String>) -> Response {
    let text = rich(text, tokens::TYPE_SMALL, None, palette(ui).muted);
    line(ui, text)
}

/// Identifiers and addresses, one line; the whole of it on hover.
pub fn mono(ui: &mut Ui, text: impl Into<String>) -> Response {
    let text: String = text.into();
    let shown = RichText::new(&text).font(FontId::monospace(tokens::TYPE_SMALL)).color(palette(ui).muted);
    line(ui, shown).on_hover_text(text)
}

/// A number in a table or beside a bar, in figures of one width.
pub fn digits(ui: &mut Ui, text: impl Into<String>) -> Response {
    let text = RichText::new(text).font(FontId::monospace(tokens::TYPE_SMALL)).color(palette(ui).text);
    line(ui, text)
}

/// The number of a card.
pub fn number_text(ui: &mut Ui, text: impl Into<String>) -> Response {
    let text = rich(text, tokens::TYPE_NUMBER, Some(SEMIBOLD), palette(ui).text);
    line(ui, text)
}

/// The room that [`number_text`] needs, in points.
pub(crate) fn number_width(ui: &Ui, text: &str) -> f32 {
    let text = rich(text, tokens::TYPE_NUMBER, Some(SEMIBOLD), palette(ui).text);
    let extend = Some(egui::TextWrapMode::Extend);
    egui::WidgetText::from(text).into_galley(ui, extend, f32::INFINITY, egui::FontSelection::Default).size().x
}

/// An icon; says nothing to a screen reader, what is beside it does.
pub fn icon(ui: &mut Ui, icon: char, size: f32, colour: Color32) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(size, size), Sense::hover());
    ui.painter().text(rect.center(), Align2::CENTER_CENTER, icon, FontId::new(size, family(ICONS)), colour);
    response
}

/// An icon on a coloured square.
pub fn icon_tile(ui: &mut Ui, size: f32, symbol: char, fill: Color32, colour: Color32) {
    let (rect, _) = ui.allocate_exact_size(vec2(size, size), Sense::hover());
    ui.painter().rect_filled(rect, size * 0.26, fill);
    icon_at(ui, rect.center(), symbol, size * 0.56, colour);
}

/// An icon in the middle of a circle.
pub fn icon_disc(ui: &mut Ui, size: f32, symbol: char, fill: Color32, colour: Color32) {
    let (rect, _) = ui.allocate_exact_size(vec2(size, size), Sense::hover());
    ui.painter().circle_filled(rect.center(), size / 2.0, fill);
    icon_at(ui, rect.center(), symbol, size * 0.46, colour);
}

fn icon_at(ui: &Ui, centre: egui::Pos2, symbol: char, size: f32, colour: Color32) {
    ui.painter().text(centre, Align2::CENTER_CENTER, symbol, FontId::new(size, family(ICONS)), colour);
}
