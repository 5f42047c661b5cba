//! Ports for servers: one block per server, held by a file lock, so that instances of many test processes never meet.

use std::fs::{File, TryLockError};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the kernel's range for outgoing connections (32768 by default), above the well-known ones.
const FIRST: u16 = 20_000;
const BLOCK: u16 = 128;
const BLOCKS: u16 = 96;
/// Most passive ports of one server: what a block has besides the control port.
pub(super) const MOST_PASSIVE: u16 = BLOCK - 1;

/// The same for all processes of the machine, whatever their `TMPDIR`.
const LOCKS: &str = "/tmp/segfetch-testkit-ports";

/// A control port and the passive ports after it, nobody else's while this lives.
#[derive(Debug)]
pub(super) struct Ports {
    pub(super) control: u16,
    pub(super) passive: RangeInclusive<u16>,
    _lock: File,
}

impl Ports {
    /// Takes a block whose first `1 + passive` ports can be listened on at `ip`.
    pub(super) fn take(ip: IpAddr, passive: u16) -> io::Result<Self> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        if passive == 0 || passive > MOST_PASSIVE {
            return Err(io::Error::other(format!("a passive range has 1 to {MOST_PASSIVE} ports, not {passive}")));
        }
        std::fs::create_dir_all(LOCKS)?;
        // Processes start at different places; the locks alone make it right.
        let start = (std::process::id() % u32::from(BLOCKS)) as u16;
        for _ in 0..BLOCKS {
            let block = (start + NEXT.fetch_add(1, Ordering::Relaxed) % BLOCKS) % BLOCKS;
            let control = FIRST + block * BLOCK;
            let lock = File::create(format!("{LOCKS}/{control}"))?;
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => return Err(error),
            }
            let passive = control + 1..=control + passive;
            if std::iter::once(control).chain(passive.clone()).all(|port| is_free(ip, port)) {
                return Ok(Self { control, passive, _lock: lock });
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "no free block of ports for a test server"))
    }
}

fn is_free(ip: IpAddr, port: u16) -> bool {
    TcpListener::bind(SocketAddr::new(ip, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_blocks_never_overlap_and_a_dropped_one_is_free_again() {
        let ip = IpAddr::from([127, 0, 0, 1]);
        let first = Ports::take(ip, MOST_PASSIVE).unwrap();
        let second = Ports::take(ip, 2).unwrap();
        assert_eq!(second.passive.clone().count(), 2);
        assert!(!first.passive.contains(&second.control) && first.control != second.control);
        let path = format!("{LOCKS}/{}", first.control);
        assert!(File::open(&path).unwrap().try_lock().is_err());
        drop(first);
        assert!(File::open(&path).unwrap().try_lock().is_ok());
    }

    #[test]
    fn a_passive_range_of_no_ports_or_too_many_is_refused() {
        let ip = IpAddr::from([127, 0, 0, 1]);
        assert!(Ports::take(ip, 0).is_err());
        assert!(Ports::take(ip, BLOCK).is_err());
    }
}
