//! A phase has a deadline, and not a read.

use mms_proto::conn::{Awaited, Error};

use super::script::{HEAD, Script, answer, change, end, header, packet};

/// Sends one byte each second until the machine gives up; how many seconds that took.
fn drip(script: &mut Script, bytes: &[u8]) -> u64 {
    let mut seconds = 0;
    for &byte in bytes.iter().cycle().take(10_000) {
        script.hear([byte]).elapse(1);
        seconds += 1;
        if script.trace.error.is_some() {
            return seconds;
        }
    }
    panic!("never given up");
}

#[test]
fn a_silent_server_is_given_up_at_each_step() {
    let steps: [(&[u8], u64, Awaited); 5] = [
        (b"", 15, Awaited::Response),
        (HEAD.as_bytes(), 30, Awaited::Header),
        (b"$T\0\0", 30, Awaited::Header),
        (&header(0, 0x04, b"h"), 30, Awaited::Header),
        (&header(1, 0x08, b"dr"), 20, Awaited::FirstPacket),
    ];
    for count in 1..=steps.len() {
        let mut script = Script::playing();
        for (bytes, ..) in &steps[..count] {
            script.hear(bytes);
        }
        let (_, seconds, awaited) = steps[count - 1];
        assert_eq!(script.deadline(), Some(seconds), "{awaited}");
        script.elapse(seconds - 1);
        assert_eq!(script.trace.error, None);
        script.elapse(1);
        assert_eq!(script.error(), Error::TimedOut(awaited));
    }
}

#[test]
fn one_byte_per_second_does_not_prolong_a_phase() {
    let mut script = Script::playing();
    assert_eq!(drip(&mut script, b"HTTP/1.0 200 OK\r\nX: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"), 15);
    let mut script = Script::playing();
    script.hear(HEAD);
    assert_eq!(drip(&mut script, b"$T\0\0"), 30);
    let mut script = Script::playing();
    script.hear(answer(HEAD, &[header(0, 0x0C, b"hdr")]));
    assert_eq!(drip(&mut script, b"$T\0\0"), 20);
    let mut script = Script::playing();
    script.hear(answer(HEAD, &[header(0, 0x0C, b"hdr"), packet(0, b"p")]));
    script.hear(change());
    assert_eq!(drip(&mut script, &change()), 30);
    assert_eq!(script.error(), Error::TimedOut(Awaited::Header));
}

#[test]
fn between_packets_the_machine_does_not_wait() {
    let mut script = Script::playing();
    script.hear(answer(HEAD, &[header(0, 0x0C, b"hdr"), packet(0, b"p")]));
    assert_eq!(script.wait, None);
    script.elapse(100_000).hear(packet(1, b"q"));
    assert_eq!(script.trace.error, None);
    // Nor for the next content to begin; but for its header, and its first packet.
    script.hear(end(1));
    assert_eq!(script.wait, None);
    script.hear(change());
    assert_eq!(script.deadline(), Some(30));
    script.hear(header(0, 0x0C, b"new"));
    assert_eq!(script.deadline(), Some(20));
    script.hear(packet(0, b"p"));
    assert_eq!(script.wait, None);
}

#[test]
fn a_timeout_before_its_time_is_nothing() {
    let mut script = Script::playing();
    script.elapse(0).elapse(14).elapse(0);
    assert_eq!((script.trace.error.clone(), script.deadline()), (None, Some(1)));
}
