//! The pieces of a response between its guest and its client, in order: in memory first, on disk beyond that.
//!
//! Owns where each piece is, and when it moves. Must not know who waits. It does no blocking work itself: it hands out
//! [`SpillWrite`] and [`SpillRead`] jobs, and takes their results.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::limits::{RESPONSE_BUFFER, SPILL_KEPT_BYTES, SPILL_MAX_BYTES, SPILL_READ_BYTES};
use crate::memory_budget::{MemoryBudget, MemoryShare};
use crate::spill::{SpillRead, SpillWrite, SpillWritten};

/// A first-in, first-out buffer for one response.
#[derive(Debug)]
pub(crate) struct ResponseBuffer {
    /// The pieces that come out first.
    front: VecDeque<Bytes>,
    /// Bytes in memory, those of the overflow included.
    buffered: usize,
    /// Memory that these bytes take.
    share: MemoryShare,
    /// The pieces after `front`, once memory has had no room.
    overflow: Option<Box<Overflow>>,
}

/// The part of a response that is on disk, and the pieces that follow this part.
#[derive(Debug)]
struct Overflow {
    file: Option<Arc<File>>,
    /// Where the part begins and ends in the file (bytes).
    read_at: u64,
    write_at: u64,
    is_writing: bool,
    is_reading: bool,
    /// Pieces in memory that follow the part on disk, and the pieces that are being written.
    back: VecDeque<Bytes>,
    back_bytes: usize,
    /// Disk space that the file takes.
    disk_share: MemoryShare,
    /// A write has failed: the rest of the response has memory only.
    has_failed: bool,
}

/// The next output of a buffer.
#[derive(Debug)]
pub(crate) enum NextPiece {
    Data(Bytes),
    /// The piece is on disk; this job brings it back.
    Read(SpillRead),
    /// A job is under way.
    Wait,
    /// The buffer is empty, or holds back its last byte.
    Nothing,
}

impl ResponseBuffer {
    pub(crate) fn new(budget: Arc<MemoryBudget>) -> ResponseBuffer {
        ResponseBuffer {
            front: VecDeque::new(),
            buffered: 0,
            share: MemoryShare::new(budget),
            overflow: None,
        }
    }

    pub(crate) fn push(&mut self, data: Bytes) {
        self.set_buffered(self.buffered + data.len());
        match self
            .overflow
            .as_mut()
            .filter(|overflow| overflow.is_in_use())
        {
            Some(overflow) => overflow.push_back(data),
            None => self.front.push_back(data),
        }
    }

    /// Whether memory has room for more.
    pub(crate) fn has_room(&self) -> bool {
        self.buffered < RESPONSE_BUFFER && self.share.has_room(self.buffered)
    }

    /// Whether nothing is left, neither in memory nor on disk.
    pub(crate) fn is_empty(&self) -> bool {
        self.front.is_empty() && !self.has_overflow()
    }

    pub(crate) fn clear(&mut self) {
        self.front.clear();
        self.overflow = None;
        self.set_buffered(0);
    }

    /// The whole response in one piece, with its share of memory; `None` if part of the response is on disk.
    pub(crate) fn take_whole(&mut self) -> Option<(Bytes, Option<MemoryShare>)> {
        if self.has_overflow() {
            return None;
        }
        let whole = match self.front.len() {
            0 => Bytes::new(),
            1 => self.front.pop_front().unwrap_or_default(),
            _ => {
                let mut whole = BytesMut::with_capacity(self.buffered);
                // `extend` would copy byte by byte.
                let pieces = self.front.drain(..);
                pieces.for_each(|piece| whole.extend_from_slice(&piece));
                whole.freeze()
            }
        };
        self.buffered = 0;
        Some((whole, self.share.take()))
    }

    /// Takes the next piece, of at most `max` bytes. With `holds_last`, the last byte of the buffer stays inside.
    pub(crate) fn take_next(&mut self, max: usize, holds_last: bool) -> NextPiece {
        loop {
            let is_last_piece = self.front.len() == 1 && !self.has_overflow();
            let held_bytes = usize::from(holds_last && is_last_piece);
            if let Some(piece) = self.front.front_mut() {
                if piece.len() <= held_bytes {
                    return NextPiece::Nothing;
                }
                let size = max.min(piece.len() - held_bytes);
                let data = match piece.len() > size {
                    true => piece.split_to(size),
                    false => self.front.pop_front().unwrap_or_default(),
                };
                self.set_buffered(self.buffered - data.len());
                return NextPiece::Data(data);
            }
            let Some(overflow) = &mut self.overflow else {
                return NextPiece::Nothing;
            };
            match overflow.begin_read() {
                Some(next) => return next,
                None if overflow.back.is_empty() => return NextPiece::Nothing,
                None => self.front = overflow.take_back(),
            }
        }
    }

    /// The job that makes room in memory, if the disk has room. Call this only when memory has none.
    pub(crate) fn begin_write(&mut self) -> Option<SpillWrite> {
        let folder = self.share.spill_folder()?.clone();
        if self.overflow.is_none() {
            self.overflow = Some(Box::new(Overflow::new(self.share.new_disk_share()?)));
        }
        let overflow = self.overflow.as_mut()?;
        let kept = match overflow.is_in_use() {
            true => None,
            false => Some(split_after(&self.front, SPILL_KEPT_BYTES)),
        };
        let size = match &kept {
            Some((_, size)) => *size,
            None => overflow.back_bytes,
        };
        if size == 0 || !overflow.can_write(size) {
            return None;
        }
        let pieces = match kept {
            Some((count, _)) => self.front.drain(count..).collect(),
            None => Vec::from(std::mem::take(&mut overflow.back)),
        };
        overflow.back_bytes = 0;
        overflow.is_writing = true;
        Some(SpillWrite {
            folder,
            file: overflow.file.clone(),
            offset: overflow.write_at,
            pieces,
            size,
        })
    }

    /// Takes the result of a write.
    pub(crate) fn end_write(&mut self, written: SpillWritten) {
        // The client may have left meanwhile.
        let Some(overflow) = &mut self.overflow else {
            return;
        };
        overflow.is_writing = false;
        match written {
            Ok((file, size)) => {
                overflow.file = Some(file);
                overflow.write_at += size as u64;
                overflow
                    .disk_share
                    .set_held(usize::try_from(overflow.write_at).unwrap_or(usize::MAX));
                self.set_buffered(self.buffered - size);
            }
            Err(pieces) => {
                overflow.has_failed = true;
                for piece in pieces.into_iter().rev() {
                    overflow.back_bytes += piece.len();
                    overflow.back.push_front(piece);
                }
            }
        }
    }

    /// Takes the result of a read.
    pub(crate) fn end_read(&mut self, read: io::Result<Bytes>) -> io::Result<()> {
        let Some(overflow) = &mut self.overflow else {
            return Ok(());
        };
        overflow.is_reading = false;
        let bytes = read?;
        overflow.read_at += bytes.len() as u64;
        self.set_buffered(self.buffered + bytes.len());
        self.front.push_back(bytes);
        Ok(())
    }

    /// Whether a write is under way, which will make room.
    pub(crate) fn is_writing(&self) -> bool {
        self.overflow
            .as_ref()
            .is_some_and(|overflow| overflow.is_writing)
    }

    fn has_overflow(&self) -> bool {
        self.overflow
            .as_ref()
            .is_some_and(|overflow| overflow.is_in_use())
    }

    fn set_buffered(&mut self, buffered: usize) {
        self.buffered = buffered;
        self.share.set_held(buffered);
    }
}

impl Overflow {
    fn new(disk_share: MemoryShare) -> Overflow {
        Overflow {
            file: None,
            read_at: 0,
            write_at: 0,
            is_writing: false,
            is_reading: false,
            back: VecDeque::new(),
            back_bytes: 0,
            disk_share,
            has_failed: false,
        }
    }

    /// Whether part of the response is here.
    fn is_in_use(&self) -> bool {
        self.read_at < self.write_at || self.is_writing || !self.back.is_empty()
    }

    fn push_back(&mut self, data: Bytes) {
        self.back_bytes += data.len();
        self.back.push_back(data);
    }

    /// Whether `size` more bytes may be written.
    fn can_write(&self, size: usize) -> bool {
        let after = self.write_at + size as u64;
        let has_room = self
            .disk_share
            .has_room(usize::try_from(after).unwrap_or(usize::MAX));
        !self.is_writing && !self.has_failed && after <= SPILL_MAX_BYTES && has_room
    }

    /// The work that is needed before `back` comes out: a read, or waiting for a job. `None`: no work.
    fn begin_read(&mut self) -> Option<NextPiece> {
        if self.is_reading {
            return Some(NextPiece::Wait);
        }
        let unread = self.write_at - self.read_at;
        if let Some(file) = self.file.as_ref().filter(|_| unread > 0) {
            self.is_reading = true;
            return Some(NextPiece::Read(SpillRead {
                file: file.clone(),
                offset: self.read_at,
                size: usize::try_from(unread)
                    .unwrap_or(usize::MAX)
                    .min(SPILL_READ_BYTES),
            }));
        }
        if self.is_writing {
            return Some(NextPiece::Wait);
        }
        // The file is empty: the next write begins at its start.
        (self.read_at, self.write_at) = (0, 0);
        self.disk_share.set_held(0);
        None
    }

    fn take_back(&mut self) -> VecDeque<Bytes> {
        self.back_bytes = 0;
        std::mem::take(&mut self.back)
    }
}

/// Splits after the pieces that hold the first `kept_bytes`: how many pieces come before, and how many bytes after.
fn split_after(pieces: &VecDeque<Bytes>, kept_bytes: usize) -> (usize, usize) {
    let (mut count, mut before, mut after) = (0, 0, 0);
    for piece in pieces {
        if before < kept_bytes {
            before += piece.len();
            count += 1;
        } else {
            after += piece.len();
        }
    }
    (count, after)
}
