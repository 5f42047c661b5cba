//! Every wait has an end, in virtual time over memory.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use ftp_proto::client::{Config, ConnectError, ErrorClass, OpenError, ReadError};
use ftp_proto::conn::{Awaited, Error};
use tokio::io::AsyncWriteExt;
use tokio::time::{self, Instant};

use super::memory::{self, data_closed};
use crate::conn::script::path;

const MINUTE: Duration = Duration::from_secs(60);

/// Runs the client beside a server that never returns.
async fn against<T>(client: impl Future<Output = T>, server: impl Future<Output = ()>) -> T {
    let started = Instant::now();
    let silent = async {
        server.await;
        std::future::pending::<()>().await;
    };
    let result = tokio::select! {
        result = client => result,
        () = silent => unreachable!(),
    };
    assert!(started.elapsed() < MINUTE * 2, "it took {:?}", started.elapsed());
    result
}

fn timed_out(error: &OpenError, awaited: Awaited) -> bool {
    let session = match error {
        OpenError::Connect(ConnectError::Session(error)) | OpenError::Session(error) => error,
        _ => return false,
    };
    *session == Error::TimedOut(awaited) && error.class() == ErrorClass::Transient
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_answer_is_given_up() {
    let (client, side) = memory::client(Config::default());
    side.kill_port(21);
    let error = against(client.probe(&path("f")), async {}).await.unwrap_err();
    assert!(matches!(error, OpenError::Connect(ConnectError::TimedOut { .. })), "{error}");
    assert_eq!(side.watched.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_greet_is_given_up() {
    let (client, mut side) = memory::client(Config::default());
    let error = against(client.probe(&path("f")), async { side.control().await.closed().await }).await.unwrap_err();
    assert!(timed_out(&error, Awaited::Greeting), "{error}");
    assert_eq!(side.watched.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_in_the_login_is_tried_one_by_one_and_then_given_up() {
    let steps = [("USER", 0), ("PASS", 1), ("FEAT", 2), ("TYPE", 3), ("SIZE", 4)];
    for (awaited, answered) in steps {
        let replies = ["331 pass?", "230 in", "211 none", "200 ok"];
        let (client, mut side) = memory::client(Config::default());
        let path = path("f");
        let server = async {
            let mut first = side.control().await;
            first.say("220 hi").await;
            for reply in &replies[..answered.min(2)] {
                first.say(reply).await;
            }
            let mut second = side.control().await;
            second.say("220 hi").await;
            for reply in &replies[..answered] {
                second.line().await;
                second.say(reply).await;
            }
            std::future::pending::<()>().await;
        };
        let error = against(client.probe(&path), server).await.unwrap_err();
        assert!(timed_out(&error, Awaited::Command(awaited)), "{awaited}: {error}");
        assert!(client.quirks().serial);
        assert_eq!((client.sessions(), side.watched.open()), (0, 0), "{awaited}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_transfer_that_is_not_answered_is_given_up() {
    let (client, mut side) = memory::client(Config::default());
    let path = path("f");
    let server = async {
        let (mut control, _data) = side.asked().await;
        control.closed().await;
    };
    let error = against(client.download(&path, 0), server).await.unwrap_err();
    assert!(timed_out(&error, Awaited::Command("RETR")), "{error}");
    assert_eq!((client.sessions(), side.watched.open()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_port_that_cannot_be_reached_is_given_up_after_pasv_was_tried_too() {
    let (client, mut side) = memory::client(Config::default());
    side.kill_port(4711);
    let path = path("f");
    let server = async {
        let mut first = side.logged_in(" SIZE").await;
        first.arm().await;
        first.expect("RETR f").await;
        let mut second = side.logged_in("").await;
        second.answer("SIZE f", "213 100").await;
        // 18 * 256 + 103 is the same dead port.
        second.answer("PASV", "227 (192,0,2,1,18,103)").await;
        second.expect("RETR f").await;
        std::future::pending::<()>().await;
    };
    let error = against(client.download(&path, 0), server).await.unwrap_err();
    assert!(matches!(error, OpenError::DataConnection(io::ErrorKind::TimedOut)), "{error}");
    assert_eq!(error.class(), ErrorClass::Transient);
    assert!(!client.quirks().no_epsv, "PASV was no better");
    assert_eq!((client.sessions(), side.watched.open()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn pasv_is_remembered_where_it_reaches_what_epsv_does_not() {
    let (client, mut side) = memory::client(Config::default());
    side.kill_port(4711);
    let path = path("f");
    let server = async {
        let mut first = side.logged_in(" SIZE").await;
        first.arm().await;
        let mut second = side.logged_in("").await;
        second.answer("SIZE f", "213 100").await;
        second.answer("PASV", "227 (10,0,0,1,0,99)").await;
        second.answer("RETR f", "150 opening").await;
        let data = side.data(99).await;
        (second, data)
    };
    let (download, _server) = tokio::join!(client.download(&path, 0), server);
    download.unwrap();
    assert!(client.quirks().no_epsv);
}

#[tokio::test(start_paused = true)]
async fn all_bytes_without_a_last_word_are_unconfirmed_and_the_session_is_not_used_again() {
    let (client, mut side) = memory::client(Config::default());
    let path = path("f");
    let server = async {
        let (mut control, mut data) = side.streaming().await;
        data.write_all(&[7; 100]).await.unwrap();
        drop(data);
        control.closed().await;
        side.logged_in("").await.answer("SIZE f", "213 100").await;
    };
    let client = async {
        let mut download = client.download(&path, 0).await.unwrap();
        let mut bytes = BytesMut::with_capacity(200);
        while bytes.len() < 100 {
            assert!(download.read(&mut bytes).await.unwrap() > 0);
        }
        assert_eq!(download.read(&mut bytes).await, Err(ReadError::Unconfirmed));
        assert_eq!(bytes.len(), 100);
        client.probe(&path).await.unwrap();
    };
    against(client, server).await;
}

#[tokio::test(start_paused = true)]
async fn a_control_connection_that_dies_silently_does_not_cost_a_long_transfer() {
    let (client, mut side) = memory::client(Config::default());
    let path = path("f");
    let server = async {
        let (control, mut data) = side.streaming().await;
        for _ in 0..100 {
            time::sleep(Duration::from_secs(6)).await;
            data.write_all(&[7]).await.unwrap();
        }
        drop(data);
        // Nothing of what the client sends or awaits here ever gets through.
        std::future::pending::<()>().await;
        drop(control);
    };
    let client = async {
        let mut download = client.download(&path, 0).await.unwrap();
        let mut bytes = BytesMut::with_capacity(200);
        while bytes.len() < 100 {
            download.read(&mut bytes).await.unwrap();
        }
        assert_eq!(download.read(&mut bytes).await, Err(ReadError::Unconfirmed));
        assert_eq!(client.sessions(), 0);
    };
    tokio::select! {
        () = client => {}
        () = server => unreachable!(),
    }
}

#[tokio::test(start_paused = true)]
async fn the_silence_of_a_body_is_left_to_the_caller() {
    let (client, mut side) = memory::client(Config::default());
    let path = path("f");
    let server = async {
        let (control, mut data) = side.streaming().await;
        data.write_all(&[7; 99]).await.unwrap();
        std::future::pending::<()>().await;
        drop((control, data));
    };
    let client = async {
        let mut download = client.download(&path, 0).await.unwrap();
        let mut bytes = BytesMut::with_capacity(200);
        while bytes.len() < 99 {
            download.read(&mut bytes).await.unwrap();
        }
        let day = Duration::from_secs(86_400);
        time::timeout(day, download.read(&mut bytes)).await.unwrap_err();
        time::timeout(day, download.hold()).await.unwrap_err();
        let before = Instant::now();
        download.stop().await;
        assert!(before.elapsed() <= Duration::from_millis(1500));
        assert_eq!(client.sessions(), 1, "the fence goes on in the background");
        time::sleep(Duration::from_secs(10)).await;
        assert_eq!(client.sessions(), 0, "and is given up");
    };
    tokio::select! {
        () = client => {}
        () = server => unreachable!(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_slow_to_retire_is_closed_when_somebody_needs_its_place() {
    let (client, mut side) = memory::client(Config::default());
    let path = path("f");
    let server = async {
        let (mut slow, data) = side.streaming().await;
        data_closed(data).await;
        slow.expect("NOOP").await;
        slow.closed().await;
        side.logged_in("").await.answer("SIZE f", "213 100").await;
    };
    let client = async {
        drop(client.download(&path, 0).await.unwrap());
        client.probe(&path).await.unwrap();
        assert_eq!(client.sessions(), 1);
    };
    tokio::join!(client, server);
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_is_checked_before_use_and_replaced_if_it_does_not_answer() {
    for answers in [true, false] {
        let (client, mut side) = memory::client(Config::default());
        let path = path("f");
        let server = async {
            let mut control = side.logged_in(" SIZE").await;
            control.stat().await;
            control.expect("NOOP").await;
            control.expect("SIZE f").await;
            if answers {
                control.say("200 ok\r\n213 101").await;
                return (control, 1);
            }
            let mut next = side.logged_in("").await;
            next.answer("SIZE f", "213 101").await;
            (next, 1)
        };
        let client_side = async {
            client.probe(&path).await.unwrap();
            time::sleep(Duration::from_secs(20)).await;
            let before = Instant::now();
            assert_eq!(client.probe(&path).await.unwrap().size, Some(101));
            assert_eq!(before.elapsed() >= Duration::from_secs(5), !answers);
        };
        let ((), (_control, sessions)) = tokio::join!(client_side, server);
        assert_eq!(client.sessions(), sessions);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_idle_for_long_says_goodbye() {
    let (client, mut side) = memory::client(Config::default());
    let path = path("f");
    let server = async {
        let mut control = side.logged_in(" SIZE").await;
        control.stat().await;
        control.expect("QUIT").await;
        control.closed().await;
    };
    let (probed, ()) = tokio::join!(client.probe(&path), server);
    probed.unwrap();
    assert_eq!((client.sessions(), side.watched.open()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn of_several_sessions_that_died_silently_only_the_first_is_waited_for_at_length() {
    let (client, mut side) = memory::client(Config::default());
    let path = path("f");
    let server = async {
        let mut dead = Vec::new();
        for first in [true, false, false, false] {
            let mut control = side.logged_in(" SIZE").await;
            control.answer("SIZE f", "213 100").await;
            if first {
                control.answer("MDTM f", "213 20200101000000").await;
            }
            control.answer("EPSV", "229 (|||4711|)").await;
            dead.push(control);
        }
        let mut control = side.logged_in("").await;
        control.answer("SIZE f", "213 101").await;
        std::future::pending::<()>().await;
        drop((dead, control));
    };
    let client = async {
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(client.prepare(&path).await.unwrap());
        }
        drop(held);
        assert_eq!(client.idle_sessions(), 4);
        let before = Instant::now();
        assert_eq!(client.probe(&path).await.unwrap().size, Some(101));
        assert!(before.elapsed() < MINUTE, "{:?}", before.elapsed());
        assert_eq!(client.sessions(), 1);
    };
    against(client, server).await;
}
