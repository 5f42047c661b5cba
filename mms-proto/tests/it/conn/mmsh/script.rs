//! A machine under test, and servers' bytes written by hand.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use mms_proto::conn::mmsh::{Ask, Config, Connection, SeekForm};
use mms_proto::conn::{Error, Event, Identity, Input, Output, StreamChoice, Thinning};
use mms_proto::wire::{Secret, Url};

/// The head of an answer of a real server.
pub(crate) const HEAD: &str = "HTTP/1.0 200 OK\r\nContent-Type: application/x-mms-framed\r\nServer: Cougar/9.01.01.3814\r\n\
    Pragma: no-cache,client-id=1234,features=\"seekable,stridable\"\r\n\r\n";

/// What came of a dialogue.
#[derive(Debug, PartialEq)]
pub(crate) struct Trace {
    pub(crate) events: Vec<Event>,
    pub(crate) sent: Vec<String>,
    pub(crate) closed: bool,
    pub(crate) error: Option<Error>,
}

pub(crate) struct Script {
    pub(crate) machine: Connection,
    pub(crate) now: Instant,
    pub(crate) wait: Option<Instant>,
    pub(crate) buf: BytesMut,
    pub(crate) trace: Trace,
}

pub(crate) fn config() -> Config {
    let identity = Identity::Player { guid: "3300ad50-2c39-46c0-ae0a-1c2d3e4f5a6b".to_owned() };
    Config::new(Url::parse("mmsh://media.test/dir/f.asf").unwrap(), identity)
}

/// Play from packet 40, streams 1 and 2.
pub(crate) fn play() -> Ask {
    let streams = [1, 2].map(|stream| StreamChoice { stream, thinning: Thinning::None }).to_vec();
    Ask::Play { from: 40, stream_offset: Some(5000), streams, form: SeekForm::Both }
}

impl Script {
    pub(crate) fn new(config: Config, ask: Ask) -> Self {
        let now = Instant::now();
        let machine = Connection::new(now, config, ask).unwrap();
        let trace = Trace { events: Vec::new(), sent: Vec::new(), closed: false, error: None };
        let mut script = Self { machine, now, wait: None, buf: BytesMut::new(), trace };
        script.poll();
        script
    }

    pub(crate) fn playing() -> Self {
        Self::new(config(), play())
    }

    pub(crate) fn describing() -> Self {
        Self::new(config(), Ask::Describe)
    }

    /// The server sends these bytes.
    pub(crate) fn hear(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.buf.extend_from_slice(bytes.as_ref());
        let mut buf = std::mem::take(&mut self.buf);
        self.input(Input::Received(&mut buf));
        self.buf = buf;
        self
    }

    /// The server closes.
    pub(crate) fn close(&mut self) -> &mut Self {
        self.input(Input::Closed);
        self
    }

    /// Time goes by.
    pub(crate) fn elapse(&mut self, seconds: u64) -> &mut Self {
        self.now += Duration::from_secs(seconds);
        self.input(Input::Timeout);
        self
    }

    pub(crate) fn answer(&mut self, answer: &str) -> Result<(), Error> {
        let result = self.machine.authenticate(self.now, Secret::new(answer).unwrap());
        self.poll();
        result
    }

    /// Seconds until the deadline.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.wait.map(|wait| (wait - self.now).as_secs())
    }

    pub(crate) fn error(&self) -> Error {
        self.trace.error.clone().expect("an error")
    }

    /// The events, in short.
    pub(crate) fn told(&self) -> Vec<String> {
        self.trace.events.iter().map(|event| format!("{event:?}")).collect()
    }

    /// The names of the events, and what matters of them.
    pub(crate) fn names(&self) -> Vec<String> {
        self.told()
            .iter()
            .map(|told| told.split_once("(Facts").map_or(told.as_str(), |(name, _)| name).to_owned())
            .collect()
    }

    fn input(&mut self, input: Input<'_>) {
        let result = self.machine.handle_input(self.now, input);
        match &self.trace.error {
            Some(first) => assert_eq!(result, Err(first.clone()), "the first error is the last word"),
            None => self.trace.error = result.err(),
        }
        self.poll();
    }

    fn poll(&mut self) {
        loop {
            match self.machine.poll_output() {
                Output::Wait(wait) => return self.wait = wait,
                Output::Transmit(bytes) => self.trace.sent.push(String::from_utf8(bytes.to_vec()).unwrap()),
                Output::Event(event) => self.trace.events.push(event),
                Output::Close => {
                    assert!(!self.trace.closed, "closed twice");
                    self.trace.closed = true;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

/// A dialogue whose server sends these pieces and then closes.
pub(crate) fn trace<'a>(ask: Ask, pieces: impl IntoIterator<Item = &'a [u8]>) -> Trace {
    let mut script = Script::new(config(), ask);
    for piece in pieces {
        script.hear(piece);
    }
    script.close();
    script.trace
}

/// A chunk with these bytes after its length.
pub(crate) fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).unwrap();
    [&[b'$', kind][..], &len.to_le_bytes(), body].concat()
}

pub(crate) fn data(kind: u8, location: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let size = u16::try_from(payload.len() + 8).unwrap();
    chunk(kind, &[&location.to_le_bytes()[..], &[0, flags], &size.to_le_bytes(), payload].concat())
}

/// A piece of a header: 0x04 first, 0x00 middle, 0x08 last, 0x0C alone.
pub(crate) fn header(location: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    data(b'H', location, flags, payload)
}

pub(crate) fn packet(location: u32, payload: &[u8]) -> Vec<u8> {
    data(b'D', location, 0, payload)
}

pub(crate) fn metadata(text: &str) -> Vec<u8> {
    data(b'M', 0, 0x0C, text.as_bytes())
}

pub(crate) fn end(reason: u32) -> Vec<u8> {
    chunk(b'E', &reason.to_le_bytes())
}

pub(crate) fn change() -> Vec<u8> {
    chunk(b'C', &[0; 4])
}

/// A head and what follows it.
pub(crate) fn answer(head: &str, chunks: &[Vec<u8>]) -> Vec<u8> {
    [head.as_bytes(), &chunks.concat()].concat()
}
