//! Events for programs: one JSON object per line. The manual (README.md) lists every field; a test compares the two.

mod film;

use std::io::{self, Write};
use std::time::{Duration, Instant};

use segfetch::source::{Access, DigestAlgorithm, ErrorClass, Phase, SourceInfo, Strength};
use segfetch::{Event, Integrity, Progress, Stage};
use segfetch_cli::mms::Facts;
use serde::Serialize;

use super::media::padding_word;
use super::{Subject, Summary, View};
use crate::exit::Exit;
use crate::failure::Failure;
use film::Film;

/// Raised when a field changes its meaning or goes away; new events and new fields do not raise it.
const VERSION: u8 = 1;

/// Between two `progress` lines of one download; the last one before the end always comes.
const EVERY: Duration = Duration::from_secs(1);

/// Writes events to a program.
#[derive(Debug)]
pub(crate) struct Json<W> {
    /// `None` once the reader has gone away.
    out: Option<W>,
    subjects: Vec<Subject>,
    last: Vec<Option<Instant>>,
    unsaid: Vec<Option<Progress>>,
}

#[derive(Serialize)]
struct Line<'a> {
    v: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    #[serde(flatten)]
    body: Body<'a>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Body<'a> {
    Start {
        url: &'a str,
        target: Option<String>,
    },
    Probed {
        #[serde(flatten)]
        info: Info,
    },
    Resumed {
        have: u64,
        damaged: u64,
    },
    Opened {
        worker: u32,
        start: u64,
    },
    Closed {
        worker: u32,
        front: u64,
    },
    Retry {
        worker: u32,
        class: &'static str,
        phase: &'static str,
        message: &'a str,
    },
    Throttled {
        granted: u16,
        message: &'a str,
    },
    Checkpoint {
        durable: u64,
        took_ms: u64,
    },
    Restarted {
        reason: &'a str,
    },
    Missed {
        count: u64,
    },
    Progress {
        stage: &'static str,
        total: Option<u64>,
        received: u64,
        written: u64,
        durable: u64,
        resumed: u64,
        rate: u64,
        left_ms: Option<u64>,
        connections: usize,
        limit: Option<u16>,
    },
    Server {
        features: &'a [&'static str],
    },
    Media {
        #[serde(flatten)]
        film: Film<'a>,
    },
    Stopping {},
    /// A file of a live stream that went on in another one.
    Part(Done),
    Done(Done),
    Failed {
        code: u8,
        kind: &'static str,
        message: &'a str,
        advice: Option<&'a str>,
        durable: u64,
    },
    Exit {
        code: u8,
    },
}

/// What became of a file.
#[derive(Serialize)]
struct Done {
    path: Option<String>,
    length: u64,
    fetched: u64,
    resumed: u64,
    elapsed_ms: u64,
    integrity: &'static str,
    opens: u32,
    retries: u32,
    refusals: u32,
    already_complete: bool,
    sha256: Option<String>,
    padding: Option<&'static str>,
    tidied: Option<bool>,
    gaps: Option<u32>,
    gaps_ms: Option<u64>,
}

/// What a probe found.
#[derive(Serialize)]
struct Info {
    length: Option<u64>,
    modified: Option<i64>,
    validator: &'static str,
    access: &'static str,
    exact_ends: bool,
    max_sessions: Option<u16>,
    host: Option<String>,
    digest: Option<String>,
}

impl<W: Write> Json<W> {
    pub(crate) fn new(out: W, subjects: Vec<Subject>) -> Self {
        let (last, unsaid) = (vec![None; subjects.len()], vec![None; subjects.len()]);
        Self { out: Some(out), subjects, last, unsaid }
    }

    /// A reader who went away is no reason to stop the download.
    fn write(&mut self, id: Option<usize>, body: Body<'_>) {
        if let Some(out) = &mut self.out
            && write_line(out, &Line { v: VERSION, id, body }).is_err()
        {
            self.out = None;
        }
    }

    fn write_progress(&mut self, id: usize, progress: &Progress) {
        let body = Body::Progress {
            stage: stage(progress.stage),
            total: progress.total,
            received: progress.received,
            written: progress.written,
            durable: progress.durable,
            resumed: progress.resumed,
            rate: progress.rate,
            left_ms: progress.time_left().map(millis),
            connections: progress.workers.len(),
            limit: progress.limit,
        };
        self.write(Some(id), body);
    }
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    out.write_all(&text)?;
    out.flush()
}

/// What a probe has found out.
#[derive(Clone, Copy)]
pub(crate) struct Answer<'a> {
    pub(crate) info: &'a SourceInfo,
    /// What the server can do.
    pub(crate) features: &'a [&'static str],
    /// If it is a media server.
    pub(crate) media: Option<&'a Facts>,
}

/// Writes what `probe --json` says of one URL: what the file is, and what its server can do.
pub(crate) fn print_probe(
    out: &mut impl Write,
    subject: &Subject,
    result: Result<Answer<'_>, &Failure>,
) -> io::Result<()> {
    let mut say = |body| write_line(out, &Line { v: VERSION, id: None, body });
    say(Body::Start { url: &subject.url, target: None })?;
    match result {
        Ok(Answer { info, features, media }) => {
            say(Body::Probed { info: Info::new(info, subject) })?;
            media.map_or(Ok(()), |facts| say(Body::Media { film: Film::new(facts) }))?;
            say(Body::Server { features })
        }
        Err(failure) => say(failed(failure)),
    }
}

impl<W: Write> View for Json<W> {
    fn started(&mut self, id: usize) {
        let Subject { url, target, .. } = self.subjects[id].clone();
        let target = target.map(|path| path.to_string_lossy().into_owned());
        self.write(Some(id), Body::Start { url: &url, target });
    }

    fn event(&mut self, id: usize, event: &Event) {
        let body = match event {
            Event::Probed(info) => Body::Probed { info: Info::new(info, &self.subjects[id]) },
            Event::Resumed { have, damaged } => Body::Resumed { have: *have, damaged: *damaged },
            Event::Opened { worker, start } => Body::Opened { worker: *worker, start: *start },
            Event::Closed { worker, front } => Body::Closed { worker: *worker, front: *front },
            Event::Retry { worker, class, phase, message } => {
                Body::Retry { worker: *worker, class: class_word(*class), phase: phase_word(*phase), message }
            }
            Event::Throttled { granted, message } => Body::Throttled { granted: *granted, message },
            Event::Checkpointed { durable, took } => Body::Checkpoint { durable: *durable, took_ms: millis(*took) },
            Event::Restarted { reason } => Body::Restarted { reason },
            Event::Missed(count) => Body::Missed { count: *count },
            _ => return,
        };
        self.write(Some(id), body);
    }

    fn progress(&mut self, now: Instant, id: usize, progress: &Progress) {
        if self.last[id].is_some_and(|last| now.duration_since(last) < EVERY) {
            self.unsaid[id] = Some(progress.clone());
            return;
        }
        (self.last[id], self.unsaid[id]) = (Some(now), None);
        self.write_progress(id, progress);
    }

    fn went_on(&mut self, id: usize, result: &Result<Summary, Failure>) {
        let body = result.as_ref().map_or_else(failed, |summary| Body::Part(Done::new(summary)));
        self.write(Some(id), body);
    }

    fn ended(&mut self, id: usize, result: &Result<Summary, Failure>) {
        if let Some(progress) = self.unsaid[id].take() {
            self.write_progress(id, &progress);
        }
        let body = result.as_ref().map_or_else(failed, |summary| Body::Done(Done::new(summary)));
        self.write(Some(id), body);
    }

    fn stopping(&mut self) {
        self.write(None, Body::Stopping {});
    }

    fn finished(&mut self, exit: Exit) {
        self.write(None, Body::Exit { code: exit.code() });
    }
}

fn failed(failure: &Failure) -> Body<'_> {
    Body::Failed {
        code: failure.exit.code(),
        kind: failure.exit.kind(),
        message: &failure.text,
        advice: failure.advice.as_deref(),
        durable: failure.durable,
    }
}

impl Done {
    fn new(summary: &Summary) -> Self {
        let media = summary.media.as_ref();
        let gaps = media.filter(|media| media.live).map(|media| media.gaps);
        Self {
            path: summary.path.as_ref().map(|path| path.to_string_lossy().into_owned()),
            length: summary.len,
            fetched: summary.fetched,
            resumed: summary.resumed,
            elapsed_ms: millis(summary.elapsed),
            integrity: match summary.integrity {
                Integrity::Digest => "digest",
                Integrity::Validator => "validator",
                Integrity::OneStream => "one-stream",
                _ => "unverified",
            },
            opens: summary.opens,
            retries: summary.retries,
            refusals: summary.refusals,
            already_complete: summary.already_complete,
            sha256: summary.sha256.map(|sha256| hex(&sha256)),
            padding: media.map(|media| padding_word(media.padding)),
            tidied: media.map(|media| media.tidied.is_some()),
            gaps: gaps.map(|gaps| gaps.count),
            gaps_ms: gaps.map(|gaps| millis(gaps.length)),
        }
    }
}

impl Info {
    fn new(info: &SourceInfo, subject: &Subject) -> Self {
        Self {
            length: info.extent.known(),
            modified: info.modified.map(|(seconds, _)| seconds),
            validator: strength_word(info.validator.strength()),
            access: access_word(info.access),
            exact_ends: info.exact_ends,
            max_sessions: info.sessions.max,
            host: subject.host.clone(),
            digest: info
                .digest
                .as_ref()
                .map(|digest| format!("{}:{}", algorithm_word(digest.algorithm), hex(&digest.bytes))),
        }
    }
}

/// `none`, `weak` or `strong`.
pub(crate) fn strength_word(strength: Strength) -> &'static str {
    match strength {
        Strength::Strong => "strong",
        Strength::Weak => "weak",
        _ => "none",
    }
}

/// `random`, `from-start` or `sequential`.
pub(crate) fn access_word(access: Access) -> &'static str {
    match access {
        Access::Random => "random",
        Access::FromStartOnly => "from-start",
        _ => "sequential",
    }
}

/// The name that a digest is written with.
pub(crate) fn algorithm_word(algorithm: DigestAlgorithm) -> &'static str {
    match algorithm {
        DigestAlgorithm::Sha256 => "sha256",
        DigestAlgorithm::Sha512 => "sha512",
        DigestAlgorithm::Sha1 => "sha1",
        DigestAlgorithm::Md5 => "md5",
        _ => "other",
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Starting => "starting",
        Stage::Waiting => "waiting",
        Stage::Paused => "paused",
        Stage::Receiving => "receiving",
        Stage::Verifying => "verifying",
        Stage::Finishing => "finishing",
        _ => "ended",
    }
}

fn class_word(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Transient => "transient",
        ErrorClass::Throttled { .. } => "throttled",
        ErrorClass::RangeNotSupported => "range-not-supported",
        ErrorClass::Changed => "changed",
        ErrorClass::NotFound => "not-found",
        ErrorClass::Denied => "denied",
        ErrorClass::Permanent => "permanent",
        _ => "unknown",
    }
}

fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Resolve => "resolve",
        Phase::Connect => "connect",
        Phase::Login => "login",
        Phase::Probe => "probe",
        Phase::Open => "open",
        Phase::Body => "body",
        _ => "stop",
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
