//! Habits on MMSH: which chunks come, and what is in them.

use std::time::Duration;

use mms_proto::testing::{
    AtEnd, Fault, Film, Habits, Marks, Padding, PaddingField, Payloads, Rate, Seek, Server, Stream, When,
};
use tokio::time::{Instant, timeout};

use super::chunks::{Chunk, PLAY, Wire, answered, answered_as, kinds, locations};

fn film() -> Film {
    Film::builder().packets(12).padding(PaddingField::Byte, &[9, 0, 200]).build()
}

fn other() -> Film {
    Film::builder().packets(3).seed(2).build()
}

fn server(habits: Habits) -> Server {
    Server::builder().film("/clip.asf", film()).film("/next.asf", other()).habits(habits).start().unwrap()
}

/// Chunks of packets as they are in the file, from a number on, the first with this count of media.
fn media(film: &Film, from: u32, count: u8) -> Vec<Chunk> {
    (from..film.packets()).zip(count..).map(|(at, count)| Chunk::data(b'D', at, count, &film.packet(at))).collect()
}

fn header(film: &Film) -> Chunk {
    Chunk::data(b'H', 0, 0x0C, &film.header())
}

fn kept() -> Habits {
    Habits::default().padding(Padding::Kept)
}

#[tokio::test]
async fn a_film_is_its_header_its_packets_and_the_end() {
    let server = server(kept());
    assert_eq!(answered(&server, &[]).await, [header(&film())]);
    let all = [vec![header(&film())], media(&film(), 0, 0), vec![Chunk::end(0)]].concat();
    assert_eq!(answered(&server, &[PLAY]).await, all);
}

#[tokio::test]
async fn padding_goes_as_told_but_not_for_servers_unless_told() {
    // Where the padding length is: behind error correction, flags and properties.
    const FIELD: usize = 5;
    let original = film().packet(0);
    assert_eq!(original[FIELD], 9);
    let whole = original.to_vec();
    let mut zeroed = original[..3191].to_vec();
    zeroed[FIELD] = 0;
    let mut removed = [&original[..FIELD], &original[FIELD + 1..3191]].concat();
    removed[3] &= !0x18;
    for (padding, packet) in [(Padding::Kept, &whole), (Padding::Zeroed, &zeroed), (Padding::Removed, &removed)] {
        for (strips, relayed) in [(false, &whole), (true, packet)] {
            let server = server(Habits::default().padding(padding).strip_for_relays(strips));
            for (agent, expected) in [("NSPlayer/7.1.0.3055", packet), ("NSServer/4.1.0.3928", relayed)] {
                let all = answered_as(&server, agent, &[PLAY]).await;
                assert_eq!(all[1], Chunk::data(b'D', 0, 0, expected), "{padding:?} {strips} {agent}");
                assert_eq!(all[2], Chunk::data(b'D', 1, 1, &all[2].body[8..]), "{padding:?} {strips} {agent}");
            }
        }
    }
}

#[tokio::test]
async fn headers_come_in_pieces_of_the_size_and_with_the_marks_that_were_set() {
    let film = Film::builder().packets(1).header_len(999).build();
    let of = [
        (Marks::OfTransport, [0x04, 0x00, 0x08, 0x0C]),
        (Marks::Mmsh, [0x04, 0x00, 0x08, 0x0C]),
        (Marks::Mmst, [0x04, 0x04, 0x0C, 0x0C]),
        (Marks::Missing, [0x00, 0x00, 0x00, 0x00]),
    ];
    let len = film.header().len();
    for (marks, [first, middle, last, sole]) in of {
        for (piece, expected) in [(400, vec![first, middle, last]), (len, vec![sole]), (usize::MAX, vec![sole])] {
            let server = Server::builder().film("/clip.asf", film.clone());
            let server = server.habits(Habits::default().marks(marks).header_pieces(piece)).start().unwrap();
            let pieces = film.header();
            let pieces = pieces.chunks(piece).zip(expected).enumerate();
            let pieces: Vec<Chunk> =
                pieces.map(|(at, (piece, mark))| Chunk::data(b'H', at as u32, mark, piece)).collect();
            assert_eq!(answered(&server, &[]).await, pieces, "{marks:?} {piece}");
            assert_eq!(answered(&server, &[PLAY]).await[..pieces.len()], pieces, "{marks:?} {piece}");
        }
    }
}

#[tokio::test]
async fn no_piece_of_a_header_is_longer_than_a_chunk_can_be() {
    let film = Film::builder().packets(1).header_len(140_000).build();
    for habits in [Habits::default(), Habits::default().header_pieces(100_000)] {
        let server = Server::builder().film("/clip.asf", film.clone()).habits(habits).start().unwrap();
        let all = answered(&server, &[]).await;
        let pieces: Vec<usize> = all.iter().map(|chunk| chunk.body.len() - 8).collect();
        assert_eq!(pieces, [65_000, 65_000, film.header().len() - 130_000]);
    }
}

#[tokio::test]
async fn metadata_and_a_packet_pair_come_before_headers() {
    let pair = Chunk::new(b'P', &[0x5A; 504]);
    let metadata = |features: &str| {
        let text = format!("playlist-gen-id=1, broadcast-id=0, features=\"{features}\"\0");
        Chunk::data(b'M', 0, 0x0C, text.as_bytes())
    };
    let of = [
        (kept(), vec![]),
        (kept().metadata(true), vec![metadata("seekable")]),
        (kept().metadata(true).features("seekable,stridable"), vec![metadata("seekable,stridable")]),
        (kept().packet_pair(true), vec![pair.clone()]),
        (kept().packet_pair(true).metadata(true), vec![pair, metadata("seekable")]),
    ];
    for (habits, before) in of {
        let server = server(habits.followed_by("/next.asf"));
        assert_eq!(answered(&server, &[]).await, [&before[..], &[header(&film())]].concat());
        let all = [
            [&before[..], &[header(&film())]].concat(),
            media(&film(), 0, 0),
            vec![Chunk::end(1), Chunk::new(b'C', &[0; 4])],
            [&before[..], &[header(&other())]].concat(),
            media(&other(), 0, 12),
            vec![Chunk::end(0)],
        ];
        assert_eq!(answered(&server, &[PLAY]).await, all.concat());
    }
}

#[tokio::test]
async fn chunks_are_marked_as_unpaced_all_or_those_of_media_alone() {
    let all_kinds = || Habits::default().packet_pair(true).metadata(true).followed_by("/next.asf");
    let of = [
        (all_kinds(), ""),
        (all_kinds().unpaced_media(true), "D"),
        (all_kinds().unpaced_mark(true), "PMHDEC"),
        (all_kinds().unpaced_mark(true).unpaced_media(true), "PMHDEC"),
    ];
    for (habits, unpaced) in of {
        let all = answered(&server(habits), &[PLAY]).await;
        assert_eq!(kinds(&all), "PMHDDDDDDDDDDDDECPMHDDDE");
        for chunk in all {
            let mark = if unpaced.contains(char::from(chunk.kind)) { 0xA4 } else { b'$' };
            assert_eq!(chunk.mark, mark, "{chunk:?} {unpaced}");
        }
    }
}

#[tokio::test]
async fn another_film_follows_once_and_only_where_there_is_one() {
    for (habits, expected) in [
        (Habits::default(), "HDDDDDDDDDDDDE"),
        (Habits::default().followed_by("/next.asf"), "HDDDDDDDDDDDDECHDDDE"),
        (Habits::default().followed_by("/nowhere.asf"), "HDDDDDDDDDDDDE"),
    ] {
        assert_eq!(kinds(&answered(&server(habits), &[PLAY]).await), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_is_told_or_not_and_the_connection_closes_or_not() {
    let ends = [AtEnd::TellAndClose(Duration::from_secs(3600)), AtEnd::Tell, AtEnd::Close];
    for (end, last) in ends.into_iter().zip(["E", "E", ""]) {
        let began = Instant::now();
        let all = answered(&server(Habits::default().at_end(end)), &[PLAY]).await;
        assert_eq!(kinds(&all), format!("HDDDDDDDDDDDD{last}"), "{end:?}");
        assert!(began.elapsed() < Duration::from_secs(3600), "{end:?}");
    }
    let server = server(Habits::default().at_end(AtEnd::Silence));
    let mut wire = Wire::connect(&server).await;
    wire.get(&[PLAY]).await;
    wire.head().await;
    assert_eq!(kinds(&wire.chunks(13).await), "HDDDDDDDDDDDD");
    assert!(timeout(Duration::from_secs(86_400), wire.chunk()).await.is_err());
    assert_eq!(wire.leave().await, b"");
}

#[tokio::test]
async fn ends_have_the_reason_that_was_set_but_not_where_something_follows() {
    for habits in [Habits::default(), Habits::default().followed_by("/next.asf")] {
        for reason in [0, 0xC00D_001A] {
            let all = answered(&server(habits.clone().end_reason(reason)), &[PLAY]).await;
            let mut ends = all.into_iter().filter(|chunk| chunk.kind == b'E').rev();
            assert_eq!(ends.next(), Some(Chunk::end(reason)));
            assert!(ends.all(|end| end == Chunk::end(1)));
        }
    }
}

#[tokio::test]
async fn plays_begin_where_the_seek_says() {
    // Key frames alone begin in packets 0, 4 and 8.
    let film =
        Film::builder().packets(12).stream(Stream::video(1)).payloads(Payloads::Single).key_frame_every(4).build();
    let keys: Vec<u32> = (0..12).filter(|at| film.packet(*at)[13] & 0x80 != 0).collect();
    assert_eq!(keys, [0, 4, 8]);
    let at = |packet: usize| format!("Pragma: stream-time=0,stream-offset=0:{}", film.header().len() + packet * 3200);
    let of = [
        (Seek::Exact, 7),
        (Seek::Ignored, 0),
        (Seek::Early(3), 4),
        (Seek::Early(9), 0),
        (Seek::Late(2), 9),
        (Seek::KeyFrame, 4),
    ];
    for (seek, first) in of {
        let server = Server::builder().film("/clip.asf", film.clone()).habits(Habits::default().seek(seek));
        let server = server.start().unwrap();
        for place in ["Pragma: packet-num=7", &at(7)] {
            let all = answered(&server, &[PLAY, place]).await;
            assert_eq!(locations(&all), (first..12).collect::<Vec<u32>>(), "{seek:?} {place}");
        }
        // The beginning is where it is.
        for place in ["Pragma: packet-num=0", &at(0), "Pragma: rate=1.0"] {
            assert_eq!(locations(&answered(&server, &[PLAY, place]).await).len(), 12, "{seek:?} {place}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_seek_that_is_met_by_silence_gets_a_header_and_nothing_else() {
    for (seek, place, silent) in [
        (Seek::Silent, 7, true),
        (Seek::Silent, 0, false),
        (Seek::Exact, 7, false),
        // As real servers do.
        (Seek::Exact, 12, true),
    ] {
        let server = server(Habits::default().seek(seek));
        let mut wire = Wire::connect(&server).await;
        wire.get(&[PLAY, &format!("Pragma: packet-num={place}")]).await;
        wire.head().await;
        assert_eq!(kinds(&wire.chunks(1).await), "H");
        if silent {
            assert!(timeout(Duration::from_secs(86_400), wire.chunk()).await.is_err(), "{seek:?} {place}");
            assert_eq!(wire.leave().await, b"");
        } else {
            assert_eq!(locations(&wire.chunks(1).await), [place], "{seek:?}");
        }
    }
}

#[tokio::test]
async fn missing_packets_never_come_and_one_more_comes_if_told() {
    let more = Chunk::data(b'D', 12, 3, &film().indexes());
    let of = [
        (Habits::default(), vec![9, 10, 11], None),
        (Habits::default().missing(&[1..3, 10..11]), vec![9, 11], None),
        (Habits::default().missing(&[8..9, 9..12]), vec![], None),
        (Habits::default().extra_packet(true), vec![9, 10, 11, 12], Some(more)),
    ];
    for (habits, expected, last) in of {
        let mut all = answered(&server(habits), &[PLAY, "Pragma: packet-num=9"]).await;
        assert_eq!(locations(&all), expected);
        assert_eq!(all.pop(), Some(Chunk::end(0)));
        assert!(last.is_none() || all.pop() == last);
    }
}

/// Neither how many packets nor how long, but that it is a broadcast.
fn live_header(film: &Film) -> Chunk {
    const FILE_PROPERTIES: [u8; 16] =
        [0xA1, 0xDC, 0xAB, 0x8C, 0x47, 0xA9, 0xCF, 0x11, 0x8E, 0xE4, 0, 0xC0, 0x0C, 0x20, 0x53, 0x65];
    let mut header = film.header().to_vec();
    let at = header.windows(16).position(|window| window == FILE_PROPERTIES).unwrap();
    // Of the file its size, packets and times, and the flags; of the Data Object its size and packets.
    header[at + 40..at + 48].fill(0);
    header[at + 56..at + 80].fill(0);
    header[at + 88] = 1;
    let data = header.len() - 50;
    header[data + 16..data + 24].fill(0);
    header[data + 40..data + 48].fill(0);
    Chunk::data(b'H', 0, 0x0C, &header)
}

#[tokio::test]
async fn a_broadcast_has_its_own_numbers_and_goes_on_for_those_who_come_later() {
    assert_ne!(live_header(&other()), header(&other()));
    for first in [4_000_000, u32::MAX - 3] {
        let server = Server::builder().film("/clip.asf", other()).habits(kept().live_from(first)).start().unwrap();
        server.fault(When::Always, Fault::Cut { after: 5 });
        assert_eq!(answered(&server, &[]).await, [live_header(&other())]);
        for before in [0, 5] {
            let packet = |at: u32, count| Chunk::data(b'D', first.wrapping_add(at), count, &other().packet(at % 3));
            let packets = (before..before + 5).zip(0..).map(|(at, count)| packet(at, count));
            let all: Vec<Chunk> = [live_header(&other())].into_iter().chain(packets).collect();
            let mut wire = Wire::connect(&server).await;
            wire.get(&[PLAY, "Pragma: packet-num=2"]).await;
            wire.head().await;
            assert_eq!(wire.chunks(6).await, all, "{first}");
            assert_eq!(wire.chunk().await, None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn packets_come_no_sooner_than_the_rate_says() {
    // About 800 s of sound in each packet.
    let film = Film::builder().packets(12).sample_rate(1).build();
    let sent_ms = |packet: u32| u64::from(u32::from_le_bytes(film.packet(packet)[7..11].try_into().unwrap()));
    let long = Duration::from_millis(sent_ms(11) - sent_ms(0));
    assert!(long > Duration::from_secs(3600));
    let hour = Duration::from_secs(3600);
    let of = [
        (Rate::Unlimited, Duration::ZERO),
        (Rate::Each(hour), hour * 11),
        (Rate::Bytes(1), Duration::from_secs(3200 * 11)),
        (Rate::Bytes(3200), Duration::from_secs(11)),
        (Rate::Play(1), long),
        (Rate::Play(4), long / 4),
    ];
    for (rate, least) in of {
        let server = Server::builder().film("/clip.asf", film.clone()).habits(kept().rate(rate)).start().unwrap();
        let mut wire = Wire::connect(&server).await;
        wire.get(&[PLAY]).await;
        wire.head().await;
        let began = Instant::now();
        assert_eq!(locations(&wire.chunks(13).await).len(), 12);
        // The clock goes on while nobody does anything: to the next packet, or to the end of some patience of seconds.
        let took = began.elapsed();
        assert!(took >= least && took < least + Duration::from_secs(60), "{rate:?}: {took:?} for {least:?}");
    }
}

#[test]
fn no_more_is_written_at_once_than_told() {
    let largest = |habits| {
        // The client is heard after each turn of the server, which ends after some hundred writes.
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().event_interval(1).build().unwrap().block_on(async {
            let server = server(habits);
            let mut wire = Wire::connect(&server).await;
            wire.get(&[PLAY]).await;
            let (mut largest, mut all) = (0, 0);
            loop {
                match wire.read(&mut [0; 1 << 16]).await {
                    0 => break (largest, all),
                    len => (largest, all) = (largest.max(len), all + len),
                }
            }
        })
    };
    let (largest_of_few, all) = largest(kept());
    let (largest_of_many, same) = largest(kept().write_at_most(3));
    assert!(largest_of_few > 10_000 && largest_of_many < 5_000, "{largest_of_few} {largest_of_many}");
    assert_eq!(all, same);
}
