//! The gate against servers with a limit, and other clients.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use segfetch::plan::{GateConfig, GateInput, GateOutput, HostGate, JobId};

use crate::support::Dice;

const SECOND: Duration = Duration::from_secs(1);

/// A server that admits some sessions, and engines' jobs that use every permit at once.
struct World {
    gate: HostGate,
    now: Instant,
    /// Sessions that the server admits.
    admits: u16,
    /// Sessions of other clients, or old ones of ours that linger.
    others: u16,
    jobs: Vec<Client>,
    refusals: usize,
    most_opening: u16,
}

#[derive(Default)]
struct Client {
    wants: u16,
    /// The last [`GateInput::Want`].
    said: u16,
    limit: u16,
    opening: u16,
    open: u16,
    gone: bool,
}

impl World {
    fn new(max: Option<u16>, admits: u16) -> Self {
        let gate = HostGate::new(&GateConfig::new(max, 1));
        Self { gate, now: Instant::now(), admits, others: 0, jobs: Vec::new(), refusals: 0, most_opening: 0 }
    }

    fn input(&mut self, input: GateInput) {
        self.gate.handle_input(self.now, input);
    }

    fn join(&mut self, wants: u16) -> usize {
        let job = JobId(self.jobs.len() as u64);
        self.jobs.push(Client { wants, said: wants, ..Client::default() });
        self.input(GateInput::Join { job });
        self.input(GateInput::Want { job, streams: wants });
        self.jobs.len() - 1
    }

    fn leave(&mut self, n: usize) {
        self.jobs[n] = Client { gone: true, ..Client::default() };
        self.input(GateInput::Leave { job: JobId(n as u64) });
    }

    fn want(&mut self, n: usize, wants: u16) {
        self.jobs[n].wants = wants;
        self.say_wants();
    }

    /// What a job has, it wants; a planner says so after every change.
    fn say_wants(&mut self) {
        for n in 0..self.jobs.len() {
            let job = &mut self.jobs[n];
            let streams = job.wants.max(job.opening + job.open);
            if !job.gone && job.said != streams {
                job.said = streams;
                self.input(GateInput::Want { job: JobId(n as u64), streams });
            }
        }
    }

    fn open(&self) -> u16 {
        self.jobs.iter().map(|job| job.open).sum()
    }

    /// Polls, and lets the jobs use and give back what they are told to.
    fn drain(&mut self) -> Option<Instant> {
        for _ in 0..10_000 {
            self.say_wants();
            match self.gate.poll_output(self.now) {
                GateOutput::Limit { job, streams } => {
                    assert!(!self.jobs[job.0 as usize].gone);
                    self.jobs[job.0 as usize].limit = streams;
                }
                GateOutput::Wait(until) => {
                    assert!(until.is_none_or(|until| until > self.now), "a wait is for later");
                    if !self.use_permits() {
                        return until;
                    }
                }
            }
        }
        panic!("endless: {:?}", self.gate);
    }

    fn use_permits(&mut self) -> bool {
        let mut changed = false;
        for n in 0..self.jobs.len() {
            let (job, id) = (&mut self.jobs[n], JobId(n as u64));
            let mut inputs = Vec::new();
            while job.opening + job.open < job.limit.min(job.wants) {
                job.opening += 1;
                inputs.push(GateInput::Opening { job: id });
            }
            while job.opening + job.open > job.limit {
                if job.opening > 0 {
                    job.opening -= 1;
                    inputs.push(GateInput::Failed { job: id });
                } else {
                    job.open -= 1;
                    inputs.push(GateInput::Closed { job: id });
                }
            }
            changed |= !inputs.is_empty();
            inputs.into_iter().for_each(|input| self.input(input));
        }
        let opening = self.jobs.iter().map(|job| job.opening).sum();
        self.most_opening = self.most_opening.max(opening);
        changed
    }

    /// The server answers the first attempt of a job.
    fn answer(&mut self, n: usize) {
        let fits = self.open() + self.others < self.admits;
        let (job, id) = (&mut self.jobs[n], JobId(n as u64));
        if job.opening == 0 {
            return;
        }
        job.opening -= 1;
        if fits {
            job.open += 1;
            self.input(GateInput::Opened { job: id });
        } else {
            self.refusals += 1;
            self.input(GateInput::Refused { job: id, retry_after: None, limit_hint: None });
        }
    }

    /// Answers everything until nothing is under way.
    fn settle(&mut self) -> Option<Instant> {
        loop {
            let until = self.drain();
            let Some(n) = self.jobs.iter().position(|job| job.opening > 0) else { return until };
            self.answer(n);
        }
    }

    /// Lets time pass, with all that falls due in it.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.settle().filter(|&due| due <= end) {
            self.now = due;
            self.input(GateInput::Timeout);
        }
        self.now = end;
        self.input(GateInput::Timeout);
        self.settle();
    }

    fn shares(&self) -> Vec<u16> {
        self.jobs.iter().map(|job| job.open).collect()
    }
}

#[test]
fn two_jobs_that_want_sixteen_find_a_limit_of_four_with_few_refusals() {
    let mut world = World::new(None, 4);
    world.join(16);
    world.join(16);
    world.settle();
    assert_eq!((world.gate.limit(), world.shares()), (Some(4), vec![2, 2]));
    assert!(world.refusals <= 6, "{}", world.refusals);
    assert!(world.most_opening <= 8);
    let before = world.refusals;
    world.pass(SECOND * 3600);
    // After 1, 2 and 4 minutes, then every 5.
    assert!((9..=14).contains(&(world.refusals - before)), "{}", world.refusals - before);
    assert_eq!(world.shares(), [2, 2]);
}

#[test]
fn before_a_refusal_eight_sessions_are_tried_together_or_four_more_than_are_open() {
    let mut world = World::new(None, 1000);
    world.join(16);
    for under_way in [8, 7, 6, 5, 4, 4, 4, 4] {
        world.drain();
        assert_eq!(world.jobs[0].opening, under_way);
        world.answer(0);
    }
    world.settle();
    assert_eq!((world.open(), world.gate.limit(), world.refusals), (16, None, 0));
}

#[test]
fn every_job_hears_of_its_part_again_when_the_host_turns_out_to_be_full() {
    let mut world = World::new(None, 1);
    world.join(1);
    world.join(1);
    world.drain();
    world.answer(0);
    assert_eq!(world.gate.poll_output(world.now), GateOutput::Wait(None));
    world.answer(1);
    assert_eq!(world.gate.limit(), Some(1));
    assert_eq!(world.gate.poll_output(world.now), GateOutput::Limit { job: JobId(0), streams: 1 }, "as before");
    assert_eq!(world.gate.poll_output(world.now), GateOutput::Limit { job: JobId(1), streams: 0 });
    assert!(matches!(world.gate.poll_output(world.now), GateOutput::Wait(Some(_))));
}

#[test]
fn after_a_refusal_one_attempt_is_under_way_at_a_time() {
    let mut world = World::new(None, 3);
    world.join(8);
    world.settle();
    world.admits = 100;
    world.most_opening = 0;
    world.pass(SECOND * 76);
    assert_eq!(world.open(), 4, "one more after a minute");
    world.pass(SECOND * 76 * 4);
    assert_eq!((world.open(), world.most_opening), (8, 1));
}

#[test]
fn a_first_refusal_while_old_sessions_linger_is_soon_tried_again() {
    let mut world = World::new(None, 2);
    world.others = 2;
    world.join(2);
    world.pass(SECOND * 60);
    // Two at once, then after 1, 2, 4, 8, 15, 15 seconds, up to a quarter more.
    assert!((7..=8).contains(&world.refusals), "{}", world.refusals);
    world.others = 0;
    world.pass(SECOND * 19);
    assert_eq!(world.open(), 1);
    world.pass(SECOND * 76);
    assert_eq!(world.open(), 2);
}

#[test]
fn a_server_that_asks_to_be_left_alone_is_left_alone() {
    let mut world = World::new(None, 0);
    world.join(1);
    world.drain();
    let job = JobId(0);
    world.jobs[0].opening = 0;
    world.input(GateInput::Refused { job, retry_after: Some(SECOND * 120), limit_hint: None });
    let due = world.drain().expect("a retry");
    assert!(due >= world.now + SECOND * 120 && due <= world.now + SECOND * 150);
    world.now = due;
    world.drain();
    world.jobs[0].opening = 0;
    world.input(GateInput::Refused { job, retry_after: Some(Duration::MAX), limit_hint: None });
    let due = world.drain().expect("a retry");
    assert!(due <= world.now + SECOND * 4500, "but not for ever");
}

#[test]
fn a_limit_that_the_server_states_is_reached_but_not_tried_to_exceed() {
    for (stated, reached) in [(0, 2), (2, 2), (3, 3)] {
        let mut world = World::new(None, 100);
        world.join(8);
        for _ in 0..2 {
            world.drain();
            world.answer(0);
        }
        world.drain();
        for _ in 0..world.jobs[0].opening {
            world.jobs[0].opening -= 1;
            world.input(GateInput::Refused { job: JobId(0), retry_after: None, limit_hint: Some(stated) });
        }
        world.drain();
        world.pass(SECOND * 3600);
        assert_eq!((world.open(), world.drain()), (reached, None), "{stated}");
    }
}

#[test]
fn a_probe_that_succeeds_makes_the_next_refusal_a_first_one() {
    let mut world = World::new(None, 2);
    world.join(8);
    world.pass(SECOND * 1200);
    world.admits = 3;
    let found = (0..376).any(|_| {
        world.pass(SECOND);
        world.open() == 3
    });
    assert!(found, "after at most five minutes and a quarter of that");
    let refusals = world.refusals;
    world.pass(SECOND * (75 + 150));
    assert_eq!(world.refusals - refusals, 2, "after one minute, and after two");
}

#[test]
fn kept_sessions_count_only_when_the_server_counts_them() {
    let mut world = World::new(None, 100);
    world.join(4);
    world.settle();
    world.input(GateInput::Idle { sessions: 3 });
    world.want(0, 5);
    world.drain();
    world.jobs[0].opening -= 1;
    world.input(GateInput::Refused { job: JobId(0), retry_after: None, limit_hint: None });
    assert_eq!(world.gate.limit(), Some(7));
}

#[test]
fn a_job_above_its_share_gives_up_one_at_a_time_for_one_below() {
    let mut world = World::new(Some(5), 100);
    world.join(8);
    world.settle();
    assert_eq!(world.shares(), [5]);
    world.join(8);
    world.settle();
    assert_eq!(world.shares(), [3, 2]);
    world.join(1);
    world.settle();
    assert_eq!(world.shares(), [2, 2, 1]);
    world.leave(0);
    world.settle();
    assert_eq!(world.shares(), [0, 4, 1]);
    assert_eq!(world.refusals, 0);
}

#[test]
fn what_one_job_does_not_want_the_others_have() {
    let mut world = World::new(Some(12), 100);
    for wants in [1, 3, 8] {
        world.join(wants);
    }
    world.settle();
    assert_eq!(world.shares(), [1, 3, 8]);
}

#[test]
fn a_stream_to_be_given_up_is_not_granted_twice() {
    let mut world = World::new(Some(4), 100);
    world.join(4);
    world.settle();
    world.jobs.push(Client { wants: 4, ..Client::default() });
    world.input(GateInput::Join { job: JobId(1) });
    world.input(GateInput::Want { job: JobId(1), streams: 4 });
    let now = world.now;
    assert_eq!(world.gate.poll_output(now), GateOutput::Limit { job: JobId(0), streams: 3 });
    assert_eq!(world.gate.poll_output(now), GateOutput::Wait(None), "the first job still has four");
    world.input(GateInput::Closed { job: JobId(0) });
    assert_eq!(world.gate.poll_output(now), GateOutput::Limit { job: JobId(0), streams: 2 }, "the next one");
    assert_eq!(world.gate.poll_output(now), GateOutput::Limit { job: JobId(1), streams: 1 });
    assert_eq!(world.gate.poll_output(now), GateOutput::Wait(None));
}

#[test]
fn who_gave_up_a_stream_for_another_keeps_the_rest() {
    let mut world = World::new(Some(4), 100);
    world.join(4);
    world.settle();
    world.jobs.push(Client { wants: 1, ..Client::default() });
    world.input(GateInput::Join { job: JobId(1) });
    world.input(GateInput::Want { job: JobId(1), streams: 1 });
    let now = world.now;
    assert_eq!(world.gate.poll_output(now), GateOutput::Limit { job: JobId(0), streams: 3 });
    world.input(GateInput::Closed { job: JobId(0) });
    assert_eq!(world.gate.poll_output(now), GateOutput::Limit { job: JobId(1), streams: 1 });
    assert_eq!(world.gate.poll_output(now), GateOutput::Wait(None));
}

#[test]
fn streams_above_a_share_are_taken_only_for_a_job_below_and_where_there_are_most() {
    let mut world = World::new(Some(9), 100);
    world.join(5);
    world.join(4);
    world.join(0);
    world.settle();
    assert_eq!(world.shares(), [5, 4, 0]);
    let now = world.now;
    world.input(GateInput::Want { job: JobId(1), streams: 1 });
    assert_eq!(world.gate.poll_output(now), GateOutput::Wait(None), "nobody needs what the second has too many");
    world.input(GateInput::Want { job: JobId(2), streams: 4 });
    assert_eq!(world.gate.poll_output(now), GateOutput::Limit { job: JobId(1), streams: 3 }, "three above, not one");
}

#[test]
fn a_job_that_does_not_use_its_permit_gives_it_to_the_other() {
    let mut world = World::new(Some(1), 100);
    world.join(0);
    world.join(1);
    world.input(GateInput::Want { job: JobId(0), streams: 1 });
    let now = world.now;
    assert_eq!(world.gate.poll_output(now), GateOutput::Limit { job: JobId(0), streams: 1 });
    assert_eq!(world.gate.poll_output(now), GateOutput::Wait(None));
    world.input(GateInput::Want { job: JobId(0), streams: 0 });
    world.settle();
    assert_eq!(world.shares(), [0, 1]);
}

#[test]
fn the_end_of_what_was_not_begun_is_ignored() {
    let mut world = World::new(Some(2), 100);
    world.join(2);
    world.drain();
    world.input(GateInput::Closed { job: JobId(0) });
    assert_eq!(world.gate.poll_output(world.now), GateOutput::Wait(None), "one attempt, and nothing open");
    world.settle();
    assert_eq!(world.shares(), [2]);
    let job = JobId(0);
    let refused = GateInput::Refused { job, retry_after: None, limit_hint: None };
    for input in [GateInput::Failed { job }, GateInput::Opened { job }, refused] {
        world.input(input);
        assert_eq!(world.gate.poll_output(world.now), GateOutput::Wait(None), "two open, and no attempt");
        assert_eq!(world.gate.limit(), None);
    }
}

#[test]
fn a_lower_maximum_takes_streams_back_and_a_higher_one_gives_them() {
    let mut world = World::new(None, 100);
    world.join(6);
    world.join(6);
    world.settle();
    assert_eq!(world.shares(), [6, 6]);
    world.input(GateInput::Max(Some(5)));
    let mut at_once = world.gate.clone();
    assert_eq!(at_once.poll_output(world.now), GateOutput::Limit { job: JobId(0), streams: 3 });
    assert_eq!(at_once.poll_output(world.now), GateOutput::Limit { job: JobId(1), streams: 2 });
    world.settle();
    assert_eq!(world.shares(), [3, 2]);
    world.input(GateInput::Max(Some(0)));
    world.settle();
    assert_eq!(world.shares(), [1, 0], "no less than one");
    world.input(GateInput::Max(None));
    world.settle();
    assert_eq!(world.shares(), [6, 6]);
}

#[test]
fn a_probe_that_fails_for_another_reason_says_nothing_of_the_limit() {
    let mut world = World::new(None, 1);
    world.join(2);
    world.pass(SECOND);
    let due = world.settle().expect("a probe");
    world.now = due;
    world.drain();
    assert_eq!(world.jobs[0].opening, 1);
    world.jobs[0].opening = 0;
    world.input(GateInput::Failed { job: JobId(0) });
    let again = world.drain().expect("another probe");
    assert!(again >= due + SECOND * 60 && again <= due + SECOND * 75);
    assert_eq!(world.gate.limit(), Some(1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Jobs come, go and change their mind; an outside client takes and frees sessions; streams end.
    #[test]
    fn the_limit_is_kept_nobody_starves_and_refusals_are_few(seed in any::<u64>(), admits in 1u16..9, max in prop::option::of(1u16..9)) {
        let mut dice = Dice(seed);
        let mut world = World::new(max, admits);
        let (mut minutes, mut ended) = (0, 0);
        for _ in 0..200 {
            let n = dice.below(world.jobs.len().max(1) as u64) as usize;
            let alive = world.jobs.get(n).is_some_and(|job| !job.gone);
            match dice.below(10) {
                0 if world.jobs.iter().filter(|job| !job.gone).count() < 5 => {
                    world.join(dice.below(12) as u16);
                }
                1 if alive && dice.below(4) == 0 => world.leave(n),
                2 if alive => world.want(n, dice.below(12) as u16),
                3 | 4 if alive && world.jobs[n].open > 0 => {
                    world.jobs[n].open -= 1;
                    world.input(GateInput::Closed { job: JobId(n as u64) });
                    ended += 1;
                }
                5 => world.others = dice.below(u64::from(admits) + 1).saturating_sub(1) as u16,
                6 => {
                    world.pass(SECOND * 60);
                    minutes += 1;
                }
                _ if alive => world.answer(n),
                _ => {}
            }
            let knew = world.gate.limit().is_some();
            world.drain();
            let used: u16 = world.jobs.iter().map(|job| job.opening + job.open).sum();
            prop_assert!(max.is_none_or(|max| used <= max), "above the fixed maximum");
            let opening: u16 = world.jobs.iter().map(|job| job.opening).sum();
            if let Some(limit) = world.gate.limit() {
                prop_assert!(world.open() <= limit, "above the limit");
                if knew && opening > 1 {
                    // Only those from before the refusal.
                    prop_assert!(opening <= world.most_opening);
                }
            }
        }
        // A first burst; while nothing is open six in a minute, otherwise one; and one for each place that another took.
        prop_assert!(world.refusals <= 10 + 6 * minutes + ended, "{} in {minutes} minutes, {ended} ended", world.refusals);

        // The outside client leaves, and all is found again, in equal shares.
        world.others = 0;
        world.pass(SECOND * 6000);
        let cap = max.map_or(admits, |max| max.min(admits));
        let wants: u16 = world.jobs.iter().filter(|job| !job.gone).map(|job| job.wants.max(job.open)).sum();
        prop_assert_eq!(world.open(), cap.min(wants), "sessions lie idle: {:?}", world.gate);
        let least = world.jobs.iter().filter(|job| !job.gone && job.open < job.wants).map(|job| job.open).min();
        let most = world.jobs.iter().map(|job| job.open).max().unwrap_or(0);
        prop_assert!(least.is_none_or(|least| most <= least + 1), "unequal shares {:?}", world.shares());
    }
}
