//! ASF files of every kind that ffmpeg makes, and what ffprobe and ffmpeg say of them and of what this crate makes of
//! them.

mod mplayer;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::BytesMut;
use mms_proto::asf::{Header, Packet, Padding, StreamKind, Tidy, rebase, restore};
use tempfile::TempDir;

const VIDEO: &str = "testsrc2=size=160x120:rate=25:duration=6";
const SINE: &str = "sine=frequency=440:beep_factor=4:sample_rate=44100:duration=6";
const LOW_SINE: &str = "sine=frequency=220:beep_factor=4:sample_rate=22050:duration=6";

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{program} {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Makes a file from these sources of ffmpeg's, with these encoders.
fn make(folder: &TempDir, name: &str, sources: &[&str], encoders: &str) -> PathBuf {
    let path = folder.path().join(name);
    let mut arguments: Vec<&str> = "-v error -nostdin -y -threads 1".split(' ').collect();
    sources.iter().for_each(|source| arguments.extend(["-f", "lavfi", "-i", source]));
    let maps: Vec<String> = (0..sources.len()).map(|input| input.to_string()).collect();
    maps.iter().for_each(|input| arguments.extend(["-map", input]));
    arguments.extend("-threads 1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact".split(' '));
    arguments.extend(encoders.split(' '));
    arguments.extend(["-metadata", "title=Prüfung", "-f", "asf", path.to_str().unwrap()]);
    run("ffmpeg", &arguments);
    path
}

fn all(folder: &TempDir) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for size in ["576", "1400", "3200", "8192", "32000", "65536"] {
        let encoders = format!("-c:v wmv2 -b:v 200k -g 50 -c:a wmav2 -b:a 64k -packet_size {size}");
        files.push(make(folder, &format!("{size}.wmv"), &[VIDEO, SINE], &encoders));
    }
    files.push(make(folder, "wmav2.wma", &[SINE], "-c:a wmav2 -b:a 128k"));
    files.push(make(folder, "wmav1.wma", &[LOW_SINE], "-c:a wmav1 -b:a 32k"));
    files.push(make(folder, "video.wmv", &[VIDEO], "-c:v wmv1 -b:v 200k -g 25"));
    files.push(make(folder, "mp43.asf", &[VIDEO, SINE], "-c:v msmpeg4 -b:v 300k -c:a wmav2"));
    let three = "-c:v wmv2 -b:v 300k -g 50 -c:a wmav2 -b:a:0 128k -b:a:1 32k";
    files.push(make(folder, "three.wmv", &[VIDEO, SINE, LOW_SINE], three));
    files
}

/// Lines of ffprobe: what each is, and its values by name.
fn probe(path: &Path, arguments: &[&str]) -> Vec<(String, HashMap<String, String>)> {
    let fixed = ["-v", "error", "-of", "compact", path.to_str().unwrap()];
    let text = run("ffprobe", &[arguments, &fixed].concat());
    let line = |line: &str| {
        let (kind, values) = line.split_once('|')?;
        let values = values.split('|').filter_map(|pair| pair.split_once('='));
        Some((kind.to_owned(), values.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    };
    text.lines().filter_map(line).collect()
}

/// A number of seconds, in milliseconds.
fn milliseconds(seconds: &str) -> i64 {
    (seconds.parse::<f64>().unwrap_or_else(|_| panic!("{seconds} is no number")) * 1000.0).round() as i64
}

fn packets<'a>(header: &Header, file: &'a [u8]) -> Vec<&'a [u8]> {
    let len = header.file_len().unwrap() as usize;
    file[header.data_offset as usize..len].chunks(header.packet_size().unwrap() as usize).collect()
}

#[test]
fn facts_are_those_that_ffprobe_tells() {
    let folder = TempDir::new().unwrap();
    for path in all(&folder) {
        let file = fs::read(&path).unwrap();
        let header = Header::decode(&file).unwrap();
        let theirs = probe(&path, &["-show_streams", "-show_format"]);
        let streams: Vec<_> = theirs.iter().filter(|(kind, _)| kind == "stream").map(|(_, values)| values).collect();
        assert_eq!(streams.len(), header.streams.len(), "{path:?}");
        for (values, stream) in streams.iter().zip(header.streams.values()) {
            let tag = u32::from_str_radix(values["codec_tag"].trim_start_matches("0x"), 16).unwrap();
            match stream.kind {
                StreamKind::Video(Some(video)) => {
                    assert_eq!(values["codec_type"], "video");
                    assert_eq!(u32::from_le_bytes(video.fourcc), tag);
                    let size = (values["width"].parse(), values["height"].parse());
                    assert_eq!((Ok(video.width), Ok(video.height)), size);
                }
                StreamKind::Audio(Some(audio)) => {
                    assert_eq!(values["codec_type"], "audio");
                    assert_eq!(u32::from(audio.format_tag), tag);
                    assert_eq!(Ok(audio.sample_rate), values["sample_rate"].parse());
                    assert_eq!(Ok(audio.channels), values["channels"].parse());
                    // ffmpeg writes no Stream Bitrate Properties; what ffprobe shows is this.
                    assert_eq!(Ok(audio.bytes_per_second * 8), values["bit_rate"].parse());
                }
                other => panic!("{path:?}: {other:?}"),
            }
            let duration = header.duration().unwrap().as_millis() as i64;
            assert_eq!(duration, milliseconds(&values["duration"]), "{path:?}");
        }
        let format = theirs.iter().find(|(kind, _)| kind == "format").map(|(_, values)| values).unwrap();
        assert_eq!(header.description.as_ref().unwrap().title, format["tag:title"]);
        assert_eq!(header.properties.file_size, file.len() as u64);
        assert!(header.packet_counts_agree() && !header.properties.broadcast);
    }
}

#[test]
fn objects_are_those_that_ffprobe_reads() {
    let folder = TempDir::new().unwrap();
    for path in all(&folder) {
        let file = fs::read(&path).unwrap();
        let header = Header::decode(&file).unwrap();
        let preroll = header.properties.preroll;
        // Of each stream: size, time and key frame of each object.
        let mut ours: BTreeMap<u8, Vec<(usize, i64, bool)>> = BTreeMap::new();
        let mut open: HashMap<(u8, u32), usize> = HashMap::new();
        for packet in packets(&header, &file) {
            for payload in Packet::decode(packet).unwrap().payloads() {
                let payload = payload.unwrap();
                let size = payload.object_size.unwrap() as usize;
                let so_far = open.entry((payload.stream, payload.object_number)).or_default();
                assert_eq!(*so_far, payload.object_offset as usize);
                *so_far += payload.data.len();
                if *so_far == size {
                    open.remove(&(payload.stream, payload.object_number));
                    // All of sound is key frames for ffprobe, whatever the packet says.
                    let key_frame =
                        payload.key_frame || matches!(header.streams[&payload.stream].kind, StreamKind::Audio(_));
                    let time = payload.presentation_time.unwrap().as_millis() as i64 - preroll.as_millis() as i64;
                    ours.entry(payload.stream).or_default().push((size, time, key_frame));
                }
            }
        }
        assert!(open.is_empty(), "{path:?}: pieces without an end");
        let theirs = probe(&path, &["-show_entries", "packet=stream_index,size,pts_time,flags"]);
        assert_eq!(theirs.len(), ours.values().map(Vec::len).sum::<usize>(), "{path:?}");
        for (index, objects) in ours.values().enumerate() {
            let index = index.to_string();
            let of_stream = theirs.iter().filter(|(_, values)| values["stream_index"] == index);
            let theirs: Vec<_> = of_stream
                .map(|(_, it)| {
                    (it["size"].parse().unwrap(), milliseconds(&it["pts_time"]), it["flags"].starts_with('K'))
                })
                .collect();
            assert_eq!(*objects, theirs, "{path:?}, stream {index}");
        }
    }
}

#[test]
fn padding_comes_back_byte_for_byte() {
    let folder = TempDir::new().unwrap();
    for path in all(&folder) {
        let file = fs::read(&path).unwrap();
        let header = Header::decode(&file).unwrap();
        for packet in packets(&header, &file) {
            let padding = Packet::decode(packet).unwrap().padding;
            let field = padding.offset..padding.offset + padding.width.width();
            let mut zeroed = BytesMut::from(&packet[..packet.len() - padding.value as usize]);
            zeroed[field.clone()].fill(0);
            let mut removed = BytesMut::from(&zeroed[..field.start]);
            removed[3] &= !0b0001_1000;
            removed.extend_from_slice(&zeroed[field.end..]);
            for mut sent in [zeroed, removed] {
                assert_ne!(restore(&mut sent, packet.len() as u32), Ok(Padding::Ambiguous));
                assert_eq!(sent, packet, "{path:?}");
            }
        }
    }
}

/// The file as one would have it who recorded a broadcast: no counts, no durations, no index.
fn recorded(file: &[u8]) -> Vec<u8> {
    let header = Header::decode(file).unwrap();
    let mut raw = file[..header.file_len().unwrap() as usize].to_vec();
    // ffmpeg writes the File Properties Object first.
    for at in [30 + 40, 30 + 56, 30 + 64, 30 + 72] {
        raw[at..at + 8].fill(0);
    }
    raw[30 + 88] = 1;
    let data = header.data_offset as usize - 50;
    raw[data + 16..data + 24].fill(0);
    raw[data + 40..data + 48].fill(0);
    assert!(Header::decode(&raw).unwrap().properties.broadcast);
    raw
}

/// The recording tidied, and the number of the packet in each entry of its index.
fn tidied(raw: &[u8]) -> (Vec<u8>, Vec<u32>) {
    let header = Header::decode(raw).unwrap();
    let mut tidy = Tidy::new(raw).unwrap();
    for packet in raw[header.data_offset as usize..].chunks(header.packet_size().unwrap() as usize) {
        tidy.packet(packet).unwrap();
    }
    let tidied = tidy.finish();
    assert_eq!(tidied.unreadable, 0);
    let entries = tidied.index.get(56..).unwrap_or_default().chunks(6);
    let entries = entries.map(|entry| u32::from_le_bytes(entry[..4].try_into().unwrap())).collect();
    (proper(raw, &tidied.header, &tidied.index), entries)
}

fn proper(raw: &[u8], header: &[u8], index: &[u8]) -> Vec<u8> {
    [header, &raw[header.len()..], index].concat()
}

/// Where in the file the first picture after seeking there begins.
fn sought(path: &Path, second: &str) -> u64 {
    let interval = format!("{second}%+#1");
    let found = probe(path, &["-select_streams", "v", "-read_intervals", &interval, "-show_entries", "packet=pos"]);
    found[0].1["pos"].parse().unwrap()
}

#[test]
fn a_tidied_recording_has_a_duration_and_plays() {
    let folder = TempDir::new().unwrap();
    for path in all(&folder) {
        let file = fs::read(&path).unwrap();
        let raw = recorded(&file);
        let (proper, _) = tidied(&raw);
        let duration = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            probe(&path, &["-show_entries", "format=duration"])[0].1["duration"].clone()
        };
        let expected = milliseconds(&duration(&file));
        let frames = |path: &Path| run("ffmpeg", &["-v", "error", "-i", path.to_str().unwrap(), "-f", "framecrc", "-"]);
        let frames_before = frames(&path);
        let found = milliseconds(&duration(&proper));
        // The last picture or block of sound lasts for no time in a packet.
        assert!((found - expected).abs() <= 50, "{path:?}: {found} ms, and {expected} ms at first");
        assert_eq!(frames(&path), frames_before, "{path:?}");
    }
}

#[test]
fn a_tidied_recording_is_sought_in_by_its_index() {
    let folder = TempDir::new().unwrap();
    for size in ["576", "3200", "32000"] {
        let encoders = format!("-c:v wmv2 -b:v 400k -g 20 -c:a wmav2 -b:a 64k -packet_size {size}");
        let path = make(&folder, "sought.wmv", &[VIDEO, SINE], &encoders);
        let raw = recorded(&fs::read(&path).unwrap());
        let (proper, entries) = tidied(&raw);
        fs::write(&path, &proper).unwrap();
        let header = Header::decode(&proper).unwrap();
        let place = |packet: u32| header.packet_offset(u64::from(packet)).unwrap();

        for second in ["0.2", "1.1", "2.6", "3.3", "4.95", "5.5"] {
            let entry = (milliseconds(second) + header.properties.preroll.as_millis() as i64) / 1000;
            assert_eq!(sought(&path, second), place(entries[entry as usize]), "{size}: {second} s");
        }
        // All later frames are there.
        let from = |second: &str| {
            let frames = ["-map", "0:v", "-c", "copy", "-f", "framecrc", "-"];
            let seek = ["-v", "error", "-noaccurate_seek", "-ss", second, "-i", path.to_str().unwrap()];
            let text = run("ffmpeg", &[&seek[..], &frames].concat());
            let checksums =
                text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit(',').next());
            checksums.map(str::to_owned).collect::<Vec<_>>()
        };
        let (whole, end) = (from("0"), from("4.5"));
        assert!(whole.len() == 150 && end.len() < 100 && whole.ends_with(&end), "{size}: {} frames", end.len());

        // That it is this index which leads there: another one leads elsewhere.
        let wrong = *entries.last().unwrap();
        assert_ne!(place(wrong), place(entries[0]));
        let mut lying = proper.clone();
        let first_entry = lying.len() - 6 * entries.len();
        for entry in lying[first_entry..].chunks_mut(6) {
            entry[..4].copy_from_slice(&wrong.to_le_bytes());
        }
        fs::write(&path, &lying).unwrap();
        for second in ["0.2", "2.6", "5.5"] {
            assert_eq!(sought(&path, second), place(wrong), "{size}: {second} s");
        }
    }
}

#[test]
fn a_recording_that_was_joined_in_the_middle_begins_at_0_if_wanted() {
    let folder = TempDir::new().unwrap();
    for size in ["576", "3200"] {
        let encoders = format!("-c:v wmv2 -b:v 400k -g 20 -c:a wmav2 -b:a 64k -packet_size {size}");
        let path = make(&folder, "joined.wmv", &[VIDEO, SINE], &encoders);
        let file = fs::read(&path).unwrap();
        let (header, mut raw) = (Header::decode(&file).unwrap(), recorded(&file));
        let packet_size = header.packet_size().unwrap() as usize;
        let third = header.packets().unwrap() as usize / 3 * packet_size;
        raw.drain(header.data_offset as usize..header.data_offset as usize + third);
        let packets = &mut raw[header.data_offset as usize..];
        let start = Packet::decode(packets).unwrap().send_time;
        assert!(start.as_secs() >= 1, "{start:?}");
        for packet in packets.chunks_mut(packet_size) {
            rebase(packet, start).unwrap();
        }
        let (proper, _) = tidied(&raw);
        fs::write(&path, proper).unwrap();
        let duration = milliseconds(&probe(&path, &["-show_entries", "format=duration"])[0].1["duration"]);
        let expected = 6000 - start.as_millis() as i64;
        assert!((duration - expected).abs() <= 200, "{size}: {duration} ms, not {expected}");
        // Key frames are 0.8 s from each other.
        let first = &probe(&path, &["-show_entries", "packet=pts_time"])[0].1["pts_time"];
        assert!((0..1000).contains(&milliseconds(first)), "{size}: begins at {first}");
    }
}
