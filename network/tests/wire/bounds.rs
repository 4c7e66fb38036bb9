//! Every bound: the largest value fits its frame, one more is refused by its sender and its receiver.

use infernet_network::proof::{Digest, JobSpec, PublicKey, Signature};
use infernet_network::wire::{
    Accepted, Account, AccountQuery, Ack, Announcement, BlobFetch, BlobHeader, BlobKind, BlobMessage, BlobStart,
    BlobSubject, CHUNK_BYTES, CancelJob, ChainAcceptance, ChunkHeader, CoSign, CoSigned, Commit, EvmAddress,
    EvmSignature, HEADER_BYTES, Hello, JobFailed, JobId, JobNotice, JobPreview, JobProgress, JobStage, JobState,
    JobStatus, LedgerAnswer, LedgerRequest, ManifestFile, ManifestQuery, MemberQuery, Message, MinerOffer,
    ModelManifest, Nonce, OfferJob, OfferedModel, Opaque, PostJob, Posted, Preview, PreviewQuery, ReceiptList,
    ReceiptsQuery, Refusal, Request, Response, Roles, Settled, ValidatorHello, WireError,
};

const JOB: JobId = JobId([255; 16]);
const DIGEST: Digest = Digest([255; 32]);

fn opaque(len: usize) -> Opaque {
    Opaque(vec![255; len])
}

/// The largest message of each kind, as its fields' own bounds have it.
fn largest_requests() -> Vec<Request> {
    let hello = Hello { protocol: u16::MAX, network: DIGEST, roles: Roles(255), software: "x".repeat(64) };
    let model = OfferedModel {
        digest: DIGEST,
        dtype: "x".repeat(16),
        max_frames: u32::MAX,
        max_width: u32::MAX,
        max_height: u32::MAX,
        seconds_per_evaluation: 0.1,
        price_microcredits_per_step: u64::MAX,
    };
    let offer = MinerOffer {
        models: vec![model; MinerOffer::MAX_MODELS],
        memory_bytes: u64::MAX,
        accepting: false,
        pause_reasons: vec!["x".repeat(64); MinerOffer::MAX_PAUSE_REASONS],
        account: Some(EvmAddress::new([255; 20])),
    };
    let (spec, opening) = (opaque(4 * JobSpec::LEN), opaque(32 + 2 * (8 + 8192)));
    vec![
        Request::Hello(hello),
        Request::MinerOffer(offer),
        Request::PostJob(PostJob {
            spec: spec.clone(),
            opening: opening.clone(),
            deposit_microcredits: u64::MAX,
            signature: Signature([255; 64]),
            miners: PostJob::MAX_MINERS,
        }),
        Request::JobStatus(JobStatus { job_id: JOB }),
        Request::CancelJob(CancelJob { job_id: JOB }),
        Request::OfferJob(OfferJob {
            spec,
            opening,
            challenge: opaque(4096),
            fee_microcredits: u64::MAX,
            required_stake_microcredits: u64::MAX,
            attempt: u32::MAX,
            payer: Some(EvmAddress::new([255; 20])),
        }),
        Request::Commit(Commit { job_id: JOB, commitment: opaque(4096) }),
        Request::JobProgress(JobProgress {
            job_id: JOB,
            step: u32::MAX,
            steps: u32::MAX,
            preview: Some(largest_preview()),
        }),
        Request::JobFailed(JobFailed { job_id: JOB, code: "x".repeat(64), message: "x".repeat(512) }),
        Request::LedgerRequest(LedgerRequest { request: opaque(4096) }),
        Request::Account(AccountQuery { key: PublicKey([255; 32]) }),
        Request::Receipts(ReceiptsQuery { after: u64::MAX }),
        Request::Settled(Settled { job_id: JOB, receipt: opaque(8192), verdict: opaque(64 << 10) }),
        Request::ModelOffer(ManifestQuery { digest: DIGEST }),
        Request::JobPreview(PreviewQuery { job_id: JOB, after_step: u32::MAX }),
        Request::CoSign(CoSign { job_id: JOB, attempt: u32::MAX, judgement: opaque(CoSign::MAX_JUDGEMENT_BYTES) }),
        Request::MemberQuery(MemberQuery { chain_id: u64::MAX, contract: EvmAddress::new([255; 20]) }),
    ]
}

fn largest_preview() -> Preview {
    Preview { width: 128, height: 128, rgb: opaque(3 * 128 * 128) }
}

fn largest_responses() -> Vec<Response> {
    let refusal = Refusal { code: "x".repeat(64), message: "x".repeat(512) };
    let ack = Ack { now_unix_ms: u64::MAX };
    let signature = EvmSignature::new([255; 65]);
    let acceptance = ChainAcceptance { account: EvmAddress::new([255; 20]), signature };
    let hello = Hello { protocol: u16::MAX, network: DIGEST, roles: Roles(255), software: "x".repeat(64) };
    let state = JobState {
        stage: JobStage::Committed,
        attempt: u32::MAX,
        progress_ppm: 1_000_000,
        deadline_unix_ms: u64::MAX,
        verdict: Some(opaque(64 << 10)),
        receipt: Some(opaque(8192)),
        message: "x".repeat(512),
    };
    let file = ManifestFile { path: "x".repeat(256), bytes: u64::MAX, sha256: DIGEST };
    // As many receipts of the largest kind as an answer has room for.
    let receipts = vec![opaque(8192); ReceiptList::MAX_TOTAL_BYTES / (8192 + 3)];
    vec![
        Response::Hello(hello),
        Response::Ack(ack),
        Response::Posted(Posted { job_id: JOB, receipt: opaque(8192) }),
        Response::Refused(refusal.clone()),
        Response::JobState(state),
        Response::Accepted(Accepted { now_unix_ms: u64::MAX, acceptance: Some(acceptance) }),
        Response::Declined(refusal.clone()),
        Response::Nonce(Nonce { nonce: [255; 32], published_unix_ms: u64::MAX }),
        Response::LedgerAnswer(LedgerAnswer { receipt: opaque(8192) }),
        Response::Account(Account { state: opaque(16 << 10) }),
        Response::Receipts(ReceiptList { receipts, more: true }),
        Response::ModelManifest(ModelManifest { files: vec![file; ModelManifest::MAX_FILES] }),
        Response::Error(refusal),
        Response::JobPreview(JobPreview { step: u32::MAX, preview: Some(largest_preview()) }),
        Response::CoSigned(CoSigned { signature }),
    ]
}

fn largest_announcements() -> Vec<Announcement> {
    let hello = ValidatorHello { network: DIGEST, ledger_head: DIGEST, sequence: u64::MAX, parameters: DIGEST };
    let notice = JobNotice {
        job: DIGEST,
        model: DIGEST,
        width: u32::MAX,
        height: u32::MAX,
        frames: u32::MAX,
        steps: u32::MAX,
        fee_microcredits: u64::MAX,
        stage: JobStage::Committed,
    };
    vec![Announcement::ValidatorHello(hello), Announcement::JobNotice(notice)]
}

fn largest_blob_messages() -> Vec<BlobMessage> {
    let subject = BlobSubject::ModelFile { model: DIGEST, path: "x".repeat(256) };
    vec![
        BlobMessage::Push(BlobHeader { subject: subject.clone(), digest: DIGEST, bytes: 64 << 30 }),
        BlobMessage::Fetch(BlobFetch { subject }),
        BlobMessage::Start(BlobStart { offset: u64::MAX }),
        BlobMessage::Refused(Refusal { code: "x".repeat(64), message: "x".repeat(512) }),
        BlobMessage::Done(Ack { now_unix_ms: u64::MAX }),
    ]
}

fn fit<M: Message + PartialEq + std::fmt::Debug>(largest: Vec<M>, most: usize) {
    let mut kinds: Vec<_> = largest.iter().map(Message::kind).collect();
    kinds.dedup();
    assert_eq!(kinds.len(), (0..=u8::MAX).filter_map(M::rule).count(), "one of each kind");
    for message in largest {
        let bytes = message.to_bytes().unwrap_or_else(|error| panic!("{error}"));
        let limit = M::rule(message.kind()).unwrap().limit_bytes as usize;
        // The bound is the least round number: not more than twice what is needed, small ones apart.
        assert!(limit <= 1024 || limit < 2 * bytes.len(), "{} {} {limit}", message.name(), bytes.len());
        assert!(bytes.len() <= most);
        assert_eq!(M::from_bytes(&bytes).unwrap(), message);
    }
    let of_rules = (0..=u8::MAX).filter_map(M::rule).map(|rule| rule.limit_bytes as usize).max().unwrap();
    assert_eq!(most, HEADER_BYTES + of_rules, "{}", M::WHAT);
}

#[test]
fn the_largest_values_fit_their_frames() {
    fit(largest_requests(), Request::MAX_BYTES);
    fit(largest_responses(), Response::MAX_BYTES);
    fit(largest_announcements(), Announcement::MAX_BYTES);
    fit(largest_blob_messages(), HEADER_BYTES + 1024);
}

fn field<M: Message>(message: &M) -> String {
    match message.to_bytes().map(drop) {
        Err(WireError::Field { field, .. }) => field.to_owned(),
        other => panic!("{other:?}"),
    }
}

/// Changes the largest request of a kind, and expects this field to be named.
fn refused(kind: u8, named: &str, change: impl Fn(&mut Request)) {
    let mut request = largest_requests().into_iter().find(|request| request.kind() == kind).unwrap();
    change(&mut request);
    assert_eq!(field(&request), named);
}

#[test]
fn one_more_is_refused_with_its_name() {
    macro_rules! change {
        ($kind:literal, $variant:ident, $named:literal, $with:expr) => {
            refused($kind, $named, |request| {
                if let Request::$variant(body) = request {
                    let with: fn(&mut _) = $with;
                    with(body);
                }
            })
        };
    }
    change!(1, Hello, "software", |hello: &mut Hello| hello.software.push('x'));
    change!(1, Hello, "software", |hello: &mut Hello| hello.software = "a\nb".to_owned());
    change!(2, MinerOffer, "models", |offer: &mut MinerOffer| offer.models.push(offer.models[0].clone()));
    change!(2, MinerOffer, "dtype", |offer: &mut MinerOffer| offer.models[63].dtype.push('x'));
    for seconds in [f64::NAN, f64::INFINITY, -1.0, -0.0] {
        let mut request = largest_requests().remove(1);
        if let Request::MinerOffer(offer) = &mut request {
            offer.models[5].seconds_per_evaluation = seconds;
        }
        assert_eq!(field(&request), "seconds_per_evaluation");
    }
    change!(2, MinerOffer, "pause_reasons", |offer: &mut MinerOffer| offer.pause_reasons.push("x".to_owned()));
    change!(2, MinerOffer, "pause_reasons", |offer: &mut MinerOffer| offer.pause_reasons[0] = "Too Hot".to_owned());
    change!(3, PostJob, "spec", |post: &mut PostJob| post.spec.0.push(0));
    change!(3, PostJob, "opening", |post: &mut PostJob| post.opening.0.push(0));
    change!(3, PostJob, "miners", |post: &mut PostJob| post.miners += 1);
    change!(6, OfferJob, "challenge", |offer: &mut OfferJob| offer.challenge.0.push(0));
    change!(7, Commit, "commitment", |commit: &mut Commit| commit.commitment.0.push(0));
    change!(8, JobProgress, "step", |progress: &mut JobProgress| progress.steps -= 1);
    change!(8, JobProgress, "preview.rgb length", |progress: &mut JobProgress| {
        if let Some(preview) = &mut progress.preview {
            preview.rgb.0.pop();
        }
    });
    change!(8, JobProgress, "preview.width", |progress: &mut JobProgress| {
        progress.preview = Some(Preview { width: 129, height: 1, rgb: Opaque(vec![0; 387]) });
    });
    change!(8, JobProgress, "preview.height", |progress: &mut JobProgress| {
        progress.preview = Some(Preview { width: 1, height: 0, rgb: Opaque::default() });
    });
    change!(9, JobFailed, "code", |failed: &mut JobFailed| failed.code.push('x'));
    change!(9, JobFailed, "code", |failed: &mut JobFailed| failed.code.clear());
    change!(9, JobFailed, "message", |failed: &mut JobFailed| failed.message.push('x'));
    change!(10, LedgerRequest, "request", |request: &mut LedgerRequest| request.request.0.push(0));
    change!(13, Settled, "verdict", |settled: &mut Settled| settled.verdict.0.push(0));
}

#[test]
fn a_list_that_is_too_large_altogether_is_refused() {
    let receipts = Response::Receipts(ReceiptList { receipts: vec![opaque(8192); 100], more: false });
    assert!(matches!(receipts.to_bytes(), Err(WireError::TooLarge { limit: 524_288, .. })));
}

#[test]
fn paths_stay_inside() {
    let path = |path: &str| {
        let subject = BlobSubject::ModelFile { model: DIGEST, path: path.to_owned() };
        BlobMessage::Fetch(BlobFetch { subject }).to_bytes().is_ok()
    };
    for good in ["a", "unet/model.safetensors", "a b/c-d_e.json", &"x".repeat(256)] {
        assert!(path(good), "{good}");
    }
    let bad = [
        "",
        "/",
        "/etc/passwd",
        "a/",
        "a//b",
        "..",
        "../a",
        "a/../b",
        "a/..",
        ".",
        ".hidden",
        "a/.b",
        "a\\b",
        "C:/a",
        "C:a",
        "a\0b",
        "a\nb",
        "~/a",
        "a/b.",
        "a./b",
        " a",
        "a ",
        "caf\u{e9}",
        "a\u{2215}b",
        &"x".repeat(257),
    ];
    for bad in bad {
        assert!(!path(bad), "{bad:?}");
    }
}

#[test]
fn kinds_of_files_have_bounds_of_their_own() {
    let header =
        |subject: BlobSubject, bytes| BlobMessage::Push(BlobHeader { subject, digest: DIGEST, bytes }).to_bytes();
    let subjects = [
        BlobSubject::Reveal { job_id: JOB },
        BlobSubject::Clip { job_id: JOB },
        BlobSubject::ModelFile { model: DIGEST, path: "a".to_owned() },
        BlobSubject::Evidence { job_id: JOB, attempt: 1 },
    ];
    for (subject, limit) in subjects.into_iter().zip([1 << 30, 1 << 30, 64 << 30, 1 << 30]) {
        assert_eq!(subject.kind().limit_bytes(), limit);
        assert!(header(subject.clone(), limit).is_ok());
        assert!(header(subject, limit + 1).is_err());
    }
    assert_eq!(BlobSubject::Clip { job_id: JOB }.kind(), BlobKind::Clip);
}

#[test]
fn chunks_are_never_empty_and_never_large() {
    for (bytes, fine) in
        [(0, false), (1, true), (CHUNK_BYTES as u32, true), (CHUNK_BYTES as u32 + 1, false), (u32::MAX, false)]
    {
        let header = ChunkHeader { bytes, running: DIGEST };
        let read = ChunkHeader::from_bytes(&header.to_bytes());
        assert_eq!(read.as_ref().ok(), fine.then_some(&header), "{read:?}");
    }
}

#[test]
fn refusals_can_always_be_sent() {
    for message in
        [String::new(), "x\r\ny".to_owned(), "\u{e9}".repeat(1000), "a".to_owned() + &"\u{1f600}".repeat(500)]
    {
        let refused = Response::refused("job.unknown", message);
        assert_eq!(Response::from_bytes(&refused.to_bytes().unwrap()).unwrap(), refused);
    }
}

#[test]
fn prompts_are_not_printed() {
    let post = PostJob {
        spec: opaque(3),
        opening: Opaque(b"a red circle".to_vec()),
        deposit_microcredits: 1,
        signature: Signature([1; 64]),
        miners: 1,
    };
    let printed = format!("{:?}", Request::PostJob(post));
    assert!(
        printed.contains("12 bytes") && !printed.contains("114, 101, 100") && !printed.contains("a red"),
        "{printed}"
    );
}
