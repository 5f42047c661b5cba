//! Which streams of a file are wanted.

/// One stream of a file, and how much of it is wanted.
///
/// Spec: MMSP 2.2.4.28, WMSP 2.2.1.4.27
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamChoice {
    /// Its number in the header, 1 to 127.
    pub stream: u8,
    /// How much of it.
    pub thinning: Thinning,
}

/// How much of a stream is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Thinning {
    /// All of it.
    None,
    /// Its key frames only.
    KeyFrames,
    /// Nothing of it.
    Off,
}

impl StreamChoice {
    /// The highest number of a stream, and so the most streams of a file.
    ///
    /// Spec: ASF 3.3
    pub const MAX_STREAM: u8 = 127;

    /// Whether there can be such a stream.
    pub fn is_valid(&self) -> bool {
        (1..=Self::MAX_STREAM).contains(&self.stream)
    }
}

impl Thinning {
    /// As it is written.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::KeyFrames => 1,
            Self::Off => 2,
        }
    }
}
