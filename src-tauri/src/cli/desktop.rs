//! Arguments of the desktop.

use std::path::PathBuf;

use clap::Args;

use super::NodeAt;

#[derive(Args, Default)]
pub(crate) struct DesktopArgs {
    /// The node's folder [default: the data folder]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// A link to open: infernet://join/... asks whether to join that network
    #[arg(value_name = "LINK", value_parser = link)]
    pub(crate) link: Option<String>,
    /// Without a window: the tray only
    #[arg(long)]
    pub(crate) background: bool,
}

/// What links of ours begin with.
pub(crate) const SCHEME: &str = "infernet:";

fn link(text: &str) -> Result<String, String> {
    infernet_network::wire::Invitation::parse(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

#[derive(Args)]
pub(crate) struct DashboardArgs {
    /// The node's folder [default: the data folder]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) node: NodeAt,
    /// Go straight to the first page
    #[arg(long, env = "INFERNET_SKIP_WIZARD")]
    pub(crate) skip_wizard: bool,
    /// Internal: obey the shell, on standard input
    #[arg(long, hide = true)]
    pub(crate) commands: bool,
}
