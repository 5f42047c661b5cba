//! What a probe says of a film on a media server, below what it says of any file.

use std::fmt::Write;

use segfetch_cli::mms::{Facts, StreamFacts};

use crate::naming::clean;
use crate::render::seconds;

/// The rows for people. What servers and makers of films have written cannot drive a terminal.
pub(super) fn describe(facts: &Facts) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<12}{value}");
    };
    row(
        "media",
        match (facts.live, facts.seekable) {
            (true, _) => "live: it is recorded from now on, until Ctrl-C, or for as long as --duration says",
            (false, true) => "a film, from any packet on",
            (false, false) => "a film, from its beginning on",
        },
    );
    let of = facts.server.as_ref().map_or(String::new(), |server| format!(", from {}", clean(server)));
    row("transport", &format!("{}{of}", facts.transport));
    let packets = facts.packets.map_or("packets".to_owned(), |packets| format!("{packets} packets"));
    row("packets", &format!("{packets} of {} bytes", facts.packet_size));
    if let Some(duration) = facts.duration {
        row("plays", &seconds(duration));
    }
    if let Some(rate) = facts.bit_rate {
        row("bit rate", &bit_rate(rate));
    }
    for stream in &facts.streams {
        row(&format!("stream {}", stream.number), &of_stream(stream));
    }
    let written = &facts.description;
    for (name, value) in [
        ("title", &written.title),
        ("author", &written.author),
        ("copyright", &written.copyright),
        ("about", &written.description),
        ("rating", &written.rating),
    ] {
        if !value.is_empty() {
            row(name, &clean(value));
        }
    }
    text
}

/// `video, WMV2, 320x240, 250 kbit/s`.
fn of_stream(stream: &StreamFacts) -> String {
    let parts = [
        Some(stream.kind.to_owned()),
        stream.codec.as_deref().map(clean),
        stream.shape.clone(),
        stream.bit_rate.map(bit_rate),
        stream.encrypted.then(|| "encrypted".to_owned()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// In powers of 1000, as bit rates are.
fn bit_rate(bits: u32) -> String {
    match bits {
        0..10_000 => format!("{bits} bit/s"),
        _ => format!("{} kbit/s", bits / 1000),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_film_is_a_row_for_each_thing_that_is_known() {
        let mut stream = StreamFacts::default();
        (stream.number, stream.kind, stream.bit_rate) = (2, "video", Some(250_000));
        (stream.codec, stream.shape) = (Some("WM\u{1b}2".into()), Some("320x240".into()));
        let mut facts = Facts::default();
        (facts.transport, facts.server) = ("MMSH".into(), Some("Cougar/9.01".into()));
        (facts.packets, facts.packet_size, facts.seekable) = (Some(324), 3200, true);
        (facts.duration, facts.bit_rate) = (Some(Duration::from_secs(75)), Some(9000));
        facts.streams = vec![stream];
        facts.description.title = "A\u{202e}B".into();
        assert_eq!(
            describe(&facts),
            "  media       a film, from any packet on\n\
             \x20 transport   MMSH, from Cougar/9.01\n\
             \x20 packets     324 packets of 3200 bytes\n\
             \x20 plays       1 min 15 s\n\
             \x20 bit rate    9000 bit/s\n\
             \x20 stream 2    video, WM\\u{1b}2, 320x240, 250 kbit/s\n\
             \x20 title       A\\u{202e}B\n"
        );
    }

    #[test]
    fn what_nobody_said_has_no_row() {
        let mut facts = Facts::default();
        facts.live = true;
        let text = describe(&facts);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("live: ") && !text.contains("plays"), "{text}");
    }
}
