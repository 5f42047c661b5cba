//! Scripts play what they say, in the order in which they say it.

use std::time::Duration;

use ftp_proto::testing::{Ending, File, HostileServer, Pattern, Problem, Script, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Raw, content, drain, within};

const LEN: u64 = 300_000;

/// Greeting and login up to RETR.
fn upto_retr() -> Script {
    Script::new().file(File::generated(LEN, 1)).send("220 hi\r\n").serve_until("RETR")
}

#[tokio::test]
async fn all_orders_of_150_data_end_and_226_can_be_written() {
    type Part = fn(Script) -> Script;
    const OPENING: Part = |s| s.send("150 go\r\n");
    const DATA: Part = |s| s.accept_data().send_file(u64::MAX).close_data(Ending::Fin);
    const DONE: Part = |s| s.send("226 ok\r\n");
    for (order, replies) in [
        ([OPENING, DATA, DONE], ["150 go", "226 ok"]),
        ([OPENING, DONE, DATA], ["150 go", "226 ok"]),
        ([DATA, OPENING, DONE], ["150 go", "226 ok"]),
        ([DATA, DONE, OPENING], ["226 ok", "150 go"]),
        ([DONE, OPENING, DATA], ["226 ok", "150 go"]),
        ([DONE, DATA, OPENING], ["226 ok", "150 go"]),
    ] {
        let script = order.iter().fold(upto_retr(), |script, part| part(script)).serve();
        let server = HostileServer::start([script]).unwrap();
        let mut raw = Raw::login(server.addr()).await;
        let data = raw.data().await;
        raw.cmd("REST 7").await;
        raw.send("RETR f\r\n").await;
        assert_eq!(drain(data).await, (content(1, 7..LEN), true));
        for reply in replies {
            assert_eq!(raw.reply().await, reply);
        }
        assert_eq!(raw.cmd("NOOP").await, "200 ok");
    }
}

#[tokio::test]
async fn the_default_answers_are_those_of_an_honest_server() {
    for server in [HostileServer::start, HostileServer::start_ipv6]
        .map(|start| start(vec![Script::honest(File::generated(LEN, 1))]))
    {
        let server = server.unwrap();
        let mut raw = Raw::login(server.addr()).await;
        assert_eq!(raw.cmd("SIZE f").await, format!("213 {LEN}"));
        assert_eq!(raw.cmd("MDTM f").await, "213 20240229123456");
        assert!(raw.cmd("FEAT").await.contains("\n REST STREAM\n"));
        for from in [100, 0, LEN] {
            assert_eq!(drain(raw.retr("f", from).await).await, (content(1, from..LEN), true));
            assert_eq!(raw.reply().await, "226 done");
        }
        let (data, mut next) = (raw.data().await, [0; 9]);
        raw.cmd("RETR f").await;
        let mut data = data;
        data.read_exact(&mut next).await.unwrap();
        assert_eq!(next[..], content(1, 0..9), "an offset counts once");
        drop(data);
        assert!(["426 stopped", "226 done"].contains(&raw.reply().await.as_str()));
        assert_eq!(raw.cmd("QUIT").await, "221 bye");
        assert_eq!(raw.reply().await, "");
        let transcript = within(server.finished(1)).await.unwrap();
        assert_eq!(transcript.data_connections, 4);
        assert!(transcript.received.ends_with(b"RETR f\r\nQUIT\r\n"));
    }
}

#[tokio::test]
async fn any_answer_to_pasv_and_epsv_can_be_given_with_or_without_a_true_port() {
    let script = Script::honest(File::generated(10, 1))
        .answer("PASV", "227 =127,0,0,1,{p1},{p2}\r\n")
        .answer("EPSV", "229 odd (!1!127.0.0.1!{port}!)\r\n");
    let server =
        HostileServer::start([script, Script::honest(File::bytes("")).answer("PASV", "227 (1,2,3,4,999,0)\r\n")])
            .unwrap();
    let mut raw = Raw::login(server.addr()).await;
    let reply = raw.cmd("PASV").await;
    assert!(reply.starts_with("227 =127,0,0,1,"), "{reply}");
    let data = TcpStream::connect(raw.data_addr(&reply)).await.unwrap();
    assert!(raw.cmd("RETR f").await.starts_with("150"));
    assert_eq!(drain(data).await.0, content(1, 0..10));
    raw.reply().await;
    let reply = raw.cmd("EPSV").await;
    let port: u16 = reply.split('!').nth(3).unwrap().parse().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_ok());
    assert_eq!(Raw::login(server.addr()).await.cmd("PASV").await, "227 (1,2,3,4,999,0)");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn the_connection_can_end_with_421_at_every_step() {
    for verb in ["USER", "PASS", "TYPE", "EPSV", "REST", "RETR"] {
        let script = Script::new().send("220 hi\r\n").serve_until(verb).send("421 bye\r\n").close_control(Ending::Fin);
        let server = HostileServer::start([script]).unwrap();
        let mut raw = Raw::connect(server.addr()).await;
        raw.reply().await;
        let mut reply = String::new();
        for command in ["USER a", "PASS b", "TYPE I", "EPSV", "REST 1", "RETR f"] {
            raw.send(format!("{command}\r\n")).await;
            reply = raw.reply().await;
            if reply.starts_with("421") {
                break;
            }
        }
        assert_eq!(reply, "421 bye", "{verb}");
        assert_eq!(raw.reply().await, "");
        drop(raw);
        within(server.finished(1)).await.unwrap();
    }
}

#[tokio::test]
async fn pipelined_commands_behind_421_do_not_hide_it() {
    let script = Script::new().send("220 hi\r\n").expect("USER").send("421 bye\r\n").close_control(Ending::Fin);
    let server = HostileServer::start([script]).unwrap();
    let mut raw = Raw::connect(server.addr()).await;
    raw.reply().await;
    raw.send("USER a\r\nPASS b\r\nTYPE I\r\nEPSV\r\n").await;
    assert_eq!(raw.reply().await, "421 bye");
    assert_eq!(raw.reply().await, "");
}

#[tokio::test]
async fn old_servers_that_flush_repeat_or_close_on_a_pipelined_login_can_be_played() {
    const LOGIN: &str = "USER a\r\nPASS b\r\nTYPE I\r\n";
    let flushes = Script::new().send("220 hi\r\n").expect("USER").flush_input().send("331 pw\r\n").serve();
    let server = HostileServer::start([flushes]).unwrap();
    let mut raw = Raw::connect(server.addr()).await;
    raw.reply().await;
    raw.send(LOGIN).await;
    assert_eq!(raw.reply().await, "331 pw");
    assert_eq!(raw.cmd("PASS b").await, "230 logged in", "PASS and TYPE of the first segment are lost");
    assert_eq!(server.transcript(1).lines, [&b"USER a"[..], b"PASS b"]);
    assert_eq!(server.transcript(1).received, [LOGIN.as_bytes(), b"PASS b\r\n"].concat());

    let repeats = Script::new().send("220 hi\r\n").expect("USER").send("331 pw\r\n331 pw\r\n").serve();
    let mut raw = Raw::connect(HostileServer::start([repeats]).unwrap().addr()).await;
    raw.reply().await;
}

#[tokio::test]
async fn data_can_stall_break_and_come_from_the_wrong_place() {
    let lies =
        upto_retr().accept_data().send("150 go\r\n").send_file_range(0..LEN).close_data(Ending::Fin).send("226 ok\r\n");
    let resets =
        upto_retr().accept_data().send("150 go\r\n").send_file(1000).close_data(Ending::Rst).send("426 lost\r\n");
    let stalls = upto_retr().accept_data().send("150 go\r\n").send_file(LEN * 99 / 100).stall();
    let server = HostileServer::start([lies, resets, stalls]).unwrap();

    let mut raw = Raw::login(server.addr()).await;
    assert_eq!(drain(raw.retr("f", 500).await).await, (content(1, 0..LEN), true));
    assert_eq!(raw.reply().await, "226 ok");

    let mut raw = Raw::login(server.addr()).await;
    assert!(!drain(raw.retr("f", 500).await).await.1);
    assert_eq!(raw.reply().await, "426 lost");

    let mut raw = Raw::login(server.addr()).await;
    let mut data = raw.retr("f", 500).await;
    let mut most = vec![0; (LEN * 99 / 100) as usize];
    within(data.read_exact(&mut most)).await.unwrap();
    assert_eq!(most, content(1, 500..500 + LEN * 99 / 100));
    drop((raw, data));
    within(server.finished(2)).await.unwrap();
    assert_eq!(server.open(), 1, "who stalls notices nothing");
}

#[tokio::test]
async fn a_client_that_closes_data_early_does_not_stop_the_script() {
    let big = Script::new().file(File::generated(1 << 40, 1)).send("220 hi\r\n").serve_until("RETR");
    let script = big
        .accept_data()
        .send("150 go\r\n")
        .send_file(u64::MAX)
        .close_data(Ending::Fin)
        .send("150 measured\r\n")
        .serve();
    let server = HostileServer::start([script]).unwrap();
    let mut raw = Raw::login(server.addr()).await;
    drop(raw.retr("f", 0).await);
    assert_eq!(raw.reply().await, "150 measured");
    assert_eq!(server.transcript(1).data_broken, 1);
}

#[tokio::test]
async fn the_control_connection_can_be_reset_or_swallow_everything() {
    let server = HostileServer::start([
        Script::new().send("220 hi\r\n").expect("USER").close_control(Ending::Rst),
        Script::new().black_hole(),
    ])
    .unwrap();
    let mut raw = Raw::connect(server.addr()).await;
    raw.reply().await;
    raw.send("USER a\r\n").await;
    let mut scrap = [0; 10];
    assert!(within(raw.io.read(&mut scrap)).await.is_err(), "a reset, not an end");

    let mut raw = Raw::connect(server.addr()).await;
    raw.send("any\r\nthing").await;
    drop(raw);
    assert_eq!(within(server.finished(2)).await.unwrap().received, b"any\r\nthing");
}

#[tokio::test(start_paused = true)]
async fn a_script_plays_over_an_in_memory_stream_on_virtual_time() {
    let (mut client, io) = tokio::io::duplex(64);
    let script = Script::new()
        .send_slowly("220-hi\r\n220 there\r\n")
        .step(Step::Expect(Pattern::new("a name in capitals", |line| line.starts_with(b"USER ") && line.is_ascii())))
        .step(Step::SendSlowly("331 pw\r\n".as_bytes().into(), Duration::from_secs(600)))
        .expect_any()
        .expect_line("PASS x\0y")
        .pause(Duration::from_secs(3600))
        .send_repeated("230-welcome\r\n", 1000)
        .send("230 in\r\n");
    let play = tokio::spawn(async move { script.play(io).await });
    client.write_all(b"USER ABC\r\nNOOP\nPASS x\0y\r\n").await.unwrap();
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.unwrap();
    let expected = ["220-hi\r\n220 there\r\n331 pw\r\n", &"230-welcome\r\n".repeat(1000), "230 in\r\n"].concat();
    assert_eq!(all, expected.as_bytes());
    drop(client);
    assert_eq!(play.await.unwrap().unwrap().lines, [&b"USER ABC"[..], b"NOOP", b"PASS x\0y"]);
}

#[tokio::test]
async fn a_script_that_is_not_followed_says_where_and_why() {
    let (client, io) = tokio::io::duplex(64);
    drop(client);
    let error = Script::new().expect("USER").play(io).await.unwrap_err();
    assert_eq!((error.step, error.problem), (0, Problem::Gone));

    let (mut client, io) = tokio::io::duplex(64);
    client.write_all(b"PASS x\r\n").await.unwrap();
    let error = Script::new().send("220\r\n").expect("USER").play(io).await.unwrap_err();
    assert_eq!(error.to_string(), "step 1 (Expect(USER)): unexpected line \"PASS x\"");
    assert_eq!(error.problem, Problem::Unexpected(b"PASS x".to_vec()));

    let (_client, io) = tokio::io::duplex(64);
    assert_eq!(Script::new().accept_data().play(io).await.unwrap_err().problem, Problem::NoData);
}
