//! MPlayer seeks in what was tidied.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use mms_proto::asf::Header;
use tempfile::TempDir;

use super::{SINE, VIDEO, make, milliseconds, probe, recorded, tidied};

/// What MPlayer decodes of a film: for each picture a checksum.
fn shown(folder: &TempDir, path: &Path, arguments: &[&str]) -> Vec<String> {
    let sums = folder.path().join("sums");
    let _ = fs::remove_file(&sums);
    let fixed = "-s KILL 60 mplayer -noconfig all -nolirc -nojoystick -really-quiet -nosound -benchmark -vo";
    let mut command = Command::new("timeout");
    command.args(fixed.split(' ')).arg(format!("md5sum:outfile={}", sums.display())).args(arguments).arg(path);
    let output = command.env("HOME", folder.path()).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(sums).unwrap();
    text.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn mplayer_seeks_in_a_tidied_recording_by_its_index() {
    const EVERY: usize = 20;
    let folder = TempDir::new().unwrap();
    for size in ["576", "3200", "32000"] {
        let encoders = format!("-c:v wmv2 -b:v 400k -g {EVERY} -c:a wmav2 -b:a 64k -packet_size {size}");
        let path = make(&folder, "sought.wmv", &[VIDEO, SINE], &encoders);
        let original = folder.path().join("original.wmv");
        fs::copy(&path, &original).unwrap();
        let (proper, entries) = tidied(&recorded(&fs::read(&path).unwrap()));
        fs::write(&path, &proper).unwrap();
        let header = Header::decode(&proper).unwrap();
        let preroll = header.properties.preroll.as_millis() as u64;
        let packets = probe(&path, &["-select_streams", "v", "-show_entries", "packet=pos,flags"]);
        let key_at = |packet: u32| {
            let place = header.packet_offset(u64::from(packet)).unwrap().to_string();
            packets.iter().position(|(_, it)| it["flags"].starts_with('K') && it["pos"] == place).unwrap()
        };
        let all = shown(&folder, &path, &["-demuxer", "lavf"]);
        assert_eq!((all.len(), all.iter().collect::<HashSet<_>>().len()), (150, 150));

        for second in ["0.2", "1.1", "2.6", "3.3", "4.4"] {
            let at = milliseconds(second);
            // It goes to the first entry behind what it is told; the key frame of that may be before.
            let first = key_at(entries[(at as u64 + preroll).div_ceil(1000) as usize]);
            let found = shown(&folder, &path, &["-demuxer", "lavf", "-ss", second]);
            assert!(found == all[first..], "{size}: {second} s is not at picture {first}, {} come", found.len());
            let early = at - first as i64 * 40;
            assert!((-1000..=EVERY as i64 * 40).contains(&early), "{size}: {second} s is at picture {first}");
        }
        // Its own way of reading looks for a key frame at a place that it has from the durations. It never shows the last picture.
        let all = &all[..all.len() - 1];
        for second in ["1.1", "2.6", "3.3"] {
            let seek = ["-demuxer", "asf", "-ss", second];
            let found = shown(&folder, &path, &seek);
            let first = all.len() - found.len();
            assert!(!found.is_empty() && first.is_multiple_of(EVERY) && found == all[first..], "{size}: {second} s");
            assert_eq!(found, shown(&folder, &original, &seek), "{size}: {second} s");
        }
        // That it is this index which led there.
        let (mut lying, last) = (proper.clone(), *entries.last().unwrap());
        let first_entry = lying.len() - 6 * entries.len();
        lying[first_entry..].chunks_mut(6).for_each(|entry| entry[..4].copy_from_slice(&last.to_le_bytes()));
        fs::write(&path, &lying).unwrap();
        let found = shown(&folder, &path, &["-demuxer", "lavf", "-ss", "1.1"]);
        assert!(found[..found.len() - 1] == all[key_at(last)..], "{size}: {} pictures", found.len());
    }
}
