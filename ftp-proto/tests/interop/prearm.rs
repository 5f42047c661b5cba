//! Data connections made in advance, and what they save, on a network that is not next door.

use std::time::Duration;

use ftp_proto::client::{Client, Config, Prearm};
use ftp_proto::source::FtpSource;
use ftp_proto::wire::Url;
use segfetch_source::{RangeSource, SourceContext};
use segfetch_testkit::lab::{Kind, Server};
use segfetch_testkit::relay::Relay;

use super::setup::{MIB, Rng, server_with_file, take};

const LEN: u64 = 16 * MIB;
/// Half a round trip, far enough for [`Prearm::Auto`].
const ONE_WAY: Duration = Duration::from_millis(8);

async fn far(server: &Server, prearm: Prearm) -> (Relay, Url, Client) {
    let relay = Relay::to(server.addr()).delay(ONE_WAY).start().await.unwrap();
    let url = Url::parse(&server.url_via(relay.addr(), "big")).unwrap();
    let client = Client::new(&url, Config::default().with_prearm(prearm));
    (relay, url, client)
}

/// Returns when the client has nothing under way; whether a data connection is ready then.
async fn at_rest(client: &Client, relay: &Relay) -> bool {
    loop {
        let ready = client.prearmed_sessions() == 1 && relay.counts().data_open >= 1;
        if ready || (client.quirks().no_prearm && client.idle_sessions() == 1) {
            return ready;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Ranges, half of them ended early; the client's turns on the control connection for each but the first two.
async fn turns_of(ranges: usize, kind: Kind, prearm: Prearm) -> Vec<usize> {
    let (_dir, server, pattern) = server_with_file(kind, LEN);
    let (relay, url, client) = far(&server, prearm).await;
    let mut rng = Rng(3);
    let mut turns = Vec::new();
    for round in 0..ranges {
        let len = 1 + rng.below(MIB);
        let start = if round % 2 == 0 { LEN - len } else { rng.below(LEN - len) };
        let before = relay.counts().turns;
        let mut download = client.download(url.path(), start).await.unwrap();
        let got = take(&mut download, len).await;
        assert!(got.len() as u64 == len && got == pattern.bytes(start, got.len()), "{kind}: {len} bytes from {start}");
        if round >= 2 {
            turns.push(relay.counts().turns - before);
        }
        if start + len == LEN {
            // No other stream runs, so only an early end gets a data connection ahead.
            assert_eq!(download.read(&mut Vec::with_capacity(1)).await, Ok(0));
            continue;
        }
        download.stop().await;
        if prearm == Prearm::Auto {
            assert!(at_rest(&client, &relay).await, "{kind} does not play along");
        }
    }
    assert_eq!((relay.counts().control, client.sessions()), (1, 1), "{kind}");
    assert!(!client.quirks().no_prearm, "{kind}");
    let log = server.wait_for("transfers", |log| log.transfers.len() >= ranges);
    assert_eq!(log.logins_granted(), 1, "{kind}");
    turns
}

#[tokio::test]
async fn a_range_after_an_early_end_takes_one_turn_less_on_every_server_and_its_bytes_are_right() {
    for kind in Kind::ALL {
        let never = turns_of(12, kind, Prearm::Never).await;
        assert!(never.iter().all(|turns| *turns == 2), "{kind}: questions and port, then the transfer: {never:?}");
        let auto = turns_of(50, kind, Prearm::Auto).await;
        let (after_stop, after_end): (Vec<_>, Vec<_>) = auto.chunks(2).map(|pair| (pair[0], pair[1])).unzip();
        assert!(after_stop.iter().all(|turns| *turns == 1), "{kind}: {auto:?}");
        assert!(after_end.iter().all(|turns| *turns == 2), "{kind}: {auto:?}");
    }
}

#[tokio::test]
async fn a_download_takes_two_turns_after_its_probe_or_without() {
    for kind in Kind::ALL {
        let (_dir, server, pattern) = server_with_file(kind, MIB);
        for probed in [true, false] {
            let (relay, url, client) = far(&server, Prearm::Auto).await;
            let source = FtpSource::new(client.clone(), &url).unwrap();
            if probed {
                let info = source.probe(&SourceContext::new()).await.unwrap();
                assert_eq!(info.extent.known(), Some(MIB), "{kind}");
            }
            let mut download = client.download(url.path(), 0).await.unwrap();
            let got = take(&mut download, MIB).await;
            assert!(got == pattern.bytes(0, got.len()), "{kind}");
            // The login with all questions, and the transfer.
            assert_eq!((relay.counts().turns, relay.counts().data), (2, 1), "{kind}");
        }
    }
}
