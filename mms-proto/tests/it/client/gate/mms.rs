//! The same on a control connection of MMST: what the client says before it opens a file passes, and then it is asked.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{PASSWORD, USER, ntlm};

/// How messages of NTLM are wrapped by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Basic,
    /// Two zeros and NTLM_AUTH.
    Wrapped,
    /// Two zeros.
    Bare,
}

/// What every answer said, and what was wrong with it.
pub(crate) type Log = Arc<Mutex<Vec<Result<(), &'static str>>>>;

/// Relays connections until the test is over.
pub(crate) async fn gate(upstream: SocketAddr, ask: Ask) -> (SocketAddr, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, log) = (listener.local_addr().unwrap(), Log::default());
    let logged = log.clone();
    tokio::spawn(async move {
        while let Ok((io, _)) = listener.accept().await {
            tokio::spawn(relay(io, upstream, ask, logged.clone()));
        }
    });
    (addr, log)
}

async fn relay(mut client: TcpStream, upstream: SocketAddr, ask: Ask, log: Log) -> io::Result<()> {
    let server = TcpStream::connect(upstream).await?;
    let (mut from_server, mut to_server) = server.into_split();
    // The embedded server says nothing by itself before a file is open.
    loop {
        let packet = packet(&mut client).await?;
        if packet[36..40] == [5, 0, 3, 0] {
            if !question(&mut client, ask, &log).await? {
                return client
                    .write_all(&control(0x06, &[&0x8007_0005_u32.to_le_bytes()[..], &[0; 64]].concat()))
                    .await;
            }
            to_server.write_all(&packet).await?;
            break;
        }
        to_server.write_all(&packet).await?;
        let mut answer = vec![0; 16];
        from_server.read_exact(&mut answer).await?;
        let len = u32::from_le_bytes(answer[8..12].try_into().unwrap()) as usize;
        answer.resize(16 + len, 0);
        from_server.read_exact(&mut answer[16..]).await?;
        client.write_all(&answer).await?;
    }
    let (mut from_client, mut to_client) = client.split();
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
    }
    Ok(())
}

/// A control packet of the client.
async fn packet(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut packet = vec![0; 16];
    client.read_exact(&mut packet).await?;
    let len = u32::from_le_bytes(packet[8..12].try_into().unwrap()) as usize;
    packet.resize(16 + len, 0);
    client.read_exact(&mut packet[16..]).await?;
    Ok(packet)
}

/// Whether the answers were right.
async fn question(client: &mut TcpStream, ask: Ask, log: &Log) -> io::Result<bool> {
    let realm: Vec<u8> = "realm=\"\"\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut token = if ask == Ask::Basic { realm } else { vec![0, 0] };
    let mut ntlm = ntlm::Server::default();
    for cookie in 0x77.. {
        let len = token.len() as u32;
        let body = [&1_u32.to_le_bytes(), &u32::to_le_bytes(cookie), &len.to_le_bytes(), &token[..]].concat();
        client.write_all(&control(0x1A, &body)).await?;
        let answer = packet(client).await?;
        assert_eq!(answer[36..40], [0x1A, 0, 3, 0], "SecurityResponse");
        assert_eq!(answer[40..48], [1_u32.to_le_bytes(), u32::to_le_bytes(cookie)].concat());
        let len = u32::from_le_bytes(answer[48..52].try_into().unwrap()) as usize;
        let given = &answer[52..52 + len];
        let verdict = if ask == Ask::Basic {
            let expected = format!("{}\0", STANDARD.encode(format!("{USER}:{PASSWORD}")));
            if given == expected.as_bytes() { Ok(()) } else { Err("another user") }
        } else {
            // 2.2.4.24, 2.2.4.14.1: two zeros, 0, 1, reserved, size, 2, reserved.
            assert_eq!(given[..10], [0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
            assert_eq!(given[14..18], (len as u32 - 26).to_le_bytes());
            assert_eq!(given[18..22], [2, 0, 0, 0]);
            match ntlm.hear(&given[26..], true) {
                ntlm::Said::Challenge(challenge) => {
                    token = vec![0, 0];
                    if ask == Ask::Wrapped {
                        let size = (challenge.len() as u32).to_le_bytes();
                        token.extend(
                            [&[0, 0, 0, 0, 1, 0, 0, 0, 9, 9, 9, 9][..], &size, &[2, 0, 0, 0, 9, 9, 9, 9]].concat(),
                        );
                    }
                    token.extend(challenge);
                    continue;
                }
                ntlm::Said::Verdict(verdict) => verdict,
            }
        };
        log.lock().unwrap().push(verdict);
        return Ok(verdict.is_ok());
    }
    unreachable!("cookies do not end")
}

/// A control packet with one message of the server.
fn control(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut message = body.to_vec();
    message.resize(message.len().next_multiple_of(8), 0);
    let chunks = message.len() as u32 / 8 + 1;
    let words = [chunks * 8 + 16, u32::from_le_bytes(*b"MMS "), chunks + 2, 0, 0, 0, chunks, 0x0004_0000 | kind];
    let head = [1, 0, 0, 0, 0xCE, 0xFA, 0x0B, 0xB0].into_iter().chain(words.into_iter().flat_map(u32::to_le_bytes));
    head.chain(message).collect()
}
