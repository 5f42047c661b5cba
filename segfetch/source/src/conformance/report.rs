//! All sentences in a row.

use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use super::{Fixture, NotApplicable, Outcome, Situation};

/// What became of one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It does not apply to this source.
    NotApplicable(NotApplicable),
    /// It is broken; the text says how.
    Broken(String),
}

/// The verdict on every sentence, in the order of the suite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    verdicts: Vec<(&'static str, Verdict)>,
}

impl Report {
    /// Name and verdict of every sentence.
    pub fn verdicts(&self) -> &[(&'static str, Verdict)] {
        &self.verdicts
    }

    /// Names of the sentences that are broken.
    pub fn broken(&self) -> Vec<&'static str> {
        self.names(|verdict| matches!(verdict, Verdict::Broken(_)))
    }

    /// Names of the sentences that do not apply.
    pub fn not_applicable(&self) -> Vec<&'static str> {
        self.names(|verdict| matches!(verdict, Verdict::NotApplicable(_)))
    }

    /// # Panics
    /// With the whole report, if a sentence is broken.
    pub fn assert_passed(&self) {
        assert!(self.broken().is_empty(), "the contract is broken\n{self}");
    }

    fn names(&self, which: impl Fn(&Verdict) -> bool) -> Vec<&'static str> {
        self.verdicts.iter().filter(|(_, verdict)| which(verdict)).map(|(name, _)| *name).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, verdict) in &self.verdicts {
            match verdict {
                Verdict::Holds => writeln!(f, "holds           {name}")?,
                Verdict::NotApplicable(reason) => writeln!(f, "not applicable  {name}: {reason}")?,
                Verdict::Broken(how) => writeln!(f, "BROKEN          {name}: {how}")?,
            }
        }
        Ok(())
    }
}

/// Tries every sentence on one fixture, each from [`Situation::Normal`]. A panic is the verdict on its sentence alone.
pub async fn run_all(fixture: &dyn Fixture) -> Report {
    let mut report = Report::default();
    for (name, sentence) in sentences() {
        let verdict = match caught(async {
            fixture.arrange(Situation::Normal).await.expect("Normal always works");
            sentence(fixture).await
        })
        .await
        {
            Ok(Ok(())) => Verdict::Holds,
            Ok(Err(reason)) => Verdict::NotApplicable(reason),
            Err(panic) => Verdict::Broken(message(&*panic)),
        };
        report.verdicts.push((name, verdict));
    }
    report
}

/// Runs a future on this thread, which sleeps while there is nothing to do. For sources that need no runtime.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(done) => return done,
            Poll::Pending => thread::park(),
        }
    }
}

type Sentence = for<'f> fn(&'f dyn Fixture) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'f>>;

macro_rules! table {
    ({} $($sentence:ident)*) => {
        [$((stringify!($sentence), (|fixture| Box::pin(super::$sentence(fixture))) as Sentence)),*]
    };
}

fn sentences() -> impl IntoIterator<Item = (&'static str, Sentence)> {
    crate::__conformance_sentences! { table; }
}

async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text").to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_sentence_that_is_written_is_tried() {
        let files = [
            include_str!("errors.rs"),
            include_str!("identity.rs"),
            include_str!("places.rs"),
            include_str!("reads.rs"),
            include_str!("sessions.rs"),
        ];
        let lines = files.iter().flat_map(|file| file.lines());
        let written: BTreeSet<_> =
            lines.filter_map(|line| line.strip_prefix("pub async fn ")?.split('(').next()).collect();
        let tried: BTreeSet<_> = sentences().into_iter().map(|(name, _)| name).collect();
        assert_eq!(written, tried);
    }

    #[test]
    fn a_panic_is_the_verdict_on_its_sentence_alone() {
        assert_eq!(block_on(caught(async { 7 })).ok(), Some(7));
        let panic = block_on(caught(async { panic!("with {}", "text") })).map(|()| 0).expect_err("a panic");
        assert_eq!(message(&*panic), "with text");
    }

    #[test]
    fn a_report_tells_what_holds_what_is_broken_and_what_was_left_out() {
        let reason = NotApplicable::because("no such thing");
        let verdicts = vec![
            ("one", Verdict::Holds),
            ("two", Verdict::NotApplicable(reason)),
            ("three", Verdict::Broken("it is".to_owned())),
        ];
        let report = Report { verdicts };
        assert_eq!((report.not_applicable(), report.broken()), (vec!["two"], vec!["three"]));
        let lines = ["holds           one", "not applicable  two: no such thing", "BROKEN          three: it is", ""];
        assert_eq!(report.to_string(), lines.join("\n"));
    }
}
