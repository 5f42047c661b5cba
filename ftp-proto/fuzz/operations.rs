//! The control machine under any list of operations: what must hold after each of them.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ftp_proto::conn::{Config, Connection, Credentials, DataEnd, Error, Event, Input, Output, Quirks};
use ftp_proto::wire::{Arg, Path, Secret};

/// Replies that matter to some state.
const REPLIES: [&str; 32] = [
    "220 hi",
    "120 soon",
    "230 in",
    "331 pass?",
    "332 acct?",
    "530 no",
    "421 bye",
    "211-f\r\n SIZE\r\n MDTM\r\n TVFS\r\n RANG STREAM\r\n MLST size*;\r\n211 e",
    "211 none",
    "200 ok",
    "213 1000",
    "213 20200101000000",
    "229 (|||4711|)",
    "227 (1,2,3,4,5,6)",
    "250 ok",
    "250-x\r\n size=9;unique=a; f\r\n250 e",
    "257 \"/home\"",
    "350 go on",
    "150 opening",
    "125 open",
    "226 done",
    "426 aborted",
    "425 no data",
    "450 busy",
    "550 no",
    "500 what",
    "502 no",
    "503 order",
    "554 range",
    "451 local",
    "211-open",
    "junk",
];

/// What the driver of a machine knows, and what it may rely on.
struct World {
    machine: Connection,
    now: Instant,
    wait: Option<Instant>,
    data: Data,
    failed: Option<Error>,
    refused: bool,
    /// A transfer was told where to start, and nothing has been heard since.
    unheard: bool,
    /// A transfer was started along with the questions about its file, which are not answered.
    facts_due: bool,
    /// Questions and transfers that were begun and have not come to an end.
    open: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Data {
    None,
    Connecting,
    /// It stands, and no transfer uses it.
    Waiting,
    Open,
}

/// Runs a list of operations, one or two bytes each.
pub(crate) fn run(data: &[u8]) {
    let mut bytes = data.iter().copied();
    let flags = bytes.next().unwrap_or(0);
    let arg = |text: &'static str| Arg::new(text).expect("a valid argument");
    let secret = |text: &'static str| Secret::new(text).expect("a valid secret");
    let mut credentials = Credentials::new(arg("u"), secret("p"));
    if flags & 1 != 0 {
        credentials = credentials.with_account(secret("a"));
    }
    let mut config = Config::new(credentials);
    if flags & 2 != 0 {
        config = config.without_pasv();
    }
    let mut quirks = Quirks::default();
    quirks.serial = flags & 4 != 0;
    quirks.no_epsv = flags & 8 != 0;
    let now = Instant::now();
    let machine = Connection::new(now, config, quirks);
    let mut world = World {
        machine,
        now,
        wait: None,
        data: Data::None,
        failed: None,
        refused: false,
        unheard: false,
        facts_due: false,
        open: 0,
    };
    world.poll();
    while let Some(operation) = bytes.next() {
        world.step(operation, &mut bytes);
        world.check();
    }
}

impl World {
    fn step(&mut self, operation: u8, more: &mut impl Iterator<Item = u8>) {
        let argument = more.next().unwrap_or(0);
        let path = Path::new(if argument & 1 == 0 { vec!["f"] } else { vec!["d", "e", "f"] }).expect("a valid path");
        match operation % 16 {
            0..=2 => {
                let reply = REPLIES[usize::from(argument) % REPLIES.len()];
                self.input(Input::Received(&mut BytesMut::from(format!("{reply}\r\n").as_bytes())));
            }
            3 => self.input(Input::Received(&mut BytesMut::from(&[argument][..]))),
            4 if self.data == Data::Connecting => {
                self.data = if self.machine.is_prearmed() { Data::Waiting } else { Data::Open };
                self.input(Input::DataConnected);
            }
            4 | 5 => {
                // As a driver does: never more than it may, and one byte aside at the end.
                if let Some(window) = self.machine.may_read() {
                    assert_eq!(self.data, Data::Open, "reads from nothing");
                    self.input(Input::DataRead(window.clamp(1, u64::from(argument).max(1) * 64)));
                }
            }
            6 if matches!(self.data, Data::Open | Data::Waiting) => {
                self.data = Data::None;
                let broken = DataEnd::Broken(ErrorKind::ConnectionReset);
                self.input(Input::DataEnded(if argument & 1 == 0 { DataEnd::Eof } else { broken }));
            }
            6 if self.data == Data::Connecting => {
                self.data = Data::None;
                self.input(Input::DataEnded(DataEnd::NotConnected(ErrorKind::ConnectionRefused)));
            }
            6 | 7 if argument.is_multiple_of(8) => self.input(Input::Closed),
            7 | 8 => {
                if let Some(wait) = self.wait {
                    self.now = self.now.max(wait);
                }
                self.input(Input::Timeout);
            }
            9 => self.now += Duration::from_millis(u64::from(argument) * 16),
            10 => {
                let asked = self.machine.stat(self.now, &path);
                self.began(asked);
            }
            11 => {
                let asked = self.machine.arm(self.now, &path);
                self.began(asked);
            }
            12 => {
                let exact = (argument & 2 != 0).then_some(u64::from(argument) + 100);
                let started = self.machine.retrieve(self.now, u64::from(argument & 0xf0), exact);
                self.unheard = started.is_ok() && (argument >= 16 || exact.is_some());
                self.facts_due &= started.is_err();
                self.began(started);
            }
            13 => match argument % 4 {
                0 => self.machine.quit(self.now),
                1 => drop(self.machine.check(self.now, Duration::from_secs(1))),
                _ => {
                    self.machine.stop(self.now);
                    self.open = 0;
                }
            },
            14 => match self.machine.prearm(self.now) {
                Ok(()) | Err(Error::Misuse(_)) => {}
                Err(error) => self.failed_with(&error),
            },
            _ => {
                let exact = (argument & 2 != 0).then_some(u64::from(argument) + 100);
                let ready = self.machine.is_ready_for(&path);
                let started = self.machine.retrieve_at_once(self.now, &path, u64::from(argument & 0xf0), exact);
                assert_eq!(started.is_ok(), ready);
                if ready {
                    self.unheard = argument >= 16 || exact.is_some();
                    self.facts_due = true;
                    // The facts, and what becomes of the transfer.
                    self.open += 1;
                    self.data = if self.data == Data::Waiting { Data::Open } else { self.data };
                }
                self.began(started);
            }
        }
        self.poll();
    }

    fn began(&mut self, result: Result<(), Error>) {
        match result {
            Ok(()) => self.open += 1,
            Err(Error::Misuse(_)) => {}
            Err(error) => self.failed_with(&error),
        }
    }

    fn input(&mut self, input: Input<'_>) {
        self.unheard &= !matches!(input, Input::Received(_));
        match self.machine.handle_input(self.now, input) {
            Ok(()) => assert_eq!(self.failed, None, "the first error is the last word"),
            Err(Error::Misuse(what)) => panic!("an input is no misuse: {what}"),
            Err(error) => self.failed_with(&error),
        }
    }

    fn failed_with(&mut self, error: &Error) {
        let first = self.failed.get_or_insert_with(|| error.clone());
        assert_eq!(first, error, "the first error is the last word");
    }

    fn poll(&mut self) {
        for _ in 0..64 {
            match self.machine.poll_output() {
                Output::Transmit(bytes) => assert!(bytes.ends_with(b"\r\n") && !bytes.starts_with(b"\r\n")),
                Output::ConnectData(port) => {
                    assert_ne!(port, 0);
                    assert_eq!(self.data, Data::None, "a second data connection");
                    self.data = Data::Connecting;
                }
                Output::CloseData => {
                    assert_ne!(self.data, Data::None, "closes what is not open");
                    self.data = Data::None;
                }
                Output::Event(event) => self.event(&event),
                Output::Wait(wait) => {
                    self.wait = wait;
                    return;
                }
                _ => {}
            }
        }
        panic!("an endless list of outputs");
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::LoggedIn | Event::Accepted => {}
            Event::Facts(_) => {
                self.facts_due = false;
                self.open = self.open.checked_sub(1).expect("facts that nobody asked for");
            }
            Event::LoginRefused { .. } => {
                assert!(!self.refused);
                self.refused = true;
                self.open = 0;
            }
            _ => self.open = self.open.checked_sub(1).expect("an outcome of nothing"),
        }
    }

    fn check(&self) {
        let streaming = self.machine.may_read().is_some();
        assert!(!streaming || self.data == Data::Open);
        assert!(!streaming || !self.facts_due, "reads of a file that may be another one");
        assert!(!streaming || !self.unheard, "reads from a start that the server has not confirmed");
        if self.machine.is_settled() {
            assert!(self.machine.is_logged_in() && self.machine.is_alive() && self.failed.is_none() && !self.refused);
            let ahead = matches!(self.data, Data::Connecting | Data::Waiting);
            assert_eq!(ahead, self.machine.is_prearmed(), "a data connection that is not needed");
            assert_ne!(self.data, Data::Open, "a settled session has a data connection");
            assert!(!ahead || self.wait.is_some(), "a data connection is kept for ever");
            assert_eq!(self.open, 0, "a settled session owes an outcome");
        } else if self.machine.is_alive() && !streaming {
            assert!(self.wait.is_some(), "a wait without a deadline");
        }
        if self.failed.is_some() {
            assert_eq!((self.wait, self.data), (None, Data::None), "waits after the end");
        }
    }
}
