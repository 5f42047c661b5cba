use super::*;
use tokio::io::{AsyncBufReadExt, BufReader};

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

#[test]
fn only_replies_227_and_229_announce_a_port_and_the_address_is_not_believed() {
    assert_eq!(passive_port(b"227 Entering Passive Mode (10,0,0,1,98,19).\r\n"), Some(98 * 256 + 19));
    assert_eq!(passive_port(b"229 Extended Passive mode OK (|||65535|)\r\n"), Some(65535));
    for line in [
        "227 (1,2,3,4,5)",
        "227 (1,2,3,4,256,1)",
        "229 (|||70000|)",
        "200 (|||7|)",
        "229-(|||7|)",
        "229",
        "227 1,2,3,4,5,6",
    ] {
        assert_eq!(passive_port(line.as_bytes()), None, "{line}");
    }
    assert_eq!(announcement(true, "127.0.0.1:258".parse().unwrap()), "227 Entering Passive Mode (127,0,0,1,1,2).\r\n");
    assert_eq!(announcement(false, "[::1]:258".parse().unwrap()), "229 Entering Extended Passive Mode (|||258|)\r\n");
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
