//! The fonts, which are part of the program.

use std::sync::Arc;

use egui::{Context, FontData, FontDefinitions, FontFamily};

/// Family of Inter Medium.
pub const MEDIUM: &str = "Inter Medium";
/// Family of Inter SemiBold.
pub const SEMIBOLD: &str = "Inter SemiBold";
/// Family of the icons, alone: behind a text font some code points would be taken from that.
pub const ICONS: &str = "Phosphor";

const REGULAR: &str = "Inter";
const MONO: &str = "JetBrains Mono";

/// Gives a context the fonts. Call it once, before the first frame.
pub fn install_fonts(context: &Context) {
    let mut fonts = FontDefinitions::default();
    let mut add = |name: &str, bytes: &'static [u8]| {
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
    };
    add(REGULAR, include_bytes!("../../../assets/fonts/Inter-Regular.ttf"));
    add(MEDIUM, include_bytes!("../../../assets/fonts/Inter-Medium.ttf"));
    add(SEMIBOLD, include_bytes!("../../../assets/fonts/Inter-SemiBold.ttf"));
    add(MONO, include_bytes!("../../../assets/fonts/JetBrainsMono-Regular.ttf"));
    add(ICONS, include_bytes!("../../../assets/fonts/Phosphor.ttf"));
    // egui's own fonts stay behind ours, for what prompts may contain.
    let behind = fonts.families.get(&FontFamily::Proportional).cloned().unwrap_or_default();
    for (family, first) in [
        (FontFamily::Proportional, REGULAR),
        (FontFamily::Name(MEDIUM.into()), MEDIUM),
        (FontFamily::Name(SEMIBOLD.into()), SEMIBOLD),
        (FontFamily::Monospace, MONO),
    ] {
        let all = std::iter::once(first.to_owned()).chain(behind.iter().cloned()).collect();
        fonts.families.insert(family, all);
    }
    fonts.families.insert(FontFamily::Name(ICONS.into()), vec![ICONS.to_owned()]);
    context.set_fonts(fonts);
}
