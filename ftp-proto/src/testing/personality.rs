//! Habits and words of real servers, as data.

/// Something that a server may or may not offer: listed by `FEAT`, and refused with `500` when absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Feature {
    /// `EPSV`.
    Epsv,
    /// `PASV`; proftpd and pyftpdlib have it without listing it.
    Pasv,
    /// `SIZE`.
    Size,
    /// `MDTM`.
    Mdtm,
    /// `MLST` and `MLSD`. vsftpd has neither.
    Mlst,
    /// `REST`. Some servers behind accelerators refuse it.
    Rest,
    /// `TVFS`: a promise that `/` separates path components, nothing more.
    Tvfs,
    /// `RANG`, of draft-bryan-ftp-range. Observed: proftpd 1.3.8.
    Rang,
    /// `UTF8`.
    Utf8,
}

/// Where a server says that it has too many connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitAt {
    /// `421` instead of the greeting. Observed: vsftpd, pure-ftpd, pyftpdlib.
    Greeting,
    /// `530` in answer to `PASS`; a connection takes its slot only then. Observed: proftpd `MaxClientsPerHost`.
    Password,
}

/// What a server does, and how it puts it: one of the presets.
#[derive(Debug, Clone, Copy)]
pub struct Personality {
    pub(super) features: &'static [Feature],
    pub(super) limit_at: LimitAt,
    pub(super) meanwhile: Meanwhile,
    pub(super) habits: Habits,
    pub(super) words: &'static Words,
}

impl Personality {
    /// No particular server: every feature but RANG, `150` after the data connection is accepted, `226` when all is written,
    /// `426` when the client closes early.
    pub fn plain() -> Personality {
        PLAIN
    }

    /// vsftpd 3.0.3 with anonymous logins that need no password.
    pub fn vsftpd() -> Personality {
        VSFTPD
    }

    /// proftpd 1.3.8: RANG, `530` at the limit, and `226` only after the client has closed the data connection.
    pub fn proftpd() -> Personality {
        PROFTPD
    }

    /// pure-ftpd 1.0.50: the final reply of an interrupted transfer is a `150`; commands during a transfer are eaten.
    pub fn pure_ftpd() -> Personality {
        PURE_FTPD
    }

    /// pyftpdlib 1.5.7: `150` before the data connection or `125` after it; commands during a transfer are answered at once.
    pub fn pyftpdlib() -> Personality {
        PYFTPDLIB
    }
}

/// What becomes of commands that come during a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meanwhile {
    /// They wait for its end.
    Queue,
    /// They are answered at once; `PASV` and `EPSV` kill the transfer without a word.
    Answer,
    /// All that is in the buffer gets one `500`, and the transfer ends with a `500` too; ABOR and QUIT abort.
    Eat,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    /// Anonymous users are let in on USER alone.
    pub(super) anonymous_needs_no_password: bool,
    /// The preliminary reply does not wait for the data connection.
    pub(super) opens_before_accept: bool,
    /// 226 waits until the client has closed its end.
    pub(super) lingers: bool,
    /// A transfer goes on when the control connection is gone.
    pub(super) outlives_control: bool,
    /// RETR without PASV gets its 150 and waits for a PASV.
    pub(super) retr_before_pasv: bool,
    /// An offset past the end is a success of zero bytes.
    pub(super) past_end_is_empty: bool,
    /// Offsets from 2^63 on are not numbers.
    pub(super) signed_offsets: bool,
    /// What is not a number is an offset of 0.
    pub(super) rest_takes_anything: bool,
    /// PASV is there without being in the FEAT list.
    pub(super) hides_pasv: bool,
    /// A lone LF ends a command.
    pub(super) bare_lf_ends_line: bool,
    /// `FF FF` in a command means `FF`.
    pub(super) undoubles_iac: bool,
    /// Quotes in 257 are doubled, as RFC 959 wants it.
    pub(super) doubles_quotes: bool,
}

/// Replies without their last line end. `{..}` is filled in; an empty text means that the case is no error here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    pub(super) greeting: &'static str,
    pub(super) limit: &'static str,
    pub(super) account_limit: &'static str,
    pub(super) need_password: &'static str,
    pub(super) logged_in: &'static str,
    pub(super) again: &'static str,
    pub(super) bad_login: &'static str,
    pub(super) not_logged_in: &'static str,
    pub(super) feat: [&'static str; 2],
    pub(super) mlst_feature: &'static str,
    pub(super) facts: &'static str,
    pub(super) mlst: [&'static str; 2],
    pub(super) opts_utf8: &'static str,
    pub(super) binary: &'static str,
    pub(super) ascii: &'static str,
    pub(super) noop: &'static str,
    pub(super) unknown: &'static str,
    pub(super) cwd: &'static str,
    pub(super) no_dir: &'static str,
    pub(super) pwd: &'static str,
    pub(super) no_size: &'static str,
    pub(super) size_in_ascii: &'static str,
    pub(super) epsv: &'static str,
    pub(super) pasv: &'static str,
    pub(super) epsv_all: &'static str,
    /// PASV after EPSV ALL.
    pub(super) only_epsv: &'static str,
    pub(super) rest: &'static str,
    pub(super) bad_rest: &'static str,
    pub(super) rest_in_ascii: &'static str,
    pub(super) retr_in_ascii: &'static str,
    pub(super) past_end: &'static str,
    pub(super) no_passive: &'static str,
    pub(super) no_file: &'static str,
    pub(super) opening: &'static str,
    pub(super) opening_empty: &'static str,
    /// Instead of `opening` when the data connection is there already.
    pub(super) already_open: &'static str,
    /// Instead of `opening` and `complete` when REST stands at the end.
    pub(super) nothing_left: &'static str,
    pub(super) complete: &'static str,
    pub(super) aborted: &'static str,
    /// ABOR during a transfer, where it is not queued.
    pub(super) abor_running: &'static str,
    pub(super) abor_idle: &'static str,
    pub(super) quit: &'static str,
}

use Feature::{Epsv, Mdtm, Mlst, Pasv, Rang, Rest, Size, Tvfs, Utf8};

const PLAIN: Personality = Personality {
    features: &[Epsv, Mdtm, Mlst, Pasv, Rest, Size, Tvfs, Utf8],
    limit_at: LimitAt::Greeting,
    meanwhile: Meanwhile::Queue,
    habits: Habits {
        anonymous_needs_no_password: false,
        opens_before_accept: false,
        lingers: false,
        outlives_control: false,
        retr_before_pasv: false,
        past_end_is_empty: false,
        signed_offsets: false,
        rest_takes_anything: false,
        hides_pasv: false,
        bare_lf_ends_line: true,
        undoubles_iac: false,
        doubles_quotes: true,
    },
    words: &Words {
        greeting: "220 Ready",
        limit: "421 Too many connections, try later",
        account_limit: "421 Too many connections of this user, try later",
        need_password: "331 Password, please",
        logged_in: "230 Logged in",
        again: "230 Logged in already",
        bad_login: "530 Login incorrect",
        not_logged_in: "530 Log in first",
        feat: ["211-Features", "211 End"],
        mlst_feature: "MLST type*;size*;modify*;unique*;",
        facts: "type={type};size={size};modify={modify};unique={inode};",
        mlst: ["250-Facts", "250 End"],
        opts_utf8: "200 UTF8 is on",
        binary: "200 Type is I",
        ascii: "200 Type is A",
        noop: "200 OK",
        unknown: "500 {verb} not understood",
        cwd: "250 Directory changed",
        no_dir: "550 No such directory",
        pwd: "257 \"{path}\" is the current directory",
        no_size: "550 No such file",
        size_in_ascii: "",
        epsv: "229 Entering extended passive mode (|||{port}|)",
        pasv: "227 Entering passive mode ({address})",
        epsv_all: "200 EPSV only from now on",
        only_epsv: "503 EPSV ALL was given",
        rest: "350 Restarting at {offset}",
        bad_rest: "501 Not an offset",
        rest_in_ascii: "",
        retr_in_ascii: "",
        past_end: "554 Offset is past the end",
        no_passive: "425 PASV or EPSV first",
        no_file: "550 No such file",
        opening: "150 Sending {name} ({left} bytes)",
        opening_empty: "150 Sending {name} (0 bytes)",
        already_open: "",
        nothing_left: "",
        complete: "226 Transfer complete",
        aborted: "426 Data connection closed, transfer aborted",
        abor_running: "",
        abor_idle: "225 Nothing to abort",
        quit: "221 Goodbye",
    },
};

// Spec: RFC 959 and RFC 3659. Observed: vsftpd 3.0.3, proftpd 1.3.8, pure-ftpd 1.0.50 and pyftpdlib 1.5.7 as Debian 12 ships them,
// one session each on loopback; the words are theirs, because clients are known to read them.

const VSFTPD: Personality = Personality {
    features: &[Epsv, Mdtm, Pasv, Rest, Size, Tvfs],
    habits: Habits {
        anonymous_needs_no_password: true,
        outlives_control: true,
        past_end_is_empty: true,
        signed_offsets: true,
        rest_takes_anything: true,
        ..PLAIN.habits
    },
    words: &Words {
        greeting: "220 (vsFTPd 3.0.3)",
        limit: "421 There are too many connections from your internet address.",
        need_password: "331 Please specify the password.",
        logged_in: "230 Login successful.",
        again: "230 Already logged in.",
        bad_login: "530 Login incorrect.",
        not_logged_in: "530 Please login with USER and PASS.",
        feat: ["211-Features:", "211 End"],
        opts_utf8: "200 Always in UTF8 mode.",
        binary: "200 Switching to Binary mode.",
        ascii: "200 Switching to ASCII mode.",
        noop: "200 NOOP ok.",
        unknown: "500 Unknown command.",
        cwd: "250 Directory successfully changed.",
        no_dir: "550 Failed to change directory.",
        no_size: "550 Could not get file size.",
        epsv: "229 Entering Extended Passive Mode (|||{port}|)",
        pasv: "227 Entering Passive Mode ({address}).",
        epsv_all: "200 EPSV ALL ok.",
        only_epsv: "550 Permission denied.",
        rest: "350 Restart position accepted ({offset}).",
        retr_in_ascii: "550 No support for resume of ASCII transfer.",
        no_passive: "425 Use PORT or PASV first.",
        no_file: "550 Failed to open file.",
        opening: "150 Opening BINARY mode data connection for {name} ({size} bytes).",
        opening_empty: "150 Opening BINARY mode data connection for {name} (0 bytes).",
        complete: "226 Transfer complete.",
        aborted: "426 Failure writing network stream.",
        abor_idle: "225 No transfer to ABOR.",
        quit: "221 Goodbye.",
        ..*PLAIN.words
    },
    ..PLAIN
};

const PROFTPD: Personality = Personality {
    features: &[Epsv, Mdtm, Mlst, Pasv, Rang, Rest, Size, Tvfs, Utf8],
    limit_at: LimitAt::Password,
    habits: Habits {
        lingers: true,
        outlives_control: true,
        hides_pasv: true,
        bare_lf_ends_line: false,
        undoubles_iac: true,
        ..PLAIN.habits
    },
    words: &Words {
        greeting: "220 ProFTPD Server (lab proftpd) [127.0.0.1]",
        limit: "530 Sorry, the maximum number of clients ({limit}) from your host are already connected.",
        account_limit: "530 Sorry, the maximum number of clients ({limit}) for this user are already connected.",
        need_password: "331 Password required for {user}",
        logged_in: "230 User {user} logged in",
        again: "503 You are already logged in",
        bad_login: "530 Login incorrect.",
        not_logged_in: "530 Please login with USER and PASS",
        feat: ["211-Features:", "211 End"],
        mlst_feature: "MLST modify*;perm*;size*;type*;unique*;UNIX.mode*;",
        facts: "modify={modify};perm=adfr;size={size};type={type};unique=FE00U{inode};UNIX.mode=0644;",
        mlst: ["250-Start of list for {name}", "250 End of list"],
        opts_utf8: "200 UTF8 set to on",
        binary: "200 Type set to I",
        ascii: "200 Type set to A",
        noop: "200 NOOP command successful",
        cwd: "250 CWD command successful",
        no_dir: "550 {name}: No such file or directory",
        no_size: "550 {name}: No such file or directory",
        size_in_ascii: "550 SIZE not allowed in ASCII mode",
        epsv: "229 Entering Extended Passive Mode (|||{port}|)",
        pasv: "227 Entering Passive Mode ({address}).",
        epsv_all: "200 EPSV ALL command successful",
        only_epsv: "500 Illegal PASV command, EPSV ALL in effect",
        rest: "350 Restarting at {offset}. Send STORE or RETRIEVE to initiate transfer",
        bad_rest: "501 REST requires a value greater than or equal to 0",
        rest_in_ascii: "501 REST not allowed in ASCII mode. Switch to binary first",
        past_end: "554 Invalid REST or RANG argument",
        no_passive: "425 Unable to build data connection: Operation not permitted",
        no_file: "550 {name}: No such file or directory",
        opening: "150 Opening BINARY mode data connection for {name} ({left} bytes)",
        opening_empty: "150 Opening BINARY mode data connection for {name}",
        complete: "226 Transfer complete",
        aborted: "426 Transfer aborted. Data connection closed",
        abor_idle: "226 Abort successful",
        quit: "221 Goodbye.",
        ..*PLAIN.words
    },
    ..PLAIN
};

const PURE_FTPD: Personality = Personality {
    features: &[Utf8, Mdtm, Size, Rest, Mlst, Tvfs, Pasv, Epsv],
    meanwhile: Meanwhile::Eat,
    habits: Habits { anonymous_needs_no_password: true, signed_offsets: true, doubles_quotes: false, ..PLAIN.habits },
    words: &Words {
        greeting: concat!(
            "220---------- Welcome to Pure-FTPd [privsep] [TLS] ----------\r\n",
            "220-You are user number 1 of 50 allowed.\r\n",
            "220-IPv6 connections are also welcome on this server.\r\n",
            "220 You will be disconnected after 15 minutes of inactivity."
        ),
        limit: "421 Too many connections ({limit}) from this IP",
        need_password: "331 User {user} OK. Password required",
        logged_in: "230 Anonymous user logged in",
        again: "230 Any password will work",
        bad_login: "530 Login authentication failed",
        not_logged_in: "530 You aren't logged in",
        feat: ["211-Extensions supported:", "211 End."],
        mlst_feature: "MLST type*;size*;sizd*;modify*;UNIX.mode*;unique*;",
        facts: "type={type};size={size};modify={modify};UNIX.mode=0644;unique=fe00g{inode};",
        mlst: ["250-Begin", "250 End."],
        opts_utf8: "504 Unknown command",
        binary: "200 TYPE is now 8-bit binary",
        ascii: "200 TYPE is now ASCII",
        noop: "200 Zzz...",
        unknown: "500 Unknown command",
        cwd: "250 OK. Current directory is {path}",
        no_dir: "550 Can't change directory to {name}: No such file or directory",
        pwd: "257 \"{path}\" is your current location",
        no_size: "550 Can't check for file existence",
        epsv: "229 Extended Passive mode OK (|||{port}|)",
        pasv: "227 Entering Passive Mode ({address})",
        epsv_all: "220 Active mode is disabled",
        only_epsv: "",
        rest: "350 Restarting at {offset}",
        bad_rest: "554-REST needs a numeric parameter\r\n554 Restart offset reset to 0",
        retr_in_ascii: "503 Restarting in ASCII is not supported",
        past_end: "554-Restart offset is too large for the file size.\r\n554 Restart offset reset to 0",
        no_passive: "425 No data connection",
        no_file: "550 Can't open {name}: No such file or directory",
        opening: "150-Accepted data connection\r\n150 {kbytes} kbytes to download",
        opening_empty: "150-Accepted data connection\r\n150 0.0 kbytes to download",
        nothing_left: "226 Nothing left to download",
        complete: concat!(
            "226-File successfully transferred\r\n",
            "226 0.001 seconds (measured here), 795.58 Mbytes per second"
        ),
        aborted: "150 0.001 seconds (measured here), 3067.75 Mbytes per second",
        abor_running: concat!(
            "426 ABORT\r\n",
            "226-Transfer aborted\r\n",
            "226 0.000 seconds (measured here), 795.58 Mbytes per second"
        ),
        abor_idle: "226 Since you see this ABOR must've succeeded",
        quit: "221-Goodbye. You uploaded 0 and downloaded 0 kbytes.\r\n221 Logout.",
        ..*PLAIN.words
    },
    ..PLAIN
};

const PYFTPDLIB: Personality = Personality {
    features: &[Epsv, Mdtm, Mlst, Pasv, Rest, Size, Tvfs, Utf8],
    meanwhile: Meanwhile::Answer,
    habits: Habits {
        opens_before_accept: true,
        retr_before_pasv: true,
        bare_lf_ends_line: false,
        hides_pasv: true,
        ..PLAIN.habits
    },
    words: &Words {
        greeting: "220 pyftpdlib 1.5.7 ready.",
        limit: "421 Too many connections from the same IP address.",
        account_limit: "421 Too many connections. Service temporarily unavailable.",
        need_password: "331 Username ok, send password.",
        logged_in: "230 Login successful.",
        again: "503 User already authenticated.",
        bad_login: "530 Authentication failed.",
        not_logged_in: "530 Log in with USER and PASS first.",
        feat: ["211-Features supported:", "211 End FEAT."],
        mlst_feature: "MLST type*;perm*;size*;modify*;unique*;unix.mode;unix.uid;unix.gid;",
        facts: "modify={modify};perm=r;size={size};type={type};unique=fe00g{inode};",
        mlst: ["250-Listing \"{name}\":", "250 End MLST."],
        opts_utf8: "501 Invalid argument.",
        binary: "200 Type set to: Binary.",
        ascii: "200 Type set to: ASCII.",
        noop: "200 I successfully did nothing'.",
        unknown: "500 Command \"{verb}\" not understood.",
        cwd: "250 \"{path}\" is the current directory.",
        no_dir: "550 No such file or directory.",
        pwd: "257 \"{path}\" is the current directory.",
        no_size: "550 {name} is not retrievable.",
        size_in_ascii: "550 SIZE not allowed in ASCII mode.",
        epsv: "229 Entering extended passive mode (|||{port}|).",
        pasv: "227 Entering passive mode ({address}).",
        epsv_all: "220 Other commands other than EPSV are now disabled.",
        only_epsv: "501 PASV not allowed after EPSV ALL.",
        rest: "350 Restarting at position {offset}.",
        bad_rest: "501 Invalid parameter.",
        rest_in_ascii: "501 Resuming transfers not allowed in ASCII mode.",
        past_end: "554 Invalid REST parameter.",
        no_file: "550 No such file or directory.",
        opening: "150 File status okay. About to open data connection.",
        opening_empty: "150 File status okay. About to open data connection.",
        already_open: "125 Data connection already open. Transfer starting.",
        complete: "226 Transfer complete.",
        aborted: "426 Transfer aborted; {sent} bytes transmitted.",
        abor_running: "426 Transfer aborted via ABOR.\r\n226 ABOR command successful.",
        abor_idle: "225 No transfer to abort.",
        quit: "221 Goodbye.",
        ..*PLAIN.words
    },
    ..PLAIN
};
