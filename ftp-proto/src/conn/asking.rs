//! The questions before a transfer, sent together: what is the file, and which port has its data.

use std::time::Instant;

use super::connection::Work;
use super::control::Expect;
use super::prearm::Ahead;
use super::{Connection, Error, Event, FileFacts};
use crate::wire::{self, Arg, Class, Command, EntryType, Features, Path, Reply};

/// Questions that are under way.
///
/// ```text
///   *( CWD ) SIZE [ MDTM ] [ MLST ]        stat
///   *( CWD ) SIZE [ MDTM ] [ MLST ] EPSV   arm       EPSV refused or unreadable --> PASV, remembered
/// ```
///
/// Where the whole path is one argument (`TVFS`) no `CWD` is needed. A refused `CWD` voids the answers behind it. On the first
/// session of a server the questions go out with the login and name the whole path on trial; if nothing is found by it, and
/// there is no `TVFS`, the path is walked.
#[derive(Debug)]
pub(super) struct Asking {
    path: Path,
    passive: bool,
    /// The port has been asked for, and has been named or will be.
    port_asked: bool,
    /// The whole path is one argument, on trial.
    whole: bool,
    /// Questions that wait for the answer to `FEAT`.
    late: bool,
    /// Replies to come.
    left: usize,
    facts: FileFacts,
    path_refused: Option<Reply>,
    port: Result<u16, Option<Reply>>,
}

/// Where the session stands on the server.
///
/// Spec: RFC 1738 section 3.2.2: a path starts at the login directory.
#[derive(Debug, Default)]
pub(super) struct Here {
    /// The login directory's own name, if the server told it.
    home: Option<Arg>,
    /// Steps from the login directory.
    at: Vec<Arg>,
}

impl Asking {
    fn new(path: &Path, passive: bool) -> Self {
        Self {
            path: path.clone(),
            passive,
            port_asked: false,
            whole: false,
            late: false,
            left: 0,
            facts: FileFacts::default(),
            path_refused: None,
            port: Err(None),
        }
    }

    pub(super) fn into_facts(self) -> FileFacts {
        self.facts.judged()
    }

    /// Questions that go out ahead of a transfer, with it.
    pub(super) fn of_transfer(path: &Path, left: usize) -> Self {
        Self { left, ..Self::new(path, false) }
    }
}

impl Here {
    pub(super) fn can_reach(&self, path: &Path, tvfs: bool) -> bool {
        self.at.is_empty() || self.home.is_some() || (!tvfs && self.is_at(path))
    }

    fn is_at(&self, path: &Path) -> bool {
        self.at.iter().eq(path.directories())
    }
}

impl Expect {
    /// Whether it is one of the questions here.
    pub(super) fn is_question(&self) -> bool {
        use Expect::{Cwd, Epsv, Mdtm, Mlst, Pasv, Pwd, Size};
        matches!(self, Cwd(_) | Pwd | Size | Mdtm | Mlst | Epsv | Pasv)
    }
}

impl Connection {
    pub(super) fn has_tvfs(&self) -> bool {
        self.quirks.whole_paths || self.quirks.features.as_ref().is_some_and(|features| features.tvfs)
    }

    pub(super) fn ask(&mut self, now: Instant, path: &Path, passive: bool) -> Result<(), Error> {
        self.check_failed()?;
        if !self.is_ask_allowed() {
            return Err(Error::Misuse("a question while something else is under way"));
        }
        if path.file().is_none() || !self.can_reach(path) {
            return Err(Error::Misuse("a file that cannot be named from here"));
        }
        // On the first session of a server FEAT decides how a path is walked; one by one, waiting for it costs nothing.
        let first = self.quirks.features.is_none();
        let late = first && self.control.serial;
        let mut asking =
            Asking { late, whole: first && !late && path.directories().len() > 0, ..Asking::new(path, passive) };
        if passive && self.ahead.is_asked() {
            // The port that is being opened serves.
            self.ahead = Ahead::Nothing;
            (asking.port_asked, asking.left) = (true, 1);
        } else if passive {
            self.drop_ahead();
        }
        self.work = Work::Asking(asking);
        if !late {
            self.plan_questions();
        }
        self.flush(now);
        Ok(())
    }

    /// The login is complete, and with it the answer to `FEAT`.
    pub(super) fn plan_late_questions(&mut self) {
        if matches!(&self.work, Work::Asking(asking) if asking.late) {
            self.plan_questions();
        }
    }

    fn plan_questions(&mut self) {
        let Work::Asking(asking) = &mut self.work else { return };
        asking.late = false;
        let (path, whole) = (asking.path.clone(), asking.whole);
        let passive = asking.passive && !std::mem::replace(&mut asking.port_asked, true);
        let mut left = if whole { 0 } else { self.plan_walk(&path) };
        let Some(name) = (if whole { path.full() } else { self.name_of(&path) }) else { return };
        left += self.plan_facts(&name);
        if passive {
            self.plan_passive();
            left += 1;
        }
        if let Work::Asking(asking) = &mut self.work {
            asking.left += left;
            if asking.left == 0 {
                self.finish_asking();
            }
        }
    }

    /// Plans the questions about a file; returns how many there are.
    pub(super) fn plan_facts(&mut self, name: &Arg) -> usize {
        let mut left = 0;
        let features = self.quirks.features.as_ref();
        let mdtm =
            !self.quirks.no_mdtm && features.is_none_or(|features| features.mdtm || *features == Features::default());
        let mlst = !self.quirks.no_mlst && features.is_some_and(|features| features.mlst.is_some());
        if !self.quirks.no_size {
            self.control.plan(Command::Size(name.clone()), Expect::Size);
            left += 1;
        }
        if mdtm {
            self.control.plan(Command::Mdtm(name.clone()), Expect::Mdtm);
            left += 1;
        }
        if mlst {
            self.control.plan(Command::Mlst(Some(name.clone())), Expect::Mlst);
            left += 1;
        }
        left
    }

    pub(super) fn plan_passive(&mut self) {
        if self.quirks.no_epsv && self.config.pasv_allowed {
            self.control.plan(Command::Pasv, Expect::Pasv);
        } else {
            self.control.plan(Command::Epsv, Expect::Epsv);
        }
    }

    /// Plans the steps to the directory of the file; returns how many replies they bring.
    fn plan_walk(&mut self, path: &Path) -> usize {
        if self.is_here(path) {
            return 0;
        }
        let steps = !self.has_tvfs() && path.directories().len() > 0;
        let mut replies = 0;
        if !self.here.at.is_empty()
            && let Some(home) = self.here.home.clone()
        {
            self.control.plan(Command::Cwd(home), Expect::Cwd(None));
            replies += 1;
        }
        if steps {
            if self.here.home.is_none() {
                self.control.plan(Command::Pwd, Expect::Pwd);
                replies += 1;
            }
            for step in path.directories() {
                self.control.plan(Command::Cwd(step.clone()), Expect::Cwd(Some(step.clone())));
                replies += 1;
            }
        }
        replies
    }

    /// Whether the file can be named from where the session stands, without a step.
    pub(super) fn is_here(&self, path: &Path) -> bool {
        let steps = !self.has_tvfs() && path.directories().len() > 0;
        if steps { self.here.is_at(path) } else { self.here.at.is_empty() }
    }

    pub(super) fn name_of(&self, path: &Path) -> Option<Arg> {
        if self.has_tvfs() || path.directories().len() == 0 { path.full() } else { path.file().cloned() }
    }

    pub(super) fn answered_question(&mut self, expect: &Expect, reply: &Reply) {
        match expect {
            Expect::Pwd => {
                self.here.home = wire::pwd257(reply).ok().and_then(|home| Arg::new(home).ok());
            }
            Expect::Cwd(step) => self.answered_step(step.as_ref(), reply),
            Expect::Size | Expect::Mdtm | Expect::Mlst => self.answered_fact(expect, reply),
            Expect::Epsv | Expect::Pasv => self.answered_passive(expect, reply),
            _ => return,
        }
        if let Some(asking) = self.asking() {
            asking.left = asking.left.saturating_sub(1);
            if asking.left == 0 && !asking.late {
                self.finish_asking();
            }
        }
    }

    /// The questions that are under way, alone or ahead of a transfer.
    fn asking(&mut self) -> Option<&mut Asking> {
        match &mut self.work {
            Work::Asking(asking) => Some(asking),
            Work::Moving(moving) => moving.asking(),
            _ => None,
        }
    }

    fn answered_step(&mut self, step: Option<&Arg>, reply: &Reply) {
        if reply.class() != Class::Completion {
            if let Work::Asking(asking) = &mut self.work {
                asking.path_refused.get_or_insert_with(|| reply.clone());
            }
            return;
        }
        match step {
            Some(step) => self.here.at.push(step.clone()),
            None => self.here.at.clear(),
        }
    }

    fn answered_fact(&mut self, expect: &Expect, reply: &Reply) {
        let unknown_command = matches!(reply.code.get(), 500 | 502 | 504);
        let missing = match expect {
            Expect::Size => &mut self.quirks.no_size,
            Expect::Mdtm => &mut self.quirks.no_mdtm,
            _ => &mut self.quirks.no_mlst,
        };
        if unknown_command {
            *missing = true;
            return;
        }
        let Some(asking) = self.asking() else { return };
        let facts = &mut asking.facts;
        if reply.class() != Class::Completion {
            facts.refusal = Some(reply.clone());
            return;
        }
        match expect {
            Expect::Size => facts.size = wire::size(reply).ok(),
            Expect::Mdtm => facts.mdtm = wire::mdtm(reply).ok(),
            _ => {
                if let Ok(told) = wire::mlst(reply) {
                    facts.size = facts.size.or(told.size);
                    facts.modify = told.modify;
                    facts.unique = told.unique;
                    facts.is_directory = told.kind == Some(EntryType::Directory);
                }
            }
        }
    }

    fn answered_passive(&mut self, expect: &Expect, reply: &Reply) {
        let port = port_of(expect, reply);
        let refusal = (reply.class() != Class::Completion).then(|| reply.clone());
        // A refusal for now (4xx) says nothing about the command.
        let broken = reply.class() != Class::TransientNegative;
        if port.is_none() && *expect == Expect::Epsv && self.config.pasv_allowed {
            self.quirks.no_epsv |= broken;
            if let Work::Asking(asking) = &mut self.work {
                asking.left += 1;
                self.control.plan(Command::Pasv, Expect::Pasv);
            }
            return;
        }
        if let Work::Asking(asking) = &mut self.work {
            asking.port = port.ok_or(refusal);
        }
    }

    /// The trial with the whole path is over. Returns whether it was in vain.
    fn is_walk_needed(&mut self) -> bool {
        let Work::Asking(asking) = &mut self.work else { return false };
        if !std::mem::take(&mut asking.whole) {
            return false;
        }
        let tvfs = self.quirks.features.as_ref().is_some_and(|features| features.tvfs);
        let found = asking.facts.is_found();
        self.quirks.whole_paths |= found && !tvfs;
        if !found && !tvfs {
            asking.facts = FileFacts::default();
        }
        !found && !tvfs
    }

    pub(super) fn finish_asking(&mut self) {
        if self.is_walk_needed() {
            return self.plan_questions();
        }
        let asking = match std::mem::replace(&mut self.work, Work::Idle) {
            Work::Asking(asking) => asking,
            work => {
                self.work = work;
                return self.asked_at_once();
            }
        };
        let Asking { path, passive, facts, path_refused, port, .. } = asking;
        if let Some(reply) = path_refused {
            return self.emit(Event::PathRefused(reply));
        }
        let facts = facts.judged();
        match port {
            _ if !passive => {}
            Ok(port) => {
                let Some(name) = self.name_of(&path) else { return };
                self.work = Work::Armed { port, name, size: facts.size };
            }
            Err(reply) => return self.emit(Event::PassiveRefused(reply)),
        }
        self.emit(Event::Facts(facts));
    }
}

/// The port that the answer to `EPSV` or `PASV` names.
pub(super) fn port_of(expect: &Expect, reply: &Reply) -> Option<u16> {
    match expect {
        Expect::Epsv => wire::epsv(reply).ok().map(u16::from),
        _ => wire::pasv(reply).ok().map(|address| address.port()),
    }
}
