//! The model store from outside: downloads against a server that misbehaves in every way we could think of, imports,
//! verification and removal.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "store/answers.rs"]
mod answers;
#[path = "store/case.rs"]
mod case;
#[path = "store/download.rs"]
mod download;
#[path = "store/local.rs"]
mod local;
#[path = "store/model.rs"]
mod model;
#[path = "store/resume.rs"]
mod resume;
#[path = "store/server.rs"]
mod server;
