//! `segfetch probe`: what is there, and what its server can do.

mod film;

use std::io::{self, Write};

use segfetch::source::{Access, Extent, Pace, RangeSource, SourceContext, SourceInfo, Strength};
use segfetch_cli::Schemes;
use segfetch_cli::mms::Media;

use crate::args::Probe;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::naming::{clean, printable};
use crate::render::{self, Answer, Subject, algorithm_word, bytes, hex, utc};
use crate::signals::{self, Stop};

/// Asks about every URL, one after the other.
///
/// # Errors
/// If a URL is none; then nothing was asked.
pub(crate) async fn probe(args: &Probe, schemes: &Schemes, stop: Stop) -> Result<Exit, Failure> {
    let remotes: Result<Vec<_>, _> = args.urls.iter().map(|url| schemes.remote(url)).collect();
    let mut exit = Exit::Done;
    let cx = SourceContext::new();
    for remote in remotes.map_err(|error| Failure::new(Exit::Usage, error.to_string()))? {
        let result = tokio::select! {
            result = remote.source.probe(&cx) => result.map_err(|error| Failure::of_source(&error)),
            signal = signals::asked(stop.clone()) => return Ok(signal),
        };
        exit = exit.worse(result.as_ref().err().map_or(Exit::Done, |failure| failure.exit));
        let url = clean(remote.source.label());
        let host = remote.source.host().map(|host| clean(host.as_str()));
        let subject = Subject { name: url.clone(), url, host, target: None };
        let features = remote.features();
        let media = remote.media.as_ref().and_then(Media::facts);
        // Nobody to read the answer is no failure of the probe.
        let _ = if args.json {
            let answer = |info| Answer { info, features: &features, media: media.as_ref() };
            let result = result.as_ref().map(answer);
            render::print_probe_json(&mut io::stdout(), &subject, result)
        } else {
            match &result {
                Ok(info) => {
                    let mut text = describe(&subject, info, &features);
                    media.iter().for_each(|facts| text += &film::describe(facts));
                    io::stdout().write_all(text.as_bytes())
                }
                Err(failure) => writeln!(io::stderr(), "{}: {failure}", subject.name),
            }
        };
    }
    Ok(exit)
}

/// The answer for people.
fn describe(subject: &Subject, info: &SourceInfo, features: &[&str]) -> String {
    let mut text = format!("{}\n", subject.url);
    let mut row = |name: &str, value: &str| text += &format!("  {name:<12}{value}\n");
    row(
        "length",
        &match info.extent {
            Extent::Known(len) => format!("{len} bytes ({})", bytes(len)),
            Extent::AtLeast(len) => format!("at least {len} bytes"),
            Extent::Growing => "none yet: it is made while it is sent".into(),
            _ => "not stated".into(),
        },
    );
    row("modified", &info.modified.map_or("not stated".into(), |(seconds, _)| utc(seconds)));
    row(
        "starts",
        match info.access {
            Access::Random => "at any byte: several connections, and going on after an interruption",
            Access::FromStartOnly => "at the beginning only: one connection, and an interruption begins anew",
            _ => "once, from where it is",
        },
    );
    row(
        "ends",
        if info.exact_ends { "where it is asked to" } else { "at the end of the file; a range is cut by closing it" },
    );
    row(
        "recognised",
        match info.validator.strength() {
            Strength::Strong => "by a strong validator: a change is always noticed",
            Strength::Weak => "by a weak validator (length and time): a change is nearly always noticed",
            _ => "by its bytes only: --checksum is the way to be sure",
        },
    );
    if let Some(digest) = &info.digest {
        row("digest", &format!("{}:{}", algorithm_word(digest.algorithm), hex(&digest.bytes)));
    }
    if let Some(max) = info.sessions.max {
        row("connections", &format!("at most {max} at once"));
    }
    if let Pace::RealTime { bytes_per_second } = info.pace {
        row("pace", &format!("real time, {}/s", bytes(bytes_per_second)));
    }
    if let Some(host) = &subject.host {
        row("server", host);
    }
    if !features.is_empty() {
        row("offers", &features.join(", "));
    }
    if let Some(name) = &info.name {
        row("name", &printable(String::from_utf8_lossy(name).as_ref().as_ref()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use segfetch::source::{Digest, DigestAlgorithm, Sessions, Validator};

    fn subject() -> Subject {
        Subject { url: "ftp://h/f".into(), name: "f".into(), host: Some("h:21:anna".into()), target: None }
    }

    #[test]
    fn an_answer_is_a_table_of_what_the_server_said() {
        let info = SourceInfo::new(Extent::Known(1 << 20), Access::Random)
            .with_modified(951_782_400, 0)
            .with_validator(Validator::new(Strength::Weak, &b"x"[..]))
            .with_sessions(Sessions::at_most(4))
            .with_digest(Digest::new(DigestAlgorithm::Sha256, vec![0xab; 32]))
            .with_name(&b"a\x1b[2J"[..]);
        let text = describe(&subject(), &info, &["EPSV", "MLST"]);
        for part in [
            "length      1048576 bytes (1.00 MiB)\n",
            "2000-02-29 00:00:00 UTC",
            "at any byte",
            "weak",
            "at most 4",
            "sha256:abab",
            "h:21:anna",
            "EPSV, MLST",
            "a\\u{1b}[2J",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn what_a_server_does_not_say_is_not_invented() {
        let text = describe(&subject(), &SourceInfo::new(Extent::Unknown, Access::Sequential), &[]);
        assert_eq!(text.matches("not stated").count(), 2, "{text}");
        assert!(text.contains("by its bytes only") && !text.contains("connections"), "{text}");
    }
}
