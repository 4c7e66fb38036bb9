//! Design tokens: the one file with colours, spacing, radii and sizes of type. A test refuses colour literals elsewhere.

use egui::Color32;

/// Gap between cards, in points.
pub const GAP: f32 = 16.0;
/// Gap between things that belong together.
pub const GAP_SMALL: f32 = 8.0;
/// Gap inside one thing, such as an icon and its word.
pub const GAP_TINY: f32 = 4.0;
/// Space between a card's edge and its contents.
pub const CARD_PADDING: i8 = 16;
/// Space around a page.
pub const PAGE_PADDING: i8 = 24;
/// How far scroll bars reach into that space.
pub const SCROLL_GUTTER: f32 = 13.0;
/// Corner of cards.
pub const RADIUS: u8 = 12;
/// Corner of buttons and fields.
pub const RADIUS_SMALL: u8 = 8;
/// Width of the left rail, and of the one with icons only.
pub const RAIL_WIDTH: f32 = 208.0;
/// Width of the rail in a narrow window.
pub const RAIL_NARROW: f32 = 64.0;
/// Windows narrower than this get the narrow rail.
pub const NARROW_BELOW: f32 = 1000.0;
/// Height of buttons and fields.
pub const CONTROL_HEIGHT: f32 = 34.0;
/// Height of a table's row.
pub const ROW_HEIGHT: f32 = 36.0;
/// Widest a page's contents become.
pub const PAGE_WIDTH: f32 = 1480.0;

/// Page titles.
pub const TYPE_TITLE: f32 = 22.0;
/// The number of a stat card.
pub const TYPE_NUMBER: f32 = 24.0;
/// Card titles.
pub const TYPE_HEADING: f32 = 15.0;
/// Text.
pub const TYPE_BODY: f32 = 13.5;
/// Captions.
pub const TYPE_SMALL: f32 = 12.0;
/// Icons beside text.
pub const TYPE_ICON: f32 = 18.0;

/// Colours by what they mean.
#[derive(Debug)]
pub struct Palette {
    /// Behind everything.
    pub background: Color32,
    /// The left rail.
    pub rail: Color32,
    /// Cards.
    pub card: Color32,
    /// Fields, tracks of bars, tiles in cards.
    pub inset: Color32,
    /// What the pointer is over.
    pub hover: Color32,
    /// Edges.
    pub line: Color32,
    /// Edges of fields and buttons.
    pub line_strong: Color32,
    /// Text that matters.
    pub text: Color32,
    /// Text beside it; 4.5 : 1 against cards.
    pub muted: Color32,
    /// The brand, and the one main action of a page.
    pub accent: Color32,
    /// Text on the accent.
    pub on_accent: Color32,
    /// Well.
    pub good: Color32,
    /// Look here.
    pub warn: Color32,
    /// Broken, or lost.
    pub bad: Color32,
    /// Neutral data.
    pub blue: Color32,
    /// A second kind of data.
    pub violet: Color32,
    /// Over the page, below a dialog.
    pub scrim: Color32,
    /// Shadow of what floats.
    pub shadow: Color32,
    /// Behind pictures.
    pub stage: Color32,
}

impl Palette {
    /// Colours of series, in order.
    #[must_use]
    pub fn series(&self, index: usize) -> Color32 {
        [self.accent, self.blue, self.good, self.violet, self.warn, self.bad][index % 6]
    }
}

/// Dark.
pub const DARK: Palette = Palette {
    background: Color32::from_rgb(0x0b, 0x0d, 0x12),
    rail: Color32::from_rgb(0x0f, 0x12, 0x18),
    card: Color32::from_rgb(0x14, 0x18, 0x20),
    inset: Color32::from_rgb(0x0d, 0x10, 0x16),
    hover: Color32::from_rgb(0x1d, 0x22, 0x2c),
    line: Color32::from_rgb(0x22, 0x28, 0x33),
    line_strong: Color32::from_rgb(0x30, 0x37, 0x44),
    text: Color32::from_rgb(0xec, 0xee, 0xf2),
    muted: Color32::from_rgb(0x9a, 0xa2, 0xb1),
    accent: Color32::from_rgb(0xff, 0x7a, 0x30),
    on_accent: Color32::from_rgb(0x1a, 0x0d, 0x05),
    good: Color32::from_rgb(0x3d, 0xd6, 0x8c),
    warn: Color32::from_rgb(0xff, 0xb2, 0x4d),
    bad: Color32::from_rgb(0xff, 0x6b, 0x6b),
    blue: Color32::from_rgb(0x5a, 0x9c, 0xff),
    violet: Color32::from_rgb(0xa7, 0x8b, 0xfa),
    scrim: Color32::from_rgba_premultiplied(0x03, 0x04, 0x06, 0xb4),
    shadow: Color32::from_rgba_premultiplied(0, 0, 0, 0x78),
    stage: Color32::from_rgb(0x05, 0x06, 0x09),
};

/// Light.
pub const LIGHT: Palette = Palette {
    background: Color32::from_rgb(0xf4, 0xf5, 0xf8),
    rail: Color32::from_rgb(0xfb, 0xfb, 0xfd),
    card: Color32::from_rgb(0xff, 0xff, 0xff),
    inset: Color32::from_rgb(0xf0, 0xf2, 0xf6),
    hover: Color32::from_rgb(0xec, 0xef, 0xf4),
    line: Color32::from_rgb(0xe2, 0xe6, 0xec),
    line_strong: Color32::from_rgb(0xcb, 0xd1, 0xdb),
    text: Color32::from_rgb(0x16, 0x1a, 0x22),
    muted: Color32::from_rgb(0x5c, 0x66, 0x78),
    accent: Color32::from_rgb(0xc9, 0x4a, 0x06),
    on_accent: Color32::from_rgb(0xff, 0xff, 0xff),
    good: Color32::from_rgb(0x0c, 0x7d, 0x4b),
    warn: Color32::from_rgb(0x96, 0x5a, 0x00),
    bad: Color32::from_rgb(0xc0, 0x2b, 0x2b),
    blue: Color32::from_rgb(0x1f, 0x5f, 0xcc),
    violet: Color32::from_rgb(0x65, 0x44, 0xd6),
    scrim: Color32::from_rgba_premultiplied(0x0a, 0x0c, 0x10, 0x70),
    shadow: Color32::from_rgba_premultiplied(0, 0, 0, 0x28),
    stage: Color32::from_rgb(0x14, 0x18, 0x20),
};

/// A colour made fainter, for fills behind text of the same colour.
#[must_use]
pub fn tint(colour: Color32) -> Color32 {
    colour.gamma_multiply(0.16)
}

/// The colour of a heat map's cell: -1 is all loss, 0 neutral, 1 all gain.
#[must_use]
pub fn diverging(palette: &Palette, value: f64) -> Color32 {
    let value = if value.is_finite() { value.clamp(-1.0, 1.0) as f32 } else { 0.0 };
    let end = if value < 0.0 { palette.bad } else { palette.good };
    palette.inset.lerp_to_gamma(end, value.abs().powf(0.6) * 0.85)
}
