//! Plain TCP, to the address that answers first.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::connector::{Connected, Connecting, Connector, ConnectorError, Target};

/// Head start of an address before the next one is tried beside it.
///
/// Spec: RFC 8305 section 8
const STAGGER: Duration = Duration::from_millis(250);

/// More addresses than any host needs; each costs one attempt.
const MAX_ADDRESSES: usize = 16;

/// Connects by TCP. Of several addresses the one that answers first wins, so that a dead IPv6 address beside a live IPv4
/// one costs a quarter of a second.
///
/// Keepalive probes are on: a control connection is silent for as long as a transfer takes, and NAT forgets it.
///
/// Spec: RFC 8305
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TcpConnector;

impl Connector for TcpConnector {
    fn connect(&self, target: Target) -> Connecting {
        Box::pin(async move {
            let (stream, peer) = match &target {
                Target::Address(address) => race(vec![*address]).await,
                Target::Host { name, port } => {
                    let found = tokio::net::lookup_host((name.as_str(), *port)).await;
                    let found = found.map_err(|error| ConnectorError::Resolve { name: name.clone(), error })?;
                    race(interleave(found.take(MAX_ADDRESSES).collect())).await
                }
            }
            .map_err(|error| ConnectorError::Connect { target: target.to_string(), error })?;
            Ok(Connected { io: Box::new(stream), peer: Some(peer) })
        })
    }
}

/// Alternates the families, beginning with the one that the resolver prefers.
///
/// Spec: RFC 8305 section 4
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut result = Vec::with_capacity(preferred.len() + other.len());
    let mut other = other.into_iter();
    for address in preferred {
        result.push(address);
        result.extend(other.next());
    }
    result.extend(other);
    result
}

/// Tries all addresses, each a little later than the one before, or at once when that one has failed.
async fn race(addresses: Vec<SocketAddr>) -> io::Result<(TcpStream, SocketAddr)> {
    type Attempt = Pin<Box<dyn Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send>>;
    let mut waiting = addresses.into_iter();
    let mut attempts: Vec<Attempt> = Vec::new();
    let mut error = io::Error::new(io::ErrorKind::AddrNotAvailable, "the host has no address");
    loop {
        if let Some(address) = waiting.next() {
            attempts.push(Box::pin(dial(address)));
        }
        if attempts.is_empty() {
            return Err(error);
        }
        let more = waiting.len() > 0;
        let mut stagger = pin!(sleep(STAGGER));
        let step = poll_fn(|cx| {
            for index in 0..attempts.len() {
                if let Poll::Ready(outcome) = attempts[index].as_mut().poll(cx) {
                    drop(attempts.swap_remove(index));
                    return Poll::Ready(Some(outcome));
                }
            }
            if more { stagger.as_mut().poll(cx).map(|()| None) } else { Poll::Pending }
        });
        match step.await {
            Some(Ok(connected)) => return Ok(connected),
            Some(Err(failed)) => error = failed,
            None => {}
        }
    }
}

async fn dial(address: SocketAddr) -> io::Result<(TcpStream, SocketAddr)> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    let peer = stream.peer_addr()?;
    Ok((stream, peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_alternate_and_the_preferred_one_comes_first() {
        let mixed = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1"]);
        assert_eq!(interleave(mixed), addresses(&["[::1]:1", "127.0.0.1:1", "[::2]:1", "[::3]:1"]));
    }

    #[tokio::test]
    async fn a_dead_address_beside_a_live_one_is_passed_over() {
        let live = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let live = live.local_addr().unwrap();
        // Port 1 of the IPv6 loopback refuses; where there is no IPv6 at all it fails in another way.
        let dead = "[::1]:1".parse().unwrap();
        let (_, peer) = race(vec![dead, live]).await.unwrap();
        assert_eq!(peer, live);
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_beside_a_live_one_costs_a_moment() {
        // A listener whose queue is full lets further connections hang.
        let dead = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        dead.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        dead.listen(0).unwrap();
        let full = dead.local_addr().unwrap().as_socket().unwrap();
        let _queued = std::net::TcpStream::connect(full).unwrap();
        let live = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let live = live.local_addr().unwrap();
        let hangs = tokio::time::timeout(STAGGER, dial(full)).await;
        assert!(hangs.is_err(), "the queue is not full");
        assert_eq!(race(vec![full, live]).await.unwrap().1, live);
    }

    #[tokio::test]
    async fn the_last_error_is_told_when_no_address_answers() {
        let kind = race(addresses(&["127.0.0.1:1", "127.0.0.1:1"])).await.unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::ConnectionRefused);
    }
}
