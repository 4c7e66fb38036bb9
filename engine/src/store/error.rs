//! What can go wrong with models on disk and on their way there. Every error has a stable code and a next step.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::digest::Sha256Digest;
use super::names::NameError;

/// An error of the model store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No model of this id is in the catalogue or on the disk, and it is no folder either.
    #[error("there is no model {name:?}; known are: {known}")]
    UnknownModel {
        /// What was asked for.
        name: String,
        /// The ids that are known, with commas.
        known: String,
    },
    /// The catalogue knows the model, but it is not on this disk.
    #[error("model {id} is not on this computer")]
    NotDownloaded {
        /// The id.
        id: String,
    },
    /// A model id or a path inside a model has a form that is not allowed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The catalogue can't be used.
    #[error("the model catalogue can't be used: {reason}")]
    Catalogue {
        /// What is wrong, and where.
        reason: String,
    },
    /// A folder is no model in the diffusers layout.
    #[error("{} is not a model folder: {reason}", path.display())]
    NotAModel {
        /// The folder.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// A model folder lacks files that its `model_index.json` asks for.
    #[error("the model in {} is not complete: {}", path.display(), missing.join("; "))]
    Incomplete {
        /// The folder.
        path: PathBuf,
        /// What is missing, one entry each.
        missing: Vec<String>,
    },
    /// A file of a model is damaged.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A link inside a model folder leads out of it.
    #[error("{} is a link that leaves the model folder", path.display())]
    LinkOutside {
        /// The link.
        path: PathBuf,
    },
    /// There is a model of this id already.
    #[error("there is a model {id} already, in {}", path.display())]
    AlreadyThere {
        /// The id.
        id: String,
        /// Where it is.
        path: PathBuf,
    },
    /// Another download, import or removal of the same model is running.
    #[error("model {id} is being changed by another download, import or removal")]
    Busy {
        /// The id.
        id: String,
    },
    /// The model came with the program and can't be changed.
    #[error("model {id} is part of the program and can't be {action}")]
    BuiltIn {
        /// The id.
        id: String,
        /// What was asked: "removed", "replaced".
        action: &'static str,
    },
    /// The catalogue knows no place to download this model from.
    #[error("the catalogue has no source for model {id}")]
    NoSource {
        /// The id.
        id: String,
    },
    /// An imported folder differs from what the catalogue says about the id it should get.
    #[error("the folder is not the catalogue's {id}: {reason}")]
    NotTheCataloguesModel {
        /// The id.
        id: String,
        /// Which file differs.
        reason: String,
    },
    /// A file operation failed.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// What was being done: "read", "rename".
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The disk has no room.
    #[error("not enough disk space in {}: {}{free_bytes} bytes are free", path.display(), needed_note(*needed_bytes))]
    DiskFull {
        /// A folder on the full disk.
        path: PathBuf,
        /// Bytes still needed, with the reserve that is kept free; 0 where a write failed in the middle.
        needed_bytes: u64,
        /// Bytes that are free.
        free_bytes: u64,
    },
    /// The work was stopped from outside.
    #[error("stopped")]
    Cancelled,
    /// The name of the source's host can't be resolved.
    #[error("the name of {host} can't be resolved")]
    Dns {
        /// The host.
        host: String,
    },
    /// No connection could be made.
    #[error("no connection to {host}: {detail}")]
    Connect {
        /// The host.
        host: String,
        /// What the system says.
        detail: String,
    },
    /// The encrypted connection failed.
    #[error("no secure connection to {host}: {detail}")]
    Tls {
        /// The host.
        host: String,
        /// What is wrong with the certificate or the protocol.
        detail: String,
    },
    /// The source refused or failed with an HTTP status.
    #[error("{url} answered with status {status}{}", wait_note(*retry_after))]
    Status {
        /// The address, without its query.
        url: String,
        /// The status code.
        status: u16,
        /// How long the source asks to wait.
        retry_after: Option<Duration>,
    },
    /// No byte came for too long.
    #[error("{url} sent nothing for {} s", after.as_secs_f64())]
    Stalled {
        /// The address, without its query.
        url: String,
        /// How long was waited.
        after: Duration,
    },
    /// The connection broke too often.
    #[error("the transfer from {url} was cut off: {detail}")]
    Interrupted {
        /// The address, without its query.
        url: String,
        /// What was seen last.
        detail: String,
    },
    /// The answer makes no sense.
    #[error("{url} gave an answer that makes no sense: {detail}")]
    BadAnswer {
        /// The address, without its query.
        url: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A file has another size than it should.
    #[error("{file} has the wrong size: expected {expected} bytes, found {found}")]
    WrongSize {
        /// The file, as a path inside the model.
        file: String,
        /// Expected bytes.
        expected: u64,
        /// Found bytes.
        found: u64,
    },
    /// A file has another SHA-256 than it should.
    #[error("{file} has the wrong SHA-256: expected {expected}, found {found}")]
    WrongHash {
        /// The file, as a path inside the model.
        file: String,
        /// Expected digest.
        expected: Sha256Digest,
        /// Found digest.
        found: Sha256Digest,
    },
    /// A redirect would leave HTTPS.
    #[error("{from} redirects to {to}, which is not secure")]
    InsecureRedirect {
        /// The address that redirects.
        from: String,
        /// Where to.
        to: String,
    },
    /// Plain HTTP to another computer, without leave.
    #[error("{url} is not secure: plain http is only used on this computer")]
    InsecureSource {
        /// The address.
        url: String,
    },
    /// A chain of redirects without an end.
    #[error("{url} redirects too often")]
    TooManyRedirects {
        /// The first address.
        url: String,
    },
    /// An option can't be used: a mirror or proxy address, a number out of range.
    #[error("{what} can't be used: {reason}")]
    BadOption {
        /// Which option.
        what: &'static str,
        /// Why. Never holds a password.
        reason: String,
    },
    /// The HTTP client could not be set up.
    #[error("the HTTP client could not be set up: {detail}")]
    Client {
        /// Why.
        detail: String,
    },
}

fn wait_note(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |wait| format!(" and asks to wait {} s", wait.as_secs()))
}

fn needed_note(needed_bytes: u64) -> String {
    if needed_bytes == 0 {
        return String::new();
    }
    format!("{needed_bytes} bytes are needed, ")
}

impl StoreError {
    /// An error of a file operation; a full disk is told apart.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            let free_bytes = super::disk::free_bytes(path).unwrap_or(0);
            return Self::DiskFull { path: path.to_path_buf(), needed_bytes: 0, free_bytes };
        }
        Self::Io { action, path: path.to_path_buf(), source }
    }

    /// A code that stays the same across versions and languages.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownModel { .. } => "model.unknown",
            Self::NotDownloaded { .. } => "model.not_downloaded",
            Self::Name(_) => "model.bad_name",
            Self::Catalogue { .. } => "model.bad_catalogue",
            Self::NotAModel { .. } => "model.not_a_model",
            Self::Incomplete { .. } => "model.incomplete",
            Self::Damaged { .. } => "model.damaged",
            Self::LinkOutside { .. } => "model.link_outside",
            Self::AlreadyThere { .. } => "model.already_there",
            Self::Busy { .. } => "model.busy",
            Self::BuiltIn { .. } => "model.built_in",
            Self::NoSource { .. } => "model.no_source",
            Self::NotTheCataloguesModel { .. } => "model.not_the_catalogues",
            Self::Io { .. } => "disk.io",
            Self::DiskFull { .. } => "disk.full",
            Self::Cancelled => "cancelled",
            Self::Dns { .. } => "net.dns",
            Self::Connect { .. } => "net.connect",
            Self::Tls { .. } => "net.tls",
            Self::Status { status, .. } => match status {
                401 => "net.unauthorized",
                403 => "net.forbidden",
                404 | 410 => "net.not_found",
                407 => "net.proxy_auth",
                416 => "net.range",
                429 => "net.rate_limited",
                500..=599 => "net.server",
                _ => "net.status",
            },
            Self::Stalled { .. } => "net.stalled",
            Self::Interrupted { .. } => "net.interrupted",
            Self::BadAnswer { .. } => "net.bad_answer",
            Self::WrongSize { .. } => "file.wrong_size",
            Self::WrongHash { .. } => "file.wrong_hash",
            Self::InsecureRedirect { .. } => "net.insecure_redirect",
            Self::InsecureSource { .. } => "net.insecure_source",
            Self::TooManyRedirects { .. } => "net.too_many_redirects",
            Self::BadOption { .. } => "option.bad",
            Self::Client { .. } => "net.client",
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::UnknownModel { .. } => "Take one of the known ids, or give the path of a model folder.",
            Self::NotDownloaded { .. } => "Download it first: infernet model download, then the id.",
            Self::Name(_) => "Choose another name.",
            Self::Catalogue { .. } => "Correct the catalogue file.",
            Self::NotAModel { .. } => "Point to the folder that has model_index.json in it.",
            Self::Incomplete { .. } => {
                "Download the model again (only what is missing is fetched), or copy the missing files in."
            }
            Self::Damaged { .. } => "Download or copy this file again.",
            Self::LinkOutside { .. } => "Replace the link by the file that it points to.",
            Self::AlreadyThere { .. } => "Remove that model first, or import under another id.",
            Self::Busy { .. } => "Wait until the other one has ended, then try again.",
            Self::BuiltIn { .. } => "Import your folder under another id.",
            Self::NoSource { .. } => "Import the model from a folder instead.",
            Self::NotTheCataloguesModel { .. } => "Import it under an id of its own.",
            Self::Io { .. } => "Check that the folder exists and that you may write to it.",
            Self::DiskFull { .. } => {
                "Free some space or choose a models folder on another disk; what is downloaded is kept."
            }
            Self::Cancelled => "Start it again; it goes on where it stopped.",
            Self::Dns { .. } => "Check the network connection and the mirror setting.",
            Self::Connect { .. } => "Check the network connection, the proxy and the mirror setting.",
            Self::Tls { .. } => {
                "Check the clock of this computer and whether a proxy or virus scanner breaks into secure connections."
            }
            Self::Status { status, .. } => match status {
                401 | 403 => {
                    "The source wants an account or refuses this region: use a mirror, or download by hand and import the folder."
                }
                404 | 410 => "The source no longer has this file: use a mirror or a newer version of the program.",
                407 => "Put the name and password of the proxy into the proxy setting.",
                429 => "The source limits how much is fetched: wait, then go on; nothing is lost.",
                _ => "Try again later; it goes on where it stopped.",
            },
            Self::Stalled { .. } | Self::Interrupted { .. } => "Start it again; it goes on where it stopped.",
            Self::BadAnswer { .. } => {
                "Something between this computer and the source changes answers: check the proxy, or use a mirror."
            }
            Self::WrongSize { .. } | Self::WrongHash { .. } => {
                "The source or the disk gives wrong bytes: try a mirror; if it stays, check the disk."
            }
            Self::InsecureRedirect { .. } => "Use another mirror.",
            Self::InsecureSource { .. } => {
                "Use an https address, or allow plain http for this mirror if you trust the network."
            }
            Self::TooManyRedirects { .. } => "Check the mirror setting.",
            Self::BadOption { .. } => "Correct the setting.",
            Self::Client { .. } => {
                "Check the proxy setting and that the system has its root certificates (package ca-certificates)."
            }
        }
    }
}
