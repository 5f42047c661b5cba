//! A source of your own in a page: here the files of a directory. The engine adds connections, checkpoints and resumption.
//!
//! `cargo run --example custom_source`: makes a file, downloads it from itself over three streams, and compares.

use std::fs::{File, Metadata};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use async_trait::async_trait;
use segfetch::source::{
    Access, Extent, OpenRequest, Opened, Phase, RangeReader, RangeSource, SourceContext, SourceError, SourceInfo,
    Space, Step, Strength, Validator,
};
use segfetch::{Connections, Download, Engine, EngineConfig};

/// One file of this machine.
#[derive(Debug)]
struct LocalFile {
    path: PathBuf,
    label: String,
}

impl LocalFile {
    fn new(path: PathBuf) -> Self {
        Self { label: format!("file://{}", path.display()), path }
    }
}

/// What the file is recognised by: if one of these changes, it may be another file.
fn validator(meta: &Metadata) -> Validator {
    let facts = format!("1 {} {} {}.{}", meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec());
    Validator::new(Strength::Weak, facts)
}

#[async_trait]
impl RangeSource for LocalFile {
    fn label(&self) -> &str {
        &self.label
    }

    async fn probe(&self, _: &SourceContext) -> Result<SourceInfo, SourceError> {
        let meta = self.path.metadata().map_err(|error| SourceError::io(Phase::Probe, error))?;
        let info = SourceInfo::new(Extent::Known(meta.len()), Access::Random).with_validator(validator(&meta));
        Ok(info.with_modified(meta.mtime(), u32::try_from(meta.mtime_nsec()).unwrap_or(0)))
    }

    async fn open(&self, _: &SourceContext, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        let opened = || -> io::Result<_> {
            let file = File::open(&self.path)?;
            let meta = file.metadata()?;
            Ok((
                file,
                Opened::at(request.start).with_extent(Extent::Known(meta.len())).with_validator(validator(&meta)),
            ))
        };
        let (file, opened) = opened().map_err(|error| SourceError::io(Phase::Open, error))?;
        Ok(Box::new(LocalReader { file, at: opened.start, opened }))
    }
}

/// A stream from an offset onwards. It never learns where it ends: the engine stops it.
struct LocalReader {
    file: File,
    at: u64,
    opened: Opened,
}

#[async_trait]
impl RangeReader for LocalReader {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    /// There is no await in it, so a dropped call cannot lose anything. A network source keeps what it has read in `self`.
    async fn read(&mut self, space: &mut Space<'_>) -> Result<Step, SourceError> {
        let mut piece = [0; 64 << 10];
        let want = space.remaining().min(piece.len());
        let got =
            self.file.read_at(&mut piece[..want], self.at).map_err(|error| SourceError::io(Phase::Body, error))?;
        space.put(&piece[..got]);
        self.at += got as u64;
        // A file that is read to its end is at its end; over a network only the protocol's own confirmation is.
        Ok(NonZeroUsize::new(got).map_or(Step::End, Step::Bytes))
    }

    async fn hold(&mut self) -> SourceError {
        std::future::pending().await
    }

    async fn stop(self: Box<Self>) {}
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let (from, to) = (directory.path().join("from"), directory.path().join("to"));
    let content: Vec<u8> = (0..32_u32 << 20).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
    std::fs::write(&from, &content)?;

    let engine = Engine::new(EngineConfig::default())?;
    let download = Download::new(LocalFile::new(from), &to).connections(Connections::Exactly(3));
    let report = engine.start(download).join().await?;

    anyhow::ensure!(std::fs::read(&to)? == content, "the copy differs");
    println!("{} bytes with {} streams, equal", report.len, report.opens);
    Ok(())
}
