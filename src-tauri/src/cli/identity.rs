//! Arguments of `identity`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Args)]
pub(crate) struct IdentityArgs {
    /// The node's folder [default: the data folder]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// A file whose first line is the identity's passphrase (also INFERNET_PASSPHRASE_FILE) [default: it is asked for]
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What guards the identity.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protection {
    /// The system's keychain
    Keychain,
    /// A passphrase that every start asks for
    Passphrase,
    /// A file that only its owner may read: for rigs that start unattended
    File,
}

#[derive(Subcommand)]
pub(crate) enum IdentityCommand {
    /// Whose computer this is, and how its key is kept
    Show(IdentityArgs),
    /// Show the 24 words that bring the identity back, on this terminal only
    Phrase {
        /// Write them into this new file, for its owner only, instead of showing them
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        identity: IdentityArgs,
    },
    /// Bring an identity back from its 24 words (asked for, or read from standard input)
    Restore {
        /// Replace the identity that is there: without its own words it is lost
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        identity: IdentityArgs,
    },
    /// Keep the identity in another way
    Protect {
        /// What guards it
        #[arg(value_enum)]
        how: Protection,
        #[command(flatten)]
        identity: IdentityArgs,
    },
}
