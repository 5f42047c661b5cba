//! Journals that are cut, damaged, moved, or made up.

use segfetch::checkpoint::record::{
    Axis, Done, HEADER_LEN, Header, MAX_AUX_LEN, MAX_DIGEST_LEN, MAX_EXTENT, MAX_LABEL_LEN, MAX_NAME_LEN,
    MAX_RECORD_LEN, Record, Seed,
};
use segfetch::checkpoint::{CorruptJournal, Journaled, Run, recover};
use segfetch::range_set::RangeSet;
use segfetch::source::{Strength, Validator};

use crate::job::*;

const EXTENT: u64 = 40 * BLOCK;

fn header() -> Header {
    Header { job_id: *b"0123456789abcdef", generation: 3, block_shift: SHIFT, axis: Axis::Bytes, created: 1 }
}

fn run(blocks: std::ops::Range<u64>, less: u64) -> Run {
    let (start, end) = (blocks.start * BLOCK, blocks.end * BLOCK - less);
    Run { start, end, shift: SHIFT, sums: blocks.map(|block| block as u32 * 7).collect() }
}

fn records() -> Vec<Record> {
    vec![
        Record::Identity(identity(1, Some(EXTENT))),
        Record::Durable(vec![run(0..3, 100), run(9..10, 5)]),
        Record::Aux(b"of the source".to_vec()),
        Record::Durable(vec![run(2..4, 0), run(9..12, 0)]),
        Record::Done(Done { len: EXTENT, name: "name".into(), digest: vec![1, 2, 3] }),
    ]
}

/// The journal, and where each record ends.
fn encode(header: &Header, records: &[Record]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = header.encode().to_vec();
    let mut ends = vec![bytes.len()];
    for record in records {
        bytes.extend(record.encode(Seed::of(header), bytes.len() as u64));
        ends.push(bytes.len());
    }
    (bytes, ends)
}

/// What a journal of the first `n` records says.
fn prefix(n: usize) -> Result<Journaled, CorruptJournal> {
    recover(&encode(&header(), &records()[..n]).0)
}

/// The claims, with everything that a reader of them could believe.
fn meaning(journal: &Journaled) -> (RangeSet, Vec<Run>, Option<Vec<u8>>, Option<Done>, u64) {
    (journal.claims.have(), journal.claims.runs(), journal.aux.clone(), journal.done.clone(), journal.end)
}

#[test]
fn a_journal_says_what_was_written_to_it() {
    let (mut bytes, ends) = encode(&header(), &records());
    bytes.extend([0; 1000]);
    let journal = recover(&bytes).unwrap();
    assert_eq!((journal.header, &journal.identity), (header(), &identity(1, Some(EXTENT))));
    assert_eq!(ranges(&journal.claims.have()), [0..4 * BLOCK, 9 * BLOCK..12 * BLOCK]);
    assert_eq!(journal.claims.runs(), [run(0..4, 0), run(9..12, 0)]);
    assert_eq!(journal.latest, [2 * BLOCK..4 * BLOCK, 9 * BLOCK..12 * BLOCK]);
    assert_eq!(journal.aux.as_deref(), Some(&b"of the source"[..]));
    assert_eq!(journal.done.unwrap().digest, [1, 2, 3]);
    assert!(journal.clean && journal.end as usize == *ends.last().unwrap());
}

#[test]
fn a_journal_cut_at_any_byte_says_what_its_whole_records_say() {
    let (bytes, ends) = encode(&header(), &records());
    for len in 0..=bytes.len() {
        let whole = ends.iter().filter(|&&end| end <= len).count();
        for zeros in [0, 3, 5000] {
            let mut cut = bytes[..len].to_vec();
            cut.resize(len + zeros, 0);
            let found = recover(&cut);
            match whole {
                0 | 1 => assert!(found.is_err(), "{len} bytes: {found:?}"),
                n => {
                    let found = found.unwrap();
                    assert_eq!(meaning(&found), meaning(&prefix(n - 1).unwrap()), "{len} bytes");
                    assert_eq!(found.clean, ends.contains(&len) || bytes[ends[n - 1]..len].iter().all(|&b| b == 0));
                }
            }
        }
    }
}

#[test]
fn any_flipped_bit_leaves_a_prefix_or_a_typed_error() {
    let (bytes, ends) = encode(&header(), &records());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let untouched = ends.iter().filter(|&&end| end <= bit / 8).count();
        match recover(&flipped) {
            Ok(found) => {
                assert!(untouched >= 2, "bit {bit} of the header or the identity went unnoticed");
                assert_eq!(meaning(&found), meaning(&prefix(untouched - 1).unwrap()), "bit {bit}");
            }
            Err(error) => assert!(untouched < 2, "bit {bit}: {error}"),
        }
    }
}

#[test]
fn the_header_is_named_as_what_is_wrong_with_it() {
    let (bytes, _) = encode(&header(), &records());
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        let sum = crc32c::crc32c(&bytes[..124]);
        bytes[124..128].copy_from_slice(&sum.to_le_bytes());
        recover(&bytes).unwrap_err()
    };
    assert_eq!(recover(&bytes[..127]), Err(CorruptJournal::Short(127)));
    assert_eq!(recover(&[0; 4096]), Err(CorruptJournal::Magic));
    assert_eq!(with(0, b's'), CorruptJournal::Magic);
    assert_eq!(with(8, 2), CorruptJournal::Format(2));
    assert!(matches!(with(10, 11), CorruptJournal::Header(_)));
    assert!(matches!(with(10, 23), CorruptJournal::Header(_)));
    assert!(matches!(with(11, 3), CorruptJournal::Header(_)));
    assert!(matches!(with(12, 129), CorruptJournal::Header(_)));
    assert_eq!(with(16, 0xff), CorruptJournal::NoIdentity, "records of another job say nothing");
    assert_eq!(with(32, 4), CorruptJournal::NoIdentity, "nor do those of an older generation");
    let mut damaged = bytes.clone();
    damaged[40] ^= 1;
    assert_eq!(recover(&damaged), Err(CorruptJournal::HeaderChecksum));
}

#[test]
fn a_header_of_each_axis_is_read_back() {
    for axis in [Axis::Bytes, Axis::Packets, Axis::Time] {
        let header = Header { axis, ..header() };
        assert_eq!(Header::decode(&header.encode()), Ok(header));
    }
}

#[test]
fn a_record_at_another_place_than_it_was_written_to_says_nothing() {
    let (bytes, ends) = encode(&header(), &records());
    let identity_only = &bytes[..ends[1]];
    let durable = &bytes[ends[1]..ends[2]];
    let right = [identity_only, durable].concat();
    assert!(recover(&right).unwrap().claims.count() > 0);
    let twice = recover(&[identity_only, durable, durable].concat()).unwrap();
    assert!(!twice.clean && twice.end as usize == right.len());
}

#[test]
fn the_time_in_the_header_decides_nothing() {
    let at = |created| recover(&encode(&Header { created, ..header() }, &records()).0).unwrap();
    assert_eq!(meaning(&at(0)), meaning(&at(u64::MAX)));
}

/// A journal of an identity, and of a record with this body and the right checksum. Also where that record starts.
fn with_body(body: &[u8]) -> (Vec<u8>, u64) {
    let (mut bytes, _) = encode(&header(), &records()[..1]);
    let offset = bytes.len() as u64;
    let mut record = (body.len() as u32).to_le_bytes().to_vec();
    record.extend(body);
    let sum = Seed::of(&header()).checksum(offset, &record);
    bytes.extend(record);
    bytes.extend(sum.to_le_bytes());
    (bytes, offset)
}

/// The rule that this body breaks.
fn rule(body: &[u8]) -> &'static str {
    let (bytes, offset) = with_body(body);
    match recover(&bytes) {
        Err(CorruptJournal::Record { offset: at, rule }) if at == offset => rule,
        other => panic!("{:?}: {other:?}", &body[..body.len().min(100)]),
    }
}

/// Kind and payload of a record.
fn body(record: &Record) -> Vec<u8> {
    let bytes = record.encode(Seed::of(&header()), 0);
    bytes[4..bytes.len() - 4].to_vec()
}

/// The body of one range with the sum of its only block.
fn claim(first: u64, bytes: u64) -> Vec<u8> {
    [&[2, 1, 0, 0, 0][..], &first.to_le_bytes(), &bytes.to_le_bytes(), &[0; 4]].concat()
}

/// Records that no writer makes, with the right checksum.
#[test]
fn a_record_that_breaks_a_rule_is_an_error_that_names_it() {
    let durable = |runs: Vec<Run>| body(&Record::Durable(runs));
    assert_eq!(rule(&body(&records()[0])), "a second identity");
    assert_eq!(rule(&[9]), "an unknown kind");
    assert_eq!(rule(&[2, 1, 0]), "a list of ranges that is cut off");
    assert_eq!(rule(&[2, 1, 0, 0, 0, 0]), "a list of ranges that is cut off");
    assert_eq!(rule(&[durable(vec![run(0..1, 0)]), vec![0]].concat()), "bytes left over");
    assert_eq!(rule(&durable(vec![run(3..5, 0), run(4..6, 0)])), "ranges that are out of order");
    assert_eq!(rule(&durable(vec![run(40..41, 0)])), "a claim behind the end of the file");
    assert_eq!(rule(&durable(vec![run(0..1, BLOCK)])), "an impossible range");
    assert_eq!(rule(&claim(MAX_EXTENT >> SHIFT, BLOCK)), "an impossible range");
    assert_eq!(rule(&claim((MAX_EXTENT >> SHIFT) + 1, 1)), "an impossible range");
    assert_eq!(rule(&claim(1 << (64 - SHIFT), 1)), "an impossible range", "shifted, it would be block 0");
    assert_eq!(rule(&claim(1, u64::MAX)), "an impossible range");
    assert_eq!(rule(&vec![3; (256 << 10) + 2]), "too long an auxiliary blob");
    for name in ["..", ".", "a/b", "a\0b", "", &"n".repeat(MAX_NAME_LEN + 1)] {
        let done = Record::Done(Done { len: 1, name: name.into(), digest: Vec::new() });
        assert_eq!(rule(&body(&done)), "an impossible name", "{name:?}");
    }
    let done = Done { len: MAX_EXTENT + 1, name: "n".into(), digest: Vec::new() };
    assert_eq!(rule(&body(&Record::Done(done))), "an impossible length of the file");
    let done = Done { len: 1, name: "n".into(), digest: vec![0; MAX_DIGEST_LEN + 1] };
    assert_eq!(rule(&body(&Record::Done(done))), "an impossible digest");
    let mut endless = identity(1, None);
    endless.extent = Some(MAX_EXTENT + 1);
    assert_eq!(rule(&body(&Record::Identity(endless))), "an impossible length of the file");
    let mut named = identity(1, None);
    named.label = "l".repeat(MAX_LABEL_LEN + 1);
    assert_eq!(rule(&body(&Record::Identity(named))), "an impossible label");
}

#[test]
fn what_is_just_within_a_limit_is_read_back() {
    let mut identity = identity(1, Some(MAX_EXTENT));
    identity.label = "l".repeat(MAX_LABEL_LEN);
    identity.validator = Validator::new(Strength::Strong, vec![7; Validator::MAX_LEN]);
    let last = MAX_EXTENT >> SHIFT << SHIFT;
    let runs = vec![run(0..1, 0), run(1..2, 0), Run { start: last, end: MAX_EXTENT, shift: SHIFT, sums: vec![1] }];
    let done = Done { len: MAX_EXTENT, name: "n".repeat(MAX_NAME_LEN).into(), digest: vec![8; MAX_DIGEST_LEN] };
    let aux = vec![9; MAX_AUX_LEN];
    let records = [
        Record::Identity(identity.clone()),
        Record::Durable(runs),
        Record::Aux(aux.clone()),
        Record::Done(done.clone()),
    ];
    let found = recover(&encode(&header(), &records).0).unwrap();
    assert_eq!((found.identity, found.aux, found.done), (identity, Some(aux), Some(done)));
    assert_eq!(ranges(&found.claims.have()), [0..2 * BLOCK, last..MAX_EXTENT]);
}

#[test]
fn a_record_of_the_longest_length_is_read_and_a_longer_one_is_not() {
    assert_eq!(rule(&vec![9; MAX_RECORD_LEN]), "an unknown kind");
    let (bytes, offset) = with_body(&vec![9; MAX_RECORD_LEN + 1]);
    let found = recover(&bytes).unwrap();
    assert!(!found.clean && found.end == offset);
}

#[test]
fn short_runs_share_records_that_are_filled_before_the_next_begins() {
    let runs: Vec<_> = (0..30_000).map(|n| run(3 * n..3 * n + 2, 0)).collect();
    let records = Record::durable(runs.clone());
    let sizes: Vec<_> = records.iter().map(|record| body(record).len() - 5).collect();
    // 24 bytes each; 21,845 of them are 8 bytes less than half a MiB.
    assert_eq!(sizes, [524_280, 195_720]);
    let mut all = vec![Record::Identity(identity(1, None))];
    all.extend(records);
    assert_eq!(recover(&encode(&header(), &all).0).unwrap().claims.runs(), runs);
    assert!(Record::durable([]).is_empty());
}

#[test]
fn a_length_that_lies_is_not_believed_and_not_allocated() {
    let (bytes, ends) = encode(&header(), &records());
    for len in [1_u32, 1 << 20, (1 << 20) + 1, u32::MAX] {
        let mut lying = bytes.clone();
        lying[ends[1]..ends[1] + 4].copy_from_slice(&len.to_le_bytes());
        let found = recover(&lying).unwrap();
        assert!(!found.clean && found.end as usize == ends[1] && found.claims.count() == 0);
    }
}

/// 1 TiB in blocks of 1 MiB.
#[test]
fn a_million_blocks_are_a_few_records_and_four_bytes_each() {
    let header = Header { block_shift: 20, ..header() };
    let sums: Vec<u32> = (0..1 << 20).collect();
    let all = Run { start: 0, end: 1 << 40, shift: 20, sums };
    let durable = Record::durable([all.clone()]);
    let mut records = vec![Record::Identity(identity(1, Some(1 << 40)))];
    records.extend(durable);
    assert!(records.len() < 12);
    let (bytes, _) = encode(&header, &records);
    assert!(bytes.len() < (4 << 20) + 1000, "{}", bytes.len());
    let found = recover(&bytes).unwrap();
    assert_eq!(found.claims.runs(), [all]);
    assert_eq!(found.claims.have().total(), 1 << 40);
    assert_eq!(HEADER_LEN, 128);
}

#[test]
fn what_the_fuzzer_found_once_stays_right() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/journal");
    // A published package has no corpus.
    let Ok(entries) = std::fs::read_dir(corpus) else { return };
    let mut replayed = 0;
    for entry in entries {
        crate::journal_bytes::run(&std::fs::read(entry.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed > 20, "{replayed} inputs in {corpus}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes_claim_nothing_that_cannot_be(data in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        crate::journal_bytes::run(&data);
    }
}
