//! The pieces of a response between its guest and its client, in their order: in memory, and on disk beyond that.
//!
//! Owns what is where, and when it moves. Must not know who waits, nor do any blocking work itself: it hands out jobs
//! and takes their results.

use crate::buffers::{Buffers, Share};
use crate::limits::{RESPONSE_BUFFER, SPILL_KEPT_BYTES, SPILL_MAX_BYTES, SPILL_READ_BYTES};
use crate::spill::{ReadJob, WriteJob};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;

/// A response on its way. What the guest puts in last comes out last, wherever it was in between.
#[derive(Debug)]
pub(crate) struct ResponseQueue {
    /// What comes out next.
    front: VecDeque<Bytes>,
    /// Bytes in memory.
    buffered: usize,
    /// What that takes of the memory for all responses.
    share: Share,
    /// What comes after `front`, once memory has had no room.
    spill: Option<Box<Spill>>,
}

/// The part of a response that is on disk, and what follows it.
#[derive(Debug)]
struct Spill {
    file: Option<Arc<File>>,
    /// Where the part begins and ends in the file (bytes).
    read_at: u64,
    write_at: u64,
    writing: bool,
    reading: bool,
    /// What comes after the part, and after what is being written.
    back: VecDeque<Bytes>,
    back_bytes: usize,
    /// What the file takes of the disk for all responses.
    share: Share,
    /// The disk takes nothing: memory is all there is.
    refused: bool,
}

/// What comes next of a response.
#[derive(Debug)]
pub(crate) enum Next {
    Data(Bytes),
    /// It is on disk: the job brings it back.
    Read(ReadJob),
    /// A job is under way.
    Wait,
    /// There is nothing more yet.
    Nothing,
}

impl ResponseQueue {
    pub(crate) fn new(buffers: Arc<Buffers>) -> ResponseQueue {
        ResponseQueue {
            front: VecDeque::new(),
            buffered: 0,
            share: Share::new(buffers),
            spill: None,
        }
    }

    pub(crate) fn push(&mut self, data: Bytes) {
        self.set_buffered(self.buffered + data.len());
        match self.spill.as_mut().filter(|spill| spill.is_active()) {
            Some(spill) => spill.push_back(data),
            None => self.front.push_back(data),
        }
    }

    /// Whether memory has room for more.
    pub(crate) fn has_room(&self) -> bool {
        self.buffered < RESPONSE_BUFFER && self.share.has_room(self.buffered)
    }

    /// Whether nothing is anywhere.
    pub(crate) fn is_empty(&self) -> bool {
        self.front.is_empty() && !self.is_on_disk()
    }

    pub(crate) fn clear(&mut self) {
        self.front.clear();
        self.spill = None;
        self.set_buffered(0);
    }

    /// All of it in one piece, with its share of memory, if all is in memory.
    pub(crate) fn take_whole(&mut self) -> Option<(Bytes, Option<Share>)> {
        if self.is_on_disk() {
            return None;
        }
        let whole = match self.front.len() {
            0 => Bytes::new(),
            1 => self.front.pop_front().unwrap_or_default(),
            _ => {
                let mut whole = BytesMut::with_capacity(self.buffered);
                // Not `extend`, which goes byte by byte.
                let pieces = self.front.drain(..);
                pieces.for_each(|piece| whole.extend_from_slice(&piece));
                whole.freeze()
            }
        };
        self.buffered = 0;
        Some((whole, self.share.take()))
    }

    /// The next piece, of at most `max` bytes; the very last byte that there is does not come out if it is to be held.
    pub(crate) fn next(&mut self, max: usize, holds_last: bool) -> Next {
        loop {
            let alone = self.front.len() == 1 && !self.is_on_disk();
            let held = usize::from(holds_last && alone);
            if let Some(piece) = self.front.front_mut() {
                if piece.len() <= held {
                    return Next::Nothing;
                }
                let size = max.min(piece.len() - held);
                let data = match piece.len() > size {
                    true => piece.split_to(size),
                    false => self.front.pop_front().unwrap_or_default(),
                };
                self.set_buffered(self.buffered - data.len());
                return Next::Data(data);
            }
            let Some(spill) = &mut self.spill else {
                return Next::Nothing;
            };
            match spill.next_read() {
                Some(next) => return next,
                None if spill.back.is_empty() => return Next::Nothing,
                None => self.front = spill.take_back(),
            }
        }
    }

    /// The job that makes room in memory, if the disk has room. To be asked when there is none.
    pub(crate) fn begin_write(&mut self) -> Option<WriteJob> {
        let folder = self.share.spill_folder()?.clone();
        let spill = self.spill.get_or_insert_with(|| {
            let share = Share::new(folder.buffers.clone());
            Box::new(Spill::new(share))
        });
        let kept = match spill.is_active() {
            true => None,
            false => Some(partition(&self.front, SPILL_KEPT_BYTES)),
        };
        let size = match &kept {
            Some((_, size)) => *size,
            None => spill.back_bytes,
        };
        if size == 0 || !spill.takes(size) {
            return None;
        }
        let pieces = match kept {
            Some((count, _)) => self.front.drain(count..).collect(),
            None => Vec::from(std::mem::take(&mut spill.back)),
        };
        spill.back_bytes = 0;
        spill.writing = true;
        Some(WriteJob {
            folder,
            file: spill.file.clone(),
            offset: spill.write_at,
            pieces,
            size,
        })
    }

    /// A write has ended.
    pub(crate) fn end_write(&mut self, written: Result<(Arc<File>, usize), Vec<Bytes>>) {
        // The client may have left meanwhile.
        let Some(spill) = &mut self.spill else {
            return;
        };
        spill.writing = false;
        match written {
            Ok((file, size)) => {
                spill.file = Some(file);
                spill.write_at += size as u64;
                spill
                    .share
                    .set(usize::try_from(spill.write_at).unwrap_or(usize::MAX));
                self.set_buffered(self.buffered - size);
            }
            Err(pieces) => {
                spill.refused = true;
                for piece in pieces.into_iter().rev() {
                    spill.back_bytes += piece.len();
                    spill.back.push_front(piece);
                }
            }
        }
    }

    /// A read has ended.
    pub(crate) fn end_read(&mut self, read: io::Result<Bytes>) -> io::Result<()> {
        let Some(spill) = &mut self.spill else {
            return Ok(());
        };
        spill.reading = false;
        let bytes = read?;
        spill.read_at += bytes.len() as u64;
        self.set_buffered(self.buffered + bytes.len());
        self.front.push_back(bytes);
        Ok(())
    }

    /// Whether a job makes room.
    pub(crate) fn is_writing(&self) -> bool {
        self.spill.as_ref().is_some_and(|spill| spill.writing)
    }

    fn is_on_disk(&self) -> bool {
        self.spill.as_ref().is_some_and(|spill| spill.is_active())
    }

    fn set_buffered(&mut self, buffered: usize) {
        self.buffered = buffered;
        self.share.set(buffered);
    }
}

impl Spill {
    fn new(share: Share) -> Spill {
        Spill {
            file: None,
            read_at: 0,
            write_at: 0,
            writing: false,
            reading: false,
            back: VecDeque::new(),
            back_bytes: 0,
            share,
            refused: false,
        }
    }

    /// Whether something of the response is here.
    fn is_active(&self) -> bool {
        self.read_at < self.write_at || self.writing || !self.back.is_empty()
    }

    fn push_back(&mut self, data: Bytes) {
        self.back_bytes += data.len();
        self.back.push_back(data);
    }

    /// Whether so many bytes more may be written.
    fn takes(&self, size: usize) -> bool {
        let after = self.write_at + size as u64;
        let has_room = self
            .share
            .has_room(usize::try_from(after).unwrap_or(usize::MAX));
        !self.writing && !self.refused && after <= SPILL_MAX_BYTES && has_room
    }

    /// What is to be read, or waited for, before `back`.
    fn next_read(&mut self) -> Option<Next> {
        if self.reading {
            return Some(Next::Wait);
        }
        let left = self.write_at - self.read_at;
        if let Some(file) = self.file.as_ref().filter(|_| left > 0) {
            self.reading = true;
            return Some(Next::Read(ReadJob {
                file: file.clone(),
                offset: self.read_at,
                size: usize::try_from(left)
                    .unwrap_or(usize::MAX)
                    .min(SPILL_READ_BYTES),
            }));
        }
        if self.writing {
            return Some(Next::Wait);
        }
        // The file is used again from its start.
        (self.read_at, self.write_at) = (0, 0);
        self.share.set(0);
        None
    }

    fn take_back(&mut self) -> VecDeque<Bytes> {
        self.back_bytes = 0;
        std::mem::take(&mut self.back)
    }
}

/// How many pieces hold the first `kept` bytes, and how many bytes the others have.
fn partition(pieces: &VecDeque<Bytes>, kept: usize) -> (usize, usize) {
    let (mut count, mut before, mut after) = (0, 0, 0);
    for piece in pieces {
        if before < kept {
            before += piece.len();
            count += 1;
        } else {
            after += piece.len();
        }
    }
    (count, after)
}
