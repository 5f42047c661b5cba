//! Packets as datagrams: lost, overtaken, doubled, too late.

use std::time::Duration;

use mms_proto::conn::mmst::Funnel;
use mms_proto::conn::{Awaited, Error, Event};
use mms_proto::wire::Hresult;

use super::driver::{Driver, config, ready_for_datagrams, seconds};
use super::server::{self, File, data};

/// Packet `location`, which the server counts as `sequence`.
fn numbered(location: u32, incarnation: u8, sequence: u32) -> Vec<u8> {
    data(location, incarnation, sequence as u8, &server::payload(location))
}

/// A stream from packet `from` on, of which nothing has come.
fn playing(from: u32) -> (Driver, u8) {
    let mut driver = ready_for_datagrams();
    let incarnation = driver.play(from);
    driver.hear(&server::started(incarnation));
    driver.take_events();
    (driver, incarnation)
}

/// The numbers that were asked for since the last time.
fn take_asked(driver: &mut Driver) -> Vec<Vec<u32>> {
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
    let parse = |datagram: Vec<u8>| {
        assert_eq!(word(&datagram[..4]), 0xBEEF_F00D);
        assert_eq!(word(&datagram[4..8]), 99, "what ReportFunnelInfo said");
        assert_eq!(datagram[8..10], [server::FILE_ID as u8, 0]);
        assert_eq!(usize::from(u16::from_le_bytes([datagram[10], datagram[11]])) * 4 + 12, datagram.len());
        datagram[12..].chunks_exact(4).map(word).collect()
    };
    std::mem::take(&mut driver.datagrams).into_iter().map(parse).collect()
}

/// Numbers without a system, and the same at every run.
fn noise(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[test]
fn the_port_is_told_and_the_client_id_asked_for() {
    let driver = ready_for_datagrams();
    assert_eq!(driver.commands(), [0x01, 0x18, 0x02, 0x05, 0x15]);
    assert!(driver.last(0x02).text(28).ends_with(r"\UDP\7000"));
    assert_eq!(driver.last(0x18).word(8), 0xF0F0_F0EF, "no packet pair");
}

#[test]
fn nothing_lost_nothing_waits() {
    let (mut driver, incarnation) = playing(0);
    for location in 0..600 {
        driver.datagram(&numbered(location, incarnation, location));
        assert_eq!(driver.take_packets(), [location]);
        assert_eq!(driver.wait, None);
    }
    assert!(driver.datagrams.is_empty());
}

#[test]
fn overtaken_by_thirty_doubled_and_in_order_again() {
    let (mut driver, incarnation) = playing(0);
    let mut told = Vec::new();
    for block in 0..20 {
        for location in (block * 30..block * 30 + 30).rev() {
            driver.datagram(&numbered(location, incarnation, location));
            driver.datagram(&numbered(location, incarnation, location));
        }
        told.extend(driver.take_packets());
    }
    assert_eq!(told, (0..600).collect::<Vec<_>>());
    assert!(driver.datagrams.is_empty(), "no time has passed");
}

#[test]
fn what_is_lost_is_asked_for_and_sent_again() {
    let (mut driver, incarnation) = playing(0);
    for location in [0, 1, 4, 5] {
        driver.datagram(&numbered(location, incarnation, location));
    }
    assert_eq!(driver.take_packets(), [0, 1]);
    driver.wait().unwrap();
    assert_eq!(take_asked(&mut driver), [[2, 3]]);
    driver.datagram(&numbered(3, incarnation, 3));
    assert!(driver.take_packets().is_empty());
    driver.wait().unwrap();
    assert_eq!(take_asked(&mut driver), [[2]], "again, for what is still missing");
    driver.datagram(&numbered(2, incarnation, 2));
    assert_eq!(driver.take_packets(), [2, 3, 4, 5]);
    assert_eq!(driver.wait, None);
}

#[test]
fn what_is_lost_for_good_is_a_jump() {
    let (mut driver, incarnation) = playing(0);
    driver.datagram(&numbered(0, incarnation, 0));
    driver.datagram(&numbered(2, incarnation, 2));
    let begun = driver.now;
    let mut requests = 0;
    while driver.wait.is_some() {
        driver.wait().unwrap();
        requests += take_asked(&mut driver).len();
    }
    assert_eq!((requests, driver.now - begun), (3, seconds(1)));
    assert_eq!(driver.take_packets(), [0, 2]);
    driver.datagram(&numbered(1, incarnation, 1));
    assert!(driver.take_packets().is_empty(), "too late");
    driver.datagram(&numbered(3, incarnation, 3));
    assert_eq!(driver.take_packets(), [3]);
}

#[test]
fn long_lists_are_split() {
    let (mut driver, incarnation) = playing(0);
    driver.datagram(&numbered(0, incarnation, 0));
    driver.datagram(&numbered(101, incarnation, 101));
    driver.wait().unwrap();
    let asked = take_asked(&mut driver);
    assert_eq!(asked.iter().map(Vec::len).collect::<Vec<_>>(), [32, 32, 32, 4]);
    assert_eq!(asked.concat(), (1..=100).collect::<Vec<_>>());
}

/// A server leaves packets out without loss: their numbers say so.
#[test]
fn a_gap_in_the_file_is_no_loss() {
    let (mut driver, incarnation) = playing(10);
    for (location, sequence) in [(10, 0), (15, 1), (900, 2)] {
        driver.datagram(&numbered(location, incarnation, sequence));
        assert_eq!(driver.take_packets(), [location]);
    }
    assert_eq!(driver.wait, None);
}

#[test]
fn numbers_go_on_over_the_end_of_eight_bits() {
    let (mut driver, incarnation) = playing(0);
    for location in (0..700).filter(|location| !(254..=257).contains(location)) {
        driver.datagram(&numbered(location, incarnation, location));
    }
    driver.wait().unwrap();
    assert_eq!(take_asked(&mut driver), [[254, 255, 256, 257]]);
    for location in 254..=257 {
        driver.datagram(&numbered(location, incarnation, location));
    }
    assert_eq!(driver.take_packets().len(), 700);
}

#[test]
fn numbers_go_on_in_the_next_stream() {
    for stopped in [true, false] {
        let (mut driver, first) = playing(0);
        (0..300).for_each(|location| driver.datagram(&numbered(location, first, location)));
        if stopped {
            driver.stop();
        }
        driver.hear(&server::end(0, first));
        driver.pass(seconds(1)).unwrap();
        let second = driver.play(5);
        driver.hear(&server::started(second));
        driver.take_events();
        driver.datagram(&numbered(7, second, 302));
        driver.wait().unwrap();
        assert_eq!(take_asked(&mut driver), [[300, 301]]);
        driver.datagram(&numbered(5, second, 300));
        driver.datagram(&numbered(6, second, 301));
        assert_eq!(driver.take_packets(), [5, 6, 7]);
    }
}

/// After 0xFE, a server may go on with 0x00: in the next stream, or in the middle of one.
#[test]
fn the_number_0xff_may_be_left_out() {
    for begins in [5, 7] {
        let (mut driver, first) = playing(0);
        (0..=254).for_each(|location| driver.datagram(&numbered(location, first, location)));
        driver.stop();
        driver.hear(&server::end(0, first));
        let second = driver.play(5);
        driver.hear(&server::started(second));
        driver.take_events();
        driver.datagram(&numbered(begins, second, 256));
        assert_eq!(driver.take_packets(), [begins], "nothing was lost");
    }
    // More than that is a loss, and so it is where nothing ended.
    let (mut driver, first) = playing(0);
    (0..=253).for_each(|location| driver.datagram(&numbered(location, first, location)));
    driver.stop();
    driver.hear(&server::end(0, first));
    let second = driver.play(5);
    driver.hear(&server::started(second));
    driver.take_events();
    driver.datagram(&numbered(7, second, 256));
    assert!(driver.take_packets().is_empty());
    let (mut driver, incarnation) = playing(0);
    (0..=254).for_each(|location| driver.datagram(&numbered(location, incarnation, location)));
    assert_eq!(driver.take_packets().len(), 255);
    driver.datagram(&numbered(256, incarnation, 256));
    assert!(driver.take_packets().is_empty());
    let (mut driver, incarnation) = playing(0);
    (0..=254).for_each(|location| driver.datagram(&numbered(location, incarnation, location)));
    (255..400).for_each(|location| driver.datagram(&numbered(location, incarnation, location + 1)));
    assert_eq!(driver.take_packets().len(), 400);
    assert!(driver.datagrams.is_empty() && driver.wait.is_none());
}

#[test]
fn the_first_packet_can_be_lost_too() {
    let (mut driver, incarnation) = playing(40);
    driver.datagram(&numbered(41, incarnation, 1));
    assert!(driver.take_packets().is_empty());
    driver.wait().unwrap();
    assert_eq!(take_asked(&mut driver), [[0]]);
    driver.datagram(&numbered(40, incarnation, 0));
    assert_eq!(driver.take_packets(), [40, 41]);
}

/// A first number that is far from 0 is where the server begins to count, and no loss.
#[test]
fn numbers_need_not_begin_with_0() {
    let (mut driver, incarnation) = playing(40);
    driver.datagram(&numbered(41, incarnation, 33));
    assert_eq!(driver.take_packets(), [41]);
    let (mut driver, incarnation) = playing(40);
    driver.datagram(&numbered(41, incarnation, 32));
    assert!(driver.take_packets().is_empty());
    driver.wait().unwrap();
    assert_eq!(take_asked(&mut driver), [(0..32).collect::<Vec<_>>()]);
}

/// What is missing behind a packet does not hold it up, though its place in the file says nothing.
#[test]
fn a_packet_waits_only_for_what_is_before_it() {
    let (mut driver, incarnation) = playing(0);
    for (location, sequence) in [(0, 0), (9, 2), (20, 5)] {
        driver.datagram(&numbered(location, incarnation, sequence));
    }
    assert_eq!(driver.take_packets(), [0]);
    driver.datagram(&numbered(1, incarnation, 1));
    assert_eq!(driver.take_packets(), [1, 9]);
}

#[test]
fn a_server_that_never_counts_is_understood_by_place() {
    let (mut driver, incarnation) = playing(0);
    for location in [0, 1, 2, 4, 3, 5] {
        driver.datagram(&data(location, incarnation, 0, &server::payload(location)));
    }
    assert_eq!(driver.take_packets(), [0, 1, 2, 3, 4, 5]);
    driver.datagram(&data(7, incarnation, 0, &server::payload(7)));
    assert!(driver.take_packets().is_empty());
    driver.pass(seconds(1)).unwrap();
    assert_eq!(driver.take_packets(), [7]);
    assert!(driver.datagrams.is_empty(), "there is no number to ask for");
}

/// Loss and disorder: what is told is in order and told once, and with requests for what is lost nearly all of it.
#[test]
fn any_weather() {
    for (percent, least) in [(1, 2000), (10, 1995), (50, 1700), (90, 500)] {
        let mut state = percent;
        let (mut driver, incarnation) = playing(0);
        let mut told = Vec::new();
        let mut air: Vec<u32> = Vec::new();
        for sent in 0..3000 {
            air.extend((sent < 2000).then_some(sent));
            if !air.is_empty() && (air.len() > 30 || sent >= 2000) {
                let location = air.swap_remove(noise(&mut state) as usize % air.len());
                if noise(&mut state) % 100 >= percent {
                    driver.datagram(&numbered(location, incarnation, location));
                }
            }
            driver.pass(Duration::from_millis(5)).unwrap();
            for sequence in take_asked(&mut driver).concat() {
                if noise(&mut state) % 100 >= percent {
                    driver.datagram(&numbered(sequence, incarnation, sequence));
                }
            }
            told.extend(driver.take_packets());
        }
        assert!(told.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(told.len() >= least, "{percent} %: {} told", told.len());
    }
}

#[test]
fn the_end_waits_for_what_it_overtook() {
    let (mut driver, incarnation) = playing(0);
    driver.datagram(&numbered(0, incarnation, 0));
    driver.hear(&server::end(0, incarnation));
    assert_eq!(driver.take_packets(), [0]);
    driver.datagram(&numbered(2, incarnation, 2));
    driver.datagram(&numbered(1, incarnation, 1));
    assert_eq!(driver.take_packets(), [1, 2]);
    assert!(driver.machine.is_streaming());
    driver.pass(seconds(1)).unwrap();
    assert_eq!(driver.take_events(), [Event::Ended { reason: Hresult::OK, more: false }]);
    assert!(driver.machine.is_ready());
}

/// The header says how many packets there are: without the last ones, the end is not the end of the file.
#[test]
fn the_last_packets_can_be_lost_too() {
    let packets = server::PACKETS as u32;
    let (mut driver, incarnation) = playing(packets - 6);
    for (sequence, location) in (packets - 6..packets - 3).enumerate() {
        driver.datagram(&numbered(location, incarnation, sequence as u32));
    }
    assert_eq!(driver.take_packets().len(), 3);
    assert_eq!(driver.wait, None, "more may come");
    driver.hear(&server::end(0, incarnation));
    assert!(driver.datagrams.is_empty(), "the end may have overtaken them");
    driver.wait().unwrap();
    assert_eq!(take_asked(&mut driver), [[3, 4, 5]]);
    driver.datagram(&numbered(packets - 1, incarnation, 5));
    assert!(driver.take_packets().is_empty());
    driver.datagram(&numbered(packets - 3, incarnation, 3));
    assert_eq!(driver.take_packets(), [packets - 3]);
    driver.wait().unwrap();
    assert_eq!(take_asked(&mut driver), [[4]], "what is still missing");
    driver.datagram(&numbered(packets - 2, incarnation, 4));
    let events = driver.take_events();
    assert_eq!(events.len(), 3, "{events:?}");
    assert_eq!(events[2], Event::Ended { reason: Hresult::OK, more: false });
    assert!(driver.machine.is_ready());
}

#[test]
fn a_stream_of_which_nothing_came_is_asked_for() {
    let packets = server::PACKETS as u32;
    let (mut driver, incarnation) = playing(packets - 2);
    driver.hear(&server::end(0, incarnation));
    driver.wait().unwrap();
    assert_eq!(take_asked(&mut driver), [[0, 1]]);
    driver.datagram(&numbered(packets - 1, incarnation, 1));
    driver.datagram(&numbered(packets - 2, incarnation, 0));
    let events = driver.take_events();
    assert!(matches!(events[..], [Event::Packet(_), Event::Packet(_), Event::Ended { .. }]), "{events:?}");
}

#[test]
fn the_last_packets_that_never_come_end_the_stream_early() {
    let packets = server::PACKETS as u32;
    let (mut driver, incarnation) = playing(packets - 3);
    driver.datagram(&numbered(packets - 3, incarnation, 0));
    driver.hear(&server::end(0, incarnation));
    let begun = driver.now;
    let mut asked = Vec::new();
    while driver.machine.is_streaming() {
        driver.wait().unwrap();
        asked.extend(take_asked(&mut driver));
    }
    assert_eq!((asked, driver.now - begun), (vec![vec![1, 2]; 3], seconds(1)));
    let events = driver.take_events();
    assert!(matches!(events[..], [Event::Packet(_), Event::Ended { reason: Hresult::OK, more: false }]), "{events:?}");
}

#[test]
fn no_more_than_the_numbers_tell_apart_are_asked_for_at_the_end() {
    let (mut driver, incarnation) = playing(0);
    driver.datagram(&numbered(0, incarnation, 0));
    driver.hear(&server::end(0, incarnation));
    driver.wait().unwrap();
    assert_eq!(take_asked(&mut driver).concat(), (1..=255).collect::<Vec<_>>());
}

#[test]
fn a_server_that_fails_or_does_not_count_is_asked_for_nothing_at_the_end() {
    let (mut driver, incarnation) = playing(0);
    driver.datagram(&numbered(0, incarnation, 0));
    driver.hear(&server::end(0x8000_FFFF, incarnation));
    driver.wait().unwrap();
    assert!(driver.datagrams.is_empty() && driver.machine.is_ready());
    let (mut driver, incarnation) = playing(0);
    (0..3).for_each(|location| driver.datagram(&data(location, incarnation, 0, &server::payload(location))));
    driver.hear(&server::end(0, incarnation));
    driver.wait().unwrap();
    assert!(driver.datagrams.is_empty() && driver.machine.is_ready());
}

#[test]
fn the_end_after_the_last_packet_waits_for_nothing() {
    let last = server::PACKETS as u32 - 1;
    let (mut driver, incarnation) = playing(last);
    driver.datagram(&numbered(last, incarnation, 0));
    driver.take_events();
    driver.hear(&server::end(0, incarnation));
    assert_eq!(driver.take_events(), [Event::Ended { reason: Hresult::OK, more: false }]);
}

#[test]
fn the_end_gives_holes_up() {
    let (mut driver, incarnation) = playing(0);
    for location in [0, 2, 5] {
        driver.datagram(&numbered(location, incarnation, location));
    }
    driver.hear(&server::end(0, incarnation));
    driver.pass(seconds(1)).unwrap();
    let events = driver.take_events();
    assert_eq!(events.last(), Some(&Event::Ended { reason: Hresult::OK, more: false }));
    assert_eq!(events.len(), 4);
}

#[test]
fn a_stop_within_the_last_second_ends_it() {
    let (mut driver, incarnation) = playing(0);
    driver.datagram(&numbered(0, incarnation, 0));
    driver.hear(&server::end(0, incarnation));
    driver.take_events();
    driver.stop();
    assert_eq!(driver.take_events(), [Event::Stopped]);
    assert!(driver.machine.is_ready() && !driver.commands().contains(&0x09));
}

#[test]
fn the_end_of_the_connection_lets_go_what_is_held() {
    let (mut driver, incarnation) = playing(0);
    for location in [0, 2, 5] {
        driver.datagram(&numbered(location, incarnation, location));
    }
    assert_eq!(driver.close_connection(), Error::Closed(Awaited::Packet));
    assert_eq!(driver.take_packets(), [0, 2, 5]);
}

#[test]
fn a_server_that_sends_on_the_connection_after_all_is_accepted() {
    let mut driver = Driver::new(config().with_funnel(Funnel::Udp { port: 7000 }));
    driver.hear(&[server::connected(), server::funnel_info(99), server::funnel()].concat());
    driver.hear(&[server::opened(File::default()), server::pieces(2)].concat());
    assert!(driver.machine.is_ready());
    let incarnation = driver.play(0);
    driver.hear(&server::started(incarnation));
    driver.hear(&[numbered(0, incarnation, 0), numbered(3, incarnation, 1)].concat());
    assert_eq!(driver.take_packets(), [0, 3]);
    driver.datagram(&numbered(4, incarnation, 2));
    assert!(driver.take_packets().is_empty(), "one way, or the other");
    driver.hear(&server::end(0, incarnation));
    assert!(driver.machine.is_ready(), "nothing can be on its way");
}

/// Anybody can send a datagram.
#[test]
fn noise_is_no_offence() {
    let (mut driver, incarnation) = playing(0);
    for noise in [&b""[..], b"1234567", &[0; 8], &[0xFF; 2000], &numbered(0, incarnation, 0)[..100]] {
        driver.datagram(noise);
    }
    for stamp in (0..=255).filter(|stamp| *stamp != incarnation) {
        driver.datagram(&numbered(server::PACKETS as u32, stamp, 0));
    }
    driver.datagram(&data(0xF0F0_F000, 0xFF, 0x10, &[1; 1464]));
    driver.datagram(&data(0xF0F0_F001, 0xFF, 0x10, &[1; 1464]));
    assert!(driver.take_events().is_empty());
    driver.datagram(&numbered(0, incarnation, 0));
    assert_eq!(driver.take_packets(), [0]);
}

#[test]
fn late_pieces_of_the_header_are_no_packets() {
    let (mut driver, incarnation) = playing(0);
    server::pieces_of(&server::header(), 200, 2).iter().for_each(|piece| driver.datagram(piece));
    assert!(driver.take_events().is_empty());
    driver.datagram(&numbered(0, 4, 0));
    assert_eq!(driver.take_packets(), [0], "but a stamp that no header had can only be of the stream");
    driver.datagram(&numbered(0, incarnation, 0));
    assert!(driver.take_packets().is_empty());
}

#[test]
fn late_packets_of_the_stream_before_prove_nothing() {
    let (mut driver, first) = playing(0);
    (0..10).for_each(|location| driver.datagram(&numbered(location, 4, location)));
    assert_eq!(driver.take_packets().len(), 10);
    driver.stop();
    driver.hear(&server::end(0, first));
    let second = driver.play(5);
    driver.hear(&server::started(second));
    driver.datagram(&numbered(5, 4, 5));
    assert!(driver.take_packets().is_empty());
    driver.datagram(&numbered(5, second, 10));
    assert_eq!(driver.take_packets(), [5]);
}

#[test]
fn lost_pieces_are_asked_for_with_a_fresh_incarnation() {
    let mut driver = Driver::new(config().with_funnel(Funnel::Udp { port: 7000 }));
    driver.hear(&[server::connected(), server::funnel_info(99), server::funnel()].concat());
    driver.hear(&server::opened(File::default()));
    driver.take_events();
    let pieces = |incarnation| server::pieces_of(&server::header(), 200, incarnation);
    driver.datagram(&pieces(2)[2]);
    driver.datagram(&pieces(2)[2]);
    driver.wait().unwrap();
    assert_eq!(driver.last(0x25).word(8), 2);
    assert_eq!(driver.last(0x15).word(48), 3);
    driver.hear(&server::refused(server::READ_BLOCK, 0x8000_FFFF));
    driver.datagram(&pieces(2)[0]);
    driver.datagram(&pieces(3)[1]);
    assert!(driver.take_events().is_empty(), "the first one is of a request that was given up");
    driver.datagram(&pieces(3)[0]);
    assert_eq!(driver.take_events().len(), 1);
    assert!(driver.machine.is_ready());
}

/// No datagram ever comes: the caller takes another transport, in time.
#[test]
fn a_blocked_port_is_found_out() {
    let mut driver = Driver::new(config().with_funnel(Funnel::Udp { port: 7000 }));
    driver.hear(&[server::connected(), server::funnel_info(99), server::funnel()].concat());
    driver.hear(&server::opened(File::default()));
    let begun = driver.now;
    let error = loop {
        if let Err(error) = driver.wait() {
            break error;
        }
    };
    assert_eq!(error, Error::TimedOut(Awaited::Header));
    let asked: Vec<u32> = driver.said.iter().filter(|said| said.command == 0x15).map(|said| said.word(48)).collect();
    assert_eq!(asked, [2, 3, 4, 5]);
    assert!(driver.now - begun < seconds(30));

    let (mut driver, _) = playing(0);
    assert_eq!(driver.pass(seconds(20)), Err(Error::TimedOut(Awaited::FirstPacket)));
}

#[test]
fn without_a_client_id_nothing_can_be_asked_for() {
    let mut driver = Driver::new(config().with_funnel(Funnel::Udp { port: 7000 }));
    driver.hear(&[server::connected(), server::refused(server::FUNNEL_INFO, 0x8000_FFFF), server::funnel()].concat());
    driver.hear(&[server::opened(File::default()), server::pieces(2)].concat());
    let incarnation = driver.play(0);
    driver.hear(&server::started(incarnation));
    driver.datagram(&numbered(1, incarnation, 1));
    let mut waits = 0;
    while driver.events.is_empty() || driver.wait.is_some() {
        driver.wait().unwrap();
        waits += 1;
    }
    assert_eq!((driver.take_packets(), waits), (vec![1], 4));
    assert!(driver.datagrams.is_empty());
}

/// A server may close the connection as soon as it has told the end, while datagrams are on their way.
#[test]
fn an_end_that_was_told_is_not_lost_with_the_connection() {
    let (mut driver, incarnation) = playing(0);
    driver.datagram(&numbered(0, incarnation, 0));
    driver.datagram(&numbered(2, incarnation, 2));
    driver.hear(&server::end(0, incarnation));
    assert_eq!(driver.take_packets(), [0], "one is missing");
    assert_eq!(driver.close_connection(), Error::Closed(Awaited::Nothing));
    let events = driver.take_events();
    assert!(
        matches!(&events[..], [Event::Packet(packet), Event::Ended { reason: Hresult::OK, more: false }] if packet.location == 2),
        "{events:?}"
    );
}

/// A hole is waited for while no more than so many packets wait behind it.
#[test]
fn as_many_as_are_held_and_one_more() {
    let (mut driver, incarnation) = playing(0);
    for location in 1..=512 {
        driver.datagram(&numbered(location, incarnation, location));
    }
    assert!(driver.take_packets().is_empty(), "all of them wait");
    driver.datagram(&numbered(513, incarnation, 513));
    assert_eq!(driver.take_packets(), (1..=513).collect::<Vec<_>>());
}
