//! The house rules, held by a test: who may import what, what must be said, what must not be there.
//!
//! It reads sources as text, without comments and strings; it is a net against accidents and not a proof. Each rule is tried on a planted
//! offence. Outside the repository, in a packaged crate, there is nothing to walk and the test says so.

#[path = "house/planted.rs"]
mod planted;
#[path = "house/rules.rs"]
mod rules;
#[path = "house/source.rs"]
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use rules::complaints;
use source::Source;

fn workspace() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    root.join("ftp-proto/src/wire").is_dir().then(|| root.to_owned())
}

/// All files that somebody wrote.
fn walk(root: &Path, folder: &Path, into: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let made =
            ["target", "corpus", "artifacts", "coverage"].contains(&name.as_str()) || name.starts_with("mutants.out");
        if name.starts_with('.') || made {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, into);
        } else if [".rs", ".py", "Cargo.toml"].iter().any(|end| name.ends_with(end)) {
            let relative = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            into.push(Source::new(&relative, &fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn the_workspace_keeps_the_house_rules() {
    let Some(root) = workspace() else { return eprintln!("a packaged crate: no workspace to look at") };
    let mut sources = Vec::new();
    walk(&root, &root, &mut sources);
    assert!(sources.len() > 50, "too few files found under {}", root.display());
    let all: Vec<String> = sources.iter().flat_map(complaints).collect();
    assert!(all.is_empty(), "{} offences:\n{}", all.len(), all.join("\n"));
}

#[test]
fn there_is_no_further_top_level_folder() {
    const FOLDERS: &[&str] =
        &["benches", "examples", "ftp-proto", "mms-proto", "pnm-proto", "rtsp-proto", "segfetch", "target"];
    let Some(root) = workspace() else { return };
    for entry in fs::read_dir(&root).unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let known = FOLDERS.contains(&name.as_str()) || name.starts_with('.') || name.starts_with("mutants.out");
        assert!(known || !entry.path().is_dir(), "{name} has no place in ARCHITECTURE.md");
    }
}
