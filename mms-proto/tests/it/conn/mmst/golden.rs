//! What we say beside what players in the wild say: the same where it matters.

use super::driver::{Driver, Said, config, ready};
use super::server::{self, File};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().filter(|char| !char.is_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
}

/// A body with its offsets, as those of [`Said`].
fn said(command: u16, body: &str) -> Said {
    Said { command, seq: 0, body: bytes(body) }
}

/// The first message of ffmpeg 5.1.9 to 127.0.0.1, whole. libmms 0.6.4, MPlayer 1.5, xine 1.2.13 and VLC 3.0.24 differ
/// in the GUID and in the padding.
const CONNECT_OF_FFMPEG: &str = "
    01000000 cefa0bb0 c0000000 4d4d5320 18000000 00000000 00000000 00000000 16000000 01000300 00000000 0b000400
    1c000300 4e005300 50006c00 61007900 65007200 2f003700 2e003000 2e003000 2e003100 39003500 36003b00 20007b00
    37004500 36003600 37004600 35004400 2d004100 36003600 31002d00 34003900 35004500 2d004100 35003100 32002d00
    46003500 35003600 38003600 44004400 41003100 37003800 7d003b00 20004800 6f007300 74003a00 20003100 32003700
    2e003000 2e003000 2e003100 00000000";

#[test]
fn the_first_message_is_that_of_ffmpeg_to_the_byte() {
    let wild = Said::parse(&bytes(CONNECT_OF_FFMPEG));
    let driver = Driver::new(config());
    assert_eq!(driver.last(0x01), &wild);
}

#[test]
fn the_transport_is_that_of_libmms_to_the_byte() {
    let mut driver = Driver::new(config());
    driver.hear(&server::connected());
    let wild = said(
        0x02,
        "00000000 ffffffff 00000000 80969800 02000000 5c005c00 31003900 32002e00 31003600 38002e00 30002e00 31003200
         39005c00 54004300 50005c00 31003000 33003700 00000000",
    );
    assert_eq!(driver.last(0x02).body, wild.body);
}

#[test]
fn the_file_is_asked_for_as_libmms_does() {
    let mut driver = Driver::new(config());
    driver.hear(&[server::connected(), server::funnel()].concat());
    let wild = said(0x05, "01000000 00000000 00000000 00000000 61007500 64006900 6f000000");
    let ours = driver.last(0x05);
    assert_eq!(ours.body[..16], wild.body[..16]);
    assert_eq!((ours.text(24).as_str(), wild.text(24).as_str()), ("dir/clip.wmv", "audio"));
    assert_eq!(ours.body.len() % 8, 0);
}

#[test]
fn the_header_is_asked_for_as_all_do() {
    let mut driver = Driver::new(config());
    driver.hear(&[server::connected(), server::funnel(), server::opened(File::default())].concat());
    let wild = said(
        0x15,
        "01000000 00000000 00000000 00800000 ffffffff 00000000 00000000 00000000 00000000 0020ac40 02000000 00000000",
    );
    let ours = driver.last(0x15);
    assert_eq!((ours.word(8), wild.word(8)), (server::FILE_ID, 1), "the id that the server gave");
    assert_eq!(ours.body[4..], wild.body[4..]);
    assert_eq!(ours.double(40), 3600.0);
}

/// The incarnation is another one, and a stream has no end: theirs stops after 4 h 39 min 37 s.
#[test]
fn the_start_is_that_of_libmms_but_for_its_end() {
    let mut driver = ready();
    driver.play(0);
    let wild = said(0x07, "01000000 ffff0100 00000000 00000000 ffffffff ffffffff ffffff00 04000000");
    let ours = driver.last(0x07);
    assert_eq!(ours.body.len(), wild.body.len());
    assert_eq!((ours.word(12), ours.double(16), ours.word(24), ours.word(28)), (0x0001_FFFF, 0.0, u32::MAX, u32::MAX));
    assert_eq!(ours.body[4..24], wild.body[4..24]);
    assert_eq!((ours.word(32), wild.word(32)), (0, 0x00FF_FFFF));
    assert_eq!((ours.word(36), wild.word(36)), (9, 4));
}

#[test]
fn the_end_is_that_of_ffmpeg_and_vlc() {
    let mut driver = ready();
    driver.machine.close(driver.now);
    driver.poll();
    let wild = said(0x0D, "01000000 01000000");
    assert_eq!(driver.last(0x0D).word(8), wild.word(8));
    assert_eq!((driver.last(0x0D).word(12), wild.word(12)), (server::FILE_ID, 1));
}
