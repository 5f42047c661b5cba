//! The harness tried on itself, in seconds: tools that are planted to be wrong, to fail, to hang and to be missing are reported so, the honest
//! ones are right, and the relay counts what there is to count.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::scenario::{Network, Protocol, Scenario, Table, Work};
use crate::stage::{Stage, Verdict};
use crate::tools::{Tool, Tools};
use crate::tour;

const LEN: u64 = 3 << 20;

/// # Errors
/// What the harness got wrong.
pub(crate) fn run(base: &Path, tools: &Tools) -> io::Result<()> {
    let mut stage = Stage::new(base)?;
    let file = Scenario {
        id: "smoke".into(),
        title: "Smoke".into(),
        about: "Lanes of 4 and 2 MB/s, round trip 10 ms.".into(),
        protocol: Protocol::Ftp,
        work: Work::File { len: LEN },
        network: Some(Network {
            round_trip: Duration::from_millis(10),
            lanes: vec![4_000_000, 2_000_000],
            connections: 2,
            ..Network::default()
        }),
        max_per_ip: None,
        tools: vec![
            tools.segfetch(Some(2)),
            Tools::curl(),
            planted(
                "corrupting",
                "curl -s -o {out} {url} && printf ! | dd of={out} bs=1 seek=1000000 conv=notrunc 2>/dev/null",
            ),
            planted("truncating", "curl -s -r 0-1000000 -o {out} {url}; exit 0"),
            planted("idle", "exit 0"),
            planted("failing", "echo I give up >&2; exit 3"),
            planted("hanging", "sleep 600"),
            Tool::new("absent", "no-such-tool", "{url}"),
        ],
        table: Table::Wall,
        most_rounds: 1,
        limit: Duration::from_secs(20),
    };
    let mut late = file.clone();
    late.tools.retain(|tool| tool.label == "hanging");
    late.limit = Duration::from_millis(200);
    let mut prompt = file;
    prompt.tools.retain(|tool| tool.label != "hanging");
    stage.set(prompt.work)?;

    let report = tour(&stage, &prompt, 1)?;
    println!("{}", report.markdown());
    check(
        report.bare.len() == 1 && report.bare[0] > Duration::from_millis(400),
        "the bare reader is faster than the network",
    )?;
    let expected = [
        ("segfetch -n 2", Some(Verdict::Right)),
        ("curl", Some(Verdict::Right)),
        ("corrupting", Some(Verdict::Wrong)),
        ("truncating", Some(Verdict::Wrong)),
        ("idle", Some(Verdict::Wrong)),
        ("failing", Some(Verdict::Failed(3))),
        ("absent", None),
    ];
    let built = report.rows[0].0.find().is_some();
    for ((tool, runs), (label, verdict)) in report.rows.iter().zip(expected).skip(usize::from(!built)) {
        check(
            tool.label == label && runs.first().map(|run| run.verdict) == verdict,
            &format!("{label} is not {verdict:?}"),
        )?;
    }
    let passed = |row: usize| report.rows[row].1.first().and_then(|run| run.passed).unwrap_or_default();
    check(
        passed(1).control == 1 && passed(1).data == 1 && passed(1).bytes == LEN,
        "curl's connections are miscounted",
    )?;
    check(!built || passed(0).bytes >= LEN && passed(0).data >= 1, "segfetch did not come through the relay")?;
    check(passed(1).first_byte.is_some_and(|trips| trips >= 5.0), "curl's first byte came too early")?;
    check(report.rows[1].1[0].usage.wall > Duration::from_millis(700), "curl was faster than its lane")?;

    let report = tour(&stage, &late, 1)?;
    check(report.rows[0].1[0].verdict == Verdict::Late, "the hanging tool is not late")?;

    let mut stream = prompt.clone();
    (stream.work, stream.network, stream.table) = (Work::Stream { len: LEN, rate: 8 << 20 }, None, Table::Memory);
    stream.tools = tools.streaming(2);
    stage.set(stream.work)?;
    let report = tour(&stage, &stream, 1)?;
    println!("{}", report.markdown());
    check(
        report.rows.iter().all(|(_, runs)| runs.iter().all(|run| run.verdict == Verdict::Right)),
        "a stream is wrong",
    )?;

    let mut many = prompt.clone();
    many.work = Work::Many { files: 3 };
    many.tools = tools.many(2);
    many.tools.retain(|tool| tool.program != "aria2c"); // which hangs after the last byte once in a while, without a relay too
    many.network =
        Some(Network { round_trip: Duration::from_millis(10), link: Some(20_000_000), ..Network::default() });
    many.limit = Duration::from_secs(60);
    stage.set(many.work)?;
    let report = tour(&stage, &many, 1)?;
    println!("{}", report.markdown());
    check(
        report.rows.iter().all(|(_, runs)| runs.iter().all(|run| run.verdict == Verdict::Right)),
        "a small file is wrong",
    )?;
    println!("The harness is right.");
    Ok(())
}

fn planted(label: &str, script: &str) -> Tool {
    let mut tool = Tool::new(label, "sh", "-c");
    tool.arguments.push(script.into());
    tool
}

fn check(right: bool, otherwise: &str) -> io::Result<()> {
    if right { Ok(()) } else { Err(io::Error::other(format!("smoke: {otherwise}"))) }
}
