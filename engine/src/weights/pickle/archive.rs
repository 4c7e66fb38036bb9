//! The directory of the zip that `torch.save` writes.
//!
//! Only what PyTorch writes is accepted: one file, stored entries, nothing before or after the archive. This is read here and not
//! with a zip library because those allocate for as many entries as a file claims to have.
//! Layout and field names: PKWARE APPNOTE 6.3, sections 4.3.7 to 4.3.16 and 4.5.3.

use std::collections::HashMap;

use super::bounded_file::BoundedFile;
use super::fault::{Fault, damaged, unsupported};

/// Diffusers' largest components have a few thousand.
const MAX_ENTRIES: u64 = 1 << 16;
const MAX_DIRECTORY_BYTES: u64 = 16 << 20;
const END_BYTES: u64 = 22;
const MAX_COMMENT_BYTES: u64 = u16::MAX as u64;
const CENTRAL_HEADER_BYTES: usize = 46;
const LOCAL_HEADER_BYTES: u64 = 30;
const ZIP64_EXTRA_ID: u64 = 1;
const ENCRYPTED_FLAG: u64 = 1;

/// A stored entry; its bytes begin somewhere after its local header.
#[derive(Clone, Copy, Debug)]
pub(super) struct ZipEntry {
    header_start: u64,
    pub(super) len: u64,
}

impl ZipEntry {
    /// Where the entry's bytes begin. The local header is read for this: its padding differs from the directory's.
    pub(super) fn start(self, file: &mut BoundedFile) -> Result<u64, Fault> {
        let header = file.read_at(self.header_start, LOCAL_HEADER_BYTES)?;
        if !header.starts_with(b"PK\x03\x04") {
            return Err(damaged(format!("there is no zip entry at byte {}", self.header_start)));
        }
        let start = self.header_start + LOCAL_HEADER_BYTES + field(&header, 26, 2)? + field(&header, 28, 2)?;
        file.check(start, self.len)?;
        Ok(start)
    }

    pub(super) fn read(self, file: &mut BoundedFile) -> Result<Vec<u8>, Fault> {
        let start = self.start(file)?;
        file.read_at(start, self.len)
    }
}

/// The entries of a weight file.
#[derive(Debug)]
pub(super) struct Archive {
    pub(super) pickle: ZipEntry,
    /// Says `little` or `big`; absent before PyTorch 2.1.
    pub(super) byte_order: Option<ZipEntry>,
    /// By key.
    pub(super) storages: HashMap<String, ZipEntry>,
}

impl Archive {
    pub(super) fn read(file: &mut BoundedFile) -> Result<Self, Fault> {
        let (start, len, count) = find_directory(file)?;
        if count > MAX_ENTRIES || len > MAX_DIRECTORY_BYTES {
            return Err(damaged(format!("its zip directory claims {count} entries in {len} bytes")));
        }
        let directory = file.read_at(start, len)?;
        let entries = parse_directory(&directory, count, file)?;
        let mut pickles = entries
            .iter()
            .filter_map(|(name, _)| name.strip_suffix("/data.pkl").filter(|folder| !folder.contains('/')));
        let (Some(folder), None) = (pickles.next(), pickles.next()) else {
            return Err(damaged("it is a zip without exactly one `data.pkl`, not a PyTorch file"));
        };
        let mut storages = HashMap::new();
        let (mut pickle, mut byte_order) = (None, None);
        for &(name, entry) in &entries {
            let Some(name) = name.strip_prefix(folder).and_then(|name| name.strip_prefix('/')) else { continue };
            let entry = entry.map_err(|reason| unsupported(format!("its entry `{}` is {reason}", name.escape_debug())));
            let previous = match (name, name.strip_prefix("data/")) {
                ("data.pkl", _) => pickle.replace(entry?),
                ("byteorder", _) => byte_order.replace(entry?),
                (_, Some(key)) => storages.insert(key.to_owned(), entry?),
                _ => None,
            };
            if previous.is_some() {
                return Err(damaged(format!("it has two entries `{}`", name.escape_debug())));
            }
        }
        let pickle = pickle.ok_or_else(|| damaged("it has no `data.pkl`"))?;
        Ok(Self { pickle, byte_order, storages })
    }
}

/// Start, length and number of entries of the central directory.
fn find_directory(file: &mut BoundedFile) -> Result<(u64, u64, u64), Fault> {
    let tail_len = file.len().min(END_BYTES + MAX_COMMENT_BYTES);
    let tail_start = file.len() - tail_len;
    let tail = file.read_at(tail_start, tail_len)?;
    let is_end = |&at: &usize| {
        let comment_len = (tail.len() - at) as u64 - END_BYTES;
        tail[at..].starts_with(b"PK\x05\x06") && field(&tail, at + 20, 2).is_ok_and(|len| len == comment_len)
    };
    let Some(at) = (0..(tail.len() + 1).saturating_sub(END_BYTES as usize)).rev().find(is_end) else {
        return Err(damaged("the zip directory at its end is missing; it is cut short"));
    };
    let end = &tail[at..];
    let (count, len, start) = (field(end, 10, 2)?, field(end, 12, 4)?, field(end, 16, 4)?);
    if count != 0xffff && len != 0xffff_ffff && start != 0xffff_ffff {
        return Ok((start, len, count));
    }
    let locator_start =
        (tail_start + at as u64).checked_sub(20).ok_or_else(|| damaged("its zip directory has no place"))?;
    let locator = file.read_at(locator_start, 20)?;
    if !locator.starts_with(b"PK\x06\x07") {
        return Ok((start, len, count));
    }
    let end64 = file.read_at(field(&locator, 8, 8)?, 56)?;
    if !end64.starts_with(b"PK\x06\x06") {
        return Err(damaged("its zip64 directory is not where it should be"));
    }
    Ok((field(&end64, 48, 8)?, field(&end64, 40, 8)?, field(&end64, 32, 8)?))
}

/// Names and entries; for an entry that can't be read, why.
type Entries<'a> = Vec<(&'a str, Result<ZipEntry, &'static str>)>;

fn parse_directory<'a>(directory: &'a [u8], count: u64, file: &BoundedFile) -> Result<Entries<'a>, Fault> {
    let mut entries = Vec::new();
    let mut rest = directory;
    for _ in 0..count {
        if !rest.starts_with(b"PK\x01\x02") {
            return Err(damaged("its zip directory is not valid"));
        }
        let name_len = field(rest, 28, 2)? as usize;
        let extra_len = field(rest, 30, 2)? as usize;
        let comment_len = field(rest, 32, 2)? as usize;
        let name = slice(rest, CENTRAL_HEADER_BYTES, name_len)?;
        let name = std::str::from_utf8(name).map_err(|_| damaged("a name in its zip directory is not text"))?;
        let extra = slice(rest, CENTRAL_HEADER_BYTES + name_len, extra_len)?;
        let [len, stored_len, header_start] = sizes(rest, extra)?;
        file.check(header_start, stored_len.saturating_add(LOCAL_HEADER_BYTES))?;
        let entry = match (field(rest, 8, 2)? & ENCRYPTED_FLAG, field(rest, 10, 2)?) {
            (0, 0) if stored_len == len => Ok(ZipEntry { header_start, len }),
            (0, 0) => return Err(damaged("its zip directory gives a stored entry two sizes")),
            (0, _) => Err("compressed"),
            _ => Err("encrypted"),
        };
        entries.push((name, entry));
        let entry_len = CENTRAL_HEADER_BYTES + name_len + extra_len + comment_len;
        rest = rest.get(entry_len..).ok_or_else(|| damaged("its zip directory is cut short"))?;
    }
    Ok(entries)
}

/// Length, stored length and local header of a directory entry; each is in the zip64 field if it does not fit its own.
fn sizes(header: &[u8], extra: &[u8]) -> Result<[u64; 3], Fault> {
    let mut wide = zip64_field(extra)?;
    let mut values = [field(header, 24, 4)?, field(header, 20, 4)?, field(header, 42, 4)?];
    for value in values.iter_mut().filter(|value| **value == 0xffff_ffff) {
        *value = field(wide, 0, 8)?;
        wide = &wide[8..];
    }
    Ok(values)
}

fn zip64_field(mut extra: &[u8]) -> Result<&[u8], Fault> {
    while extra.len() >= 4 {
        let len = field(extra, 2, 2)? as usize;
        if field(extra, 0, 2)? == ZIP64_EXTRA_ID {
            return slice(extra, 4, len);
        }
        extra = extra.get(4 + len..).unwrap_or_default();
    }
    Ok(&[])
}

fn slice(bytes: &[u8], at: usize, len: usize) -> Result<&[u8], Fault> {
    bytes.get(at..).and_then(|rest| rest.get(..len)).ok_or_else(|| damaged("its zip directory is cut short"))
}

/// A little-endian number of up to 8 bytes.
fn field(bytes: &[u8], at: usize, len: usize) -> Result<u64, Fault> {
    Ok(slice(bytes, at, len)?.iter().rev().fold(0, |value, &byte| (value << 8) | u64::from(byte)))
}
