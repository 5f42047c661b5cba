//! The dialogue between a well-behaved server and the machine.

use ftp_proto::conn::{DataEnd, Ending, Event, Input};

use super::script::{Script, path};

#[test]
fn login_and_questions_go_out_in_one_segment_and_rest_with_retr_in_another() {
    let mut script = Script::new();
    script.machine.arm(script.now, &path("f")).unwrap();
    script.poll();
    assert_eq!(script.sent(), "");
    script.hear("220 hi\r\n");
    assert_eq!(script.sent(), "USER u\nPASS hunter2\nFEAT\nTYPE I\nSIZE f\nMDTM f\nEPSV\n");
    script.hear("331 pass?\r\n230 in\r\n211-Features\r\n SIZE\r\n211 End\r\n200 binary\r\n");
    script.hear("213 1000\r\n213 20200101000000\r\n229 here (|||4711|)\r\n");
    let [Event::LoggedIn, Event::Facts(facts)] = &script.events()[..] else { panic!() };
    assert_eq!((facts.size, facts.mdtm.unwrap().seconds), (Some(1000), 1_577_836_800));
    script.machine.retrieve(script.now, 400, None).unwrap();
    script.poll();
    assert_eq!(script.sent(), "REST 400\nRETR f\n");
    assert_eq!(script.data, ["connect 4711"]);
    assert_eq!(script.machine.may_read(), None);
    script.input(Input::DataConnected).unwrap();
    assert_eq!(script.machine.may_read(), None, "the server has not said where it starts");
    script.hear("350 ok\r\n");
    assert_eq!(script.machine.may_read(), Some(600));
    script.hear("150 here it comes\r\n");
    assert_eq!(script.events(), [Event::Accepted]);
    assert_eq!(script.wait, None, "the silence of a body is the caller's");
    script.input(Input::DataRead(600)).unwrap();
    assert_eq!(script.machine.may_read(), Some(0));
    script.data_end(DataEnd::Eof).unwrap();
    assert_eq!(script.events(), []);
    script.hear("226 done\r\n");
    assert_eq!(script.events(), [Event::Ended(Ending::Complete)]);
    assert!(script.machine.is_settled());
}
