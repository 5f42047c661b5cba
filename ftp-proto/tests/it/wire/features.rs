//! FEAT, as the servers of Debian 12 and others answer it.

use ftp_proto::wire::{Features, HashAlgorithm, MlstFact, ReplyReader, ValueRule, feat};

use super::properties::reply_of;

fn read(bytes: &str) -> Features {
    let reply = ReplyReader::default().decode(&mut bytes.into()).expect("well formed").expect("whole");
    feat(&reply).expect("features")
}

#[test]
fn vsftpd_offers_one_path_and_no_facts() {
    let features =
        read("211-Features:\r\n EPRT\r\n EPSV\r\n MDTM\r\n PASV\r\n REST STREAM\r\n SIZE\r\n TVFS\r\n211 End\r\n");
    assert!(features.epsv && features.mdtm && features.rest_stream && features.size && features.tvfs);
    assert!(!features.rang_stream && !features.utf8 && features.mlst.is_none() && features.hash.is_empty());
    assert_eq!(features.unknown, ["EPRT", "PASV"]);
}

#[test]
fn proftpd_offers_ranges_and_hashes() {
    let features = read(
        "211-Features:\r\n AUTH TLS\r\n CLNT\r\n CSID\r\n EPSV\r\n HASH CRC32;MD5;SHA-1*;SHA-256;SHA-512;\r\n HOST\r\n LANG en-US*\r\n \
         MLST modify*;perm*;size*;type*;unique*;UNIX.group;UNIX.mode*;\r\n RANG STREAM\r\n REST STREAM\r\n UTF8\r\n XSHA256\r\n\
         211 End\r\n",
    );
    assert!(features.rang_stream && features.rest_stream && features.host && features.clnt && features.utf8);
    assert_eq!(features.hash.len(), 5);
    assert_eq!(features.hash[2], HashAlgorithm { name: "SHA-1".into(), selected: true });
    assert_eq!(features.hash[3], HashAlgorithm { name: "SHA-256".into(), selected: false });
    let facts = features.mlst.as_ref().expect("MLST");
    assert_eq!(facts[0], MlstFact { name: "modify".into(), enabled: true });
    assert_eq!(facts[5], MlstFact { name: "unix.group".into(), enabled: false });
    assert_eq!((facts.len(), features.auth.as_slice()), (7, &["TLS".to_owned()][..]));
    assert!(features.offers("xsha256") && features.offers("LANG") && !features.offers("XSHA"));
    assert_eq!(features.unknown.len(), 3);
}

#[test]
fn lines_are_read_with_repeated_codes_tabs_and_any_case() {
    let expected = {
        let mut features = Features::default();
        (features.epsv, features.rest_stream, features.size) = (true, true, true);
        features
    };
    for text in [
        "211-Features\r\n211-EPSV\r\n211-REST STREAM\r\n211-SIZE\r\n211 end\r\n",
        "211-Features\r\n211- EPSV\r\n211- REST STREAM\r\n211- SIZE\r\n211 end\r\n",
        "211-Features\r\nEPSV\r\nrest stream\r\nSize \r\n\r\n211 end\r\n",
        "211- Extensions supported\n\tEPSV\n\tREST  stream\n  SIZE foo\n211 end\n",
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn mechanisms_and_facts_come_in_one_line_or_in_many() {
    assert_eq!(read("211-x\r\n AUTH TLS;TLS-C;ssl;\r\n211 x\r\n").auth, ["TLS", "TLS-C", "SSL"]);
    assert_eq!(read("211-x\r\n AUTH TLS\r\n AUTH SSL\r\n211 x\r\n").auth, ["TLS", "SSL"]);
    assert_eq!(read("211-x\r\n MLST\r\n211 x\r\n").mlst, Some(vec![]));
    let others = read("211-x\r\n REST\r\n RANG BLOCK\r\n SIZEX\r\n211 x\r\n");
    assert!(!others.rest_stream && !others.rang_stream && !others.size);
    assert_eq!(others.unknown, ["REST", "RANG BLOCK", "SIZEX"]);
}

#[test]
fn no_features_is_an_answer_and_a_refusal_is_not() {
    assert_eq!(read("211 No features\r\n"), Features::default());
    assert_eq!(read("211-SIZE\r\n211 EPSV\r\n"), Features::default(), "the first and the last line are no features");
    assert_eq!(feat(&reply_of(502, b"no")).map_err(|error| error.rule), Err(ValueRule::WrongCode));
}
