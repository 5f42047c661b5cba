//! Data connections of the honest server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Duration, timeout};

use super::command::fill;
use super::fault::RETR_DATA;
use super::file::{Node, resolve};
use super::listing::long_line;
use super::pace::Pace;
use super::personality::Meanwhile;
use super::session::{Flow, Session, split};
use super::{Ending, Fault, Feature, File, lock};

/// What to send over a data connection.
#[derive(Debug)]
pub(super) struct Plan {
    name: Vec<u8>,
    node: Arc<Node>,
    start: u64,
    /// The end of a RANG; without one the transfer ends where the file does.
    end: Option<u64>,
    fault: Option<Fault>,
    /// The absolute path for the record; listings have none.
    path: Option<Vec<u8>>,
}

/// How a transfer ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// All was written.
    Complete,
    /// The client closed the data connection, or the control connection where that matters.
    Broken,
    /// By a command that has had its replies, or wants none for the transfer.
    Interrupted,
    /// As the fault says.
    Fault,
    /// The session is over.
    Over,
}

impl Session {
    pub(super) async fn enter_passive(&mut self, verb: &str, arg: &[u8]) -> io::Result<Flow> {
        let words = self.words();
        let extended = verb == "EPSV";
        let family: &[u8] = if self.state.local.is_ipv4() { b"1" } else { b"2" };
        let refusal: Vec<u8> = if !self.offers(if extended { Feature::Epsv } else { Feature::Pasv }) {
            self.unknown(verb)
        } else if extended && arg.eq_ignore_ascii_case(b"ALL") {
            self.state.epsv_only = true;
            words.epsv_all.into()
        } else if extended && !arg.is_empty() && arg != family {
            fill("522 Network protocol not supported, use ({family})", &[("family", family)])
        } else if !extended && self.state.epsv_only && !words.only_epsv.is_empty() {
            words.only_epsv.into()
        } else if !extended && self.state.local.is_ipv6() {
            b"425 You cannot use PASV on IPv6 connections. Use EPSV instead.".to_vec()
        } else {
            // The old listener goes first: with a range of one port the new one needs it.
            self.passive = None;
            match self.presence.shared.config.listen_for_data(self.state.local) {
                Ok(listener) => return self.announce(extended, listener).await,
                Err(_) => b"425 No port is free".to_vec(),
            }
        };
        self.reply(refusal).await?;
        Ok(Flow::Next)
    }

    async fn announce(&mut self, extended: bool, listener: TcpListener) -> io::Result<Flow> {
        let addr = listener.local_addr()?;
        self.passive = Some(listener);
        let reply = match addr {
            SocketAddr::V4(v4) if !extended => {
                let [a, b, c, d] = self.presence.shared.config.passive_address.unwrap_or(*v4.ip()).octets();
                let [high, low] = v4.port().to_be_bytes();
                let address = format!("{a},{b},{c},{d},{high},{low}");
                fill(self.words().pasv, &[("address", address.as_bytes())])
            }
            _ => fill(self.words().epsv, &[("port", addr.port().to_string().as_bytes())]),
        };
        self.reply(reply).await?;
        match self.pending.take() {
            Some(plan) => self.transfer(plan).await,
            None => Ok(Flow::Next),
        }
    }

    pub(super) async fn retrieve(&mut self, name: &[u8]) -> io::Result<Flow> {
        self.presence.shared.stats.count(|c| c.retrs += 1);
        let words = self.words();
        // Both hold for one attempt, a failed one included. Observed: vsftpd, proftpd, pure-ftpd, pyftpdlib.
        let (rest, range) = (std::mem::take(&mut self.state.rest), self.state.range.take());
        let Some(node) = self.look_up(name) else {
            return self.decline(self.no_file(words.no_file, name)).await;
        };
        if rest > 0 && !self.state.binary && !words.retr_in_ascii.is_empty() {
            return self.decline(words.retr_in_ascii.into()).await;
        }
        let (mut start, end) = match range {
            Some((start, last)) => (start, last.checked_add(1)),
            None => (rest, None),
        };
        let size = node.len();
        let past_end = start > size || end.is_some_and(|end| end > size) || (range.is_some() && end.is_none());
        if past_end && (range.is_some() || !self.presence.shared.config.personality.habits.past_end_is_empty) {
            return self.decline(words.past_end.into()).await;
        }
        let fault = self.presence.shared.faults.due(RETR_DATA);
        if let Some(Fault::WrongOffset { back, above }) = fault
            && start > above
        {
            start = if back >= 0 {
                start.saturating_sub(back.unsigned_abs())
            } else {
                start.saturating_add(back.unsigned_abs())
            };
        }
        let path = Some(resolve(&self.state.cwd, name));
        self.begin(Plan { name: name.to_vec(), node, start, end, fault, path }).await
    }

    pub(super) async fn list(&mut self, verb: &str, arg: &[u8]) -> io::Result<Flow> {
        if verb == "MLSD" && !self.offers(Feature::Mlst) {
            let unknown = self.unknown(verb);
            return self.decline(unknown).await;
        }
        // Options of ls are for servers that run it.
        let name = if arg.starts_with(b"-") { arg.splitn(2, |b| *b == b' ').nth(1).unwrap_or_default() } else { arg };
        let path = resolve(&self.state.cwd, name);
        let file = lock(&self.presence.shared.tree).find(&path);
        let entries = match file {
            Some(_) => [(name.to_vec(), file)].into(),
            None => lock(&self.presence.shared.tree).children(&path),
        };
        if entries.is_empty() && path != b"/" {
            return self.decline(self.no_file(self.words().no_file, name)).await;
        }
        let mut listing = Vec::new();
        for (name, node) in entries {
            match verb {
                "LIST" => {
                    let file = node.map(|node| (node.len(), node.modified_at()));
                    listing.extend(long_line(&name, file, SystemTime::now()));
                }
                "NLST" => listing.extend(&name),
                _ => listing.extend([&self.facts(node.as_deref()), b" ".as_slice(), &name].concat()),
            }
            listing.extend(b"\r\n");
        }
        let node = Arc::new(Node::new(0, File::bytes(listing)));
        self.begin(Plan { name: verb.into(), node, start: 0, end: None, fault: None, path: None }).await
    }

    /// Refuses a transfer. The listener is closed first, so the client may see that before the reply. Observed: all four servers.
    async fn decline(&mut self, words: Vec<u8>) -> io::Result<Flow> {
        self.passive = None;
        self.reply(words).await?;
        Ok(Flow::Next)
    }

    async fn begin(&mut self, plan: Plan) -> io::Result<Flow> {
        if self.passive.is_some() {
            return self.transfer(plan).await;
        }
        if self.presence.shared.config.personality.habits.retr_before_pasv {
            self.reply(self.words().opening).await?;
            self.pending = Some(plan);
        } else {
            self.reply(self.words().no_passive).await?;
        }
        Ok(Flow::Next)
    }

    async fn transfer(&mut self, plan: Plan) -> io::Result<Flow> {
        let Some(listener) = self.passive.take() else { return Ok(Flow::Next) };
        let (words, habits) = (self.words(), self.presence.shared.config.personality.habits);
        let left = plan.end.unwrap_or_else(|| plan.node.len()).saturating_sub(plan.start);
        let finished = plan.start > 0 && left == 0 && plan.end.is_none() && !words.nothing_left.is_empty();
        let opening = if left == 0 { words.opening_empty } else { words.opening };
        let opening = plan.describe(opening, left);
        let accepted = if habits.opens_before_accept {
            // A moment for a connection that the kernel has and the runtime does not know yet.
            match timeout(Duration::from_millis(1), listener.accept()).await {
                Ok(Ok((data, _))) => {
                    self.reply(words.already_open).await?;
                    Ok(data)
                }
                _ => {
                    self.reply(&opening).await?;
                    self.accept(&listener).await?
                }
            }
        } else {
            self.accept(&listener).await?
        };
        drop(listener);
        let mut data = match accepted {
            Ok(data) => data,
            Err(End::Over) => return Ok(Flow::Drop),
            Err(End::Interrupted) => return Ok(Flow::Next),
            Err(_) => {
                self.reply(words.no_passive).await?;
                return Ok(Flow::Next);
            }
        };
        if !habits.opens_before_accept && !finished {
            self.reply(&opening).await?;
        }
        let mut sent = 0;
        let end = self.stream(&mut data, &plan, &mut sent).await?;
        if end == End::Complete && habits.lingers {
            data.shutdown().await.ok();
            self.drained(&mut data).await;
        }
        if end == End::Fault {
            return self.end_by_fault(plan.fault, data).await;
        }
        drop(data);
        match end {
            End::Complete if finished => self.reply(words.nothing_left).await?,
            End::Complete => self.reply(words.complete).await?,
            End::Broken => {
                let mut aborted = fill(words.aborted, &[("sent", sent.to_string().as_bytes())]);
                if self.state.eaten {
                    aborted.splice(..3, *b"500");
                }
                self.reply(aborted).await?;
            }
            End::Interrupted | End::Fault => {}
            End::Over => return Ok(Flow::Drop),
        }
        Ok(Flow::Next)
    }

    /// Waits for the data connection; connections from elsewhere are closed at once.
    async fn accept(&mut self, listener: &TcpListener) -> io::Result<Result<TcpStream, End>> {
        let patience = tokio::time::sleep(self.presence.shared.config.data_timeout);
        tokio::pin!(patience);
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (data, from) = accepted?;
                    if from.ip() == self.state.peer {
                        return Ok(Ok(data));
                    }
                }
                () = self.control.fill(), if self.control.reads() => {
                    if let Some(end) = self.meanwhile().await? {
                        return Ok(Err(end));
                    }
                    if self.control.eof() {
                        return Ok(Err(End::Over));
                    }
                }
                () = &mut patience => return Ok(Err(End::Broken)),
            }
        }
    }

    async fn stream(&mut self, data: &mut TcpStream, plan: &Plan, total: &mut u64) -> io::Result<End> {
        let shared = self.presence.shared.clone();
        let record = plan.path.as_ref().map(|path| shared.stats.stream(self.state.id, path.clone(), plan.start));
        let mut fault_after = plan.fault.as_ref().and_then(Fault::after).unwrap_or(u64::MAX);
        self.state.eaten = false;
        let mut pace = Pace::new();
        let mut buffer = vec![0; super::pace::CHUNK];
        let mut chunk = 0..0;
        loop {
            let position = plan.start.saturating_add(*total);
            if chunk.is_empty() {
                if *total >= fault_after {
                    match plan.fault {
                        Some(Fault::Stall { .. }) => return self.stall(data).await,
                        Some(Fault::LoseControl { .. }) => self.control.hang_up().await,
                        _ => return Ok(End::Fault),
                    }
                    fault_after = u64::MAX;
                }
                let left = plan.end.map_or(u64::MAX, |end| end.saturating_sub(position)).min(fault_after - *total);
                let want = (Pace::quantum(shared.rate()) as u64).min(left) as usize;
                chunk = 0..plan.node.read_at(position, &mut buffer[..want]);
                if chunk.is_empty() {
                    let faulty = matches!(plan.fault, Some(Fault::SilentEnd | Fault::LastWord(_)));
                    return Ok(if faulty { End::Fault } else { End::Complete });
                }
            }
            tokio::select! {
                biased;
                () = self.control.fill(), if self.control.reads() => {
                    if let Some(end) = self.meanwhile().await? {
                        return Ok(end);
                    }
                }
                written = async {
                    pace.due().await;
                    timeout(shared.config.data_timeout, data.write(&buffer[chunk.clone()])).await
                } => match written {
                    Ok(Ok(n)) => {
                        chunk.start += n;
                        *total += n as u64;
                        pace.sent(n, shared.rate());
                        if let Some(record) = &record {
                            record.sent(n);
                        }
                    }
                    _ => return Ok(End::Broken),
                },
            }
        }
    }

    /// Sends nothing more, until the client gives up one of the connections.
    async fn stall(&mut self, data: &mut TcpStream) -> io::Result<End> {
        loop {
            tokio::select! {
                () = self.control.fill(), if self.control.reads() => {
                    if let Some(end) = self.meanwhile().await? {
                        return Ok(end);
                    }
                    if self.control.eof() {
                        return Ok(End::Over);
                    }
                }
                () = closed(data) => return Ok(End::Broken),
            }
        }
    }

    /// Waits until the client has closed the data connection, or the control connection.
    async fn drained(&mut self, data: &mut TcpStream) {
        let limit = self.presence.shared.config.data_timeout;
        let gone = async {
            loop {
                tokio::select! {
                    () = self.control.fill(), if self.control.reads() => if self.control.eof() { return },
                    () = closed(data) => return,
                }
            }
        };
        timeout(limit, gone).await.ok();
    }

    /// Deals with input that came during a transfer. `Some` ends the transfer.
    async fn meanwhile(&mut self) -> io::Result<Option<End>> {
        let personality = &self.presence.shared.config.personality;
        if self.control.eof() {
            return Ok((!personality.habits.outlives_control).then_some(End::Over));
        }
        let (meanwhile, habits) = (personality.meanwhile, personality.habits);
        if meanwhile == Meanwhile::Queue || self.carried.is_some() {
            return Ok(None);
        }
        while let Some(line) = self.control.line(habits.bare_lf_ends_line, habits.undoubles_iac) {
            let (verb, arg) = split(&line);
            let aborts = verb == "ABOR" || (verb == "QUIT" && meanwhile == Meanwhile::Eat);
            if aborts {
                self.note_command(&line);
                self.reply(self.words().abor_running).await?;
                return Ok(Some(End::Interrupted));
            }
            if meanwhile == Meanwhile::Eat {
                self.note_command(&line);
                self.control.clear();
                self.state.eaten = true;
                let unknown = self.unknown(&verb);
                self.reply(unknown).await?;
                return Ok(None);
            }
            match verb.as_str() {
                "PASV" | "EPSV" => {
                    self.carried = Some(line);
                    return Ok(Some(End::Interrupted));
                }
                "RETR" | "LIST" | "NLST" | "MLSD" | "QUIT" | "USER" | "PASS" => {
                    self.carried = Some(line);
                    return Ok(None);
                }
                _ => {
                    self.note_command(&line);
                    let answer = self.answer(&verb, arg);
                    self.reply(answer).await?;
                }
            }
        }
        Ok(None)
    }

    async fn end_by_fault(&mut self, fault: Option<Fault>, data: TcpStream) -> io::Result<Flow> {
        match fault {
            Some(Fault::Cut { end, reply, .. }) => {
                if end == Ending::Rst {
                    data.set_zero_linger()?;
                }
                drop(data);
                match reply {
                    Some(reply) => self.say(reply).await,
                    None => self.fall_silent().await,
                }
            }
            Some(Fault::LastWord(reply)) => {
                drop(data);
                self.say(reply).await
            }
            Some(Fault::Kill { .. }) => {
                data.set_zero_linger()?;
                self.control.io().set_zero_linger()?;
                Ok(Flow::Drop)
            }
            _ => {
                drop(data);
                self.fall_silent().await
            }
        }
    }
}

impl Plan {
    fn describe(&self, words: &str, left: u64) -> Vec<u8> {
        let (size, kbytes) = (self.node.len().to_string(), format!("{:.1}", left as f64 / 1024.0));
        let left = left.to_string();
        let values: [(&str, &[u8]); 4] =
            [("name", &self.name), ("size", size.as_bytes()), ("left", left.as_bytes()), ("kbytes", kbytes.as_bytes())];
        fill(words, &values)
    }
}

/// Waits for the end of the peer's direction, or a reset. Cancel safe.
async fn closed(data: &mut TcpStream) {
    let mut scrap = [0; 1024];
    while !matches!(data.read(&mut scrap).await, Ok(0) | Err(_)) {}
}
