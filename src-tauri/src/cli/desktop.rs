//! Arguments of the desktop.

use std::path::PathBuf;

use clap::Args;

use super::NodeAt;

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
    #[command(flatten)]
    pub(crate) node: NodeAt,
    /// Go straight to the first page
    #[arg(long, env = "INFERNET_SKIP_WIZARD")]
    pub(crate) skip_wizard: bool,
    /// Internal: obey the shell, on standard input
    #[arg(long, hide = true)]
    pub(crate) commands: bool,
}
