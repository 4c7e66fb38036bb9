//! Files from and to peers that do not keep to the rules.

use std::time::{Duration, Instant};

use futures::{AsyncReadExt, AsyncWriteExt};
use infernet_network::proof::Digest;
use infernet_network::swarm::{BLOB_PROTOCOL, BlobError, BlobSink, BlobTimeouts, Limits, SwarmConfig, SwarmEvent};
use infernet_network::wire::{
    BlobHeader, BlobMessage, BlobStart, CHUNK_BYTES, ChunkHeader, HEADER_BYTES, Message, VERSION,
};
use libp2p::Stream;
use sha2::{Digest as _, Sha256};

use crate::blobs::{content, header, offered};
use crate::evil::Evil;
use crate::world::{Node, config, node, patiently, plain, until};

async fn say(stream: &mut Stream, message: &BlobMessage) {
    stream.write_all(&message.to_bytes().unwrap()).await.unwrap();
    stream.flush().await.unwrap();
}

async fn hear(stream: &mut Stream) -> BlobMessage {
    let mut bytes = vec![0; HEADER_BYTES];
    patiently(stream.read_exact(&mut bytes)).await.unwrap();
    let length = u32::from_le_bytes(bytes[2..].try_into().unwrap()) as usize;
    bytes.resize(HEADER_BYTES + length, 0);
    patiently(stream.read_exact(&mut bytes[HEADER_BYTES..])).await.unwrap();
    BlobMessage::from_bytes(&bytes).unwrap()
}

async fn met(node: &mut Node) -> Evil {
    let mut evil = Evil::new().await;
    evil.blend_in(node).await;
    evil
}

fn chunk(bytes: &[u8], running: Digest) -> Vec<u8> {
    [&ChunkHeader { bytes: bytes.len() as u32, running }.to_bytes()[..], bytes].concat()
}

fn sum(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// An evil sender offers a file, the node accepts it, and the sender writes these bytes after `Start`.
async fn send_badly(node: &mut Node, evil: &Evil, header: &BlobHeader, bytes: &[u8]) -> (BlobError, BlobMessage) {
    let folder = tempfile::tempdir().unwrap();
    let mut stream = evil.open(node, BLOB_PROTOCOL).await.unwrap();
    say(&mut stream, &BlobMessage::Push(header.clone())).await;
    let accept = offered(node).await.accept(BlobSink::File(folder.path().join("clip")));
    let write = async {
        assert_eq!(hear(&mut stream).await, BlobMessage::Start(BlobStart { offset: 0 }));
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
        hear(&mut stream).await
    };
    let (accepted, answer) = patiently(async { tokio::join!(accept, write) }).await;
    assert!(!folder.path().join("clip").exists());
    (accepted.unwrap_err(), answer)
}

#[tokio::test]
async fn more_than_promised_is_not_written() {
    let mut node = plain();
    let evil = met(&mut node).await;
    let bytes = content(2000);
    let promised = BlobHeader { bytes: 1999, ..header(&bytes) };
    let (error, answer) = send_badly(&mut node, &evil, &promised, &chunk(&bytes, sum(&bytes))).await;
    assert_eq!(error.code(), "blob.too_long");
    assert!(matches!(answer, BlobMessage::Refused(refusal) if refusal.code == "blob.too_long"));
    until(|| async { node.score(evil.peer).await < -45.0 }).await;
}

#[tokio::test]
async fn chunks_have_a_bound_and_a_digest() {
    let bytes = content(2000);
    let mut long = ChunkHeader { bytes: 1, running: sum(&bytes) }.to_bytes();
    long[..4].copy_from_slice(&(CHUNK_BYTES as u32 + 1).to_le_bytes());
    let mut empty = long;
    empty[..4].copy_from_slice(&[0; 4]);
    let false_sum = chunk(&bytes, Digest([0; 32]));
    for (sent, code) in [(&long[..], "wire.field"), (&empty[..], "wire.field"), (&false_sum[..], "blob.wrong_digest")] {
        let mut node = plain();
        let evil = met(&mut node).await;
        let (error, _) = send_badly(&mut node, &evil, &header(&bytes), sent).await;
        assert_eq!(error.code(), code);
        until(|| async { node.score(evil.peer).await < -15.0 }).await;
    }
}

fn impatient(idle_ms: u64, base_ms: u64) -> Node {
    let blob_timeouts = BlobTimeouts {
        idle: Duration::from_millis(idle_ms),
        base: Duration::from_millis(base_ms),
        bytes_per_second: 1 << 30,
    };
    node(SwarmConfig { limits: Limits { blob_timeouts, ..Limits::default() }, ..config() })
}

#[tokio::test]
async fn a_sender_that_stalls_is_given_up_and_can_go_on_later() {
    let mut node = impatient(500, 60_000);
    let evil = met(&mut node).await;
    let bytes = content(CHUNK_BYTES + 1000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip");
    let mut stream = evil.open(&node, BLOB_PROTOCOL).await.unwrap();
    say(&mut stream, &BlobMessage::Push(header(&bytes))).await;
    let accept = offered(&mut node).await.accept(BlobSink::File(path.clone()));
    let (accepted, ()) = tokio::join!(patiently(accept), async {
        hear(&mut stream).await;
        stream.write_all(&chunk(&bytes[..CHUNK_BYTES], sum(&bytes[..CHUNK_BYTES]))).await.unwrap();
        // Half of the next one.
        stream.write_all(&chunk(&bytes[CHUNK_BYTES..], sum(&bytes))[..500]).await.unwrap();
        stream.flush().await.unwrap();
    });
    let error = accepted.unwrap_err();
    assert!(matches!(error, BlobError::Idle { at, .. } if at == CHUNK_BYTES as u64), "{error}");
    assert!(error.can_resume());
    until(|| async { node.score(evil.peer).await < -4.0 }).await;
    let mut stream = evil.open(&node, BLOB_PROTOCOL).await.unwrap();
    say(&mut stream, &BlobMessage::Push(header(&bytes))).await;
    let accept = offered(&mut node).await.accept(BlobSink::File(path.clone()));
    let (accepted, ()) = tokio::join!(patiently(accept), async {
        assert_eq!(hear(&mut stream).await, BlobMessage::Start(BlobStart { offset: CHUNK_BYTES as u64 }));
        stream.write_all(&chunk(&bytes[CHUNK_BYTES..], sum(&bytes))).await.unwrap();
        stream.flush().await.unwrap();
    });
    assert_eq!(accepted.unwrap().transferred_bytes, 1000);
    assert!(std::fs::read(path).unwrap() == bytes);
}

#[tokio::test]
async fn a_sender_that_dribbles_meets_the_deadline() {
    let mut node = impatient(10_000, 1_000);
    let evil = met(&mut node).await;
    let bytes = content(10_000);
    let mut stream = evil.open(&node, BLOB_PROTOCOL).await.unwrap();
    say(&mut stream, &BlobMessage::Push(header(&bytes))).await;
    let accept = offered(&mut node).await.accept(BlobSink::Memory);
    let began = Instant::now();
    let dribble = async {
        hear(&mut stream).await;
        for at in 0..bytes.len() {
            // One byte at a time, each in a chunk of its own, all of them right.
            let piece = chunk(&bytes[at..=at], sum(&bytes[..=at]));
            if stream.write_all(&piece).await.is_err() || stream.flush().await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let accepted = tokio::select! {
        accepted = accept => accepted,
        () = dribble => panic!("ten thousand bytes in {:?}", began.elapsed()),
    };
    assert!(matches!(accepted, Err(BlobError::Deadline { .. })), "{accepted:?}");
}

#[tokio::test]
async fn a_file_stream_begins_with_what_it_is_for() {
    for junk in [vec![0; 300], BlobMessage::Start(BlobStart { offset: 0 }).to_bytes().unwrap()] {
        let mut node = plain();
        let evil = met(&mut node).await;
        let mut stream = evil.open(&node, BLOB_PROTOCOL).await.unwrap();
        stream.write_all(&junk).await.unwrap();
        stream.flush().await.unwrap();
        until(|| async { node.score(evil.peer).await < -4.0 }).await;
    }
    // A header above its bound is not even read.
    let mut node = plain();
    let evil = met(&mut node).await;
    let mut stream = evil.open(&node, BLOB_PROTOCOL).await.unwrap();
    let mut bytes = vec![VERSION, 1];
    bytes.extend(1025_u32.to_le_bytes());
    stream.write_all(&bytes).await.unwrap();
    stream.flush().await.unwrap();
    until(|| async { node.score(evil.peer).await < -45.0 }).await;
}

#[tokio::test]
async fn a_peer_has_so_many_files_at_once_and_a_path_has_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = plain();
    let evil = met(&mut node).await;
    let bytes = content(1000);
    let limit = Limits::default().blobs_per_peer;
    let (mut streams, mut offers) = (Vec::new(), Vec::new());
    for _ in 0..limit {
        let mut stream = evil.open(&node, BLOB_PROTOCOL).await.unwrap();
        say(&mut stream, &BlobMessage::Push(header(&bytes))).await;
        streams.push(stream);
        offers.push(offered(&mut node).await);
    }
    let mut one_more = evil.open(&node, BLOB_PROTOCOL).await.unwrap();
    let mut answer = Vec::new();
    let ended = patiently(one_more.read_to_end(&mut answer)).await;
    assert!(ended.is_err() || answer.is_empty());
    assert_eq!(node.handle.stats().await.refused_messages, 1);
    // The first one is being received, so the second can't be received into the same place.
    let path = folder.path().join("clip");
    let first = tokio::spawn(offers.remove(0).accept(BlobSink::File(path.clone())));
    assert_eq!(hear(&mut streams[0]).await, BlobMessage::Start(BlobStart { offset: 0 }));
    let error = patiently(offers.remove(0).accept(BlobSink::File(path.clone()))).await.unwrap_err();
    assert_eq!(error.code(), "blob.busy");
    streams[0].write_all(&chunk(&bytes, sum(&bytes))).await.unwrap();
    streams[0].flush().await.unwrap();
    patiently(first).await.unwrap().unwrap();
    // Their places are free again.
    drop(offers);
    let mut stream = evil.open(&node, BLOB_PROTOCOL).await.unwrap();
    say(&mut stream, &BlobMessage::Push(header(&bytes))).await;
    let event = node.next(|event| matches!(event, SwarmEvent::BlobOffered(_)).then_some(())).await;
    assert_eq!(event, ());
}
