//! A client whose connections lead into the test: both ends in memory, so that time can be virtual.

use std::future::pending;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use ftp_proto::client::{Client, Config, Connected, Connecting, Connector, Prearm, Target};
use ftp_proto::wire::Url;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::sync::mpsc;

use super::watched::Watched;

/// Every connection is accepted at once, and handed to the test.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    accept: mpsc::UnboundedSender<(Target, DuplexStream)>,
    /// Targets on this port are never connected to.
    dead_port: Arc<Mutex<Option<u16>>>,
}

impl Connector for Memory {
    fn connect(&self, target: Target) -> Connecting {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let port = match &target {
            Target::Host { port, .. } => *port,
            Target::Address(address) => address.port(),
        };
        if *self.dead_port.lock().unwrap() == Some(port) {
            return Box::pin(pending());
        }
        let sent = self.accept.send((target, theirs));
        Box::pin(async move {
            sent.expect("the test accepts connections");
            let peer = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 21);
            Ok(Connected { io: Box::new(ours), peer: Some(peer) })
        })
    }
}

/// The server side: what the client has connected to.
pub(crate) struct Side {
    accepted: mpsc::UnboundedReceiver<(Target, DuplexStream)>,
    dead_port: Arc<Mutex<Option<u16>>>,
    pub(crate) watched: Watched<Memory>,
}

/// A client that prepares nothing in advance, so that all it says is written down in the test; and the side of its server.
pub(crate) fn client(config: Config) -> (Client, Side) {
    let (accept, accepted) = mpsc::unbounded_channel();
    let dead_port = Arc::<Mutex<Option<u16>>>::default();
    let watched = Watched::over(Memory { accept, dead_port: dead_port.clone() });
    let url = Url::parse("ftp://u:hunter2@server.example/f").unwrap();
    (
        Client::new(&url, config.with_connector(watched.clone()).with_prearm(Prearm::Never)),
        Side { accepted, dead_port, watched },
    )
}

impl Side {
    /// The next control connection.
    pub(crate) async fn control(&mut self) -> Control {
        let (target, io) = self.accepted.recv().await.unwrap();
        assert_eq!(target, Target::Host { name: "server.example".to_owned(), port: 21 });
        Control(BufReader::new(io))
    }

    /// The next data connection, to the control connection's address and this port.
    pub(crate) async fn data(&mut self, port: u16) -> DuplexStream {
        let (target, io) = self.accepted.recv().await.unwrap();
        assert_eq!(target, Target::Address(format!("192.0.2.1:{port}").parse().unwrap()));
        io
    }

    /// Connections to this port stay in the making from now on.
    pub(crate) fn kill_port(&self, port: u16) {
        *self.dead_port.lock().unwrap() = Some(port);
    }

    /// The next control connection, and its login with these features; what comes behind it is the caller's.
    pub(crate) async fn logged_in(&mut self, features: &str) -> Control {
        let mut control = self.control().await;
        control.log_in(features).await;
        control
    }

    /// A control connection on which the file `f` of 100 bytes has been asked for: `RETR` is received, and the data connection
    /// made.
    pub(crate) async fn asked(&mut self) -> (Control, DuplexStream) {
        let mut control = self.logged_in(" SIZE").await;
        control.arm().await;
        control.expect("RETR f").await;
        let data = self.data(4711).await;
        (control, data)
    }

    /// A transfer of the file `f` that has been accepted.
    pub(crate) async fn streaming(&mut self) -> (Control, DuplexStream) {
        let (mut control, data) = self.asked().await;
        control.say("150 opening").await;
        (control, data)
    }
}

/// The server's end of a control connection.
pub(crate) struct Control(BufReader<DuplexStream>);

impl Control {
    pub(crate) async fn say(&mut self, text: &str) {
        self.0.write_all(format!("{text}\r\n").as_bytes()).await.unwrap();
    }

    /// The next command; `None` when the client has closed.
    pub(crate) async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        (!line.is_empty()).then(|| line.trim_end_matches("\r\n").to_owned())
    }

    pub(crate) async fn expect(&mut self, command: &str) {
        assert_eq!(self.line().await.as_deref(), Some(command));
    }

    pub(crate) async fn answer(&mut self, command: &str, reply: &str) {
        self.expect(command).await;
        self.say(reply).await;
    }

    pub(crate) async fn log_in(&mut self, features: &str) {
        self.say("220 hi").await;
        self.answer("USER u", "331 pass?").await;
        self.answer("PASS hunter2", "230 in").await;
        if self.next_is("FEAT").await {
            self.say(&format!("211-f\r\n{features}\r\n211 e")).await;
            self.expect("TYPE I").await;
        }
        self.say("200 ok").await;
    }

    /// Whether the next command, which is taken, is this one or the one after it.
    async fn next_is(&mut self, command: &str) -> bool {
        self.line().await.as_deref() == Some(command)
    }

    /// Answers the questions about `f` of the first session.
    pub(crate) async fn stat(&mut self) {
        self.answer("SIZE f", "213 100").await;
        self.answer("MDTM f", "213 20200101000000").await;
    }

    /// Answers the questions before a transfer of `f`, 100 bytes long.
    pub(crate) async fn arm(&mut self) {
        loop {
            match self.line().await.as_deref() {
                Some("SIZE f") => self.say("213 100").await,
                Some("MDTM f") => self.say("213 20200101000000").await,
                Some("EPSV") => return self.say("229 (|||4711|)").await,
                other => panic!("{other:?}"),
            }
        }
    }

    /// The client says no more, and closes.
    pub(crate) async fn closed(&mut self) {
        assert_eq!(self.line().await, None);
    }
}

/// The client closes its data connection; what it had not read before does not matter.
pub(crate) async fn data_closed(mut data: DuplexStream) {
    let mut rest = Vec::new();
    data.read_to_end(&mut rest).await.unwrap();
}
