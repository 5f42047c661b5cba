//! Media servers: films and live streams.

mod changes;
mod codes;
mod download;
mod hostile;
mod live;
mod probe;
mod recorded;
mod resume;

use std::path::Path;

use mms_proto::testing::{Film, Habits, PaddingField, Server};

/// Every way to the same film.
const WAYS: [&str; 4] = ["mms", "mmst", "mmsh", "mmsu"];

/// A film of 320 packets, most of them with padding.
fn film(seed: u64) -> Film {
    Film::builder().packets(320).padding(PaddingField::Word, &[0, 1, 7, 300]).seed(seed).build()
}

/// A film of so many MiB, which plays for a few seconds.
fn long_film(mib: u32, seed: u64) -> Film {
    Film::builder().packet_size(1 << 14).packets(mib * 64).sample_rate(1 << 19).seed(seed).build()
}

/// A server of `/f.asf`.
fn server(film: &Film, habits: Habits) -> Server {
    Server::builder().film("/f.asf", film.clone()).habits(habits).start().unwrap()
}

/// Fails unless the file is what a client can have of the film, with the first wrong byte named.
fn assert_served(path: &Path, film: &Film) {
    let found = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let served = film.served();
    assert_eq!(found.len(), served.len(), "length of {}", path.display());
    let wrong = found.iter().zip(&served).position(|(found, served)| found != served);
    assert_eq!(wrong, None, "first wrong byte of {}", path.display());
}
