//! egui's style, made from the tokens.

use egui::style::{Selection, WidgetVisuals, Widgets};
use egui::{
    Context, CornerRadius, FontFamily, FontId, Margin, Shadow, Stroke, Style, TextStyle, Theme, Ui, Visuals, vec2,
};

use super::fonts::MEDIUM;
use super::tokens::{self, DARK, LIGHT, Palette};

/// Dark, light, or as the desktop says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Appearance {
    /// As the desktop says.
    System,
    /// Dark.
    #[default]
    Dark,
    /// Light.
    Light,
}

impl Appearance {
    /// All, with their names.
    pub const ALL: [(Self, &'static str); 3] = [(Self::System, "System"), (Self::Dark, "Dark"), (Self::Light, "Light")];
}

impl From<Appearance> for egui::ThemePreference {
    fn from(appearance: Appearance) -> Self {
        match appearance {
            Appearance::System => Self::System,
            Appearance::Dark => Self::Dark,
            Appearance::Light => Self::Light,
        }
    }
}

/// The colours in use.
#[must_use]
pub fn palette(ui: &Ui) -> &'static Palette {
    if ui.visuals().dark_mode { &DARK } else { &LIGHT }
}

/// Gives a context both styles.
pub fn apply(context: &Context) {
    for (theme, palette) in [(Theme::Dark, &DARK), (Theme::Light, &LIGHT)] {
        context.style_mut_of(theme, |style| restyle(style, palette, theme == Theme::Dark));
    }
}

fn restyle(style: &mut Style, palette: &Palette, dark: bool) {
    let medium = FontFamily::Name(MEDIUM.into());
    style.text_styles = [
        (TextStyle::Heading, FontId::new(tokens::TYPE_TITLE, FontFamily::Name(super::SEMIBOLD.into()))),
        (TextStyle::Body, FontId::new(tokens::TYPE_BODY, FontFamily::Proportional)),
        (TextStyle::Button, FontId::new(tokens::TYPE_BODY, medium)),
        (TextStyle::Small, FontId::new(tokens::TYPE_SMALL, FontFamily::Proportional)),
        (TextStyle::Monospace, FontId::new(tokens::TYPE_SMALL, FontFamily::Monospace)),
    ]
    .into();
    let spacing = &mut style.spacing;
    spacing.item_spacing = vec2(tokens::GAP_SMALL, tokens::GAP_SMALL);
    spacing.button_padding = vec2(12.0, 6.0);
    spacing.interact_size = vec2(40.0, tokens::CONTROL_HEIGHT - 6.0);
    spacing.slider_rail_height = 4.0;
    spacing.icon_width = 18.0;
    spacing.icon_width_inner = 10.0;
    spacing.window_margin = Margin::same(20);
    spacing.menu_margin = Margin::same(6);
    spacing.tooltip_width = 420.0;
    spacing.scroll.bar_width = 8.0;
    style.interaction.selectable_labels = false;
    style.visuals = visuals(palette, dark);
}

fn visuals(palette: &Palette, dark: bool) -> Visuals {
    let radius = CornerRadius::same(tokens::RADIUS_SMALL);
    let widget = |fill, line, text| WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: Stroke::new(1.0, line),
        corner_radius: radius,
        fg_stroke: Stroke::new(1.0, text),
        expansion: 0.0,
    };
    let shadow = Shadow { offset: [0, 8], blur: 28, spread: 0, color: palette.shadow };
    Visuals {
        widgets: Widgets {
            noninteractive: widget(palette.card, palette.line, palette.text),
            inactive: widget(palette.hover, palette.line_strong, palette.text),
            hovered: widget(palette.line, palette.muted, palette.text),
            active: widget(palette.line_strong, palette.accent, palette.text),
            open: widget(palette.hover, palette.accent, palette.text),
        },
        selection: Selection { bg_fill: palette.accent.gamma_multiply(0.35), stroke: Stroke::new(1.0, palette.text) },
        hyperlink_color: palette.blue,
        faint_bg_color: palette.inset,
        extreme_bg_color: palette.inset,
        text_edit_bg_color: Some(palette.inset),
        code_bg_color: palette.inset,
        warn_fg_color: palette.warn,
        error_fg_color: palette.bad,
        weak_text_color: Some(palette.muted),
        window_corner_radius: CornerRadius::same(tokens::RADIUS),
        window_shadow: shadow,
        window_fill: palette.card,
        window_stroke: Stroke::new(1.0, palette.line_strong),
        menu_corner_radius: radius,
        popup_shadow: shadow,
        panel_fill: palette.background,
        slider_trailing_fill: true,
        interact_cursor: Some(egui::CursorIcon::PointingHand),
        ..if dark { Visuals::dark() } else { Visuals::light() }
    }
}
