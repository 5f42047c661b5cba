//! Wherever the bytes are cut, the same events come.

use bytes::BytesMut;
use mms_proto::conn::mmst::{Connection, SeekForm};
use mms_proto::conn::{Event, Input, Output};
use proptest::prelude::*;

use super::driver::config;
use super::server::{self, File, media};

/// What a server sends in a session whose client plays, stops, and plays again: all that it needs to know is here,
/// since incarnations are given away in order.
fn stream() -> Vec<u8> {
    let two = [server::bare(server::FUNNEL, &[0; 12]), server::bare(server::PING, &[0; 8])].concat();
    [
        server::ping(1, 2),
        server::connected(),
        server::framed(&two),
        server::opened(File::default()),
        server::pieces(2),
        server::started(9),
        media(0, 9),
        server::ping(3, 4),
        media(1, 9),
        media(2, 9),
        server::end(0, 9),
        media(3, 9),
        server::started(10),
        media(700, 10),
        server::message(0x55, &[9; 80]),
        media(701, 10),
        server::end(1, 10),
        server::change(460),
        server::pieces_of(&server::header_of(460), 100, 0xFF).concat(),
        media(0, 0xFF),
        server::end(0, 10),
    ]
    .concat()
}

/// What came out, in order: messages, and events.
#[derive(Debug, Default, PartialEq)]
struct Trace {
    sent: Vec<Vec<u8>>,
    events: Vec<Event>,
}

impl Trace {
    fn poll(&mut self, machine: &mut Connection) {
        loop {
            match machine.poll_output() {
                Output::Transmit(bytes) => self.sent.push(bytes.to_vec()),
                Output::Event(event) => self.events.push(event),
                Output::Wait(_) => return,
                other => panic!("{other:?}"),
            }
        }
    }
}

fn trace(pieces: impl IntoIterator<Item = Vec<u8>>) -> Trace {
    let now = std::time::Instant::now();
    let mut machine = Connection::new(now, config());
    let mut trace = Trace::default();
    trace.poll(&mut machine);
    let mut tail = BytesMut::new();
    let mut plays = 0;
    for piece in pieces {
        tail.extend_from_slice(&piece);
        loop {
            let before = tail.len();
            // One frame after another, so that the client's part in it falls between the same frames.
            let mut first = take_frame(&mut tail);
            machine.handle_input(now, Input::Received(&mut first)).unwrap();
            first.unsplit(std::mem::take(&mut tail));
            tail = first;
            if machine.is_ready() && plays < 2 {
                machine.play(now, plays * 700, SeekForm::Wild).unwrap();
                plays += 1;
            }
            trace.poll(&mut machine);
            if tail.len() == before || tail.is_empty() {
                break;
            }
        }
    }
    assert!(tail.is_empty());
    trace
}

/// The first frame, or all that is there of it.
fn take_frame(buf: &mut BytesMut) -> BytesMut {
    let is_control = buf.get(4..8) == Some(&[0xCE, 0xFA, 0x0B, 0xB0]);
    let len = match (is_control, buf.get(8..12), buf.get(6..8)) {
        (true, Some(length), _) => u32::from_le_bytes(length.try_into().unwrap()) as usize + 16,
        (false, _, Some(size)) => usize::from(u16::from_le_bytes(size.try_into().unwrap())),
        _ => buf.len(),
    };
    buf.split_to(len.min(buf.len()))
}

#[test]
fn at_every_place_and_byte_by_byte() {
    let stream = stream();
    let whole = trace([stream.clone()]);
    let headers = whole.events.iter().filter(|event| matches!(event, Event::Header(_))).count();
    let packets = whole.events.iter().filter(|event| matches!(event, Event::Packet(_))).count();
    assert_eq!((headers, packets), (2, 6));
    assert!(matches!(whole.events.last(), Some(Event::Ended { more: false, .. })));
    for cut in 0..=stream.len() {
        assert_eq!(trace([stream[..cut].to_vec(), stream[cut..].to_vec()]), whole, "cut at {cut}");
    }
    assert_eq!(trace(stream.iter().map(|byte| vec![*byte])), whole);
}

proptest! {
    #[test]
    fn at_any_places(cuts in prop::collection::vec(1_usize..400, 1..60)) {
        let stream = stream();
        let mut rest = &stream[..];
        let mut pieces = Vec::new();
        for cut in cuts.iter().cycle() {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece.to_vec());
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(trace(pieces), trace([stream.clone()]));
    }
}
