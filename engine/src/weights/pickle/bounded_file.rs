//! Reads that are checked against the file's length before anything is allocated.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::fault::{Fault, damaged};

#[derive(Debug)]
pub(super) struct BoundedFile {
    file: File,
    len: u64,
}

impl BoundedFile {
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let file = File::open(path).map_err(Fault::Read)?;
        let len = file.metadata().map_err(Fault::Read)?.len();
        Ok(Self { file, len })
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Fails unless `len` bytes from `start` lie in the file.
    pub(super) fn check(&self, start: u64, len: u64) -> Result<(), Fault> {
        if start.checked_add(len).is_some_and(|end| end <= self.len) {
            return Ok(());
        }
        Err(damaged(format!("it refers to {len} bytes at {start}, but has {} in all", self.len)))
    }

    pub(super) fn read_at(&mut self, start: u64, len: u64) -> Result<Vec<u8>, Fault> {
        self.check(start, len)?;
        let too_large = |_| damaged(format!("{len} bytes are more than this machine can address"));
        let mut bytes = vec![0; usize::try_from(len).map_err(too_large)?];
        self.file.seek(SeekFrom::Start(start)).and_then(|_| self.file.read_exact(&mut bytes)).map_err(Fault::Read)?;
        Ok(bytes)
    }
}
