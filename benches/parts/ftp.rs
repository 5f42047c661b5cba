//! What FTP costs without a network: framing replies, the whole dialogue of a range, and URLs. Throughput is in bytes of
//! replies, dialogues, and URLs.

use std::time::Instant;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ftp_proto::conn::{Config, Connection, Credentials, DataEnd, Ending, Event, Input, Output, Quirks};
use ftp_proto::wire::{Arg, Path, ReplyReader, Secret, Url};

const GREETING: &str = "220-Welcome to the mirror.\r\n220-Please be kind to it.\r\n220 ready\r\n";
const LOGIN: &str = "331 password, please\r\n230 logged in\r\n\
    211-Features:\r\n EPSV\r\n MDTM\r\n PASV\r\n REST STREAM\r\n SIZE\r\n TVFS\r\n UTF8\r\n211 End\r\n200 binary\r\n";
const FACTS: &str = "213 1000000\r\n213 20200101000000\r\n229 Entering Extended Passive Mode (|||4711|)\r\n";
const OPENING: &str =
    "350 Restart position accepted (400000).\r\n150 Opening BINARY mode data connection for file.iso.\r\n";
const DONE: &str = "226 Transfer complete.\r\n";

const NOTHING_REFUSED: &str = "the server does all that it is asked for";

/// A session, and the server that it talks to: one that says what is expected of it.
struct Dialogue {
    connection: Connection,
    now: Instant,
    path: Path,
}

impl Dialogue {
    fn new() -> Self {
        let user = Arg::new("anonymous").expect("a user");
        let password = Secret::new("guest@").expect("a password");
        let (now, config) = (Instant::now(), Config::new(Credentials::new(user, password)));
        let path = Path::new(["pub", "linux", "file.iso"]).expect("a path");
        let mut dialogue = Self { connection: Connection::new(now, config, Quirks::default()), now, path };
        dialogue.hear(GREETING);
        assert_eq!(dialogue.hear(LOGIN), Some(Event::LoggedIn));
        dialogue
    }

    /// Asks what the file is, and fetches the bytes from 400,000 on.
    fn range(&mut self) {
        self.connection.arm(self.now, &self.path).expect(NOTHING_REFUSED);
        self.poll();
        assert!(matches!(self.hear(FACTS), Some(Event::Facts(_))));
        self.connection.retrieve(self.now, 400_000, None).expect(NOTHING_REFUSED);
        self.poll();
        self.input(Input::DataConnected);
        assert_eq!(self.hear(OPENING), Some(Event::Accepted));
        self.input(Input::DataRead(600_000));
        self.input(Input::DataEnded(DataEnd::Eof));
        assert_eq!(self.hear(DONE), Some(Event::Ended(Ending::Complete)));
    }

    fn hear(&mut self, replies: &str) -> Option<Event> {
        self.input(Input::Received(&mut BytesMut::from(replies)))
    }

    fn input(&mut self, input: Input<'_>) -> Option<Event> {
        self.connection.handle_input(self.now, input).expect(NOTHING_REFUSED);
        self.poll()
    }

    /// Takes what the machine wants done, and returns the last event.
    fn poll(&mut self) -> Option<Event> {
        let mut last = None;
        loop {
            match self.connection.poll_output() {
                Output::Event(event) => last = Some(event),
                Output::Wait(_) => return last,
                _ => {}
            }
        }
    }
}

fn replies(c: &mut Criterion) {
    let text = [GREETING, LOGIN, FACTS, OPENING, DONE].concat().repeat(100);
    let mut group = c.benchmark_group("ftp");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("frame replies", |b| {
        let frame = |buffer: &mut BytesMut| {
            let mut reader = ReplyReader::default();
            std::iter::from_fn(|| reader.decode(buffer).expect("replies")).count()
        };
        assert_eq!(frame(&mut BytesMut::from(&text[..])), 1100);
        b.iter_batched_ref(|| BytesMut::from(&text[..]), frame, BatchSize::SmallInput);
    });
}

fn dialogues(c: &mut Criterion) {
    let mut group = c.benchmark_group("ftp");
    group.throughput(Throughput::Elements(1));
    group.bench_function("log in and fetch a range", |b| b.iter(|| Dialogue::new().range()));
    let mut session = Dialogue::new();
    group.bench_function("fetch the next range", |b| b.iter(|| session.range()));
}

fn urls(c: &mut Criterion) {
    let urls = [
        "ftp://ftp.example.org/pub/file.iso",
        "FTP://user:p%40ss@Files.Example.COM:2121/a/b/file.bin;type=i",
        "ftp://[2001:db8::7]:2121/%2Fsrv/mirror/caf%C3%A9/a%20name%20with%20spaces.tar.gz",
    ];
    let mut group = c.benchmark_group("ftp");
    group.throughput(Throughput::Elements(urls.len() as u64));
    group.bench_function("parse URLs", |b| b.iter(|| urls.map(|url| Url::parse(url).expect("a URL"))));
}

criterion_group!(benches, replies, dialogues, urls);
criterion_main!(benches);
