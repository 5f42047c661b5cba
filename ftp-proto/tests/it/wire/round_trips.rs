//! Round trips over invented values, and invented bytes into every property.

use bytes::{Bytes, BytesMut};
use ftp_proto::wire::{Arg, Code, Command, Iac, InvalidArg, Path, Reply, ReplyLimits, Url};
use proptest::collection::vec;
use proptest::prelude::*;

use super::properties::{self, encode, trace};

/// Bytes that replies are made of, so that invented streams have lines, codes and Telnet.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    const LINES: &[&str] = &["226 ", "226-", "150 ", "211-", "\r\n", "\n", "\r", "226\r\n", "226-a\r\nb\r\n226 c\r\n"];
    const TELNET: &[&[u8]] = &[b"\r\0", b"\0", b"\xFF", b"\xFF\xFB", b"\xFF\xFF", b"\xFF\xFA", b"\xFF\xF0"];
    let token = prop_oneof![
        4 => prop::sample::select(LINES).prop_map(|token| token.as_bytes().to_vec()),
        1 => prop::sample::select(TELNET).prop_map(<[u8]>::to_vec),
        2 => vec(any::<u8>(), 0..8),
    ];
    vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

fn text() -> impl Strategy<Value = Bytes> {
    let byte = any::<u8>().prop_filter("neither LF nor NUL", |byte| !matches!(byte, b'\n' | 0));
    vec(byte, 0..40).prop_map(Bytes::from)
}

proptest! {
    #[test]
    fn any_stream_reads_the_same_at_any_cut(data in stream(), cuts in vec(any::<prop::sample::Index>(), 0..6)) {
        properties::replies(&data);
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.index(data.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut start = 0;
        for cut in cuts.into_iter().chain([data.len()]) {
            pieces.push(&data[start..cut]);
            start = cut;
        }
        let limits = ReplyLimits::default();
        prop_assert_eq!(trace(limits, pieces), trace(limits, [data.as_slice()]));
    }

    #[test]
    fn a_reply_sent_is_the_reply_read(code in 100_u16..600, first in text(), inner in vec(text(), 0..6), last in text()) {
        let code = Code::new(code).expect("a code");
        let single = Reply::new(code, [last.clone()]);
        // A space keeps an inner line from being a last one or a Telnet command.
        let inner = inner.into_iter().map(|line| Bytes::from([b" ", &line[..]].concat()));
        let multi = Reply::new(code, std::iter::once(first).chain(inner).chain([last]));
        let sent = [encode(&multi), encode(&single)].concat();
        let trace = trace(ReplyLimits::default(), [sent.as_slice()]);
        prop_assert_eq!((trace.replies, trace.end), (vec![multi, single], Ok(None)));
    }

    #[test]
    fn any_bytes_are_a_whole_argument_or_none(bytes in vec(any::<u8>(), 0..64)) {
        let forbidden = bytes.iter().position(|byte| b"\r\n\0".contains(byte));
        match Arg::new(bytes.clone()) {
            Ok(arg) => {
                prop_assert!(forbidden.is_none() && !bytes.is_empty());
                let (mut raw, mut doubled) = (BytesMut::new(), BytesMut::new());
                Command::Retr(arg.clone()).encode(&mut raw);
                Command::Retr(arg).encode_with(&mut doubled, Iac::Doubled);
                prop_assert_eq!(&raw[..], [b"RETR ", &bytes[..], b"\r\n"].concat());
                let ff = bytes.iter().filter(|&&byte| byte == 0xFF).count();
                prop_assert_eq!(doubled.len(), raw.len() + ff);
            }
            Err(InvalidArg::Forbidden { offset, .. }) => prop_assert_eq!(Some(offset), forbidden),
            Err(error) => prop_assert_eq!((error, bytes.len()), (InvalidArg::Empty, 0)),
        }
    }

    #[test]
    fn invented_values_hold_every_property(text in "[ \"(),;=|.0-9a-zA-Z\\n-]{0,60}", bytes in vec(any::<u8>(), 0..60)) {
        for data in [text.as_bytes(), &bytes] {
            properties::pasv_epsv(data);
            properties::mlst(data);
        }
    }

    #[test]
    fn invented_entries_hold_every_property(
        facts in vec(("(?i)(size|modify|type|unique|perm|x)", "[0-9a-z:=.]{0,16}"), 0..5), path in "[ -~]{1,12}",
    ) {
        let facts: String = facts.into_iter().map(|(name, value)| format!("{name}={value};")).collect();
        properties::mlst(format!("\n {facts} {path}\n").as_bytes());
    }

    #[test]
    fn any_path_survives_its_url(segments in vec(vec(1_u8.., 1..12), 0..6), directory: bool, user in vec(1_u8.., 1..8)) {
        let clean = |bytes: Vec<u8>| bytes.into_iter().map(|byte| if b"\r\n".contains(&byte) { b'%' } else { byte }).collect();
        let mut segments: Vec<Vec<u8>> = segments.into_iter().map(clean).collect();
        if directory || segments.is_empty() {
            segments.push(Vec::new());
        }
        let user: Vec<u8> = clean(user);
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let joined = segments.iter().map(|segment| hex(segment)).collect::<Vec<_>>().join("/");
        let url = format!("ftp://{}:{}@h/{joined}", hex(&user), hex(b"hunter2"));
        let parsed = Url::parse(&url).expect("a URL");
        prop_assert_eq!(parsed.path(), &Path::new(segments).expect("a path"));
        prop_assert_eq!(parsed.user().map(Arg::as_bytes), Some(&user[..]));
        let shown = format!("{parsed}{parsed:?}");
        prop_assert!(!shown.contains("hunter2"));
        properties::url(url.as_bytes());
    }

    #[test]
    fn invented_urls_hold_every_property(url in "ftp://([a-z:%0-9]{0,6}@)?[a-z0-9.:\\[\\]]{1,8}(/[ -~]{0,20}){0,3}(;type=[aidx])?") {
        properties::url(url.as_bytes());
    }
}
