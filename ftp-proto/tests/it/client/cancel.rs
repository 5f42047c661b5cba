//! Every public future is dropped at every await: nothing leaks, and the next caller is served.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use bytes::BytesMut;
use ftp_proto::client::{Client, Config, Limits, Prearm};
use ftp_proto::testing::{File, Personality, Server, content_at};
use ftp_proto::wire::{Path, Url};

use super::watched::Watched;

const LEN: u64 = 1 << 20;

/// Polls a future as often as it is woken, `polls` times at most, and drops it then.
async fn at_most<T>(polls: u32, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            // The last look is over: nothing would come after it.
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

struct World {
    server: Server,
    watched: Watched,
    path: Path,
}

impl World {
    fn start(personality: Personality) -> Self {
        let server =
            Server::builder().personality(personality).file("/d/big", File::generated(LEN, 3)).start().unwrap();
        let path = Url::parse(&server.url("/d/big")).unwrap().path().clone();
        Self { server, watched: Watched::default(), path }
    }

    fn client(&self) -> Client {
        self.client_that(Prearm::Never)
    }

    fn client_that(&self, prearm: Prearm) -> Client {
        self.client_of(1, prearm)
    }

    /// A client with no session to spare: one that leaks is missed at once.
    fn client_of(&self, sessions: usize, prearm: Prearm) -> Client {
        let mut limits = Limits::default();
        limits.sessions = sessions;
        let config = Config::default().with_connector(self.watched.clone()).with_limits(limits).with_prearm(prearm);
        Client::new(&Url::parse(&self.server.url("/")).unwrap(), config)
    }

    /// The client serves the next caller, right bytes and all, and keeps one idle session.
    async fn check(&self, client: &Client, what: &str, polls: u32) {
        let mut download = client.download(&self.path, LEN / 2).await.unwrap_or_else(|error| {
            panic!("{what} dropped after {polls} polls: the next download fails: {error}");
        });
        let mut bytes = BytesMut::with_capacity(1000);
        let n = download.read(&mut bytes).await.unwrap();
        let mut expected = vec![0; n];
        content_at(3, LEN / 2, &mut expected);
        assert_eq!(bytes, expected, "{what} dropped after {polls} polls");
        download.stop().await;
        assert_eq!(client.sessions(), 1, "{what} dropped after {polls} polls");
        assert_eq!(self.watched.open(), 1, "{what} dropped after {polls} polls");
    }
}

/// Drops what `begin` gives after 0, 1, 2.. polls until it is done in time; on a client that knows the server and one that does not.
async fn drop_everywhere<T, F: Future<Output = T>>(what: &str, begin: impl Fn(Client, Path) -> F) {
    for personality in [Personality::vsftpd(), Personality::pyftpdlib(), Personality::plain()] {
        let world = World::start(personality);
        for warm in [false, true] {
            let kept = world.client();
            for polls in 0.. {
                assert!(polls < 200, "{what} never ends");
                let client = if warm { kept.clone() } else { world.client() };
                let done = at_most(polls, begin(client.clone(), world.path.clone())).await.is_some();
                world.check(&client, what, polls).await;
                drop(client);
                if !warm {
                    while world.watched.open() > 0 {
                        tokio::task::yield_now().await;
                    }
                }
                if done {
                    assert!(polls > 1, "{what} has no await");
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_probe_can_be_dropped_at_every_await() {
    drop_everywhere("probe", |client, path| async move { client.probe(&path).await.unwrap() }).await;
}

#[tokio::test]
async fn a_prepared_transfer_can_be_dropped_at_every_await() {
    drop_everywhere("prepare", |client, path| async move { client.prepare(&path).await.unwrap() }).await;
}

#[tokio::test]
async fn the_start_of_a_download_can_be_dropped_at_every_await() {
    drop_everywhere("download", |client, path| async move { client.download(&path, 0).await.unwrap() }).await;
}

#[tokio::test]
async fn a_start_that_is_proven_first_can_be_dropped_at_every_await() {
    drop_everywhere("download with a proof", |client, path| async move { client.download(&path, 77).await.unwrap() })
        .await;
}

#[tokio::test]
async fn a_download_can_be_dropped_at_every_read_up_to_its_end() {
    drop_everywhere("read", |client, path| async move {
        let mut download = client.download(&path, LEN - 300_000).await.unwrap();
        let mut bytes = BytesMut::with_capacity(400_000);
        while download.read(&mut bytes).await.unwrap() > 0 {}
        assert_eq!(bytes.len(), 300_000);
    })
    .await;
}

#[tokio::test]
async fn a_stop_can_be_dropped_at_every_await() {
    drop_everywhere("stop", |client, path| async move {
        let mut download = client.download(&path, 0).await.unwrap();
        download.read(&mut BytesMut::with_capacity(100)).await.unwrap();
        download.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_download_on_a_connection_made_in_advance_can_be_dropped_at_every_await() {
    for personality in [Personality::vsftpd(), Personality::pyftpdlib(), Personality::plain()] {
        let world = World::start(personality);
        let client = world.client_that(Prearm::Always);
        client.download(&world.path, LEN / 2).await.unwrap().stop().await;
        for polls in 0.. {
            assert!(polls < 200, "it never ends");
            // The one session gets its data connection whatever was dropped before.
            while client.prearmed_sessions() == 0 {
                tokio::task::yield_now().await;
            }
            let done = at_most(polls, async {
                let mut download = client.download(&world.path, LEN - 1000).await.unwrap();
                let mut bytes = BytesMut::with_capacity(2000);
                while download.read(&mut bytes).await.unwrap() > 0 {}
                assert_eq!(bytes.len(), 1000);
            });
            let done = done.await.is_some();
            assert_eq!(client.sessions(), 1, "dropped after {polls} polls");
            assert!(!client.quirks().no_prearm, "dropped after {polls} polls");
            if done {
                assert!(polls > 1, "it has no await");
                break;
            }
        }
        assert_eq!(world.server.counters().logins, 1);
        drop(client);
        while world.watched.open() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_start_that_is_proven_by_another_one_can_be_dropped_at_every_await() {
    for personality in [Personality::vsftpd(), Personality::pyftpdlib(), Personality::plain()] {
        let world = World::start(personality);
        for polls in 0.. {
            assert!(polls < 200, "it never ends");
            let client = world.client_of(2, Prearm::Never);
            let mut beside = client.download(&world.path, 0).await.unwrap();
            let mut bytes = BytesMut::with_capacity(1000);
            beside.read(&mut bytes).await.unwrap();
            let done = at_most(polls, client.download(&world.path, 77)).await.is_some();
            for start in [77, 78] {
                let mut download = client.download(&world.path, start).await.unwrap();
                let mut bytes = BytesMut::with_capacity(1000);
                let n = download.read(&mut bytes).await.unwrap();
                let mut expected = vec![0; n];
                content_at(3, start, &mut expected);
                assert_eq!(bytes, expected, "dropped after {polls} polls");
                download.stop().await;
            }
            assert_eq!((client.sessions(), world.server.counters().max_open), (2, 2), "dropped after {polls} polls");
            drop((beside, client));
            while world.watched.open() > 0 {
                tokio::task::yield_now().await;
            }
            world.server.wait_for(|counters| counters.open == 0).await;
            if done {
                assert!(polls > 1, "it has no await");
                break;
            }
        }
        let proofs = world.server.streams().iter().filter(|stream| stream.offset == LEN - 1).count();
        assert_eq!(proofs, 0);
    }
}

#[tokio::test]
async fn a_dropped_read_loses_no_byte() {
    for (start, len) in [(LEN - 100_000, 100_000), (0, LEN)] {
        let world = World::start(Personality::plain());
        world.server.set_rate(4 << 20);
        let client = world.client();
        let mut download = client.download(&world.path, start).await.unwrap();
        let mut bytes = BytesMut::with_capacity(1 << 21);
        loop {
            if at_most(1, download.hold()).await.is_some() {
                break;
            }
            match at_most(1, download.read(&mut bytes)).await {
                Some(Ok(0)) => break,
                Some(read) => assert!(read.is_ok()),
                None => tokio::task::yield_now().await,
            }
        }
        while download.read(&mut bytes).await.unwrap() > 0 {}
        let mut expected = vec![0; usize::try_from(len).unwrap()];
        content_at(3, start, &mut expected);
        assert!(bytes == expected);
    }
}

#[test]
fn without_a_runtime_a_dropped_download_closes_its_connections() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let world = runtime.block_on(async { World::start(Personality::vsftpd()) });
    let client = world.client();
    world.server.set_rate(10_000);
    let download = runtime.block_on(async {
        let mut download = client.download(&world.path, 0).await.unwrap();
        download.read(&mut BytesMut::with_capacity(1)).await.unwrap();
        download
    });
    assert_eq!(world.watched.open(), 2);
    drop(download);
    world.server.set_rate(0);
    assert_eq!((world.watched.open(), client.sessions()), (0, 0));
    runtime.block_on(async {
        world.server.wait_for(|counters| counters.open == 0).await;
        world.check(&client, "a download outside of the runtime", 0).await;
    });
}

#[test]
fn a_client_outlives_the_runtime_it_was_used_on() {
    let server_runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let world = server_runtime.block_on(async { World::start(Personality::vsftpd()) });
    let client = world.client();
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            drop(client.download(&world.path, 0).await.unwrap());
        });
    }
}
