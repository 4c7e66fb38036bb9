//! Arguments of `infernet update`.

use clap::Args;

#[derive(Args)]
pub(crate) struct UpdateArgs {
    /// Only say whether there is a newer version
    #[arg(long)]
    pub(crate) check: bool,
    /// Install it, without another question
    #[arg(long, conflicts_with = "check")]
    pub(crate) install: bool,
    /// The list of updates [default: INFERNET_UPDATE_URL, or what was built in]
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Whose signature counts: the last line of a minisign.pub [default: INFERNET_UPDATE_KEY, or what was built in]
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
