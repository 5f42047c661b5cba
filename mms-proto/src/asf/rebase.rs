//! Lets a recording that was joined in the middle begin at 0.

use std::time::Duration;

use super::packet::Head;
use super::{AsfError, LengthType, Packet};

/// Subtracts `start` from all times of a whole packet: the send time, and the presentation times of its payloads. What
/// was before `start` becomes 0.
///
/// `start` is the [send time](Packet::send_time) of the first packet of the recording; it counts in whole milliseconds.
/// Times count in 32 bits and begin anew after 49 days, so a packet is taken to be before `start` if it is so by less
/// than half of that.
///
/// This rewrites packets: they are not what the server sent any more. After an error the packet is as it was.
///
/// # Errors
///
/// The packet or one of its payloads cannot be decoded.
///
/// Spec: ASF 5.2.2, 5.2.3
pub fn rebase(packet: &mut [u8], start: Duration) -> Result<(), AsfError> {
    let [a, b, c, d, ..] = start.as_millis().to_le_bytes();
    let start = u32::from_le_bytes([a, b, c, d]);
    // The send time is what the last six bytes of the head begin with.
    let mut places = vec![(Head::read(packet)?.end.saturating_sub(6), LengthType::Dword)];
    let mut payloads = Packet::decode(packet)?.payloads();
    // At most one place for each of 63 payloads.
    while let Some(payload) = payloads.next() {
        payload?;
        places.extend(payloads.take_time_at());
    }
    for (at, width) in places {
        let field = packet.get_mut(at..).and_then(|rest| rest.get_mut(..width.width())).unwrap_or_default();
        let mut bytes = [0; 4];
        bytes.iter_mut().zip(field.iter()).for_each(|(byte, old)| *byte = *old);
        let time = u32::from_le_bytes(bytes).wrapping_sub(start);
        let time = if time > u32::MAX / 2 { 0 } else { time };
        field.iter_mut().zip(time.to_le_bytes()).for_each(|(byte, new)| *byte = new);
    }
    Ok(())
}
