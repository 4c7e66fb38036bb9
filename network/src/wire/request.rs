//! Questions.

use super::chain::{CoSign, MemberQuery};
use super::frame::messages;
use super::job::{
    AccountQuery, CancelJob, Commit, JobFailed, JobProgress, JobStatus, LedgerRequest, ManifestQuery, OfferJob,
    PostJob, PreviewQuery, ReceiptsQuery, Settled,
};
use super::offer::{Hello, MinerOffer};
use super::response::Response;

messages! {
    /// A question to a peer. Names are followed by the answers that fit; [`Response::Refused`] and [`Response::Error`]
    /// fit every one.
    Request, "request" {
        /// Who I am: [`Response::Hello`]. Sent by the swarm itself.
        Hello(Hello) = 1, at most 512;
        /// A miner's heartbeat: [`Response::Ack`].
        MinerOffer(MinerOffer) = 2, at most 16 << 10;
        /// [`Response::Posted`].
        PostJob(PostJob) = 3, at most 24 << 10;
        /// [`Response::JobState`].
        JobStatus(JobStatus) = 4, at most 64;
        /// [`Response::Ack`] or [`Response::JobState`].
        CancelJob(CancelJob) = 5, at most 64;
        /// [`Response::Accepted`] or [`Response::Declined`].
        OfferJob(OfferJob) = 6, at most 28 << 10;
        /// [`Response::Nonce`].
        Commit(Commit) = 7, at most 6 << 10;
        /// [`Response::Ack`].
        JobProgress(JobProgress) = 8, at most 52 << 10;
        /// [`Response::Ack`].
        JobFailed(JobFailed) = 9, at most 1024;
        /// [`Response::LedgerAnswer`].
        LedgerRequest(LedgerRequest) = 10, at most 6 << 10;
        /// [`Response::Account`].
        Account(AccountQuery) = 11, at most 64;
        /// [`Response::Receipts`].
        Receipts(ReceiptsQuery) = 12, at most 64;
        /// [`Response::Ack`].
        Settled(Settled) = 13, at most 80 << 10;
        /// [`Response::ModelManifest`].
        ModelOffer(ManifestQuery) = 14, at most 64;
        /// [`Response::JobPreview`].
        JobPreview(PreviewQuery) = 15, at most 64;
        /// [`Response::CoSigned`].
        CoSign(CoSign) = 16, at most 33 << 10;
        /// [`Response::CoSigned`].
        MemberQuery(MemberQuery) = 17, at most 64;
    }
}

/// Which answers fit a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// [`Response::Hello`].
    Hello,
    /// [`Response::Ack`].
    Ack,
    /// [`Response::Posted`].
    Posted,
    /// [`Response::JobState`].
    JobState,
    /// [`Response::Ack`] or [`Response::JobState`].
    AckOrJobState,
    /// [`Response::Accepted`] or [`Response::Declined`].
    Acceptance,
    /// [`Response::Nonce`].
    Nonce,
    /// [`Response::LedgerAnswer`].
    LedgerAnswer,
    /// [`Response::Account`].
    Account,
    /// [`Response::Receipts`].
    Receipts,
    /// [`Response::ModelManifest`].
    ModelManifest,
    /// [`Response::JobPreview`].
    JobPreview,
    /// [`Response::CoSigned`].
    CoSigned,
}

impl Expectation {
    /// Whether this answer fits; [`Response::Refused`] and [`Response::Error`] always do.
    pub fn is_met_by(self, response: &Response) -> bool {
        match response {
            Response::Refused(_) | Response::Error(_) => true,
            Response::Hello(_) => self == Self::Hello,
            Response::Ack(_) => matches!(self, Self::Ack | Self::AckOrJobState),
            Response::Posted(_) => self == Self::Posted,
            Response::JobState(_) => matches!(self, Self::JobState | Self::AckOrJobState),
            Response::Accepted(_) | Response::Declined(_) => self == Self::Acceptance,
            Response::Nonce(_) => self == Self::Nonce,
            Response::LedgerAnswer(_) => self == Self::LedgerAnswer,
            Response::Account(_) => self == Self::Account,
            Response::Receipts(_) => self == Self::Receipts,
            Response::ModelManifest(_) => self == Self::ModelManifest,
            Response::JobPreview(_) => self == Self::JobPreview,
            Response::CoSigned(_) => self == Self::CoSigned,
        }
    }
}

impl Request {
    /// The largest request there is, header and body, in bytes.
    pub const MAX_BYTES: usize = super::HEADER_BYTES + (80 << 10);

    /// Which answers fit.
    pub const fn expects(&self) -> Expectation {
        match self {
            Self::Hello(_) => Expectation::Hello,
            Self::PostJob(_) => Expectation::Posted,
            Self::JobStatus(_) => Expectation::JobState,
            Self::CancelJob(_) => Expectation::AckOrJobState,
            Self::OfferJob(_) => Expectation::Acceptance,
            Self::Commit(_) => Expectation::Nonce,
            Self::LedgerRequest(_) => Expectation::LedgerAnswer,
            Self::Account(_) => Expectation::Account,
            Self::Receipts(_) => Expectation::Receipts,
            Self::ModelOffer(_) => Expectation::ModelManifest,
            Self::JobPreview(_) => Expectation::JobPreview,
            Self::CoSign(_) | Self::MemberQuery(_) => Expectation::CoSigned,
            Self::MinerOffer(_) | Self::JobProgress(_) | Self::JobFailed(_) | Self::Settled(_) => Expectation::Ack,
        }
    }
}
