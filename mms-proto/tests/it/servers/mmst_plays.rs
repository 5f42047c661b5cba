//! Where plays on MMST begin, how fast they are, how they end and what follows.

use std::time::Duration;

use mms_proto::testing::{AtEnd, Fault, Film, Habits, Incarnations, Rate, Seek, Server, Stream, When};
use tokio::time::Instant;

use super::bytes::{Got, Wire, film, locations, opened, server, word};

/// The file is open, and both streams are chosen.
async fn ready(server: &Server) -> Wire {
    let mut wire = opened(server).await;
    choose(&mut wire).await;
    wire
}

async fn choose(wire: &mut Wire) {
    wire.switch(&[1, 2]).await;
    assert_eq!(wire.result().await, (0x21, 0));
}

async fn start(wire: &mut Wire, from: u32) {
    wire.start(from, 5).await;
    assert_eq!(wire.result().await, (0x05, 0));
}

/// Reads these packets, which are those of the film.
async fn packets(wire: &mut Wire, range: std::ops::Range<u32>) {
    for number in range {
        let got = wire.next().await;
        let Got::Data(location, 5, _, bytes) = got else { panic!("{number}: {got:?}") };
        assert_eq!((location, bytes), (number, film().packet(number).to_vec()));
    }
}

#[tokio::test]
async fn a_seek_to_key_frames_begins_at_the_last_one_before() {
    let film = Film::builder().packets(12).stream(Stream::video(1)).key_frame_every(4).build();
    for (seek, of) in
        [(Seek::Exact, [(3, 3), (4, 4), (7, 7), (11, 11)]), (Seek::KeyFrame, [(3, 0), (4, 4), (7, 4), (11, 8)])]
    {
        let server =
            Server::builder().film("/clip.asf", film.clone()).habits(Habits::default().seek(seek)).start().unwrap();
        for (asked, first) in of {
            let mut wire = ready(&server).await;
            start(&mut wire, asked).await;
            assert_eq!(locations(&wire.played().await), (first..12).collect::<Vec<u32>>(), "{seek:?} {asked}");
        }
    }
}

#[tokio::test]
async fn a_silent_seek_starts_and_sends_nothing_but_the_beginning_comes() {
    let server = server(Habits::default().seek(Seek::Silent));
    let mut wire = ready(&server).await;
    start(&mut wire, 7).await;
    wire.nothing_comes().await;
    start(&mut wire, 0).await;
    packets(&mut wire, 0..12).await;
}

#[tokio::test]
async fn a_seek_beyond_the_end_is_silent_as_with_real_servers() {
    let server = server(Habits::default());
    let mut wire = ready(&server).await;
    start(&mut wire, 12).await;
    wire.nothing_comes().await;
}

#[tokio::test]
async fn media_carry_the_number_of_the_request_for_the_header_if_told() {
    for (incarnations, stamp) in [(Incarnations::Echoed, 5), (Incarnations::OfHeader, 3)] {
        let server = server(Habits::default().incarnations(incarnations));
        let mut wire = ready(&server).await;
        wire.read_block(3).await;
        assert_eq!(wire.result().await, (0x11, 0));
        assert!(matches!(wire.next().await, Got::Data(0, 3, 0x0C, _)));
        start(&mut wire, 9).await;
        let all = wire.played().await;
        assert_eq!(locations(&all), [9, 10, 11]);
        assert!(all[..3].iter().all(|got| matches!(got, Got::Data(_, at, ..) if *at == stamp)), "{incarnations:?}");
    }
}

/// The clock goes on by itself when nobody has anything to do.
#[tokio::test(start_paused = true)]
async fn the_connection_closes_when_told_after_the_end_and_not_before() {
    let hour = Duration::from_secs(3600);
    let server = server(Habits::default().at_end(AtEnd::TellAndClose(hour)).ping_idle(hour * 9));
    let mut wire = ready(&server).await;
    start(&mut wire, 0).await;
    packets(&mut wire, 0..12).await;
    assert_eq!(wire.result().await, (0x1E, 0));
    let since = Instant::now();
    wire.nothing_comes().await;
    assert_eq!(wire.next().await, Got::End);
    assert_eq!(since.elapsed().as_secs(), hour.as_secs());
}

/// The clock goes on by itself when nobody has anything to do.
#[tokio::test(start_paused = true)]
async fn a_connection_that_is_to_close_stays_for_another_play_and_after_a_stop() {
    let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
    for again in [true, false] {
        let server = server(Habits::default().at_end(AtEnd::TellAndClose(second)).ping_idle(hour));
        server.fault(When::Nth(2), Fault::Stall { after: 1 });
        let mut wire = ready(&server).await;
        start(&mut wire, 11).await;
        packets(&mut wire, 11..12).await;
        assert_eq!(wire.result().await, (0x1E, 0));
        if again {
            start(&mut wire, 6).await;
            packets(&mut wire, 6..7).await;
        } else {
            wire.stop(5).await;
            assert_eq!(wire.result().await, (0x1E, 0));
        }
        assert_eq!(wire.result().await, (0x1B, 0), "an hour later");
    }
}

/// The clock goes on by itself when nobody has anything to do.
#[tokio::test(start_paused = true)]
async fn the_connection_stays_when_told_with_a_word_or_without() {
    let day = Duration::from_secs(24 * 3600);
    for (end, told) in [(AtEnd::Tell, true), (AtEnd::Silence, false)] {
        let server = server(Habits::default().at_end(end).ping_idle(day));
        let mut wire = ready(&server).await;
        start(&mut wire, 0).await;
        packets(&mut wire, 0..12).await;
        if told {
            assert_eq!(wire.result().await, (0x1E, 0));
        }
        // A day later there is a ping, and nothing has come before.
        assert_eq!(wire.result().await, (0x1B, 0), "{end:?}");
        start(&mut wire, 10).await;
        packets(&mut wire, 10..12).await;
    }
}

#[tokio::test]
async fn the_connection_closes_without_a_word_if_told() {
    let server = server(Habits::default().at_end(AtEnd::Close));
    let mut wire = ready(&server).await;
    start(&mut wire, 0).await;
    packets(&mut wire, 0..12).await;
    assert_eq!(wire.next().await, Got::End);
}

#[tokio::test]
async fn another_film_follows_with_its_own_header_and_once() {
    let next = Film::builder().packets(3).packet_size(2000).seed(8).build();
    let habits = Habits::default().followed_by("/next.asf").end_reason(7).at_end(AtEnd::Tell);
    let server = Server::builder().film("/clip.asf", film()).film("/next.asf", next.clone()).habits(habits).start();
    let server = server.unwrap();
    let mut wire = ready(&server).await;
    start(&mut wire, 10).await;
    packets(&mut wire, 10..12).await;
    assert_eq!(wire.result().await, (0x1E, 1));
    let (kind, body) = wire.control().await;
    assert_eq!(kind, 0x20);
    let change: Vec<u32> = (0..5).map(|index| word(&body, 4 * index)).collect();
    assert_eq!(change, [0, 0xFF, 2000, next.header().len() as u32, next.bit_rate()]);
    for (at, piece) in next.header().chunks(2000).enumerate() {
        let mark = if piece.len() == 2000 { 0x04 } else { 0x0C };
        assert_eq!(wire.next().await, Got::Data(at as u32, 0xFF, mark, piece.to_vec()));
    }
    for number in 0..3 {
        // The sequence goes on.
        let packet = next.packet(number).to_vec();
        assert_eq!(wire.next().await, Got::Data(number, 0xFF, number as u8 + 2, packet));
    }
    assert_eq!(wire.control().await, (0x1E, [7, 0, 0, 0, 5, 0, 0, 0].to_vec()));
    // The film that is open is the other one, and nothing follows it.
    start(&mut wire, 2).await;
    assert_eq!(wire.next().await, Got::Data(2, 5, 5, next.packet(2).to_vec()));
    assert_eq!(wire.result().await, (0x1E, 7));
    wire.nothing_comes().await;
}

#[tokio::test]
async fn nothing_follows_that_is_not_there() {
    let server = server(Habits::default().followed_by("/next.asf"));
    let mut wire = ready(&server).await;
    start(&mut wire, 11).await;
    packets(&mut wire, 11..12).await;
    assert_eq!(wire.result().await, (0x1E, 0));
}

#[tokio::test]
async fn a_broadcast_is_numbered_by_itself_goes_round_and_wraps() {
    let first = u32::MAX - 14;
    let server = server(Habits::default().live_from(first));
    let mut wire = Wire::connect(&server).await;
    wire.greet().await;
    assert_eq!(wire.result().await, (1, 0));
    wire.open_file(&[]).await;
    let (kind, body) = wire.control().await;
    let (attributes, duration, packets) = (word(&body, 20), &body[24..32], &body[56..64]);
    assert_eq!((kind, attributes, duration, packets), (6, 0x0600_0000, &[0; 8][..], &[0; 8][..]));
    wire.read_block(3).await;
    assert_eq!(wire.result().await, (0x11, 0));
    let Got::Data(0, 3, 0x0C, header) = wire.next().await else { panic!("no header") };
    let stored = film().header();
    assert_eq!(header.len(), stored.len());
    assert_ne!(header, stored, "neither count nor length");
    choose(&mut wire).await;
    // Wherever it is to start, the broadcast is where it is.
    start(&mut wire, 4).await;
    let mut last = 0;
    for number in 0..40_u32 {
        let got = wire.next().await;
        let Got::Data(location, 5, flags, bytes) = got else { panic!("{got:?}") };
        assert_eq!((location, u32::from(flags)), (first.wrapping_add(number), number));
        assert_eq!(bytes, film().packet(number % 12), "{number}");
        last = location;
    }
    // Who comes later finds it where it is.
    let mut other = ready(&server).await;
    start(&mut other, 0).await;
    let got = other.next().await;
    let Got::Data(location, 5, 0, _) = got else { panic!("{got:?}") };
    assert!(location > last && location < 1 << 31, "{location} is not behind {last}");
}

/// When packets come, in seconds, if nobody has anything else to do: then the clock goes on by itself.
async fn seconds(rate: Rate) -> Vec<u64> {
    // Eight packets of a second each.
    let film = Film::builder().packets(8).packet_size(4000).stream(Stream::audio(1)).sample_rate(3900).build();
    let habits = Habits::default().rate(rate).ping_idle(Duration::from_secs(1 << 30));
    let server = Server::builder().film("/clip.asf", film).habits(habits).start().unwrap();
    let mut wire = ready(&server).await;
    start(&mut wire, 0).await;
    let (since, mut all) = (Instant::now(), Vec::new());
    for location in 0..8 {
        let got = wire.next().await;
        assert!(matches!(got, Got::Data(at, ..) if at == location), "{got:?}");
        all.push((since.elapsed() + Duration::from_millis(500)).as_secs());
    }
    all
}

#[tokio::test(start_paused = true)]
async fn packets_come_as_fast_as_told() {
    let every = |gap: u64| (0..8).map(|number| number * gap).collect::<Vec<u64>>();
    assert_eq!(seconds(Rate::Unlimited).await, [0; 8]);
    assert_eq!(seconds(Rate::Each(Duration::from_secs(1000))).await, every(1000));
    assert_eq!(seconds(Rate::Bytes(40)).await, every(100));
    assert_eq!(seconds(Rate::Play(1)).await, every(1));
    assert_eq!(seconds(Rate::Play(2)).await, [0, 1, 1, 2, 2, 3, 3, 4]);
}

#[tokio::test]
async fn no_more_is_written_at_once_than_told() {
    for (habits, small) in [(Habits::default(), false), (Habits::default().write_at_most(50), true)] {
        let server = server(habits);
        let mut wire = ready(&server).await;
        wire.start(0, 5).await;
        let whole = 40 + 32 + 12 * (8 + 3200);
        let (mut bytes, mut reads) = (Vec::new(), Vec::new());
        while bytes.len() < whole {
            let read = wire.some().await;
            reads.push(read.len());
            bytes.extend(read);
        }
        // The system may join two of them now and then.
        let few = reads.iter().filter(|len| **len <= 50).count();
        assert_eq!(few > whole / 100, small, "{few} of {}", reads.len());
    }
}
