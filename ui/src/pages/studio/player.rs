//! The player: play, pause, scrub, loop, speed, frame by frame, save.

use std::sync::Arc;
use std::time::Duration;

use egui::{Ui, vec2};
use infernet_api::JobId;
use infernet_api::types::job::Job;

use crate::actions::{Action, Actions, ClipFormat};
use crate::format;
use crate::pages::home::size_words;
use crate::snapshot::{Clip, Loadable, Snapshot};
use crate::state::UiState;
use crate::theme::icons;
use crate::widgets::{
    Slot, body, card_titled, fact, icon_button, loading, picture, problem_state, secondary, slider, small, tabs,
    text_field,
};

/// What is played, and where it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Player {
    pub(crate) job: JobId,
    playing: bool,
    looping: bool,
    frame: f64,
    speed: f64,
}

impl Player {
    pub(crate) fn new(job: JobId) -> Self {
        Self { job, playing: true, looping: true, frame: 0.0, speed: 1.0 }
    }

    /// Goes on by a time.
    fn advance(&mut self, seconds: f64, frames_per_second: f64, frames: usize) {
        let count = frames.max(1) as f64;
        self.frame += seconds * frames_per_second * self.speed;
        if self.frame >= count {
            if self.looping {
                self.frame %= count;
            } else {
                self.frame = count - 1.0;
                self.playing = false;
            }
        }
    }

    /// One frame on or back, paused.
    fn step(&mut self, by: f64, frames: usize) {
        self.playing = false;
        self.frame = (self.frame.floor() + by).clamp(0.0, frames.saturating_sub(1) as f64);
    }
}

/// Draws the player of a job's clip.
pub(super) fn player(
    ui: &mut Ui,
    slot: &mut Slot,
    job: &Job,
    snapshot: &Snapshot,
    state: &mut UiState,
    actions: &mut Actions,
) {
    let mut close = false;
    card_titled(
        ui,
        slot,
        "Player",
        |ui| close = icon_button(ui, icons::X, "Close the player").clicked(),
        |ui| {
            match snapshot.clips.get(&job.id) {
                None | Some(Loadable::Loading) => loading(ui, "the clip"),
                Some(Loadable::Failed(problem)) => {
                    if problem_state(ui, "the clip", problem) {
                        actions.push(Action::LoadClip(job.id));
                    }
                }
                Some(Loadable::Ready(clip)) => play(ui, job, clip, state),
            }
            below(ui, job, state, actions);
        },
    );
    if close {
        state.studio.player = None;
    }
}

fn play(ui: &mut Ui, job: &Job, clip: &Arc<Clip>, state: &mut UiState) {
    let Some(mut player) = state.studio.player else { return };
    let frames = clip.frames.len();
    if player.playing && frames > 1 {
        let seconds = f64::from(ui.input(|input| input.stable_dt)).min(0.25);
        player.advance(seconds, clip.frames_per_second, frames);
        ui.ctx().request_repaint_after(Duration::from_secs_f64(
            1.0 / (clip.frames_per_second * player.speed).clamp(1.0, 60.0),
        ));
    }
    let index = (player.frame as usize).min(frames.saturating_sub(1));
    let size = vec2(ui.available_width(), 270.0);
    let prompt = job.prompt.as_deref().unwrap_or("clip");
    let name = format!("player {}", job.id);
    picture(ui, &mut state.textures, size, &name, clip.frames.get(index), &format!("Clip: {prompt}"));
    let mut at = index as f64;
    let last = frames.saturating_sub(1) as f64;
    let scrub = slider(ui, "Frame", &mut at, 0.0..=last.max(1.0), 1.0, false, |value| {
        let seconds = value / clip.frames_per_second.max(f64::MIN_POSITIVE);
        format!("frame {} of {frames}, {seconds:.2} s", value as u64 + 1)
    });
    if scrub.changed() {
        (player.frame, player.playing) = (at, false);
    }
    ui.horizontal_wrapped(|ui| {
        if icon_button(ui, icons::SKIP_BACK, "Frame back").clicked() {
            player.step(-1.0, frames);
        }
        let (symbol, word) = if player.playing { (icons::PAUSE, "Pause clip") } else { (icons::PLAY, "Play clip") };
        if icon_button(ui, symbol, word).clicked() {
            player.playing = !player.playing;
        }
        if icon_button(ui, icons::SKIP_FORWARD, "Frame on").clicked() {
            player.step(1.0, frames);
        }
        let word = if player.looping { "Play once" } else { "Play again and again" };
        if icon_button(ui, if player.looping { icons::REPEAT } else { icons::ARROW_RIGHT }, word).clicked() {
            player.looping = !player.looping;
        }
        tabs(ui, &mut player.speed, &[(0.25, "¼×"), (0.5, "½×"), (1.0, "1×"), (2.0, "2×")]);
    });
    state.studio.player = Some(player);
}

fn below(ui: &mut Ui, job: &Job, state: &mut UiState, actions: &mut Actions) {
    if let Some(prompt) = &job.prompt {
        body(ui, format!("“{prompt}”"));
    }
    fact(ui, "Size", size_words(job));
    fact(ui, "Paid", format::credits(job.fee_microcredits));
    if let Some(score) = job.quality.as_ref().and_then(|quality| quality.score_ppm) {
        fact(ui, "Quality (MD-VQS)", format::percent_ppm(score));
    }
    ui.horizontal_wrapped(|ui| {
        if secondary(ui, icons::COPY, "Copy prompt").clicked() {
            ui.ctx().copy_text(job.prompt.clone().unwrap_or_default());
        }
        if secondary(ui, icons::REPEAT, "Same again").clicked() {
            state.studio.form.again(job);
        }
        if job.verdict.is_some() && secondary(ui, icons::SEAL_CHECK, "Open its audit").clicked() {
            state.open_proof(job.id);
            actions.push(Action::LoadProof(job.id));
        }
    });
    let mut folder = state.folder.display().to_string();
    if text_field(ui, "Folder for saved files", "", &mut folder).changed() {
        state.folder = folder.into();
    }
    ui.horizontal_wrapped(|ui| {
        for format in ClipFormat::ALL {
            if secondary(ui, icons::FLOPPY_DISK, &format!("Save {}", format.name())).clicked() {
                actions.push(Action::SaveClip { job: job.id, format, folder: state.folder.clone() });
            }
        }
    });
    small(ui, "Files that are there already are not overwritten.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_ends_or_begins_again() {
        let mut player = Player::new(JobId([0; 16]));
        player.advance(1.5, 8.0, 16);
        assert!((player.frame - 12.0).abs() < 1e-9);
        player.advance(1.0, 8.0, 16);
        assert!((player.frame - 4.0).abs() < 1e-9 && player.playing);
        player.looping = false;
        player.advance(60.0, 8.0, 16);
        assert!((player.frame - 15.0).abs() < 1e-9 && !player.playing);
        player.step(5.0, 16);
        player.step(-1.0, 16);
        assert!((player.frame - 14.0).abs() < 1e-9);
        player.step(-100.0, 0);
        assert!(player.frame.abs() < 1e-9);
    }
}
