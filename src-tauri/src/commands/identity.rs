//! `infernet identity`: whose computer this is: show, back up, restore, protect.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use infernet_network::identity::{Identity, Phrase, peer_id};
use infernet_network::proof::PublicKey;
use serde::Serialize;

use super::exchange::random;
use crate::cli::{IdentityArgs, IdentityCommand, Protection};
use crate::failure::{Failure, Result};
use crate::files::check_folder;
use crate::safe::{Kept, Safe, hidden};
use crate::{output, paths};

/// Words that are asked for after the phrase was shown.
const QUESTIONS: usize = 2;

#[derive(Serialize)]
struct Shown {
    node: String,
    peer_id: String,
    kept: &'static str,
    folder: PathBuf,
    backed_up: bool,
}

pub(super) fn run(command: &IdentityCommand) -> Result {
    let arguments = match command {
        IdentityCommand::Show(arguments) => arguments,
        IdentityCommand::Phrase { identity, .. }
        | IdentityCommand::Restore { identity, .. }
        | IdentityCommand::Protect { identity, .. } => identity,
    };
    let folder = match &arguments.data {
        Some(folder) => folder.clone(),
        None => paths::data_dir()?,
    };
    let safe = Safe::new(&folder, arguments.passphrase_file.as_deref());
    match command {
        IdentityCommand::Show(_) => show(&safe, &folder, arguments),
        IdentityCommand::Phrase { out, .. } => phrase(&safe, out.as_deref()),
        IdentityCommand::Restore { replace, .. } => restore(&safe, &folder, *replace, arguments),
        IdentityCommand::Protect { how, .. } => protect(&safe, &folder, *how, arguments),
    }
}

fn none(folder: &Path) -> Failure {
    Failure::input(format!(
        "there is no identity in {}; the first start of a node makes one, or restore one with `infernet identity restore`",
        folder.display()
    ))
}

fn show(safe: &Safe, folder: &Path, arguments: &IdentityArgs) -> Result {
    let (kept, owner) = (safe.kept()?, safe.owner()?);
    let owner = owner.filter(|_| kept != Kept::Nowhere).ok_or_else(|| none(folder))?;
    print(safe, folder, owner, kept, arguments)
}

fn print(safe: &Safe, folder: &Path, owner: PublicKey, kept: Kept, arguments: &IdentityArgs) -> Result {
    let shown = Shown {
        node: owner.to_string(),
        peer_id: peer_id(&owner).map(|id| id.to_string()).unwrap_or_default(),
        kept: kept.name(),
        folder: folder.to_owned(),
        backed_up: safe.backed_up(&owner),
    };
    if arguments.json {
        return output::json(&shown);
    }
    output::line(&format!("node       {}", shown.node))?;
    output::line(&format!("peer id    {}", shown.peer_id))?;
    output::line(&match kept {
        Kept::Keychain => "kept       in the system's keychain".to_owned(),
        Kept::Encrypted => format!("kept       under a passphrase in {}", safe.key_file().display()),
        Kept::Plain | Kept::Nowhere => {
            format!("kept       unencrypted, for its owner only, in {}", safe.key_file().display())
        }
    })?;
    output::line(if shown.backed_up {
        "backup     its words were written down"
    } else {
        "backup     none yet: `infernet identity phrase` shows the words that bring it back"
    })
}

/// Shows the words on the terminal and nowhere else, or writes them into a file for its owner only.
fn phrase(safe: &Safe, out: Option<&Path>) -> Result {
    let identity = safe.open()?;
    let phrase = identity.phrase();
    if let Some(out) = out {
        write_private(out, phrase.expose().as_bytes())?;
        safe.note_backup(&identity.public_key())?;
        return output::line(&format!("{}: 24 words; whoever reads them is this node", out.display()));
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::input(
            "the words are shown on a terminal only, so that they land in no log; write them into a file with --out FILE",
        ));
    }
    output::line("Write these 24 words on paper, in order. Whoever has them has this node and its money.\n")?;
    let words: Vec<&str> = phrase.words().collect();
    for row in 0..6 {
        let cell = |column: usize| format!("{:>2} {:<10}", row + 6 * column + 1, words[row + 6 * column]);
        output::line(&(0..4).map(cell).collect::<Vec<_>>().join("  "))?;
    }
    let random: [u8; 32] = random()?;
    let mut asked: Vec<usize> = Vec::new();
    for byte in random {
        let word = usize::from(byte) % words.len();
        if asked.len() < QUESTIONS && !asked.contains(&word) {
            asked.push(word);
        }
    }
    output::line("")?;
    for word in asked {
        print_question(&format!("To be sure, type word {}: ", word + 1))?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        if answer.trim().to_lowercase() != words[word] {
            return Err(Failure::input("that is another word; show the phrase again and compare your paper"));
        }
    }
    safe.note_backup(&identity.public_key())?;
    // The words leave the screen and what can be scrolled back to.
    output::line("\x1b[2J\x1b[3J\x1b[HBacked up.")
}

fn print_question(text: &str) -> Result {
    let mut stdout = std::io::stdout().lock();
    write!(stdout, "{text}")?;
    Ok(stdout.flush()?)
}

fn restore(safe: &Safe, folder: &Path, replace: bool, arguments: &IdentityArgs) -> Result {
    std::fs::create_dir_all(folder)?;
    let kept = safe.kept()?;
    let before = safe.owner()?;
    if std::io::stdin().is_terminal() {
        eprintln!("Type or paste the 24 words on one line; they are not shown.");
    }
    let words = hidden("words: ")?;
    let identity = Identity::from_phrase(&Phrase::parse(&words)?);
    if before == Some(identity.public_key()) {
        safe.note_backup(&identity.public_key())?;
        return print(safe, folder, identity.public_key(), kept, arguments);
    }
    if let Some(before) = before.filter(|_| kept != Kept::Nowhere && !replace) {
        return Err(Failure::input(format!(
            "the identity {before} is in {} already; back it up with `infernet identity phrase`, then add --replace",
            folder.display()
        )));
    }
    let how = if kept == Kept::Nowhere { Kept::Plain } else { kept };
    safe.keep(&identity, how)?;
    // Whoever can type the words has them.
    safe.note_backup(&identity.public_key())?;
    print(safe, folder, identity.public_key(), how, arguments)
}

fn protect(safe: &Safe, folder: &Path, how: Protection, arguments: &IdentityArgs) -> Result {
    if safe.kept()? == Kept::Nowhere {
        return Err(none(folder));
    }
    let identity = safe.open()?;
    let how = match how {
        Protection::Keychain => Kept::Keychain,
        Protection::Passphrase => Kept::Encrypted,
        Protection::File => Kept::Plain,
    };
    safe.keep(&identity, how)?;
    print(safe, folder, identity.public_key(), how, arguments)
}

/// A new file that only its owner may read.
fn write_private(path: &Path, bytes: &[u8]) -> Result {
    check_folder(path)?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| Failure::input(format!("{}: {error}", path.display())))?;
    file.write_all(bytes)?;
    file.write_all(b"\n")?;
    Ok(file.sync_all()?)
}
