//! Pages as pictures, and what happens when one is used: by names, as a screen reader sees them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod fixtures;
mod interaction;
mod pictures;
mod speed;
mod tokens;

use egui::{Theme, vec2};
use egui_kittest::Harness;
use infernet_ui::{Action, Actions, Snapshot, UiState, dashboard_ui, theme};

/// What a test's window shows and what it asked for.
pub(crate) struct App {
    pub(crate) snapshot: Snapshot,
    pub(crate) state: UiState,
    pub(crate) actions: Actions,
}

pub(crate) type Window = Harness<'static, App>;

/// A window of this size in points.
pub(crate) fn window(snapshot: Snapshot, state: UiState, look: Theme, size: [f32; 2], scale: f32) -> Window {
    let app = App { snapshot, state, actions: Actions::default() };
    Harness::builder()
        .with_size(vec2(size[0], size[1]))
        .with_pixels_per_point(scale)
        .with_theme(look)
        .with_max_steps(12)
        .with_context_setup(|context| {
            theme::install_fonts(context);
            theme::apply(context);
        })
        .wgpu()
        .build_ui_state(
            |ui, app: &mut App| {
                // The harness leaves a margin that a window does not have.
                let whole = ui.ctx().content_rect();
                let mut page = ui.new_child(egui::UiBuilder::new().max_rect(whole));
                page.set_clip_rect(whole);
                dashboard_ui(&mut page, &app.snapshot, &mut app.state, &mut app.actions);
            },
            app,
        )
}

/// The commands that were written down since the last time.
pub(crate) fn asked(window: &mut Window) -> Vec<Action> {
    window.state_mut().actions.take().into_iter().map(|(_, action)| action).collect()
}
