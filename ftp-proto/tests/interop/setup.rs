//! What the tests share: a server with a file, a client, and bytes to compare with.

use std::path::Path as FilePath;

use bytes::BytesMut;
use ftp_proto::client::{Client, Config, Download};
use ftp_proto::wire::Url;
use segfetch_testkit::files::Pattern;
use segfetch_testkit::lab::{Kind, Server};
use tempfile::TempDir;

pub(crate) const MIB: u64 = 1 << 20;

/// A server of this kind with a pseudo-random file `big` of `len` bytes.
pub(crate) fn server_with_file(kind: Kind, len: u64) -> (TempDir, Server, Pattern) {
    let dir = tempfile::tempdir().unwrap();
    let pattern = random_file(&dir.path().join("big"), len);
    let server = kind.serve(dir.path()).start().unwrap();
    (dir, server, pattern)
}

pub(crate) fn random_file(path: &FilePath, len: u64) -> Pattern {
    segfetch_testkit::random_file(path, len, 7).unwrap();
    Pattern { seed: 7 }
}

pub(crate) fn url(server: &Server, path: &str) -> Url {
    Url::parse(&server.url(path)).unwrap()
}

pub(crate) fn client(server: &Server) -> Client {
    Client::new(&url(server, "big"), Config::default())
}

/// Reads `len` bytes, or to the end.
pub(crate) async fn take(download: &mut Download, len: u64) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    let len = usize::try_from(len).unwrap();
    while bytes.len() < len {
        bytes.reserve(64 << 10);
        let room = bytes::BufMut::limit(&mut bytes, len);
        let mut room = room;
        let left = len - room.get_ref().len();
        room.set_limit(left);
        if download.read(&mut room).await.unwrap() == 0 {
            break;
        }
    }
    bytes.to_vec()
}

/// A small generator: the tests need variety, not chance.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}
