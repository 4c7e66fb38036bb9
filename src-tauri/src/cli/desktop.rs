//! Arguments of the desktop.

use std::path::PathBuf;

use clap::Args;
use infernet_api::Digest;

#[derive(Args, Default)]
pub(crate) struct DesktopArgs {
    /// The node's folder [default: the data folder]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// Without a window: the tray only
    #[arg(long)]
    pub(crate) background: bool,
}

#[derive(Args)]
pub(crate) struct DashboardArgs {
    /// The node's folder [default: the data folder]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// The node's URL, for a rig elsewhere [default: the node of this computer]
    #[arg(long, value_name = "URL", env = "INFERNET_URL")]
    pub(crate) url: Option<String>,
    /// File with the node's token [default: api-token in the data folder]
    #[arg(long, value_name = "FILE", env = "INFERNET_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Fingerprint of the node's certificate, as it shows it on its own computer; for https
    #[arg(long, value_name = "HEX", env = "INFERNET_FINGERPRINT")]
    pub(crate) fingerprint: Option<Digest>,
    /// Go straight to the first page
    #[arg(long, env = "INFERNET_SKIP_WIZARD")]
    pub(crate) skip_wizard: bool,
    /// Internal: obey the shell, on standard input
    #[arg(long, hide = true)]
    pub(crate) commands: bool,
}
