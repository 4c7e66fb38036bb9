//! `vendor/wasm-bindgen-futures`: a name for `js_sys::futures`, where these now live; see README.md beside it.
#![no_std]

#[cfg(feature = "futures-core-03-stream")]
pub use js_sys::futures::stream;
pub use js_sys::futures::{JsFuture, future_to_promise, spawn_local};
