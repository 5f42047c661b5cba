//! The machine of MMST under any list of operations: what must hold after each of them.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use mms_proto::conn::mmst::{Config, Connection, Funnel, SeekForm};
use mms_proto::conn::{Error, Event, Identity, Input, Output, StreamChoice, Thinning};

use super::server;

/// What the driver of a machine knows, and what it may rely on.
struct World {
    machine: Connection,
    now: Instant,
    wait: Option<Instant>,
    tail: BytesMut,
    /// The incarnations in the last StartPlaying and ReadBlock.
    start: u8,
    read_block: u8,
    /// Packets may be told.
    streaming: bool,
    failed: Option<Error>,
    closed: bool,
}

/// Runs a list of operations, two or three bytes each.
pub(crate) fn run(data: &[u8]) {
    let mut bytes = data.iter().copied();
    let flags = bytes.next().unwrap_or(0);
    let identity = Identity::Player { guid: "7E667F5D-A661-495E-A512-F55686DDA178".to_owned() };
    let mut config = Config::new(&identity, "host", "file").expect("short names");
    if flags & 1 != 0 {
        config = config.with_funnel(Funnel::Udp { port: 7000 });
    }
    let now = Instant::now();
    let mut world = World {
        machine: Connection::new(now, config),
        now,
        wait: None,
        tail: BytesMut::new(),
        start: 9,
        read_block: 2,
        streaming: false,
        failed: None,
        closed: false,
    };
    world.poll();
    if flags & 2 != 0 {
        // Most of what is interesting comes after the header.
        let opened = server::opened(server::File::default());
        let info = if flags & 1 != 0 { server::funnel_info(5) } else { Vec::new() };
        world.hear(&[server::connected(), info, server::funnel(), opened, server::pieces(2)].concat());
        assert!(world.machine.is_ready());
    }
    while let Some(operation) = bytes.next() {
        world.step(operation, &mut bytes);
        world.check();
    }
}

impl World {
    fn step(&mut self, operation: u8, more: &mut impl Iterator<Item = u8>) {
        let argument = more.next().unwrap_or(0);
        let location = u32::from(argument) * if operation & 0x40 == 0 { 1 } else { 40 };
        let stamps = [self.start, self.read_block, 0xFF, 4, 9, self.start.wrapping_sub(1)];
        let stamp = stamps[usize::from(operation >> 4) % stamps.len()];
        match operation % 16 {
            0..=3 => {
                let message = self.message(argument, stamp);
                self.hear(&message);
            }
            4 => self.hear(&server::media(location, stamp)),
            5 => self.hear(&server::data(u32::from(argument >> 6), stamp, argument & 0x0C, &server::header()[..200])),
            6 => {
                let sequence = more.next().unwrap_or(0);
                let packet = server::data(location, stamp, sequence, &server::payload(location));
                self.input(Input::Datagram(&packet));
            }
            7 => self.hear(&[argument]),
            8 => {
                let message = self.message(argument, stamp);
                self.hear(&message[..message.len() * usize::from(operation >> 4) / 16]);
            }
            9 => {
                let form = if operation & 0x80 == 0 { SeekForm::Wild } else { SeekForm::Spec };
                let ready = self.machine.is_ready();
                match self.machine.play(self.now, location, form) {
                    Ok(()) => self.streaming = true,
                    Err(Error::Misuse(_)) => assert!(!ready || u64::from(location) >= server::PACKETS),
                    Err(error) => assert_eq!(Some(error), self.failed),
                }
                self.poll();
            }
            10 => {
                let streaming = self.machine.is_streaming();
                let stopped = self.machine.stop(self.now);
                assert_eq!(stopped.is_ok(), streaming);
                // What was told before is still to be polled, in other drivers; here all is polled at once.
                self.streaming &= stopped.is_err();
                self.poll();
            }
            11 => {
                let choice = StreamChoice { stream: argument, thinning: Thinning::None };
                let _ = self.machine.select(self.now, &[choice]);
                self.poll();
            }
            12 => {
                let _ = self.machine.authenticate(self.now, Bytes::from(vec![argument; 10]));
                let funnel = if argument & 1 == 0 { Funnel::Tcp } else { Funnel::Udp { port: 7000 } };
                let _ = self.machine.retry_funnel(self.now, funnel);
                self.poll();
            }
            13 => {
                self.now = self.wait.map_or(self.now, |wait| wait.max(self.now));
                self.input(Input::Timeout);
            }
            14 => self.now += Duration::from_millis(u64::from(argument)),
            _ if argument == 0 => self.input(Input::Closed),
            _ if argument == 1 => {
                self.machine.close(self.now);
                self.poll();
            }
            _ => self.input(Input::Timeout),
        }
    }

    fn message(&self, which: u8, stamp: u8) -> Vec<u8> {
        let commands = [
            server::CONNECTED,
            server::FUNNEL,
            server::NO_FUNNEL,
            server::STARTED,
            server::OPENED,
            server::READ_BLOCK,
            server::FUNNEL_INFO,
            server::END,
            server::CHANGE,
            server::SWITCHED,
        ];
        match which % 32 {
            0..=1 => server::connected_as("9", "NTLM"),
            2..=3 => server::funnel(),
            4 => server::funnel_info(5),
            5..=6 => server::opened(server::File::default()),
            7 => server::opened(server::File { header_size: 0, packets: 0, ..server::File::default() }),
            8..=10 => server::pieces(stamp),
            11..=13 => server::started(stamp),
            14..=16 => server::end(0, stamp),
            17 => server::end(1, stamp),
            18 => server::change(server::HEADER_LEN as u32),
            19 => server::switched(),
            20 => server::ping(1, 2),
            21 => server::challenge(1, 2, &[3]),
            22 => server::redirect("mms://elsewhere/"),
            23 => server::message(u16::from(stamp), &[0; 80]),
            24 => {
                server::framed(&[server::bare(server::PING, &[0; 8]), server::bare(server::SWITCHED, &[0; 4])].concat())
            }
            _ => server::refused(commands[usize::from(stamp) % commands.len()], 0x8000_FFFF),
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        let mut tail = std::mem::take(&mut self.tail);
        tail.extend_from_slice(bytes);
        self.input(Input::Received(&mut tail));
        self.tail = tail;
    }

    fn input(&mut self, input: Input<'_>) {
        let result = self.machine.handle_input(self.now, input);
        match (&self.failed, result) {
            (None, Err(error)) => {
                assert!(!matches!(error, Error::Misuse(_)), "no fault of the peer's");
                self.failed = Some(error);
            }
            (None, Ok(())) => {}
            (Some(first), again) => assert_eq!(again.as_ref(), Err(first), "the first error is the last word"),
        }
        self.poll();
        assert!(self.wait.is_none_or(|wait| wait > self.now), "nothing is to be done twice at the same time");
    }

    fn poll(&mut self) {
        loop {
            match self.machine.poll_output() {
                Output::Transmit(bytes) => {
                    assert!(!self.closed);
                    self.sent(&bytes);
                }
                Output::SendDatagram(bytes) => assert!(bytes.len() > 12 && bytes.len() <= 12 + 4 * 32),
                Output::Event(event) => self.told(&event),
                Output::Close => self.closed = true,
                Output::Wait(wait) => {
                    self.wait = wait;
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn sent(&mut self, bytes: &[u8]) {
        assert_eq!(bytes.len() % 8, 0);
        match bytes[36] {
            0x07 => {
                self.start = bytes[68];
                assert!((9..=0xFE).contains(&self.start) && self.start != 0xCE);
            }
            0x15 => {
                self.read_block = bytes[80];
                assert!((1..=8).contains(&self.read_block));
            }
            _ => {}
        }
    }

    fn told(&mut self, event: &Event) {
        match event {
            Event::Packet(_) => assert!(self.streaming, "a packet that nobody asked for"),
            Event::Started => self.streaming = true,
            Event::Header(header) => assert!(header.len() <= 1 << 20),
            Event::Ended { .. } | Event::Stopped | Event::Changed => self.streaming = false,
            _ => {}
        }
    }

    fn check(&self) {
        assert!(self.tail.len() < mms_proto::wire::mmst::MAX_FRAME_LEN || self.failed.is_some());
        let (ready, streaming) = (self.machine.is_ready(), self.machine.is_streaming());
        assert!(!ready || !streaming);
        assert!(self.failed.is_none() || !ready && !streaming && self.closed && self.wait.is_none());
        assert!(!self.closed || !ready && !streaming);
        if let Some(wait) = self.wait {
            assert!(wait <= self.now + Duration::from_secs(60));
        }
    }
}
