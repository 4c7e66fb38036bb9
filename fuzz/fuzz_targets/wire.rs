//! What peers send; the first byte chooses. The limit on allocations is libFuzzer's (`-malloc_limit_mb`).
#![no_main]

use infernet_network::swarm::Bans;
use infernet_network::wire::{Announcement, BlobMessage, ChunkHeader, Invitation, Message, Request, Response};
use libfuzzer_sys::fuzz_target;

fn again<M: Message>(bytes: &[u8]) {
    if let Ok(value) = M::from_bytes(bytes) {
        assert_eq!(value.to_bytes().as_deref(), Ok(bytes));
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind % 7 {
        0 => again::<Request>(bytes),
        1 => again::<Response>(bytes),
        2 => again::<Announcement>(bytes),
        3 => again::<BlobMessage>(bytes),
        4 => {
            if let Some(bytes) = bytes.first_chunk()
                && let Ok(header) = ChunkHeader::from_bytes(bytes)
            {
                assert_eq!(&header.to_bytes(), bytes);
            }
        }
        5 => {
            if let Ok(text) = std::str::from_utf8(bytes)
                && let Ok(invitation) = Invitation::parse(text)
            {
                assert_eq!(invitation.to_uri().as_deref(), Ok(text.trim()));
            }
        }
        _ => {
            if let Ok(text) = std::str::from_utf8(bytes)
                && let Ok(bans) = Bans::from_json(text, 0)
            {
                let written = bans.to_json();
                assert_eq!(Bans::from_json(&written, 0).map(|bans| bans.to_json()), Ok(written));
            }
        }
    }
});
