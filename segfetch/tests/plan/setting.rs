//! What a world is like.

/// Seconds of a step.
pub(crate) const TICK: f64 = 0.02;
/// Of the first stream, where a world does not say otherwise: a login and all that.
const FIRST_SETUP: f64 = 1.8;
/// Units per second of each worker, as a function of time.
#[derive(Clone)]
pub(crate) struct Rates {
    /// Of consecutive stretches of five seconds; the last one lasts.
    pub(crate) stretches: Vec<Vec<f64>>,
}

impl Rates {
    pub(crate) fn constant(rates: Vec<f64>) -> Self {
        Self { stretches: vec![rates] }
    }

    pub(crate) fn at(&self, time: f64) -> &[f64] {
        let stretch = ((time / 5.0) as usize).min(self.stretches.len() - 1);
        &self.stretches[stretch]
    }
}

/// What all streams share.
#[derive(Clone, Copy)]
pub(crate) struct Link {
    /// Units per second.
    pub(crate) rate: f64,
    /// What a stream that is stopped has been sent already and nobody wants: it takes its part of the link until it is through.
    pub(crate) overshoot: f64,
}

#[derive(Clone)]
pub(crate) struct Setting {
    /// Length of each job.
    pub(crate) units: Vec<u64>,
    pub(crate) workers: u16,
    /// Seconds from asking to the first unit, for the first stream and for the others.
    pub(crate) setups: (f64, f64),
    /// All workers start at once, and those beside the first take so many seconds to their first units.
    pub(crate) eager: Option<f64>,
    pub(crate) rates: Rates,
    /// Sessions that the server admits. With a number, the jobs share a gate; otherwise each may do what it likes.
    pub(crate) admits: Option<u16>,
    /// How often a second of a stream ends with a reset.
    pub(crate) resets: f64,
    /// Whether the number of workers is to be found.
    pub(crate) ramp: bool,
    pub(crate) link: Option<Link>,
    /// Seconds in which the window of a new stream doubles; 0 for none.
    pub(crate) round_trip: f64,
    /// Units come in lumps of this many, and not at all in so many of a hundred ticks: a machine that has other things to do.
    pub(crate) rough: (f64, u64),
    /// This worker's first stream brings nothing any more once half of everything is there.
    pub(crate) silent: Option<usize>,
}

impl Setting {
    pub(crate) fn new(units: u64, workers: u16, setup: f64, rates: Rates) -> Self {
        Self {
            units: vec![units],
            workers,
            setups: (FIRST_SETUP, setup),
            eager: None,
            rates,
            admits: None,
            resets: 0.0,
            ramp: false,
            link: None,
            round_trip: 0.0,
            rough: (1.0, 0),
            silent: None,
        }
    }

    /// The first instant at which the sum of all rates could have brought everything, after one set-up: no schedule beats it.
    pub(crate) fn ideal(&self) -> f64 {
        let units = self.units.iter().sum::<u64>() as f64;
        let (mut time, mut left) = (self.setups.0, units);
        while left > 0.0 {
            let usable =
                self.rates.at(time).iter().enumerate().filter(|(n, _)| self.silent != Some(*n) || left > units / 2.0);
            let rate = usable.map(|(_, rate)| rate).sum::<f64>();
            left -= self.link.map_or(rate, |link| link.rate.min(rate)) * TICK / 10.0;
            time += TICK / 10.0;
        }
        time
    }
}
