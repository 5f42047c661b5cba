use std::time::Duration;

use mms_proto::asf::{Guid, Header, MAX_INDEX_ENTRIES, Rule, Tidied, Tidy};
use mms_proto::testing::{Film, FilmBuilder, Payloads};

use super::made::{FILE_ID, Made, Properties, bit_rates, data_object, file_properties, header, payload, stream};

const SIZE: usize = 100;

fn of_streams(properties: Properties, streams: &[(u16, Guid)]) -> Vec<u8> {
    let mut objects = vec![file_properties(&properties)];
    objects.extend(streams.iter().map(|(number, id)| stream(*number, *id, &[])));
    objects.push(bit_rates(&[(1, 64_000), (2, 300_000)]));
    header(&objects)
}

/// A packet of the usual size.
fn packet(send_time: u32, payloads: Vec<u8>) -> Vec<u8> {
    let made = Made { send_time, duration: 500, payloads, ..Made::default() };
    let padding = SIZE - made.len();
    Made { padding, ..made }.whole()
}

/// A key frame of video at this time, whole.
fn key(stream: u8, time: u32) -> Vec<u8> {
    packet(time, payload(0x80 | stream, 1, 0, 3, time, b"key", false))
}

fn other(stream: u8, time: u32) -> Vec<u8> {
    packet(time, payload(stream, 2, 0, 3, time, b"non", false))
}

fn tidied(header: &[u8], packets: &[Vec<u8>]) -> (Header, Tidied) {
    let mut tidy = Tidy::new(header).unwrap();
    for packet in packets {
        tidy.packet(packet).unwrap();
    }
    let tidied = tidy.finish();
    assert_eq!(tidied.header.len(), header.len());
    let after = Header::decode(&tidied.header).unwrap();
    let len = header.len() + packets.len() * SIZE + tidied.index.len();
    assert_eq!(after.properties.file_size, len as u64);
    assert_eq!((after.properties.packets, after.data.packets), (packets.len() as u64, packets.len() as u64));
    assert_eq!(after.data.size, 50 + (packets.len() * SIZE) as u64);
    assert!(!after.properties.broadcast);
    (after, tidied)
}

/// Entries of an index: packet and how many.
fn entries(index: &[u8]) -> Vec<(u32, u16)> {
    assert_eq!(index[..16], Guid::SIMPLE_INDEX.0);
    let size = u64::from_le_bytes(index[16..24].try_into().unwrap()) as usize;
    assert_eq!(index[24..40], FILE_ID.0);
    assert_eq!(u64::from_le_bytes(index[40..48].try_into().unwrap()), 10_000_000, "one second");
    let count = u32::from_le_bytes(index[52..56].try_into().unwrap()) as usize;
    assert_eq!(size, 56 + 6 * count);
    let entry = |bytes: &[u8]| {
        (u32::from_le_bytes(bytes[..4].try_into().unwrap()), u16::from_le_bytes(bytes[4..].try_into().unwrap()))
    };
    let entries: Vec<_> = index[56..size].chunks(6).map(entry).collect();
    let most = u32::from_le_bytes(index[48..52].try_into().unwrap());
    assert_eq!(most, u32::from(entries.iter().map(|(_, count)| *count).max().unwrap()));
    entries
}

#[test]
fn a_recorded_broadcast_gets_counts_sizes_and_durations() {
    let live = Properties { flags: 1, packets: 0, file_size: 0, play: 0, send: 0, ..Properties::default() };
    let raw = of_streams(live, &[(1, Guid::AUDIO_MEDIA), (2, Guid::VIDEO_MEDIA)]);
    let (after, tidied) = tidied(&raw, &[key(2, 1000), other(2, 2000), other(2, 2500)]);
    assert_eq!(after.properties.send_duration, Duration::from_secs(3));
    assert_eq!(after.properties.play_duration, Duration::from_secs(6), "with the preroll");
    assert_eq!(after.duration(), Some(Duration::from_secs(3)));
    assert!(after.properties.seekable);
    assert_eq!(entries(&tidied.index), [(0, 1); 3]);
    assert_eq!(tidied.unreadable, 0);
    // All else is as it was.
    let before = Header::decode(&raw).unwrap();
    assert_eq!((after.streams, after.data_offset), (before.streams, before.data_offset));
}

#[test]
fn a_complete_file_keeps_its_durations_and_a_shorter_one_gets_its_own() {
    let raw = of_streams(Properties::default(), &[(1, Guid::AUDIO_MEDIA), (2, Guid::VIDEO_MEDIA)]);
    let packets = [key(2, 0), other(2, 500), other(2, 900)];
    let before = Header::decode(&raw).unwrap().properties;
    let (after, _) = tidied(&raw, &packets);
    assert_eq!(
        (after.properties.play_duration, after.properties.send_duration),
        (before.play_duration, before.send_duration)
    );
    let (after, _) = tidied(&raw, &packets[..2]);
    assert_eq!(after.properties.send_duration, Duration::from_secs(1));
    let (after, tidied) = tidied(&raw, &[]);
    assert_eq!((after.properties.send_duration, after.duration()), (Duration::ZERO, None));
    assert!(tidied.index.is_empty());
}

#[test]
fn durations_that_are_not_stated_are_set() {
    let raw = of_streams(Properties { play: 0, ..Properties::default() }, &[(1, Guid::AUDIO_MEDIA)]);
    let (after, _) = tidied(&raw, &[other(1, 0), other(1, 500), other(1, 1000)]);
    assert_eq!(after.duration(), Some(Duration::from_millis(1500)));
}

#[test]
fn an_entry_is_the_last_key_frame_at_its_second_or_before() {
    let raw = of_streams(Properties::default(), &[(2, Guid::VIDEO_MEDIA)]);
    // At 3 s exactly; at 4.001 s and 4.9 s, of which the later is nearer to 5 s.
    let packets = [other(2, 0), key(2, 700), other(2, 900), key(2, 3000), key(2, 4001), key(2, 4900), other(2, 7999)];
    let (_, tidied) = tidied(&raw, &packets);
    assert_eq!(
        entries(&tidied.index),
        [(1, 1), (1, 1), (1, 1), (3, 1), (3, 1), (5, 1), (5, 1), (5, 1)],
        "before the first there is nothing better than the first"
    );
}

#[test]
fn a_key_frame_in_three_packets_counts_three() {
    let raw = of_streams(Properties::default(), &[(2, Guid::VIDEO_MEDIA)]);
    let piece = |object, offset| packet(0, payload(0x82, object, offset, 9, 0, b"key", false));
    let packets = [piece(1, 0), piece(1, 3), other(2, 0), piece(1, 6), piece(8, 6), other(2, 1000)];
    let (_, tidied) = tidied(&raw, &packets);
    assert_eq!(entries(&tidied.index), [(0, 4); 2], "from the first to the last of its own pieces");
}

#[test]
fn a_key_frame_that_is_in_no_entry_does_not_count_for_the_most_packets() {
    let raw = of_streams(Properties::default(), &[(2, Guid::VIDEO_MEDIA)]);
    let piece = |offset| packet(200, payload(0x82, 9, offset, 6, 200, b"key", false));
    // All in the first second, of which only the first and the last are in the index.
    let (_, tidied) = tidied(&raw, &[key(2, 100), piece(0), piece(3), key(2, 300), other(2, 1000)]);
    assert_eq!(entries(&tidied.index), [(0, 1), (3, 1)], "`entries` holds the most against them");
}

#[test]
fn times_that_go_back_make_no_entries() {
    let raw = of_streams(Properties::default(), &[(2, Guid::VIDEO_MEDIA)]);
    let (_, tidied) = tidied(&raw, &[key(2, 2000), key(2, 4000), key(2, 1000), key(2, 5000)]);
    assert_eq!(entries(&tidied.index), [(0, 1), (0, 1), (0, 1), (0, 1), (2, 1), (3, 1)]);
}

#[test]
fn each_video_stream_has_an_index_in_the_order_of_streams() {
    let raw =
        of_streams(Properties::default(), &[(7, Guid::VIDEO_MEDIA), (1, Guid::AUDIO_MEDIA), (3, Guid::VIDEO_MEDIA)]);
    let (_, tidied) = tidied(&raw, &[key(7, 0), key(1, 0), key(3, 0), key(7, 1000)]);
    let (first, second) = tidied.index.split_at(56 + 6);
    assert_eq!(entries(first), [(2, 1)], "stream 3");
    assert_eq!(entries(second), [(0, 1), (3, 1)], "stream 7");
}

#[test]
fn sound_needs_no_index_and_video_without_key_frames_has_none() {
    let unseekable = Properties { flags: 0, ..Properties::default() };
    let raw = of_streams(unseekable, &[(1, Guid::AUDIO_MEDIA)]);
    let (after, sound) = tidied(&raw, &[key(1, 0)]);
    assert!(sound.index.is_empty() && after.properties.seekable);
    let raw = of_streams(unseekable, &[(1, Guid::AUDIO_MEDIA), (2, Guid::VIDEO_MEDIA)]);
    let (after, video) = tidied(&raw, &[other(2, 0), key(1, 0)]);
    assert!(video.index.is_empty() && !after.properties.seekable);
}

#[test]
fn times_without_end_cost_the_index_and_nothing_else() {
    let raw = of_streams(Properties { flags: 0, ..Properties::default() }, &[(2, Guid::VIDEO_MEDIA)]);
    let (after, far) = tidied(&raw, &[key(2, 0), key(2, u32::MAX)]);
    assert!(far.index.is_empty() && !after.properties.seekable);
    let (_, far) = tidied(&raw, &[key(2, 0), other(2, u32::MAX)]);
    assert!(far.index.is_empty());
    let last = (MAX_INDEX_ENTRIES as u32 - 1) * 1000;
    let (_, most) = tidied(&raw, &[key(2, 0), other(2, last)]);
    assert_eq!(most.index.len(), 56 + 6 * MAX_INDEX_ENTRIES);
    // The limit is for all streams together.
    let raw = of_streams(Properties::default(), &[(2, Guid::VIDEO_MEDIA), (3, Guid::VIDEO_MEDIA)]);
    let (_, more) = tidied(&raw, &[key(2, 0), key(2, last), key(3, 0)]);
    assert!(more.index.is_empty());
}

#[test]
fn a_key_frame_without_a_time_is_left_out() {
    let raw = of_streams(Properties::default(), &[(2, Guid::VIDEO_MEDIA)]);
    let timeless = Made { payloads: [&[0x82, 1, 0, 0, 0, 0, 0][..], b"key"].concat(), ..Made::default() };
    let timeless = Made { padding: SIZE - timeless.len(), ..timeless }.whole();
    let (_, tidied) = tidied(&raw, &[timeless.clone(), key(2, 0), timeless, other(2, 1000)]);
    assert_eq!((entries(&tidied.index), tidied.unreadable), (vec![(1, 1); 2], 0));
}

#[test]
fn packets_that_cannot_be_decoded_are_counted() {
    let raw = of_streams(Properties::default(), &[(2, Guid::VIDEO_MEDIA)]);
    let mut half = key(2, 9000);
    half[18] = 5;
    let (_, tidied) = tidied(&raw, &[vec![0xFF; SIZE], half, key(2, 0)]);
    assert_eq!(tidied.unreadable, 2);
    assert_eq!(entries(&tidied.index), [(2, 1)], "their numbers are taken");
}

#[test]
fn packets_of_another_length_are_refused_and_not_counted() {
    let raw = of_streams(Properties::default(), &[(2, Guid::VIDEO_MEDIA)]);
    let mut tidy = Tidy::new(&raw).unwrap();
    assert_eq!(tidy.packet(&[0; SIZE - 1]).unwrap_err().rule, Rule::PacketTooShort);
    assert_eq!(tidy.packet(&[0; SIZE + 1]).unwrap_err().rule, Rule::PacketTooLong);
    assert_eq!(Header::decode(&tidy.finish().header).unwrap().properties.packets, 0);
    let varies = of_streams(Properties { min: 1, ..Properties::default() }, &[]);
    assert!(matches!(Tidy::new(&varies).unwrap_err().rule, Rule::PacketSizeVaries { .. }));
    assert_eq!(Tidy::new(&raw[..raw.len() - 1]).unwrap_err().rule, Rule::Truncated);
}

#[test]
fn a_stream_that_was_not_recorded_has_no_bit_rate() {
    let raw = of_streams(Properties::default(), &[(1, Guid::AUDIO_MEDIA), (2, Guid::VIDEO_MEDIA)]);
    let mut tidy = Tidy::new(&raw).unwrap();
    tidy.without_stream(2);
    tidy.without_stream(99);
    let streams = Header::decode(&tidy.finish().header).unwrap().streams;
    assert_eq!((streams[&1].bit_rate, streams[&2].bit_rate), (Some(64_000), Some(0)));
}

#[test]
fn the_header_may_be_followed_by_packets() {
    let raw = of_streams(Properties::default(), &[(2, Guid::VIDEO_MEDIA)]);
    let file = [raw.clone(), key(2, 0)].concat();
    assert_eq!(Tidy::new(&file).unwrap().finish(), Tidy::new(&raw).unwrap().finish());
    assert!(raw.ends_with(&data_object(3)), "the recording is as it was");
}

/// Two programs that share no line, and agree on where a second is: the film was made with its index.
#[test]
fn the_index_that_is_made_is_the_one_that_a_film_was_made_with() {
    let films = [
        Film::builder().packets(400).key_frame_every(10),
        Film::builder().packets(300).frame_packets(3).key_frame_every(4).seed(2),
        Film::builder().packets(500).packet_size(1200).payloads(Payloads::Single).key_frame_every(25),
    ];
    for film in films.map(FilmBuilder::build) {
        let mut tidy = Tidy::new(&film.header()).unwrap();
        (0..film.packets()).for_each(|number| tidy.packet(&film.packet(number)).unwrap());
        let (made, found) = (tidy.finish().index, film.indexes());
        let entries = |object: &[u8]| object[56..].chunks(6).map(<[u8]>::to_vec).collect::<Vec<_>>();
        let (made, found) = (entries(&made), entries(&found));
        // The sound may be longer than the pictures.
        assert!(
            made.len() > 5 && (made.len()..=made.len() + 1).contains(&found.len()),
            "{} {}",
            made.len(),
            found.len()
        );
        assert!(found.starts_with(&made), "{made:?} {found:?}");
        assert!(made.first() != made.last());
    }
}
