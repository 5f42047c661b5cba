//! Journals from arbitrary bytes: what the fuzz target `journal` runs, and what replays its corpus.
//!
//! The first byte says how the rest is taken: as a whole journal; as the bodies of records that get the right frame and
//! checksum; as ranges that nothing keeps in order or in bounds; or as a list of records of a valid journal, with a place
//! where it is then damaged.

use std::collections::BTreeMap;

use segfetch::checkpoint::record::{Axis, Done, Header, MAX_BLOCK_SHIFT, MAX_EXTENT, MIN_BLOCK_SHIFT, Record, Seed};
use segfetch::checkpoint::{Identity, Journaled, Run, recover};
use segfetch::source::{Strength, Validator};

/// Runs one input; panics where recovery breaks a promise.
pub(crate) fn run(data: &[u8]) {
    let Some((&how, data)) = data.split_first() else { return };
    match how % 4 {
        0 => drop(judge(data)),
        1 => drop(judge(&framed(data))),
        2 => claimed(data),
        _ => damaged(data),
    }
}

/// Whatever the bytes: no panic, no claim behind the end, and what is believed is believed again when it is written anew.
fn judge(bytes: &[u8]) -> Option<Journaled> {
    let journal = recover(bytes).ok()?;
    let end = journal.end as usize;
    assert!(end <= bytes.len());
    let have = journal.claims.have();
    let extent = journal.identity.extent.unwrap_or(MAX_EXTENT);
    assert!(have.iter().all(|range| range.end <= extent), "{have:?} in {extent} bytes");
    let runs = journal.claims.runs();
    assert_eq!(runs.iter().map(Run::len).sum::<u64>(), have.total());
    assert!(runs.windows(2).all(|pair| pair[0].end <= pair[1].start));

    let mut again = recover(&bytes[..end]).unwrap();
    assert!(again.clean);
    again.clean = journal.clean;
    assert_eq!(again, journal);

    let mut records = vec![Record::Identity(journal.identity.clone())];
    records.extend(journal.aux.clone().map(Record::Aux));
    records.extend(Record::durable(runs));
    records.extend(journal.done.clone().map(Record::Done));
    let rewritten = recover(&encode(&journal.header, &records).0).unwrap();
    assert_eq!(rewritten.claims.runs(), journal.claims.runs());
    assert_eq!((&rewritten.aux, &rewritten.done), (&journal.aux, &journal.done));
    assert!(rewritten.clean && rewritten.identity == journal.identity);
    Some(journal)
}

/// A header, an identity and bodies: for each a length in two bytes, and its bytes.
fn framed(mut data: &[u8]) -> Vec<u8> {
    let shift = take(&mut data) % (MAX_BLOCK_SHIFT - MIN_BLOCK_SHIFT + 1) + MIN_BLOCK_SHIFT;
    let header = Header { job_id: [7; 16], generation: 0, block_shift: shift, axis: Axis::Bytes, created: 0 };
    let extent = match take(&mut data) {
        0 => None,
        blocks => Some(u64::from(blocks) << shift),
    };
    let mut bytes = header.encode().to_vec();
    if !take(&mut data).is_multiple_of(4) {
        bytes.extend(Record::Identity(identity(extent)).encode(Seed::of(&header), bytes.len() as u64));
    }
    while !data.is_empty() {
        let len = usize::from(take(&mut data)) | usize::from(take(&mut data) & 3) << 8;
        let (body, rest) = data.split_at(len.min(data.len()));
        let mut record = (body.len() as u32).to_le_bytes().to_vec();
        record.extend(body);
        let sum = Seed::of(&header).checksum(bytes.len() as u64, &record);
        bytes.extend(record);
        bytes.extend(sum.to_le_bytes());
        data = rest;
    }
    bytes
}

/// What is believed of unruly claims is what the last claim of each block says.
fn claimed(data: &[u8]) {
    let (bytes, records) = unruly(data);
    let Some(journal) = judge(&bytes) else { return };
    let mut blocks = BTreeMap::new();
    for run in records.iter().flat_map(|record| if let Record::Durable(runs) = record { &runs[..] } else { &[] }) {
        blocks.extend(run.blocks().map(|claim| (claim.block, claim)));
    }
    assert!(journal.claims.blocks().eq(blocks.into_values()), "not the last claim of each block");
}

/// Claims of a file of up to 255 blocks, anywhere, in any order, of any length.
fn unruly(mut data: &[u8]) -> (Vec<u8>, Vec<Record>) {
    let header = Header { job_id: [8; 16], generation: 0, block_shift: 12, axis: Axis::Bytes, created: 0 };
    let mut records = vec![Record::Identity(identity(Some(u64::from(take(&mut data)) << 12)))];
    while !data.is_empty() {
        let mut runs = Vec::new();
        for _ in 0..take(&mut data) % 4 {
            let (first, blocks, less) = (take(&mut data), take(&mut data) % 16, take(&mut data));
            let start = u64::from(first) << 12;
            let end = (start + (u64::from(blocks) << 12)).saturating_sub(u64::from(less) << 4).max(start);
            runs.push(Run { start, end, shift: 12, sums: vec![u32::from(less); blocks.into()] });
        }
        records.push(Record::Durable(runs));
    }
    (encode(&header, &records).0, records)
}

/// A journal that says only what it should, with up to four neighbouring bytes changed, or cut off.
fn damaged(mut data: &[u8]) {
    let place = usize::from(take(&mut data)) << 8 | usize::from(take(&mut data));
    let change = [(); 4].map(|()| take(&mut data));
    let header = Header { job_id: [9; 16], generation: 1, block_shift: 12, axis: Axis::Time, created: 5 };
    let mut records = vec![Record::Identity(identity(Some(256 << 12)))];
    while !data.is_empty() && records.len() < 20 {
        let (kind, n) = (take(&mut data), take(&mut data));
        records.push(match kind % 4 {
            0 => Record::Aux(vec![n; usize::from(n)]),
            1 => Record::Done(Done { len: u64::from(n), name: format!("n{n}").into(), digest: vec![n; 3] }),
            _ => {
                let blocks = take(&mut data).min(255 - n).max(1);
                let start = u64::from(n) << 12;
                let end = start + (u64::from(blocks) << 12) - u64::from(kind);
                Record::Durable(vec![Run { start, end, shift: 12, sums: vec![u32::from(kind); blocks.into()] }])
            }
        });
    }
    let (bytes, ends) = encode(&header, &records);
    let whole = judge(&bytes).expect("a journal that a writer could have made");
    assert!(whole.clean && whole.end as usize == bytes.len());

    let place = place % bytes.len();
    let mut damaged = bytes.clone();
    damaged[place..].iter_mut().zip(change).for_each(|(byte, change)| *byte ^= change);
    if change == [0; 4] {
        damaged.truncate(place);
    }
    let untouched = ends.iter().filter(|&&end| end <= place).count();
    // Zeros among the change may have left the record at `place` as it was.
    let first_changed = damaged.iter().zip(&bytes).position(|(a, b)| a != b).unwrap_or(damaged.len());
    let still_whole = ends.iter().filter(|&&end| end <= first_changed).count();
    assert!(still_whole >= untouched);
    match judge(&damaged) {
        None => assert!(still_whole < 2, "{still_whole} of {} parts are whole", ends.len()),
        Some(found) => {
            let mut expected = recover(&bytes[..ends[still_whole - 1]]).unwrap();
            expected.clean = found.clean;
            assert_eq!(expected, found);
        }
    }
}

fn encode(header: &Header, records: &[Record]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = header.encode().to_vec();
    let mut ends = vec![bytes.len()];
    for record in records {
        bytes.extend(record.encode(Seed::of(header), bytes.len() as u64));
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn identity(extent: Option<u64>) -> Identity {
    Identity::new("fuzz://file", Validator::new(Strength::Weak, vec![1, 2, 3]), extent)
}

/// The next byte, or 0 at the end.
fn take(data: &mut &[u8]) -> u8 {
    let Some((&first, rest)) = data.split_first() else { return 0 };
    *data = rest;
    first
}
