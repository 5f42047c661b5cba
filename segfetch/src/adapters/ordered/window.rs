//! What is held, what is on its way, and who fetches what next. Pure: the time is an argument.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::time::Instant;

use crate::range_set::RangeSet;

/// Of what was handed out, so many bytes at most are kept, to be compared with what comes twice.
const MOST_OVERLAP: u64 = 64 << 10;
/// And of a segment at most this part is fetched twice for that: more would make the whole slower.
const OVERLAP_PART: u64 = 64;
/// A stream that everybody waits for, and that brings nothing for so long, is given up for another one.
pub(super) const STALL: Duration = Duration::from_secs(3);
/// Half of a segment that everybody waits for is given to an idle lane if the rest of it takes so many times as long as opening.
const WORTH_OPENING: u32 = 4;
/// Less than this is not worth a stream anyhow.
const SPLIT_MIN: u64 = 128 << 10;

/// A window that moves over the file with its reader. Nothing outside of it is fetched.
///
/// The file is fetched in segments, each by one lane. A window holds one and a half for each lane: with fewer and longer ones, lanes
/// that are done would wait for slower ones, and with more, openings cost more.
#[derive(Debug)]
pub(super) struct Window {
    size: u64,
    segment: u64,
    /// The next byte that is handed out.
    front: u64,
    /// From here on nobody was asked to fetch anything.
    next: u64,
    len: Option<u64>,
    /// Before `next`, what a lane has given back.
    free: RangeSet,
    /// What was received and not handed out, by offset.
    held: BTreeMap<u64, Bytes>,
    /// What was handed out last, as far as it may come twice.
    behind: Vec<u8>,
    /// What came twice, by the offset behind it: it is to be what was handed out when the front gets there.
    twice: BTreeMap<u64, Vec<u8>>,
    lanes: Vec<Option<Segment>>,
    /// How long it took to open a stream, the last time.
    opening: Duration,
}

/// What a lane is to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// The next byte that is missing.
    pub(super) at: u64,
    pub(super) end: u64,
    /// Where and when the lane began with it.
    begun: (u64, Instant),
    /// When something came last.
    last: Instant,
}

impl Segment {
    fn new(range: std::ops::Range<u64>, now: Instant) -> Self {
        Self { at: range.start, end: range.end, begun: (range.start, now), last: now }
    }

    /// Time until its end, at its rate so far.
    fn time_left(&self, now: Instant) -> Duration {
        let left = (self.end - self.at) as f64 / self.per_second(now);
        // Whether it is slow or new is not known.
        if self.at == self.begun.0 {
            Duration::ZERO
        } else {
            Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX)
        }
    }

    /// Bytes per second so far.
    pub(super) fn rate(&self, now: Instant) -> u64 {
        if now > self.begun.1 { self.per_second(now) as u64 } else { 0 }
    }

    fn per_second(&self, now: Instant) -> f64 {
        (self.at - self.begun.0) as f64 / now.saturating_duration_since(self.begun.1).as_secs_f64()
    }
}

/// What there is to do for a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// This lane has a segment.
    Fetch,
    /// The same, and it was taken away from another one, which is to let go of its stream.
    Instead { of: usize },
    /// Nothing, for now.
    Wait,
    /// Nothing any more.
    Over,
}

impl Window {
    /// A window of `size` bytes for so many lanes.
    pub(super) fn new(size: u64, lanes: usize) -> Self {
        Self {
            size,
            segment: (size * 2 / (3 * lanes.max(1) as u64)).max(1),
            front: 0,
            next: 0,
            len: None,
            free: RangeSet::new(),
            held: BTreeMap::new(),
            behind: Vec::new(),
            twice: BTreeMap::new(),
            lanes: vec![None; lanes.max(1)],
            opening: Duration::ZERO,
        }
    }

    /// Says how long the file is. Nothing behind its end is to be fetched.
    pub(super) fn set_len(&mut self, len: u64) {
        self.len = Some(len);
        self.next = self.next.min(len);
        self.free.remove(len..u64::MAX);
        for lane in &mut self.lanes {
            *lane = lane.map(|it| Segment { end: it.end.min(len), ..it }).filter(|it| it.at < it.end);
        }
    }

    pub(super) fn len(&self) -> Option<u64> {
        self.len
    }

    /// Notes what a stream costs.
    pub(super) fn opening_took(&mut self, opening: Duration) {
        self.opening = opening;
    }

    /// How many bytes a stream that nothing else is known of brings once more, so that they can be compared.
    pub(super) fn overlap(&self) -> u64 {
        (self.segment / OVERLAP_PART).clamp(1, MOST_OVERLAP)
    }

    /// Whether everything was handed out.
    pub(super) fn is_at_end(&self) -> bool {
        self.len == Some(self.front)
    }

    /// What the lane is to fetch now.
    pub(super) fn segment(&self, lane: usize) -> Option<Segment> {
        *self.lanes.get(lane)?
    }

    /// Finds something to fetch for a lane, unless it has something, or others have and are `enough`.
    pub(super) fn claim(&mut self, lane: usize, now: Instant, enough: bool) -> Claim {
        if self.lanes[lane].is_some() {
            return Claim::Fetch;
        }
        if enough && self.lanes.iter().any(Option::is_some) {
            return Claim::Wait;
        }
        let len = self.len.unwrap_or(u64::MAX);
        let (start, end) = match self.free.first() {
            Some(range) => (range.start, range.end.min(range.start.saturating_add(self.segment))),
            None => (self.next, len.min(self.next.saturating_add(self.segment))),
        };
        if start < end && end <= self.front.saturating_add(self.size) {
            self.free.remove(start..end);
            self.next = self.next.max(end);
            self.lanes[lane] = Some(Segment::new(start..end, now));
            return Claim::Fetch;
        }
        let foremost = (0..self.lanes.len()).filter_map(|of| Some((self.lanes[of]?, of))).min_by_key(|(it, _)| it.at);
        let Some((segment, of)) = foremost else {
            return if start >= end { Claim::Over } else { Claim::Wait };
        };
        if segment.at > self.front {
            return Claim::Wait;
        }
        // Everybody waits for this one.
        if now.saturating_duration_since(segment.last) >= STALL {
            self.lanes[of] = None;
            self.lanes[lane] = Some(Segment::new(segment.at..segment.end, now));
            return Claim::Instead { of };
        }
        let rest = segment.end - segment.at;
        if rest < SPLIT_MIN || segment.time_left(now) < WORTH_OPENING * self.opening {
            return Claim::Wait;
        }
        let middle = segment.at + rest / 2;
        self.lanes[of] = Some(Segment { end: middle, ..segment });
        self.lanes[lane] = Some(Segment::new(middle..segment.end, now));
        Claim::Fetch
    }

    /// Takes what a lane received, as far as it is wanted of it, and says how many bytes that were.
    pub(super) fn put(&mut self, lane: usize, bytes: &[u8], now: Instant) -> usize {
        let Some(segment) = &mut self.lanes[lane] else { return 0 };
        let n = bytes.len().min(usize::try_from(segment.end - segment.at).unwrap_or(usize::MAX));
        if n > 0 {
            self.held.insert(segment.at, Bytes::copy_from_slice(&bytes[..n]));
        }
        segment.at += n as u64;
        segment.last = now;
        if segment.at == segment.end {
            self.lanes[lane] = None;
        }
        n
    }

    /// A lane gives back what it has not fetched.
    pub(super) fn give_back(&mut self, lane: usize) {
        if let Some(segment) = self.lanes[lane].take() {
            self.free.insert(segment.at..segment.end);
        }
    }

    /// The file ends at this byte. It is an error if it was to end elsewhere.
    pub(super) fn end_at(&mut self, at: u64) -> Result<(), String> {
        match self.len {
            Some(len) if len != at => Err(format!("it had {len} bytes and ends at {at}")),
            _ => {
                self.set_len(at);
                Ok(())
            }
        }
    }

    /// A stream brought these bytes before `at`, at most [`overlap`](Self::overlap), before others from there on.
    pub(super) fn came_twice(&mut self, at: u64, bytes: Vec<u8>) {
        self.twice.insert(at, bytes);
    }

    /// Hands out the next bytes, at most `max`, if they are there. It is an error if those before them came twice and differed.
    pub(super) fn take(&mut self, max: usize) -> Result<Option<Bytes>, String> {
        if self.twice.get(&self.front).is_some_and(|again| !self.behind.ends_with(again)) {
            return Err("bytes that came twice differ".to_owned());
        }
        let Some(mut bytes) = self.held.remove(&self.front) else { return Ok(None) };
        self.twice.remove(&self.front);
        let piece = bytes.split_to(max.min(bytes.len()));
        self.front += piece.len() as u64;
        if bytes.has_remaining() {
            self.held.insert(self.front, bytes);
        }
        let overlap = usize::try_from(self.overlap()).unwrap_or(usize::MAX);
        self.behind.extend_from_slice(&piece[piece.len().saturating_sub(overlap)..]);
        let surplus = self.behind.len().saturating_sub(overlap);
        self.behind.drain(..surplus);
        Ok(Some(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;

    fn window(len: u64) -> Window {
        let mut window = Window::new(6 * MIB, 2);
        window.set_len(len);
        window
    }

    /// Receives all that a lane is to fetch.
    fn fetch(window: &mut Window, lane: usize, now: Instant) {
        let Segment { at, end, .. } = window.segment(lane).unwrap();
        assert_eq!(window.put(lane, &vec![7; (end - at) as usize], now), (end - at) as usize);
        assert_eq!(window.segment(lane), None);
    }

    /// Where the segment begins that the lane gets.
    fn claim(window: &mut Window, lane: usize, now: Instant) -> u64 {
        assert_eq!(window.claim(lane, now, false), Claim::Fetch);
        window.segment(lane).unwrap().at
    }

    fn drain(window: &mut Window) -> u64 {
        std::iter::from_fn(|| window.take(usize::MAX).unwrap()).map(|bytes| bytes.len() as u64).sum()
    }

    #[test]
    fn a_window_is_fetched_in_segments_and_moves_with_its_reader() {
        let now = Instant::now();
        let mut window = window(11 * MIB);
        for at in [0, 2, 4] {
            assert_eq!(claim(&mut window, 1, now), at * MIB);
            fetch(&mut window, 1, now);
        }
        assert_eq!(window.claim(1, now, false), Claim::Wait, "the window is full");
        assert_eq!(window.take(MIB as usize).unwrap().unwrap().len() as u64, MIB);
        assert_eq!(window.claim(1, now, false), Claim::Wait, "a segment is not begun before all of it fits");
        assert_eq!(drain(&mut window), 5 * MIB);
        for at in [6, 8, 10] {
            assert_eq!(claim(&mut window, 1, now), at * MIB);
            fetch(&mut window, 1, now);
        }
        assert_eq!(window.claim(1, now, false), Claim::Over);
        assert_eq!((drain(&mut window), window.is_at_end()), (5 * MIB, true));
    }

    #[test]
    fn what_a_lane_gives_back_is_fetched_first() {
        let now = Instant::now();
        let mut window = window(100 * MIB);
        assert_eq!(claim(&mut window, 0, now), 0);
        assert_eq!(claim(&mut window, 1, now), 2 * MIB);
        window.put(0, &[1; 100], now);
        window.give_back(0);
        assert_eq!(window.segment(0), None);
        fetch(&mut window, 1, now);
        assert_eq!(claim(&mut window, 1, now), 100);
        assert_eq!(window.segment(1).unwrap().end, 2 * MIB);
        assert_eq!(claim(&mut window, 0, now), 4 * MIB);
    }

    #[test]
    fn who_waits_for_a_slow_stream_takes_half_of_it_and_all_if_it_is_silent() {
        let begun = Instant::now();
        let mut window = window(6 * MIB);
        assert_eq!(claim(&mut window, 0, begun), 0);
        for at in [2, 4] {
            assert_eq!(claim(&mut window, 1, begun), at * MIB);
            fetch(&mut window, 1, begun);
        }
        let later = begun + STALL / 2;
        window.put(0, &vec![0; MIB as usize], later);
        assert_eq!(window.claim(1, later, false), Claim::Wait, "the reader has bytes");
        drain(&mut window);
        // The rest takes as long as the first half did: 1.5 s.
        window.opening_took(Duration::from_secs(1));
        assert_eq!(window.claim(1, later, false), Claim::Wait, "another stream would not be faster");
        window.opening_took(Duration::from_millis(300));
        assert_eq!(claim(&mut window, 1, later), MIB + 512 * KIB);
        assert_eq!(window.put(0, &vec![0; MIB as usize], later) as u64, 512 * KIB, "no more than is left to it");
        window.put(1, &[0; 1], later);
        drain(&mut window);
        assert_eq!(window.claim(0, later, false), Claim::Wait, "too little to share");
        assert_eq!(window.claim(0, later + STALL, false), Claim::Instead { of: 1 });
        assert_eq!(window.segment(0).unwrap().at, MIB + 512 * KIB + 1);
        assert_eq!((window.put(1, &[0; 9], later), window.segment(1)), (0, None), "it came too late");
        fetch(&mut window, 0, later);
        assert_eq!(window.claim(1, later, false), Claim::Over);
    }

    #[test]
    fn where_one_is_enough_no_other_begins_and_the_one_goes_on() {
        let now = Instant::now();
        let mut window = window(6 * MIB);
        assert_eq!(window.claim(0, now, true), Claim::Fetch);
        assert_eq!(window.claim(1, now, true), Claim::Wait);
        assert_eq!(window.claim(0, now, true), Claim::Fetch);
        fetch(&mut window, 0, now);
        assert_eq!(window.claim(1, now, true), Claim::Fetch, "nobody else is at it");
    }

    #[test]
    fn an_end_is_where_it_was_said_to_be_or_an_error() {
        let now = Instant::now();
        let mut known = window(5 * MIB);
        assert!(known.end_at(5 * MIB - 1).is_err() && known.end_at(5 * MIB).is_ok());
        let mut unknown = Window::new(8 * MIB, 1);
        assert_eq!(claim(&mut unknown, 0, now), 0);
        unknown.put(0, &[1; 10], now);
        assert!(!unknown.is_at_end());
        unknown.end_at(10).unwrap();
        assert_eq!(unknown.claim(0, now, false), Claim::Over);
        assert_eq!((drain(&mut unknown), unknown.is_at_end()), (10, true));
    }

    #[test]
    fn what_came_twice_and_differs_lets_nothing_behind_it_out() {
        let now = Instant::now();
        let overlap = window(MIB).overlap() as usize;
        assert_eq!(overlap as u64, 2 * MIB / OVERLAP_PART);
        for wrong in [None, Some(0), Some(overlap - 1)] {
            let mut window = window(100 * MIB);
            for at in [0, 2] {
                assert_eq!(claim(&mut window, 0, now), at * MIB);
                let mut again = vec![7; if at == 0 { 0 } else { overlap }];
                wrong.filter(|_| at > 0).into_iter().for_each(|wrong| again[wrong] = 8);
                window.came_twice(at * MIB, again);
                fetch(&mut window, 0, now);
            }
            // In pieces, some of them shorter than what is compared.
            let mut out = 0;
            let ended = loop {
                match window.take(overlap / 3) {
                    Ok(Some(piece)) => out += piece.len() as u64,
                    ended => break ended,
                }
            };
            match wrong {
                None => assert!(ended == Ok(None) && out == 4 * MIB),
                Some(_) => assert!(ended.is_err() && out == 2 * MIB && window.take(1).is_err(), "{out}"),
            }
        }
    }
}
