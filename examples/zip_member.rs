//! Reads one member of a zip on a server, without fetching the zip.
//!
//! `cargo run --example zip_member`: lists a 1 GiB archive on a server in this process and reads a member of 1 MiB.
//! `cargo run --example zip_member -- URL MEMBER`: the same with an archive of yours.
//!
//! The zip library knows nothing of FTP: it is given something that reads and seeks.

use anyhow::Context;
use async_zip::tokio::read::seek::ZipFileReader;
use ftp_proto::client::Config;
use ftp_proto::source::FtpSource;
use ftp_proto::testing::{File, Server};
use ftp_proto::wire::Url;
use segfetch::adapters::RemoteFile;
use tokio::io::BufReader;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let archive = archive(1 << 30, "notes.txt", &vec![b'.'; 1 << 20]);
    let server = Server::builder().file("/archive.zip", archive).start()?;
    let mut args = std::env::args().skip(1);
    let url = args.next().unwrap_or_else(|| server.url("/archive.zip"));
    let member = args.next().unwrap_or_else(|| "notes.txt".into());

    let source = FtpSource::connect(&Url::parse(&url)?, Config::default())?;
    let file = BufReader::new(RemoteFile::new(source));
    let mut zip = ZipFileReader::with_tokio(file).await?;
    let mut index = None;
    for (n, entry) in zip.file().entries().iter().enumerate() {
        let name = entry.filename().as_str()?;
        println!("{:>12}  {name}", entry.uncompressed_size());
        if name == member {
            index = Some(n);
        }
    }
    let mut content = Vec::new();
    let mut reader = zip.reader_with_entry(index.context("no such member")?).await?;
    reader.read_to_end_checked(&mut content).await?;
    drop(reader);

    let cost = zip.inner_mut().get_ref().get_ref().counts();
    println!("{} bytes of {member} with {} streams, {} bytes received", content.len(), cost.opens, cost.fetched);
    Ok(())
}

/// A zip with a film of about `len` bytes, and a small member behind it; nothing is compressed.
fn archive(len: u32, name: &str, member: &[u8]) -> File {
    let film_len = len - member.len() as u32 - 1024;
    let entries = [("film.mkv", 0, film_len, 0), (name, film_len + 38, member.len() as u32, crc32fast::hash(member))];
    let mut directory = Vec::new();
    let mut file = File::generated(len.into(), 1);
    let mut end = 0;
    for (name, offset, size, crc) in entries {
        let mut fields = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x58]; // version, flags, method, time, date
        fields.extend([crc, size, size].map(u32::to_le_bytes).concat());
        fields.extend((name.len() as u16).to_le_bytes());
        fields.extend([0, 0]);
        let header = [&b"PK\x03\x04"[..], &fields, name.as_bytes()].concat();
        end = offset + header.len() as u32 + size;
        file = file.patched(offset.into(), header);
        directory
            .extend([&b"PK\x01\x02\x14\x00"[..], &fields, &[0; 10], &offset.to_le_bytes(), name.as_bytes()].concat());
    }
    file = file.patched(u64::from(end) - member.len() as u64, member.to_vec());
    let counts = [0u16, 0, 2, 2].map(u16::to_le_bytes).concat();
    let place = [directory.len() as u32, end].map(u32::to_le_bytes).concat();
    let record = [&b"PK\x05\x06"[..], &counts, &place, &[0, 0]].concat();
    let comment = len - end - directory.len() as u32 - record.len() as u32;
    let mut tail = [directory, record].concat();
    let at = tail.len() - 2;
    tail[at..].copy_from_slice(&(comment as u16).to_le_bytes());
    tail.extend(vec![b' '; comment as usize]);
    file.patched(end.into(), tail)
}
