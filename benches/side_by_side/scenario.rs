//! What is measured: networks, files, tools.

use std::time::Duration;

use crate::tools::{Tool, Tools};

/// One table.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) id: String,
    pub(crate) title: String,
    /// A sentence on conditions.
    pub(crate) about: String,
    pub(crate) protocol: Protocol,
    pub(crate) work: Work,
    /// None is loopback, without a relay.
    pub(crate) network: Option<Network>,
    pub(crate) max_per_ip: Option<u32>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) table: Table,
    /// Fewer rounds than asked for, where a run is long and its figure steady.
    pub(crate) most_rounds: usize,
    /// A run is killed after this.
    pub(crate) limit: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Ftp,
    Http,
}

/// What is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Work {
    /// One file of random bytes.
    File { len: u64 },
    /// One file that is zeros but for its end.
    Sparse { len: u64 },
    /// Files of 1 to 4 MiB.
    Many { files: u64 },
    /// One file to standard output, which is read at a rate.
    Stream { len: u64, rate: u64 },
}

impl Work {
    /// Bytes in all.
    pub(crate) fn len(self) -> u64 {
        match self {
            Self::File { len } | Self::Sparse { len } | Self::Stream { len, .. } => len,
            Self::Many { files } => (0..files).map(small).sum(),
        }
    }
}

/// Length of the small file of this number: 1 to 4 MiB.
pub(crate) fn small(number: u64) -> u64 {
    (1 << 20) + number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (3 << 20)
}

/// Which figures matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Wall,
    Cpu,
    Memory,
}

/// Between client and server. New connections start slowly (ten segments) wherever there is a delay.
#[derive(Debug, Clone, Default)]
pub(crate) struct Network {
    pub(crate) round_trip: Duration,
    /// Cap of each connection.
    pub(crate) rate: Option<u64>,
    /// Rates of places; which of them is first turns from round to round.
    pub(crate) lanes: Vec<u64>,
    /// The first connection on this lane stops after so many bytes.
    pub(crate) silent: Option<(usize, u64)>,
    /// Rate of the whole.
    pub(crate) link: Option<u64>,
    /// What the bare reader uses; 0: no bare reader.
    pub(crate) connections: usize,
}

impl Network {
    /// Rates of the connections that the bare reader makes, for a round.
    pub(crate) fn shares(&self, round: usize) -> Vec<u64> {
        if self.lanes.is_empty() { vec![self.rate.unwrap_or(1); self.connections] } else { self.turned(round) }
    }

    /// The lanes as they are in a round.
    pub(crate) fn turned(&self, round: usize) -> Vec<u64> {
        let mut lanes = self.lanes.clone();
        let turn = round % lanes.len().max(1);
        lanes.rotate_right(turn);
        lanes
    }

    /// The silent lane as it is in a round.
    pub(crate) fn silence(&self, round: usize) -> Option<(usize, u64)> {
        self.silent.map(|(lane, after)| ((lane + round) % self.lanes.len().max(1), after))
    }

    /// Seconds that the rates alone ask for, if they limit anything.
    pub(crate) fn by_rates(&self, len: u64) -> Option<f64> {
        let all = if self.lanes.is_empty() {
            self.rate.map(|rate| rate * self.connections as u64)
        } else {
            Some(self.lanes.iter().sum())
        };
        let rate = [all, self.link].into_iter().flatten().filter(|rate| *rate > 0).min()?;
        Some(len as f64 / rate as f64)
    }
}

const MB: u64 = 1_000_000;
const MIB: u64 = 1 << 20;

/// How large everything is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// How long the ideal of the long transfers takes.
    pub(crate) seconds: u64,
    /// Bytes of the file of the CPU tables.
    pub(crate) cpu: u64,
}

/// All scenarios, in the order of the report.
pub(crate) fn all(tools: &Tools, scale: Scale, bytehaul: &str) -> Vec<Scenario> {
    let mut all = Vec::new();
    for ms in [20, 100, 200] {
        all.push(caps(tools, scale, ms));
    }
    for ms in [20, 100, 200] {
        all.push(slow(tools, scale, ms));
    }
    for ms in [20, 100, 200] {
        all.push(silent(tools, scale, ms));
    }
    all.extend([link(tools), short(tools), first_byte(tools), limit(tools, scale), small_files(tools)]);
    for n in [1, 4, 16] {
        all.push(cpu(tools, scale, n));
    }
    all.extend([
        memory(tools, "memory-100m", Work::File { len: 100 * MIB }),
        memory(tools, "memory-10g", Work::Sparse { len: 10 << 30 }),
        sink(tools),
    ]);
    for n in [1, 4, 16] {
        all.push(over_http(cpu(tools, scale, n), n, bytehaul));
    }
    all.push(over_http(caps(tools, scale, 100), 8, bytehaul));
    all
}

fn wall(id: String, title: String, about: &str, work: Work, network: Network, tools: Vec<Tool>) -> Scenario {
    let ideal = network.by_rates(work.len()).unwrap_or(10.0);
    Scenario {
        id,
        title,
        about: about.into(),
        protocol: Protocol::Ftp,
        work,
        network: Some(network),
        max_per_ip: None,
        tools,
        table: Table::Wall,
        most_rounds: usize::MAX,
        limit: Duration::from_secs_f64(ideal * 5.0 + 30.0),
    }
}

fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn caps(tools: &Tools, scale: Scale, ms: u64) -> Scenario {
    let network = Network { round_trip: millis(ms), rate: Some(5 * MB), connections: 8, ..Network::default() };
    wall(
        format!("caps-{ms}"),
        format!("8 connections of 5 MB/s each, round trip {ms} ms"),
        "Each connection is capped; asked for 8 connections, or for nothing.",
        Work::File { len: 8 * 5 * MB * scale.seconds },
        network,
        tools.parallel(8),
    )
}

fn slow(tools: &Tools, scale: Scale, ms: u64) -> Scenario {
    let lanes = vec![6 * MB, 6 * MB, 6 * MB, 3 * MB / 10];
    let len = lanes.iter().sum::<u64>() * scale.seconds;
    let network = Network { round_trip: millis(ms), lanes, connections: 4, ..Network::default() };
    wall(
        format!("slow-{ms}"),
        format!("One of 4 connections at a twentieth of the rate, round trip {ms} ms"),
        "6, 6, 6 and 0.3 MB/s. Rates belong to places: who closes the slow connection and opens another gets the slow place back. \
         Which place is slow turns from round to round.",
        Work::File { len },
        network,
        tools.parallel(4),
    )
}

fn silent(tools: &Tools, scale: Scale, ms: u64) -> Scenario {
    let len = 4 * 5 * MB * scale.seconds;
    let lanes = vec![5 * MB; 4];
    let silent = Some((3, len / 8));
    let network = Network { round_trip: millis(ms), lanes, silent, connections: 4, ..Network::default() };
    wall(
        format!("silent-{ms}"),
        format!("One of 4 connections silent half-way, round trip {ms} ms"),
        "4 places of 5 MB/s; the first connection of one of them delivers half of its share and then nothing, and does not end. \
         The next connection there is healthy. The bare reader's is healthy from the start.",
        Work::File { len },
        network,
        tools.impatient(4),
    )
}

fn link(tools: &Tools) -> Scenario {
    let network = Network { round_trip: millis(50), link: Some(100 * MB / 8), connections: 1, ..Network::default() };
    let mut list = vec![tools.segfetch(None), Tools::curl(), Tools::wget(), tools.segfetch(Some(8))];
    list.extend([Tools::aria2_tuned(8), Tools::aria2(8), Tools::lftp(8), Tools::axel(8)]);
    wall(
        "link".into(),
        "A link that one connection can fill: 100 Mbit/s, round trip 50 ms, 64 MiB".into(),
        "All connections share the link in equal parts.",
        Work::File { len: 64 * MIB },
        network,
        list,
    )
}

fn short(tools: &Tools) -> Scenario {
    let network = Network { round_trip: millis(50), rate: Some(2 * MIB), connections: 8, ..Network::default() };
    wall(
        "short".into(),
        "A short download: 2 MiB/s a connection, 8 connections, round trip 50 ms, 64 MiB".into(),
        "What starting and ending cost.",
        Work::File { len: 64 * MIB },
        network,
        tools.parallel(8),
    )
}

fn first_byte(tools: &Tools) -> Scenario {
    let network = Network { round_trip: millis(100), connections: 1, ..Network::default() };
    let mut list = vec![tools.segfetch(Some(1)), tools.segfetch(None), Tools::curl(), Tools::wget()];
    list.extend([Tools::aria2_tuned(1), Tools::lftp(1), Tools::axel(1)]);
    wall(
        "first-byte".into(),
        "Round trips to the first byte: round trip 100 ms, 100 KiB".into(),
        "No cap. A client's connect returns at once (the relay stands in for the network behind it), which spares clients that wait for it \
         up to one round trip per data connection.",
        Work::File { len: 100 << 10 },
        network,
        list,
    )
}

fn limit(tools: &Tools, scale: Scale) -> Scenario {
    let network = Network { round_trip: millis(50), rate: Some(5 * MB), connections: 3, ..Network::default() };
    let mut scenario = wall(
        "limit".into(),
        "A server that grants 3 connections, asked for 8; 5 MB/s each, round trip 50 ms".into(),
        "vsftpd refuses the fourth with 421 at connect. \"Refused\" counts 421 and 530.",
        Work::File { len: 3 * 5 * MB * scale.seconds },
        network,
        tools.parallel(8),
    );
    scenario.max_per_ip = Some(3);
    scenario
}

fn small_files(tools: &Tools) -> Scenario {
    let network = Network { round_trip: millis(100), link: Some(50 * MB), ..Network::default() };
    let mut scenario = wall(
        "small".into(),
        "200 files of 1 to 4 MiB, 8 at a time, round trip 100 ms, link 400 Mbit/s".into(),
        "What counts is round trips and logins per file.",
        Work::Many { files: 200 },
        network,
        tools.many(8),
    );
    scenario.limit = Duration::from_secs(600);
    scenario
}

fn cpu(tools: &Tools, scale: Scale, n: u16) -> Scenario {
    let mut list = if n == 1 {
        vec![
            tools.segfetch(Some(1)),
            tools.segfetch(None),
            Tools::aria2_tuned(1),
            Tools::aria2(1),
            Tools::lftp(1),
            Tools::axel(1),
        ]
    } else {
        tools.parallel(n)
    };
    list.extend([Tools::curl(), Tools::wget(), Tools::bare(scale.cpu, n)]);
    let plural = if n == 1 { "" } else { "s" };
    Scenario {
        id: format!("cpu-{n}"),
        title: format!("CPU per GiB over {n} connection{plural}, loopback, no delay"),
        about: "segfetch with checksums of blocks and checkpoints (syncs) on, as always; the others do neither. curl and wget use one \
                connection in every table. bare: receives and writes a MiB at a time, blocking, and does nothing else."
            .into(),
        protocol: Protocol::Ftp,
        work: Work::File { len: scale.cpu },
        network: None,
        max_per_ip: None,
        tools: list,
        table: Table::Cpu,
        most_rounds: usize::MAX,
        limit: Duration::from_secs(300),
    }
}

fn memory(tools: &Tools, id: &str, work: Work) -> Scenario {
    let mut list = tools.parallel(8);
    // Preallocating 10 GiB says nothing about memory.
    list.retain(|tool| tool.label != Tools::aria2(8).label);
    list.push(Tools::curl());
    let what = if matches!(work, Work::Sparse { .. }) { "10 GiB (sparse on the server)" } else { "100 MiB" };
    Scenario {
        id: id.into(),
        title: format!("Peak memory, 8 connections, {what}"),
        about: "Loopback, no delay.".into(),
        work,
        table: Table::Memory,
        tools: list,
        most_rounds: 3,
        limit: Duration::from_secs(600),
        ..cpu(tools, Scale { seconds: 1, cpu: 1 }, 1)
    }
}

fn sink(tools: &Tools) -> Scenario {
    Scenario {
        id: "sink".into(),
        title: "Peak memory, 64 MiB into a sink held to 1 MiB/s".into(),
        about: "Loopback, no delay; standard output, read at 1 MiB/s. aria2 and axel cannot.".into(),
        work: Work::Stream { len: 64 * MIB, rate: MIB },
        table: Table::Memory,
        tools: tools.streaming(8),
        most_rounds: 3,
        ..cpu(tools, Scale { seconds: 1, cpu: 1 }, 1)
    }
}

/// The same over HTTP, with bytehaul.
fn over_http(mut scenario: Scenario, n: u16, bytehaul: &str) -> Scenario {
    scenario.id = format!("http-{}", scenario.id);
    scenario.title = format!("HTTP: {}", scenario.title);
    scenario.protocol = Protocol::Http;
    let tool = Tool::new(format!("bytehaul, {n} connections"), bytehaul, &format!("{{url}} {{out}} {n}"));
    scenario.tools.insert(2, tool);
    scenario
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scenario_has_a_name_of_its_own_and_tools_to_compare() {
        let tools = Tools { segfetch: "segfetch".into() };
        let all = all(&tools, Scale { seconds: 30, cpu: 1 << 30 }, "bytehaul");
        let mut ids: Vec<&str> = all.iter().map(|scenario| scenario.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all.len());
        assert!(all.iter().all(|scenario| scenario.tools.len() > 2));
    }

    #[test]
    fn the_slow_lane_and_the_silent_lane_turn_with_the_rounds() {
        let network = Network { lanes: vec![6, 6, 1], silent: Some((2, 9)), ..Network::default() };
        assert_eq!(
            (network.turned(0), network.turned(1), network.turned(3)),
            (vec![6, 6, 1], vec![1, 6, 6], vec![6, 6, 1])
        );
        assert_eq!((network.silence(0), network.silence(1)), (Some((2, 9)), Some((0, 9))));
    }

    #[test]
    fn the_narrowest_rate_makes_the_least_time() {
        let mut network = Network { rate: Some(10), connections: 4, ..Network::default() };
        assert_eq!(network.by_rates(80), Some(2.0));
        network.link = Some(20);
        assert_eq!(network.by_rates(80), Some(4.0));
        assert_eq!(Network { lanes: vec![10, 30], ..Network::default() }.by_rates(80), Some(2.0));
        assert_eq!(Network { connections: 1, ..Network::default() }.by_rates(80), None);
    }
}
