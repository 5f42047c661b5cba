//! The presets do what the real servers were seen to do.

use std::time::Duration;

use ftp_proto::testing::{File, Personality, Server, ServerBuilder};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::{Raw, content, drain, replies, within};

const LEN: u64 = 16 << 20;

/// A server that holds little more than the client has read, with a file of 16 MiB.
fn builder(personality: Personality) -> ServerBuilder {
    Server::builder().personality(personality).send_buffer(4096).file("/f", File::generated(LEN, 1))
}

/// A session with a transfer of which 1 kB has been read.
async fn begun(server: &Server) -> (Raw, TcpStream) {
    let mut raw = Raw::login(server.addr()).await;
    let mut data = raw.retr("f", 0).await;
    let mut first = [0; 1000];
    within(data.read_exact(&mut first)).await.unwrap();
    (raw, data)
}

#[tokio::test]
async fn an_early_end_gets_one_final_reply_which_is_a_150_from_pure_ftpd() {
    for (personality, code) in [
        (Personality::plain(), "426 "),
        (Personality::vsftpd(), "426 Failure writing network stream."),
        (Personality::proftpd(), "426 Transfer aborted. Data connection closed"),
        (Personality::pure_ftpd(), "150 0.001 seconds (measured here)"),
        (Personality::pyftpdlib(), "426 Transfer aborted; "),
    ] {
        let server = builder(personality).start().unwrap();
        let (mut raw, data) = begun(&server).await;
        drop(data);
        let reply = raw.reply().await;
        assert!(reply.starts_with(code), "{reply}");
        assert!(raw.cmd("NOOP").await.starts_with("200"), "and no second one");
    }
}

#[tokio::test]
async fn an_offset_past_the_end_is_an_empty_success_from_vsftpd_and_a_554_from_the_others() {
    for (personality, at_end, past_end) in [
        (Personality::vsftpd(), "150", "150"),
        (Personality::proftpd(), "150", "554"),
        (Personality::pure_ftpd(), "226 Nothing left", "554"),
        (Personality::pyftpdlib(), "1", "554"),
    ] {
        let server = builder(personality).start().unwrap();
        for (offset, code) in [(LEN, at_end), (LEN + 1, past_end)] {
            let mut raw = Raw::login(server.addr()).await;
            let data = raw.data().await;
            assert!(raw.cmd(format!("REST {offset}")).await.starts_with("350"));
            let reply = raw.cmd("RETR f").await;
            assert!(reply.starts_with(code), "REST {offset}: {reply}");
            assert_eq!(drain(data).await.0, b"");
            if code.starts_with('1') {
                assert!(raw.reply().await.starts_with("226"));
            }
            let data = raw.data().await;
            assert!(raw.cmd("RETR f").await.starts_with('1'), "the offset is gone");
            assert_eq!(drain(data).await.0.len() as u64, LEN);
        }
    }
}

#[tokio::test]
async fn odd_offsets_are_zero_to_vsftpd_and_errors_to_the_others() {
    for (personality, garbage, huge) in [
        (Personality::vsftpd(), "350 Restart position accepted (0).", "350 Restart position accepted (0)."),
        (Personality::proftpd(), "501", "350"),
        (Personality::pure_ftpd(), "554", "554"),
        (Personality::pyftpdlib(), "501", "350"),
    ] {
        let server = builder(personality).start().unwrap();
        let mut raw = Raw::login(server.addr()).await;
        for (argument, reply) in [("abc", garbage), ("-1", garbage), ("9223372036854775808", huge), ("7", "350")] {
            let got = raw.cmd(format!("REST {argument}")).await;
            assert!(got.starts_with(reply), "REST {argument}: {got}");
        }
    }
}

#[tokio::test]
async fn ascii_mode_refuses_size_and_rest_where_the_real_server_does() {
    for (personality, size, rest, retr) in [
        (Personality::vsftpd(), "213", "350", "550"),
        (Personality::proftpd(), "550", "501", "150"),
        (Personality::pure_ftpd(), "213", "350", "503"),
        (Personality::pyftpdlib(), "550", "501", "1"),
    ] {
        let server = builder(personality).start().unwrap();
        let mut raw = Raw::login(server.addr()).await;
        raw.cmd("TYPE A").await;
        let _data = raw.data().await;
        for (command, code) in [("SIZE f", size), ("REST 5", rest), ("RETR f", retr)] {
            let reply = raw.cmd(command).await;
            assert!(reply.starts_with(code), "{command}: {reply}");
        }
    }
}

#[tokio::test]
async fn a_second_passive_closes_the_first_listener() {
    let server = builder(Personality::plain()).start().unwrap();
    let mut raw = Raw::login(server.addr()).await;
    let first = {
        let reply = raw.cmd("PASV").await;
        raw.data_addr(&reply)
    };
    let second = {
        let reply = raw.cmd("EPSV").await;
        raw.data_addr(&reply)
    };
    assert!(TcpStream::connect(first).await.is_err());
    assert!(TcpStream::connect(second).await.is_ok());
    assert!(raw.cmd("RETR nothing").await.starts_with("550"));
    assert!(TcpStream::connect(second).await.is_err(), "a refusal closes it too");
}

#[tokio::test]
async fn the_preliminary_reply_waits_for_the_data_connection_except_from_pyftpdlib() {
    for (personality, expected) in [
        (Personality::vsftpd(), vec!["425"]),
        (Personality::proftpd(), vec!["425"]),
        (Personality::pure_ftpd(), vec!["425"]),
        (Personality::pyftpdlib(), vec!["150", "425"]),
    ] {
        let server = builder(personality).data_timeout(Duration::from_millis(50)).start().unwrap();
        let mut raw = Raw::login(server.addr()).await;
        raw.cmd("EPSV").await;
        raw.send("RETR f\r\n").await;
        for code in expected {
            let reply = raw.reply().await;
            assert!(reply.starts_with(code), "{reply}");
        }
    }
}

#[tokio::test]
async fn without_passive_three_refuse_and_pyftpdlib_waits_for_it() {
    for personality in [Personality::vsftpd(), Personality::proftpd(), Personality::pure_ftpd()] {
        let server = builder(personality).start().unwrap();
        assert!(Raw::login(server.addr()).await.cmd("RETR f").await.starts_with("425"));
    }
    let server = builder(Personality::pyftpdlib()).start().unwrap();
    let mut raw = Raw::login(server.addr()).await;
    assert!(raw.cmd("RETR f").await.starts_with("150"));
    let data = raw.data().await;
    // It says 150 or 125 once more, depending on who is first.
    assert!(raw.reply().await.starts_with('1'));
    assert_eq!(drain(data).await.0.len() as u64, LEN);
    assert!(raw.reply().await.starts_with("226"));
}

#[tokio::test]
async fn proftpd_says_226_only_when_the_client_has_closed_the_data_connection() {
    for (personality, waits) in [(Personality::proftpd(), true), (Personality::vsftpd(), false)] {
        let server = builder(personality).start().unwrap();
        let mut raw = Raw::login(server.addr()).await;
        let mut data = raw.retr("f", LEN - 10).await;
        let mut tail = Vec::new();
        within(data.read_to_end(&mut tail)).await.unwrap();
        assert_eq!(tail, content(1, LEN - 10..LEN));
        within(server.wait_for(|c| c.data_open == 0)).await;
        if waits {
            assert!(!replies(&server).iter().any(|reply| reply.starts_with("226")));
            drop(data);
        }
        assert!(raw.reply().await.starts_with("226"));
    }
}

#[tokio::test]
async fn commands_during_a_transfer_are_queued_answered_or_eaten() {
    for personality in [Personality::vsftpd(), Personality::proftpd()] {
        let server = builder(personality).start().unwrap();
        let (mut raw, data) = begun(&server).await;
        raw.send("NOOP\r\n").await;
        drop(data);
        assert!(raw.reply().await.starts_with("426"));
        assert!(raw.reply().await.starts_with("200"));
    }
    let server = builder(Personality::pyftpdlib()).start().unwrap();
    let (mut raw, data) = begun(&server).await;
    assert!(raw.cmd("NOOP").await.starts_with("200"), "while data flows");
    let reply = raw.cmd("EPSV").await;
    assert!(reply.starts_with("229"), "and no 426: {reply}");
    assert!((drain(data).await.0.len() as u64) < LEN);

    let server = builder(Personality::pure_ftpd()).start().unwrap();
    let (mut raw, data) = begun(&server).await;
    raw.send("PASV\r\nREST 0\r\nNOOP\r\n").await;
    assert_eq!(raw.reply().await, "500 Unknown command");
    drop(data);
    assert_eq!(raw.reply().await, "500 0.001 seconds (measured here), 3067.75 Mbytes per second");
    assert!(raw.cmd("PWD").await.starts_with("257"), "the rest of the buffer is gone");
}

#[tokio::test]
async fn abor_is_heard_during_a_transfer_by_pure_ftpd_and_pyftpdlib_only() {
    for (personality, idle, after) in [(Personality::vsftpd(), "225", "225"), (Personality::proftpd(), "226", "226")] {
        let server = builder(personality).start().unwrap();
        let (mut raw, data) = begun(&server).await;
        raw.send(b"\xff\xf4\xff\xf2ABOR\r\n").await;
        drop(data);
        assert!(raw.reply().await.starts_with("426"));
        assert!(raw.reply().await.starts_with(after));
        assert!(raw.cmd("ABOR").await.starts_with(idle));
    }
    for (personality, idle) in [(Personality::pure_ftpd(), "226"), (Personality::pyftpdlib(), "225")] {
        let server = builder(personality).start().unwrap();
        let (mut raw, data) = begun(&server).await;
        assert!(raw.cmd("ABOR").await.starts_with("426"));
        assert!(raw.reply().await.starts_with("226"));
        assert!((drain(data).await.0.len() as u64) < LEN);
        assert!(raw.cmd("ABOR").await.starts_with(idle));
    }
}

#[tokio::test]
async fn a_transfer_outlives_its_control_connection_on_vsftpd_and_proftpd() {
    for (personality, outlives) in [
        (Personality::vsftpd(), true),
        (Personality::proftpd(), true),
        (Personality::pure_ftpd(), false),
        (Personality::pyftpdlib(), false),
    ] {
        let server = builder(personality).start().unwrap();
        let (raw, data) = begun(&server).await;
        drop(raw);
        if !outlives {
            within(server.wait_for(|c| c.sessions == 0)).await;
        }
        let (rest, _) = drain(data).await;
        assert_eq!(rest.len() as u64 == LEN - 1000, outlives);
        within(server.wait_for(|c| c.open == 0)).await;
    }
}

#[tokio::test]
async fn a_slot_is_held_while_data_is_unread_after_control_is_gone() {
    let server = builder(Personality::vsftpd()).max_connections(1).start().unwrap();
    let (raw, data) = begun(&server).await;
    drop(raw);
    assert!(Raw::connect(server.addr()).await.reply().await.starts_with("421"));
    drop(data);
    within(server.wait_for(|c| c.open == 0)).await;
    Raw::login(server.addr()).await;
}

#[tokio::test]
async fn anonymous_needs_no_password_on_vsftpd_and_pure_ftpd_and_a_pipelined_one_is_welcome() {
    for (personality, user) in [
        (Personality::vsftpd(), "230"),
        (Personality::pure_ftpd(), "230"),
        (Personality::proftpd(), "331"),
        (Personality::pyftpdlib(), "331"),
    ] {
        let server = builder(personality).start().unwrap();
        let mut raw = Raw::connect(server.addr()).await;
        raw.reply().await;
        raw.send("USER anonymous\r\nPASS x@y\r\nTYPE I\r\nSIZE f\r\nMDTM f\r\nEPSV\r\n").await;
        for code in [user, "230", "200", "213", "213", "229"] {
            let reply = raw.reply().await;
            assert!(reply.starts_with(code), "{reply}");
        }
    }
}

#[tokio::test]
async fn after_epsv_all_pasv_is_refused_except_by_pure_ftpd() {
    for (personality, all, pasv) in [
        (Personality::vsftpd(), "200", "550"),
        (Personality::proftpd(), "200", "500"),
        (Personality::pure_ftpd(), "220", "227"),
        (Personality::pyftpdlib(), "220", "501"),
    ] {
        let server = builder(personality).start().unwrap();
        let mut raw = Raw::login(server.addr()).await;
        assert!(raw.cmd("EPSV ALL").await.starts_with(all));
        assert!(raw.cmd("PASV").await.starts_with(pasv));
        assert!(raw.cmd("EPSV").await.starts_with("229"));
    }
}

#[tokio::test]
async fn a_lone_lf_ends_a_command_on_vsftpd_and_is_part_of_a_name_on_proftpd() {
    for (personality, splits) in [
        (Personality::vsftpd(), true),
        (Personality::pure_ftpd(), true),
        (Personality::proftpd(), false),
        (Personality::pyftpdlib(), false),
    ] {
        let server = builder(personality).file("/f\nNOOP", File::bytes("12345")).start().unwrap();
        let mut raw = Raw::login(server.addr()).await;
        let reply = raw.cmd("SIZE f\nNOOP").await;
        assert_eq!(reply, if splits { format!("213 {LEN}") } else { "213 5".into() });
        if splits {
            assert!(raw.reply().await.starts_with("200"));
        }
    }
}

#[tokio::test]
async fn a_doubled_0xff_means_one_on_proftpd_and_two_on_vsftpd() {
    for (personality, single, double) in
        [(Personality::proftpd(), "213 1", "213 1"), (Personality::vsftpd(), "213 1", "550")]
    {
        let server = builder(personality).file(b"/\xff", File::bytes("x")).start().unwrap();
        let mut raw = Raw::login(server.addr()).await;
        assert_eq!(raw.cmd(b"SIZE \xff").await, single);
        assert!(raw.cmd(b"SIZE \xff\xff").await.starts_with(double));
    }
}

#[tokio::test]
async fn proftpd_sends_exact_ranges_and_forgets_them_after_one_attempt() {
    let server = builder(Personality::proftpd()).start().unwrap();
    let mut raw = Raw::login(server.addr()).await;
    let data = raw.data().await;
    assert_eq!(raw.cmd("RANG 100 199").await, "350 Transferring byte range of 100 bytes starting from 100");
    assert!(raw.cmd("RETR f").await.starts_with("150"));
    assert_eq!(drain(data).await.0, content(1, 100..200));
    assert!(raw.reply().await.starts_with("226"));
    for setup in [vec![], vec!["RANG 100 199", "REST 0"], vec!["RANG 100 199", "RANG 1 0"], vec!["RANG 9 8"]] {
        let data = raw.data().await;
        for command in setup {
            raw.cmd(command).await;
        }
        assert!(raw.cmd("RETR f").await.starts_with("150"));
        assert_eq!(drain(data).await.0.len() as u64, LEN, "the whole file");
        assert!(raw.reply().await.starts_with("226"));
    }
    for range in [format!("RANG 0 {LEN}"), format!("RANG 0 {}", u64::MAX)] {
        let _data = raw.data().await;
        assert!(raw.cmd(range).await.starts_with("350"));
        assert!(raw.cmd("RETR f").await.starts_with("554"), "an end past the last byte is not clipped");
    }
}
