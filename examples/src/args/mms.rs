//! What the command line says of media servers.

use std::time::Duration;

use clap::Args;
use mms_proto::client::{Fidelity, Streams};
use segfetch_cli::mms::Options;

use super::duration;

/// The options that only media servers have a use for.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Media servers (mms://)")]
pub(crate) struct Mms {
    /// Which streams of a film: all, numbers as 1,3, or max:BITRATE
    ///
    /// The numbers are those that probe shows. max:300k is the best stream of each kind, as long as all together stay within so many bits per
    /// second (k = 1000); at least one of each kind. What is not all is another file than the one on the server, and is made seekable as a recording is.
    #[arg(long, value_name = "WHICH", value_parser = streams, default_value = "all")]
    pub(crate) streams: Streams,

    /// Record so much of a live stream: 90s, 5m, 2h
    ///
    /// Counted by the times in its packets, so that a server that sends ahead does not shorten it. Without it a live stream is recorded until
    /// it ends, or until Ctrl-C. Either way the file is complete, and the exit code is 0. Where the connection breaks, it is asked for again, and goes on in
    /// the same file; where another content follows, with a header of its own, that goes into a file of its own, NAME.2.EXT and so on, and the time
    /// counts over all of them.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,

    /// Keep a recording of a live stream, or some streams of a film, as they came
    ///
    /// Without it, counts, durations and an index are put into the file once it is complete, so that players can seek in it; its packets stay as they
    /// came. A whole film is always kept as it came, unless --tidy is given. With it, zeros stand for packets that have none of the streams
    /// that are wanted.
    #[arg(long, conflicts_with_all = ["tidy", "rebase"])]
    pub(crate) raw: bool,

    /// Make a file seekable that is not live: servers do not send the index
    ///
    /// It is then not byte for byte what the server sent. What came is replaced only when the new file is whole and on the disk.
    #[arg(long)]
    pub(crate) tidy: bool,

    /// Let a recording begin at 0:00, whenever the broadcast was joined. This rewrites the times in its packets
    #[arg(long)]
    pub(crate) rebase: bool,

    /// Say that we are a server that relays
    ///
    /// Media servers leave the padding in the packets then, which they take off for players, and which is put back by
    /// computation. Some servers do not like it.
    #[arg(long)]
    pub(crate) relay: bool,
}

impl Mms {
    /// What is asked of media servers; `patience` as for any other download.
    pub(crate) fn options(&self, patience: Duration) -> Options {
        let mut options = Options::default();
        options.patience = patience;
        options.streams = self.streams.clone();
        options.fidelity = if self.relay { Fidelity::Relay } else { Fidelity::Player };
        options.duration = self.duration;
        options
    }

    /// The first option that was given and has no meaning for other servers.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let all = [
            ("--streams", self.streams != Streams::All),
            ("--duration", self.duration.is_some()),
            ("--raw", self.raw),
            ("--tidy", self.tidy),
            ("--rebase", self.rebase),
            ("--relay", self.relay),
        ];
        all.into_iter().find_map(|(name, given)| given.then_some(name))
    }

    /// Whether a file is to be made one that players can seek in; `made` says that the server has no such file, of a live stream or of some
    /// streams of a film.
    pub(crate) fn tidies(&self, made: bool) -> bool {
        !self.raw && (made || self.tidy || self.rebase)
    }
}

/// `all`, `1,3`, or `max:300k`; a blank or `=` does as well as the colon.
fn streams(text: &str) -> Result<Streams, String> {
    const SHAPE: &str =
        "write it as all, as numbers of streams from 1 to 127 (1,3), or as max:300k, in bits per second";
    if text.eq_ignore_ascii_case("all") {
        return Ok(Streams::All);
    }
    if let Some(rate) = text.strip_prefix("max").and_then(|rest| rest.strip_prefix([':', ' ', '='])) {
        return bit_rate(rate.trim()).map(Streams::BitRate).ok_or_else(|| SHAPE.into());
    }
    let number = |text: &str| text.trim().parse().ok().filter(|number| (1..=127).contains(number));
    let mut numbers: Vec<u8> = text.split(',').map(number).collect::<Option<_>>().ok_or(SHAPE)?;
    numbers.sort_unstable();
    numbers.dedup();
    Ok(Streams::Numbers(numbers))
}

/// `300000`, `300k`, `1M`: bits per second, in powers of 1000.
fn bit_rate(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit {
        "" => 1,
        "k" | "K" => 1000,
        "m" | "M" => 1_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit).filter(|rate| *rate > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::parsed;

    #[test]
    fn streams_are_all_or_some_or_as_many_as_fit() {
        assert_eq!(streams("all"), Ok(Streams::All));
        assert_eq!(streams("3"), Ok(Streams::Numbers(vec![3])));
        assert_eq!(streams("10, 2,10"), Ok(Streams::Numbers(vec![2, 10])));
        for text in ["max:300k", "max 300k", "max=300000"] {
            assert_eq!(streams(text), Ok(Streams::BitRate(300_000)), "{text}");
        }
        assert_eq!(streams("max:2M"), Ok(Streams::BitRate(2_000_000)));
        for wrong in ["", "0", "128", "1,,2", "max", "max:", "max:0", "max:1.5M", "maximum", "video", "-1"] {
            assert!(streams(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_live_stream_is_made_seekable_and_a_file_only_when_that_is_asked_for() {
        let tidies = |options: &str| {
            let mms = parsed(&format!("segfetch {options} mms://h/f")).unwrap().fetch.mms;
            (mms.tidies(true), mms.tidies(false))
        };
        assert_eq!(tidies(""), (true, false));
        assert_eq!(tidies("--raw"), (false, false));
        assert_eq!(tidies("--tidy"), (true, true));
        assert_eq!(tidies("--rebase"), (true, true));
    }

    #[test]
    fn what_is_asked_for_reaches_the_library() {
        let line = "segfetch --streams 1,2 --duration 5m --relay mms://h/f";
        let options = parsed(line).unwrap().fetch.mms.options(Duration::from_secs(7));
        assert_eq!(options.patience, Duration::from_secs(7));
        assert_eq!(options.streams, Streams::Numbers(vec![1, 2]));
        assert_eq!(options.fidelity, Fidelity::Relay);
        assert_eq!(options.duration, Some(Duration::from_secs(300)));
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        for options in
            ["--raw --tidy", "--raw --rebase", "-o - --tidy", "-o - --rebase", "--streams 0", "--duration 0s"]
        {
            assert_eq!(parsed(&format!("segfetch {options} mms://h/f")).unwrap_err().exit_code(), 2, "{options}");
        }
    }

    #[test]
    fn the_option_that_is_named_is_one_that_was_given() {
        for options in ["--streams max:1k", "--duration 1s", "--raw", "--tidy", "--rebase", "--relay"] {
            let given = parsed(&format!("segfetch {options} mms://h/f")).unwrap().fetch.mms.given();
            assert_eq!(given, options.split(' ').next());
        }
        assert_eq!(parsed("segfetch -n 2 mms://h/f").unwrap().fetch.mms.given(), None);
    }
}
