//! The MMSH machine under any list of operations: what must hold after each of them.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use mms_proto::conn::mmsh::{Ask, Config, Connection, SeekForm};
use mms_proto::conn::{Error, Event, Identity, Input, Output, StreamChoice, Thinning};
use mms_proto::wire::{MAX_CHUNK, Secret, Url};

/// Bytes that matter to some state.
const WORDS: [&[u8]; 24] = [
    b"HTTP/1.0 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM\r\nContent-Length: 3\r\n\r\n",
    b"HTTP/1.0 407 No\r\nProxy-Authenticate: Basic realm=\"r\"\r\n\r\n",
    b"HTTP/1.0 302 There\r\nLocation: mms://h/f\r\n\r\n",
    b"HTTP/1.0 503 Busy\r\nRetry-After: 7\r\n\r\n",
    b"HTTP/1.0 100 Go on\r\n\r\n",
    b"Pragma: features=\"seekable\"\r\n",
    b"$H\x0b\x00\x00\x00\x00\x00\x00\x0c\x0b\x00abc",
    b"$H\x0a\x00\x00\x00\x00\x00\x00\x04\x0a\x00ab",
    b"$H\x0a\x00\x01\x00\x00\x00\x00\x08\x0a\x00cd",
    b"$D\x09\x00\x05\x00\x00\x00\x00\x00\x09\x00p",
    b"\xa4D\x08\x00\x06\x00\x00\x00\x00\x00\x08\x00",
    b"$E\x04\x00\x00\x00\x00\x00",
    b"$E\x04\x00\x01\x00\x00\x00",
    b"$E\x04\x00\x1a\x00\x0d\xc0",
    b"$C\x04\x00\x00\x00\x00\x00",
    b"$M\x0a\x00\x00\x00\x00\x00\x00\x0c\x0a\x00x\x00",
    b"$P\xf8\x01\x00\x00\x00\x00rr",
    b"$T\x00\x00",
    b"8\r\n",
    b"\r\n0\r\n\r\n",
    b"<asx><ref href='mms://h/f'></asx>",
];

struct World {
    machine: Connection,
    now: Instant,
    buf: BytesMut,
    wait: Option<Instant>,
    failed: Option<Error>,
    /// The last event has come: nothing may follow it.
    last: bool,
    headers: usize,
}

/// Runs a list of operations, one or two bytes each.
pub(crate) fn run(data: &[u8]) {
    let mut bytes = data.iter().copied();
    let flags = bytes.next().unwrap_or(0);
    let identity = Identity::Player { guid: "01234567-89ab-cdef-0123-456789abcdef".to_owned() };
    let mut config = Config::new(Url::parse("mmsh://h.test/f.asf").expect("a URL"), identity);
    config.limits.header_len = 64;
    let streams = vec![StreamChoice { stream: 1 + (flags >> 4), thinning: Thinning::None }];
    let play = Ask::Play { from: u32::from(flags), stream_offset: Some(9), streams, form: SeekForm::Both };
    let ask = if flags & 1 == 0 { play } else { Ask::Describe };
    let now = Instant::now();
    let machine = Connection::new(now, config, ask).expect("a valid request");
    let mut world = World { machine, now, buf: BytesMut::new(), wait: None, failed: None, last: false, headers: 0 };
    world.poll();
    while let Some(operation) = bytes.next() {
        world.step(operation, &mut bytes);
    }
}

impl World {
    fn step(&mut self, operation: u8, more: &mut impl Iterator<Item = u8>) {
        let argument = more.next().unwrap_or(0);
        match operation % 8 {
            0..=2 => self.hear(WORDS[usize::from(argument) % WORDS.len()]),
            3 => self.hear(&[argument]),
            4 => {
                let raw: Vec<u8> = more.take(usize::from(argument)).collect();
                self.hear(&raw);
            }
            5 => {
                self.now += Duration::from_secs(u64::from(argument));
                let due = self.wait.is_some_and(|wait| wait <= self.now);
                self.input(Input::Timeout);
                assert!(!due || self.wait.is_none_or(|wait| wait > self.now), "a deadline that passed still stands");
            }
            6 => self.input(Input::Closed),
            _ => {
                let open = self.machine.is_answerable();
                let answer = Secret::new("NTLM YQ==").expect("a secret");
                let result = self.machine.authenticate(self.now, answer);
                assert_eq!(result.is_ok(), open, "{result:?}");
                if open {
                    self.last = false;
                }
                self.poll();
            }
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
        let mut buf = std::mem::take(&mut self.buf);
        self.input(Input::Received(&mut buf));
        self.buf = buf;
        assert!(self.failed.is_some() || self.buf.len() < MAX_CHUNK, "leaves more than the longest chunk");
    }

    fn input(&mut self, input: Input<'_>) {
        let result = self.machine.handle_input(self.now, input);
        match (&self.failed, result) {
            (Some(first), again) => assert_eq!(again, Err(first.clone()), "the first error is not the last"),
            (None, Err(error)) => self.failed = Some(error),
            (None, Ok(())) => {}
        }
        self.poll();
    }

    fn poll(&mut self) {
        loop {
            match self.machine.poll_output() {
                Output::Wait(wait) => {
                    assert!(self.failed.is_none() || wait.is_none(), "a failed machine waits");
                    self.wait = wait;
                    return;
                }
                Output::Event(event) => self.event(&event),
                Output::Transmit(bytes) => assert!(bytes.starts_with(b"GET ") && bytes.ends_with(b"\r\n\r\n")),
                Output::Close => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn event(&mut self, event: &Event) {
        assert!(!self.last, "{event:?} after the last event");
        match event {
            Event::Header(header) => {
                assert!(header.len() <= 64, "longer than allowed");
                self.headers += 1;
            }
            Event::Packet(_) | Event::Started => assert!(self.headers > 0, "{event:?} before a header"),
            Event::Opened(_) | Event::Changed | Event::Ended { more: true, .. } => {}
            _ => self.last = true,
        }
    }
}
