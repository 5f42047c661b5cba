//! Tables in Markdown.

use std::fmt::Write as _;
use std::time::Duration;

use crate::scenario::{Scenario, Table, Work};
use crate::stage::{Passed, Run, Verdict};
use crate::tools::Tool;

/// All that was seen of a scenario.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) scenario: &'a Scenario,
    /// The bare reader's times.
    pub(crate) bare: Vec<Duration>,
    /// By tool; no runs at all: missing.
    pub(crate) rows: Vec<(&'a Tool, Vec<Run>)>,
}

/// Minimum, quartiles and maximum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of nothing there is none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = part * (sorted.len() - 1) as f64;
            let (below, above) = (place.floor() as usize, place.ceil() as usize);
            sorted[below] + (sorted[above] - sorted[below]) * (place - place.floor())
        };
        (!sorted.is_empty()).then(|| Self {
            least: at(0.0),
            lower: at(0.25),
            median: at(0.5),
            upper: at(0.75),
            most: at(1.0),
        })
    }
}

impl Report<'_> {
    /// The whole section.
    pub(crate) fn markdown(&self) -> String {
        let scenario = self.scenario;
        let mut text = format!("### {}\n\n`{}`. {}", scenario.title, scenario.id, scenario.about);
        let rounds = self.rows.iter().map(|(_, runs)| runs.len()).max().unwrap_or_default();
        let _ = write!(text, " {rounds} rounds, medians.");
        let ideal = Spread::of(self.bare.iter().map(Duration::as_secs_f64));
        let by_rates = scenario.network.as_ref().and_then(|network| network.by_rates(scenario.work.len()));
        if let Some(ideal) = ideal {
            let _ = write!(text, " Bare reader {:.2} s ({:.2} to {:.2}).", ideal.median, ideal.least, ideal.most);
        }
        if let Some(by_rates) = by_rates {
            let _ = write!(text, " The rates alone: {by_rates:.2} s.");
        }
        text += "\n\n";
        let ideals = (ideal.map(|ideal| ideal.median), by_rates);
        let header = match scenario.table {
            Table::Wall => {
                "client | right | wall s | / bare | / rates | CPU s | RSS MiB | control, data connections | logins, refused | turns \
                 | first byte, next range (RTT) | bytes moved"
            }
            Table::Cpu => "client | right | CPU s/GiB (quartiles) | least | / curl | / aria2 tuned | RSS MiB | wall s",
            Table::Memory => "client | right | RSS MiB | most | CPU s | wall s",
        };
        let _ = writeln!(text, "| {header} |\n|{}", "---|".repeat(header.split('|').count()));
        for (tool, runs) in &self.rows {
            let cells = if runs.is_empty() {
                let columns = header.split('|').count();
                let mut cells = vec![String::new(); columns - 1];
                cells[0] = "missing".into();
                cells
            } else {
                match scenario.table {
                    Table::Wall => self.wall(runs, ideals),
                    Table::Cpu => self.cpu(runs),
                    Table::Memory => memory(runs),
                }
            };
            let _ = writeln!(text, "| {} | {} |", tool.label, cells.join(" | "));
        }
        text
    }

    fn wall(&self, runs: &[Run], (bare, by_rates): (Option<f64>, Option<f64>)) -> Vec<String> {
        let wall = spread(runs, |run| run.usage.wall.as_secs_f64());
        let late = if runs.iter().any(|run| run.verdict == Verdict::Late) { "> " } else { "" };
        let over = |ideal: Option<f64>| ideal.map_or("-".into(), |ideal| format!("{late}{:.3}", wall.median / ideal));
        let passed: Vec<Passed> = runs.iter().filter_map(|run| run.passed).collect();
        let seen = |of: fn(&Passed) -> f64| Spread::of(passed.iter().map(of)).map_or(0.0, |spread| spread.median);
        let trips = |of: fn(&Passed) -> Option<f64>| {
            Spread::of(passed.iter().filter_map(of)).map_or("-".into(), |spread| format!("{:.1}", spread.median))
        };
        vec![
            verdict(runs),
            format!("{late}{:.2} ({:.2} to {:.2})", wall.median, wall.least, wall.most),
            over(bare),
            over(by_rates),
            accounted(runs, 2, |run| run.usage.cpu.as_secs_f64()),
            accounted(runs, 1, mebibytes),
            format!("{}, {}", seen(|it| it.control as f64), seen(|it| it.data as f64)),
            format!("{}, {}", seen(|it| it.logins as f64), seen(|it| it.refusals as f64)),
            format!("{}", seen(|it| it.turns as f64)),
            format!("{}, {}", trips(|it| it.first_byte), trips(|it| it.next_range)),
            format!("{:.3}", seen(|it| it.bytes as f64) / self.scenario.work.len() as f64),
        ]
    }

    fn cpu(&self, runs: &[Run]) -> Vec<String> {
        let gib = self.scenario.work.len() as f64 / f64::from(1 << 30);
        let cost = |runs: &[Run]| {
            Spread::of(runs.iter().filter(|run| run.usage.rss > 0).map(|run| run.usage.cpu.as_secs_f64() / gib))
        };
        let peer = |found: fn(&str) -> bool| {
            let peer = self.rows.iter().find(|(tool, _)| found(&tool.label)).and_then(|(_, runs)| cost(runs));
            let own = cost(runs).map_or(f64::NAN, |own| own.median);
            peer.map_or("-".into(), |peer| format!("{:.2}", own / peer.median))
        };
        let own = cost(runs).map_or("- | -".into(), |own| {
            format!("{:.2} ({:.2} to {:.2}) | {:.2}", own.median, own.lower, own.upper, own.least)
        });
        vec![
            verdict(runs),
            own,
            peer(|label| label == "curl"),
            peer(|label| label.starts_with("aria2") && label.ends_with("tuned")),
            accounted(runs, 1, mebibytes),
            format!("{:.2}", spread(runs, |run| run.usage.wall.as_secs_f64()).median),
        ]
    }
}

fn memory(runs: &[Run]) -> Vec<String> {
    let rss = spread(runs, mebibytes);
    vec![
        verdict(runs),
        accounted(runs, 1, mebibytes),
        format!("{:.1}", rss.most),
        accounted(runs, 2, |run| run.usage.cpu.as_secs_f64()),
        format!("{:.2}", spread(runs, |run| run.usage.wall.as_secs_f64()).median),
    ]
}

fn mebibytes(run: &Run) -> f64 {
    run.usage.rss as f64 / 1024.0
}

/// The median of the runs that there is an account of: who is killed leaves none.
fn accounted(runs: &[Run], digits: usize, of: fn(&Run) -> f64) -> String {
    let known = Spread::of(runs.iter().filter(|run| run.usage.rss > 0).map(of));
    known.map_or("-".into(), |known| format!("{:.digits$}", known.median))
}

/// Of at least one run.
fn spread(runs: &[Run], of: impl Fn(&Run) -> f64) -> Spread {
    Spread::of(runs.iter().map(of)).unwrap_or(Spread { least: 0.0, lower: 0.0, median: 0.0, upper: 0.0, most: 0.0 })
}

/// `10/10`, or what else happened.
fn verdict(runs: &[Run]) -> String {
    let count = |verdict: fn(&Verdict) -> bool| runs.iter().filter(|run| verdict(&run.verdict)).count();
    let right = count(|it| *it == Verdict::Right);
    let mut text = format!("{right}/{}", runs.len());
    let wrong = count(|it| *it == Verdict::Wrong);
    if wrong > 0 {
        let _ = write!(text, ", **{wrong} WRONG, exit 0**");
    }
    let late = count(|it| *it == Verdict::Late);
    if late > 0 {
        let _ = write!(text, ", {late} not done in time");
    }
    let failed = runs.iter().filter_map(|run| if let Verdict::Failed(code) = run.verdict { Some(code) } else { None });
    let codes: Vec<String> = failed.map(|code| code.to_string()).collect();
    if !codes.is_empty() {
        let _ = write!(text, ", {} failed (exit {})", codes.len(), codes.join(", "));
    }
    text
}

/// Command lines of a scenario, for the reader who wants to know.
pub(crate) fn commands(scenario: &Scenario) -> String {
    let mut text = format!("{}: {}\n", scenario.id, scenario.title);
    for tool in &scenario.tools {
        let _ = writeln!(text, "  {:<24} {}", tool.label, tool.shown());
    }
    if let Work::Stream { rate, .. } = scenario.work {
        let _ = writeln!(text, "  (standard output is read at {rate} bytes per second)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::child::Usage;
    use crate::scenario::{Scale, all};
    use crate::tools::Tools;

    fn run(wall: f64, verdict: Verdict) -> Run {
        let usage =
            Usage { wall: Duration::from_secs_f64(wall), cpu: Duration::from_secs(1), rss: 2048, ..Usage::default() };
        Run { usage, verdict, passed: Some(Passed { bytes: 500, data: 3, ..Passed::default() }) }
    }

    #[test]
    fn a_spread_interpolates_between_values() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((spread.least, spread.lower, spread.median, spread.upper, spread.most), (1.0, 1.75, 2.5, 3.25, 4.0));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn wrong_late_failed_and_missing_tools_are_all_on_record() {
        let tools = Tools { segfetch: "segfetch".into() };
        let mut scenario = all(&tools, Scale { seconds: 1, cpu: 1 << 30 }, "bytehaul").remove(0);
        scenario.work = Work::File { len: 1000 };
        let rows = scenario.tools.iter().zip([
            vec![run(2.0, Verdict::Right); 3],
            vec![run(2.0, Verdict::Right), run(3.0, Verdict::Wrong)],
            vec![run(9.0, Verdict::Late)],
            vec![run(1.0, Verdict::Failed(7))],
            vec![],
        ]);
        let report = Report { scenario: &scenario, bare: vec![Duration::from_secs(1); 3], rows: rows.collect() };
        let text = report.markdown();
        for part in [
            "| segfetch -n 8 | 3/3 | 2.00 (2.00 to 2.00) | 2.000 |",
            "| segfetch | 1/2, **1 WRONG, exit 0** | 2.50",
            "| 0/1, 1 not done in time | > 9.00",
            "| 0/1, 1 failed (exit 7) | 1.00",
            "| missing |",
            "Bare reader 1.00 s",
            "| 0.500 |",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        let columns: Vec<usize> =
            text.lines().filter(|line| line.starts_with('|')).map(|line| line.matches('|').count()).collect();
        assert!(columns.iter().all(|count| *count == columns[0]), "{columns:?}\n{text}");
    }
}
