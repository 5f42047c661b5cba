//! Files of the honest server: bytes given, or computed from a seed wherever they are read.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::lock;

/// Fills `out` with the bytes that stand at `offset` of the generated file `seed`.
///
/// Each 8-byte word is a hash of its own index, so any byte tells where it belongs: shifted, swapped, repeated and foreign
/// blocks all show, and a TiB costs nothing until it is read.
pub fn content_at(seed: u64, offset: u64, out: &mut [u8]) {
    let mut index = offset / WORD;
    let (head, body) = out.split_at_mut(out.len().min(((WORD - offset % WORD) % WORD) as usize));
    if !head.is_empty() {
        let skip = (offset % WORD) as usize;
        head.copy_from_slice(&word(seed, index)[skip..skip + head.len()]);
        index = index.wrapping_add(1);
    }
    let mut words = body.chunks_exact_mut(WORD as usize);
    for space in &mut words {
        space.copy_from_slice(&word(seed, index));
        index = index.wrapping_add(1);
    }
    let tail = words.into_remainder();
    tail.copy_from_slice(&word(seed, index)[..tail.len()]);
}

const WORD: u64 = 8;

/// The finaliser of SplitMix64: every bit of index and seed reaches every bit of the word.
fn word(seed: u64, index: u64) -> [u8; WORD as usize] {
    let mut z = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed.wrapping_mul(0xd6e8_feb8_6659_fd93);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)).to_le_bytes()
}

/// The content and the time of a file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct File {
    body: Body,
    patches: Vec<(u64, Bytes)>,
    modified: SystemTime,
}

#[derive(Debug, Clone)]
enum Body {
    Given(Bytes),
    Generated { len: u64, seed: u64 },
}

impl File {
    /// A file of these bytes.
    pub fn bytes(content: impl Into<Bytes>) -> File {
        File::new(Body::Given(content.into()))
    }

    /// A file of `len` bytes as [`content_at`] computes them from `seed`.
    pub fn generated(len: u64, seed: u64) -> File {
        File::new(Body::Generated { len, seed })
    }

    fn new(body: Body) -> File {
        // A fixed time: two runs of a test see the same server. 2024-02-29 12:34:56 UTC.
        File { body, patches: Vec::new(), modified: SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_210_096) }
    }

    /// Sets the time of modification (whole seconds are served).
    pub fn modified(mut self, at: SystemTime) -> File {
        self.modified = at;
        self
    }

    /// Replaces the bytes from `offset` on; what reaches past the end is cut off. For markers, and for files that
    /// differ in one byte.
    pub fn patched(mut self, offset: u64, content: impl Into<Bytes>) -> File {
        self.patches.push((offset, content.into()));
        self
    }

    /// The length in bytes.
    pub fn len(&self) -> u64 {
        match &self.body {
            Body::Given(content) => content.len() as u64,
            Body::Generated { len, .. } => *len,
        }
    }

    /// Whether the length is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The time of modification.
    pub fn modified_at(&self) -> SystemTime {
        self.modified
    }

    /// Reads at `offset` into `out`; returns the number of bytes read, which is short only at the end.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> usize {
        let n = self.len().saturating_sub(offset).min(out.len() as u64) as usize;
        let out = &mut out[..n];
        match &self.body {
            Body::Given(_) if n == 0 => {}
            Body::Given(content) => out.copy_from_slice(&content[offset as usize..][..n]),
            Body::Generated { seed, .. } => content_at(*seed, offset, out),
        }
        for (at, patch) in &self.patches {
            let from = (*at).max(offset);
            let to = (at + patch.len() as u64).min(offset + n as u64);
            if from < to {
                out[(from - offset) as usize..(to - offset) as usize]
                    .copy_from_slice(&patch[(from - at) as usize..(to - at) as usize]);
            }
        }
        n
    }

    /// The whole content; for small files.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = vec![0; self.len() as usize];
        self.read_at(0, &mut all);
        all
    }
}

/// A file as the server holds it: running transfers keep the node, as open descriptors keep an inode.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) inode: u64,
    file: Mutex<File>,
}

impl Node {
    pub(super) fn new(inode: u64, file: File) -> Node {
        Node { inode, file: Mutex::new(file) }
    }

    pub(super) fn len(&self) -> u64 {
        lock(&self.file).len()
    }

    pub(super) fn modified_at(&self) -> SystemTime {
        lock(&self.file).modified_at()
    }

    pub(super) fn read_at(&self, offset: u64, out: &mut [u8]) -> usize {
        lock(&self.file).read_at(offset, out)
    }
}

/// Absolute, normal paths (`/a/b`) to files. Directories are the prefixes of paths.
#[derive(Debug, Default)]
pub(super) struct Tree {
    files: BTreeMap<Vec<u8>, Arc<Node>>,
    inodes: u64,
}

impl Tree {
    /// A new inode under this name, as a rename over the old one makes it.
    pub(super) fn put(&mut self, path: &[u8], file: File) {
        self.inodes += 1;
        self.files.insert(resolve(b"/", path), Arc::new(Node::new(self.inodes, file)));
    }

    /// New content in the same inode, as a writer that truncates and writes makes it. False when there is no such file.
    pub(super) fn overwrite(&self, path: &[u8], file: File) -> bool {
        let node = self.find(&resolve(b"/", path));
        node.map(|node| *lock(&node.file) = file).is_some()
    }

    pub(super) fn remove(&mut self, path: &[u8]) -> bool {
        self.files.remove(&resolve(b"/", path)).is_some()
    }

    pub(super) fn find(&self, path: &[u8]) -> Option<Arc<Node>> {
        self.files.get(path).cloned()
    }

    pub(super) fn is_dir(&self, path: &[u8]) -> bool {
        path == b"/" || !self.children(path).is_empty()
    }

    /// Names in a directory; `None` stands for a subdirectory.
    pub(super) fn children(&self, dir: &[u8]) -> BTreeMap<Vec<u8>, Option<Arc<Node>>> {
        let mut prefix = dir.to_vec();
        if prefix != b"/" {
            prefix.push(b'/');
        }
        let from = (Bound::Excluded(prefix.clone()), Bound::Unbounded);
        let below = self.files.range(from).take_while(|(path, _)| path.starts_with(&prefix));
        below
            .map(|(path, node)| match path[prefix.len()..].split(|b| *b == b'/').collect::<Vec<_>>()[..] {
                [name] => (name.to_vec(), Some(node.clone())),
                [name, ..] => (name.to_vec(), None),
                [] => unreachable!("split yields at least one piece"),
            })
            .collect()
    }
}

/// The absolute, normal form of `path` as seen from `cwd`: `.`, `..` and empty components are gone.
pub(super) fn resolve(cwd: &[u8], path: &[u8]) -> Vec<u8> {
    let base: &[u8] = if path.starts_with(b"/") { b"" } else { cwd };
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in base.split(|b| *b == b'/').chain(path.split(|b| *b == b'/')) {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    let mut all = Vec::new();
    for part in parts {
        all.push(b'/');
        all.extend_from_slice(part);
    }
    if all.is_empty() { b"/".to_vec() } else { all }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_content_is_the_same_however_it_is_cut() {
        let mut whole = vec![0; 100];
        content_at(7, 1 << 41, &mut whole);
        for from in 0..100 {
            for to in from..100 {
                let mut part = vec![0; to - from];
                content_at(7, (1 << 41) + from as u64, &mut part);
                assert_eq!(part, whole[from..to], "{from}..{to}");
            }
        }
        let mut other = vec![0; 100];
        content_at(8, 1 << 41, &mut other);
        assert_ne!(whole, other);
    }

    #[test]
    fn patches_replace_bytes_in_place_and_never_grow_the_file() {
        let file = File::bytes(&b"0123456789"[..]).patched(2, &b"ab"[..]).patched(8, &b"xyz"[..]);
        assert_eq!(file.to_vec(), b"01ab4567xy");
        let mut part = [0; 4];
        assert_eq!(file.read_at(3, &mut part), 4);
        assert_eq!(&part, b"b456");
        assert_eq!(file.read_at(9, &mut part), 1);
        assert_eq!(file.read_at(10, &mut part), 0);
        assert_eq!(file.read_at(u64::MAX, &mut part), 0);
    }

    #[test]
    fn paths_are_normalised_and_directories_follow_from_files() {
        assert_eq!(resolve(b"/a/b", b"../c/./d//e"), b"/a/c/d/e");
        assert_eq!(resolve(b"/a", b"/x/../.."), b"/");
        let mut tree = Tree::default();
        tree.put(b"d/one", File::bytes(&b"1"[..]));
        tree.put(b"/d/e/two", File::bytes(&b"2"[..]));
        tree.put(b"/d.txt", File::bytes(&b"3"[..]));
        assert!(tree.is_dir(b"/d") && tree.is_dir(b"/d/e") && !tree.is_dir(b"/d/one") && !tree.is_dir(b"/x"));
        let names: Vec<_> = tree.children(b"/d").into_iter().map(|(name, node)| (name, node.is_some())).collect();
        assert_eq!(names, [(b"e".to_vec(), false), (b"one".to_vec(), true)]);
    }
}
