//! Progress bars on standard error, drawn only for people.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a bar moves while nothing is reported.
const TICK: Duration = Duration::from_millis(120);

fn bar(length: u64, template: &str, quiet: bool) -> ProgressBar {
    let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(length), target);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar.enable_steady_tick(TICK);
    bar
}

/// A bar over steps or frames.
pub(crate) fn steps(length: u64, quiet: bool) -> ProgressBar {
    bar(length, "{prefix:9} {bar:32.cyan/dim} {pos}/{len}  {msg}", quiet)
}

/// A bar over bytes.
pub(crate) fn bytes(length: u64, quiet: bool) -> ProgressBar {
    bar(length, "{prefix:9} {bar:32.cyan/dim} {binary_bytes}/{binary_total_bytes}  {msg}", quiet)
}
