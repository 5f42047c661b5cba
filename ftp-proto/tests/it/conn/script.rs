//! A machine, a clock that stands still, and the bytes that went either way.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use ftp_proto::conn::{Config, Connection, Credentials, DataEnd, Error, Event, Input, Output, Quirks};
use ftp_proto::wire::{Arg, Path, Secret};

pub(crate) struct Script {
    pub(crate) machine: Connection,
    pub(crate) now: Instant,
    /// Commands sent since the last look.
    sent: String,
    pub(crate) events: Vec<Event>,
    /// What the machine wants of the data connection: `connect PORT` and `close`.
    pub(crate) data: Vec<String>,
    pub(crate) wait: Option<Instant>,
}

pub(crate) fn path(text: &str) -> Path {
    Path::new(text.split('/').map(|segment| segment.as_bytes().to_vec())).unwrap()
}

pub(crate) fn credentials() -> Credentials {
    Credentials::new(Arg::new("u").unwrap(), Secret::new("hunter2").unwrap())
}

pub(crate) fn quirks(learn: impl FnOnce(&mut Quirks)) -> Quirks {
    let mut quirks = Quirks::default();
    learn(&mut quirks);
    quirks
}

impl Script {
    pub(crate) fn new() -> Self {
        Self::with(Config::new(credentials()), Quirks::default())
    }

    pub(crate) fn with(config: Config, quirks: Quirks) -> Self {
        let now = Instant::now();
        let machine = Connection::new(now, config, quirks);
        let mut script = Self { machine, now, sent: String::new(), events: vec![], data: vec![], wait: None };
        script.poll();
        script
    }

    /// A session that has logged in to a server with these `FEAT` lines.
    pub(crate) fn logged_in(features: &[&str]) -> Self {
        let mut script = Self::new();
        script.hear("220 hi\r\n");
        script.log_in(features);
        script
    }

    pub(crate) fn log_in(&mut self, features: &[&str]) {
        let features: String = features.iter().map(|feature| format!(" {feature}\r\n")).collect();
        self.hear(&format!("331 pass?\r\n230 in\r\n211-Features\r\n{features}211 End\r\n200 binary\r\n"));
        assert_eq!(self.events(), [Event::LoggedIn]);
        self.sent();
    }

    /// The rest of a login, and what is sent when it is complete.
    pub(crate) fn log_in_sending(&mut self, feature: &str, sent: &str) {
        self.hear(&format!("331 pass?\r\n230 in\r\n211-Features\r\n SIZE\r\n {feature}\r\n211 End\r\n200 binary\r\n"));
        assert_eq!(self.sent(), sent);
    }

    /// A transfer that has been asked for: `RETR` is sent, the data connection is being made.
    pub(crate) fn asked(start: u64, size: Option<u64>) -> Self {
        let mut script = Self::logged_in(&["SIZE", "EPSV"]);
        script.arm("f", size);
        script.machine.retrieve(script.now, start, None).unwrap();
        script.poll();
        script.sent();
        script
    }

    pub(crate) fn arm(&mut self, file: &str, size: Option<u64>) {
        self.machine.arm(self.now, &path(file)).unwrap();
        self.poll();
        self.hear(&size.map_or("550 no size\r\n".to_owned(), |size| format!("213 {size}\r\n")));
        self.hear("229 here (|||4711|)\r\n");
        assert!(matches!(self.events()[..], [Event::Facts(_)]));
        self.sent();
    }

    pub(crate) fn poll(&mut self) {
        loop {
            match self.machine.poll_output() {
                Output::Transmit(bytes) => self.sent.push_str(std::str::from_utf8(&bytes).unwrap()),
                Output::ConnectData(port) => self.data.push(format!("connect {port}")),
                Output::CloseData => self.data.push("close".to_owned()),
                Output::Event(event) => self.events.push(event),
                Output::Wait(deadline) => {
                    self.wait = deadline;
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) fn input(&mut self, input: Input<'_>) -> Result<(), Error> {
        let result = self.machine.handle_input(self.now, input);
        self.poll();
        result
    }

    pub(crate) fn try_hear(&mut self, text: &str) -> Result<(), Error> {
        self.input(Input::Received(&mut BytesMut::from(text)))
    }

    #[track_caller]
    pub(crate) fn hear(&mut self, text: &str) {
        self.try_hear(text).unwrap();
    }

    /// Lets time pass up to the deadline that the machine has set.
    #[track_caller]
    pub(crate) fn expire(&mut self) -> Result<(), Error> {
        self.now = self.wait.expect("a deadline");
        self.input(Input::Timeout)
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    pub(crate) fn data_end(&mut self, how: DataEnd) -> Result<(), Error> {
        self.input(Input::DataEnded(how))
    }

    pub(crate) fn sent(&mut self) -> String {
        std::mem::take(&mut self.sent).replace("\r\n", "\n")
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}
