use super::*;

/// A ramp whose workers bring what `rate` says of their number, and take `setup` seconds to begin; up to eight of them.
struct Path<R> {
    ramp: Ramp,
    rate: R,
    now: Instant,
    setup: f64,
    /// Workers that bring units, and those that are about to, with the time until then.
    running: u16,
    opening: Vec<f64>,
    /// Workers after each tenth of a second.
    history: Vec<u16>,
    most: u16,
}

impl<R: Fn(u16, f64) -> f64> Path<R> {
    fn new(rate: R, setup: f64) -> Self {
        let (ramp, now) = (Ramp::new(true), Instant::now());
        Self { ramp, rate, now, setup, running: 1, opening: Vec::new(), history: Vec::new(), most: 8 }
    }

    fn run(&mut self, seconds: usize) -> u16 {
        for _ in 0..seconds * 10 {
            self.now += Duration::from_millis(100);
            self.opening.iter_mut().for_each(|left| *left -= 0.1);
            let arrived = self.opening.extract_if(.., |left| *left < 1e-6).count();
            self.running += u16::try_from(arrived).unwrap();
            self.ramp.count(self.now, ((self.rate)(self.running, self.history.len() as f64 / 10.0) / 10.0) as u64);
            let opening = !self.opening.is_empty();
            self.ramp.look(self.now, self.running, opening, self.setup, false, self.most);
            let wanted = usize::from(self.ramp.allowed().saturating_sub(self.running));
            self.opening.resize(wanted.max(self.opening.len()), self.setup);
            self.history.push(self.running);
        }
        self.running
    }
}

fn changes(history: &[u16]) -> Vec<u16> {
    let mut changes = history.to_vec();
    changes.dedup();
    changes
}

#[test]
fn where_each_worker_brings_the_same_eight_are_reached_in_two_steps() {
    let mut path = Path::new(|n, _| f64::from(n) * 1e6, 0.5);
    assert_eq!(path.run(5), 8);
    assert_eq!(changes(&path.history), [1, 2, 8]);
    // Two windows, a set-up, a window, a set-up.
    let reached = path.history.iter().position(|&n| n == 8).unwrap();
    assert!((15..=20).contains(&reached), "{reached}");
}

#[test]
fn where_one_fills_the_link_a_second_one_is_tried_and_not_a_third() {
    let mut path = Path::new(|_, _| 1e6, 0.5);
    assert_eq!(path.run(29), 2);
    assert_eq!(path.ramp.allowed(), 1, "the second one is not replaced when it ends");
    // Again after 30 s, with one more; then after a minute, two, four, five and five.
    let mut tried = Vec::new();
    for second in 29..1300 {
        path.running = path.running.min(path.ramp.allowed());
        if path.run(1) > 1 {
            tried.push(second);
        }
    }
    let begun: Vec<_> = tried.iter().filter(|&&second| !tried.contains(&(second - 1))).collect();
    assert!(begun.len() > 4, "{begun:?}");
    let pauses: Vec<_> = begun.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.iter().zip([60, 120, 240, 300]).all(|(found, hold)| (hold..hold + 6).contains(found)), "{begun:?}");
}

#[test]
fn a_link_that_takes_three_is_filled_and_no_more_are_added() {
    let mut path = Path::new(|n, _| f64::from(n.min(3)) * 1e6, 0.5);
    path.run(29);
    assert_eq!(changes(&path.history), [1, 2, 8], "the second one brought all that it could");
    let mut path = Path::new(|n, _| 1e6 * [0.0, 1.0, 1.3, 1.5, 1.6, 1.6, 1.6, 1.6, 1.6][usize::from(n)], 0.5);
    path.run(29);
    assert_eq!(changes(&path.history), [1, 2, 4, 8], "30 %, 23 %, nothing");
    assert_eq!(path.ramp.allowed(), 4);
}

#[test]
fn small_gains_are_worth_one_worker_at_a_time_but_not_a_second_one() {
    let mut path = Path::new(|n, _| 1e6 * [0.0, 1.0, 1.3, 1.35, 1.4, 1.48, 1.49, 1.5, 1.5][usize::from(n)], 0.5);
    path.run(29);
    assert_eq!(changes(&path.history), [1, 2, 4, 5, 6], "30 %, 8 %, 6 %, 1 %");
    assert_eq!(path.ramp.allowed(), 5);
    let mut path = Path::new(|n, _| if n > 1 { 1.1e6 } else { 1e6 }, 0.5);
    assert_eq!((path.run(29), path.ramp.allowed()), (2, 1));
}

#[test]
fn a_slow_start_is_no_rate_to_compare_with() {
    let mut path = Path::new(|_, time| 1e6 * (time / 0.2 - 5.0).exp2().min(1.0), 0.5);
    path.run(20);
    let trial = path.history.iter().position(|&n| n == 2).unwrap();
    assert!((14..=19).contains(&trial), "{trial}: a second, two windows and a set-up");
    assert_eq!((path.running, path.ramp.allowed()), (2, 1), "it was no gain");
}

#[test]
fn in_a_black_out_nothing_is_tried_and_its_end_is_no_gain() {
    let mut path = Path::new(|_, time| if (3..9).contains(&(time as u64)) { 0.0 } else { 1e6 }, 4.0);
    assert_eq!(path.run(40), 3);
    assert_eq!((changes(&path.history), path.ramp.allowed()), (vec![1, 2, 3], 2), "with the second nothing was learnt");
    let mut path = Path::new(|_, time| if time < 9.0 { 0.0 } else { 1e6 }, 0.5);
    assert_eq!(path.run(9), 1);
}

#[test]
fn steps_are_larger_the_more_of_it_each_new_worker_brings() {
    let mut linear = Path { most: 64, ..Path::new(|n, _| f64::from(n) * 1e6, 0.5) };
    linear.run(20);
    assert_eq!(changes(&linear.history), [1, 2, 8, 32, 64]);
    // From two to eight, half as much again: worth another step, but not so large a one.
    let mut bent = Path { most: 64, ..Path::new(|n, _| 1e6 * f64::from(n.min(2)) + 1.6e5 * f64::from(n.max(2)), 0.5) };
    bent.run(5);
    assert_eq!(changes(&bent.history)[..4], [1, 2, 8, 16]);
}

/// Looks after every tenth of a second, while `running` workers bring 1 MB per second times a growing factor.
fn feed(ramp: &mut Ramp, now: &mut Instant, tenths: i32, running: u16, opening: bool, rate: f64, growth: f64) -> u16 {
    for n in 0..tenths {
        *now += Duration::from_millis(100);
        // Whoever is not the first one is new.
        let (all, from) = (1e5 * rate * growth.powi(n), f64::from(running));
        ramp.count(*now - Duration::from_secs(99), (all / from) as u64);
        ramp.count(*now, (all - all / from) as u64);
        ramp.look(*now, running, opening, 0.1, false, 8);
    }
    ramp.allowed()
}

/// With one worker that brings 1 MB per second, a second one is being tried.
fn trial() -> (Ramp, Instant) {
    let (mut ramp, mut now) = (Ramp::new(true), Instant::now());
    assert_eq!(feed(&mut ramp, &mut now, 4, 1, false, 1.0, 1.0), 1);
    assert_eq!(ramp.lean(), 1.0);
    assert_eq!(feed(&mut ramp, &mut now, 3, 1, true, 1.0, 1.0), 2);
    assert_eq!(ramp.lean(), LEAN, "the first trial costs nothing");
    (ramp, now)
}

#[test]
fn a_trial_is_judged_after_three_windows_in_which_nobody_was_being_opened() {
    let (mut ramp, mut now) = trial();
    assert_eq!(feed(&mut ramp, &mut now, 30, 2, true, 1.0, 1.0), 2, "a third one may still come");
    assert_eq!(feed(&mut ramp, &mut now, 30, 1, false, 1.0, 1.0), 2, "it is gone, and says nothing");
    assert_eq!(feed(&mut ramp, &mut now, 6, 2, false, 1.0, 1.0), 2);
    assert_eq!(feed(&mut ramp, &mut now, 1, 2, false, 1.0, 1.0), 1, "three windows");
}

#[test]
fn a_trial_is_compared_with_the_rate_of_as_many_workers_as_there_were_before() {
    let (mut ramp, mut now) = trial();
    assert_eq!(feed(&mut ramp, &mut now, 4, 2, false, 2.0, 1.0), 8);
    // One of the two is gone for a moment, and then a third one comes and brings nothing.
    feed(&mut ramp, &mut now, 5, 1, true, 1.0, 1.0);
    feed(&mut ramp, &mut now, 5, 2, true, 2.0, 1.0);
    assert_eq!(feed(&mut ramp, &mut now, 10, 3, false, 2.0, 1.0), 2);
}

#[test]
fn a_rate_that_grows_is_waited_for_unless_it_hardly_does() {
    let (mut ramp, mut now) = trial();
    assert_eq!(feed(&mut ramp, &mut now, 7, 2, false, 1.0, 1.02), 2);
    assert_eq!(feed(&mut ramp, &mut now, 8, 2, false, 1.15, 1.02), 4, "until it was worth it");
    let (mut ramp, mut now) = trial();
    assert_eq!(feed(&mut ramp, &mut now, 7, 2, false, 1.0, 1.001), 1);
}

#[test]
fn a_slow_start_that_is_not_felt_at_first_is_waited_for() {
    let (mut ramp, mut now) = trial();
    let mut look = |total: f64| {
        now += Duration::from_millis(100);
        ramp.count(now, (1e5 * total) as u64);
        ramp.look(now, 2, false, 0.5, false, 8);
        ramp.allowed()
    };
    // Each round trip twice as much, from a hundredth of what there was on.
    let added = (0..24).map(|tenth| (0.01 * f64::from(tenth / 2).exp2()).min(1.0));
    let allowed: Vec<_> = added.map(|added| look(1.0 + added)).collect();
    assert!(allowed[13] == 2 && allowed.last() > Some(&2), "{allowed:?}");
}

#[test]
fn a_rate_that_is_a_fifth_higher_than_before_is_good_enough_to_compare_with() {
    let (mut ramp, mut now) = (Ramp::new(true), Instant::now());
    assert_eq!(feed(&mut ramp, &mut now, 6, 1, false, 1.0, 1.1), 2);
    let (mut ramp, mut now) = (Ramp::new(true), Instant::now());
    assert_eq!(feed(&mut ramp, &mut now, 20, 1, false, 1.0, 1.2), 1);
}

#[test]
fn whoever_says_a_number_gets_it() {
    let mut ramp = Ramp::new(false);
    ramp.look(Instant::now(), 1, false, 0.5, false, 8);
    assert_eq!((ramp.allowed(), ramp.lean()), (u16::MAX, 1.0));
}

#[test]
fn where_one_brings_units_in_drops_its_rate_is_not_waited_for_to_become_steady() {
    let drops = |n, seconds: f64| match n {
        1 if ((seconds * 10.0).round() as u64).is_multiple_of(10) => 10.0,
        n => f64::from(n - 1) * 1e6,
    };
    let mut path = Path::new(drops, 0.5);
    assert_eq!(path.run(20), 8);
    assert!(path.history[99] == 1 && path.history[120] > 1, "{:?}", path.history);
}

/// Far from the server, with plenty to fetch: looks after every tenth of a second, while the first worker brings `first` MB per
/// second and, from the second second on, three others bring `others`, both by the time in seconds.
fn far(first: impl Fn(f64) -> f64, others: impl Fn(f64) -> f64) -> (Ramp, Vec<u16>) {
    let (mut ramp, begin) = (Ramp::new(true), Instant::now());
    ramp.look(begin, 0, true, 0.4, true, 64);
    let allowed = (1..60).map(|tenth| {
        let (now, time) = (begin + Duration::from_millis(100) * tenth, f64::from(tenth) / 10.0);
        let running = if tenth < 20 { 1 } else { 4 };
        ramp.count(begin, (1e5 * first(time)) as u64);
        if running > 1 {
            ramp.count(begin + Duration::from_millis(100), (1e5 * others(time)) as u64);
        }
        ramp.look(now, running, running == 1, 0.4, true, 64);
        ramp.allowed()
    });
    let allowed = allowed.collect();
    (ramp, allowed)
}

/// A slow start that reaches 1 after `seconds`.
fn growing(seconds: f64, time: f64) -> f64 {
    ((time - seconds) / 0.2).exp2().min(1.0)
}

#[test]
fn far_from_the_server_three_more_are_tried_at_once() {
    let (ramp, allowed) = far(|time| growing(1.0, time), |time| 3.0 * growing(2.5, time));
    assert_eq!((allowed[0], ramp.lean()), (4, 1.0), "in equal parts");
    let decided = allowed.iter().position(|&allowed| allowed > 4).unwrap();
    assert!((21..30).contains(&decided) && allowed[decided] == 16, "{allowed:?}");
    // Near to it, or where little is left, the first rate is waited for.
    for (setup, plenty) in [(0.1, true), (0.4, false)] {
        let mut ramp = Ramp::new(true);
        ramp.look(Instant::now(), 1, false, setup, plenty, 8);
        assert_eq!(ramp.allowed(), 1);
    }
}

#[test]
fn what_the_first_one_comes_to_beside_the_others_is_what_they_are_compared_with() {
    // It fills the link when they have just come, and shares it with them in the end.
    let link = |time: f64| growing(2.3, time);
    let share = |time: f64| 0.75 * growing(3.5, time);
    let (ramp, allowed) = far(|time| link(time) * (1.0 - share(time)), |time| link(time) * share(time));
    assert_eq!(ramp.allowed(), 1, "{allowed:?}");
    // With a connection's cap instead they are a gain.
    let (_, allowed) = far(link, |time| 3.0 * growing(3.5, time));
    assert!(allowed.last() > Some(&4), "{allowed:?}");
}

#[test]
fn when_the_first_one_is_gone_before_its_rate_is_known_the_search_begins_anew() {
    let (mut ramp, begin) = (Ramp::new(true), Instant::now());
    let at = |tenths: u32| begin + Duration::from_millis(100) * tenths;
    let mut look = |tenth, asked, units, running| {
        ramp.count(at(asked), units / u64::from(running));
        ramp.count(at(tenth), units - units / u64::from(running));
        ramp.look(at(tenth), running, false, 0.4, true, 64);
        ramp.allowed()
    };
    assert_eq!(look(1, 0, 10, 1), 4);
    assert_eq!(look(2, 0, 20, 1), 4);
    assert_eq!(look(3, 0, 40, 4), 4, "they are there");
    assert_eq!(look(4, 2, 40, 1), 4, "and all but one of them are not");
    // What is compared with what follows is the rate of the one that is left.
    let later: Vec<_> = (5..40).map(|tenth| look(tenth, 2, 1000, 1)).collect();
    assert!(later.iter().all(|&allowed| allowed == 4), "{later:?}");
    let with_others: Vec<_> = (40..80).map(|tenth| look(tenth, 2, 1000, 4)).collect();
    assert_eq!(with_others.last(), Some(&1), "{with_others:?}");
}

#[test]
fn a_slow_newcomer_says_nothing_about_the_next_one() {
    // The first brings 1 MB per second, up to `slow` others next to nothing, and whoever comes after them 1 MB per second, or,
    // where they share a link, all together what the first one brought.
    let allowed_in_the_end = |slow: u16, shared: bool| {
        let (mut ramp, begin) = (Ramp::new(true), Instant::now());
        let (mut running, mut asked) = (1, vec![begin]);
        for tenth in 1..120 {
            let now = begin + Duration::from_millis(100) * tenth;
            for (n, asked) in (0..running).zip(&asked) {
                let alone = if (1..=slow).contains(&n) { 0.05 } else { 1.0 };
                ramp.count(*asked, (1e5 * if shared { 1.0 / f64::from(running) } else { alone }) as u64);
            }
            ramp.look(now, running, false, 0.1, false, 64);
            running = running.max(ramp.allowed());
            asked.resize(usize::from(running), now);
        }
        running
    };
    assert_eq!(allowed_in_the_end(1, false), 64);
    assert!(allowed_in_the_end(2, false) > 8);
    assert_eq!(allowed_in_the_end(3, false), 4, "three of four have a slow way: it is not worth more");
    assert_eq!(allowed_in_the_end(0, true), 2);
}

/// After so many quarters of a second so many units have come.
fn quarter(begin: Instant, quarters: u32, units: u64) -> Mark {
    (begin + Duration::from_millis(250) * quarters, units)
}

#[test]
fn a_window_is_complete_when_its_time_is_over_and_something_came() {
    let begin = Instant::now();
    let mut before = Before::new(quarter(begin, 0, 0), 0);
    let mut windows = |quarters, units, shortest| {
        before.look(quarter(begin, quarters, units), shortest);
        before.windows
    };
    assert_eq!(windows(1, 100, 0.3), 0, "too short");
    assert_eq!(windows(2, 200, 0.5), 1, "just as long as it must be");
    assert_eq!(windows(6, 200, 0.5), 1, "nothing came");
    assert_eq!(windows(8, 800, 0.5), 2);
}

#[test]
fn what_came_before_a_rate_that_grew_by_more_than_three_tenths_does_not_count() {
    let begin = Instant::now();
    let windows_and_rate = |units: u64| {
        let mut before = Before::new(quarter(begin, 0, 0), 0);
        before.look(quarter(begin, 4, 100), 1.0);
        before.look(quarter(begin, 8, 100 + units), 1.0);
        (before.windows, before.rate())
    };
    assert_eq!(windows_and_rate(130), (2, 115.0));
    assert_eq!(windows_and_rate(131), (1, 131.0));
}

#[test]
fn the_first_rate_is_looked_for_in_shorter_windows() {
    let (mut ramp, begin) = (Ramp::new(true), Instant::now());
    let allowed = (1..=3).map(|n| {
        ramp.count(begin, 1000);
        ramp.look(begin + Duration::from_millis(150) * n, 1, false, 0.1, false, 8);
        ramp.allowed()
    });
    assert_eq!(allowed.collect::<Vec<_>>(), [1, 1, 2], "two windows after the first unit");
}

#[test]
fn what_one_brings_while_the_next_is_being_opened_is_what_both_are_compared_with() {
    let (mut ramp, mut now) = trial();
    feed(&mut ramp, &mut now, 20, 1, true, 1.25, 1.0);
    assert_eq!(feed(&mut ramp, &mut now, 10, 2, false, 1.25, 1.0), 1);
}

#[test]
fn after_a_pause_of_the_first_one_its_rate_is_measured_anew() {
    let (mut ramp, mut now) = trial();
    feed(&mut ramp, &mut now, 10, 0, true, 0.0, 1.0);
    feed(&mut ramp, &mut now, 2, 1, true, 2.0, 1.0);
    assert_eq!(feed(&mut ramp, &mut now, 10, 2, false, 2.0, 1.0), 1, "neither the pause nor the rate before it counts");
}

#[test]
fn a_trial_is_judged_after_three_set_up_times() {
    let (mut ramp, mut now) = trial();
    let allowed = (0..7).map(|_| {
        now += Duration::from_millis(250);
        ramp.count(now, 250_000);
        ramp.look(now, 2, false, 0.5, false, 8);
        ramp.allowed()
    });
    assert_eq!(allowed.collect::<Vec<_>>(), [2, 2, 2, 2, 2, 2, 1], "a second and a half after both were there");
}

#[test]
fn newcomers_are_slow_if_each_brings_less_than_a_quarter_of_what_an_old_one_does() {
    let begin = Instant::now();
    let slow = |from, running, old, new| {
        let ramp = Ramp { old, ..Ramp::new(true) };
        let (began, rates) = (quarter(begin, 0, 0), [0.0; 3]);
        let level = Level { running, began, old: 0, window: began, windows: 0, rates };
        ramp.newcomers_are_slow(level, from, quarter(begin, 4, old + new))
    };
    assert!(slow(1, 2, 400, 99) && !slow(1, 2, 400, 100));
    assert!(slow(2, 5, 800, 299) && !slow(2, 5, 800, 300), "three beside two");
}

#[test]
fn streams_that_come_one_by_one_are_all_compared_with_those_before_the_first_of_them() {
    let (mut ramp, mut now) = trial();
    assert_eq!(feed(&mut ramp, &mut now, 4, 2, false, 2.0, 1.0), 8);
    feed(&mut ramp, &mut now, 5, 3, true, 2.0, 1.0);
    assert_eq!(feed(&mut ramp, &mut now, 10, 4, false, 2.0, 1.0), 2);
}

/// Far from the server, with plenty to fetch: what is allowed after each tenth of a second in which so many workers run, of which
/// the first one, and the others together, bring so many units.
fn far_by_tenths(tenths: impl IntoIterator<Item = (u16, u64, u64)>) -> Vec<u16> {
    let (mut ramp, begin) = (Ramp::new(true), Instant::now());
    let allowed = (1..).zip(tenths).map(|(tenth, (running, first, others))| {
        let now = begin + Duration::from_millis(100) * tenth;
        ramp.count(begin, first);
        ramp.count(now, others);
        ramp.look(now, running, false, 0.4, true, 64);
        ramp.allowed()
    });
    allowed.collect()
}

#[test]
fn the_best_of_the_first_one_counts_where_the_others_have_come_before_it_was_known() {
    // They come one by one, and when it fills the link they begin to take away from it.
    let come = [(1, 10, 0), (1, 20, 0), (2, 20, 0), (3, 30, 0), (4, 40, 0), (4, 50, 0)];
    let fill = [(4, 1000, 0), (4, 1000, 0), (4, 500, 500), (4, 500, 500)];
    let share = [(4, 250, 750); 90];
    let allowed = far_by_tenths(come.into_iter().chain(fill).chain(share));
    assert_eq!(changes(&allowed), [4, 1]);
}

#[test]
fn nothing_is_judged_while_the_first_one_still_grows() {
    // All double with each tenth of a second, for a second; that the four are faster than one was is no news until it is over.
    let tenths = (0..20).map(|tenth| (if tenth < 2 { 1 } else { 4 }, 10 << tenth.min(10), 30 << tenth.min(10)));
    let allowed = far_by_tenths(tenths.map(|(n, first, others)| (n, first, if n == 1 { 0 } else { others })));
    let decided = allowed.iter().position(|&allowed| allowed > 4);
    assert!(decided.is_some_and(|tenth| (11..18).contains(&tenth)), "{allowed:?}");
}
