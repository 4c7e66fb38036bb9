//! Reading and writing the boxes that MP4 files are made of.

use crate::video::{Error, Result};

/// Four-letter type of a box.
pub(super) type Kind = [u8; 4];

/// For messages: printable or `?`.
pub(super) fn name(kind: Kind) -> String {
    kind.iter().map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '?' }).collect()
}

/// Reads big-endian numbers and never past the end.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    data: &'a [u8],
    part: &'static str,
}

impl<'a> Reader<'a> {
    /// `part` names the box in errors.
    pub(super) const fn new(data: &'a [u8], part: &'static str) -> Self {
        Self { data, part }
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.data.split_at_checked(count).ok_or_else(|| self.damaged("it ends early"))?;
        self.data = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.data.split_first_chunk::<N>().ok_or_else(|| self.damaged("it ends early"))?;
        self.data = rest;
        Ok(*head)
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<()> {
        self.bytes(count).map(|_| ())
    }

    pub(super) fn u8(&mut self) -> Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn kind(&mut self) -> Result<Kind> {
        self.array()
    }

    /// Version of a "full box"; its flags are skipped.
    pub(super) fn version(&mut self) -> Result<u8> {
        let version = self.u8()?;
        self.skip(3)?;
        Ok(version)
    }

    /// 32 bits in version 0 of a box, 64 in later ones.
    pub(super) fn long_if(&mut self, version: u8) -> Result<u64> {
        if version == 0 { self.u32().map(u64::from) } else { self.u64() }
    }

    /// Entry count of a table whose entries have `entry_bytes`, which must all be there.
    pub(super) fn count(&mut self, entry_bytes: usize) -> Result<usize> {
        let count = self.u32()? as usize;
        if self.data.len() / entry_bytes < count {
            return Err(self.damaged("its table is longer than the box"));
        }
        Ok(count)
    }

    /// Next box inside this one: its type and content. `None` at the end.
    pub(super) fn next_box(&mut self) -> Result<Option<(Kind, &'a [u8])>> {
        if self.data.is_empty() {
            return Ok(None);
        }
        let size = u64::from(self.u32()?);
        let kind = self.kind()?;
        let content = match size {
            0 => self.data.len() as u64,
            1 => self.u64()?.checked_sub(16).ok_or_else(|| self.damaged("a box in it is smaller than its header"))?,
            _ => size.checked_sub(8).ok_or_else(|| self.damaged("a box in it is smaller than its header"))?,
        };
        let content = usize::try_from(content).unwrap_or(usize::MAX);
        if content > self.data.len() {
            return Err(self.damaged(&format!("box '{}' goes beyond its end", name(kind))));
        }
        Ok(Some((kind, self.bytes(content)?)))
    }

    /// First box of `kind` from here on.
    pub(super) fn find(mut self, kind: Kind) -> Result<Option<&'a [u8]>> {
        while let Some((found, content)) = self.next_box()? {
            if found == kind {
                return Ok(Some(content));
            }
        }
        Ok(None)
    }

    pub(super) fn damaged(&self, why: &str) -> Error {
        Error::damaged(self.part, why)
    }
}

/// Writes boxes into memory; sizes are filled in when a box is complete.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn boxed(&mut self, kind: &Kind, content: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 4]);
        self.bytes.extend(kind);
        content(self);
        // Only tables of a clip that is in memory go through here; `mux` checks that they stay below 4 GiB.
        let size = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&size.to_be_bytes());
    }

    /// A box with version 0 and `flags`.
    pub(super) fn full_box(&mut self, kind: &Kind, flags: u32, content: impl FnOnce(&mut Self)) {
        self.boxed(kind, |w| {
            w.u32(flags);
            content(w);
        });
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn zeros(&mut self, count: usize) {
        self.bytes.resize(self.bytes.len() + count, 0);
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.raw(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.raw(&value.to_be_bytes());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn boxes_come_back() {
        let mut writer = Writer::default();
        writer.boxed(b"moov", |w| {
            w.full_box(b"mvhd", 7, |w| w.u16(513));
            w.boxed(b"free", |_| ());
        });
        let mut reader = Reader::new(&writer.bytes, "file");
        let (kind, content) = reader.next_box().unwrap().unwrap();
        assert_eq!((&kind, content.len()), (b"moov", 14 + 8));
        assert!(reader.next_box().unwrap().is_none());
        let mut mvhd = Reader::new(Reader::new(content, "moov").find(*b"mvhd").unwrap().unwrap(), "mvhd");
        assert_eq!(mvhd.version().unwrap(), 0);
        assert_eq!(mvhd.u16().unwrap(), 513);
        assert!(matches!(mvhd.u8(), Err(Error::Damaged { part: "mvhd", .. })));
        assert!(Reader::new(content, "moov").find(*b"trak").unwrap().is_none());
    }

    #[test]
    fn sizes_are_not_believed() {
        for header in [
            &[0, 0, 0, 9, b'f', b'r', b'e', b'e'][..],
            &[0, 0, 0, 7, b'f', b'r', b'e', b'e'],
            &[0, 0, 0, 1, b'f', b'r', b'e', b'e', 255, 255, 255, 255, 255, 255, 255, 255],
            &[0, 0, 0, 1, b'f', b'r', b'e', b'e', 0, 0, 0, 0, 0, 0, 0, 15],
            &[0, 0, 0],
        ] {
            assert!(matches!(Reader::new(header, "file").next_box(), Err(Error::Damaged { .. })), "{header:?}");
        }
        // Size 0 means "to the end", a 64-bit size of 16 means "empty".
        assert_eq!(Reader::new(b"\0\0\0\0mdat123", "file").next_box().unwrap().unwrap().1, b"123");
        assert_eq!(Reader::new(b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x10", "file").next_box().unwrap().unwrap().1, b"");
        let mut table = Reader::new(&[0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0], "stsz");
        assert!(matches!(table.count(4), Err(Error::Damaged { .. })));
    }
}
