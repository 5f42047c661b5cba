//! Plays a script over one control connection.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::command::fill;
use super::listing::stamp;
use super::script::{Problem, Script, ScriptError, Step, Transcript};
use super::session::split;
use super::{Ending, lock};

/// How long the client has to close its end after the script has closed its own in order.
const PARTING: Duration = Duration::from_secs(1);
/// Input that comes later than this is not thrown away by [`Step::FlushInput`].
const FLUSH: Duration = Duration::from_millis(50);

pub(super) struct Player<'a, C> {
    script: &'a Script,
    io: C,
    /// Makes the coming drop of the stream a reset.
    reset: fn(&C),
    ip: IpAddr,
    transcript: Arc<Mutex<Transcript>>,
    input: BytesMut,
    listener: Option<TcpListener>,
    data: Option<TcpStream>,
    /// The offset of the last REST.
    rest: u64,
    /// Where the file is read next.
    position: u64,
}

/// Whether steps follow.
enum Flow {
    Next,
    End,
}

impl<'a, C: AsyncRead + AsyncWrite + Unpin + Send> Player<'a, C> {
    pub(super) fn new(
        script: &'a Script,
        io: C,
        reset: fn(&C),
        ip: IpAddr,
        transcript: Arc<Mutex<Transcript>>,
    ) -> Player<'a, C> {
        let input = BytesMut::new();
        Player { script, io, reset, ip, transcript, input, listener: None, data: None, rest: 0, position: 0 }
    }

    pub(super) async fn play(mut self) -> Result<(), ScriptError> {
        for (index, step) in self.script.steps.iter().enumerate() {
            match self.take(step).await {
                Ok(Flow::Next) => {}
                Ok(Flow::End) => return Ok(()),
                Err(problem) => return Err(ScriptError { step: index, what: format!("{step:?}"), problem }),
            }
        }
        self.part().await;
        Ok(())
    }

    async fn take(&mut self, step: &Step) -> Result<Flow, Problem> {
        match step {
            Step::Send(bytes) => self.send(bytes).await?,
            Step::SendSlowly(bytes, gap) => {
                for byte in bytes.chunks(1) {
                    self.write(byte).await?;
                    if gap.is_zero() { tokio::task::yield_now().await } else { sleep(*gap).await }
                }
            }
            Step::SendRepeated(bytes, times) => {
                for _ in 0..*times {
                    if self.write(bytes).await.is_err() {
                        break;
                    }
                }
            }
            Step::Expect(pattern) => {
                let line = self.line().await?;
                if !pattern.matches(&line) {
                    return Err(Problem::Unexpected(line));
                }
            }
            Step::ServeUntil(verb) => {
                while let Some(line) = self.answer_next(Some(verb)).await? {
                    if split(&line).0 == "QUIT" {
                        return Err(Problem::Unexpected(line));
                    }
                }
            }
            Step::Serve => loop {
                match self.answer_next(None).await {
                    Ok(Some(line)) if split(&line).0 != "QUIT" => {}
                    Ok(_) | Err(Problem::Gone) => return Ok(Flow::End),
                    Err(problem) => return Err(problem),
                }
            },
            Step::FlushInput => {
                while timeout(FLUSH, self.read()).await.is_ok_and(|read| read.is_ok()) {}
                self.input.clear();
            }
            Step::AcceptData => self.accept().await?,
            Step::SendData(bytes) => self.send_data(bytes).await?,
            Step::SendFile(len) => self.send_file(self.position.saturating_add(*len)).await?,
            Step::SendFileRange(range) => {
                self.position = range.start;
                self.send_file(range.end).await?;
            }
            Step::CloseData(how) => self.close_data(*how)?,
            Step::AwaitDataEnd => {
                let data = self.data.as_mut().ok_or(Problem::NoData)?;
                let mut scrap = [0; 1024];
                while !matches!(data.read(&mut scrap).await, Ok(0) | Err(_)) {}
            }
            Step::Pause(time) => sleep(*time).await,
            Step::Stall => std::future::pending().await,
            Step::BlackHole => {
                self.drain().await;
                return Ok(Flow::End);
            }
            Step::CloseControl(Ending::Fin) => {
                self.part().await;
                return Ok(Flow::End);
            }
            Step::CloseControl(Ending::Rst) => {
                (self.reset)(&self.io);
                return Ok(Flow::End);
            }
        }
        Ok(Flow::Next)
    }

    /// Answers the next command; `None` if it is the one to stop at.
    async fn answer_next(&mut self, stop: Option<&str>) -> Result<Option<Vec<u8>>, Problem> {
        let line = self.line().await?;
        let (verb, _) = split(&line);
        if stop == Some(verb.as_str()) {
            return Ok(None);
        }
        let own = self.script.answers.iter().rev().find(|(of, _)| of == verb.as_bytes());
        let file = &self.script.file;
        let answer = match (own, verb.as_str()) {
            (Some((_, reply)), _) => reply.clone(),
            (None, "RETR") => {
                self.retrieve().await?;
                return Ok(Some(line));
            }
            (None, "SIZE") => format!("213 {}\r\n", file.len()).into_bytes(),
            (None, "MDTM") => format!("213 {}\r\n", stamp(file.modified_at())).into_bytes(),
            (None, verb) => table(verb).into(),
        };
        self.send(&answer).await?;
        Ok(Some(line))
    }

    async fn retrieve(&mut self) -> Result<(), Problem> {
        if self.listener.is_none() {
            return self.write(b"425 PASV or EPSV first\r\n").await;
        }
        self.accept().await?;
        self.write(b"150 sending\r\n").await?;
        let broken = lock(&self.transcript).data_broken;
        self.send_file(u64::MAX).await?;
        self.close_data(Ending::Fin)?;
        let ok = lock(&self.transcript).data_broken == broken;
        self.write(if ok { b"226 done\r\n" } else { b"426 stopped\r\n" }).await
    }

    /// Sends text, after filling in the address of a new listener if it asks for one.
    async fn send(&mut self, text: &[u8]) -> Result<(), Problem> {
        const KEYS: [&str; 4] = ["{port}", "{p1}", "{p2}", "{ip}"];
        match std::str::from_utf8(text) {
            Ok(template) if KEYS.iter().any(|key| template.contains(key)) => {
                let listener =
                    super::server::listen((self.ip, 0).into(), None).map_err(|e| Problem::Socket(e.kind()))?;
                let port = listener.local_addr().map_err(|e| Problem::Socket(e.kind()))?.port();
                self.listener = Some(listener);
                let [high, low] = port.to_be_bytes().map(|byte| byte.to_string());
                let (port, ip) = (port.to_string(), self.ip.to_string().replace('.', ","));
                let values: [(&str, &str); 4] = [("port", &port), ("p1", &high), ("p2", &low), ("ip", &ip)];
                self.write(&fill(template, &values.map(|(key, value)| (key, value.as_bytes())))).await
            }
            _ => self.write(text).await,
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.io.write_all(bytes).await.map_err(|_| Problem::Gone)?;
        self.io.flush().await.map_err(|_| Problem::Gone)
    }

    async fn line(&mut self) -> Result<Vec<u8>, Problem> {
        loop {
            if let Some(at) = self.input.iter().position(|b| *b == b'\n') {
                let line = self.input.split_to(at + 1);
                let line = line.strip_suffix(b"\r\n").unwrap_or(&line[..at]).to_vec();
                lock(&self.transcript).lines.push(line.clone());
                match split(&line) {
                    (verb, arg) if verb == "REST" => {
                        self.rest = std::str::from_utf8(arg).ok().and_then(|arg| arg.parse().ok()).unwrap_or(0);
                    }
                    (verb, _) if verb == "RETR" => self.position = std::mem::take(&mut self.rest),
                    _ => {}
                }
                return Ok(line);
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), Problem> {
        let before = self.input.len();
        self.input.reserve(4096);
        let read = self.io.read_buf(&mut self.input).await;
        lock(&self.transcript).received.extend_from_slice(&self.input[before..]);
        match read {
            Ok(0) | Err(_) => Err(Problem::Gone),
            Ok(_) => Ok(()),
        }
    }

    async fn drain(&mut self) {
        while self.read().await.is_ok() {
            self.input.clear();
        }
    }

    async fn part(&mut self) {
        (self.listener, self.data) = (None, None);
        self.io.shutdown().await.ok();
        timeout(PARTING, self.drain()).await.ok();
    }

    async fn accept(&mut self) -> Result<(), Problem> {
        let listener = self.listener.as_ref().ok_or(Problem::NoData)?;
        let (data, _) = listener.accept().await.map_err(|e| Problem::Socket(e.kind()))?;
        self.data = Some(data);
        lock(&self.transcript).data_connections += 1;
        Ok(())
    }

    async fn send_file(&mut self, end: u64) -> Result<(), Problem> {
        let mut chunk = vec![0; super::pace::CHUNK];
        while self.position < end {
            let want = (end - self.position).min(chunk.len() as u64) as usize;
            let n = self.script.file.read_at(self.position, &mut chunk[..want]);
            if n == 0 || !self.send_data_chunk(&chunk[..n]).await? {
                break;
            }
            self.position += n as u64;
        }
        Ok(())
    }

    async fn send_data(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.send_data_chunk(bytes).await.map(drop)
    }

    /// Returns whether the client still listens.
    async fn send_data_chunk(&mut self, bytes: &[u8]) -> Result<bool, Problem> {
        let data = self.data.as_mut().ok_or(Problem::NoData)?;
        let sent = data.write_all(bytes).await.is_ok();
        let mut transcript = lock(&self.transcript);
        transcript.data_sent += if sent { bytes.len() as u64 } else { 0 };
        transcript.data_broken += usize::from(!sent);
        Ok(sent)
    }

    fn close_data(&mut self, how: Ending) -> Result<(), Problem> {
        self.listener = None;
        let data = self.data.take().ok_or(Problem::NoData)?;
        match how {
            Ending::Fin => Ok(()),
            Ending::Rst => data.set_zero_linger().map_err(|e| Problem::Socket(e.kind())),
        }
    }
}

/// The answers of a small honest server.
fn table(verb: &str) -> &'static str {
    match verb {
        "USER" => "331 password\r\n",
        "PASS" => "230 logged in\r\n",
        "SYST" => "215 UNIX Type: L8\r\n",
        "FEAT" => "211-Features\r\n EPSV\r\n MDTM\r\n PASV\r\n REST STREAM\r\n SIZE\r\n TVFS\r\n211 End\r\n",
        "TYPE" | "OPTS" | "NOOP" => "200 ok\r\n",
        "PWD" => "257 \"/\"\r\n",
        "CWD" | "CDUP" => "250 ok\r\n",
        "REST" => "350 restarting\r\n",
        "EPSV" => "229 ok (|||{port}|)\r\n",
        "PASV" => "227 ok ({ip},{p1},{p2})\r\n",
        "ABOR" => "225 nothing to abort\r\n",
        "QUIT" => "221 bye\r\n",
        _ => "500 unknown\r\n",
    }
}
