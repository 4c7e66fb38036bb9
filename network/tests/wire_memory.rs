//! How much memory the wire's decoders take, measured at the allocator: what a message announces must not count, only what
//! it is. A test binary of its own, because every allocation of the process passes through it.

#![allow(clippy::unwrap_used)]
#![allow(unsafe_code)] // An allocator is unsafe by trait; this one counts and passes on.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use infernet_network::wire::{
    Announcement, BlobMessage, HEADER_BYTES, Invitation, Message, Request, Response, VERSION,
};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: passes every call on to the system's allocator with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(held, Ordering::Relaxed);
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Vectors that grow hold up to thrice their content for a moment, decoded items are a few times their encoding (an empty
/// byte string is one byte there and 24 here), and an error has a sentence.
fn bound(input: usize) -> usize {
    80 * input + (16 << 10)
}

fn check(what: &str, bytes: &[u8]) {
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    match what {
        "request" => drop(Request::from_bytes(bytes)),
        "response" => drop(Response::from_bytes(bytes)),
        "announcement" => drop(Announcement::from_bytes(bytes)),
        "blob" => drop(BlobMessage::from_bytes(bytes)),
        _ => drop(std::str::from_utf8(bytes).map(Invitation::parse)),
    }
    let used = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    assert!(used <= bound(bytes.len()), "{what}: {used} bytes for an input of {}", bytes.len());
}

fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![VERSION, kind];
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(body);
    bytes
}

#[test]
fn announced_lengths_cost_nothing() {
    let document: serde_json::Value = serde_json::from_str(include_str!("../../docs/vectors/wire.json")).unwrap();
    let rows: Vec<(String, Vec<u8>)> = document["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let hex = row["hex"].as_str().unwrap();
            let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
            (row["family"].as_str().unwrap().to_owned(), bytes)
        })
        .collect();
    // What every item of CBOR can announce at most: strings, bytes, lists, maps of four and eight byte lengths.
    let announcements: Vec<Vec<u8>> = [0x5a, 0x5b, 0x7a, 0x7b, 0x9a, 0x9b, 0xba, 0xbb]
        .into_iter()
        .map(|lead: u8| std::iter::once(lead).chain([0x7f; 8]).take(1 + if lead & 1 == 0 { 4 } else { 8 }).collect())
        .collect();
    for (family, bytes) in &rows {
        check(family, bytes);
        for at in HEADER_BYTES..bytes.len() {
            for announced in &announcements {
                // In the place of what was there, and in front of it.
                for skip in [1, 0] {
                    let body = [&bytes[HEADER_BYTES..at], announced, &bytes[(at + skip).min(bytes.len())..]].concat();
                    check(family, &framed(bytes[1], &body));
                }
            }
        }
    }
    // Long lists of nothing.
    for body in [vec![0x40; 16_000], vec![0x80; 16_000], vec![0xa0; 16_000], vec![0x9f; 16_000]] {
        for (family, kind) in [("request", 2), ("response", 11), ("response", 12), ("blob", 1)] {
            check(family, &framed(kind, &body));
            let list = [&b"\xa2\x68receipts\x99\x3e\x80"[..], &body].concat();
            check(family, &framed(kind, &list));
        }
    }
    check("invitation", document["invitations"][1].as_str().unwrap().as_bytes());
    check("invitation", format!("infernet://join/{}", "z".repeat(8000)).as_bytes());
}
