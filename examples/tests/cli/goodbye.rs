//! The server says goodbye: 421, at every step of the dialogue, once or each time. And one that says nothing any more.

use ftp_proto::testing::{Ending, EventKind, Fault, Feature, Server, When};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{Running, assert_content, names, run, server};

const LEN: u64 = 1 << 20;
const GOODBYE: &str = "421 Service closing.";

/// What happens at each of these steps, as one test for each.
macro_rules! steps {
    ($outcome:ident by $check:ident: $($name:ident $step:literal),+ $(,)?) => {
        mod $outcome {
            pub(super) const STEPS: &[&str] = &[$($step),+];
            $(#[tokio::test] async fn $name() { super::$check($step).await })+
        }
    };
}

steps!(said_once_it_costs_an_attempt_and_the_file_is_right by attempts_again:
    at_the_greeting "greeting", after_user "USER", after_pass "PASS", after_feat "FEAT", after_type "TYPE",
    after_size "SIZE", after_mdtm "MDTM", after_mlst "MLST", after_epsv "EPSV", after_pasv "PASV", after_rest "REST",
    after_retr "RETR", in_the_middle_of_the_data "data", instead_of_226 "226");

steps!(said_always_it_is_waited_for_and_ctrl_c_is_130 by waits:
    at_the_greeting "greeting", after_user "USER", after_pass "PASS", after_feat "FEAT", after_type "TYPE");

steps!(said_always_it_is_3_and_the_next_run_finishes by gives_up:
    after_size "SIZE", after_mdtm "MDTM", after_mlst "MLST", after_epsv "EPSV", after_pasv "PASV", after_rest "REST",
    after_retr "RETR");

steps!(said_always_the_file_is_right_all_the_same by finishes:
    in_the_middle_of_the_data "data", instead_of_226 "226");

/// A server of `/f` that says goodbye at this step, and makes the client come to it.
fn leaving_at(step: &'static str, when: When) -> Server {
    let server = match step {
        "PASV" => server(LEN).without(Feature::Epsv),
        _ => server(LEN),
    };
    let server = server.start().unwrap();
    let cut = |reply| Fault::Cut { after: LEN / 4, end: Ending::Fin, reply: Some(reply) };
    if step == "REST" {
        server.fault(When::Next(1), cut("451 Try again."));
    }
    let fault = match step {
        "data" => cut(GOODBYE),
        "226" => Fault::LastWord(GOODBYE),
        verb => Fault::Reply(verb, GOODBYE),
    };
    server.fault(when, fault);
    server
}

fn goodbyes(server: &Server) -> usize {
    server.log().iter().filter(|event| event.kind == EventKind::Reply(GOODBYE.into())).count()
}

/// Fails unless `f` is there, and right, and nothing else.
fn assert_only_f(dir: &TempDir) {
    assert_content(&dir.path().join("f"), LEN, 1);
    assert_eq!(names(dir.path()), ["f"]);
}

async fn attempts_again(step: &'static str) {
    let dir = tempfile::tempdir().unwrap();
    let server = leaving_at(step, When::Next(1));
    run(dir.path(), ["-n", "1", &server.url("/f")]).await.expect(0).says("f: done");
    assert_only_f(&dir);
    assert_eq!(goodbyes(&server), 1);
    // Where one stream ended, the next one goes on, but for what is compared.
    let sent = server.counters().bytes_sent;
    assert!(sent <= LEN + LEN / 8, "{sent}");
}

/// Before the end of a login it is how servers say that they are full, which passes.
async fn waits(step: &'static str) {
    let dir = tempfile::tempdir().unwrap();
    let server = leaving_at(step, When::Always);
    let mut running = Running::start(dir.path(), ["--patience", "1s", &server.url("/f")]);
    for _ in 0..2 {
        let told = running.until(|event| event["event"] == "throttled").await;
        let message = told["message"].as_str().unwrap();
        assert_eq!(message, format!("logging in: the server admits no further session: {GOODBYE}"));
    }
    running.signal(Signal::INT);
    let failed = running.ended().await.expect(130).event("failed");
    assert_eq!(failed["kind"], "interrupted");
    assert_eq!(failed["advice"], "Run the same command again to begin.");
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

async fn gives_up(step: &'static str) {
    let dir = tempfile::tempdir().unwrap();
    let server = leaving_at(step, When::Always);
    let url = server.url("/f");
    let ended = run(dir.path(), ["-n", "1", "--patience", "1s", &url]).await.expect(3);
    let ended = ended.says("f: no progress for 1 s: ").says("\n  Run the same command again");
    // Where the client connects to the port already, that closes with the session, and may be what is seen of it.
    let ended = if ["REST", "RETR"].contains(&step) { ended } else { ended.says(GOODBYE) };
    assert!(!dir.path().join("f").exists());
    assert!(goodbyes(&server) >= 2);
    let began = ended.stderr.contains(" % kept.");
    assert_eq!(began, step == "REST", "{}", ended.stderr);
    server.clear_faults();
    let again = run(dir.path(), [&url]).await.expect(0);
    assert_eq!(again.stderr.contains("going on; 256.00 KiB are here already"), began, "{}", again.stderr);
    assert_only_f(&dir);
}

async fn finishes(step: &'static str) {
    let dir = tempfile::tempdir().unwrap();
    let server = leaving_at(step, When::Always);
    run(dir.path(), ["-n", "1", &server.url("/f")]).await.expect(0).says("f: done");
    assert_only_f(&dir);
    assert!(goodbyes(&server) >= 1);
}

#[tokio::test]
async fn no_step_that_the_command_takes_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(LEN).without(Feature::Epsv).start().unwrap();
    server.fault(When::Next(1), Fault::Cut { after: LEN / 4, end: Ending::Fin, reply: Some("451 Try again.") });
    run(dir.path(), ["-n", "1", &server.url("/f")]).await.expect(0);
    let tested = said_once_it_costs_an_attempt_and_the_file_is_right::STEPS;
    let mut taken: Vec<_> = server.verbs().into_iter().map(|(_, verb)| verb).collect();
    taken.extend(["greeting", "data", "226"].map(String::from));
    let sorted = |mut steps: Vec<String>| {
        steps.sort();
        steps.dedup();
        steps
    };
    assert_eq!(sorted(taken), sorted(tested.iter().map(ToString::to_string).collect()));
    let always = [
        said_always_it_is_waited_for_and_ctrl_c_is_130::STEPS,
        said_always_it_is_3_and_the_next_run_finishes::STEPS,
        said_always_the_file_is_right_all_the_same::STEPS,
    ];
    assert_eq!(always.concat(), tested);
}

#[tokio::test]
async fn a_server_that_never_confirms_the_end_is_told_of_and_a_file_of_known_length_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(LEN).start().unwrap();
    server.fault(When::Always, Fault::SilentEnd);
    run(dir.path(), ["-n", "1", &server.url("/f")])
        .await
        .expect(0)
        .says("f: receiving: the server did not confirm the end")
        .says("f: done");
    assert_only_f(&dir);
    assert_eq!(server.counters().retrs, 1);
}
