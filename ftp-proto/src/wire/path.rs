//! The way to a file.

use bytes::Bytes;
use std::fmt::{self, Display, Formatter};

use super::text::Lossy;
use super::{Arg, InvalidArg};

/// A path on the server: one `CWD` for each directory, then the file; or one path, where the server has `TVFS`.
///
/// It starts at the login directory, unless its first segment begins with `/`. Segments are bytes and may hold `/`.
///
/// Spec: RFC 1738 section 3.2.2
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Path {
    segments: Vec<Arg>,
    directory: bool,
}

impl Path {
    /// A path of segments, the last of them the file. Empty segments are passed over, and one at the end makes it the
    /// path of a directory.
    ///
    /// # Errors
    ///
    /// A segment has a CR, LF or NUL, or the whole path is longer than an [`Arg`] may be.
    pub fn new<T: Into<Bytes>>(segments: impl IntoIterator<Item = T>) -> Result<Self, InvalidArg> {
        let mut path = Self { segments: Vec::new(), directory: true };
        let mut len: usize = 0;
        for segment in segments {
            let segment = segment.into();
            path.directory = segment.is_empty();
            if !segment.is_empty() {
                len = len.saturating_add(segment.len()).saturating_add(1);
                if len > Arg::MAX_LEN {
                    return Err(InvalidArg::TooLong { len });
                }
                path.segments.push(Arg::new(segment)?);
            }
        }
        Ok(path)
    }

    /// All segments.
    pub fn segments(&self) -> PathSegments<'_> {
        PathSegments { rest: self.segments.iter() }
    }

    /// The arguments of `CWD`, one after the other, from the login directory.
    pub fn directories(&self) -> PathSegments<'_> {
        let last = self.segments.len().saturating_sub(usize::from(!self.directory));
        PathSegments { rest: self.segments.get(..last).unwrap_or_default().iter() }
    }

    /// The file, as seen from the last of [`directories`](Self::directories); `None` if it is the path of a directory.
    pub fn file(&self) -> Option<&Arg> {
        if self.directory { None } else { self.segments.last() }
    }

    /// The whole path as one argument, from the login directory; `None` if that directory itself is meant.
    ///
    /// Only `TVFS` says that `/` separates names.
    ///
    /// Spec: RFC 3659 section 6
    pub fn full(&self) -> Option<Arg> {
        Arg::new(self.joined()).ok()
    }

    /// Whether it starts at the root and not at the login directory.
    pub fn is_absolute(&self) -> bool {
        self.segments.first().is_some_and(|first| first.as_bytes().starts_with(b"/"))
    }

    /// The last name in the path, without any `/`; `None` for a directory, `.` and `..`. It may still be no name for a
    /// local file.
    pub fn file_name(&self) -> Option<&[u8]> {
        let name = self.file()?.as_bytes().rsplit(|&byte| byte == b'/').next()?;
        if matches!(name, b"" | b"." | b"..") { None } else { Some(name) }
    }

    fn joined(&self) -> Vec<u8> {
        let mut joined = Vec::new();
        for segment in self.segments() {
            if !joined.is_empty() && !joined.ends_with(b"/") {
                joined.push(b'/');
            }
            joined.extend_from_slice(segment.as_bytes());
        }
        joined
    }
}

impl Display for Path {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Lossy(&self.joined()).fmt(f)
    }
}

/// Segments of a [`Path`], in order.
///
/// Spec: RFC 1738 section 3.2.2
#[derive(Debug, Clone)]
pub struct PathSegments<'a> {
    rest: std::slice::Iter<'a, Arg>,
}

impl<'a> Iterator for PathSegments<'a> {
    type Item = &'a Arg;

    fn next(&mut self) -> Option<&'a Arg> {
        self.rest.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rest.size_hint()
    }
}

impl ExactSizeIterator for PathSegments<'_> {}
