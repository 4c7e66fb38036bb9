//! Decoders never hold more than a bound that follows from their input's length, whatever the input claims.
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use infernet_network::proof::{Bundle, Evidence, JobSpec, Reveal, Signed, Verdict};

/// Counts what is held. One test only runs here, so that nothing else is counted.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system allocator unchanged; the counters are atomics and allocate nothing.
#[allow(unsafe_code)]
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

/// Three times the input, and the sampler's tables for 100 000 training timesteps.
fn bound(input: usize) -> usize {
    3 * input + (8 << 20)
}

fn check(name: &str, decode: &dyn Fn(&[u8]), bytes: &[u8]) {
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    decode(bytes);
    let used = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    assert!(used <= bound(bytes.len()), "{name}: {used} bytes for an input of {}", bytes.len());
}

/// Name, decoder, an input that it reads.
type Case<'a> = (&'a str, &'a dyn Fn(&[u8]), &'a [u8]);

#[test]
fn decoders_stay_within_their_bound() {
    let bundle = include_bytes!("../../docs/vectors/bundle.bin");
    let reveal = Bundle::from_bytes(bundle).unwrap().reveal.unwrap().bytes;
    let decoders: [Case<'_>; 5] = [
        ("job", &|bytes| drop(JobSpec::from_bytes(bytes)), &bundle[8..8 + JobSpec::LEN]),
        ("reveal", &|bytes| drop(Reveal::from_bytes(bytes)), &reveal),
        ("bundle", &|bytes| drop(Bundle::from_bytes(bytes)), bundle),
        ("evidence", &|bytes| drop(Evidence::from_bytes(bytes)), bundle),
        ("verdict", &|bytes| drop(Signed::<Verdict>::from_bytes(bytes)), bundle),
    ];
    for (name, decode, valid) in decoders {
        check(name, decode, valid);
        // Every byte in turn says the most and the least it can, and every length field with it.
        for at in (0..valid.len()).step_by(1 + valid.len() / 3000) {
            for value in [0x00, 0x7f, 0xff] {
                let mut bytes = valid.to_vec();
                let end = bytes.len().min(at + 8);
                bytes[at] = value;
                check(name, decode, &bytes);
                bytes[at..end].fill(value);
                check(name, decode, &bytes);
            }
        }
    }
}
