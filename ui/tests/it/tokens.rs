//! Colours have one home, and every icon is in the font.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
}

#[test]
fn no_colour_is_written_outside_the_tokens() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 30);
    for file in files {
        // The decoder makes pixels, not colours of the window.
        if file.ends_with("theme/tokens.rs") || file.ends_with("client/clip.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let program = text.split("#[cfg(test)]").next().unwrap();
        for literal in
            ["Color32::from_", "hex_color!", "Rgba::from_", "Color32::RED", "Color32::BLACK", "Color32::GRAY"]
        {
            assert!(!program.contains(literal), "{} has {literal}: name it in theme/tokens.rs", file.display());
        }
    }
}

#[test]
fn every_icon_is_in_the_font() {
    let context = egui::Context::default();
    infernet_ui::theme::install_fonts(&context);
    let family = egui::FontFamily::Name(infernet_ui::theme::ICONS.into());
    let mut checked = 0;
    let mut output = context.run_ui(egui::RawInput::default(), |ui| {
        for icon in infernet_ui::theme::icons::ALL {
            let font = egui::FontId::new(18.0, family.clone());
            assert!(ui.ctx().fonts_mut(|fonts| fonts.has_glyph(&font, *icon)), "{icon:?}");
            checked += 1;
        }
    });
    // Nobody draws them here.
    output.textures_delta.clear();
    assert!(checked >= infernet_ui::theme::icons::ALL.len());
}
