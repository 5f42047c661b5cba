//! What is in the streams: a tone, and a bar that wanders. Every byte that a decoder does not need is a hash of where it is, so that nothing
//! can be taken for something else.

pub(super) const WIDTH: u16 = 64;
pub(super) const HEIGHT: u16 = 48;
/// No picture takes more bytes without its filling.
pub(super) const LARGEST_BARE_PICTURE: usize = 420;

const BLOCK: u16 = 8;

/// A hash of a position.
pub(super) fn hash(seed: u64, stream: u8, position: u64) -> u64 {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (u64::from(stream) << 56) ^ position;
    for factor in [0xBF58_476D_1CE4_E5B9, 0x94D0_49BB_1331_11EB] {
        x = (x ^ (x >> 29)).wrapping_mul(factor);
    }
    x ^ (x >> 32)
}

/// Unsigned samples of a triangular wave, with the lowest three bits hashed.
pub(super) fn samples(seed: u64, stream: u8, from: u64, len: usize) -> Vec<u8> {
    let sample = |at: u64| {
        let phase = (at * (1 + u64::from(stream) % 4)) % 64;
        let wave = if phase < 32 { phase } else { 63 - phase };
        (0x40 + wave as u8 * 4) & !7 | (hash(seed, stream, at) & 7) as u8
    };
    (from..from + len as u64).map(sample).collect()
}

/// A picture of exactly `len` bytes, filled up by comments.
pub(super) fn picture(seed: u64, stream: u8, number: u64, len: usize) -> Vec<u8> {
    let scan = scan(number);
    let mut jpeg = vec![0xFF, 0xD8];
    let bare = jpeg.len() + tables().len() + scan.len() + 2;
    let mut missing = len.saturating_sub(bare);
    let mut at = 0;
    while missing >= 4 {
        // A comment holds 65,533 bytes, and must not leave less than another one takes.
        let segment = if missing > 65_537 { (missing - 4).min(65_537) } else { missing };
        jpeg.extend_from_slice(&[0xFF, 0xFE]);
        jpeg.extend_from_slice(&((segment - 2) as u16).to_be_bytes());
        let position = |index: u64| (number << 32) + at + index;
        // No 0xFF: ffmpeg takes markers in comments for markers.
        jpeg.extend((0..segment as u64 - 4).map(|index| (hash(seed, stream, position(index)) % 0xFF) as u8));
        at += segment as u64;
        missing -= segment;
    }
    jpeg.extend(tables());
    jpeg.extend(scan);
    // Before a marker there may be any number of 0xFF.
    jpeg.extend(std::iter::repeat_n(0xFF, missing));
    jpeg.extend_from_slice(&[0xFF, 0xD9]);
    debug_assert_eq!(jpeg.len(), len);
    jpeg
}

/// Lengths of the codes for the categories 0 to 7 of a difference: the table that the standard proposes, cut off.
const CODES: [(u32, u32); 8] =
    [(0b00, 2), (0b010, 3), (0b011, 3), (0b100, 3), (0b101, 3), (0b110, 3), (0b1110, 4), (0b11110, 5)];

/// Quantisation, size, Huffman codes, and the head of the scan.
fn tables() -> Vec<u8> {
    let mut out = vec![0xFF, 0xDB, 0, 67, 0];
    out.extend([8; 64]);
    let ([h1, h2], [w1, w2]) = (HEIGHT.to_be_bytes(), WIDTH.to_be_bytes());
    out.extend([0xFF, 0xC0, 0, 17, 8, h1, h2, w1, w2, 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]);
    // Differences: one code of two bits, five of three, one of four, one of five.
    out.extend([0xFF, 0xC4, 0, 27, 0x00, 0, 1, 5, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    out.extend(0..8);
    // The rest of a block: its end, one bit.
    out.extend([0xFF, 0xC4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    out.extend([0xFF, 0xDA, 0, 12, 3, 1, 0x00, 2, 0x00, 3, 0x00, 0, 63, 0]);
    out
}

/// Blocks of one shade each: a dark ground, and a bright bar whose column is the number of the picture. Four blocks of light share one of each
/// colour, which are empty: xine 1.2.13 crashes on pictures that have no colours at all.
fn scan(number: u64) -> Vec<u8> {
    let columns = u64::from(WIDTH / BLOCK);
    let (mut bits, mut count, mut before) = (Vec::new(), 0_u32, 0_i32);
    let mut pending = 0_u32;
    let mut push = |value: u32, len: u32| {
        for index in (0..len).rev() {
            pending = pending << 1 | (value >> index) & 1;
            count += 1;
            if count == 8 {
                bits.push(pending as u8);
                if pending == 0xFF {
                    bits.push(0);
                }
                (pending, count) = (0, 0);
            }
        }
    };
    let units = (0..u64::from(HEIGHT / BLOCK))
        .step_by(2)
        .flat_map(|row| (0..columns).step_by(2).map(move |column| (row, column)));
    for (top, left) in units {
        for (row, column) in [(top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)] {
            let shade = if column == number % columns { 60 } else { -40 + 8 * ((row + number / columns) % 6) as i32 };
            let difference = shade - before;
            before = shade;
            let category = 32 - difference.unsigned_abs().leading_zeros();
            let (code, len) = CODES[category as usize];
            push(code, len);
            let low = if difference < 0 { difference - 1 } else { difference } as u32;
            push(low & ((1 << category) - 1), category);
            push(0, 1);
        }
        // No difference, and the end of the block, for each colour.
        push(0, 2 * 3);
    }
    // The last byte is filled with ones.
    for _ in 0..7 {
        push(1, 1);
    }
    bits
}
