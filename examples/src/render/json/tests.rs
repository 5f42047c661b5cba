//! The events, and the manual that lists them.

use std::collections::{BTreeMap, BTreeSet};

use mms_proto::asf::Padding;
use segfetch::source::{Extent, Validator};
use segfetch_cli::mms::{Gaps, StreamFacts};
use serde_json::Value;

use super::*;
use crate::render::MediaSummary;

fn subject() -> Subject {
    Subject { url: "ftp://h/f".into(), name: "f".into(), host: Some("h:21:anna".into()), target: Some("d/f".into()) }
}

fn summary() -> Summary {
    Summary {
        path: Some("d/f".into()),
        len: 10,
        fetched: 6,
        resumed: 4,
        elapsed: Duration::from_millis(1500),
        integrity: Integrity::OneStream,
        opens: 1,
        retries: 2,
        refusals: 3,
        already_complete: false,
        sha256: Some([0xab; 32]),
        media: Some(MediaSummary {
            padding: Padding::Restored,
            live: true,
            left_out: Vec::new(),
            tidied: None,
            gaps: Gaps::default(),
            followed: None,
        }),
    }
}

fn answer<'a>(info: &'a SourceInfo, media: Option<&'a Facts>) -> Answer<'a> {
    Answer { info, features: &["EPSV"], media }
}

/// What a media server says of a film.
fn film() -> Facts {
    let mut stream = StreamFacts::default();
    (stream.number, stream.kind, stream.codec) = (2, "audio", Some("MP3".into()));
    let mut facts = Facts::default();
    (facts.transport, facts.packets, facts.packet_size) = ("MMST".into(), Some(3), 1400);
    facts.duration = Some(Duration::from_millis(1500));
    facts.description.title = "A \u{1b}[2J".into();
    facts.streams = vec![stream];
    facts
}

/// One of every event.
fn all() -> Vec<String> {
    let mut json = Json::new(Vec::new(), vec![subject()]);
    json.started(0);
    let info = SourceInfo::new(Extent::Known(10), Access::Random)
        .with_modified(1, 2)
        .with_validator(Validator::new(Strength::Weak, &b"v"[..]));
    let (class, phase, message) = (ErrorClass::Transient, Phase::Body, "reset \u{1b}[2J".to_owned());
    for event in [
        Event::Probed(Box::new(info)),
        Event::Resumed { have: 4, damaged: 0 },
        Event::Opened { worker: 1, start: 4 },
        Event::Closed { worker: 1, front: 10 },
        Event::Retry { worker: 1, class, phase, message },
        Event::Throttled { granted: 2, message: "421".into() },
        Event::Checkpointed { durable: 8, took: Duration::from_millis(3) },
        Event::Restarted { reason: "other time".into() },
        Event::Missed(5),
    ] {
        json.event(0, &event);
    }
    let mut progress = Progress::default();
    progress.total = Some(10);
    progress.rate = 5;
    json.progress(Instant::now(), 0, &progress);
    json.stopping();
    json.went_on(0, &Ok(summary()));
    json.ended(0, &Ok(summary()));
    json.ended(0, &Err(Failure::new(Exit::Network, "gone")));
    json.finished(Exit::Network);
    String::from_utf8(json.out.unwrap()).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn every_event_has_the_fields_that_version_1_had() {
    assert_eq!(
        all(),
        [
            r#"{"v":1,"id":0,"event":"start","url":"ftp://h/f","target":"d/f"}"#,
            r#"{"v":1,"id":0,"event":"probed","length":10,"modified":1,"validator":"weak","access":"random","exact_ends":false,"max_sessions":null,"host":"h:21:anna","digest":null}"#,
            r#"{"v":1,"id":0,"event":"resumed","have":4,"damaged":0}"#,
            r#"{"v":1,"id":0,"event":"opened","worker":1,"start":4}"#,
            r#"{"v":1,"id":0,"event":"closed","worker":1,"front":10}"#,
            r#"{"v":1,"id":0,"event":"retry","worker":1,"class":"transient","phase":"body","message":"reset \u001b[2J"}"#,
            r#"{"v":1,"id":0,"event":"throttled","granted":2,"message":"421"}"#,
            r#"{"v":1,"id":0,"event":"checkpoint","durable":8,"took_ms":3}"#,
            r#"{"v":1,"id":0,"event":"restarted","reason":"other time"}"#,
            r#"{"v":1,"id":0,"event":"missed","count":5}"#,
            r#"{"v":1,"id":0,"event":"progress","stage":"starting","total":10,"received":0,"written":0,"durable":0,"resumed":0,"rate":5,"left_ms":2000,"connections":0,"limit":null}"#,
            r#"{"v":1,"event":"stopping"}"#,
            r#"{"v":1,"id":0,"event":"part","path":"d/f","length":10,"fetched":6,"resumed":4,"elapsed_ms":1500,"integrity":"one-stream","opens":1,"retries":2,"refusals":3,"already_complete":false,"sha256":"abababababababababababababababababababababababababababababababab","padding":"restored","tidied":false,"gaps":0,"gaps_ms":0}"#,
            r#"{"v":1,"id":0,"event":"done","path":"d/f","length":10,"fetched":6,"resumed":4,"elapsed_ms":1500,"integrity":"one-stream","opens":1,"retries":2,"refusals":3,"already_complete":false,"sha256":"abababababababababababababababababababababababababababababababab","padding":"restored","tidied":false,"gaps":0,"gaps_ms":0}"#,
            r#"{"v":1,"id":0,"event":"failed","code":3,"kind":"network","message":"gone","advice":null,"durable":0}"#,
            r#"{"v":1,"event":"exit","code":3}"#,
        ]
    );
}

#[test]
fn the_manual_lists_every_event_with_every_field() {
    let mut manual = BTreeMap::new();
    let section = include_str!("../../../README.md").split("\n## Events").nth(1).unwrap();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
        let cells: Vec<_> = row.split('|').collect();
        manual.insert(cells[1].trim().trim_matches('`').to_owned(), words(cells[2]));
    }
    let mut probe = Vec::new();
    let info = SourceInfo::new(Extent::Unknown, Access::Sequential);
    print_probe(&mut probe, &subject(), Ok(answer(&info, Some(&film())))).unwrap();
    let mut printed = BTreeMap::new();
    for line in all().into_iter().chain(String::from_utf8(probe).unwrap().lines().skip(2).map(str::to_owned)) {
        let Value::Object(mut object) = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
        assert_eq!(object.remove("v"), Some(1.into()));
        let event = object.remove("event").unwrap().as_str().unwrap().to_owned();
        printed.insert(event, object.into_iter().map(|(key, _)| key).collect());
    }
    assert_eq!(manual, printed);
}

#[test]
fn progress_is_printed_once_a_second_and_at_the_end() {
    let mut json = Json::new(Vec::new(), vec![subject()]);
    let start = Instant::now();
    for tenth in 0..=12 {
        let mut progress = Progress::default();
        progress.received = tenth;
        json.progress(start + Duration::from_millis(tenth * 100), 0, &progress);
    }
    json.ended(0, &Ok(summary()));
    let text = String::from_utf8(json.out.unwrap()).unwrap();
    let received: Vec<_> =
        text.lines().filter_map(|line| serde_json::from_str::<Value>(line).unwrap()["received"].as_u64()).collect();
    assert_eq!(received, [0, 10, 12]);
}

#[test]
fn a_reader_that_went_away_stops_the_events_and_nothing_else() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut json = Json::new(Gone, vec![subject()]);
    json.started(0);
    json.stopping();
    assert!(json.out.is_none());
}

#[test]
fn a_probe_is_what_the_file_is_and_what_its_server_can_do() {
    let mut out = Vec::new();
    let info = SourceInfo::new(Extent::Unknown, Access::Sequential);
    print_probe(&mut out, &subject(), Ok(answer(&info, None))).unwrap();
    print_probe(&mut out, &subject(), Err(&Failure::new(Exit::Permanent, "no"))).unwrap();
    let text = String::from_utf8(out).unwrap();
    let events: Vec<_> =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].clone()).collect();
    assert_eq!(events, ["start", "probed", "server", "start", "failed"]);
}

#[test]
fn a_film_is_its_streams_and_what_was_written_about_it() {
    let mut out = Vec::new();
    let info = SourceInfo::new(Extent::Known(10), Access::Random);
    print_probe(&mut out, &subject(), Ok(answer(&info, Some(&film())))).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(
        text.lines().nth(2).unwrap(),
        r#"{"v":1,"event":"media","transport":"MMST","server":null,"live":false,"seekable":false,"packets":3,"packet_size":1400,"duration_ms":1500,"bit_rate":null,"streams":[{"number":2,"kind":"audio","codec":"MP3","shape":null,"bit_rate":null,"encrypted":false}],"title":"A \u001b[2J","author":null,"copyright":null,"description":null,"rating":null}"#
    );
}
