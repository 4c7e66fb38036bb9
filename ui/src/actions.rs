//! What the owner asked for, as typed commands. Pages only write them down; the client thread does them.

use std::path::PathBuf;

use infernet_api::types::job::NewJob;
use infernet_api::types::model::ModelAction;
use infernet_api::types::money::{Bucket, StakeAction};
use infernet_api::{JobId, ModelId, RequestId};

use crate::snapshot::Part;

/// Number of an action in this window, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionId(pub u64);

/// How a clip is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClipFormat {
    /// The file as the node has it.
    Mp4,
    /// An animation of 256 colours.
    Gif,
    /// Every frame as a picture, in a folder.
    PngFrames,
}

impl ClipFormat {
    /// All.
    pub const ALL: [Self; 3] = [Self::Mp4, Self::Gif, Self::PngFrames];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mp4 => "MP4",
            Self::Gif => "GIF",
            Self::PngFrames => "PNG frames",
        }
    }
}

/// A command.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Ask for a part again.
    Reload(Part),
    /// End a pause by hand.
    StartMining,
    /// Pause by hand, for a time or until `StartMining`.
    PauseMining {
        /// Seconds; until started without it.
        for_secs: Option<u32>,
    },
    /// Look for devices again.
    RescanDevices,
    /// What would it cost?
    Quote(NewJob),
    /// Order a clip; costs its deposit.
    Submit(NewJob),
    /// Give an own job up.
    Cancel(JobId),
    /// Ask for a deposit back.
    Refund(JobId),
    /// Rewards to balance.
    Claim {
        /// The same for every attempt of the same claim.
        request_id: RequestId,
    },
    /// Stake, unstake, withdraw.
    ChangeStake {
        /// The same for every attempt of the same change.
        request_id: RequestId,
        /// What.
        action: StakeAction,
        /// How much.
        amount_microcredits: Option<u64>,
    },
    /// Downloads, pauses, verifies or deletes a model.
    ChangeModel {
        /// Which.
        id: ModelId,
        /// What.
        action: ModelAction,
    },
    /// Changes settings with a JSON merge patch.
    PatchSettings(serde_json::Value),
    /// Checks the computer.
    RunDoctor,
    /// Reads what the node has logged.
    LoadLog,
    /// Saves what helps others help, with the node's log, into a folder.
    SaveReport {
        /// The report, as JSON.
        report: String,
        /// Where.
        folder: PathBuf,
    },
    /// What was checked of a job.
    LoadProof(JobId),
    /// Fetches and decodes a clip.
    LoadClip(JobId),
    /// Saves a clip into a folder.
    SaveClip {
        /// Which.
        job: JobId,
        /// How.
        format: ClipFormat,
        /// Where.
        folder: PathBuf,
    },
    /// Saves a job's evidence into a folder.
    SaveBundle {
        /// Which.
        job: JobId,
        /// Where.
        folder: PathBuf,
    },
    /// Saves a text, such as a table, into a folder.
    SaveText {
        /// The file's name.
        name: String,
        /// What is in it.
        text: String,
        /// Where.
        folder: PathBuf,
    },
    /// Other bars for earnings.
    SetBucket(Bucket),
    /// The next page of jobs.
    MoreJobs,
    /// The next page of receipts.
    MoreReceipts,
    /// Asks the shell to start the node again.
    RestartNode,
    /// Asks for a link that lets others in.
    ShowInvitation,
    /// Leaves the network for the one of a link.
    Join(String),
    /// Shows the identity's words.
    ShowWords,
    /// Forgets them.
    HideWords,
    /// Notes that they are on paper.
    WordsWritten,
}

/// Commands of one frame, in order.
#[derive(Debug, Default)]
pub struct Actions {
    list: Vec<(ActionId, Action)>,
    last: u64,
}

impl Actions {
    /// Writes a command down.
    pub fn push(&mut self, action: Action) -> ActionId {
        self.last += 1;
        let id = ActionId(self.last);
        self.list.push((id, action));
        id
    }

    /// Number of the newest command.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Takes what was written down. What egui draws twice in one frame, to lay it out again, is one command; the newest number is
    /// the one that is waited for.
    pub fn take(&mut self) -> Vec<(ActionId, Action)> {
        let list = std::mem::take(&mut self.list);
        let later = |at: usize, action: &Action| list[at + 1..].iter().any(|(_, other)| other == action);
        let once = list.iter().enumerate().filter(|(at, (_, action))| !later(*at, action));
        once.map(|(_, command)| command.clone()).collect()
    }
}
