//! From the bytes of a journal to what it claims. Pure, in one pass, one record in memory at a time.

use std::convert::Infallible;
use std::ops::Range;

use super::record::{Done, HEADER_LEN, Header, MAX_RECORD_LEN, RECORD_OVERHEAD, Record, Seed};
use super::{Claims, CorruptJournal, Identity};

/// What a journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Journaled {
    /// Its header.
    pub header: Header,
    /// Which file it is about.
    pub identity: Identity,
    /// What of that file is on the disk.
    pub claims: Claims,
    /// What the last Durable record claims: the bytes that a lying disk is most likely to have lost.
    pub latest: Vec<Range<u64>>,
    /// What the source left.
    pub aux: Option<Vec<u8>>,
    /// The file is complete and was about to get its name, or has it.
    pub done: Option<Done>,
    /// Where the next record goes.
    pub end: u64,
    /// Whether the records end where zeros or the end of the file follow. If not, the last one was torn, or damaged later;
    /// what it claimed, and all behind it, is not in the claims.
    pub clean: bool,
}

/// Reads a journal from memory.
///
/// Never panics, and never claims more than the longest valid prefix of records does, or anything behind the end of the
/// file that they are about. Reading what was claimed, written again, gives the same claims.
///
/// # Errors
/// [`CorruptJournal`] if the header or the first record is not whole, or if a whole record breaks a rule.
pub fn recover(bytes: &[u8]) -> Result<Journaled, CorruptJournal> {
    let Ok(result) = recover_from::<Infallible>(|offset, buf| {
        let rest = usize::try_from(offset).ok().and_then(|start| bytes.get(start..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    });
    result
}

/// Reads a journal through `read`, which fills its buffer as far as the journal goes and says how far that was.
///
/// # Errors
/// The outer error is that of `read`; the inner one is as for [`recover`].
pub(super) fn recover_from<E>(
    read: impl FnMut(u64, &mut [u8]) -> Result<usize, E>,
) -> Result<Result<Journaled, CorruptJournal>, E> {
    let mut window = Window { read, bytes: Vec::new(), start: 0 };
    let header = match Header::decode(window.get(0, HEADER_LEN)?) {
        Ok(header) => header,
        Err(corrupt) => return Ok(Err(corrupt)),
    };
    let mut scan = Scan::new(header);
    loop {
        let found = match Frame::find(&mut window, scan.seed, scan.end)? {
            Frame::Whole(body) => scan.take(body),
            Frame::End => return Ok(scan.finish(true)),
            Frame::Torn => return Ok(scan.finish(false)),
        };
        if let Err(corrupt) = found {
            return Ok(Err(corrupt));
        }
    }
}

/// What is at the place of the next record.
enum Frame<'a> {
    /// Kind and payload of a record with the right checksum.
    Whole(&'a [u8]),
    /// No record.
    End,
    /// Something that is not a record.
    Torn,
}

impl<'a> Frame<'a> {
    fn find<E, R>(window: &'a mut Window<R>, seed: Seed, offset: u64) -> Result<Self, E>
    where
        R: FnMut(u64, &mut [u8]) -> Result<usize, E>,
    {
        let head = window.get(offset, 4)?;
        let Some(&len) = head.first_chunk() else {
            return Ok(if head.iter().all(|&byte| byte == 0) { Self::End } else { Self::Torn });
        };
        let len = u32::from_le_bytes(len) as usize;
        if len == 0 {
            return Ok(Self::End);
        }
        if len > MAX_RECORD_LEN {
            return Ok(Self::Torn);
        }
        let Some((summed, sum)) = window.get(offset, len + RECORD_OVERHEAD - 1)?.split_last_chunk::<4>() else {
            return Ok(Self::Torn);
        };
        match summed.split_at_checked(4) {
            Some((_, body)) if body.len() == len && u32::from_le_bytes(*sum) == seed.checksum(offset, summed) => {
                Ok(Self::Whole(body))
            }
            _ => Ok(Self::Torn),
        }
    }
}

/// What the records so far add up to.
struct Scan {
    header: Header,
    seed: Seed,
    end: u64,
    identity: Option<Identity>,
    claims: Claims,
    latest: Vec<Range<u64>>,
    aux: Option<Vec<u8>>,
    done: Option<Done>,
}

impl Scan {
    fn new(header: Header) -> Self {
        let claims = Claims::new(header.block_shift);
        let (seed, end) = (Seed::of(&header), HEADER_LEN as u64);
        Self { header, seed, end, identity: None, claims, latest: Vec::new(), aux: None, done: None }
    }

    fn take(&mut self, body: &[u8]) -> Result<(), CorruptJournal> {
        let broken = |rule| CorruptJournal::Record { offset: self.end, rule };
        let record = Record::decode(body, self.header.block_shift).map_err(broken)?;
        match (record, &self.identity) {
            (Record::Identity(identity), None) => self.identity = Some(identity),
            (Record::Identity(_), Some(_)) => return Err(broken("a second identity")),
            (_, None) => return Err(CorruptJournal::NoIdentity),
            (Record::Durable(runs), Some(identity)) => {
                if runs.last().is_some_and(|last| identity.extent.is_some_and(|extent| last.end > extent)) {
                    return Err(broken("a claim behind the end of the file"));
                }
                runs.iter().for_each(|run| self.claims.apply(run));
                self.latest = runs.iter().map(super::Run::range).collect();
            }
            (Record::Aux(blob), Some(_)) => self.aux = Some(blob),
            (Record::Done(done), Some(_)) => self.done = Some(done),
        }
        self.end += (body.len() + RECORD_OVERHEAD - 1) as u64;
        Ok(())
    }

    fn finish(self, clean: bool) -> Result<Journaled, CorruptJournal> {
        let Self { header, end, identity, claims, latest, aux, done, .. } = self;
        let identity = identity.ok_or(CorruptJournal::NoIdentity)?;
        Ok(Journaled { header, identity, claims, latest, aux, done, end, clean })
    }
}

/// A piece of the journal in memory.
struct Window<R> {
    read: R,
    bytes: Vec<u8>,
    /// Where in the journal `bytes` begin.
    start: u64,
}

impl<R> Window<R> {
    /// Bytes read at once; a record that is longer is read whole.
    const STEP: usize = 64 << 10;

    /// The `len` bytes at `offset`, or fewer at the end of the journal. Offsets never go back.
    fn get<E>(&mut self, offset: u64, len: usize) -> Result<&[u8], E>
    where
        R: FnMut(u64, &mut [u8]) -> Result<usize, E>,
    {
        let mut at = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        if self.bytes.len().saturating_sub(at) < len {
            self.bytes.drain(..at.min(self.bytes.len()));
            (self.start, at) = (offset, 0);
            let mut more = vec![0; len.max(Self::STEP)];
            let n = (self.read)(offset + self.bytes.len() as u64, &mut more)?;
            self.bytes.extend_from_slice(&more[..n]);
        }
        let rest = self.bytes.get(at..).unwrap_or_default();
        Ok(&rest[..rest.len().min(len)])
    }
}

#[cfg(test)]
mod tests {
    use segfetch_source::{Strength, Validator};

    use super::super::record::Axis;
    use super::*;

    #[test]
    fn a_journal_is_read_in_large_steps_and_no_byte_of_it_twice() {
        let header = Header { job_id: [1; 16], generation: 0, block_shift: 12, axis: Axis::Bytes, created: 0 };
        let identity = Identity::new("a", Validator::new(Strength::Strong, vec![1]), None);
        let mut bytes = header.encode().to_vec();
        for record in std::iter::once(Record::Identity(identity)).chain((0..100).map(|n| Record::Aux(vec![n; 100]))) {
            bytes.extend(record.encode(Seed::of(&header), bytes.len() as u64));
        }
        let mut reads = Vec::new();
        let Ok(found) = recover_from::<Infallible>(|offset, buf| {
            let rest = &bytes[offset as usize..];
            let n = rest.len().min(buf.len());
            buf[..n].copy_from_slice(&rest[..n]);
            reads.push((offset as usize, n));
            Ok(n)
        });
        assert_eq!(found.unwrap().end as usize, bytes.len());
        assert_eq!(reads, [(0, bytes.len()), (bytes.len(), 0)]);
    }
}
