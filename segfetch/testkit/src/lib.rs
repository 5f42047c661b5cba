//! Test tools of the workspace: never published, never a dependency of released code.
//!
//! | module | what |
//! |---|---|
//! | [`lab`] | real FTP servers (vsftpd, proftpd, pure-ftpd, pyftpdlib) started from a test, their logs as values |
//! | [`relay`] | a user-space TCP relay in front of an FTP server: delay, rate cap, black-out, kill, counters |
//! | [`mem`] | a reader that hands out bytes in given pieces, and every way to cut them in two |
//! | [`watched`] | connections that are counted, and can be ended from outside |
//! | [`corpus`] | the inputs that fuzzing found worth keeping, held against a property |
//! | [`files`] | big sparse and pseudo-random files |
//! | [`fds`], [`find_bin`], [`need_bin`] | open descriptors of this process; programs that a test runs |

pub mod corpus;
pub mod files;
pub mod lab;
pub mod mem;
pub mod relay;
pub mod watched;

use std::path::{Path, PathBuf};

pub use files::{random_file, sparse_file};

/// Number of open file descriptors of this process.
///
/// Compare two counts of one test process; other tests of the same process open descriptors too.
///
/// # Panics
/// Where there is no `/proc`.
pub fn fds() -> usize {
    let listed = std::fs::read_dir("/proc/self/fd").expect("/proc/self/fd is readable").count();
    listed.saturating_sub(1) // the directory itself was open while it was read
}

/// Private root under which `.ci/servers` unpacks the FTP servers.
pub fn servers_root() -> PathBuf {
    std::env::var_os("SEGFETCH_SERVERS").map_or_else(|| PathBuf::from("/opt/segfetch-servers"), PathBuf::from)
}

/// Finds a program: under [`servers_root`], then in `PATH`, then in the usual `sbin` directories.
pub fn find_bin(name: &str) -> Option<PathBuf> {
    let root = servers_root();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = [root.join("usr/sbin"), root.join("usr/bin")]
        .into_iter()
        .chain(std::env::split_paths(&path))
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/bin"].map(PathBuf::from));
    places.map(|dir| dir.join(name)).find(|candidate| is_program(candidate))
}

/// Like [`find_bin`], for a test that cannot do without.
///
/// # Panics
/// If there is no such program; the message says how to install it.
pub fn need_bin(name: &str) -> PathBuf {
    find_bin(name).unwrap_or_else(|| panic!("{name} is not installed: run .ci/servers as root"))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_opened_file_is_one_more_descriptor_until_it_is_closed() {
        // Other tests of this binary open and close files at the same time: look until the difference is seen.
        let seen = (0..1000).any(|_| {
            let before = super::fds();
            let file = std::fs::File::open("/dev/null").expect("opens");
            let during = super::fds();
            drop(file);
            during == before + 1 && super::fds() == before
        });
        assert!(seen);
    }

    #[test]
    fn a_program_of_the_system_is_found_and_an_invented_one_is_not() {
        assert!(super::find_bin("sh").is_some_and(|path| path.is_absolute()));
        assert_eq!(super::find_bin("no-such-program-here"), None);
    }
}
