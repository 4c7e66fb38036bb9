//! What a frame costs with much to show. Not a pass or fail: run with `--ignored --nocapture` and read.

use std::time::Instant;

use egui::vec2;
use infernet_api::types::job::{JobList, JobPart, JobStage};
use infernet_ui::{Actions, Loadable, Page, Snapshot, UiState, dashboard_ui, theme};

use crate::fixtures;

fn much() -> Snapshot {
    let jobs: Vec<_> = (0..1000).map(|seed| fixtures::job(seed, JobPart::Requested, JobStage::Settled)).collect();
    Snapshot {
        events: fixtures::events(10_000).into(),
        jobs: Loadable::Ready(JobList { total: 1000, next: None, jobs }),
        ..fixtures::full()
    }
}

/// Draws and tessellates a page, without a GPU; returns milliseconds per frame and the number of vertices.
fn measure(page: Page, log: bool, frames: u32) -> (f64, usize) {
    let context = egui::Context::default();
    theme::install_fonts(&context);
    theme::apply(&context);
    let snapshot = much();
    let mut state = UiState { page, ..UiState::default() };
    if log {
        state.settings.open_log();
    }
    let mut actions = Actions::default();
    let mut draw = || {
        let input = egui::RawInput {
            screen_rect: Some(egui::Rect::from_min_size(egui::Pos2::ZERO, vec2(1280.0, 800.0))),
            ..egui::RawInput::default()
        };
        let mut output = context.run_ui(input, |ui| dashboard_ui(ui, &snapshot, &mut state, &mut actions));
        output.textures_delta.clear();
        let meshes = context.tessellate(output.shapes, output.pixels_per_point);
        meshes
            .iter()
            .map(|mesh| match &mesh.primitive {
                egui::epaint::Primitive::Mesh(mesh) => mesh.vertices.len(),
                egui::epaint::Primitive::Callback(_) => 0,
            })
            .sum::<usize>()
    };
    for _ in 0..5 {
        draw();
    }
    let start = Instant::now();
    let vertices = (0..frames).map(|_| draw()).max().unwrap();
    (start.elapsed().as_secs_f64() * 1000.0 / f64::from(frames), vertices)
}

#[test]
#[ignore = "a measurement"]
fn frame_cost() {
    for (page, log) in [
        (Page::Home, false),
        (Page::Studio, false),
        (Page::Proofs, false),
        (Page::Settings, true),
        (Page::Economics, false),
    ] {
        let (milliseconds, vertices) = measure(page, log, 60);
        println!("{:<18} {milliseconds:6.2} ms a frame, {vertices} vertices", page.name());
    }
}

#[test]
fn only_what_is_in_sight_is_drawn() {
    // 10,000 events as text alone would be millions of vertices.
    let (_, vertices) = measure(Page::Settings, true, 1);
    assert!(vertices < 60_000, "{vertices}");
    let (_, vertices) = measure(Page::Studio, false, 1);
    assert!(vertices < 60_000, "{vertices}");
}
