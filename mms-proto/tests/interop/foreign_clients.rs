//! Programs that nobody here wrote, against the embedded server: what each gets for each behaviour of the server.
//!
//! The table was measured with Debian 12: ffmpeg 5.1.9, libmms 0.6.4, VLC 3.0.24, MPlayer 1.5, xine-lib 1.2.13 with xine-console 0.99.14.

mod program;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use mms_proto::testing::{
    Asked, Auth, ChunkCount, Fault, Film, Habits, Marks, Padding, PaddingField, Payloads, Rate, Server, Step, Stream,
    When,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use program::{PROGRAMS, Program};
use verdict::Got::{self, *};
use verdict::Whole;

/// Programs that run at once.
const AT_ONCE: usize = 4;
/// The most that any may write.
const MOST: usize = 3_000_000;
const DENIED: u32 = 0x8007_0005;

/// A behaviour of the server, and what each program makes of it; nothing where it cannot notice.
struct Row {
    name: &'static str,
    habits: Habits,
    fault: Option<Fault>,
    auth: Option<Auth>,
    /// The server at which programs begin sends them to another one.
    redirected: bool,
    mmst: Option<[Got; 5]>,
    mmsu: Option<Got>,
    mmsh: Option<[Got; 5]>,
}

fn row(name: &'static str, change: impl FnOnce(Habits) -> Habits) -> Row {
    let habits = change(Habits::default().padding(Padding::Kept));
    Row { name, habits, fault: None, auth: None, redirected: false, mmst: None, mmsu: None, mmsh: None }
}

impl Row {
    /// Columns: ffmpeg, libmms, VLC, MPlayer, xine.
    fn mmst(self, expected: [Got; 5]) -> Row {
        Row { mmst: Some(expected), ..self }
    }

    /// VLC, the only one that speaks it.
    fn mmsu(self, expected: Got) -> Row {
        Row { mmsu: Some(expected), ..self }
    }

    fn mmsh(self, expected: [Got; 5]) -> Row {
        Row { mmsh: Some(expected), ..self }
    }

    fn cells(&self) -> Vec<(Program, &'static str, Got)> {
        let row = |scheme, cells: Option<[Got; 5]>| {
            let cells = cells.into_iter().flat_map(|cells| PROGRAMS.into_iter().zip(cells));
            cells.map(move |(program, expected)| (program, scheme, expected))
        };
        let datagrams = self.mmsu.map(|expected| (Program::Vlc, "mmsu", expected));
        row("mmst", self.mmst).chain(datagrams).chain(row("mmsh", self.mmsh)).collect()
    }
}

#[rustfmt::skip]
fn table() -> Vec<Row> {
    let basic = Auth::Basic { user: "somebody".to_owned(), password: "secret".to_owned() };
    vec![
        row("nothing special", |habits| habits)
            .mmst([All, All, All, TailMissing, All]).mmsu(All).mmsh([All, All, All, All, All]),
        row("an openFileId of 7", |habits| habits.open_file_id(7))
            .mmst([All, All, Nothing, TailMissing, All]).mmsu(Nothing),
        row("lengths counted as specified", |habits| habits.chunk_count(ChunkCount::Whole))
            .mmst([All, All, All, TailMissing, All]).mmsu(All),
        row("a header in three pieces", |habits| habits.header_pieces(2000))
            .mmst([All, All, All, TailMissing, All]).mmsu(All).mmsh([Nothing, All, All, All, All]),
        row("a header in three pieces with the marks of MMSH", |habits| habits.header_pieces(2000).marks(Marks::Mmsh))
            .mmst([Nothing, All, All, TailMissing, All]).mmsu(All),
        row("Pings between packets", |habits| habits.ping_every_packets(10))
            .mmst([All, All, All, TailMissing, All]).mmsu(All),
        row("Pings before answers", |habits| habits.ping_before_answers(true))
            .mmst([All, All, Nothing, Nothing, All]).mmsu(Nothing),
        row("Pings in the header", |habits| habits.header_pieces(2000).ping_in_header(true))
            .mmst([All, Nothing, Nothing, TailMissing, Nothing]).mmsu(All),
        Row { fault: Some(Fault::Refused(Step::OpenFile, DENIED)), ..row("a refused OpenFile", |habits| habits) }
            .mmst([Nothing, Nothing, Nothing, WentOn, WentOn]).mmsu(Nothing),
        row("padding zeroed", |habits| habits.padding(Padding::Zeroed))
            .mmst([ZeroPadded, ZeroPadded, ZeroPadded, GarbagePadded, All]).mmsu(ZeroPadded)
            .mmsh([ZeroPadded, ZeroPadded, ZeroPadded, ZeroPadded, All]),
        row("datagrams lost", |habits| habits.drop_every(20)).mmsu(Shifted),
        row("$M before $H", |habits| habits.metadata(true)).mmsh([Nothing, Nothing, Nothing, Nothing, Nothing]),
        row("0xA4 for all chunks", |habits| habits.unpaced_mark(true))
            .mmsh([Nothing, Nothing, Nothing, Nothing, Nothing]),
        row("0xA4 for media", |habits| habits.unpaced_media(true))
            .mmsh([Nothing, Nothing, HeaderAlone, All, Nothing]),
        row("application/octet-stream", |habits| habits.content_type("application/octet-stream"))
            .mmsh([All, All, All, All, All]),
        row("video/x-ms-asf", |habits| habits.content_type("video/x-ms-asf")).mmsh([All, All, All, All, All]),
        row("broadcast", |habits| habits.features("broadcast")).mmsh([All, All, All, All, All]),
        Row { auth: Some(basic), ..row("credentials wanted", |habits| habits) }
            .mmst([Nothing, Nothing, Nothing, WentOn, Nothing]).mmsu(Nothing)
            .mmsh([Nothing, Nothing, Nothing, Nothing, Nothing]),
        Row { redirected: true, ..row("the film is elsewhere", |habits| habits) }
            .mmst([Nothing, Nothing, Nothing, Nothing, Nothing]).mmsu(Nothing)
            .mmsh([All, Nothing, Nothing, Nothing, Nothing]),
        row("another film behind it", |habits| habits.followed_by("/next.asf"))
            .mmst([All, NextHeader, All, TailMissing, All]).mmsu(All)
            .mmsh([All, Endless, All, TailMissing, All]),
    ]
}

/// A quarter of the packets has padding; the header has room for several pieces.
fn film() -> Film {
    let film = Film::builder().packets(324).seed(7).padding(PaddingField::Word, &[0, 0, 100, 0, 7, 0, 0, 0]);
    film.header_len(5000).sample_rate(96_000).build()
}

/// A server that behaves so; media comes slowly to programs of which nothing but the server knows what they got.
fn server(row: &Row, program: Program, films: [&Film; 2]) -> Server {
    let paced = row.habits.clone().rate(Rate::Each(Duration::from_millis(5)));
    let habits = if program == Program::Xine { paced } else { row.habits.clone() };
    let mut server = Server::builder().film("/clip.asf", films[0].clone()).film("/next.asf", films[1].clone());
    if let Some(auth) = &row.auth {
        server = server.auth(auth.clone());
    }
    let server = server.habits(habits).start().unwrap();
    if let Some(fault) = &row.fault {
        server.fault(When::Always, fault.clone());
    }
    server
}

async fn cell(row: &Row, program: Program, scheme: &str, films: [&Film; 2]) -> (Got, Server) {
    let server = server(row, program, films);
    let whole = Whole { film: films[0], next: films[1], most: MOST };
    let front = Server::builder().start().unwrap();
    front.fault(When::Always, Fault::HttpRedirect(302, server.url("http", "/clip.asf")));
    front.fault(When::Always, Fault::Redirect(server.url(scheme, "/clip.asf")));
    let bytes = program.run(scheme, &server, if row.redirected { &front } else { &server }, whole).await;
    let got = whole.judge(&bytes);
    let asked_for_header = server.asked().iter().any(|(_, asked)| matches!(asked, Asked::ReadBlock(_)));
    let went_on = got == Nothing && asked_for_header && server.counters().headers == 0;
    (if went_on { WentOn } else { got }, server)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_program_gets_what_the_table_says() {
    let films = Arc::new([film(), Film::generated(50, 8)]);
    let (room, mut cells) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for row in table().into_iter().map(Arc::new) {
        for (program, scheme, expected) in row.cells() {
            let (room, row, films) = (room.clone(), row.clone(), films.clone());
            cells.spawn(async move {
                let _place = room.acquire().await;
                let (got, server) = cell(&row, program, scheme, [&films[0], &films[1]]).await;
                let counters = server.counters();
                let pings = if scheme == "mmsh" { 0 } else { counters.pings.min(counters.pongs) };
                let silent = got != Nothing && counters.pings > 0 && pings == 0;
                let wrong = got != expected || silent;
                wrong.then(|| format!("{}: {program:?} by {scheme}: {got:?}, not {expected:?}; {counters:?}", row.name))
            });
        }
    }
    let mut wrong: Vec<String> = cells.join_all().await.into_iter().flatten().collect();
    wrong.sort();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn libmms_reads_from_any_byte() {
    let film = film();
    // libmms stops for good once the end of the stream is told, as it is at once where nothing slows the first play down.
    let habits = Habits::default().padding(Padding::Kept).rate(Rate::Bytes(1_000_000));
    let server = Server::builder().film("/clip.asf", film.clone()).habits(habits).start();
    let (server, served) = (server.unwrap(), film.served());
    let first = film.header().len();
    let mut wrong = Vec::new();
    for scheme in ["mmsh", "mmst"] {
        for position in [first + 1, first + 100 * 3200, first + 200 * 3200 + 17, served.len() - 1] {
            let read = program::libmms_from(&server.url(scheme, "/clip.asf"), position, MOST).await;
            if read != served[position..] {
                wrong.push(format!("{scheme} from {position}: {} bytes", read.len()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What ffmpeg and MPlayer say of films that the builder makes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn films_are_decoded_without_errors() {
    let make = Film::builder;
    let films = [
        ("plain", Film::generated(100, 7)),
        ("of the table", film()),
        ("audio", make().stream(Stream::audio(5)).build()),
        ("video", make().stream(Stream::video(127)).build()),
        ("single payloads", make().payloads(Payloads::Single).build()),
        ("compressed payloads", make().compressed_payloads().build()),
        ("bytes of padding", make().padding(PaddingField::Byte, &[0, 1, 255]).build()),
        ("long padding", make().padding(PaddingField::Dword, &[0, 1000]).build()),
        ("no padding", make().padding(PaddingField::None, &[]).build()),
        ("explicit lengths", make().explicit_packet_length().build()),
        ("no error correction", make().without_error_correction().build()),
        ("long frames", make().frame_packets(4).key_frame_every(5).build()),
        ("small packets", make().packet_size(600).build()),
        ("large packets", make().packet_size(32_000).packets(20).build()),
        ("no index", make().without_index().header_len(20_000).build()),
    ];
    let mut wrong = Vec::new();
    for (name, film) in films {
        let said = program::decoding_errors(film.bytes()).await;
        wrong.extend(said.map(|said| format!("{name}: {said}")));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
