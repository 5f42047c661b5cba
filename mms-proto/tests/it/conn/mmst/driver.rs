//! Drives a machine, and reads what it sends with a parser of its own.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use mms_proto::conn::mmst::{Config, Connection, Funnel, SeekForm};
use mms_proto::conn::{Error, Event, Identity, Input, Output};

use super::server::{self, File};

pub(crate) const GUID: &str = "7E667F5D-A661-495E-A512-F55686DDA178";

/// A message of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) command: u16,
    pub(crate) seq: u16,
    /// From offset 8 of the message on.
    pub(crate) body: Vec<u8>,
}

impl Said {
    pub(crate) fn parse(frame: &[u8]) -> Self {
        let word = |at: usize| u32::from_le_bytes(frame[at..at + 4].try_into().unwrap());
        assert_eq!(frame[..8], [1, 0, 0, 0, 0xCE, 0xFA, 0x0B, 0xB0]);
        assert_eq!(word(8) as usize + 16, frame.len(), "one message, and nothing else");
        assert_eq!(&frame[12..16], b"MMS ");
        assert_eq!(word(16) * 8, word(8));
        assert_eq!(frame[22..32], [0; 10]);
        assert_eq!(word(32) * 8 + 16, word(8));
        assert_eq!(frame[38..40], [3, 0]);
        Self { command: word(36) as u16, seq: word(20) as u16, body: frame[40..].to_vec() }
    }

    /// A field, by its offset from the beginning of the message.
    pub(crate) fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.body[at - 8..at - 4].try_into().unwrap())
    }

    pub(crate) fn double(&self, at: usize) -> f64 {
        f64::from_le_bytes(self.body[at - 8..at].try_into().unwrap())
    }

    pub(crate) fn text(&self, at: usize) -> String {
        let units = self.body[at - 8..].chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
        String::from_utf16(&units.take_while(|unit| *unit != 0).collect::<Vec<_>>()).unwrap()
    }
}

pub(crate) struct Driver {
    pub(crate) machine: Connection,
    pub(crate) now: Instant,
    pub(crate) tail: BytesMut,
    pub(crate) said: Vec<Said>,
    pub(crate) datagrams: Vec<Vec<u8>>,
    pub(crate) events: Vec<Event>,
    pub(crate) closed: bool,
    pub(crate) wait: Option<Instant>,
}

pub(crate) fn config() -> Config {
    Config::new(&Identity::Player { guid: GUID.to_owned() }, "127.0.0.1", "dir/clip.wmv").unwrap()
}

pub(crate) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

impl Driver {
    pub(crate) fn new(config: Config) -> Self {
        let now = Instant::now();
        let mut driver = Self {
            machine: Connection::new(now, config),
            now,
            tail: BytesMut::new(),
            said: Vec::new(),
            datagrams: Vec::new(),
            events: Vec::new(),
            closed: false,
            wait: None,
        };
        driver.poll();
        driver
    }

    pub(crate) fn poll(&mut self) {
        loop {
            match self.machine.poll_output() {
                Output::Transmit(bytes) => self.said.push(Said::parse(&bytes)),
                Output::SendDatagram(bytes) => self.datagrams.push(bytes.to_vec()),
                Output::Event(event) => self.events.push(event),
                Output::Close => self.closed = true,
                Output::Wait(until) => {
                    self.wait = until;
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) fn try_hear(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.tail.extend_from_slice(bytes);
        let result = self.machine.handle_input(self.now, Input::Received(&mut self.tail));
        self.poll();
        result
    }

    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        self.try_hear(bytes).unwrap();
    }

    pub(crate) fn datagram(&mut self, bytes: &[u8]) {
        self.machine.handle_input(self.now, Input::Datagram(bytes)).unwrap();
        self.poll();
    }

    /// Time passes, up to the next thing that the machine waits for.
    pub(crate) fn wait(&mut self) -> Result<(), Error> {
        self.now = self.wait.expect("something to wait for").max(self.now);
        let result = self.machine.handle_input(self.now, Input::Timeout);
        self.poll();
        result
    }

    pub(crate) fn pass(&mut self, time: Duration) -> Result<(), Error> {
        self.now += time;
        let result = self.machine.handle_input(self.now, Input::Timeout);
        self.poll();
        result
    }

    pub(crate) fn close_connection(&mut self) -> Error {
        let error = self.machine.handle_input(self.now, Input::Closed).unwrap_err();
        self.poll();
        error
    }

    pub(crate) fn play(&mut self, from: u32) -> u8 {
        self.machine.play(self.now, from, SeekForm::Wild).unwrap();
        self.poll();
        self.last(0x07).word(36) as u8
    }

    pub(crate) fn stop(&mut self) {
        self.machine.stop(self.now).unwrap();
        self.poll();
    }

    /// The last message with this command.
    pub(crate) fn last(&self, command: u16) -> &Said {
        self.said.iter().rfind(|said| said.command == command).expect("such a message")
    }

    pub(crate) fn commands(&self) -> Vec<u16> {
        self.said.iter().map(|said| said.command).collect()
    }

    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The numbers of the packets told since the last time, whose contents are right.
    pub(crate) fn take_packets(&mut self) -> Vec<u32> {
        let packet = |event| match event {
            Event::Packet(packet) => {
                assert_eq!(packet.data, server::payload(packet.location));
                Some(packet.location)
            }
            _ => None,
        };
        self.take_events().into_iter().filter_map(packet).collect()
    }
}

/// Up to the header, on the connection.
pub(crate) fn ready_with(config: Config, file: File) -> Driver {
    let mut driver = Driver::new(config);
    driver.hear(&[server::connected(), server::funnel(), server::opened(file)].concat());
    driver.hear(&[server::read_block(2), server::pieces(2)].concat());
    assert!(driver.machine.is_ready());
    driver.take_events();
    driver
}

pub(crate) fn ready() -> Driver {
    ready_with(config(), File::default())
}

/// In the middle of a stream from packet 0 on, with its incarnation.
pub(crate) fn streaming() -> (Driver, u8) {
    let mut driver = ready();
    let incarnation = driver.play(0);
    driver.hear(&server::started(incarnation));
    driver.hear(&server::media(0, incarnation));
    driver.take_events();
    (driver, incarnation)
}

/// Up to the header, with datagrams.
pub(crate) fn ready_for_datagrams() -> Driver {
    let mut driver = Driver::new(config().with_funnel(Funnel::Udp { port: 7000 }));
    driver.hear(&[server::connected(), server::funnel_info(99), server::funnel()].concat());
    driver.hear(&server::opened(File::default()));
    for piece in server::pieces_of(&server::header(), 200, 2) {
        driver.datagram(&piece);
    }
    assert!(driver.machine.is_ready());
    driver.take_events();
    driver
}
