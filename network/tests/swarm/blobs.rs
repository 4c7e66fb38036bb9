//! Files between honest peers.

use std::sync::Arc;

use infernet_network::proof::Digest;
use infernet_network::swarm::{BlobDemand, BlobError, BlobOffer, BlobSink, BlobSource, SwarmEvent};
use infernet_network::wire::{BlobHeader, BlobSubject, JobId};
use sha2::{Digest as _, Sha256};

use crate::world::{Node, Over, patiently, plain, until};

const JOB: JobId = JobId([5; 16]);

/// Content that repeats nowhere near a chunk.
pub(crate) fn content(len: usize) -> Vec<u8> {
    (0..len as u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8).collect()
}

pub(crate) fn header(content: &[u8]) -> BlobHeader {
    BlobHeader {
        subject: BlobSubject::Clip { job_id: JOB },
        digest: Digest(Sha256::digest(content).into()),
        bytes: content.len() as u64,
    }
}

pub(crate) async fn offered(node: &mut Node) -> BlobOffer {
    node.next(|event| match event {
        SwarmEvent::BlobOffered(offer) => Some(offer),
        _ => None,
    })
    .await
}

async fn demanded(node: &mut Node) -> BlobDemand {
    node.next(|event| match event {
        SwarmEvent::BlobRequested(demand) => Some(demand),
        _ => None,
    })
    .await
}

/// Sends in the background.
fn send(from: &Node, to: &Node, header: BlobHeader, bytes: &[u8]) -> tokio::task::JoinHandle<Result<(), BlobError>> {
    let (handle, peer, source) = (from.handle.clone(), to.id(), BlobSource::Memory(Arc::from(bytes)));
    tokio::spawn(async move { handle.send_blob(peer, header, source).await })
}

async fn pair(over: Over) -> (Node, Node) {
    let (mut a, mut b) = (plain(), plain());
    a.meet(&mut b, over).await;
    (a, b)
}

#[tokio::test]
async fn files_arrive_whole_on_disk_and_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    for over in [Over::Tcp, Over::Quic] {
        let (a, mut b) = pair(over).await;
        // Nothing, less than a chunk, a chunk, and more than a window.
        for len in [0, 1000, 256 << 10, (3 << 20) + 17] {
            let bytes = content(len);
            let path = folder.path().join(format!("{over:?}-{len}"));
            let sent = send(&a, &b, header(&bytes), &bytes);
            let received = patiently(offered(&mut b).await.accept(BlobSink::File(path.clone()))).await.unwrap();
            patiently(sent).await.unwrap().unwrap();
            assert_eq!(received.transferred_bytes, len as u64);
            assert!(received.content.is_none());
            assert!(std::fs::read(&path).unwrap() == bytes);
            let sent = send(&a, &b, header(&bytes), &bytes);
            let received = patiently(offered(&mut b).await.accept(BlobSink::Memory)).await.unwrap();
            patiently(sent).await.unwrap().unwrap();
            assert!(received.content.unwrap() == bytes);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().filter(|e| is_part(e.as_ref().unwrap())).count(), 0);
    }
}

fn is_part(entry: &std::fs::DirEntry) -> bool {
    entry.file_name().to_string_lossy().ends_with(".part")
}

#[tokio::test]
async fn files_are_fetched_from_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (a, mut b) = pair(Over::Quic).await;
    let bytes = content(700_000);
    let source = folder.path().join("source");
    std::fs::write(&source, &bytes).unwrap();
    let subject = BlobSubject::ModelFile { model: Digest([1; 32]), path: "unet/model.safetensors".to_owned() };
    let wanted = BlobHeader { subject: subject.clone(), ..header(&bytes) };
    let path = folder.path().join("target");
    let peer = b.id();
    let fetch = |expected| {
        let (handle, subject, sink) = (a.handle.clone(), subject.clone(), BlobSink::File(path.clone()));
        tokio::spawn(async move { handle.fetch_blob(peer, subject, expected, sink).await })
    };
    let fetched = fetch(Some(wanted.digest));
    let demand = demanded(&mut b).await;
    assert_eq!((demand.peer, &demand.subject), (a.id(), &subject));
    patiently(demand.send(wanted.clone(), BlobSource::File(source.clone()))).await.unwrap();
    assert_eq!(patiently(fetched).await.unwrap().unwrap().header, wanted);
    assert!(std::fs::read(&path).unwrap() == bytes);
    // Another file than the one asked for is noticed before its content.
    let fetched = fetch(Some(Digest([0; 32])));
    demanded(&mut b).await.send(wanted.clone(), BlobSource::File(source.clone())).await.unwrap_err();
    assert_eq!(patiently(fetched).await.unwrap().unwrap_err().code(), "blob.other_file");
    let fetched = fetch(None);
    let other = BlobHeader { subject: BlobSubject::Clip { job_id: JOB }, ..wanted.clone() };
    demanded(&mut b).await.send(other, BlobSource::File(source.clone())).await.unwrap_err();
    assert_eq!(patiently(fetched).await.unwrap().unwrap_err().code(), "blob.other_file");
    // A refusal has its reason, and a source that changed is not sent.
    let fetched = fetch(None);
    demanded(&mut b).await.refuse("model.unknown", "no such model").await;
    assert_eq!(patiently(fetched).await.unwrap().unwrap_err().code(), "model.unknown");
    let fetched = fetch(None);
    std::fs::write(&source, b"changed").unwrap();
    let error = demanded(&mut b).await.send(wanted, BlobSource::File(source)).await.unwrap_err();
    assert_eq!(error.code(), "blob.source_changed");
    patiently(fetched).await.unwrap().unwrap_err();
}

#[tokio::test]
async fn a_wrong_digest_leaves_nothing_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (a, mut b) = pair(Over::Tcp).await;
    let bytes = content(600_000);
    let path = folder.path().join("clip");
    let wrong = BlobHeader { digest: Digest([9; 32]), ..header(&bytes) };
    let sent = send(&a, &b, wrong, &bytes);
    let error = patiently(offered(&mut b).await.accept(BlobSink::File(path))).await.unwrap_err();
    assert_eq!(error.code(), "blob.wrong_digest");
    assert_eq!(patiently(sent).await.unwrap().unwrap_err().code(), "blob.wrong_digest");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    until(|| async { b.score(a.id()).await < -15.0 }).await;
}

#[tokio::test]
async fn transfers_are_taken_up_where_they_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (a, mut b) = pair(Over::Quic).await;
    let bytes = content(2_000_000);
    let path = folder.path().join("clip");
    let part = folder.path().join("clip.part");
    for there in [1, 256 << 10, 1_234_567, 2_000_000] {
        std::fs::write(&part, &bytes[..there]).unwrap();
        let sent = send(&a, &b, header(&bytes), &bytes);
        let received = patiently(offered(&mut b).await.accept(BlobSink::File(path.clone()))).await.unwrap();
        patiently(sent).await.unwrap().unwrap();
        assert_eq!(received.transferred_bytes, (bytes.len() - there) as u64);
        assert!(std::fs::read(&path).unwrap() == bytes && !part.exists());
    }
    // A part of another file costs one chunk, not the whole; then it is gone, and the next transfer begins anew.
    std::fs::write(&part, vec![1; 1_000_000]).unwrap();
    let sent = send(&a, &b, header(&bytes), &bytes);
    let error = patiently(offered(&mut b).await.accept(BlobSink::File(path.clone()))).await.unwrap_err();
    assert_eq!(error.code(), "blob.wrong_digest");
    assert!(!part.exists());
    patiently(sent).await.unwrap().unwrap_err();
    // A part longer than the file is of another one, too.
    std::fs::write(&part, vec![1; 3_000_000]).unwrap();
    let sent = send(&a, &b, header(&bytes), &bytes);
    let received = patiently(offered(&mut b).await.accept(BlobSink::File(path.clone()))).await.unwrap();
    patiently(sent).await.unwrap().unwrap();
    assert_eq!(received.transferred_bytes, bytes.len() as u64);
    assert!(std::fs::read(&path).unwrap() == bytes);
}

#[tokio::test]
async fn offers_are_refused_with_a_reason() {
    let (a, mut b) = pair(Over::Tcp).await;
    let bytes = content(1000);
    let sent = send(&a, &b, header(&bytes), &bytes);
    offered(&mut b).await.refuse("job.unknown", "no such job").await;
    let error = patiently(sent).await.unwrap().unwrap_err();
    assert!(matches!(&error, BlobError::Refused(_)) && error.code() == "job.unknown", "{error}");
    let sent = send(&a, &b, header(&bytes), &bytes);
    drop(offered(&mut b).await);
    assert_eq!(patiently(sent).await.unwrap().unwrap_err().code(), "blob.connection");
    // Above the bound of its kind nothing is sent at all.
    let huge = BlobHeader { bytes: (1 << 30) + 1, ..header(&bytes) };
    let error = patiently(send(&a, &b, huge, &bytes)).await.unwrap().unwrap_err();
    assert_eq!(error.code(), "wire.field");
    // A folder that is not there is the receiver's error; the sender learns of it.
    let sent = send(&a, &b, header(&bytes), &bytes);
    let nowhere = BlobSink::File("/proc/nowhere/clip".into());
    let error = patiently(offered(&mut b).await.accept(nowhere)).await.unwrap_err();
    assert_eq!(error.code(), "blob.disk");
    assert_eq!(patiently(sent).await.unwrap().unwrap_err().code(), "blob.disk");
}
