//! A run of the command: every URL a download, all under one engine.
//!
//! The downloads live on the runtime's own threads. Whatever is shown is shown by the main thread alone, so that a terminal
//! or a pipe that does not take it slows nothing down: the engine drops the events that nobody reads in time.

mod file;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use segfetch::adapters::OrderedStream;
use segfetch::source::Digest;
use segfetch::{DownloadError, Engine, EngineConfig, Event, Progress};
use segfetch_cli::{Remote, Schemes};
use tokio::sync::mpsc;

use crate::args::Fetch;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::media::Take;
use crate::naming::{self, clean, printable};
use crate::render::{self, Followed, Loudness, Subject, Summary};
use crate::signals::{self, Stop};
use crate::stream::{self, StreamError};

/// Messages that may wait for the screen.
const QUEUE: usize = 64;

/// What a download tells the screen.
enum Message {
    Event(Event),
    Progress(Progress),
    /// A file is over, and the download goes on in another one.
    WentOn(Result<Summary, Failure>),
    Ended(Result<Summary, Failure>),
}

/// A download's way to the screen.
#[derive(Clone)]
struct Screen {
    id: usize,
    to: mpsc::Sender<(usize, Message)>,
}

impl Screen {
    /// Waits while the screen is behind; the engine does not wait for us.
    async fn tell(&self, message: Message) {
        let _ = self.to.send((self.id, message)).await;
    }

    /// What does not fit is not shown.
    fn offer(&self, message: Message) {
        let _ = self.to.try_send((self.id, message));
    }
}

/// Fetches everything.
///
/// # Errors
/// If the command line cannot be carried out; then nothing was begun.
pub(crate) async fn fetch(args: &Fetch, schemes: &Schemes, stop: Stop) -> Result<Exit, Failure> {
    let (remotes, subjects) = plan(args, schemes)?;
    let engine = Engine::new(EngineConfig::default())
        .map_err(|error| Failure::new(Exit::Other, format!("cannot start: {error}")))?;
    engine.set_rate_limit(args.limit_rate);
    let loudness = match (args.quiet, args.verbose) {
        (true, _) => Loudness::Quiet,
        (_, true) => Loudness::Verbose,
        _ => Loudness::Normal,
    };
    let mut views = render::views(&subjects, loudness, args.json, args.patience);
    let (to, mut messages) = mpsc::channel(QUEUE);
    let shared = Arc::new(args.clone());
    for (id, (remote, subject)) in remotes.into_iter().zip(&subjects).enumerate() {
        let screen = Screen { id, to: to.clone() };
        let take = Take::new(remote.media, &args.mms);
        match &subject.target {
            Some(target) => {
                let download = args.download(remote.source, target);
                let file = file::File { engine: engine.clone(), args: Arc::clone(&shared), screen, stop: stop.clone() };
                tokio::spawn(file.run(download, target.clone(), take));
            }
            None => {
                let told = screen.clone();
                let stream = args.stream(remote.source).on_event(move |event| told.offer(Message::Event(event)));
                tokio::spawn(to_stdout(stream, args.checksum.clone(), take, screen, stop.clone()));
            }
        }
    }
    drop(to);
    // Only now: a screen that takes nothing does not keep downloads from beginning.
    (0..subjects.len()).for_each(|id| views.iter_mut().for_each(|view| view.started(id)));
    let mut exit = Exit::Done;
    let mut asked = std::pin::pin!(signals::asked(stop));
    let mut stopping = false;
    loop {
        tokio::select! {
            _ = &mut asked, if !stopping => {
                stopping = true;
                views.iter_mut().for_each(|view| view.stopping());
            }
            message = messages.recv() => match message {
                None => break,
                Some((id, Message::Event(event))) => views.iter_mut().for_each(|view| view.event(id, &event)),
                Some((id, Message::Progress(progress))) => {
                    let now = Instant::now();
                    views.iter_mut().for_each(|view| view.progress(now, id, &progress));
                }
                Some((id, Message::WentOn(result))) => {
                    exit = exit.worse(result.as_ref().err().map_or(Exit::Done, |failure| failure.exit));
                    views.iter_mut().for_each(|view| view.went_on(id, &result));
                }
                Some((id, Message::Ended(result))) => {
                    exit = exit.worse(result.as_ref().err().map_or(Exit::Done, |failure| failure.exit));
                    views.iter_mut().for_each(|view| view.ended(id, &result));
                }
            }
        }
    }
    views.iter_mut().for_each(|view| view.finished(exit));
    Ok(exit)
}

/// Finds out what goes where, before anything is begun.
fn plan(args: &Fetch, schemes: &Schemes) -> Result<(Vec<Remote>, Vec<Subject>), Failure> {
    let usage = |error: &dyn std::error::Error| Failure::new(Exit::Usage, error.to_string());
    let several = args.urls.len() > 1;
    let mut remotes = Vec::new();
    let mut subjects = Vec::new();
    for url in &args.urls {
        let remote = schemes.remote(url).map_err(|error| usage(&error))?;
        let url = clean(remote.source.label());
        let target = if args.to_stdout() {
            None
        } else {
            let name = remote.name.as_deref();
            Some(naming::target(args.output.as_deref(), &url, name, several).map_err(|error| usage(&error))?)
        };
        let name = target.as_ref().and_then(|path| path.file_name()).map_or_else(|| url.clone(), printable);
        let host = remote.source.host().map(|host| clean(host.as_str()));
        subjects.push(Subject { url, name, host, target });
        remotes.push(remote);
    }
    let targets = subjects.iter().filter_map(|subject| Some((&*subject.url, subject.target.as_deref()?)));
    naming::check_collisions(targets).map_err(|error| usage(&error))?;
    if let Some(option) = args.mms.given().filter(|_| remotes.iter().all(|remote| remote.media.is_none())) {
        let text = format!("{option} is for media servers (mms:// and its kin), and no URL leads to one");
        return Err(Failure::new(Exit::Usage, text));
    }
    Ok((remotes, subjects))
}

/// Streams one file, and tells the screen, for which it does not wait.
async fn to_stdout(stream: OrderedStream, expected: Option<Digest>, take: Take, screen: Screen, stop: Stop) {
    let mut out = tokio::io::stdout();
    let tell = |progress| screen.offer(Message::Progress(progress));
    let result = tokio::select! {
        result = stream::copy(stream, &mut out, expected.as_ref(), tell) => result,
        () = cancelled(&take, stop.clone()) => Err(DownloadError::Cancelled { durable: 0 }.into()),
    };
    let result = result.map_err(|error| match error {
        StreamError::Download(error) => Failure::of(&error, None, *stop.borrow(), &Progress::default()),
        StreamError::Output(error) => Failure::new(Exit::Storage, output_gone(&error)),
    });
    let result = match result {
        Ok(summary) => {
            let followed = take.next().await.map(|_| Followed::Nowhere);
            take.finish(summary, followed).await
        }
        Err(failure) => Err(failure),
    };
    screen.tell(Message::Ended(result)).await;
}

/// Waits until the user asks to stop, and nothing is there that could end in good order.
async fn cancelled(take: &Take, stop: Stop) {
    signals::asked(stop).await;
    if take.end() {
        std::future::pending::<()>().await;
    }
}

fn output_gone(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::BrokenPipe => "the reader of standard output has gone away".into(),
        _ => format!("cannot write to standard output: {error}"),
    }
}
