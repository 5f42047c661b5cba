//! A remote file that is read in place.

use std::io::SeekFrom;
use std::time::Duration;

use segfetch::adapters::{ReadError, RemoteFile};
use segfetch::source::conformance::{Finish, MemorySource, PACKET, PacketSource};
use segfetch::source::{Access, Extent};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::support::*;

/// A zip of 1 GiB as far as a reader looks at it: a member at some place, a directory, and the record of its end.
struct Zip {
    source: MemorySource,
    len: u64,
    member: u64,
    directory: std::ops::Range<u64>,
}

const MEMBER_LEN: u64 = MIB;

impl Zip {
    fn new(entries: u64, comment: u64) -> Self {
        let (len, member) = (1024 * MIB, 700 * MIB + 12_345);
        let directory_len = entries * 80;
        let end_at = len - 22 - comment;
        let directory = end_at - directory_len..end_at;
        let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
        end.extend([(entries as u16).to_le_bytes(), (entries as u16).to_le_bytes()].concat());
        end.extend((directory_len as u32).to_le_bytes());
        end.extend((directory.start as u32).to_le_bytes());
        end.extend((comment as u16).to_le_bytes());
        let content = with_bytes(end_at, end);
        Self { source: MemorySource::new(len).with_content(content).with_chunk(16 << 10), len, member, directory }
    }

    /// What every reader of zips does, with small reads.
    async fn read_member(&self, file: &mut RemoteFile) -> std::io::Result<Vec<u8>> {
        file.seek(SeekFrom::End(-22)).await?;
        let record = take(file, 22).await?;
        let mut directory_at = self.directory.start;
        if !record.starts_with(b"PK\x05\x06") {
            // There is a comment: the record is searched for in all the places where it can be.
            let from = file.seek(SeekFrom::End(-(22 + 0xffff))).await?;
            let mut all = Vec::new();
            file.read_to_end(&mut all).await?;
            let at = all.windows(4).rposition(|window| window == b"PK\x05\x06").expect("a record");
            directory_at = u32::from_le_bytes(all[at + 16..at + 20].try_into().expect("4 bytes")).into();
            assert_eq!(from + at as u64, self.directory.end);
        }
        file.seek(SeekFrom::Start(directory_at)).await?;
        let mut directory = Vec::new();
        while (directory.len() as u64) < self.directory.end - self.directory.start {
            directory.extend(take(file, 46).await?);
            directory.extend(take(file, 34).await?);
        }
        assert_eq!(directory, bytes(&self.source, self.directory.clone()));
        file.seek(SeekFrom::Start(self.member)).await?;
        take(file, 30).await?;
        // Name and extra field are passed over.
        file.seek(SeekFrom::Current(44)).await?;
        let mut member = Vec::new();
        while (member.len() as u64) < MEMBER_LEN {
            member.extend(take(file, 4 * KIB).await?);
        }
        Ok(member)
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_and_a_member_of_a_large_zip_cost_at_most_4_opens_and_2_mib() {
    for (entries, comment, opens) in [(300, 0, 2), (300, 40_000, 2), (6000, 0, 3)] {
        let zip = Zip::new(entries, comment);
        let mut file = RemoteFile::new(zip.source.clone());
        let member = zip.read_member(&mut file).await.expect("the member");
        assert!(member == bytes(&zip.source, zip.member + 74..zip.member + 74 + MEMBER_LEN));
        let counters = zip.source.counters();
        println!("{entries} entries, comment of {comment}: {counters:?}");
        assert_eq!((counters.probes, counters.opens, counters.max_open), (1, opens, 1));
        assert!(counters.delivered <= 2 * MIB, "{counters:?}");
        let counts = file.counts();
        assert_eq!((u64::from(counts.opens), counts.fetched), (counters.opens, counters.delivered));
        assert_eq!(file.info().await.expect("the info").extent, Extent::Known(zip.len));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_before_the_first_read_and_a_length_needs_no_stream() {
    let source = MemorySource::new(MIB);
    let mut file = RemoteFile::new(source.clone());
    file.seek(SeekFrom::Start(7)).await.expect("a seek");
    file.seek(SeekFrom::Current(-3)).await.expect("a seek");
    assert_eq!(source.counters().probes, 0);
    assert_eq!(file.seek(SeekFrom::End(0)).await.expect("the length"), MIB);
    assert_eq!((source.counters().probes, source.counters().opens), (1, 0));
    assert_eq!(file.read(&mut [0; 10]).await.expect("the end"), 0);
    assert_eq!(source.counters().opens, 0);
}

#[tokio::test(start_paused = true)]
async fn any_sequence_of_seeks_and_reads_sees_the_file() {
    let len = 5 * MIB + 333;
    let plain = MemorySource::new(len).with_chunk(10_000);
    let strange = MemorySource::new(len).with_info(|info| info.with_exact_ends(false)).with_chunk(100_000);
    for source in [plain, strange] {
        let mut file = RemoteFile::new(source.clone()).cache(700 << 10);
        let mut random = 1_u64;
        let mut next = |below: u64| {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (random >> 33) % below
        };
        let mut expected_at = 0;
        for _ in 0..600 {
            let to = match next(5) {
                0 => SeekFrom::Start(next(len + 1000)),
                1 => SeekFrom::End(-(next(300_000) as i64)),
                2 => SeekFrom::Current(next(500_000) as i64),
                3 => SeekFrom::Current(-(next(100_000).min(expected_at) as i64)),
                _ => SeekFrom::Current(0),
            };
            let wanted = match to {
                SeekFrom::Start(at) => at,
                SeekFrom::End(offset) => len.saturating_add_signed(offset),
                SeekFrom::Current(offset) => expected_at.saturating_add_signed(offset),
            };
            assert_eq!(file.seek(to).await.expect("a seek"), wanted);
            let mut buffer = vec![0; next(40_000) as usize];
            let n = file.read(&mut buffer).await.expect("a read") as u64;
            assert!(n > 0 || buffer.is_empty() || wanted >= len, "{wanted}");
            assert!(buffer[..n as usize] == bytes(&source, wanted..wanted + n));
            expected_at = wanted + n;
            assert_eq!(file.position(), expected_at);
        }
        drop(file);
        assert_eq!(source.counters().open_now, 0);
        assert!(source.opens().iter().all(|open| open.finish != Finish::Running));
    }
}

#[tokio::test(start_paused = true)]
async fn a_seek_to_before_the_beginning_is_refused_and_one_behind_the_end_reads_nothing() {
    let source = MemorySource::new(100);
    let mut file = RemoteFile::new(source.clone());
    file.seek(SeekFrom::Start(40)).await.expect("a seek");
    for to in [SeekFrom::Current(-41), SeekFrom::End(-101), SeekFrom::End(i64::MIN)] {
        let error = file.seek(to).await.expect_err("before the beginning");
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert_eq!(file.stream_position().await.expect("where it was"), 40);
    }
    for at in [100, 101, u64::MAX] {
        file.seek(SeekFrom::Start(at)).await.expect("a seek");
        assert_eq!(file.read(&mut [0; 10]).await.expect("nothing"), 0);
    }
    assert!(file.seek(SeekFrom::Current(1)).await.is_err(), "behind the last number");
    assert_eq!(source.counters().opens, 0);
    assert_eq!(take_at(&mut file, 90, 10).await.expect("the end"), bytes(&source, 90..100));
}

#[tokio::test(start_paused = true)]
async fn an_empty_file_needs_no_stream() {
    let source = MemorySource::new(0);
    let mut file = RemoteFile::new(source.clone());
    let mut all = Vec::new();
    file.read_to_end(&mut all).await.expect("nothing");
    assert!(all.is_empty() && source.counters().opens == 0);
    assert_eq!(file.seek(SeekFrom::End(0)).await.expect("the length"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_file_of_unknown_length_is_read_to_its_end_which_is_known_from_then_on() {
    for extent in [Extent::Unknown, Extent::AtLeast(5), Extent::Growing] {
        let source = MemorySource::new(MIB).with_info(|mut info| {
            info.extent = extent;
            info
        });
        let mut file = RemoteFile::new(source.clone());
        let unknown = file.seek(SeekFrom::End(-1)).await;
        assert!(matches!(failure(&unknown), ReadError::UnknownLength));
        let mut all = Vec::new();
        file.read_to_end(&mut all).await.expect("everything");
        assert!(all == bytes(&source, 0..MIB));
        assert_eq!(file.seek(SeekFrom::End(-1)).await.expect("known"), MIB - 1);
        assert_eq!(source.counters().opens, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_seek_forward_reads_on_and_a_long_one_opens_another_stream() {
    let source = MemorySource::new(100 * MIB).with_chunk(4096);
    let mut file = RemoteFile::new(source.clone());
    take(&mut file, 100).await.expect("the beginning");
    for at in [200 * KIB, 256 * KIB + 10, 256 * KIB - 10] {
        assert_eq!(take_at(&mut file, at, 8).await.expect("bytes"), bytes(&source, at..at + 8));
    }
    assert_eq!(source.counters().opens, 1);
    take_at(&mut file, MIB, 8).await.expect("bytes");
    let opens = source.opens();
    assert_eq!((opens.len(), opens[0].finish, opens[1].start), (2, Finish::Stopped, Some(MIB)));
}

/// What arrives while another stream would be opened is not worth another stream.
#[tokio::test(start_paused = true)]
async fn on_a_fast_line_with_slow_openings_a_longer_seek_reads_on_too() {
    for (opening, opens) in [(Duration::ZERO, 2), (Duration::from_millis(150), 1)] {
        let source = MemorySource::new(100 * MIB).with_pace(TokioClock::start(), 10 * MIB);
        let mut file = RemoteFile::new(Slow { source: source.clone(), opening });
        take(&mut file, 300 * KIB).await.expect("the beginning");
        take_at(&mut file, 300 * KIB + MIB, 100).await.expect("bytes");
        assert_eq!(source.counters().opens, opens);
        take_at(&mut file, 50 * MIB, 100).await.expect("bytes");
        assert_eq!(source.counters().opens, opens + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_seek_back_to_what_was_just_read_opens_nothing() {
    let source = MemorySource::new(100 * MIB);
    let mut file = RemoteFile::new(source.clone());
    let all = take(&mut file, 3 * MIB).await.expect("the beginning");
    for at in [2 * MIB, 3 * MIB - 1, 2 * MIB + 77] {
        assert_eq!(take_at(&mut file, at, 1).await.expect("a byte"), all[at as usize..at as usize + 1]);
    }
    assert_eq!(source.counters().opens, 1);
    let more = take_at(&mut file, 3 * MIB - 10, 20).await.expect("and on");
    assert!(more == bytes(&source, 3 * MIB - 10..3 * MIB + 10));
    assert_eq!(source.counters().opens, 1, "the stream is where it was");
    take_at(&mut file, 0, 1).await.expect("forgotten");
    assert_eq!(source.counters().opens, 2);
}

#[tokio::test(start_paused = true)]
async fn one_session_is_enough_and_none_is_left() {
    let source = MemorySource::new(100 * MIB).with_session_limit(1, None);
    let mut file = RemoteFile::new(source.clone());
    for at in [0, 50 * MIB, 10 * MIB, 99 * MIB] {
        take_at(&mut file, at, 1000).await.expect("bytes");
    }
    assert_eq!((source.counters().refused, source.counters().max_open, file.counts().retries), (0, 1, 0));
    drop(file);
    assert_eq!(source.counters().open_now, 0);
}

#[tokio::test(start_paused = true)]
async fn a_source_with_a_grid_and_holes_is_read_and_says_what_it_does_not_have() {
    let packets = PacketSource::new(MIB, TokioClock::start(), MIB).with_holes([10, 11, 40]);
    let source = packets.memory().clone();
    let mut file = RemoteFile::new(packets);
    assert!(take_at(&mut file, 5000, 100).await.expect("bytes") == bytes(&source, 5000..5100));
    assert_eq!(source.opens()[0].start, Some(PACKET), "the stream began earlier than was asked");
    let missing = take_at(&mut file, 9 * PACKET, 2 * PACKET).await;
    assert!(
        matches!(failure(&missing), ReadError::Missing { start, end } if (*start, *end) == (10 * PACKET, 11 * PACKET))
    );
    assert_eq!(file.position(), 10 * PACKET, "what is there was read");
    let missing = take(&mut file, 1).await;
    assert!(matches!(failure(&missing), ReadError::Missing { .. }), "and it is missing each time");
    let behind = 12 * PACKET..13 * PACKET;
    assert!(take_at(&mut file, behind.start, PACKET).await.expect("bytes") == bytes(&source, behind));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_serves_only_from_the_start_is_read_forwards() {
    let source = MemorySource::new(20 * MIB).with_info(|mut info| {
        info.access = Access::FromStartOnly;
        info
    });
    let mut file = RemoteFile::new(source.clone());
    assert!(take_at(&mut file, 0, 10).await.expect("bytes") == bytes(&source, 0..10));
    assert!(take_at(&mut file, 15 * MIB, 10).await.expect("bytes") == bytes(&source, 15 * MIB..15 * MIB + 10));
    let back = take_at(&mut file, MIB, 10).await;
    assert!(matches!(failure(&back), ReadError::Source(_)));
    assert_eq!(back.expect_err("it fails").kind(), std::io::ErrorKind::Unsupported);
    assert_eq!(source.counters().opens, 1);
    assert!(take_at(&mut file, 0, 10).await.expect("bytes") == bytes(&source, 0..10));
}
