//! Frames on a byte stream: a header with its own checksum, then the payload.

use std::io::{self, Read, Write};

use super::Channel;

/// First bytes of a connection: protocol and version.
const MAGIC: [u8; 8] = *b"INFSHRD1";
const HELLO_BYTES: usize = 8 + 32 + 2 + 2 + 4;
const HEADER_BYTES: usize = 1 + 2 + 8 + 8 + 4 + 4;
/// Payload bytes that are read before more memory is taken: an announced length alone costs nothing.
const READ_STEP: usize = 4 << 20;
/// Longest reason that is kept of what a member says.
const MAX_REASON_CHARS: usize = 300;

/// Who is at the other end, said once by both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) group: [u8; 32],
    pub(super) rank: u16,
    pub(super) world: u16,
}

impl Hello {
    pub(super) fn write(self, out: &mut impl Write) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(HELLO_BYTES);
        bytes.extend(MAGIC);
        bytes.extend(self.group);
        bytes.extend(self.rank.to_le_bytes());
        bytes.extend(self.world.to_le_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        out.write_all(&bytes)
    }

    pub(super) fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut bytes = [0; HELLO_BYTES];
        from.read_exact(&mut bytes)?;
        let (body, checksum) = bytes.split_at(HELLO_BYTES - 4);
        if body[..8] != MAGIC || crc32fast::hash(body).to_le_bytes() != *checksum {
            return Err(bad("it does not speak this version of the shard protocol"));
        }
        let mut group = [0; 32];
        group.copy_from_slice(&body[8..40]);
        let number = |at: usize| u16::from_le_bytes([body[at], body[at + 1]]);
        Ok(Self { group, rank: number(40), world: number(42) })
    }
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data = 0,
    /// The sender gives up; the payload says why.
    Abort = 1,
    /// The sender has left as planned.
    Bye = 2,
}

/// Writes one frame. `sequence` counts the connection's frames.
pub(super) fn write_frame(
    out: &mut impl Write,
    kind: Kind,
    channel: Channel,
    sequence: u64,
    payload: &[u8],
) -> io::Result<()> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.push(kind as u8);
    header.extend(channel.0.to_le_bytes());
    header.extend(sequence.to_le_bytes());
    header.extend((payload.len() as u64).to_le_bytes());
    header.extend(crc32fast::hash(payload).to_le_bytes());
    header.extend(crc32fast::hash(&header).to_le_bytes());
    out.write_all(&header)?;
    out.write_all(payload)?;
    out.flush()
}

/// A frame that was read.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) channel: Channel,
    pub(super) payload: Vec<u8>,
}

/// Reads one frame with the given number; nothing of a payload longer than `max_bytes` is read.
pub(super) fn read_frame(from: &mut impl Read, sequence: u64, max_bytes: usize) -> io::Result<Frame> {
    let mut header = [0; HEADER_BYTES];
    from.read_exact(&mut header)?;
    let (body, checksum) = header.split_at(HEADER_BYTES - 4);
    if crc32fast::hash(body).to_le_bytes() != *checksum {
        return Err(bad("a header does not match its checksum"));
    }
    let long = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&body[at..at + 8]);
        u64::from_le_bytes(bytes)
    };
    let kind = match body[0] {
        0 => Kind::Data,
        1 => Kind::Abort,
        2 => Kind::Bye,
        _ => return Err(bad("a frame is of an unknown kind")),
    };
    if long(3) != sequence {
        return Err(bad("a frame is missing or came twice"));
    }
    let length = usize::try_from(long(11)).ok().filter(|&length| length <= max_bytes);
    let Some(length) = length else {
        return Err(bad(&format!("it announced {} bytes where at most {max_bytes} may come", long(11))));
    };
    let mut payload = Vec::new();
    while payload.len() < length {
        let start = payload.len();
        payload.resize(length.min(start + READ_STEP.max(start)), 0);
        from.read_exact(&mut payload[start..])?;
    }
    if crc32fast::hash(&payload).to_le_bytes() != body[19..23] {
        return Err(bad("a payload does not match its checksum"));
    }
    Ok(Frame { kind, channel: Channel(u16::from_le_bytes([body[1], body[2]])), payload })
}

fn bad(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// A member's words as one line of bounded length without control characters.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_REASON_CHARS).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_come_back(channel in any::<u16>(), sequence in any::<u64>(), payload in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let mut bytes = Vec::new();
            write_frame(&mut bytes, Kind::Data, Channel(channel), sequence, &payload).unwrap();
            let frame = read_frame(&mut bytes.as_slice(), sequence, payload.len()).unwrap();
            prop_assert_eq!((frame.kind, frame.channel, &frame.payload), (Kind::Data, Channel(channel), &payload));
            prop_assert!(read_frame(&mut bytes.as_slice(), sequence.wrapping_add(1), payload.len()).is_err());
            if !payload.is_empty() {
                prop_assert!(read_frame(&mut bytes.as_slice(), sequence, payload.len() - 1).is_err());
            }
        }

        #[test]
        fn every_changed_bit_is_noticed(payload in proptest::collection::vec(any::<u8>(), 0..60), bit in any::<prop::sample::Index>()) {
            let mut bytes = Vec::new();
            write_frame(&mut bytes, Kind::Data, Channel(1), 7, &payload).unwrap();
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(read_frame(&mut bytes.as_slice(), 7, 1000).is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = read_frame(&mut bytes.as_slice(), 0, 1000);
            let _ = Hello::read(&mut bytes.as_slice());
        }
    }

    #[test]
    fn hellos_come_back_and_damage_is_noticed() {
        let hello = Hello { group: [9; 32], rank: 3, world: 6 };
        let mut bytes = Vec::new();
        hello.write(&mut bytes).unwrap();
        assert_eq!(Hello::read(&mut bytes.as_slice()).unwrap(), hello);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Hello::read(&mut damaged.as_slice()).is_err());
        }
    }
}
