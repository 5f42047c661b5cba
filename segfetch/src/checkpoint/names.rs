//! The names of the files of a job.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::StoreError;
use super::record::MAX_NAME_LEN;

/// The longest thing that is appended to the name of a target.
const LONGEST_SUFFIX: &str = ".part.sfj.new";

/// Where the files of a job are, all in one directory.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// What the user wants.
    pub(super) target: PathBuf,
    pub(super) dir: PathBuf,
    /// The data until it is complete.
    pub(super) part: PathBuf,
    /// The journal.
    pub(super) journal: PathBuf,
    /// The next journal, while it is being written.
    pub(super) journal_new: PathBuf,
}

impl Names {
    pub(super) fn of(target: &Path) -> Result<Self, StoreError> {
        let name = target.file_name().ok_or_else(|| StoreError::NoFileName { path: target.to_owned() })?;
        let dir = match target.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
            _ => PathBuf::from("."),
        };
        let base = shorten(name);
        let with = |suffix: &str| {
            let mut name = base.clone();
            name.push(suffix);
            target.with_file_name(name)
        };
        let (part, journal, journal_new) = (with(".part"), with(".part.sfj"), with(LONGEST_SUFFIX));
        Ok(Self { target: target.to_owned(), dir, part, journal, journal_new })
    }

    /// The `n`th name to try for a target that must not replace anything.
    pub(super) fn unique(&self, n: u32) -> PathBuf {
        if n == 0 {
            return self.target.clone();
        }
        let mut name = self.target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{n}"));
        self.sibling(&name)
    }

    /// A file in the directory of the job.
    pub(super) fn sibling(&self, name: &OsStr) -> PathBuf {
        self.target.with_file_name(name)
    }
}

/// A name that leaves room for every suffix: the name itself, or its beginning and a hash of all of it.
fn shorten(name: &OsStr) -> OsString {
    let bytes = name.as_bytes();
    if bytes.len() + LONGEST_SUFFIX.len() <= MAX_NAME_LEN {
        return name.to_owned();
    }
    // FNV-1a. The names in one directory are the user's own, so accidents are all that it must avoid.
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let tail = format!("~{hash:016x}");
    let mut kept = MAX_NAME_LEN - LONGEST_SUFFIX.len() - tail.len();
    // Not in the middle of a UTF-8 sequence: some file systems refuse such names.
    while kept > 0 && bytes[kept] & 0xc0 == 0x80 {
        kept -= 1;
    }
    OsString::from_vec([&bytes[..kept], tail.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part_name(target: &str) -> String {
        let part = Names::of(Path::new(target)).unwrap().part;
        part.file_name().unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn the_files_of_a_job_are_beside_its_target() {
        let names = Names::of(Path::new("dir/name.iso")).unwrap();
        assert_eq!((&*names.dir, &*names.part), (Path::new("dir"), Path::new("dir/name.iso.part")));
        assert_eq!(names.journal, Path::new("dir/name.iso.part.sfj"));
        assert_eq!(names.unique(2), Path::new("dir/name.iso.2"));
        let here = Names::of(Path::new("name")).unwrap();
        assert_eq!((&*here.dir, &*here.part), (Path::new("."), Path::new("name.part")));
        assert!(matches!(Names::of(Path::new("..")), Err(StoreError::NoFileName { .. })));
    }

    #[test]
    fn a_name_of_255_bytes_is_shortened_always_the_same_and_unlike_its_neighbour() {
        let (one, other) = ("x".repeat(255), "x".repeat(254) + "y");
        assert_eq!(part_name(&one), part_name(&one));
        assert_ne!(part_name(&one), part_name(&other));
        assert_eq!(part_name(&one).len() + ".sfj.new".len(), MAX_NAME_LEN);
        let cut = part_name(&"\u{fc}".repeat(127));
        assert!(cut.starts_with('\u{fc}') && cut.len() + ".sfj.new".len() <= MAX_NAME_LEN);
        let just_fits = "x".repeat(MAX_NAME_LEN - LONGEST_SUFFIX.len());
        assert_eq!(part_name(&just_fits), just_fits.clone() + ".part");
        assert_ne!(part_name(&(just_fits.clone() + "x")), just_fits + "x.part");
    }

    #[test]
    fn a_name_that_is_no_text_is_shortened_too() {
        let name = OsStr::from_bytes(&[0x80; 255]);
        assert_eq!(shorten(name).len(), "~0123456789abcdef".len(), "nothing of it is sure to be whole");
    }
}
