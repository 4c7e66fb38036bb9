//! Groups of processes on this computer: measured, and compared.

mod bench;
mod member;
mod processes;
mod seams;

pub(super) use bench::run as bench;
pub(super) use member::run as member;
