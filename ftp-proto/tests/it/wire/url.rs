//! URLs and the steps to a file.

use ftp_proto::wire::{Arg, Host, InvalidArg, Path, Scheme, Secret, Url, UrlRule, UrlType};

fn parse(url: &str) -> Url {
    Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// The arguments of CWD, then that of RETR.
fn steps(url: &str) -> (Vec<String>, Option<String>) {
    let url = parse(url);
    let text = |arg: &Arg| arg.as_bytes().escape_ascii().to_string();
    (url.path().directories().map(text).collect(), url.path().file().map(text))
}

#[test]
fn all_parts_are_found() {
    let url = parse("FTP://user:p%40ss@Files.Example.COM:2121/a/b/file.bin;type=i");
    assert_eq!((url.scheme(), url.scheme().name()), (Scheme::Ftp, "ftp"));
    assert_eq!(url.user().map(Arg::as_bytes), Some(&b"user"[..]));
    assert_eq!(url.password().map(Secret::expose), Some(&b"p@ss"[..]));
    assert_eq!((url.host(), url.port()), (&Host::Name("files.example.com".into()), 2121));
    assert_eq!((url.url_type(), url.file_name()), (Some(UrlType::Image), Some(&b"file.bin"[..])));
}

#[test]
fn a_host_is_enough() {
    for text in ["ftp://host", "ftp://host/", "ftp://host:/", "ftp://@host/", "ftp://:@host"] {
        let url = parse(text);
        assert_eq!(
            (url.user(), url.port(), url.path()),
            (None, Url::DEFAULT_PORT, &Path::new([""; 0]).expect("a path")),
            "{text}"
        );
        assert_eq!((url.path().full(), url.path().file(), url.file_name()), (None, None, None));
        assert_eq!(url.to_string(), "ftp://host/");
    }
}

#[test]
fn the_path_is_split_before_it_is_decoded() {
    let table: [(&str, &[&str], Option<&str>); 17] = [
        ("ftp://h/file", &[], Some("file")),
        ("ftp://h/a/b/file", &["a", "b"], Some("file")),
        ("ftp://h/a//b///file", &["a", "b"], Some("file")),
        ("ftp://h//file", &[], Some("file")),
        ("ftp://h/a/b/", &["a", "b"], None),
        ("ftp://h/%2Fetc/motd", &["/etc"], Some("motd")),
        ("ftp://h/%2fetc/motd", &["/etc"], Some("motd")),
        ("ftp://h/%2F/etc/motd", &["/", "etc"], Some("motd")),
        ("ftp://h/%2Fetc%2Fmotd", &[], Some("/etc/motd")),
        ("ftp://h/etc/motd", &["etc"], Some("motd")),
        ("ftp://h/%20a%20/%2520;x=y", &[" a "], Some("%20;x=y")),
        ("ftp://h/a;type=i/b", &["a;type=i"], Some("b")),
        ("ftp://h/caf%E9/%FF", &["caf\\xe9"], Some("\\xff")),
        ("ftp://h/\u{E9}/x y", &["\\xc3\\xa9"], Some("x y")),
        ("ftp://h/a?b=c&d", &[], Some("a?b=c&d")),
        ("ftp://h/../x", &[".."], Some("x")),
        ("ftp://h/a:b@c/d", &["a:b@c"], Some("d")),
    ];
    for (url, directories, file) in table {
        assert_eq!(
            steps(url),
            (directories.iter().map(|&step| step.to_owned()).collect(), file.map(str::to_owned)),
            "{url}"
        );
    }
}

#[test]
fn one_path_says_the_same_as_its_steps() {
    for (url, full, absolute) in [
        ("ftp://h/a/b/file", "a/b/file", false),
        ("ftp://h/a/b/", "a/b", false),
        ("ftp://h/%2Fetc/motd", "/etc/motd", true),
        ("ftp://h/%2F/etc/motd", "/etc/motd", true),
        ("ftp://h/%2F", "/", true),
        ("ftp://h/a%2F/b", "a/b", false),
    ] {
        let url = parse(url);
        let path = url.path();
        assert_eq!((path.full(), path.is_absolute()), (Some(Arg::new(full).expect("a path")), absolute));
        assert_eq!(path.to_string(), full);
    }
}

#[test]
fn the_file_name_is_never_a_way_out() {
    for (url, name) in [
        ("ftp://h/a/b", Some("b")),
        ("ftp://h/a%2Fb", Some("b")),
        ("ftp://h/a%2F", None),
        ("ftp://h/a/..", None),
        ("ftp://h/a%2F..", None),
        ("ftp://h/.", None),
        ("ftp://h/a/", None),
        ("ftp://h/...", Some("...")),
    ] {
        assert_eq!(parse(url).file_name(), name.map(str::as_bytes), "{url}");
    }
}

#[test]
fn a_type_is_one_at_the_very_end_only() {
    for (url, url_type, file) in [
        ("ftp://h/x;type=a", Some(UrlType::Ascii), "x"),
        ("ftp://h/x;TYPE=I", Some(UrlType::Image), "x"),
        ("ftp://h/x;type=d", Some(UrlType::Directory), "x"),
        ("ftp://h/x;type=i;y", None, "x;type=i;y"),
        ("ftp://h/x;y=z;type=i", Some(UrlType::Image), "x;y=z"),
        ("ftp://h/x%3Btype=i", None, "x;type=i"),
        ("ftp://h/;type=i/x", None, "x"),
        ("ftp://h/x;typ=i", None, "x;typ=i"),
    ] {
        let parsed = parse(url);
        assert_eq!((parsed.url_type(), parsed.file_name()), (url_type, Some(file.as_bytes())), "{url}");
    }
}

#[test]
fn hosts_are_names_and_addresses() {
    let host = |host: &str| Url::parse(&format!("ftp://{host}/x")).map(|url| (url.host().to_string(), url.port()));
    assert_eq!(host("192.0.2.1:990"), Ok(("192.0.2.1".into(), 990)));
    assert_eq!(host("[2001:DB8::1]"), Ok(("[2001:db8::1]".into(), 21)));
    assert_eq!(host("u:p@[::1]:2121"), Ok(("[::1]".into(), 2121)));
    assert_eq!(host("[::1]:"), Ok(("[::1]".into(), 21)));
    assert_eq!(host("my_host-1.local."), Ok(("my_host-1.local.".into(), 21)));
    assert_eq!(host("u:p@w@host"), Ok(("host".into(), 21)), "an @ that should have been encoded");
    let longest = format!("{}.", "a".repeat(253));
    assert_eq!(host(&longest), Ok((longest.clone(), 21)));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let long = format!("ftp://h/{}", "a/".repeat(2049));
    let table = [
        ("", 0, UrlRule::NotFtp),
        ("host/x", 0, UrlRule::NotFtp),
        ("http://h/x", 0, UrlRule::NotFtp),
        ("ftp:/h/x", 0, UrlRule::NotFtp),
        ("ftps://h/x", 0, UrlRule::TlsNotSupported),
        ("FTPES://h/x", 0, UrlRule::TlsNotSupported),
        ("ftp://", 6, UrlRule::Host),
        ("ftp:///x", 6, UrlRule::Host),
        ("ftp://u@/x", 8, UrlRule::Host),
        ("ftp://a b/x", 6, UrlRule::Host),
        ("ftp://h%41/x", 6, UrlRule::Host),
        ("ftp://.h/x", 6, UrlRule::Host),
        ("ftp://h\u{E9}/x", 6, UrlRule::Host),
        ("ftp://::1/x", 6, UrlRule::Host),
        ("ftp://[::1/x", 6, UrlRule::Host),
        ("ftp://[fe80::1%25eth0]/x", 6, UrlRule::Host),
        ("ftp://h:0/x", 8, UrlRule::Port),
        ("ftp://h:65536/x", 8, UrlRule::Port),
        ("ftp://h:+1/x", 8, UrlRule::Port),
        ("ftp://h/x#y", 10, UrlRule::Fragment),
        ("ftp://h/%", 7, UrlRule::PercentEncoding),
        ("ftp://h/%4", 7, UrlRule::PercentEncoding),
        ("ftp://h/%+1", 7, UrlRule::PercentEncoding),
        ("ftp://u%4@h/x", 6, UrlRule::PercentEncoding),
        ("ftp://u:%zz@h/x", 8, UrlRule::PercentEncoding),
        ("ftp://h/x;type=x", 7, UrlRule::Type),
        ("ftp://h/x;type=", 7, UrlRule::Type),
        ("ftp://h/a/x%00", 7, UrlRule::Argument(InvalidArg::Forbidden { offset: 1, byte: 0 })),
        ("ftp://h/x%0Dy", 7, UrlRule::Argument(InvalidArg::Forbidden { offset: 1, byte: b'\r' })),
        ("ftp://h/%0a", 7, UrlRule::Argument(InvalidArg::Forbidden { offset: 0, byte: b'\n' })),
        ("ftp://h/x\r\nDELE y", 7, UrlRule::Argument(InvalidArg::Forbidden { offset: 1, byte: b'\r' })),
        ("ftp://u%0a:p@h/", 6, UrlRule::Argument(InvalidArg::Forbidden { offset: 1, byte: b'\n' })),
        ("ftp://u:p%00@h/", 8, UrlRule::Argument(InvalidArg::Forbidden { offset: 1, byte: 0 })),
        (&long, 7, UrlRule::Argument(InvalidArg::TooLong { len: 4098 })),
    ];
    for (url, offset, rule) in table {
        let error = Url::parse(url).expect_err(url);
        assert_eq!((error.offset, error.rule), (offset, rule), "{url:?}");
    }
}

#[test]
fn the_password_is_never_shown() {
    let url = parse("ftp://me:hunter2@h/x");
    assert_eq!(format!("{url} {url:?}"), "ftp://me@h/x Url(\"ftp://me@h/x\")");
    assert_eq!(parse("ftp://:hunter2@h/x").to_string(), "ftp://h/x");
    for wrong in ["ftp://me:hunter2%@h/x", "ftp://me:hunter2%00@h/x", "ftp://me:hunter2@:x/", "ftp://me:hunter2#@h/"] {
        let error = Url::parse(wrong).expect_err(wrong);
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[test]
fn what_is_shown_is_the_url_in_one_form() {
    for (given, shown) in [
        ("ftp://a%40b:x@h:21/%2Fetc/a%3Bb%20c;type=I", "ftp://a%40b@h/%2Fetc/a%3Bb%20c;type=i"),
        ("ftp://H:2121//a//b//", "ftp://h:2121/a/b/"),
        ("ftp://[::1]:21/caf\u{E9}?#".trim_end_matches('#'), "ftp://[::1]/caf%C3%A9%3F"),
        ("ftp://h/~u/a%23b%25", "ftp://h/~u/a%23b%25"),
        ("ftp://h/;type=d", "ftp://h/;type=d"),
    ] {
        assert_eq!(parse(given).to_string(), shown);
        assert_eq!(parse(shown).to_string(), shown);
    }
}
