//! The command line.

mod mms;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use segfetch::adapters::OrderedStream;
use segfetch::source::{Digest, DigestAlgorithm, RangeSource};
use segfetch::{Connections, Download, IfExists, OnChange, OnDamage, Verify};

use crate::{exit, stream};
pub(crate) use mms::Mms;

const ABOUT: &str =
    "Fetches files over several connections, and survives anything: kills, power loss, changed files, full disks.";

const EXAMPLES: &str = "\
Examples:
  segfetch ftp://ftp.example.org/pub/disc.iso
        fetch disc.iso into this directory; run it again after any interruption and it goes on
  segfetch -n 8 --limit-rate 2M -o /data/ ftp://ftp.example.org/a.tar https://example.org/b.tar
        two files at once into /data, eight connections each if the server grants them, 2 MiB/s in all
  segfetch --checksum sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 URL
        give the file its name only if it has this digest
  SEGFETCH_PASSWORD=secret segfetch ftp://anna@ftp.example.org/private.bin
        log in as anna; the password is in no process list, no output, and on no disk
  segfetch -o - ftp://ftp.example.org/log.gz | zcat | less
        stream it
  segfetch -n 4 mms://media.example.org/talk.wmv
        a film from a media server; each of the four connections brings a part of it, at the pace of the film
  segfetch --duration 30m -o news.wmv mmsh://live.example.org/radio
        record half an hour of a live stream (Ctrl-C ends it earlier), as a file that players can seek in
  segfetch probe ftp://ftp.example.org/pub/disc.iso
        what is there, and what can the server do? Of a film also: which streams, how long, live or not";

/// What the user asked for.
#[derive(Debug, Parser)]
#[command(name = "segfetch", version, about = ABOUT, after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) fetch: Fetch,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what is behind a URL and what its server can do; fetch nothing
    Probe(Probe),
}

#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// What to ask about
    #[arg(value_name = "URL", required = true)]
    pub(crate) urls: Vec<String>,
    /// Print one JSON object per URL
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Fetch {
    /// What to fetch: ftp://, http://, https:// or mms://[user[:password]@]host[:port]/path
    ///
    /// An FTP path is relative to the login directory; "/%2Fetc/motd" starts at the root. mms:// finds out how a media server wants to be
    /// asked; mmsh:// (HTTP), mmst:// (TCP) and mmsu:// (UDP) say so, and http:// with ?MSWMExt=.asf is mmsh://. Several URLs are fetched
    /// at the same time.
    #[arg(value_name = "URL", required = true)]
    pub(crate) urls: Vec<String>,

    /// Where to: a file, a directory, or - for standard output
    ///
    /// Without it the file is named after the last part of the URL, in the present directory. Until it is complete, it is
    /// called NAME.part, with a journal NAME.part.sfj beside it. Standard output gets the file in order, over several connections that
    /// run ahead by at most 16 MiB in memory (2 MiB for each connection if there are more than 8); nothing is on the disk.
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,

    /// Connections per file, 1 to 64
    ///
    /// Without it, as many as make it faster, at most 8; for standard output, 8. Fewer if the server refuses some. With several URLs the
    /// limit of a server is shared between them.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(Connections::MOST)))]
    pub(crate) connections: Option<u16>,

    /// Most bytes per second, over all files together: 500k, 2M (k = 1024)
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(crate) limit_rate: Option<u64>,

    /// The digest that the file must have: sha256: and 64 hexadecimal digits
    #[arg(long, value_name = "sha256:HEX", value_parser = checksum)]
    pub(crate) checksum: Option<Digest>,

    /// What to do if the file on the server is not the one that was begun
    #[arg(long, value_name = "WHAT", value_enum, default_value = "fail")]
    pub(crate) on_change: Changed,

    /// What to do if the journal of an earlier run is damaged, or the data that it is about is gone
    #[arg(long, value_name = "WHAT", value_enum, default_value = "fail")]
    pub(crate) on_damage: Damaged,

    /// Replace a target that exists, in one step, once the download is complete
    #[arg(long, conflicts_with = "unique")]
    pub(crate) overwrite: bool,

    /// Choose another name (NAME.1, NAME.2, ...) if the target exists
    #[arg(long)]
    pub(crate) unique: bool,

    /// How much of what is on the disk to read back before going on
    #[arg(long, value_name = "HOW", value_enum, default_value = "sample")]
    pub(crate) verify: Reread,

    /// Give up after this long without any progress: 90s, 5m, 2h. Waiting for a place on a full server does not count
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m")]
    pub(crate) patience: Duration,

    /// How often what was received is made durable: 1s, 10s, 5m. A kill loses about this much
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    pub(crate) save_every: Duration,

    /// Print errors only
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Show every connection
    #[arg(short, long, action = ArgAction::SetTrue)]
    pub(crate) verbose: bool,

    /// Print events as JSON on standard output, one object per line
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) mms: Mms,
}

/// `--on-change`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Changed {
    /// Stop; what was fetched of the old file is kept
    Fail,
    /// Throw away what was fetched, and fetch the new file
    Restart,
}

/// `--on-damage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Damaged {
    /// Stop, and change nothing
    Fail,
    /// Fetch everything anew
    Restart,
}

/// `--verify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reread {
    /// Nothing: trust the disk
    Trust,
    /// What was written last, and some blocks at random
    Sample,
    /// Everything
    Full,
}

impl Fetch {
    /// Whether the file goes to standard output.
    pub(crate) fn to_stdout(&self) -> bool {
        self.output.as_ref().is_some_and(|path| path.as_os_str() == "-")
    }

    /// Into a file, with the options that were given.
    pub(crate) fn download(&self, source: impl RangeSource, target: &Path) -> Download {
        let download = Download::new(source, target)
            .connections(self.connections())
            .on_change(match self.on_change {
                Changed::Fail => OnChange::Fail,
                Changed::Restart => OnChange::Restart,
            })
            .on_damage(match self.on_damage {
                Damaged::Fail => OnDamage::Fail,
                Damaged::Restart => OnDamage::Restart,
            })
            .if_exists(match (self.overwrite, self.unique) {
                (true, _) => IfExists::Replace,
                (_, true) => IfExists::Unique,
                _ => IfExists::KeepOrFail,
            })
            .verify(match self.verify {
                Reread::Trust => Verify::Trust,
                Reread::Sample => Verify::Sample(16),
                Reread::Full => Verify::Full,
            })
            .patience(self.patience)
            .checkpoint_every(self.save_every);
        match &self.checksum {
            Some(digest) => download.expect_digest(digest.clone()),
            None => download,
        }
    }

    /// To standard output, with the options that were given.
    pub(crate) fn stream(&self, source: impl RangeSource) -> OrderedStream {
        OrderedStream::new(source)
            .connections(self.connections())
            .window(stream::window(self.connections()))
            .patience(self.patience)
            .rate_limit(self.limit_rate)
    }

    fn connections(&self) -> Connections {
        self.connections.map_or(Connections::Auto, Connections::Exactly)
    }

    /// What clap cannot say: options that do not go together.
    ///
    /// # Errors
    /// The sentence for the user.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.to_stdout() {
            if self.urls.len() > 1 {
                return Err("-o - streams one file: give one URL".into());
            }
            if self.json {
                return Err("-o - and --json both want standard output".into());
            }
            if self.mms.tidy || self.mms.rebase {
                return Err("--tidy and --rebase want a file; -o - is none".into());
            }
            let restarts = self.on_change == Changed::Restart || self.on_damage == Damaged::Restart;
            if self.overwrite || self.unique || restarts {
                return Err(
                    "--overwrite, --unique, --on-change and --on-damage restart have no meaning with -o -".into()
                );
            }
        }
        if self.checksum.is_some() && self.urls.len() > 1 {
            return Err("--checksum belongs to one file: give one URL".into());
        }
        Ok(())
    }
}

/// Reads the command line; a mistake in it ends the process with code 2, `--help` and `--version` with 0.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let cli = Cli::try_parse_from(args)?;
    if cli.command.is_none() {
        cli.fetch.check().map_err(|text| {
            use clap::CommandFactory;
            Cli::command().error(clap::error::ErrorKind::ArgumentConflict, text)
        })?;
    }
    Ok(cli)
}

/// `500`, `500k`, `2M`, `1.5G`: bytes per second, in powers of 1024.
fn rate(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = match unit {
        "" | "B" => 1.0,
        "k" | "K" => 1024.0,
        "m" | "M" => 1024.0 * 1024.0,
        "g" | "G" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err("write it as 500k, 2M or 1.5G, in bytes per second".into()),
    };
    match number.parse::<f64>().map(|number| number * unit) {
        Ok(rate) if (1.0..=1e15).contains(&rate) => Ok(rate as u64),
        _ => Err("write it as 500k, 2M or 1.5G, in bytes per second, at least 1".into()),
    }
}

/// `90`, `90s`, `5m`, `2h`.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("write it as 90s, 5m or 2h".into()),
    };
    match number.parse::<u32>() {
        Ok(number) if number > 0 => Ok(Duration::from_secs(u64::from(number) * unit)),
        _ => Err("write it as 90s, 5m or 2h, more than nothing".into()),
    }
}

/// `sha256:` and 64 hexadecimal digits.
fn checksum(text: &str) -> Result<Digest, String> {
    const SHAPE: &str = "write it as sha256: and 64 hexadecimal digits";
    let (algorithm, hex) = text.split_once(':').ok_or(SHAPE)?;
    if !algorithm.eq_ignore_ascii_case("sha256") {
        return Err(format!("{SHAPE}; only SHA-256 is computed"));
    }
    if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(SHAPE.into());
    }
    let bytes: Result<Vec<u8>, _> = (0..32).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16)).collect();
    Ok(Digest::new(DigestAlgorithm::Sha256, bytes.map_err(|_| SHAPE)?))
}

#[cfg(test)]
mod tests {
    use segfetch_source::conformance::MemorySource;

    use super::*;

    pub(super) fn parsed(line: &str) -> Result<Cli, clap::Error> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_url_alone_is_enough_and_none_is_too_few() {
        let cli = parsed("segfetch ftp://h/f").unwrap();
        assert_eq!(cli.fetch.urls, ["ftp://h/f"]);
        assert_eq!(cli.fetch.patience, Duration::from_secs(300));
        let download = |download: &Download| format!("{download:?}");
        let source = MemorySource::new(1);
        let plain = Download::new(source.clone(), "f");
        assert_eq!(
            download(&cli.fetch.download(source, "f".as_ref())),
            download(&plain),
            "the defaults are the library's"
        );
        assert!(parsed("segfetch").is_err());
    }

    #[test]
    fn what_is_asked_for_reaches_the_library() {
        let line = "segfetch -n 3 --save-every 7s --patience 2m --verify full --on-change restart --on-damage restart --overwrite ftp://h/f";
        let source = MemorySource::new(1);
        let found = parsed(line).unwrap().fetch.download(source.clone(), "f".as_ref());
        let asked = Download::new(source, "f")
            .connections(Connections::Exactly(3))
            .checkpoint_every(Duration::from_secs(7))
            .patience(Duration::from_secs(120))
            .verify(Verify::Full)
            .on_change(OnChange::Restart)
            .on_damage(OnDamage::Restart)
            .if_exists(IfExists::Replace);
        assert_eq!(format!("{found:?}"), format!("{asked:?}"));
        for wrong in ["0s", "1.5s", "soon"] {
            assert!(parsed(&format!("segfetch --save-every {wrong} ftp://h/f")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn probe_is_a_command_of_its_own() {
        let cli = parsed("segfetch probe --json ftp://h/f").unwrap();
        let Some(Command::Probe(probe)) = cli.command else { panic!("not a probe") };
        assert!(probe.json);
        assert_eq!(probe.urls, ["ftp://h/f"]);
        assert!(parsed("segfetch probe").is_err());
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        for line in [
            "segfetch --overwrite --unique ftp://h/f",
            "segfetch -q -v ftp://h/f",
            "segfetch -o - ftp://h/f ftp://h/g",
            "segfetch -o - --json ftp://h/f",
            "segfetch -o - --unique ftp://h/f",
            "segfetch -n 0 ftp://h/f",
            "segfetch -n 65 ftp://h/f",
        ] {
            assert_eq!(parsed(line).unwrap_err().exit_code(), 2, "{line}");
        }
        let digest = "0".repeat(64);
        assert!(parsed(&format!("segfetch --checksum sha256:{digest} ftp://h/f")).is_ok());
        assert!(parsed(&format!("segfetch --checksum sha256:{digest} ftp://h/f ftp://h/g")).is_err());
    }

    #[test]
    fn rates_are_read_in_powers_of_1024() {
        assert_eq!(rate("500"), Ok(500));
        assert_eq!(rate("500k"), Ok(512_000));
        assert_eq!(rate("2M"), Ok(2 << 20));
        assert_eq!(rate("1.5G"), Ok(3 << 29));
        for wrong in ["", "k", "0", "-1", "2T", "1.2.3", "2Mb", "inf", "0.1"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_read_in_seconds_minutes_and_hours() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        for wrong in ["", "m", "0s", "1d", "-1s", "99999999999"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_checksum_has_an_algorithm_and_64_digits() {
        let digest = checksum(&format!("SHA256:{}", "aB".repeat(32))).unwrap();
        assert_eq!(digest.bytes, [0xab; 32]);
        for wrong in [
            "",
            "sha256:",
            "ab",
            &format!("md5:{}", "a".repeat(32)),
            &format!("sha256:{}", "g".repeat(64)),
            &format!("sha256:+{}", "a".repeat(63)),
        ] {
            assert!(checksum(wrong).is_err(), "{wrong}");
        }
    }
}
