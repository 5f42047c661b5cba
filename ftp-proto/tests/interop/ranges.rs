//! Ranges of one file over one session.

use ftp_proto::conn::Restart;
use segfetch_testkit::lab::Kind;

use super::setup::{MIB, Rng, client, server_with_file, take, url};

/// 200 ranges, 1 byte to 8 MiB (log-uniform), half of them ended early by us, 20 of them within the first kilobyte: one login,
/// and every byte right.
async fn two_hundred_ranges_take_one_login(kind: Kind) {
    const LEN: u64 = 256 * MIB;
    let (_dir, server, pattern) = server_with_file(kind, LEN);
    let client = client(&server);
    let path = url(&server, "big").path().clone();
    let mut rng = Rng(1);
    for round in 0..200 {
        let exponent = rng.below(24);
        let len = (1 << exponent) + rng.below(1 << exponent).min((8 * MIB).saturating_sub(1 << exponent));
        let start = match round % 10 {
            0 => rng.below(1024),
            // Up to the very end, so that it ends by itself.
            n if n % 2 == 1 => LEN - len,
            _ => rng.below(LEN - len),
        };
        let mut download = client.download(&path, start).await.unwrap();
        let got = take(&mut download, len).await;
        assert_eq!(got.len() as u64, len, "round {round}");
        assert!(got == pattern.bytes(start, got.len()), "round {round}: {len} bytes from {start}");
        if start + len == LEN {
            assert_eq!(download.read(&mut Vec::with_capacity(1)).await, Ok(0));
        } else if round % 4 == 0 {
            download.stop().await;
        }
    }
    let log = server.wait_for("transfers", |log| log.transfers.len() >= 200);
    assert_eq!(log.logins_granted(), 1, "{kind:?}");
    assert_eq!(client.sessions(), 1);
}

#[tokio::test]
async fn two_hundred_ranges_of_vsftpd_take_one_login() {
    two_hundred_ranges_take_one_login(Kind::Vsftpd).await;
}

#[tokio::test]
async fn two_hundred_ranges_of_proftpd_take_one_login() {
    two_hundred_ranges_take_one_login(Kind::Proftpd).await;
}

#[tokio::test]
async fn two_hundred_ranges_of_pure_ftpd_take_one_login() {
    two_hundred_ranges_take_one_login(Kind::PureFtpd).await;
}

#[tokio::test]
async fn two_hundred_ranges_of_pyftpdlib_take_one_login() {
    two_hundred_ranges_take_one_login(Kind::Pyftpd).await;
}

/// Beside a stream from byte 0 the first start behind it needs no transfer of the last byte, and no byte of it is lost.
async fn a_start_beside_another_is_proven_by_its_first_bytes(kind: Kind) {
    let (_dir, server, pattern) = server_with_file(kind, 64 * MIB);
    let client = client(&server);
    let path = url(&server, "big").path().clone();
    let mut first = client.download(&path, 0).await.unwrap();
    assert!(take(&mut first, 1000).await == pattern.bytes(0, 1000));
    let mut second = client.download(&path, 32 * MIB).await.unwrap();
    assert_eq!(client.quirks().restart, Restart::Works { up_to: 32 * MIB }, "{kind:?}");
    assert!(take(&mut second, 100_000).await == pattern.bytes(32 * MIB, 100_000), "{kind:?}");
    assert!(take(&mut first, 100_000).await == pattern.bytes(1000, 100_000), "{kind:?}");
}

#[tokio::test]
async fn all_servers_prove_a_start_by_its_first_bytes() {
    for kind in [Kind::Vsftpd, Kind::Proftpd, Kind::PureFtpd, Kind::Pyftpd] {
        a_start_beside_another_is_proven_by_its_first_bytes(kind).await;
    }
}
