//! What strace says, as values: when each call began, and when it returned.
//!
//! ```text
//! 4711 pwrite64(9</d/f.part>, "\x00\x01"..., 1048576, 0) = 1048576           began and returned, nothing between
//! 4711 fdatasync(9</d/f.part> <unfinished ...>                                began
//! 4712 ...
//! 4711 <... fdatasync resumed>)           = 0                                 returned
//! ```
//! strace sees a call before it is carried out, and its return before the thread goes on. So what began on a later line than another call
//! returned on did begin after it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A thread asks for it.
    Began(u32, Call),
    /// What the thread asked for is done; `None` if it failed.
    Returned(u32, Option<u64>),
}

/// A call that changes files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    /// `len` bytes to `offset`, of which strace shows the first.
    Write {
        path: PathBuf,
        offset: u64,
        len: u64,
        shown: Vec<u8>,
    },
    /// To where the last one has ended.
    WriteOn(PathBuf),
    Sync(PathBuf),
    SetLen {
        path: PathBuf,
        len: u64,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Unlink(PathBuf),
}

/// The steps of a log, in order. Calls that say nothing about the order are left out.
pub(super) fn parse(log: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut open: HashMap<u32, bool> = HashMap::new();
    for line in log.lines() {
        let Some((pid, rest)) = line.trim_start().split_once(' ') else { continue };
        let (Ok(pid), rest) = (pid.parse::<u32>(), rest.trim_start()) else { continue };
        if let Some(resumed) = rest.strip_prefix("<... ") {
            if open.remove(&pid) == Some(true) {
                steps.push(Step::Returned(pid, result(resumed)));
            }
            continue;
        }
        let Some((name, rest)) = rest.split_once('(') else { continue };
        if let Some(args) = rest.strip_suffix(" <unfinished ...>") {
            let call = call(name, args);
            open.insert(pid, call.is_some());
            steps.extend(call.map(|call| Step::Began(pid, call)));
        } else if let Some((args, _)) = rest.split_once(')')
            && let Some(call) = call(name, args)
        {
            steps.extend([Step::Began(pid, call), Step::Returned(pid, result(rest))]);
        }
    }
    steps
}

/// `... = 7`, `... = -1 ENOENT (No such file or directory)`.
fn result(line: &str) -> Option<u64> {
    line.rsplit_once(" = ")?.1.split(' ').next()?.parse().ok()
}

fn call(name: &str, args: &str) -> Option<Call> {
    // Nothing within an argument is a comma: all text is escaped.
    let args: Vec<&str> = args.split(", ").map(str::trim_end).collect();
    let number = |index: usize| args.get(index)?.parse::<u64>().ok();
    let descriptor = |index: usize| path(args.get(index)?.split_once('<')?.1.strip_suffix('>')?);
    let text = |index: usize| path(args.get(index)?.strip_prefix('"')?.strip_suffix('"')?);
    Some(match name {
        "pwrite64" => {
            let shown = args.get(1)?.trim_end_matches("...").strip_prefix('"')?.strip_suffix('"')?;
            Call::Write { path: descriptor(0)?, offset: number(3)?, len: number(2)?, shown: unescaped(shown) }
        }
        // Nobody writes to files of a download in this way; if somebody does, bytes are missing in the count of those written.
        "write" => Call::WriteOn(descriptor(0).filter(|path| path.is_absolute())?),
        "fdatasync" | "fsync" => Call::Sync(descriptor(0)?),
        "ftruncate" => Call::SetLen { path: descriptor(0)?, len: number(1)? },
        "rename" => Call::Rename { from: text(0)?, to: text(1)? },
        "renameat" | "renameat2" => Call::Rename { from: text(1)?, to: text(3)? },
        "unlink" => Call::Unlink(text(0)?),
        "unlinkat" => Call::Unlink(text(1)?),
        _ => return None,
    })
}

fn path(escaped: &str) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let bytes = unescaped(escaped);
    (!bytes.is_empty()).then(|| Path::new(std::ffi::OsStr::from_bytes(&bytes)).to_owned())
}

/// `\x41b` is `Ab`.
fn unescaped(text: &str) -> Vec<u8> {
    let mut pieces = text.split("\\x");
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (hex, plain) = piece.split_at(piece.len().min(2));
        bytes.extend(u8::from_str_radix(hex, 16));
        bytes.extend(plain.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_as_strace_6_1_writes_it_is_understood() {
        let log = r#"10 pwrite64(9<\x2f\x64/f.part>, "\x00\x41"..., 1048576, 4096) = 1048576
10    fdatasync(9</d/f.part> <unfinished ...>
11 fallocate(9</d/f.part>, FALLOC_FL_KEEP_SIZE, 0, 7) = 0
12 ftruncate(9</d/f.part>, 7 <unfinished ...>
10 <... fdatasync resumed>)           = 0
12 <... ftruncate resumed>) = -1 EIO (Input/output error)
11 renameat2(AT_FDCWD</d>, "\x66.part", AT_FDCWD</d>, "\x66", RENAME_NOREPLACE) = 0
11 fsync(12</d>)                      = 0
11 unlink("f.part.sfj")            = -1 ENOENT (No such file or directory)
11 write(1<pipe:[5]>, "\x64", 1) = 1
11 +++ exited with 0 +++
"#;
        let part = || PathBuf::from("/d/f.part");
        let write = Call::Write { path: part(), offset: 4096, len: 1 << 20, shown: b"\0A".to_vec() };
        let expected = [
            Step::Began(10, write),
            Step::Returned(10, Some(1 << 20)),
            Step::Began(10, Call::Sync(part())),
            Step::Began(12, Call::SetLen { path: part(), len: 7 }),
            Step::Returned(10, Some(0)),
            Step::Returned(12, None),
            Step::Began(11, Call::Rename { from: "f.part".into(), to: "f".into() }),
            Step::Returned(11, Some(0)),
            Step::Began(11, Call::Sync("/d".into())),
            Step::Returned(11, Some(0)),
            Step::Began(11, Call::Unlink("f.part.sfj".into())),
            Step::Returned(11, None),
        ];
        assert_eq!(parse(log), expected);
    }
}
