use std::time::Duration;

use mms_proto::asf::{Guid, Header, MAX_HEADER_LEN, MAX_PACKET_SIZE, Rule, StreamKind};

use super::made::{
    FILE_ID, Properties, bit_rates, data_object, extended_stream, extension, file_properties, header, object,
    object_of_size, stream,
};

const UNKNOWN: Guid = Guid([0xAB; 16]);

fn audio() -> Vec<u8> {
    let mut data = [0x61, 1, 2, 0].to_vec();
    data.extend(44_100_u32.to_le_bytes());
    data.extend(8_000_u32.to_le_bytes());
    data.extend([0xE8, 2, 16, 0, 0, 0]);
    data
}

fn video() -> Vec<u8> {
    let mut data = [320_u32.to_le_bytes(), 240_u32.to_le_bytes()].concat();
    data.extend([2, 40, 0]);
    data.extend([0; 16]);
    data.extend(b"WMV3");
    data.extend([0; 20]);
    data
}

fn properties() -> Vec<u8> {
    file_properties(&Properties::default())
}

fn rule(bytes: &[u8]) -> Rule {
    Header::decode(bytes).unwrap_err().rule
}

/// All that a header can have, in an order that is not the usual one.
fn rich() -> Vec<u8> {
    let texts = ["Title\0", "Author", "", "d\u{10348}", "r"]
        .map(|text| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    let lens = texts.iter().flat_map(|text| (text.len() as u16).to_le_bytes()).collect::<Vec<u8>>();
    header(&[
        bit_rates(&[(1, 64_000), (0x8002, 300_000), (9, 1)]),
        object(Guid::CONTENT_DESCRIPTION, &[lens, texts.concat()].concat()),
        object(UNKNOWN, b"whatever"),
        stream(1, Guid::AUDIO_MEDIA, &audio()),
        extension(&[
            object(UNKNOWN, b""),
            extended_stream(127, 111, &stream(127, Guid::BINARY_MEDIA, &[])),
            extended_stream(1, 222, &[]),
            extended_stream(5, 333, &stream(5, UNKNOWN, b"x")),
        ]),
        properties(),
        stream(0x8002, Guid::VIDEO_MEDIA, &video()),
    ])
}

#[test]
fn all_facts_of_a_header_are_read() {
    let bytes = rich();
    let header = Header::decode(&bytes).unwrap();
    assert_eq!(header.data_offset, bytes.len() as u64);
    assert_eq!(Header::measure(&bytes[..24]), Ok(bytes.len()));

    let properties = header.properties;
    assert_eq!(properties.file_id, FILE_ID);
    assert_eq!((properties.file_size, properties.packets, properties.max_bit_rate), (9999, 3, 64_000));
    assert_eq!((properties.broadcast, properties.seekable), (false, true));
    assert_eq!(properties.play_duration, Duration::from_secs(7));
    assert_eq!(properties.send_duration, Duration::from_secs(4));
    assert_eq!(properties.preroll, Duration::from_secs(3));
    assert_eq!(header.duration(), Some(Duration::from_secs(4)));
    assert_eq!((header.data.file_id, header.data.size, header.data.packets), (FILE_ID, 350, 3));
    assert!(header.packet_counts_agree());

    assert_eq!(header.streams.keys().copied().collect::<Vec<_>>(), [1, 2, 5, 127]);
    let StreamKind::Audio(Some(audio)) = header.streams[&1].kind else { panic!("{:?}", header.streams[&1]) };
    assert_eq!((audio.format_tag, audio.channels, audio.sample_rate), (0x161, 2, 44_100));
    assert_eq!((audio.bytes_per_second, audio.block_align, audio.bits_per_sample), (8000, 744, 16));
    let StreamKind::Video(Some(video)) = header.streams[&2].kind else { panic!("{:?}", header.streams[&2]) };
    assert_eq!((video.width, video.height, &*video.codec()), (320, 240, "WMV3"));
    assert_eq!((header.streams[&1].encrypted, header.streams[&2].encrypted), (false, true));
    assert_eq!((header.streams[&5].kind, header.streams[&127].kind), (StreamKind::Other(UNKNOWN), StreamKind::Binary));
    let rates = header.streams.values().map(|stream| stream.bit_rate).collect::<Vec<_>>();
    assert_eq!(rates, [Some(64_000), Some(300_000), Some(333), Some(111)]);

    let description = header.description.unwrap();
    let texts = [
        &description.title,
        &description.author,
        &description.copyright,
        &description.description,
        &description.rating,
    ];
    assert_eq!(texts, ["Title", "Author", "", "d\u{10348}", "r"]);
}

#[test]
fn every_cut_of_a_header_is_an_error_and_what_follows_it_is_not_looked_at() {
    let bytes = rich();
    for end in 0..bytes.len() {
        assert_eq!(rule(&bytes[..end]), Rule::Truncated, "cut at {end}");
    }
    let whole = Header::decode(&bytes).unwrap();
    assert_eq!(Header::decode(&[bytes, vec![0xFF; 3]].concat()), Ok(whole));
}

#[test]
fn any_byte_can_be_anything() {
    let bytes = rich();
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7F, 0x80, 0xFF] {
            let mut changed = bytes.clone();
            changed[at] = value;
            let _typed_or_other_facts = Header::decode(&changed);
        }
    }
    assert!(Header::decode(&bytes).is_ok());
}

#[test]
fn objects_that_lie_about_their_size_are_refused() {
    for size in [0, 1, 23] {
        let bytes = header(&[properties(), object_of_size(UNKNOWN, size, b"")]);
        assert_eq!(rule(&bytes), Rule::ObjectTooSmall, "{size}");
    }
    for size in [25, 26 + 50, 1 << 32, u64::MAX] {
        let bytes = header(&[properties(), object_of_size(UNKNOWN, size, b"")]);
        assert_eq!(rule(&bytes), Rule::ObjectBeyondParent, "{size}");
    }
    // Within an extension, its own end counts.
    for size in [25, 50, u64::MAX] {
        let bytes = header(&[extension(&[object_of_size(UNKNOWN, size, b"")]), properties()]);
        assert_eq!(rule(&bytes), Rule::ObjectBeyondParent, "{size}");
    }
    let bytes = header(&[extension(&[object_of_size(UNKNOWN, 23, b"")]), properties()]);
    assert_eq!(rule(&bytes), Rule::ObjectTooSmall);
    // Too little for one more object.
    assert_eq!(rule(&header(&[properties(), vec![0; 23]])), Rule::Truncated);
}

#[test]
fn lengths_within_objects_are_held_against_the_object() {
    let mut lying = stream(1, Guid::AUDIO_MEDIA, &audio());
    lying[24 + 40..24 + 44].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(rule(&header(&[properties(), lying.clone()])), Rule::Truncated);
    assert_eq!(rule(&header(&[properties(), extension(&[extended_stream(1, 1, &lying)])])), Rule::Truncated);

    let mut lying = bit_rates(&[(1, 1)]);
    lying[24..26].copy_from_slice(&[0xFF, 0xFF]);
    assert_eq!(rule(&header(&[properties(), lying])), Rule::Truncated);

    for (at, what) in
        [(84, "names"), (86, "extensions"), (90, "the length of a name"), (114, "the length of an extension")]
    {
        let mut lying = extended_stream(1, 1, &[]);
        lying[at..at + 2].copy_from_slice(&[0xFF, 0xFF]);
        assert_eq!(rule(&header(&[properties(), extension(&[lying])])), Rule::Truncated, "{what}");
    }

    let mut lying = extension(&[object(UNKNOWN, b"")]);
    lying[42..46].copy_from_slice(&25_u32.to_le_bytes());
    assert_eq!(rule(&header(&[properties(), lying])), Rule::Truncated);
}

#[test]
fn a_header_of_its_own_is_needed() {
    let bytes = header(&[properties()]);
    assert_eq!(rule(&[vec![0; 16], bytes[16..].to_vec()].concat()), Rule::NotAHeader);
    assert_eq!(rule(&header(&[])), Rule::NoFileProperties);
    assert_eq!(rule(&header(&[properties(), properties()])), Rule::SecondFileProperties);
    assert_eq!(rule(&[&bytes[..bytes.len() - 50], &[0; 50]].concat()), Rule::NoDataObject);
    let short = [object(Guid::HEADER, &[0; 5]), data_object(1)].concat();
    assert_eq!(rule(&short), Rule::ObjectTooSmall);
}

#[test]
fn a_header_may_have_1_mib_and_not_a_byte_more() {
    let rest = header(&[properties(), object(UNKNOWN, b"")]).len();
    let filled = |len: usize| header(&[properties(), object(UNKNOWN, &vec![0; len - rest])]);
    assert_eq!(Header::decode(&filled(MAX_HEADER_LEN)).unwrap().data_offset, 1 << 20);
    assert_eq!(rule(&filled(MAX_HEADER_LEN + 1)), Rule::HeaderTooLong);
    for size in [1 << 20, 1 << 32, u64::MAX - 49, u64::MAX] {
        assert_eq!(rule(&object_of_size(Guid::HEADER, size, &[0; 100])), Rule::HeaderTooLong, "{size}");
    }
}

#[test]
fn a_file_may_have_127_streams_and_none_of_number_0() {
    let streams = |numbers: std::ops::RangeInclusive<u16>| {
        let streams = numbers.map(|number| stream(number, Guid::AUDIO_MEDIA, &audio()));
        header(&std::iter::once(properties()).chain(streams).collect::<Vec<_>>())
    };
    let header_of_all = Header::decode(&streams(1..=127)).unwrap();
    assert_eq!(header_of_all.streams.keys().copied().collect::<Vec<_>>(), (1..=127).collect::<Vec<u8>>());
    assert_eq!(rule(&streams(0..=3)), Rule::StreamZero);
    assert_eq!(rule(&header(&[properties(), bit_rates(&[(0, 1)])])), Rule::StreamZero);
    // Described twice: the first counts.
    let twice = header(&[properties(), stream(1, Guid::AUDIO_MEDIA, &audio()), stream(1, Guid::VIDEO_MEDIA, &video())]);
    assert!(matches!(Header::decode(&twice).unwrap().streams[&1].kind, StreamKind::Audio(Some(_))));
}

#[test]
fn formats_that_are_cut_off_leave_the_kind_of_stream() {
    for end in 0..audio().len() {
        let header = Header::decode(&header(&[properties(), stream(1, Guid::AUDIO_MEDIA, &audio()[..end])])).unwrap();
        let known = matches!(header.streams[&1].kind, StreamKind::Audio(Some(_)));
        assert_eq!(known, end >= 16, "cut at {end}: {:?}", header.streams[&1]);
    }
    for end in 0..video().len() {
        let header = Header::decode(&header(&[properties(), stream(1, Guid::VIDEO_MEDIA, &video()[..end])])).unwrap();
        let known = matches!(header.streams[&1].kind, StreamKind::Video(Some(_)));
        assert_eq!(known, end >= 31, "cut at {end}: {:?}", header.streams[&1]);
    }
}

#[test]
fn a_description_that_does_not_fit_is_none_and_bad_utf16_is_replaced() {
    let described = |body: &[u8]| {
        Header::decode(&header(&[properties(), object(Guid::CONTENT_DESCRIPTION, body)])).unwrap().description
    };
    assert_eq!(described(&[4, 0, 0, 0, 0, 0, 0, 0, 0, 0, b'a', 0]), None);
    assert_eq!(described(&[0, 0]), None);
    // Half a surrogate pair, then an odd byte.
    let title = described(&[5, 0, 0, 0, 0, 0, 0, 0, 0, 0, b'a', 0, 0, 0xD8, b'x']).unwrap().title;
    assert_eq!(title, "a\u{FFFD}");
}

#[test]
fn packets_have_a_place_only_if_they_have_one_size() {
    let with = |it: Properties| Header::decode(&header(&[file_properties(&it)])).unwrap();
    let default = Properties::default();

    let varies = with(Properties { min: 99, ..default });
    assert_eq!(varies.packet_size().unwrap_err().rule, Rule::PacketSizeVaries { min: 99, max: 100 });
    assert_eq!((varies.packet_offset(0), varies.file_len()), (None, None));
    for size in [0, MAX_PACKET_SIZE + 1, u32::MAX] {
        let odd = with(Properties { min: size, max: size, ..default });
        assert_eq!(odd.packet_size().unwrap_err().rule, Rule::PacketSizeOutOfRange(size));
        assert_eq!(odd.packet_offset(1), None);
    }
    let largest = with(Properties { min: MAX_PACKET_SIZE, max: MAX_PACKET_SIZE, ..default });
    assert_eq!(largest.packet_size(), Ok(65_536));

    let header = with(default);
    assert_eq!(header.packet_offset(2), Some(header.data_offset + 200));
    assert_eq!(header.file_len(), Some(header.data_offset + 300));
    assert_eq!(header.packet_offset(u64::MAX / 100), None, "the header comes on top");
    assert_eq!(with(Properties { packets: u64::MAX, ..default }).file_len(), None);
    assert_eq!(with(Properties { packets: u64::MAX / 100, ..default }).file_len(), None);
    assert!(!with(Properties { packets: 4, ..default }).packet_counts_agree());
}

#[test]
fn a_broadcast_has_no_counts_and_no_length() {
    let live = Properties { flags: 1, ..Properties::default() };
    let header_of_live = Header::decode(&header(&[file_properties(&live)])).unwrap();
    assert!(header_of_live.properties.broadcast && !header_of_live.properties.seekable);
    assert_eq!((header_of_live.packets(), header_of_live.file_len(), header_of_live.duration()), (None, None, None));
    let unknown = Properties { packets: 0, play: 0, ..Properties::default() };
    let header_of_unknown = Header::decode(&header(&[file_properties(&unknown)])).unwrap();
    assert_eq!((header_of_unknown.packets(), header_of_unknown.duration()), (None, None));
    // Longer than any clock, still no overflow.
    let endless = Properties { play: u64::MAX, preroll: u64::MAX, ..Properties::default() };
    assert_eq!(Header::decode(&header(&[file_properties(&endless)])).unwrap().duration(), None);
}

#[test]
fn guids_are_shown_as_they_are_printed() {
    assert_eq!(Guid::HEADER.to_string(), "75B22630-668E-11CF-A6D9-00AA0062CE6C");
    assert_eq!(Guid::HEADER.0[..8], [0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11]);
    assert_eq!(Guid::BINARY_MEDIA.to_string(), "3AFB65E2-47EF-40F2-AC2C-70A90D71D343");
    assert_eq!(format!("{:?}", Guid([0; 16])), "Guid(00000000-0000-0000-0000-000000000000)");
}
