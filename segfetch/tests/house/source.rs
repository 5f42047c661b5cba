//! A source file as the rules look at it.

/// A file of the workspace.
pub(crate) struct Source {
    /// From the root of the workspace, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text with comments, strings and characters blanked out; same lines, same columns.
    pub(crate) code: String,
    /// The first line that is test code: the line of the first top-level `#[cfg(test)]`, or 0 in a file of tests.
    pub(crate) tests_from: usize,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = blanked(text);
        let all_tests = path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("_tests.rs");
        let marked = || code.lines().position(|line| line.starts_with("#[cfg(test)]")).unwrap_or(usize::MAX);
        let tests_from = if all_tests { 0 } else { marked() };
        Self { path: path.to_owned(), text: text.to_owned(), code, tests_from }
    }

    pub(crate) fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }

    pub(crate) fn is_module(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Lines of code with their indices, those of tests left out unless wanted.
    pub(crate) fn lines(&self, tests: Tests) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().filter(move |&(index, _)| match tests {
            Tests::Too => true,
            Tests::Not => index < self.tests_from,
            Tests::Only => index >= self.tests_from,
        })
    }

    pub(crate) fn complaint(&self, line: usize, what: &str) -> String {
        format!("{}:{}: {what}", self.path, line + 1)
    }
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Tests {
    Too,
    Not,
    Only,
}

/// Rust text with everything blanked that is not code.
pub(crate) fn blanked(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let length = literal(&chars[at..], at.checked_sub(1).map(|before| chars[before]));
        if length == 0 {
            out.push(chars[at]);
            at += 1;
        } else {
            let end = (at + length).min(chars.len());
            out.extend(chars[at..end].iter().map(|&char| if char == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// How many characters a comment, string or character takes that begins here; 0 if none does.
fn literal(rest: &[char], before: Option<char>) -> usize {
    let starts = |text: &str| text.chars().eq(rest.iter().copied().take(text.chars().count()));
    let find = |from: usize, end: &str| {
        let end: Vec<char> = end.chars().collect();
        (from..rest.len()).find(|&at| rest[at..].starts_with(&end)).map_or(rest.len(), |at| at + end.len())
    };
    let quoted = |quote: char| {
        let mut at = 1;
        while at < rest.len() && rest[at] != quote {
            at += if rest[at] == '\\' { 2 } else { 1 };
        }
        at + 1
    };
    if starts("//") {
        return find(0, "\n") - usize::from(rest.contains(&'\n'));
    }
    if starts("/*") {
        return find(2, "*/");
    }
    if starts("\"") {
        return quoted('"');
    }
    if starts("'") {
        // 'a' and '\n' are characters, 'a is a lifetime.
        let is_char = rest.get(1) == Some(&'\\') || rest.get(2) == Some(&'\'');
        return if is_char { quoted('\'') } else { 0 };
    }
    if starts("r") && before.is_none_or(|char| !is_word(char) || char == 'b') {
        let hashes = rest[1..].iter().take_while(|&&char| char == '#').count();
        if rest.get(1 + hashes) == Some(&'"') {
            return find(2 + hashes, &format!("\"{}", "#".repeat(hashes)));
        }
    }
    0
}

pub(crate) fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}
