//! segfetch beside curl, aria2, lftp, axel and wget: the same server, the same network, the same run.
//!
//! The tools take turns, round by round, in an order that turns too; every result is compared by SHA-256; nothing is discarded. Each run has
//! a server (vsftpd) and a relay of its own. The tables go to standard output.
//!
//! ```text
//!  tool ──> relay (delay, rates, slow start, silence, counters) ──> server        all on 127.0.0.1
//! ```

mod bare;
mod child;
mod report;
mod scenario;
mod smoke;
mod stage;
mod tools;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use report::Report;
use scenario::{Protocol, Scale, Scenario};
use stage::Stage;
use tools::Tools;

/// Measures segfetch beside its peers and prints tables in Markdown. As root (vsftpd).
#[derive(Debug, Parser)]
struct Options {
    /// The command under test
    #[arg(long, default_value = "target/release/segfetch")]
    segfetch: PathBuf,
    /// bytehaul's small command (cargo build --release in benches/bytehaul)
    #[arg(long, default_value = "benches/bytehaul/target/release/bytehaul")]
    bytehaul: PathBuf,
    /// Runs of each tool
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// How long the ideal of the long transfers takes, in seconds
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Length of the file of the CPU tables, in MiB
    #[arg(long, default_value_t = 1024)]
    cpu_mib: u64,
    /// Where files are made and fetched to: a directory of the file system to be measured, with 12 GiB free
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// Only these scenarios, or families of them: slow-100, cpu
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only the tools with these names, or names that go on after one of these: segfetch, "aria2 -x 8 tuned"
    #[arg(long, value_delimiter = ',')]
    tools: Vec<String>,
    /// Name the scenarios and their command lines, and do nothing
    #[arg(long)]
    list: bool,
    /// Show in seconds that the harness itself is right: small files, and tools planted to be wrong, late and missing
    #[arg(long)]
    smoke: bool,
    /// Be the bare client of the CPU tables
    #[arg(long, hide = true, num_args = 4, value_names = ["URL", "LENGTH", "FILE", "CONNECTIONS"])]
    bare: Vec<String>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = if let [url, len, out, connections] = options.bare.as_slice() {
        let number = |text: &str| text.parse().map_err(io::Error::other);
        number(len).and_then(|len| bare::fetch(url, len, out.as_ref(), number(connections)?))
    } else if options.smoke {
        smoke::run(&options.dir, &tools(&options))
    } else {
        measure(&options)
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("side_by_side: {error}");
            ExitCode::FAILURE
        }
    }
}

fn tools(options: &Options) -> Tools {
    Tools { segfetch: absolute(&options.segfetch) }
}

/// A path with a slash in it, so that it is not looked for elsewhere.
fn absolute(path: &std::path::Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

fn measure(options: &Options) -> io::Result<()> {
    let scale = Scale { seconds: options.seconds.max(1), cpu: options.cpu_mib.max(1) << 20 };
    let mut scenarios = scenario::all(&tools(options), scale, &absolute(&options.bytehaul));
    if !options.only.is_empty() {
        scenarios.retain(|scenario| options.only.iter().any(|name| begins(&scenario.id, name, &['-'])));
    }
    if !options.tools.is_empty() {
        let meant = |tool: &tools::Tool| options.tools.iter().any(|name| begins(&tool.label, name, &[' ', ',']));
        scenarios.iter_mut().for_each(|scenario| scenario.tools.retain(meant));
    }
    if options.list {
        scenarios.iter().for_each(|scenario| println!("{}", report::commands(scenario)));
        return Ok(());
    }
    let mut stage = Stage::new(&options.dir)?;
    println!("{}\n", machine(&options.dir));
    for scenario in &mut scenarios {
        eprintln!("{}: {}", scenario.id, scenario.title);
        if scenario.protocol == Protocol::Http && segfetch_testkit::find_bin("nginx").is_none() {
            println!("### {}\n\n`{}`. nginx is missing.\n", scenario.title, scenario.id);
            continue;
        }
        stage.set(scenario.work)?;
        if scenario.protocol == Protocol::Http && !stage.speaks(scenario, &options.segfetch)? {
            let ours = |tool: &&mut tools::Tool| tool.label.starts_with("segfetch");
            scenario.tools.iter_mut().filter(ours).for_each(|tool| tool.unable = true);
        }
        println!("{}", tour(&stage, scenario, options.rounds)?.markdown());
    }
    Ok(())
}

/// `cpu` means `cpu-1` and `cpu-16`; `cpu-1` means itself.
fn begins(id: &str, name: &str, joints: &[char]) -> bool {
    id.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(joints))
}

/// Every tool once per round; each round begins with another tool, and has its own bare reader.
pub(crate) fn tour<'a>(stage: &Stage, scenario: &'a Scenario, rounds: usize) -> io::Result<Report<'a>> {
    let mut report = Report { scenario, bare: Vec::new(), rows: Vec::new() };
    report.rows = scenario.tools.iter().map(|tool| (tool, Vec::new())).collect();
    let programs: Vec<Option<PathBuf>> = scenario.tools.iter().map(tools::Tool::find).collect();
    for round in 0..rounds.min(scenario.most_rounds) {
        report.bare.extend(stage.bare(scenario, round)?);
        for turn in 0..programs.len() {
            let index = (turn + round) % programs.len();
            let (Some(program), (tool, runs)) = (&programs[index], &mut report.rows[index]) else { continue };
            let run = stage.run(scenario, tool, program, round)?;
            let (wall, cpu) = (run.usage.wall.as_secs_f64(), run.usage.cpu.as_secs_f64());
            eprintln!("  round {}: {:<24} {wall:7.2} s, CPU {cpu:5.2} s, {:?}", round + 1, tool.label, run.verdict);
            runs.push(run);
        }
    }
    Ok(report)
}

/// One line on where this was measured.
fn machine(dir: &std::path::Path) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("?", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let load = read("/proc/loadavg");
    let load = load.split_whitespace().take(3).collect::<Vec<_>>().join(", ");
    let system = match rustix::fs::statfs(dir).map(|it| it.f_type as u64) {
        Ok(0xEF53) => "ext4".into(),
        Ok(0x0102_1994) => "tmpfs".into(),
        Ok(other) => format!("file system {other:#x}"),
        Err(error) => error.to_string(),
    };
    format!(
        "{cores} x {model}, Linux {}, {system}; load at the start {load}.",
        read("/proc/sys/kernel/osrelease").trim()
    )
}
