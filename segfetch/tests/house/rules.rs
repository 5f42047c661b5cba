//! The rules. Each takes a file and gives its offences, with the line.

use crate::source::{Source, Tests, is_word};

/// What code in some place must not name.
struct Forbidden {
    places: &'static [&'static str],
    except: &'static [&'static str],
    /// Modules of the same crate.
    modules: &'static [&'static str],
    /// Words and paths.
    words: &'static [&'static str],
    tests: Tests,
    why: &'static str,
}

const CLOCKS: &[&str] = &["Instant::now", "SystemTime::now", "std::env", "thread_rng"];

const FORBIDDEN: &[Forbidden] = &[
    Forbidden {
        places: &["ftp-proto/", "mms-proto/", "rtsp-proto/", "pnm-proto/"],
        except: &[],
        modules: &[],
        words: &["segfetch::", "extern crate segfetch;"],
        tests: Tests::Too,
        why: "a protocol crate does not know the engine",
    },
    Forbidden {
        places: &["segfetch/src/", "segfetch/source/"],
        except: &[],
        modules: &[],
        words: &["ftp_proto", "mms_proto", "rtsp_proto", "pnm_proto"],
        tests: Tests::Too,
        why: "engine and contract do not know protocols",
    },
    Forbidden {
        places: &["mms-proto/src/asf"],
        except: &[],
        modules: &["wire", "conn", "client", "source", "testing"],
        words: &["tokio", "Instant", "TcpStream", "TcpListener", "UdpSocket"],
        tests: Tests::Too,
        why: "the container is a leaf: it knows no protocol",
    },
    Forbidden {
        places: &["ftp-proto/src/wire", "mms-proto/src/wire"],
        except: &[],
        modules: &["conn", "client", "source", "testing"],
        words: &["tokio", "Instant", "TcpStream", "TcpListener", "UdpSocket"],
        tests: Tests::Too,
        why: "wire is bytes and values: no machine, no time, no socket",
    },
    Forbidden {
        places: &["ftp-proto/src/conn", "mms-proto/src/conn"],
        except: &[],
        modules: &["client", "source", "testing"],
        words: &["tokio", "TcpStream", "TcpListener", "UdpSocket"],
        tests: Tests::Too,
        why: "a machine has no socket and no runtime",
    },
    Forbidden {
        places: &["ftp-proto/src/client", "mms-proto/src/client"],
        except: &[],
        modules: &["source", "testing"],
        words: &[],
        tests: Tests::Not,
        why: "imports go down only",
    },
    Forbidden {
        places: &["ftp-proto/src/testing", "mms-proto/src/testing"],
        except: &[],
        modules: &["asf", "wire", "conn", "client", "source"],
        words: &[],
        tests: Tests::Not,
        why: "a server that shared our codec would share our misreadings",
    },
    Forbidden {
        places: &[
            "ftp-proto/src/wire",
            "ftp-proto/src/conn",
            "mms-proto/src/asf",
            "mms-proto/src/wire",
            "mms-proto/src/conn",
            "segfetch/src/",
        ],
        except: &["segfetch/src/engine", "segfetch/src/adapters"],
        modules: &[],
        words: CLOCKS,
        tests: Tests::Not,
        why: "now, and chance, are arguments",
    },
    Forbidden {
        places: &["ftp-proto/src/", "mms-proto/src/", "segfetch/src/", "segfetch/source/src/", "examples/src/"],
        // The date in a new journal, the years that a listing leaves out, and what old servers of NTLM compare with their own.
        except: &[
            "segfetch/src/engine/run.rs",
            "ftp-proto/src/testing",
            "mms-proto/src/testing",
            "examples/src/mms/mod.rs",
        ],
        modules: &[],
        words: &["SystemTime::now", "UNIX_EPOCH.elapsed"],
        tests: Tests::Not,
        why: "clocks jump, so no decision reads the time of day",
    },
    Forbidden {
        places: &["segfetch/src/plan", "segfetch/src/range_set.rs"],
        except: &[],
        modules: &["engine", "checkpoint", "sink"],
        words: &["tokio", "std::fs", "std::io", "std::sync"],
        tests: Tests::Not,
        why: "the planner is a pure machine",
    },
    Forbidden {
        places: &["segfetch/src/checkpoint", "segfetch/src/sink"],
        except: &[],
        modules: &["engine", "plan"],
        words: &["tokio"],
        tests: Tests::Not,
        why: "storage knows neither plan nor runtime",
    },
    Forbidden {
        places: &["ftp-proto/src/", "mms-proto/src/", "segfetch/src/", "segfetch/source/src/", "examples/src/"],
        except: &[],
        modules: &[],
        words: &["unsafe", "tokio::fs", "memmap2", "io_uring", "libc::", "pipe::splice", "fn get_"],
        tests: Tests::Too,
        why: "deliberately absent (ARCHITECTURE.md, CONTRIBUTING.md)",
    },
    Forbidden {
        places: &[""],
        except: &[],
        modules: &[],
        words: &[
            "#[ignore",
            "mod utils",
            "mod util",
            "mod helpers",
            "mod helper",
            "mod common",
            "mod misc",
            "mod prelude",
        ],
        tests: Tests::Too,
        why: "an ignored test is no test; a module has one idea and its name",
    },
];

fn forbidden(rule: &Forbidden, source: &Source) -> Vec<String> {
    if !source.is_module() || !source.is_in(rule.places) || source.is_in(rule.except) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (index, line) in source.lines(rule.tests) {
        let names = rule.words.iter().filter(|word| is_named(line, word));
        found.extend(names.map(|word| source.complaint(index, &format!("`{word}`: {}", rule.why))));
        let modules = rule.modules.iter();
        let modules =
            modules.filter(|module| ["crate", "super"].iter().any(|base| is_named(line, &format!("{base}::{module}"))));
        found.extend(modules.map(|module| source.complaint(index, &format!("module `{module}`: {}", rule.why))));
    }
    // Grouped imports, over lines: use crate::{ client::Client, wire };
    for (index, statement) in uses(source, rule.tests) {
        let module = rule.modules.iter().find(|module| {
            statement.contains('{') && ["{", ",", " "].iter().any(|before| has_segment(&statement, before, module))
        });
        found.extend(module.map(|module| source.complaint(index, &format!("module `{module}`: {}", rule.why))));
    }
    found
}

/// Statements `use crate::...;` and `use super::...;` with the line where each begins.
fn uses(source: &Source, tests: Tests) -> Vec<(usize, String)> {
    let mut statements: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (index, line) in source.lines(tests) {
        let trimmed = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        if trimmed.starts_with("use crate::") || trimmed.starts_with("use super::") {
            statements.push((index, String::new()));
            open = true;
        }
        if let Some((_, statement)) = statements.last_mut().filter(|_| open) {
            statement.push_str(line);
            statement.push(' ');
            open = !line.contains(';');
        }
    }
    statements
}

/// Whether `module` is the first segment of a member of the outermost group.
fn has_segment(statement: &str, before: &str, module: &str) -> bool {
    let Some((_, group)) = statement.split_once("::{") else { return false };
    let mut depth = 0;
    let outer: String = group
        .chars()
        .filter(|char| {
            depth += i32::from(*char == '{') - i32::from(*char == '}');
            depth == 0 && *char != '}'
        })
        .collect();
    let members = format!("{{{outer}");
    members.match_indices(&format!("{before}{module}")).any(|(at, found)| {
        let next = members[at + found.len()..].chars().next();
        next.is_none_or(|char| !is_word(char))
    })
}

/// Whether a line of code names a word or path: not as a part of a longer word.
fn is_named(line: &str, wanted: &str) -> bool {
    line.match_indices(wanted).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + wanted.len()..].chars().next();
        let starts = !wanted.starts_with(is_word) || before.is_none_or(|char| !is_word(char));
        let ends = !wanted.ends_with(is_word) || wanted.ends_with('_') || after.is_none_or(|char| !is_word(char));
        starts && ends
    })
}

/// The planner plans units, not bytes: packets and media time will be planned by the same code.
fn bytes_in_plan(source: &Source) -> Vec<String> {
    if !source.is_in(&["segfetch/src/plan"]) {
        return Vec::new();
    }
    let bytes = source.lines(Tests::Not).filter(|(_, line)| line.to_lowercase().contains("byte"));
    bytes.map(|(index, _)| source.complaint(index, "the planner does not know the word byte")).collect()
}

/// Test code that may sleep, and why.
const SLEEPERS: &[(&str, &str)] = &[
    ("segfetch/tests/engine/world.rs", "the clock that the engine is given, on paused runtimes"),
    ("segfetch/tests/adapters/support.rs", "the clock that a source is given, on paused runtimes"),
    ("segfetch/tests/adapters/running.rs", "lets the clock of a source go on, no faster than the threads that write"),
    ("ftp-proto/tests/it/client/distance.rs", "the distance of a server in memory, on paused runtimes"),
    ("ftp-proto/tests/it/client/round_trips.rs", "time is counted in round trips, on paused runtimes"),
    ("ftp-proto/tests/it/client/prearm.rs", "the same"),
    ("ftp-proto/tests/it/client/proof.rs", "the same"),
    ("ftp-proto/tests/interop/prearm.rs", "looks again until the client is at rest"),
    ("examples/tests/http/server.rs", "the pace of a web server"),
    ("examples/tests/http/contract.rs", "lets sockets move between two polls; nothing is concluded from the time"),
    ("examples/tests/mms_contract.rs", "lets sockets move between two polls; nothing is concluded from the time"),
    ("ftp-proto/tests/it/contract.rs", "lets sockets move between two polls; nothing is concluded from the time"),
    ("mms-proto/tests/it/contract.rs", "lets sockets move between two polls; nothing is concluded from the time"),
    ("mms-proto/tests/it/client/taped.rs", "the pace of a server in memory, on paused runtimes"),
];

/// A test waits for what it waits for, not for a time. With a paused clock a sleep takes none, and is allowed.
fn sleeping(source: &Source) -> Vec<String> {
    if !source.is_module() || SLEEPERS.iter().any(|(path, _)| source.is_in(&[path])) {
        return Vec::new();
    }
    let mut paused = false;
    let mut found = Vec::new();
    for (index, line) in source.lines(Tests::Only) {
        if line.contains("#[test]") || line.contains("#[tokio::test") {
            paused = line.contains("start_paused = true");
        }
        if is_named(line, "thread::sleep") || !paused && SLEEPS.iter().any(|name| is_named(line, name)) {
            found.push(source.complaint(index, "a test sleeps; if it must, the reason goes into SLEEPERS"));
        }
    }
    found
}

const SLEEPS: &[&str] = &["time::sleep", "sleep", "sleep_until"];

/// Most lines of a file, tests included. (Prose and data are not code.)
const MOST_LINES: usize = 600;

fn too_long(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    let long = lines > MOST_LINES && (source.is_module() || source.path.ends_with(".py"));
    if long { vec![source.complaint(MOST_LINES, &format!("{lines} lines"))] } else { Vec::new() }
}

/// In `wire`, what turns bytes into a value or a value into bytes ends its documentation with where that is written or was seen: public
/// functions outside an `impl`, and methods of these names.
const CODECS: &[&str] = &["decode", "encode", "parse"];

fn without_origin(source: &Source) -> Vec<String> {
    if !source.is_in(&["ftp-proto/src/wire", "mms-proto/src/wire", "mms-proto/src/asf"]) {
        return Vec::new();
    }
    let lines: Vec<&str> = source.text.lines().collect();
    let is_codec = |line: &str| {
        let method = line.strip_prefix("    pub fn ").and_then(|rest| rest.split(['(', '<']).next());
        line.starts_with("pub fn ") || method.is_some_and(|name| CODECS.contains(&name))
    };
    let codecs = source.lines(Tests::Not).map(|(index, _)| index).filter(|&index| is_codec(lines[index]));
    let silent = codecs.filter(|&index| !ends_with_origin(&lines[..index]));
    silent.map(|index| source.complaint(index, "its documentation does not end in `Spec:` or `Observed:`")).collect()
}

/// Whether the last paragraph of the documentation that ends `above` says where the knowledge is from.
fn ends_with_origin(above: &[&str]) -> bool {
    let trimmed = above.iter().rev().map(|line| line.trim_start());
    let docs = trimmed.skip_while(|line| line.starts_with("#[")).map_while(|line| line.strip_prefix("///"));
    let paragraph = docs.map(str::trim).skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty());
    paragraph.last().is_some_and(is_origin)
}

fn is_origin(line: &str) -> bool {
    line.starts_with("Spec: ") || line.starts_with("Observed: ")
}

/// Where protocols are known.
const KNOWING: &[&str] =
    &["ftp-proto/src/wire/", "ftp-proto/src/conn/", "mms-proto/src/asf/", "mms-proto/src/wire/", "mms-proto/src/conn/"];

/// Files of these places with knowledge of the protocol name a source for it at least once. These have none of their own.
const NO_KNOWLEDGE: &[&str] = &[
    "ftp-proto/src/wire/mod.rs",
    "ftp-proto/src/wire/text.rs", // how bytes are shown to people
    "ftp-proto/src/conn/mod.rs",
    "ftp-proto/src/conn/error.rs",
    "ftp-proto/src/conn/event.rs",
    "mms-proto/src/asf/mod.rs",
    "mms-proto/src/asf/error.rs",
    "mms-proto/src/wire/mod.rs",
    "mms-proto/src/wire/error.rs",
    "mms-proto/src/conn/mod.rs",
    "mms-proto/src/conn/error.rs",
    "mms-proto/src/conn/event.rs",
];

fn without_any_origin(source: &Source) -> Vec<String> {
    let here = source.is_in(KNOWING) && source.tests_from > 0;
    let said = source.text.lines().any(|line| is_origin(line.trim_start_matches(['/', '!', ' '])));
    if !here || said || NO_KNOWLEDGE.contains(&source.path.as_str()) {
        return Vec::new();
    }
    vec![source.complaint(0, "no `Spec:` and no `Observed:` in the whole file")]
}

/// Where a peer chooses the bytes, the lints that forbid to trust them are on.
fn trusting(source: &Source) -> Vec<String> {
    const LINTS: &[&str] = &["indexing_slicing", "unwrap_used", "expect_used", "panic", "as_conversions"];
    if !KNOWING.iter().any(|place| source.path == format!("{place}mod.rs")) {
        return Vec::new();
    }
    let missing = LINTS.iter().filter(|lint| !is_named(&source.code.replace('\n', " "), &format!("clippy::{lint}")));
    missing.map(|lint| source.complaint(0, &format!("does not deny clippy::{lint}"))).collect()
}

/// Every member obeys the workspace's lints.
fn without_lints(source: &Source) -> Vec<String> {
    let member = source.path.ends_with("/Cargo.toml") && !source.text.contains("[workspace]");
    if member && !source.text.contains("[lints]\nworkspace = true") {
        return vec![source.complaint(0, "no `[lints] workspace = true`")];
    }
    if source.path == "Cargo.toml" && !source.text.contains("unsafe_code = \"forbid\"") {
        return vec![source.complaint(0, "unsafe code is not forbidden")];
    }
    Vec::new()
}

pub(crate) fn complaints(source: &Source) -> Vec<String> {
    let rules = [bytes_in_plan, sleeping, too_long, without_origin, without_any_origin, trusting, without_lints];
    let mut all: Vec<String> = FORBIDDEN.iter().flat_map(|rule| forbidden(rule, source)).collect();
    all.extend(rules.iter().flat_map(|rule| rule(source)));
    all
}
