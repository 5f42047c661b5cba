//! Where a download goes. Names come from URLs and servers, and both may be hostile.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why there is no usable target.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum NamingError {
    #[error("{url} names no file to save it as; choose a name with -o")]
    NoName { url: String },
    #[error("{url} would be saved as {}, which is not a safe name; choose one with -o", printable(.name.as_os_str()))]
    Unsafe { url: String, name: OsString },
    #[error("{} is no directory, and several files go there", printable(.0.as_os_str()))]
    NotADirectory(PathBuf),
    #[error("there is no directory {}; make it first", printable(.0.as_os_str()))]
    NoDirectory(PathBuf),
    #[error("{} and {} would both use {}; fetch them one by one, with -o", .first, .second, printable(.path.as_os_str()))]
    Collision { first: String, second: String, path: PathBuf },
}

/// Where the file of `url` goes, whose last path segment is `name`, decoded.
///
/// # Errors
/// [`NamingError`] if there is no directory or no safe name.
pub(crate) fn target(
    output: Option<&Path>,
    url: &str,
    name: Option<&[u8]>,
    several: bool,
) -> Result<PathBuf, NamingError> {
    let directory = match output {
        None => Path::new(""),
        Some(path) if path.is_dir() => path,
        Some(path) if ends_with_separator(path) => return Err(NamingError::NoDirectory(path.to_owned())),
        Some(path) if several => return Err(NamingError::NotADirectory(path.to_owned())),
        Some(path) => return Ok(path.to_owned()),
    };
    let name = os_string(name.unwrap_or_default());
    if name.is_empty() {
        return Err(NamingError::NoName { url: url.to_owned() });
    }
    if !is_safe(&name) {
        return Err(NamingError::Unsafe { url: url.to_owned(), name });
    }
    Ok(directory.join(name))
}

/// A name for what follows on `target` as the `number`-th file, or later: `talk.2.asf`. The first one that nothing is in the way of.
pub(crate) fn following(target: &Path, number: &mut u32) -> PathBuf {
    loop {
        let mut name = target.file_stem().unwrap_or_default().to_owned();
        name.push(format!(".{number}"));
        if let Some(extension) = target.extension() {
            name.push(".");
            name.push(extension);
        }
        *number = number.saturating_add(1);
        let path = target.with_file_name(name);
        if BESIDE.iter().all(|suffix| beside(&path, suffix).symlink_metadata().is_err()) {
            return path;
        }
    }
}

/// What one download writes: the file, and what is kept beside it until it is complete.
const BESIDE: [&str; 5] = ["", ".part", ".part.sfj", ".part.sfj.new", ".part.tidy"];

fn beside(target: &Path, suffix: &str) -> PathBuf {
    let mut path = target.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Removes what an incomplete download of which nothing had come has left.
pub(crate) fn remove_part(target: &Path) {
    for suffix in [".part", ".part.sfj"] {
        // It may not be there.
        let _ = std::fs::remove_file(beside(target, suffix));
    }
}

/// Refuses two downloads that would write the same file: a target, or what the engine keeps beside it.
///
/// # Errors
/// [`NamingError::Collision`] names both.
pub(crate) fn check_collisions<'a>(targets: impl IntoIterator<Item = (&'a str, &'a Path)>) -> Result<(), NamingError> {
    let mut seen: HashMap<PathBuf, &str> = HashMap::new();
    for (url, target) in targets {
        for suffix in BESIDE {
            let path = beside(target, suffix);
            if let Some(first) = seen.insert(path.clone(), url) {
                return Err(NamingError::Collision { first: first.into(), second: url.into(), path });
            }
        }
    }
    Ok(())
}

/// Whether a name stays in its directory, on the systems that this runs on.
fn is_safe(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    let forbidden: &[u8] = if cfg!(windows) { b"/\\:\0" } else { b"/\0" };
    !matches!(bytes, b"" | b"." | b"..") && !bytes.iter().any(|byte| forbidden.contains(byte))
}

fn ends_with_separator(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

#[cfg(unix)]
fn os_string(bytes: &[u8]) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
}

#[cfg(not(unix))]
fn os_string(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// A name as it can be shown on a terminal: nothing in it moves the cursor or changes a colour.
pub(crate) fn printable(name: &OsStr) -> String {
    clean(&name.to_string_lossy())
}

/// A text of foreign origin as it can be shown on a terminal: control characters are escaped.
pub(crate) fn clean(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match is_control(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
        out
    })
}

/// Controls of both sets, and the marks that reorder text.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &[u8]) -> Result<PathBuf, NamingError> {
        target(None, "ftp://h/x", Some(name), false)
    }

    #[test]
    fn a_plain_name_goes_into_the_present_directory() {
        assert_eq!(named(b"disc.iso"), Ok(PathBuf::from("disc.iso")));
        assert_eq!(named(b"-"), Ok(PathBuf::from("-")));
        assert_eq!(named(b".hidden"), Ok(PathBuf::from(".hidden")));
        assert_eq!(named("\u{e9}t\u{e9}".as_bytes()), Ok(PathBuf::from("\u{e9}t\u{e9}")));
    }

    #[test]
    fn a_name_that_leaves_its_directory_is_refused() {
        for name in [&b".."[..], b".", b"../x", b"a/b", b"/etc/passwd", b"a\0b"] {
            assert!(matches!(named(name), Err(NamingError::Unsafe { .. })), "{name:?}");
        }
        assert!(matches!(named(b""), Err(NamingError::NoName { .. })));
        assert!(matches!(target(None, "ftp://h/", None, false), Err(NamingError::NoName { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_utf8_are_kept_as_they_are() {
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(named(b"f\xff").unwrap().as_os_str().as_bytes(), b"f\xff");
    }

    #[test]
    fn an_output_is_a_directory_if_it_is_one_and_a_file_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let to = |path: &Path, several| target(Some(path), "ftp://h/x", Some(b"x"), several);
        assert_eq!(to(dir.path(), true), Ok(dir.path().join("x")));
        let file = dir.path().join("name");
        assert_eq!(to(&file, false), Ok(file.clone()));
        assert_eq!(to(&file, true), Err(NamingError::NotADirectory(file.clone())));
        let slash = dir.path().join("none/");
        assert_eq!(to(&slash, false), Err(NamingError::NoDirectory(slash.clone())));
    }

    #[test]
    fn an_output_that_is_a_file_needs_no_name_in_the_url() {
        let file = Path::new("chosen");
        assert_eq!(target(Some(file), "ftp://h/", None, false), Ok(file.to_owned()));
    }

    #[test]
    fn two_downloads_may_not_share_a_target_or_a_part() {
        let check = |names: &[&str]| check_collisions(names.iter().map(|name| (*name, Path::new(*name))));
        assert_eq!(check(&["a", "b", "a.gz"]), Ok(()));
        assert!(matches!(check(&["a", "b", "a"]), Err(NamingError::Collision { .. })));
        assert!(matches!(check(&["a", "a.part"]), Err(NamingError::Collision { .. })));
        assert!(matches!(check(&["a.part.sfj", "a"]), Err(NamingError::Collision { .. })));
    }

    #[test]
    fn what_follows_has_a_number_before_its_extension_and_takes_no_name_that_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let name = |target: &str, number: &mut u32| {
            let path = following(&dir.path().join(target), number);
            path.strip_prefix(dir.path()).unwrap().to_str().unwrap().to_owned()
        };
        let mut number = 2;
        assert_eq!(name("talk.asf", &mut number), "talk.2.asf");
        assert_eq!(name("talk.asf", &mut number), "talk.3.asf");
        assert_eq!(name("a.b.wmv", &mut 2), "a.b.2.wmv");
        assert_eq!(name("talk", &mut 2), "talk.2");
        assert_eq!(name(".hidden", &mut 2), ".hidden.2");
        for used in ["talk.2.asf", "talk.3.asf.part", "talk.4.asf.part.tidy"] {
            std::fs::write(dir.path().join(used), "").unwrap();
        }
        assert_eq!(name("talk.asf", &mut 2), "talk.5.asf");
    }

    #[test]
    fn nothing_that_is_shown_can_drive_a_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\r\n\u{9b}c"), "a\\u{1b}[2Jb\\r\\n\\u{9b}c");
        assert_eq!(clean("\u{202e}gpj.exe"), "\\u{202e}gpj.exe");
        assert_eq!(clean("\u{e9}t\u{e9} \u{4e2d}"), "\u{e9}t\u{e9} \u{4e2d}");
    }
}
