//! Each fault does what its name says, when it is due, and nothing else.

use ftp_proto::testing::{Ending, EventKind, Fault, File, Server, When};
use tokio::io::AsyncReadExt;

use super::{Raw, content, drain, within};

const LEN: u64 = 1 << 20;

fn server() -> Server {
    Server::builder().file("/f", File::generated(LEN, 1)).start().unwrap()
}

#[tokio::test]
async fn a_reply_can_be_replaced_at_every_step_and_421_closes() {
    for verb in ["greeting", "USER", "PASS", "TYPE", "EPSV", "REST", "RETR"] {
        for (text, closes) in [("421 bye", true), ("451 not now", false)] {
            let server = server();
            server.fault(When::Nth(1), Fault::Reply(verb, text));
            let mut raw = Raw::connect(server.addr()).await;
            let mut reply = raw.reply().await;
            let steps = ["USER anonymous", "PASS x", "TYPE I", "EPSV", "REST 7", "RETR f"];
            for command in steps.iter().take_while(|_| verb != "greeting") {
                reply = raw.cmd(command).await;
                if command.starts_with(verb) {
                    break;
                }
            }
            assert_eq!(reply, text, "{verb}");
            if closes {
                assert_eq!(raw.reply().await, "", "{verb}");
            } else {
                assert!(!raw.cmd("NOOP").await.is_empty(), "{verb}");
            }
            Raw::login(server.addr()).await;
        }
    }
}

#[tokio::test]
async fn faults_come_on_the_occasions_that_they_are_set_for() {
    for (when, due) in [
        (When::Nth(2), [false, true, false, false]),
        (When::Next(2), [true, true, false, false]),
        (When::From(3), [false, false, true, true]),
        (When::Always, [true; 4]),
    ] {
        let server = server();
        server.fault(when, Fault::Reply("NOOP", "500 fault"));
        let mut raw = Raw::login(server.addr()).await;
        for due in due {
            assert_eq!(raw.cmd("NOOP").await == "500 fault", due, "{when:?}");
        }
        server.clear_faults();
        assert_eq!(raw.cmd("NOOP").await, "200 OK");
    }
}

#[tokio::test]
async fn a_connection_can_be_hung_up_or_fall_silent() {
    let server = server();
    server.fault(When::Nth(1), Fault::HangUp("greeting"));
    assert_eq!(Raw::connect(server.addr()).await.reply().await, "");
    server.fault(When::Nth(1), Fault::Silence("SIZE"));
    let mut raw = Raw::login(server.addr()).await;
    raw.send("SIZE f\r\nNOOP\r\n").await;
    within(async {
        while !server.verbs().iter().any(|(_, verb)| verb == "SIZE") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // A second session proves that the server had the time to answer the first.
    assert_eq!(Raw::login(server.addr()).await.cmd("SIZE f").await, format!("213 {LEN}"));
    assert!(!has_replied(&server, raw_session(&server), "213"));
    drop(raw);
    within(server.wait_for(|c| c.sessions == 0)).await;
}

/// Whether a session was sent a reply that begins so.
fn has_replied(server: &Server, session: u64, text: &str) -> bool {
    let begins = |kind: EventKind| matches!(&kind, EventKind::Reply(reply) if reply.starts_with(text.as_bytes()));
    server.log().into_iter().any(|event| event.session == session && begins(event.kind))
}

/// The session that sent the first SIZE.
fn raw_session(server: &Server) -> u64 {
    server.verbs().into_iter().find(|(_, verb)| verb == "SIZE").unwrap().0
}

#[tokio::test]
async fn data_can_be_cut_with_any_end_and_any_final_reply() {
    for (end, reply) in [
        (Ending::Fin, Some("226 done")),
        (Ending::Fin, Some("426 lost")),
        (Ending::Rst, Some("426 lost")),
        (Ending::Fin, None),
    ] {
        let server = server();
        server.fault(When::Nth(1), Fault::Cut { after: 5000, end, reply });
        let mut raw = Raw::login(server.addr()).await;
        let (got, in_order) = drain(raw.retr("f", 10).await).await;
        assert_eq!(in_order, end == Ending::Fin);
        if in_order {
            assert_eq!(got, content(1, 10..5010));
        }
        match reply {
            Some(reply) => assert_eq!(raw.reply().await, reply),
            None => {
                raw.send("NOOP\r\n").await;
                Raw::login(server.addr()).await;
                assert!(!server.verbs().contains(&(1, "NOOP".to_owned())));
                raw = Raw::login(server.addr()).await;
            }
        }
        assert_eq!(drain(raw.retr("f", 0).await).await, (content(1, 0..LEN), true), "only once");
    }
}

#[tokio::test]
async fn a_stalled_transfer_ends_when_the_client_gives_up_either_connection() {
    for after in [0, 1, LEN - 1] {
        let server = server();
        server.fault(When::Always, Fault::Stall { after });
        let mut raw = Raw::login(server.addr()).await;
        let mut data = raw.retr("f", 0).await;
        let mut got = vec![0; after as usize];
        within(data.read_exact(&mut got)).await.unwrap();
        assert_eq!(got, content(1, 0..after));
        within(server.wait_for(|c| c.bytes_sent == after && c.data_open == 1)).await;
        drop(data);
        assert!(raw.reply().await.starts_with("426"));
        let _data = raw.retr("f", 0).await;
        drop(raw);
        within(server.wait_for(|c| c.sessions == 0)).await;
    }
}

#[tokio::test]
async fn control_can_be_silent_after_the_data_or_gone_before_its_end() {
    let server = server();
    server.fault(When::Nth(1), Fault::SilentEnd);
    let mut raw = Raw::login(server.addr()).await;
    assert_eq!(drain(raw.retr("f", 0).await).await, (content(1, 0..LEN), true));
    within(server.wait_for(|c| c.data_open == 0)).await;
    assert!(!has_replied(&server, 1, "226"));

    server.fault(When::Nth(1), Fault::LoseControl { after: 3000 });
    let mut raw = Raw::login(server.addr()).await;
    let data = raw.retr("f", 0).await;
    assert_eq!(raw.reply().await, "");
    assert_eq!(drain(data).await, (content(1, 0..LEN), true));

    server.fault(When::Nth(1), Fault::Kill { after: 3000 });
    let mut raw = Raw::login(server.addr()).await;
    let (got, in_order) = drain(raw.retr("f", 0).await).await;
    assert!(got.len() <= 3000 && !in_order);
    assert_eq!(raw.reply().await, "");
}

#[tokio::test]
async fn offsets_can_be_ignored_wrong_by_one_or_wrong_above_31_bits() {
    const BIG: u64 = (1 << 31) + 100;
    for (fault, asked, starts) in [
        (Fault::REST_IGNORED, 500, 0),
        (Fault::WrongOffset { back: 1, above: 0 }, 500, 499),
        (Fault::WrongOffset { back: -1, above: 0 }, 500, 501),
        (Fault::WrongOffset { back: i64::MAX, above: 1 << 31 }, 500, 500),
        (Fault::WrongOffset { back: i64::MAX, above: 1 << 31 }, BIG, 0),
    ] {
        let server = Server::builder().file("/f", File::generated(BIG + 1000, 1)).start().unwrap();
        server.fault(When::Always, fault);
        let mut raw = Raw::login(server.addr()).await;
        let mut data = raw.retr("f", asked).await;
        let mut got = vec![0; 900];
        within(data.read_exact(&mut got)).await.unwrap();
        assert_eq!(got, content(1, starts..starts + 900), "REST {asked}");
        assert_eq!(server.streams()[0].offset, starts);
    }
}

#[tokio::test]
async fn the_size_can_be_wrong() {
    let server = server();
    server.fault(When::Always, Fault::WrongSize(-100));
    let mut raw = Raw::login(server.addr()).await;
    assert_eq!(raw.cmd("SIZE f").await, format!("213 {}", LEN - 100));
    assert!(raw.cmd("SIZE nothing").await.starts_with("550"));
}
