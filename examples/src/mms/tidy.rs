//! A recording as a file that players can seek in: its counts, sizes and durations are put right, and an index is added.
//!
//! One pass over the file, with a packet at a time in memory and a few bytes for each second. The result is a file of its own beside the
//! recording until it is on the disk, whole; then it takes the recording's name. Whatever goes wrong before, the recording
//! stays as it was.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use mms_proto::asf::{AsfError, Header, Packet, Tidy, rebase};
use thiserror::Error;

use super::partial::is_empty;

/// Bytes between two reads or writes.
const BUFFER: usize = 1 << 20;
/// What [`Header::measure`] wants to see.
const MEASURED: usize = 24;

/// What is to be done beside counts, durations and index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tidying {
    /// Streams that were not recorded; players are told. Packets of zeros, which stand for those that did not come, go.
    pub left_out: Vec<u8>,
    /// The recording begins at 0, whenever the broadcast was joined. This rewrites the times in its packets.
    pub rebase: bool,
}

/// What became of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tidied {
    /// Length of the file now, in bytes.
    pub len: u64,
    /// How many packets there are.
    pub packets: u64,
    /// How many more did not come, and are not in the file: they have nothing of the streams that were wanted.
    pub empty: u64,
    /// How many of those in the file could not be read. They are not in the index.
    pub unreadable: u64,
    /// Bytes of the index; 0 if there is none, as in a recording without video.
    pub index_len: u64,
}

/// Why a recording is as it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TidyError {
    /// The disk.
    #[error("cannot {op} {}: {source}", path.display())]
    Io {
        /// What was tried.
        op: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is no recording.
    #[error(transparent)]
    Asf(#[from] AsfError),
    /// It does not end with the end of a packet.
    #[error("the last packet is cut")]
    Cut,
}

/// The file that a tidy one is called until it is whole; removed if it does not become so.
pub fn temporary(recording: &Path) -> PathBuf {
    let mut name = OsString::from(recording);
    name.push(".part.tidy");
    name.into()
}

/// Makes the recording a tidy file of the same name. Blocks.
///
/// # Errors
/// [`TidyError`]; then the recording was not touched.
pub fn tidy(recording: &Path, tidying: &Tidying) -> Result<Tidied, TidyError> {
    let temporary = temporary(recording);
    let result = Work { recording, temporary: &temporary }.run(tidying);
    if result.is_err() {
        // It may not be there.
        let _ = fs::remove_file(&temporary);
    }
    result
}

struct Work<'a> {
    recording: &'a Path,
    temporary: &'a Path,
}

impl Work<'_> {
    fn run(&self, tidying: &Tidying) -> Result<Tidied, TidyError> {
        let file = File::open(self.recording).map_err(self.failed("open"))?;
        let permissions = file.metadata().map_err(self.failed("look at"))?.permissions();
        let mut from = BufReader::with_capacity(BUFFER, file);
        let header = self.header(&mut from)?;
        let size = usize::try_from(Header::decode(&header)?.packet_size()?).unwrap_or(usize::MAX);
        let mut tidy = Tidy::new(&header)?;
        tidying.left_out.iter().for_each(|stream| tidy.without_stream(*stream));

        let mut to = BufWriter::with_capacity(BUFFER, self.create()?);
        to.get_ref().set_permissions(permissions).map_err(self.failing("set the permissions of"))?;
        to.write_all(&header).map_err(self.failing("write"))?;
        let (packets, empty) = self.packets(&mut from, &mut to, &mut tidy, size, tidying)?;
        let tidied = tidy.finish();
        to.write_all(&tidied.index).map_err(self.failing("write"))?;
        let mut file = to.into_inner().map_err(io::IntoInnerError::into_error).map_err(self.failing("write"))?;
        file.seek(SeekFrom::Start(0)).map_err(self.failing("write"))?;
        file.write_all(&tidied.header).map_err(self.failing("write"))?;
        file.sync_all().map_err(self.failing("sync"))?;
        let len = file.metadata().map_err(self.failing("look at"))?.len();
        fs::rename(self.temporary, self.recording).map_err(self.failing("rename"))?;
        self.sync_directory();
        let (unreadable, index_len) = (tidied.unreadable, tidied.index.len() as u64);
        Ok(Tidied { len, packets, empty, unreadable, index_len })
    }

    fn header(&self, from: &mut impl Read) -> Result<Vec<u8>, TidyError> {
        let mut header = vec![0; MEASURED];
        from.read_exact(&mut header).map_err(self.failed("read"))?;
        header.resize(Header::measure(&header)?, 0);
        from.read_exact(&mut header[MEASURED..]).map_err(self.failed("read"))?;
        Ok(header)
    }

    /// One that an earlier run left is of no use to anybody.
    fn create(&self) -> Result<File, TidyError> {
        match fs::remove_file(self.temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(self.failing("remove")(error)),
            _ => {}
        }
        OpenOptions::new().write(true).create_new(true).open(self.temporary).map_err(self.failing("create"))
    }

    /// Copies packets, and shows them to `tidy`. How many there are, and how many stood for none.
    fn packets(
        &self,
        from: &mut impl Read,
        to: &mut impl Write,
        tidy: &mut Tidy,
        size: usize,
        tidying: &Tidying,
    ) -> Result<(u64, u64), TidyError> {
        let (mut packet, mut count, mut empty, mut start) = (vec![0; size], 0, 0, None);
        loop {
            match fill(from, &mut packet).map_err(self.failed("read"))? {
                0 => return Ok((count, empty)),
                got if got < size => return Err(TidyError::Cut),
                _ if !tidying.left_out.is_empty() && is_empty(&packet) => {
                    empty += 1;
                    continue;
                }
                _ => {}
            }
            if tidying.rebase {
                start = start.or_else(|| Some(Packet::decode(&packet).ok()?.send_time));
                // One that cannot be read is kept as it is.
                let _ = start.map(|start| rebase(&mut packet, start));
            }
            tidy.packet(&packet)?;
            to.write_all(&packet).map_err(self.failing("write"))?;
            count += 1;
        }
    }

    /// Until then a power loss may bring back the recording, which is whole too: a failure is none of ours.
    fn sync_directory(&self) {
        let directory = self.recording.parent().filter(|path| !path.as_os_str().is_empty());
        let _ = File::open(directory.unwrap_or(Path::new("."))).and_then(|directory| directory.sync_all());
    }

    fn failed(&self, op: &'static str) -> impl Fn(io::Error) -> TidyError {
        let path = self.recording.to_owned();
        move |source| TidyError::Io { op, path: path.clone(), source }
    }

    fn failing(&self, op: &'static str) -> impl Fn(io::Error) -> TidyError {
        let path = self.temporary.to_owned();
        move |source| TidyError::Io { op, path: path.clone(), source }
    }
}

/// Reads until the buffer is full or the file at its end, and gives how much that was.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match from.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mms_proto::testing::Film;

    /// A film in a directory of its own.
    fn recorded(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("film.asf");
        fs::write(&path, bytes).unwrap();
        (dir, path)
    }

    fn entries(dir: &tempfile::TempDir) -> usize {
        fs::read_dir(dir.path()).unwrap().count()
    }

    #[test]
    fn a_film_without_its_index_gets_one_and_keeps_its_packets() {
        let film = Film::generated(300, 3);
        let (served, packets) = (film.served(), film.header().len()..film.served().len());
        let (dir, path) = recorded(&served);
        let tidied = tidy(&path, &Tidying::default()).unwrap();
        let file = fs::read(&path).unwrap();
        assert!(file[packets.clone()] == served[packets]);
        assert_eq!((tidied.len, tidied.packets, tidied.unreadable), (file.len() as u64, 300, 0));
        assert_eq!(tidied.index_len, (file.len() - served.len()) as u64);
        assert_eq!(file[served.len()..][..16], film.indexes()[..16], "it is a Simple Index");
        assert_eq!(Header::decode(&file).unwrap().properties.file_size, tidied.len);
        assert_eq!(entries(&dir), 1);
    }

    #[test]
    fn packets_are_kept_byte_for_byte_unless_they_are_to_begin_at_0() {
        let film = Film::generated(300, 3);
        // As if it had been joined at packet 200.
        let joined = [&film.header()[..], &film.served()[film.header().len() + 200 * film.packet_size()..]].concat();
        let packets = film.header().len()..joined.len();
        let (_dir, path) = recorded(&joined);
        tidy(&path, &Tidying::default()).unwrap();
        let tidied = fs::read(&path).unwrap();
        assert!(tidied[packets.clone()] == joined[packets.clone()]);
        let first = |file: &[u8]| Packet::decode(&file[film.header().len()..][..film.packet_size()]).unwrap().send_time;
        assert!(!first(&tidied).is_zero());
        fs::write(&path, &joined).unwrap();
        tidy(&path, &Tidying { rebase: true, ..Tidying::default() }).unwrap();
        let rebased = fs::read(&path).unwrap();
        assert!(first(&rebased).is_zero());
        let played = |file: &[u8]| Header::decode(file).unwrap().properties.play_duration;
        assert!(played(&rebased) < played(&tidied), "the index and the durations are those of the new times");
    }

    #[test]
    fn what_is_no_whole_recording_stays_as_it_is() {
        let film = Film::generated(20, 3);
        let served = film.served();
        for wrong in [&served[..served.len() - 1], &served[..100], &b"no film"[..], &[0; 5000][..]] {
            let (dir, path) = recorded(wrong);
            tidy(&path, &Tidying::default()).unwrap_err();
            assert!(fs::read(&path).unwrap() == wrong);
            assert_eq!(entries(&dir), 1, "nothing is left beside it");
        }
    }

    #[test]
    fn a_disk_that_takes_no_second_file_leaves_the_first() {
        let film = Film::generated(20, 3);
        let (_dir, path) = recorded(&film.served());
        fs::create_dir(temporary(&path)).unwrap();
        let error = tidy(&path, &Tidying::default()).unwrap_err();
        assert!(error.to_string().contains("film.asf.part.tidy"), "{error}");
        assert!(fs::read(&path).unwrap() == film.served());
    }

    #[test]
    fn what_an_earlier_run_left_is_replaced_and_permissions_stay() {
        use std::os::unix::fs::PermissionsExt;
        let film = Film::generated(20, 3);
        let (dir, path) = recorded(&film.served());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(temporary(&path), "half of a film").unwrap();
        let tidied = tidy(&path, &Tidying::default()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), tidied.len);
        assert!(tidied.len > film.served().len() as u64);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(entries(&dir), 1);
    }
}
