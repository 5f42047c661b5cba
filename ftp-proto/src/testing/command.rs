//! Commands of the honest server that only ask or set something.

use super::Feature;
use super::file::resolve;
use super::listing::stamp;
use super::personality::Words;
use super::session::Session;

impl Session {
    pub(super) fn words(&self) -> &'static Words {
        self.presence.shared.config.personality.words
    }

    pub(super) fn offers(&self, feature: Feature) -> bool {
        self.presence.shared.offers(feature)
    }

    /// The reply to a command that needs no data connection.
    pub(super) fn answer(&mut self, verb: &str, arg: &[u8]) -> Vec<u8> {
        let words = self.words();
        let offered = match verb {
            "SIZE" => self.offers(Feature::Size),
            "MDTM" => self.offers(Feature::Mdtm),
            "MLST" => self.offers(Feature::Mlst),
            "REST" => self.offers(Feature::Rest),
            "RANG" => self.offers(Feature::Rang),
            _ => true,
        };
        let text: &[u8] = match verb {
            _ if !offered => return self.unknown(verb),
            "NOOP" => words.noop.as_bytes(),
            "SYST" => b"215 UNIX Type: L8",
            "FEAT" => return self.feat(),
            "OPTS" if arg.to_ascii_uppercase().starts_with(b"UTF8") => words.opts_utf8.as_bytes(),
            "OPTS" => b"501 Option not understood",
            "TYPE" => match arg.to_ascii_uppercase().as_slice() {
                b"I" | b"L 8" => {
                    self.state.binary = true;
                    words.binary.as_bytes()
                }
                b"A" | b"A N" => {
                    self.state.binary = false;
                    words.ascii.as_bytes()
                }
                _ => b"504 Type not supported",
            },
            "MODE" if arg.eq_ignore_ascii_case(b"S") => b"200 Mode is S",
            "STRU" if arg.eq_ignore_ascii_case(b"F") => b"200 Structure is F",
            "MODE" | "STRU" => b"504 Not supported",
            "ALLO" => b"202 No storage needed",
            "PWD" | "XPWD" => return fill(words.pwd, &[("path", &self.quoted_cwd())]),
            "CWD" | "XCWD" => return self.change_dir(arg),
            "CDUP" | "XCUP" => return self.change_dir(b".."),
            "SIZE" => return self.size(arg),
            "MDTM" => match self.look_up(arg) {
                Some(node) => return format!("213 {}", stamp(node.modified_at())).into_bytes(),
                None => return self.no_file(words.no_size, arg),
            },
            "MLST" => return self.mlst(arg),
            "REST" => return self.rest(arg),
            "RANG" => return self.rang(arg),
            _ => return self.unknown(verb),
        };
        text.to_vec()
    }

    pub(super) fn unknown(&self, verb: &str) -> Vec<u8> {
        fill(self.words().unknown, &[("verb", verb.as_bytes())])
    }

    pub(super) fn no_file(&self, words: &str, name: &[u8]) -> Vec<u8> {
        fill(words, &[("name", name)])
    }

    fn feat(&self) -> Vec<u8> {
        let [first, last] = self.words().feat;
        let mut lines = vec![first.to_owned()];
        for feature in &self.presence.shared.config.features {
            lines.push(match feature {
                Feature::Epsv => " EPSV".into(),
                Feature::Pasv if self.presence.shared.config.personality.habits.hides_pasv => continue,
                Feature::Pasv => " PASV".into(),
                Feature::Size => " SIZE".into(),
                Feature::Mdtm => " MDTM".into(),
                Feature::Mlst => format!(" {}", self.words().mlst_feature),
                Feature::Rest => " REST STREAM".into(),
                Feature::Tvfs => " TVFS".into(),
                Feature::Rang => " RANG STREAM".into(),
                Feature::Utf8 => " UTF8".into(),
            });
        }
        lines.push(last.into());
        lines.join("\r\n").into_bytes()
    }

    fn quoted_cwd(&self) -> Vec<u8> {
        let doubles = self.presence.shared.config.personality.habits.doubles_quotes;
        let twice = |b: &u8| if doubles && *b == b'"' { vec![*b, *b] } else { vec![*b] };
        self.state.cwd.iter().flat_map(twice).collect()
    }

    fn change_dir(&mut self, arg: &[u8]) -> Vec<u8> {
        let dir = resolve(&self.state.cwd, arg);
        let steps = arg.split(|b| *b == b'/').filter(|part| !part.is_empty()).count();
        let too_far = self.presence.shared.config.single_component && steps > 1;
        if too_far || !super::lock(&self.presence.shared.tree).is_dir(&dir) {
            return self.no_file(self.words().no_dir, arg);
        }
        self.state.cwd = dir;
        fill(self.words().cwd, &[("path", &self.state.cwd)])
    }

    /// The file of this name, if there is one and the server looks for such names at all.
    pub(super) fn look_up(&self, name: &[u8]) -> Option<std::sync::Arc<super::file::Node>> {
        if self.presence.shared.config.single_component && name.contains(&b'/') {
            return None;
        }
        super::lock(&self.presence.shared.tree).find(&resolve(&self.state.cwd, name))
    }

    fn size(&self, name: &[u8]) -> Vec<u8> {
        let words = self.words();
        if !self.state.binary && !words.size_in_ascii.is_empty() {
            return words.size_in_ascii.into();
        }
        match self.look_up(name) {
            Some(node) => format!("213 {}", node.len()).into_bytes(),
            None => self.no_file(words.no_size, name),
        }
    }

    fn mlst(&self, name: &[u8]) -> Vec<u8> {
        let path = resolve(&self.state.cwd, name);
        let facts = match self.look_up(name) {
            Some(node) => self.facts(Some(&node)),
            None if super::lock(&self.presence.shared.tree).is_dir(&path) => self.facts(None),
            None => return self.no_file(self.words().no_file, name),
        };
        let [first, last] = self.words().mlst.map(|line| fill(line, &[("name", &path)]));
        [&first, b"\r\n ".as_slice(), &facts, b" ", &path, b"\r\n", &last].concat()
    }

    /// The facts of a file, or of a directory. Spec: RFC 3659 section 7.
    pub(super) fn facts(&self, node: Option<&super::file::Node>) -> Vec<u8> {
        let Some(node) = node else { return b"type=dir;".to_vec() };
        let (size, inode) = (node.len().to_string(), format!("{:08x}", node.inode));
        let modify = stamp(node.modified_at());
        let facts: [(&str, &str); 4] = [("type", "file"), ("size", &size), ("inode", &inode), ("modify", &modify)];
        fill(self.words().facts, &facts.map(|(key, value)| (key, value.as_bytes())))
    }

    fn rest(&mut self, arg: &[u8]) -> Vec<u8> {
        let (words, habits) = (self.words(), self.presence.shared.config.personality.habits);
        if !self.state.binary && !words.rest_in_ascii.is_empty() {
            return words.rest_in_ascii.into();
        }
        let offset = number(arg).filter(|offset| !habits.signed_offsets || i64::try_from(*offset).is_ok());
        match offset {
            None if !habits.rest_takes_anything => words.bad_rest.into(),
            _ => {
                self.state.rest = offset.unwrap_or(0);
                self.state.range = None;
                fill(words.rest, &[("offset", self.state.rest.to_string().as_bytes())])
            }
        }
    }

    /// Spec: draft-bryan-ftp-range section 4. `RANG 1 0` takes a range back. Observed: proftpd 1.3.8 checks the end at RETR.
    fn rang(&mut self, arg: &[u8]) -> Vec<u8> {
        self.state.range = None;
        let mut numbers = arg.split(|b| *b == b' ').map(number);
        match (numbers.next().flatten(), numbers.next().flatten(), numbers.next()) {
            (Some(1), Some(0), None) => b"350 Range is reset".to_vec(),
            (Some(start), Some(end), None) if start <= end => {
                self.state.rest = 0;
                self.state.range = Some((start, end));
                let len = u128::from(end - start) + 1;
                format!("350 Transferring byte range of {len} bytes starting from {start}").into_bytes()
            }
            _ => b"501 Not a range".to_vec(),
        }
    }
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

/// Puts values in the place of their `{keys}`.
pub(super) fn fill(template: &str, values: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.extend_from_slice(before.as_bytes());
        let filled = after.split_once('}').and_then(|(key, tail)| {
            let (_, value) = values.iter().find(|(name, _)| *name == key)?;
            Some((*value, tail))
        });
        (rest, ()) = match filled {
            Some((value, tail)) => (tail, out.extend_from_slice(value)),
            None => (after, out.push(b'{')),
        };
    }
    out.extend_from_slice(rest.as_bytes());
    out
}
