//! The downloader: HTTPS with resume, hashing while it streams, retries, and a rename when all is verified.
//!
//! One file goes through `file::fetch`: open the part that is on the disk and hash it, ask for the rest (`Range` with
//! `If-Range`), write and hash what comes, and on trouble wait and go on. `transport` makes requests, follows redirects
//! by its own rules and tells errors apart; `part` is the file on its way; `plan` runs the files of a model together.

mod backoff;
mod file;
mod options;
mod part;
mod plan;
mod transport;

pub use options::{DownloadOptions, ProxyMode};
