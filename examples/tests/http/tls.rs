//! HTTPS, through the command, since the system's trust comes from its environment.

use std::path::Path;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

use crate::command::{assert_content, end, segfetch};
use crate::server::Server;
use crate::support::MIB;

const LEN: u64 = 8 * MIB;

/// A server with a certificate for 127.0.0.1, and the certificate of its issuer in PEM.
fn server() -> (Server, String) {
    let mut issuer = CertificateParams::new(Vec::new()).unwrap();
    issuer.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(issuer, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".into()]).unwrap().signed_by(&key, &issuer).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    (Server::start_tls(LEN, 1, config), issuer.pem())
}

/// The command, with `authorities` as all that it trusts.
fn trusting(dir: &Path, authorities: &str, args: &[&str]) -> tokio::process::Command {
    let file = dir.join("authorities.pem");
    std::fs::write(&file, authorities).unwrap();
    let mut command = segfetch(dir, args);
    command.env("SSL_CERT_FILE", file).env_remove("SSL_CERT_DIR").env("no_proxy", "*");
    command
}

#[tokio::test]
async fn a_file_comes_over_several_encrypted_connections() {
    let dir = tempfile::tempdir().unwrap();
    let (server, authority) = server();
    server.script(|_, answer| answer.set_rate(1 << 20));
    let done = end(trusting(dir.path(), &authority, &["-n", "4", "--json", &server.url()])).await.expect(0);
    assert_content(&dir.path().join("f"), LEN, 1);
    assert_eq!(server.log().most_sending, 4);
    assert_eq!(done.event("done")["integrity"], "validator");
}

#[tokio::test]
async fn a_certificate_that_nobody_trusted_vouches_for_is_refused_before_anything_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let ((server, _), (_, other)) = (self::server(), self::server());
    let url = server.url().replace("://", "://anna:zyzzyva@");
    let ended = end(trusting(dir.path(), &other, &[&url])).await.expect(4);
    assert!(!ended.stderr.contains("zyzzyva"));
    ended.says("certificate");
    assert!(server.log().requests.is_empty());
}

#[tokio::test]
async fn a_connection_that_is_cut_in_the_middle_is_no_end_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let (server, authority) = server();
    server.script(|_, answer| answer.set_rate(4 << 20));
    let command = trusting(dir.path(), &authority, &["--json", &server.url()]);
    let ended = tokio::spawn(end(command));
    server.wait_for("half of the file", |log| log.sent > LEN / 2).await;
    server.cut_streams();
    let done = ended.await.unwrap().expect(0);
    assert!(done.event("done")["retries"].as_u64() > Some(0));
    assert_content(&dir.path().join("f"), LEN, 1);
    tokio::time::timeout(Duration::from_secs(9), server.wait_for("the end", |log| log.open == 0)).await.unwrap();
}
