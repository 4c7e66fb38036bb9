//! Pictures, and the textures behind them.

use std::collections::BTreeMap;
use std::sync::Arc;

use egui::{
    ColorImage, Context, Rect, Response, Role, Sense, TextureHandle, TextureOptions, Ui, Vec2, WidgetInfo, pos2,
};

use crate::theme::{palette, tokens};

/// Most textures that are kept.
const MAX_TEXTURES: usize = 96;

/// Pictures on the GPU, by name. A name's texture is replaced when its picture is another.
#[derive(Default)]
pub struct Textures {
    kept: BTreeMap<String, Kept>,
    clock: u64,
}

struct Kept {
    picture: Arc<ColorImage>,
    texture: TextureHandle,
    used: u64,
}

impl std::fmt::Debug for Textures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Textures({})", self.kept.len())
    }
}

impl Textures {
    fn get(&mut self, context: &Context, name: &str, picture: &Arc<ColorImage>) -> egui::TextureId {
        self.clock += 1;
        // Small pictures are shown as they are; a clip of 64 pixels would be a blur otherwise.
        let options = if picture.size[0] <= 96 { TextureOptions::NEAREST } else { TextureOptions::LINEAR };
        if let Some(kept) = self.kept.get_mut(name) {
            kept.used = self.clock;
            if !Arc::ptr_eq(&kept.picture, picture) {
                kept.texture.set(Arc::clone(picture), options);
                kept.picture = Arc::clone(picture);
            }
            return kept.texture.id();
        }
        if self.kept.len() >= MAX_TEXTURES {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used).map(|(name, _)| name.clone());
            oldest.and_then(|name| self.kept.remove(&name));
        }
        let texture = context.load_texture(name, Arc::clone(picture), options);
        let id = texture.id();
        self.kept.insert(name.to_owned(), Kept { picture: Arc::clone(picture), texture, used: self.clock });
        id
    }
}

/// A picture in the middle of a dark stage of this size; clicks are sensed.
pub fn picture(
    ui: &mut Ui,
    textures: &mut Textures,
    size: Vec2,
    name: &str,
    image: Option<&Arc<ColorImage>>,
    alt: &str,
) -> Response {
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let palette = palette(ui);
    ui.painter().rect_filled(rect, f32::from(tokens::RADIUS_SMALL), palette.stage);
    if let Some(image) = image.filter(|image| image.size[0] > 0 && image.size[1] > 0) {
        let true_size = Vec2::new(image.size[0] as f32, image.size[1] as f32);
        let scale = (size.x / true_size.x).min(size.y / true_size.y);
        let shown = Rect::from_center_size(rect.center(), true_size * scale);
        let texture = textures.get(ui.ctx(), name, image);
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        let shape = egui::epaint::RectShape::filled(shown, f32::from(tokens::RADIUS_SMALL), egui::Color32::WHITE);
        ui.painter().add(shape.with_texture(texture, whole));
    }
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, alt));
    response
}
