//! Bad things that happen to what is on the disk.

use std::fs::{self, File};

use segfetch::checkpoint::record::HEADER_LEN;
use segfetch_testkit::lab::{Kind, Server};

use crate::command::Running;
use crate::namespace::Namespace;
use crate::scene::{Scene, assert_equal, names, rot};

const LEN: u64 = 32 << 20;
const BLOCK: u64 = 1 << 20;

/// A download that was killed with a part of the file on the disk.
fn begun() -> (Scene, Server, String) {
    let scene = Scene::with(LEN);
    let server = Kind::Vsftpd.serve(scene.root.path()).rate(2 << 20).start().unwrap();
    let url = server.url("f");
    scene.interrupted(["-n", "4", &url]);
    (scene, server, url)
}

/// Nothing goes on by itself, nothing is touched, and the way out that is named works.
fn assert_7_until_restarted(scene: &Scene, url: &str, said: &str) {
    let before: Vec<_> = names(scene.to()).iter().map(|name| fs::read(scene.to().join(name)).unwrap()).collect();
    scene.run([url]).expect(7).says(said).says("f.part");
    let after: Vec<_> = names(scene.to()).iter().map(|name| fs::read(scene.to().join(name)).unwrap()).collect();
    assert!(before == after, "something was changed: {:?}", names(scene.to()));
    scene.run(["-n", "4", "--on-damage", "restart", url]).expect(0);
    scene.assert_only_f_and_equal();
}

#[test]
fn a_file_that_does_not_fit_is_7_with_both_numbers_before_anything_is_made() {
    let scene = Scene::with(LEN);
    let server = Kind::Vsftpd.serve(scene.root.path()).start().unwrap();
    let small = Namespace::new(scene.to(), "mount -t tmpfs -o size=8m none \"$1\"");
    let ended = small
        .run(&[&server.url("f")])
        .expect(7)
        .says("f: not enough space for f.part (33554432 more bytes are needed, ");
    ended.says("free some and start again");
    assert_eq!(names(&small.dir()), Vec::<String>::new());
}

#[test]
fn a_disk_that_fills_up_on_the_way_is_7_and_with_more_room_it_goes_on_to_a_whole_file() {
    let scene = Scene::with(LEN);
    // Without a length nothing can be said, or reserved, beforehand.
    let silent = Kind::Pyftpd.serve(scene.root.path()).rate(4 << 20).without("SIZE").without("MLST").start().unwrap();
    let url = silent.url("f");
    let small = Namespace::new(scene.to(), "mount -t tmpfs -o size=12m none \"$1\"");
    small.run(&[&url]).expect(7).says("f: not enough space for f.part; free some and start again");
    assert_eq!(names(&small.dir()), ["f.part", "f.part.sfj"]);
    let grown = small.inside("mount").args(["-o", "remount,size=64m", "."]).status().unwrap();
    assert!(grown.success());
    let ended = small.run(&["--json", &url]).expect(0);
    assert!(ended.number("resumed", "have") >= 4 << 20, "{}", ended.stdout);
    assert_eq!(names(&small.dir()), ["f"]);
    assert_equal(&small.dir().join("f"), &scene.root.path().join("f"));
}

#[test]
fn a_read_only_directory_is_7_with_advice() {
    let scene = Scene::with(LEN);
    let server = Kind::Vsftpd.serve(scene.root.path()).start().unwrap();
    let script = "mount --bind \"$1\" \"$1\"; mount -o remount,ro,bind \"$1\"";
    let read_only = Namespace::new(scene.to(), script);
    read_only
        .run(&[&server.url("f")])
        .expect(7)
        .says("f: cannot write ")
        .says("choose another place, or change its permissions");
    assert_eq!(names(scene.to()), Vec::<String>::new());
}

#[test]
fn a_second_process_on_the_same_target_is_7_with_the_id_of_the_first_which_goes_on() {
    let scene = Scene::with(LEN);
    let server = Kind::Vsftpd.serve(scene.root.path()).rate(1 << 20).start().unwrap();
    let url = server.url("f");
    let mut first = Running::start(scene.to(), ["-n", "4", &url]);
    first.until_durable();
    let holder = format!("f.part is being downloaded by process {}; wait for it, or stop it", first.id());
    scene.run([&url]).expect(7).says(&holder);
    first.ended().expect(0);
    scene.assert_only_f_and_equal();
}

#[test]
fn a_rotted_block_is_found_by_a_full_verification_and_it_alone_is_fetched_again() {
    let (scene, server, url) = begun();
    let have = scene.journaled().claims.have();
    let whole = have.iter().find(|range| range.end - range.start >= 2 * BLOCK).expect("two blocks in a row");
    rot(&scene.part(), whole.start.next_multiple_of(BLOCK) + 1000, 100);
    let sent_before = server.log().bytes_sent();
    let ended = scene.start(["-n", "4", "--verify", "full", &url]).ended().expect(0);
    assert_eq!(ended.number("resumed", "damaged"), BLOCK, "{}", ended.stdout);
    assert_eq!(ended.number("resumed", "have"), have.total() - BLOCK);
    scene.assert_only_f_and_equal();
    // Beside what was missing: the block, and the overlaps that are compared.
    let fetched = ended.number("done", "fetched");
    assert!(fetched <= LEN - have.total() + BLOCK + BLOCK, "{fetched} bytes of {LEN}, {} were there", have.total());
    server.wait_for("the transfers", |log| log.bytes_sent() - sent_before >= LEN - have.total());
}

#[test]
fn a_rotted_block_that_was_trusted_is_found_by_the_checksum_with_code_6() {
    let (scene, _server, url) = begun();
    let digest = format!("sha256:{}", crate::scene::sha256(&scene.root.path().join("f")));
    rot(&scene.part(), 1000, 1);
    scene
        .run(["-n", "4", "--verify", "trust", "--checksum", &digest, &url])
        .expect(6)
        .says("the file has the wrong digest");
    scene.assert_no_f();
    // The way out: read it all, and fetch again what is rotten.
    scene.run(["-n", "4", "--verify", "full", "--checksum", &digest, &url]).expect(0).says("checksum right");
    scene.assert_only_f_and_equal();
}

#[test]
fn a_part_that_was_deleted_is_7_and_restart_fetches_a_whole_file() {
    let (scene, _server, url) = begun();
    fs::remove_file(scene.part()).unwrap();
    assert_7_until_restarted(&scene, &url, "is missing, though");
}

#[test]
fn a_part_that_was_cut_is_completed_and_what_was_cut_off_is_fetched_again() {
    let (scene, _server, url) = begun();
    let have = scene.journaled().claims.have();
    let cut = have.first().expect("the beginning is there").end / 2;
    File::options().write(true).open(scene.part()).unwrap().set_len(cut).unwrap();
    let ended = scene.start(["-n", "4", &url]).ended().expect(0);
    assert!(ended.number("resumed", "have") <= cut, "{}", ended.stdout);
    assert_eq!(ended.number("resumed", "have") + ended.number("resumed", "damaged"), have.total());
    scene.assert_only_f_and_equal();
}

#[test]
fn a_journal_without_its_last_record_goes_on_from_the_one_before() {
    let (scene, _server, url) = begun();
    let (journaled, bytes) = (scene.journaled(), fs::read(scene.journal()).unwrap());
    let end = usize::try_from(journaled.end).unwrap();
    fs::write(scene.journal(), &bytes[..end - 1]).unwrap();
    let left = scene.journaled();
    assert!(!left.clean && left.end < journaled.end);
    let ended = scene.start(["-n", "4", &url]).ended().expect(0);
    assert!(ended.number("done", "resumed") <= left.claims.have().total());
    scene.assert_only_f_and_equal();
}

#[test]
fn a_journal_cut_inside_its_header_is_7_and_restart_fetches_a_whole_file() {
    let (scene, _server, url) = begun();
    let bytes = fs::read(scene.journal()).unwrap();
    fs::write(scene.journal(), &bytes[..HEADER_LEN / 2]).unwrap();
    assert_7_until_restarted(&scene, &url, "the checkpoint file f.part.sfj is damaged");
}

#[test]
fn a_journal_with_a_flipped_bit_in_its_header_is_7_and_restart_fetches_a_whole_file() {
    let (scene, _server, url) = begun();
    rot(&scene.journal(), 20, 1);
    assert_7_until_restarted(&scene, &url, "the checkpoint file f.part.sfj is damaged");
}

#[test]
fn a_journal_that_was_deleted_is_7_and_without_the_part_a_whole_file_is_fetched() {
    let (scene, _server, url) = begun();
    fs::remove_file(scene.journal()).unwrap();
    scene.run([&url]).expect(7).says("exists without a checkpoint file").says("f.part");
    assert_eq!(names(scene.to()), ["f.part"]);
    fs::remove_file(scene.part()).unwrap();
    scene.run(["-n", "4", &url]).expect(0);
    scene.assert_only_f_and_equal();
}
