//! URLs of media: what is written, what is sent, what is shown.

use mms_proto::wire::{Host, Scheme, Secret, Url, UrlRule};

fn url(text: &str) -> Url {
    Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn rule(text: &str) -> UrlRule {
    Url::parse(text).expect_err(text).rule
}

#[test]
fn escapes_are_undone_for_mmst_and_kept_for_mmsh() {
    let url = url("mms://h/a%20b%2Fc.asf?x=%41");
    assert_eq!(url.file_name().as_deref(), Some("a b/c.asf?x=%41"));
    assert_eq!(url.target(), "/a%20b%2Fc.asf?x=%41");
}

#[test]
fn what_http_cannot_carry_is_escaped() {
    for (written, target, name) in [
        ("mms://h/a b.asf", "/a%20b.asf", "a b.asf"),
        ("mms://h/Straße/é.wmv", "/Stra%C3%9Fe/%C3%A9.wmv", "Straße/é.wmv"),
        ("mms://h/%D0%BF.asf", "/%D0%BF.asf", "п.asf"),
        (
            "mms://h/a<b>\"c\"[1]{2}|^`\\.asf",
            "/a%3Cb%3E%22c%22%5B1%5D%7B2%7D%7C%5E%60%5C.asf",
            "a<b>\"c\"[1]{2}|^`\\.asf",
        ),
        ("mms://h/a;b=1,2!$&'()*+:@~.asf", "/a;b=1,2!$&'()*+:@~.asf", "a;b=1,2!$&'()*+:@~.asf"),
        ("mms://h/f?t=a b", "/f?t=a%20b", "f?t=a b"),
        ("mms://h/f?MSWMExt=.asf", "/f?MSWMExt=.asf", "f?MSWMExt=.asf"),
        ("mms://h//twice", "//twice", "/twice"),
        ("mms://h/", "/", ""),
        ("mms://h", "/", ""),
        ("mms://h?x", "/?x", "?x"),
    ] {
        assert_eq!(url(written).target(), target, "{written}");
        assert_eq!(url(written).file_name().as_deref(), Some(name), "{written}");
    }
}

#[test]
fn a_name_that_is_no_unicode_can_be_sent_in_http_alone() {
    let url = url("mms://h/%E9.asf");
    assert_eq!(url.file_name(), None);
    assert_eq!(url.target(), "/%E9.asf");
}

#[test]
fn the_name_is_the_last_part_of_the_path() {
    for (written, name) in [
        ("mms://h/a/b%20c.asf?x=/y", Some(&b"b c.asf"[..])),
        ("mms://h/%E9.asf", Some(b"\xE9.asf")),
        ("mms://h/a/", None),
        ("mms://h?x", None),
    ] {
        assert_eq!(url(written).name().as_deref(), name, "{written}");
    }
}

#[test]
fn user_and_password_are_decoded_and_the_password_is_not_shown() {
    let secret = url("mms://user:p%40ss@h.test/f");
    assert_eq!(secret.user(), Some("user"));
    assert_eq!(secret.password().map(mms_proto::wire::Secret::expose), Some("p@ss"));
    for shown in [secret.to_string(), format!("{secret:?}"), format!("{:?}", secret.password())] {
        assert!(!shown.contains("p@ss") && !shown.contains("p%40ss"), "{shown}");
    }
    assert_eq!(secret.to_string(), "mms://user@h.test/f");
    let error = Url::parse("mms://user:p%zz@h/").expect_err("not hexadecimal");
    assert!(!error.to_string().contains("p%zz"));
    assert_eq!(url("mms://a@b:@h/").user(), Some("a@b"));
}

#[test]
fn hosts_are_names_and_addresses() {
    assert_eq!(url("mms://Example.ORG/f").host(), &Host::Name("example.org".to_owned()));
    assert_eq!(url("mms://192.0.2.7/f").host(), &Host::V4("192.0.2.7".parse().unwrap()));
    let v6 = url("mmsh://[2001:db8::1]:8080/f");
    assert_eq!(v6.host(), &Host::V6("2001:db8::1".parse().unwrap()));
    assert_eq!((v6.port(), v6.authority().as_str()), (Some(8080), "[2001:db8::1]:8080"));
    assert_eq!(v6.host().unbracketed(), "2001:db8::1");
    assert_eq!(url("mmsh://[::1]/f").port(), None);
}

#[test]
fn every_scheme_is_told_in_any_case() {
    for (text, scheme) in [
        ("mms://h", Scheme::Mms),
        ("MMST://h", Scheme::Mmst),
        ("mmsu://h", Scheme::Mmsu),
        ("MmsH://h", Scheme::Mmsh),
        ("http://h", Scheme::Http),
        ("HTTPS://h", Scheme::Https),
    ] {
        assert_eq!(url(text).scheme(), scheme);
    }
    assert_eq!(url("mms://h:81/f").with_scheme(Scheme::Mmsh).to_string(), "mmsh://h:81/f");
}

#[test]
fn what_is_no_url_says_why() {
    for (text, expected) in [
        ("rtsp://h/f", UrlRule::Scheme),
        ("h/f", UrlRule::Scheme),
        ("", UrlRule::Scheme),
        ("mms:///f", UrlRule::Host),
        ("mms://a b/f", UrlRule::Host),
        ("mms://[::1/f", UrlRule::Host),
        ("mms://h:0/f", UrlRule::Port),
        ("mms://h:+1/f", UrlRule::Port),
        ("mms://h:65536/f", UrlRule::Port),
        ("mms://h/a#b", UrlRule::Fragment),
        ("mms://h/100%", UrlRule::PercentEncoding),
        ("mms://h/%+1", UrlRule::PercentEncoding),
        ("mms://h/%é", UrlRule::PercentEncoding),
        ("mms://h/a\r\nX: y", UrlRule::Control),
        ("mms://h/a%0d%0ab", UrlRule::Control),
        ("mms://h/a%00", UrlRule::Control),
        ("mms://u:%0a@h/", UrlRule::Control),
        ("mms://%ff@h/", UrlRule::NotUtf8),
    ] {
        assert_eq!(rule(text), expected, "{text}");
    }
    let most = "a".repeat(Url::MAX_LEN - "mms://h/".len());
    assert_eq!(url(&format!("mms://h/{most}")).file_name(), Some(most.clone()));
    assert_eq!(rule(&format!("mms://h/{most}a")), UrlRule::TooLong);
    assert_eq!(Url::parse("mms://host:x/").expect_err("a port").offset, 11);
}

#[test]
fn references_are_resolved_against_where_they_were_found() {
    let base = url("mms://u:p@h:81/a/b/c.asf?q");
    for (reference, expected) in [
        ("http://other/x", "http://other/x"),
        ("//other/x", "mms://other/x"),
        ("/x?y", "mms://u@h:81/x?y"),
        ("d.asf", "mms://u@h:81/a/b/d.asf"),
        ("../d.asf", "mms://u@h:81/a/d.asf"),
        ("./", "mms://u@h:81/a/b/"),
        ("..", "mms://u@h:81/a/"),
        ("../../../d", "mms://u@h:81/d"),
        ("?z", "mms://u@h:81/a/b/c.asf?z"),
        ("", "mms://u@h:81/a/b/c.asf?q"),
        ("d?u=http://x/", "mms://u@h:81/a/b/d?u=http://x/"),
    ] {
        assert_eq!(base.join(reference).expect(reference).to_string(), expected, "{reference}");
    }
    assert_eq!(base.join("rtsp://h/f").expect_err("another protocol").rule, UrlRule::Scheme);
    assert_eq!(base.join("http://other/x").unwrap().password(), None, "passwords do not go elsewhere");
    assert_eq!(base.join("/x").unwrap().password(), base.password());
}

#[test]
fn a_user_and_a_password_need_not_stand_in_the_url() {
    let bare = url("mms://h:99/d/f?x=1");
    let secret = Secret::new("p@ss/w:\u{f6}rd%20").unwrap();
    let with = bare.clone().with_user("a@b").unwrap().with_password(secret.clone());
    assert_eq!((with.user(), with.password()), (Some("a@b"), Some(&secret)), "as they are, and nothing decoded");
    assert_eq!((with.authority(), with.target()), (bare.authority(), bare.target()));
    assert_eq!(with.to_string(), "mms://a%40b@h:99/d/f?x=1");
    assert!(!format!("{with:?}").contains("rd"), "{with:?}");
    assert_eq!(url(&with.to_string()).with_password(secret.clone()), with);
    let another = with.with_user("c").unwrap();
    assert_eq!((another.user(), another.password()), (Some("c"), Some(&secret)));
    assert_eq!(another.with_user("").unwrap().user(), None);
    let error = bare.with_user("a\r\nb").unwrap_err();
    assert_eq!((error.offset, error.rule), (1, UrlRule::Control));
}
