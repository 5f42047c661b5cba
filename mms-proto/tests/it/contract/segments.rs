//! Many streams at once put a film together: in any number, from anywhere, through connections that break.

use std::sync::Arc;

use bytes::BytesMut;
use mms_proto::asf::{Padding as Restored, Unpadded};
use mms_proto::client::{Client, Config};
use mms_proto::source::MmsSource;
use mms_proto::testing::{AtEnd, Fault, Film, Habits, Padding, PaddingField, Payloads, Seek, Server, Stream, When};
use mms_proto::wire::Url;
use segfetch_source::{ErrorClass, OpenRequest, RangeSource, SourceContext, SourceError, Space, Step};

use super::PATH;

/// Numbers without order, the same in every run.
struct Dice(u64);

impl Dice {
    /// A number below `below`.
    fn throw(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// Films, and whether their packets are the same where the field of the padding was taken away and put back.
fn films() -> Vec<(Film, bool)> {
    let film = |packet: usize, packets: u32| Film::builder().packet_size(packet).packets(packets);
    let audio = |packet: usize, packets: u32| film(packet, packets).stream(Stream::audio(1));
    vec![
        (film(3200, 40).padding(PaddingField::Byte, &[0, 1, 7, 254]).build(), true),
        (film(3200, 40).padding(PaddingField::Word, &[255, 300, 1000]).build(), true),
        (film(3200, 40).padding(PaddingField::Word, &[0, 1, 254, 255]).seed(2).build(), false),
        (film(1400, 60).padding(PaddingField::Dword, &[0, 3, 260]).build(), false),
        (film(5000, 20).padding(PaddingField::None, &[]).build(), true),
        (film(64_000, 7).padding(PaddingField::Word, &[30_000, 257, 500]).build(), true),
        (film(3200, 30).payloads(Payloads::Single).padding(PaddingField::Byte, &[3]).build(), true),
        (audio(900, 80).compressed_payloads().padding(PaddingField::Byte, &[0, 90]).build(), true),
        (audio(2000, 50).without_error_correction().padding(PaddingField::Word, &[256, 400]).build(), true),
        (film(3200, 30).explicit_packet_length().padding(PaddingField::None, &[]).build(), true),
        (film(3200, 30).explicit_packet_length().padding(PaddingField::Byte, &[0, 9, 200]).build(), true),
        (film(4000, 45).frame_packets(4).key_frame_every(5).header_len(70_000).build(), false),
        (
            (1..13)
                .fold(film(8000, 25), |film, number| film.stream(Stream::audio(number * 10)))
                .without_index()
                .build(),
            false,
        ),
        (film(3200, 1).padding(PaddingField::Byte, &[0]).build(), true),
    ]
}

fn source(server: &Server, scheme: &str) -> Arc<MmsSource> {
    let url = Url::parse(&server.url(scheme, PATH)).unwrap();
    Arc::new(MmsSource::new(Client::new(url, Config::default())))
}

/// Opens a stream again and again until `out`, which begins at `start`, is full.
async fn fill(source: &MmsSource, start: u64, out: &mut [u8]) {
    let cx = SourceContext::new();
    let end = start + out.len() as u64;
    let mut at = start;
    for _ in 0..200 {
        let outcome: Result<(), SourceError> = async {
            let mut reader = source.open(&cx, OpenRequest::from(at)).await?;
            let mut place = reader.opened().start;
            assert!(place <= at, "asked for {at}, began at {place}");
            while at < end {
                let mut buffer = BytesMut::with_capacity(5000);
                match reader.read(&mut Space::new(&mut buffer, 5000)).await? {
                    Step::Bytes(_) => {
                        let from = at.saturating_sub(place).min(buffer.len() as u64) as usize;
                        let to = (end.saturating_sub(place)).min(buffer.len() as u64) as usize;
                        let begin = (at - start) as usize;
                        out[begin..begin + (to - from)].copy_from_slice(&buffer[from..to]);
                        at += (to - from) as u64;
                        place += buffer.len() as u64;
                    }
                    step => panic!("{step:?} at {at}, and {end} is still to come"),
                }
            }
            reader.stop().await;
            Ok(())
        }
        .await;
        match outcome {
            Ok(()) => return,
            Err(error) => assert_eq!(error.class(), ErrorClass::Transient, "at {at}: {error}"),
        }
    }
    panic!("the stream from {start} does not come to {end}");
}

/// The film, by so many readers at once.
async fn fetched(source: &Arc<MmsSource>, len: usize, readers: u64, dice: &mut Dice) -> Vec<u8> {
    let mut bounds: Vec<usize> = (1..readers).map(|_| dice.throw(len as u64) as usize).collect();
    bounds.extend([0, len]);
    bounds.sort_unstable();
    let segments = bounds.windows(2).map(|bounds| {
        let (source, start, len) = (Arc::clone(source), bounds[0] as u64, bounds[1] - bounds[0]);
        tokio::spawn(async move {
            let mut part = vec![0; len];
            fill(&source, start, &mut part).await;
            part
        })
    });
    let mut film = Vec::new();
    for segment in segments.collect::<Vec<_>>() {
        film.extend(segment.await.unwrap());
    }
    film
}

fn assert_equal(got: &[u8], film: &Film, exactly: bool, what: &str) {
    assert_eq!(got.len(), film.served().len(), "{what}");
    if exactly {
        assert!(got == film.served(), "{what}: other bytes");
        return;
    }
    let (header, packets) = got.split_at(film.header().len());
    assert!(header == film.header(), "{what}: another header");
    let size = film.packet_size();
    for (number, packet) in packets.chunks(size).enumerate() {
        let original = film.packet(number as u32);
        let both = [packet, &original].map(|packet| Unpadded::of(packet, size as u32).unwrap());
        assert!(both[0] == both[1], "{what}: packet {number}");
    }
}

async fn put_together(scheme: &str, padding: Padding) {
    let mut dice = Dice(1);
    for (index, (film, is_minimal)) in films().into_iter().enumerate() {
        let habits = Habits::default().padding(padding);
        let server = Server::builder().film(PATH, film.clone()).habits(habits).start().unwrap();
        let source = source(&server, scheme);
        for readers in [1, 2, 4, 8, 16] {
            // Datagrams take their time.
            if scheme == "mmsu" && index % 5 != (readers as usize).ilog2() as usize {
                continue;
            }
            server.clear_faults();
            for stream in 0..readers {
                let after = dice.throw(u64::from(film.packets()).min(20)) as u32;
                server.fault(When::Nth(1 + stream * 2), Fault::Cut { after });
            }
            let got = fetched(&source, film.served().len(), readers, &mut dice).await;
            let what = format!("film {index} by {scheme}, {readers} readers, padding {padding:?}");
            assert_equal(&got, &film, is_minimal || padding != Padding::Removed, &what);
        }
        let worst = match padding {
            Padding::Kept => Restored::Full,
            Padding::Zeroed => Restored::Restored,
            _ => Restored::Reconstructed,
        };
        assert!(source.padding() <= worst, "film {index}: {:?}", source.padding());
    }
}

#[tokio::test]
async fn any_number_of_readers_puts_a_film_together_as_it_is() {
    for scheme in ["mmst", "mmsh", "mmsu"] {
        put_together(scheme, Padding::Kept).await;
    }
}

#[tokio::test]
async fn any_number_of_readers_puts_a_film_together_whose_padding_is_zeroed() {
    for scheme in ["mmst", "mmsh", "mmsu"] {
        put_together(scheme, Padding::Zeroed).await;
    }
}

#[tokio::test]
async fn any_number_of_readers_puts_a_film_together_whose_padding_is_removed() {
    for scheme in ["mmst", "mmsh", "mmsu"] {
        put_together(scheme, Padding::Removed).await;
    }
}

#[tokio::test]
async fn servers_that_begin_elsewhere_put_nothing_into_a_wrong_place() {
    let film = Film::builder().packets(60).frame_packets(3).key_frame_every(2).build();
    let mut dice = Dice(2);
    for seek in [Seek::Ignored, Seek::Early(1), Seek::Early(9), Seek::Late(1), Seek::Late(2), Seek::KeyFrame] {
        let habits = Habits::default().seek(seek).at_end(AtEnd::Tell);
        let server = Server::builder().film(PATH, film.clone()).habits(habits).start().unwrap();
        for scheme in ["mmst", "mmsh"] {
            // The last packets cannot be had of a server that begins behind them.
            let len = film.served().len() - 3 * film.packet_size();
            let got = fetched(&source(&server, scheme), len, 4, &mut dice).await;
            assert!(got == film.served()[..len], "{scheme} {seek:?}");
        }
    }
}

#[tokio::test]
async fn datagrams_that_are_lost_for_good_are_fetched_by_another_stream() {
    let film = Film::builder().packet_size(1000).packets(100).build();
    // Among them the last one, which nothing that follows tells of.
    let habits = Habits::default().drop_every(100).resends(false).at_end(AtEnd::Tell);
    let server = Server::builder().film(PATH, film.clone()).habits(habits).start().unwrap();
    let source = source(&server, "mmsu");
    let got = fetched(&source, film.served().len(), 1, &mut Dice(3)).await;
    assert!(got == film.served());
}
