//! The tools, and what each is told. In arguments `{url}`, `{out}`, `{dir}` and `{name}` stand for the file's URL and where it shall come to
//! lie (whole path, directory, name); `{tree}` and `{list}` for the URL of a directory and a file with the URLs of all that is in it, and an
//! argument `{urls}` for all of them.

use std::path::{Path, PathBuf};

/// One command line, and its name in the tables.
#[derive(Debug, Clone)]
pub(crate) struct Tool {
    pub(crate) label: String,
    /// A name that is looked for, or a path.
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
    /// It is there, but not for this: reported as missing.
    pub(crate) unable: bool,
}

/// What a command line is filled with.
#[derive(Debug)]
pub(crate) struct Blanks<'a> {
    pub(crate) urls: &'a [String],
    pub(crate) tree: &'a str,
    pub(crate) list: &'a Path,
    pub(crate) out: &'a Path,
}

impl Tool {
    pub(crate) fn new(label: impl Into<String>, program: &str, arguments: &str) -> Self {
        let arguments = arguments.split_whitespace().map(str::to_owned).collect();
        Self { label: label.into(), program: program.into(), arguments, unable: false }
    }

    /// Where the program is, if it is there.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        if self.unable {
            None
        } else if self.program.contains('/') {
            let path = std::path::absolute(&self.program).ok()?;
            path.is_file().then_some(path)
        } else {
            segfetch_testkit::find_bin(&self.program)
        }
    }

    pub(crate) fn filled(&self, blanks: &Blanks<'_>) -> Vec<String> {
        let text = |path: Option<&Path>| path.map(|path| path.display().to_string()).unwrap_or_default();
        let out = text(Some(blanks.out));
        let (dir, list) = (text(blanks.out.parent()), text(Some(blanks.list)));
        let name = blanks.out.file_name().unwrap_or_default().to_string_lossy();
        let url = blanks.urls.first().map_or("", String::as_str);
        let mut filled = Vec::new();
        for argument in &self.arguments {
            if argument == "{urls}" {
                filled.extend(blanks.urls.iter().cloned());
                continue;
            }
            let pairs = [
                ("{tree}", blanks.tree),
                ("{url}", url),
                ("{out}", &out),
                ("{dir}", &dir),
                ("{name}", &name),
                ("{list}", &list),
            ];
            filled.push(pairs.iter().fold(argument.clone(), |text, (blank, value)| text.replace(blank, value)));
        }
        filled
    }

    /// The command as one would type it.
    pub(crate) fn shown(&self) -> String {
        let program = Path::new(&self.program).file_name().unwrap_or_default().to_string_lossy();
        let quoted = |argument: &String| {
            if argument.contains(' ') { format!("'{argument}'") } else { argument.clone() }
        };
        std::iter::once(program.into_owned()).chain(self.arguments.iter().map(quoted)).collect::<Vec<_>>().join(" ")
    }

    /// The last argument is one with spaces in it: a script.
    fn script(mut self, script: String) -> Self {
        self.arguments.push(script);
        self
    }
}

/// How long a rival is told to wait for a silent connection, where it can be told. Their defaults are 60 s and more.
const PATIENCE: u32 = 5;

/// segfetch, curl, aria2 and the rest, for one file.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    /// Path of the command under test.
    pub(crate) segfetch: String,
}

impl Tools {
    pub(crate) fn segfetch(&self, connections: Option<u16>) -> Tool {
        match connections {
            Some(n) => Tool::new(format!("segfetch -n {n}"), &self.segfetch, &format!("-q -n {n} -o {{out}} {{url}}")),
            None => Tool::new("segfetch", &self.segfetch, "-q -o {out} {url}"),
        }
    }

    /// What no client can avoid.
    pub(crate) fn bare(len: u64, n: u16) -> Tool {
        let own = std::env::current_exe().unwrap_or_default().display().to_string();
        Tool::new(format!("bare -n {n}"), &own, &format!("--bare {{url}} {len} {{out}} {n}"))
    }

    pub(crate) fn curl() -> Tool {
        Tool::new("curl", "curl", "-sS -o {out} {url}")
    }

    pub(crate) fn wget() -> Tool {
        Tool::new("wget", "wget", "-q --no-config -O {out} {url}")
    }

    /// As it comes, apart from the number of connections: preallocates, and splits into no less than 20 MiB.
    pub(crate) fn aria2(n: u16) -> Tool {
        Tool::new(
            format!("aria2 -x {n}"),
            "aria2c",
            &format!("--no-conf -q -x {n} -s {n} -d {{dir}} -o {{name}} {{url}}"),
        )
    }

    /// As its friends use it.
    pub(crate) fn aria2_tuned(n: u16) -> Tool {
        Tool::new(
            format!("aria2 -x {n} tuned"),
            "aria2c",
            &format!("--no-conf -q -x {n} -s {n} -k 1M --file-allocation=none -d {{dir}} -o {{name}} {{url}}"),
        )
    }

    pub(crate) fn lftp(n: u16) -> Tool {
        Tool::new(format!("lftp pget -n {n}"), "lftp", "-c")
            .script(format!("pget -n {n} -O {{dir}} {{url}} -o {{name}}"))
    }

    pub(crate) fn axel(n: u16) -> Tool {
        Tool::new(format!("axel -n {n}"), "axel", &format!("-q -n {n} -o {{out}} {{url}}"))
    }

    /// All that can use `n` connections.
    pub(crate) fn parallel(&self, n: u16) -> Vec<Tool> {
        vec![
            self.segfetch(Some(n)),
            self.segfetch(None),
            Self::aria2_tuned(n),
            Self::aria2(n),
            Self::lftp(n),
            Self::axel(n),
        ]
    }

    /// The same, and the rivals told to give up a silent connection after a few seconds.
    pub(crate) fn impatient(&self, n: u16) -> Vec<Tool> {
        let mut tools = self.parallel(n);
        let mut aria2 = Self::aria2_tuned(n);
        aria2.label = format!("aria2 -x {n} tuned, timeout {PATIENCE} s");
        aria2.arguments.insert(0, format!("--timeout={PATIENCE}"));
        aria2.arguments.insert(0, "--retry-wait=1".into());
        let lftp = Tool::new(format!("lftp pget -n {n}, timeout {PATIENCE} s"), "lftp", "-c").script(format!(
            "set net:timeout {PATIENCE}; set net:reconnect-interval-base 1; pget -n {n} -O {{dir}} {{url}} -o {{name}}"
        ));
        let axel = Tool::new(
            format!("axel -n {n}, timeout {PATIENCE} s"),
            "axel",
            &format!("-q -T {PATIENCE} -n {n} -o {{out}} {{url}}"),
        );
        tools.extend([aria2, lftp, axel]);
        tools
    }

    /// Many files at once, `n` at a time, into one directory.
    pub(crate) fn many(&self, n: u16) -> Vec<Tool> {
        vec![
            Tool::new(format!("segfetch -n {n}"), &self.segfetch, &format!("-q -n {n} -o {{dir}}/ {{urls}}")),
            Tool::new("segfetch", &self.segfetch, "-q -o {dir}/ {urls}"),
            Tool::new(format!("aria2 -j {n}"), "aria2c", &format!("--no-conf -q -j {n} -d {{dir}} -i {{list}}")),
            Tool::new(
                format!("aria2 -j {n} tuned"),
                "aria2c",
                &format!("--no-conf -q -j {n} -x 1 -s 1 --file-allocation=none -d {{dir}} -i {{list}}"),
            ),
            Tool::new(format!("lftp mirror -P {n}"), "lftp", "-c").script(format!("mirror -P {n} {{tree}} {{dir}}")),
            Tool::new(
                format!("curl -Z --parallel-max {n}"),
                "curl",
                &format!("-sS -Z --parallel-max {n} --output-dir {{dir}} --remote-name-all {{urls}}"),
            ),
            Tool::new("wget", "wget", "-q --no-config -P {dir} {urls}"),
        ]
    }

    /// Those that write to standard output.
    pub(crate) fn streaming(&self, n: u16) -> Vec<Tool> {
        vec![
            Tool::new(format!("segfetch -n {n} -o -"), &self.segfetch, &format!("-q -n {n} -o - {{url}}")),
            Tool::new("segfetch -o -", &self.segfetch, "-q -o - {url}"),
            Tool::new("curl -o -", "curl", "-sS -o - {url}"),
            Tool::new("wget -O -", "wget", "-q --no-config -O - {url}"),
            Tool::new("lftp cat", "lftp", "-c").script("cat {url}".into()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_blank_is_filled_and_a_script_stays_one_argument() {
        let urls = ["ftp://h/a".to_owned(), "ftp://h/b".to_owned()];
        let blanks = Blanks { urls: &urls, tree: "ftp://h/", list: Path::new("/w/list"), out: Path::new("/w/o/f") };
        assert_eq!(Tools::lftp(4).filled(&blanks), ["-c", "pget -n 4 -O /w/o ftp://h/a -o f"]);
        assert_eq!(Tools::lftp(4).shown(), "lftp -c 'pget -n 4 -O {dir} {url} -o {name}'");
        let tools = Tools { segfetch: "/x/segfetch".into() };
        let all = tools.impatient(4).into_iter().chain(tools.many(8)).chain(tools.streaming(1));
        for tool in all.chain([Tools::curl(), Tools::wget()]) {
            assert!(tool.filled(&blanks).iter().all(|argument| !argument.contains(['{', '}'])), "{}", tool.label);
        }
        assert!(tools.many(8)[0].filled(&blanks).ends_with(&urls));
    }

    #[test]
    fn an_invented_program_is_not_found() {
        assert!(Tool::new("x", "no-such-program", "").find().is_none());
        assert!(Tool::new("x", "./no/such/program", "").find().is_none());
        assert!(Tool::new("x", "sh", "").find().is_some());
    }
}
