//! The embedded server of `mms-proto` as a process of its own, for the scripts of `release/`: libmms and ffmpeg fetch from it beside
//! segfetch, so that none of them pays for the server.
//!
//! It prints the URLs of its film, a line each, and then does what the lines of its standard input say: `counters` prints what was
//! sent so far, `put SEED` replaces the film by one of the same length. It ends with its input.

use std::io::{BufRead, Write, stdin, stdout};
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use mms_proto::testing::{Film, Habits, Padding, Rate, Server};

#[derive(Parser)]
struct Options {
    /// Length of the film's packets together, in MiB
    #[arg(long, default_value_t = 64)]
    mib: u32,
    /// Length of a packet, in bytes
    #[arg(long, default_value_t = 3200)]
    packet_size: u32,
    /// An ASF file to serve instead of a film that is made
    #[arg(long)]
    film: Option<PathBuf>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What becomes of the padding
    #[arg(long, value_enum, default_value_t = Strip::Zero)]
    strip: Strip,
    /// Bytes per second of each session; as many as go if not given
    #[arg(long, conflicts_with = "play")]
    rate: Option<u64>,
    /// So many times the rate of the film
    #[arg(long)]
    play: Option<u32>,
    /// Where header and packets are written, to be compared with
    #[arg(long)]
    served: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Strip {
    Keep,
    Zero,
    Remove,
}

const PATH: &str = "/film.asf";

impl Options {
    fn film(&self, seed: u64) -> std::io::Result<Film> {
        if let Some(path) = &self.film {
            return Film::from_bytes(std::fs::read(path)?);
        }
        let packets = (u64::from(self.mib) << 20).div_ceil(self.packet_size.into());
        let packets = u32::try_from(packets).unwrap_or(u32::MAX);
        Ok(Film::builder().packet_size(self.packet_size as usize).packets(packets).seed(seed).build())
    }
}

fn main() -> std::io::Result<()> {
    let options = Options::parse();
    let film = options.film(options.seed)?;
    if let Some(path) = &options.served {
        std::fs::write(path, film.served())?;
    }
    let padding = match options.strip {
        Strip::Keep => Padding::Kept,
        Strip::Zero => Padding::Zeroed,
        Strip::Remove => Padding::Removed,
    };
    let rate = match (options.rate, options.play) {
        (Some(bytes), _) => Rate::Bytes(bytes),
        (None, Some(times)) => Rate::Play(times),
        (None, None) => Rate::Unlimited,
    };
    println!("play_seconds {:.3}", film.play_ms() as f64 / 1000.0);
    let runtime = tokio::runtime::Runtime::new()?;
    let habits = Habits::default().padding(padding).rate(rate);
    let server = Server::builder().film(PATH, film).habits(habits).start_on(runtime.handle())?;
    for scheme in ["mmst", "mmsh", "mmsu"] {
        println!("{scheme} {}", server.url(scheme, PATH));
    }
    println!("ready");
    stdout().flush()?;
    for line in stdin().lock().lines() {
        match line?.split_whitespace().collect::<Vec<_>>()[..] {
            ["counters"] => {
                let seen = server.counters();
                println!("{} {} {}", seen.bytes_sent, seen.plays, seen.open);
            }
            ["put", seed] => {
                server.put(PATH, options.film(seed.parse().unwrap_or_default())?);
                println!("put");
            }
            _ => println!("?"),
        }
        stdout().flush()?;
    }
    Ok(())
}
