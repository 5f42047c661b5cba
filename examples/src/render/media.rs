//! What is said at the end about a file from a media server: what is not as the server has it, and what was made of it.

use mms_proto::asf::Padding;
use segfetch_cli::mms::{Gaps, Tidied};

use super::text::{bytes, seconds};

/// What a download from a media server did beside fetching.
#[derive(Clone, Debug)]
pub(crate) struct MediaSummary {
    /// The worst that happened to a packet.
    pub(crate) padding: Padding,
    /// It was a live stream.
    pub(crate) live: bool,
    /// Streams of the header that were not fetched.
    pub(crate) left_out: Vec<u8>,
    /// What was made of it, unless it is as it came.
    pub(crate) tidied: Option<Tidied>,
    /// What of a live stream is not in it.
    pub(crate) gaps: Gaps,
    /// What became of what a live stream went on with.
    pub(crate) followed: Option<Followed>,
}

/// Another content that followed a live stream.
#[derive(Clone, Debug)]
pub(crate) enum Followed {
    /// It is in the file of this name; nothing in it can drive a terminal.
    In(String),
    /// It would have needed a file, and there is none, or there are too many already.
    Nowhere,
}

impl MediaSummary {
    /// The lines below the one that says that it is done.
    pub(crate) fn lines(&self) -> Vec<String> {
        let left_out: Vec<_> = self.left_out.iter().map(u8::to_string).collect();
        let left_out = match left_out.len() {
            0 => None,
            1 => Some(format!("Stream {} was left out.", left_out[0])),
            _ => Some(format!("Streams {} were left out.", left_out.join(", "))),
        };
        let padding = match self.padding {
            Padding::Full => None,
            Padding::Restored => {
                Some("Padding that the server takes off its packets was put back; they are the original's.")
            }
            Padding::Reconstructed => Some(
                "Padding that the server takes off its packets was put back; how the original counts it is not known, so some may differ there (see --relay).",
            ),
            _ => Some(
                "Padding that the server takes off its packets was put back, though it counts it otherwise: some may not be the original's (see --relay).",
            ),
        };
        [left_out, padding.map(str::to_owned), self.made(), self.missing(), self.further()]
            .into_iter()
            .flatten()
            .collect()
    }

    fn missing(&self) -> Option<String> {
        let length = seconds(self.gaps.length);
        match self.gaps.count {
            0 => None,
            1 => Some(format!("The connection broke once: for {length} nothing was recorded.")),
            count => Some(format!("The connection broke {count} times: for {length} in all nothing was recorded.")),
        }
    }

    fn further(&self) -> Option<String> {
        match self.followed.as_ref()? {
            Followed::In(name) => Some(format!("Another content followed, with a header of its own; it is in {name}.")),
            Followed::Nowhere => Some(
                "Another content followed, with a header of its own, which needs another file; it was not recorded."
                    .into(),
            ),
        }
    }

    fn made(&self) -> Option<String> {
        let Some(tidied) = &self.tidied else {
            return self
                .live
                .then(|| "As it came: its header does not say how long it is, and players cannot seek in it.".into());
        };
        let mut text = match tidied.index_len {
            0 => "Counts and durations were put right; there is no video to make an index of.".to_owned(),
            len => format!(
                "Counts and durations were put right, and an index of {} was added: players can seek.",
                bytes(len)
            ),
        };
        if tidied.empty > 0 {
            text += &format!(
                " {} of {} packets have nothing of the streams that were wanted, and are not in it.",
                tidied.empty,
                tidied.packets + tidied.empty
            );
        }
        if tidied.unreadable > 0 {
            text += &format!(" {} of {} packets could not be read; they are kept.", tidied.unreadable, tidied.packets);
        }
        Some(text)
    }
}

/// `full`, `restored`, `reconstructed` or `ambiguous`.
pub(crate) fn padding_word(padding: Padding) -> &'static str {
    match padding {
        Padding::Full => "full",
        Padding::Restored => "restored",
        Padding::Reconstructed => "reconstructed",
        _ => "ambiguous",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(padding: Padding, live: bool, left_out: &[u8]) -> String {
        summary(padding, live, left_out).lines().join("\n")
    }

    fn summary(padding: Padding, live: bool, left_out: &[u8]) -> MediaSummary {
        let left_out = left_out.to_vec();
        MediaSummary { padding, live, left_out, tidied: None, gaps: Gaps::default(), followed: None }
    }

    #[test]
    fn what_is_missing_of_a_live_stream_and_what_followed_is_said() {
        let mut told = summary(Padding::Full, true, &[]);
        told.gaps.count = 1;
        told.gaps.length = std::time::Duration::from_secs(12);
        told.followed = Some(Followed::In("f.2.asf".into()));
        let lines = told.lines();
        assert_eq!(lines[1], "The connection broke once: for 12 s nothing was recorded.");
        assert!(lines[2].ends_with("it is in f.2.asf."), "{lines:?}");
        told.gaps.count = 3;
        told.followed = Some(Followed::Nowhere);
        let lines = told.lines();
        assert_eq!(lines[1], "The connection broke 3 times: for 12 s in all nothing was recorded.");
        assert!(lines[2].ends_with("it was not recorded."), "{lines:?}");
    }

    #[test]
    fn what_is_as_the_server_has_it_needs_no_word() {
        assert_eq!(lines(Padding::Full, false, &[]), "");
    }

    #[test]
    fn what_is_not_is_said() {
        assert!(lines(Padding::Restored, false, &[]).contains("they are the original's"));
        assert!(lines(Padding::Reconstructed, false, &[]).contains("some may differ"));
        assert!(lines(Padding::Ambiguous, false, &[]).contains("some may not be the original's"));
        assert_eq!(lines(Padding::Full, false, &[3]), "Stream 3 was left out.");
        assert_eq!(lines(Padding::Full, false, &[3, 4]), "Streams 3, 4 were left out.");
        assert!(lines(Padding::Full, true, &[]).starts_with("As it came"));
    }
}
