//! Datagrams of MMSU: media to the client, and requests for what it has lost.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UdpSocket;

use super::habits::Udp;
use super::lock;
use super::play;
use super::server::Shared;
use super::stats::Asked;

/// The first word of a request, as bytes.
const RESEND: [u8; 4] = [0x0D, 0xF0, 0xEF, 0xBE];
/// Most sequence numbers in one request.
const MOST: usize = 32;
/// LocationIds of the two datagrams that measure the line, and the noise in each.
const PAIR: [u32; 2] = [0xF0F0_F000, 0xF0F0_F001];
const NOISE: [u8; 1464] = [0x5A; 1464];
/// Datagrams of a client that can be sent again.
const REMEMBERED: usize = 4096;

/// The socket, and what was sent to whom.
#[derive(Debug)]
pub(super) struct Datagrams {
    socket: UdpSocket,
    clients: Mutex<BTreeMap<u32, Sent>>,
}

#[derive(Debug)]
struct Sent {
    session: u64,
    to: SocketAddr,
    resends: bool,
    packets: VecDeque<(u32, Bytes)>,
}

/// The way to one client; dropping it forgets the client.
#[derive(Debug)]
pub(super) struct Channel {
    shared: Arc<Shared>,
    client: u32,
    to: SocketAddr,
    habits: Udp,
    held: Option<Bytes>,
    /// What goes out the last one first.
    block: Vec<Bytes>,
    /// Headers sent.
    headers: u32,
}

impl Datagrams {
    pub(super) fn new(socket: UdpSocket) -> Datagrams {
        Datagrams { socket, clients: Mutex::default() }
    }

    async fn send(&self, bytes: &[u8], to: SocketAddr) {
        // Datagrams may be lost; so may one that the kernel has no room for.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.socket.send_to(bytes, to)).await;
    }
}

impl Channel {
    pub(super) fn open(shared: Arc<Shared>, session: u64, client: u32, to: SocketAddr, habits: Udp) -> Channel {
        let sent = Sent { session, to, resends: habits.resends && !habits.blocked, packets: VecDeque::new() };
        lock(&shared.datagrams.clients).insert(client, sent);
        Channel { shared, client, to, habits, held: None, block: Vec::new(), headers: 0 }
    }

    /// Sends a piece of the header.
    pub(super) async fn header(&mut self, piece: u32, bytes: &[u8]) {
        self.headers += u32::from(piece == 0);
        let lost = piece == 0 && self.headers <= self.habits.lost_headers;
        if !self.habits.blocked && !lost {
            self.shared.datagrams.send(bytes, self.to).await;
        }
    }

    /// Sends a media packet, or what the habits make of it.
    pub(super) async fn media(&mut self, sequence: u32, bytes: Bytes) {
        if let Some(sent) = lock(&self.shared.datagrams.clients).get_mut(&self.client) {
            sent.packets.push_back((sequence, bytes.clone()));
            if sent.packets.len() > REMEMBERED {
                sent.packets.pop_front();
            }
        }
        let turn = |every: u32| every > 0 && sequence % every == every - 1;
        let lost = self.habits.lost.contains(&sequence);
        if self.habits.blocked || lost || turn(self.habits.drop_every) {
            self.shared.stats.count(|c| c.dropped += 1);
            return;
        }
        if self.habits.reversed > 0 {
            self.block.push(bytes);
            if self.block.len() >= self.habits.reversed {
                self.flush().await;
            }
            return;
        }
        if self.held.is_none() && turn(self.habits.hold_every) {
            self.held = Some(bytes);
            return;
        }
        let again = turn(self.habits.repeat_every).then(|| bytes.clone());
        for bytes in [Some(bytes), again, self.held.take()].into_iter().flatten() {
            self.shared.datagrams.send(&bytes, self.to).await;
        }
    }

    /// Sends two datagrams that measure the line, if that is a habit.
    pub(super) async fn pair(&self) {
        for location in PAIR.into_iter().filter(|_| self.habits.pair && !self.habits.blocked) {
            self.shared.datagrams.send(&play::data(location, 0xFF, 0x10, &NOISE), self.to).await;
        }
    }

    /// Sends what was held back.
    pub(super) async fn flush(&mut self) {
        for bytes in self.held.take().into_iter().chain(self.block.drain(..).rev()) {
            self.shared.datagrams.send(&bytes, self.to).await;
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        lock(&self.shared.datagrams.clients).remove(&self.client);
    }
}

/// Answers requests for lost datagrams.
pub(super) async fn serve(shared: Arc<Shared>) {
    let mut buffer = vec![0; 2048];
    loop {
        let Ok((len, _)) = shared.datagrams.socket.recv_from(&mut buffer).await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let Some((client, sequences)) = request(&buffer[..len]) else { continue };
        let (again, session, to) = {
            let clients = lock(&shared.datagrams.clients);
            let Some(sent) = clients.get(&client) else { continue };
            let wanted = |(sequence, _): &&(u32, Bytes)| sent.resends && sequences.contains(sequence);
            let again: Vec<Bytes> = sent.packets.iter().filter(wanted).map(|(_, bytes)| bytes.clone()).collect();
            (again, sent.session, sent.to)
        };
        shared.stats.note(session, Asked::Resend(sequences));
        for bytes in again {
            shared.datagrams.send(&bytes, to).await;
            shared.stats.count(|c| c.resends += 1);
        }
    }
}

/// Magic, client, u16 file, u16 count, sequence numbers.
fn request(bytes: &[u8]) -> Option<(u32, Vec<u32>)> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    if !bytes.starts_with(&RESEND) || bytes.len() < 12 {
        return None;
    }
    let count = usize::from(u16::from_le_bytes([bytes[10], bytes[11]]));
    let sequences: Option<Vec<u32>> = (0..count.min(MOST)).map(|index| word(12 + 4 * index)).collect();
    Some((word(4)?, sequences?))
}
