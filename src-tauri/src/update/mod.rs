//! Updates: what a place says there is, a package whose signature holds, and handing that to the system.
//!
//! | module | what |
//! |---|---|
//! | `source` | where updates come from, and by whose key they must be signed |
//! | `manifest` | what is there: Tauri's static JSON, so that its tools can make it |
//! | `fetch` | a package, checked before anything else reads it |
//! | `install` | what this system does with it |
//!
//! The list itself is not signed. Who can change it can keep an update from somebody, and nothing else: a package counts only with
//! the key's signature over its bytes and over a file name with the version that the list names, so that an old one can't be passed
//! off as new.

mod fetch;
mod install;
mod manifest;
mod source;

pub(crate) use fetch::{fetch, newest};
pub(crate) use install::{Install, of};
pub(crate) use source::Source;
