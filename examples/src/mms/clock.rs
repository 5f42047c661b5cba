//! How much of a live stream has come, by its own account.

use std::time::Duration;

use mms_proto::asf::Packet;

/// A step between two packets that is longer is none of time: somebody has set the clock of the encoder, or changed the encoder.
const LONGEST: Duration = Duration::from_secs(60);

/// Adds up the send times of packets. A broadcast is joined in the middle, so only differences say anything; where time goes back or
/// jumps, nothing is added.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    last: Option<Duration>,
    until_last: Duration,
    of_last: Duration,
}

impl Clock {
    /// Takes the next packet into account. One that cannot be read takes no time.
    pub(super) fn packet(&mut self, packet: &[u8]) {
        if let Ok(packet) = Packet::decode(packet) {
            self.at(packet.send_time, packet.duration);
        }
    }

    fn at(&mut self, send_time: Duration, duration: Duration) {
        let step = self.last.and_then(|last| send_time.checked_sub(last)).filter(|step| *step <= LONGEST);
        // Behind a jump, what the packet before it took has passed all the same.
        self.until_last += step.unwrap_or_else(|| self.last.map_or(Duration::ZERO, |_| self.of_last));
        (self.last, self.of_last) = (Some(send_time), duration.min(LONGEST));
    }

    /// What has come, the last packet with it.
    pub(super) fn elapsed(&self) -> Duration {
        self.until_last + self.of_last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elapsed(times: &[u64]) -> u64 {
        let mut clock = Clock::default();
        times.iter().for_each(|&time| clock.at(Duration::from_millis(time), Duration::from_millis(10)));
        clock.elapsed().as_millis().try_into().unwrap()
    }

    #[test]
    fn time_counts_from_where_the_broadcast_was_joined() {
        assert_eq!(elapsed(&[]), 0);
        assert_eq!(elapsed(&[7_000_000]), 10);
        assert_eq!(elapsed(&[7_000_000, 7_000_500, 7_001_000]), 1010);
    }

    #[test]
    fn a_clock_that_is_set_back_or_forth_adds_the_packet_alone() {
        assert_eq!(elapsed(&[1000, 2000, 0, 1000]), 1000 + 10 + 1000 + 10);
        assert_eq!(elapsed(&[1000, 9_000_000, 9_000_500]), 10 + 500 + 10);
    }

    #[test]
    fn what_is_no_packet_takes_no_time() {
        let mut clock = Clock::default();
        clock.packet(&[]);
        clock.packet(&[0xFF; 64]);
        assert_eq!(clock.elapsed(), Duration::ZERO);
    }
}
