use super::passive::passive_port;
use super::*;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const SOON: Duration = Duration::from_secs(10);

/// A server that greets, answers EPSV and PASV with one passive port, answers anything else "200", and sends `payload` there.
async fn server(payload: &'static [u8]) -> SocketAddr {
    let control = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = control.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = control.accept().await {
            tokio::spawn(async move {
                let (read, mut write) = stream.split();
                write.write_all(b"220-hello\r\n220 there\r\n").await?;
                let mut lines = BufReader::new(read).lines();
                while let Some(line) = lines.next_line().await? {
                    let data = TcpListener::bind("127.0.0.1:0").await?;
                    let [high, low] = data.local_addr()?.port().to_be_bytes();
                    let answer = match line.as_str() {
                        "EPSV" => format!("229 In (|||{}|)\r\n", u16::from_be_bytes([high, low])),
                        "PASV" => format!("227 In (10,9,8,7,{high},{low})\r\n"),
                        _ => "200 Fine (|||1|)\r\n".to_owned(),
                    };
                    write.write_all(answer.as_bytes()).await?;
                    if answer.starts_with("22") {
                        tokio::spawn(async move {
                            let (mut stream, _) = data.accept().await?;
                            stream.write_all(payload).await?;
                            stream.shutdown().await
                        });
                    }
                }
                io::Result::Ok(())
            });
        }
    });
    addr
}

struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(addr: SocketAddr) -> Self {
        let mut client = Self(BufReader::new(TcpStream::connect(addr).await.unwrap()));
        assert_eq!((client.line().await.as_str(), client.line().await.as_str()), ("220-hello\r\n", "220 there\r\n"));
        client
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        tokio::time::timeout(SOON, self.0.read_line(&mut line)).await.unwrap().unwrap();
        line
    }

    async fn ask(&mut self, command: &str) -> String {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
        self.line().await
    }

    async fn data(&mut self, command: &str) -> TcpStream {
        let answer = self.ask(command).await;
        TcpStream::connect(("127.0.0.1", passive_port(answer.as_bytes()).unwrap())).await.unwrap()
    }
}

async fn all(mut stream: TcpStream) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut out)).await.unwrap().map(|_| out)
}

#[tokio::test]
async fn data_connections_of_both_passive_replies_come_through_the_relay_and_are_counted() {
    let relay = Relay::to(server(b"payload").await).start().await.unwrap();
    let mut client = Client::connect(relay.addr()).await;
    assert_eq!(client.ask("NOOP").await, "200 Fine (|||1|)\r\n");
    for command in ["EPSV", "PASV"] {
        let stream = client.data(command).await;
        assert_eq!(all(stream).await.unwrap(), b"payload");
    }
    let counts = relay.counts();
    assert_eq!((counts.control, counts.control_open, counts.data), (1, 1, 2));
    assert_eq!((counts.data_to_client, counts.data_to_server, counts.turns, counts.refusals), (14, 0, 3, 0));
    assert_eq!((counts.control_most, counts.data_most), (1, 1));
}

#[tokio::test]
async fn each_way_is_delayed_so_an_exchange_takes_a_round_trip() {
    let relay = Relay::to(server(b"").await).delay(Duration::from_millis(60)).start().await.unwrap();
    let mut client = Client::connect(relay.addr()).await;
    let asked = Instant::now();
    client.ask("NOOP").await;
    assert!(asked.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn a_capped_data_connection_takes_its_time_and_loses_nothing() {
    static PAYLOAD: [u8; 60_000] = [7; 60_000];
    let relay = Relay::to(server(&PAYLOAD).await).rate(200_000).start().await.unwrap();
    let mut client = Client::connect(relay.addr()).await;
    let asked = Instant::now();
    let stream = client.data("EPSV").await;
    assert_eq!(all(stream).await.unwrap(), PAYLOAD);
    assert!(asked.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn in_a_black_out_nothing_arrives_and_afterwards_all_of_it() {
    let relay = Relay::to(server(b"payload").await).start().await.unwrap();
    let mut client = Client::connect(relay.addr()).await;
    relay.black_out(true);
    client.0.get_mut().write_all(b"NOOP\r\n").await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(100), client.0.fill_buf()).await;
    assert!(early.is_err());
    assert_eq!(relay.counts().turns, 0);
    relay.black_out(false);
    assert_eq!(client.line().await, "200 Fine (|||1|)\r\n");
}

#[tokio::test]
async fn a_kill_resets_both_channels_and_new_connections_work() {
    let relay = Relay::to(server(b"").await).start().await.unwrap();
    let mut client = Client::connect(relay.addr()).await;
    // A data connection that the server never ends is a control connection in disguise.
    let mut other = Client::connect(relay.addr()).await;
    relay.kill();
    for broken in [&mut client, &mut other] {
        let end = tokio::time::timeout(SOON, broken.0.read(&mut [0])).await.unwrap();
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
    assert_eq!(Client::connect(relay.addr()).await.ask("NOOP").await, "200 Fine (|||1|)\r\n");
}

#[tokio::test]
async fn a_dropped_relay_ends_its_connections_and_its_port() {
    let relay = Relay::to(server(b"").await).start().await.unwrap();
    let addr = relay.addr();
    let mut client = Client::connect(addr).await;
    drop(relay);
    assert!(tokio::time::timeout(SOON, client.0.read(&mut [0])).await.unwrap().is_err());
    tokio::time::timeout(SOON, async { while TcpStream::connect(addr).await.is_ok() {} }).await.unwrap();
}

#[tokio::test]
async fn a_client_that_goes_away_is_felt_by_the_server() {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay = Relay::to(target.local_addr().unwrap()).start().await.unwrap();
    let client = TcpStream::connect(relay.addr()).await.unwrap();
    let (mut server, _) = target.accept().await.unwrap();
    client.set_zero_linger().unwrap();
    drop(client);
    let end = tokio::time::timeout(SOON, server.read(&mut [0])).await.unwrap();
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn the_server_sees_a_connection_three_delays_after_it_was_made_and_its_first_byte_takes_a_fourth() {
    let delay = Duration::from_millis(20);
    let relay = Relay::to(server(b"payload").await).delay(delay).start().await.unwrap();
    let began = Instant::now();
    let mut client = Client::connect(relay.addr()).await;
    assert!(began.elapsed() >= delay * 4, "the greeting takes two round trips");
    let stream = client.data("EPSV").await;
    assert_eq!(all(stream).await.unwrap(), b"payload");
    let [flow] = relay.flows()[..] else { panic!("one data connection") };
    assert_eq!((flow.session, flow.lane, flow.bytes, flow.retrieve), (0, None, 7, None));
    let (asked, first) = (flow.asked.unwrap(), flow.first_byte.unwrap());
    assert!(asked >= flow.session_opened + delay * 4 && flow.opened >= asked + delay * 2);
    assert!(first >= flow.opened + delay * 4);
    client.ask("RETR f").await;
    let stream = client.data("PASV").await;
    assert_eq!(all(stream).await.unwrap(), b"payload");
    assert!(relay.flows()[1].retrieve.is_some_and(|at| at >= first));
}

#[tokio::test]
async fn a_silent_connection_delivers_no_more_gives_up_its_lane_and_ends_when_the_client_ends_it() {
    static PAYLOAD: [u8; 60_000] = [7; 60_000];
    let relay = Relay::to(server(&PAYLOAD).await).lanes(&[400_000, 300_000]).silent(0, 30_000).start().await.unwrap();
    let mut client = Client::connect(relay.addr()).await;
    let mut silent = client.data("EPSV").await;
    let mut got = 0;
    while let Ok(read) = tokio::time::timeout(Duration::from_millis(300), silent.read(&mut [0; 4096])).await {
        got += read.unwrap();
    }
    assert!((20_000..=30_000).contains(&got), "{got}");
    let next = client.data("EPSV").await;
    assert_eq!(all(next).await.unwrap(), PAYLOAD);
    assert_eq!(relay.flows().iter().map(|flow| flow.lane).collect::<Vec<_>>(), [Some(0), Some(0)]);
    open_are(&relay, 1).await;
    drop(silent);
    open_are(&relay, 0).await;
}

async fn open_are(relay: &Relay, data: usize) {
    let there = async {
        while relay.counts().data_open != data {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, there).await.unwrap();
}

#[tokio::test]
async fn connections_share_a_link_in_equal_parts_and_it_is_never_exceeded() {
    static PAYLOAD: [u8; 100_000] = [7; 100_000];
    let relay = Relay::to(server(&PAYLOAD).await).link(500_000).start().await.unwrap();
    let (mut one, mut two) = (Client::connect(relay.addr()).await, Client::connect(relay.addr()).await);
    let began = Instant::now();
    let (first, second) = (one.data("EPSV").await, two.data("EPSV").await);
    let (first, second) = tokio::join!(all(first), all(second));
    assert_eq!((first.unwrap().len(), second.unwrap().len()), (100_000, 100_000));
    assert!(began.elapsed() >= Duration::from_millis(370), "200 kB at 500 kB/s, less the credit");
    let flows = relay.flows();
    assert!(flows[1].first_byte < flows[0].ended, "the second does not wait for the first to end");
}

#[tokio::test]
async fn a_plain_connection_is_data_and_its_requests_are_turns() {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay = Relay::to(target.local_addr().unwrap()).plain().lanes(&[1 << 20]).start().await.unwrap();
    let mut client = TcpStream::connect(relay.addr()).await.unwrap();
    let (mut server, _) = target.accept().await.unwrap();
    for _ in 0..2 {
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        server.read_exact(&mut [0; 18]).await.unwrap();
        server.write_all(b"229 (|||7|)\n").await.unwrap();
        let mut answer = [0; 12];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"229 (|||7|)\n", "nothing is rewritten");
    }
    let counts = relay.counts();
    assert_eq!((counts.control, counts.data, counts.turns, counts.data_to_client), (0, 1, 2, 24));
    assert_eq!(relay.flows()[0].lane, Some(0));
}
