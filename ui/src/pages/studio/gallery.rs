//! Finished clips and what became of the others.

use egui::{Ui, vec2};
use infernet_api::types::job::{Job, JobStage};

use super::player::Player;
use crate::actions::{Action, Actions};
use crate::format;
use crate::pages::home::stage_colour;
use crate::snapshot::{Loadable, Snapshot};
use crate::state::UiState;
use crate::theme::{icons, palette, tokens};
use crate::widgets::{Slot, card_titled, empty, picture, pill, small, split_row};

/// Least width of a tile.
const TILE: f32 = 210.0;

/// Draws finished jobs as tiles; only the rows in sight are drawn.
pub(super) fn gallery(ui: &mut Ui, own: &[&Job], snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    let done: Vec<&&Job> = own.iter().filter(|job| job.stage.is_final()).collect();
    card_titled(
        ui,
        &mut Slot::default(),
        "Gallery",
        |ui| drop(small(ui, format::count(done.len() as u64, "clip", "clips"))),
        |ui| {
            if done.is_empty() {
                let text = "Clips that you order are kept here, each with the proof that it was made with the model you paid for.";
                empty(ui, icons::FILM_SLATE, "No clips yet", text, None);
                return;
            }
            let columns = ((ui.available_width() + tokens::GAP) / (TILE + tokens::GAP)).floor().max(1.0) as usize;
            let width = (ui.available_width() + tokens::GAP) / columns as f32 - tokens::GAP;
            let height = width * 0.5625 + 66.0;
            for row in done.chunks(columns) {
                let (_, rect) = ui.allocate_space(vec2(ui.available_width(), height));
                if !ui.is_rect_visible(rect) {
                    continue;
                }
                for (column, job) in row.iter().enumerate() {
                    let left = rect.left() + column as f32 * (width + tokens::GAP);
                    let place = egui::Rect::from_min_size(egui::pos2(left, rect.top()), vec2(width, height));
                    let builder = egui::UiBuilder::new().id_salt(job.id).max_rect(place);
                    let mut child = ui.new_child(builder);
                    tile(&mut child, job, width, snapshot, state, actions);
                }
            }
        },
    );
}

fn tile(ui: &mut Ui, job: &Job, width: f32, snapshot: &Snapshot, state: &mut UiState, actions: &mut Actions) {
    ui.spacing_mut().item_spacing.y = 5.0;
    let prompt = job.prompt.as_deref().unwrap_or("no prompt kept");
    let name = format!("clip {}", job.id);
    let clip = snapshot.clips.get(&job.id).and_then(Loadable::ready);
    let still = snapshot.thumbnails.get(&job.id).or_else(|| clip.and_then(|clip| clip.frames.first()));
    let size = vec2(width, width * 0.5625);
    let hovered = ui.rect_contains_pointer(egui::Rect::from_min_size(ui.cursor().min, size));
    // A tile plays while the pointer is over it, and nothing moves otherwise.
    let moving = clip.filter(|clip| hovered && !clip.frames.is_empty()).and_then(|clip| {
        let now = ui.input(|input| input.time);
        ui.ctx()
            .request_repaint_after(std::time::Duration::from_secs_f64(1.0 / clip.frames_per_second.clamp(1.0, 60.0)));
        clip.frames.get((now * clip.frames_per_second) as usize % clip.frames.len())
    });
    let response = picture(ui, &mut state.textures, size, &name, moving.or(still), &format!("Play: {prompt}"));
    if still.is_none() {
        let symbol = if job.clip.is_some() { icons::PLAY } else { icons::PROHIBIT };
        let font = egui::FontId::new(28.0, egui::FontFamily::Name(crate::theme::ICONS.into()));
        let colour = palette(ui).muted;
        ui.painter().text(response.rect.center(), egui::Align2::CENTER_CENTER, symbol, font, colour);
    }
    if response.clicked() && job.clip.is_some() {
        state.studio.player = Some(Player::new(job.id));
        if clip.is_none() {
            actions.push(Action::LoadClip(job.id));
        }
    }
    ui.scope(|ui| {
        ui.style_mut().wrap_mode = Some(egui::TextWrapMode::Truncate);
        let line = crate::widgets::rich(prompt, tokens::TYPE_BODY, None, palette(ui).text);
        ui.add(egui::Label::new(line).truncate()).on_hover_text(prompt);
    });
    split_row(
        ui,
        24.0,
        |ui| drop(small(ui, format::ago(snapshot.now_unix_ms, job.updated_unix_ms))),
        |ui| {
            if job.verdict.as_ref().is_some_and(|verdict| verdict.accepted) {
                let badge = pill(ui, "Proved", palette(ui).good).interact(egui::Sense::click());
                badge
                    .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Audit of: {prompt}")));
                if badge.on_hover_text("Open the audit of this clip").clicked() {
                    state.open_proof(job.id);
                    actions.push(Action::LoadProof(job.id));
                }
            } else if job.stage != JobStage::Settled {
                let colour = stage_colour(ui, job);
                pill(ui, &format::words(job.stage.name()), colour);
            }
        },
    );
}
