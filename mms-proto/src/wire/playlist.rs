//! The playlists that web pages put in front of media: ASX (also called WAX and WVX), which looks like XML and is not, and the
//! older form of `[Reference]`.
//!
//! ```text
//!   <ASX version="3.0">                       [Reference]
//!     <Entry><Ref HREF="mms://h/f.asf" />     Ref1=http://h/f.asf?MSWMExt=.asf
//!   </Entry></ASX>                            Ref2=http://192.0.2.1:80/f.asf?MSWMExt=.asf
//! ```

use super::WireError;

/// Most URLs of one playlist.
const URLS: usize = 1000;

/// Longest URL, in bytes; longer ones are passed over.
const URL: usize = super::Url::MAX_LEN;

/// The URLs of a playlist, in order, as they stand there without entities. They may be relative to where the playlist was, and
/// may lead to other playlists. Those of `http` mean MMSH if a media server is there. At most 1000, of 8 KiB each.
///
/// # Errors
/// It is none of the two forms.
///
/// Spec: the metafile reference of Windows Media (ASX, REF, ENTRYREF). Observed: unclosed elements, any case, any quotes,
/// bare `&` in URLs
pub fn playlist(body: &[u8]) -> Result<Vec<String>, WireError> {
    let text = text(body);
    let text = text.trim_start();
    // Lower case for ASCII only: offsets are the same in both.
    let lower = text.to_ascii_lowercase();
    let mut urls = if lower.starts_with("[reference]") {
        references(text)
    } else if lower.starts_with('<') && lower.contains("<asx") {
        elements(text, &lower)
    } else {
        return Err(WireError::new("the playlist", 0, "neither <asx> nor [Reference]"));
    };
    urls.truncate(URLS);
    Ok(urls)
}

/// The bytes of a playlist as text: UTF-8, UTF-16 if it says so, else Latin-1.
pub(super) fn text(body: &[u8]) -> String {
    if let Some(utf16) = body.strip_prefix(&[0xFF, 0xFE]) {
        let units = utf16.chunks_exact(2).filter_map(|pair| pair.try_into().ok()).map(u16::from_le_bytes);
        return char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    }
    super::http::text(body.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(body))
}

fn fits(url: &str) -> bool {
    !url.is_empty() && url.len() <= URL
}

/// `RefN=URL`, by number.
fn references(text: &str) -> Vec<String> {
    let mut found: Vec<(u32, &str)> = text
        .lines()
        .filter_map(|line| {
            let (name, url) = line.split_once('=')?;
            let name = name.trim();
            let number = name.get(..3).filter(|word| word.eq_ignore_ascii_case("ref")).and(name.get(3..))?;
            Some((number.parse().ok()?, url.trim()))
        })
        .filter(|(_, url)| fits(url))
        .collect();
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, url)| url.to_owned()).collect()
}

/// `href` of each `<ref>` and `<entryref>`, outside comments.
fn elements(text: &str, lower: &str) -> Vec<String> {
    let mut urls = Vec::new();
    let mut at = 0_usize;
    while let Some(open) = lower.get(at..).and_then(|rest| rest.find('<')) {
        let begin = at.saturating_add(open).saturating_add(1);
        let Some(rest) = lower.get(begin..) else { break };
        if rest.starts_with("!--") {
            // Without an end, all the rest is comment.
            let Some(len) = rest.find("-->") else { break };
            at = begin.saturating_add(len);
            continue;
        }
        let end = begin.saturating_add(tag_len(rest));
        at = end;
        let name = rest.split(|char: char| !char.is_ascii_alphanumeric()).next().unwrap_or_default();
        if !matches!(name, "ref" | "entryref") {
            continue;
        }
        let tag = text.get(begin.saturating_add(name.len())..end).unwrap_or_default();
        urls.extend(attribute(tag, "href").map(unescape).map(|url| url.trim().to_owned()).filter(|url| fits(url)));
        if urls.len() >= URLS {
            break;
        }
    }
    urls
}

/// Up to the `>` that is not within quotes; up to the end of the line, or the next `<`, if a quote is not closed.
fn tag_len(rest: &str) -> usize {
    let mut quote = None;
    for (at, char) in rest.char_indices() {
        match (char, quote) {
            ('"' | '\'', None) => quote = Some(char),
            (char, Some(open)) if char == open => quote = None,
            ('>', None) | ('<', _) | ('\n', Some(_)) => return at,
            _ => {}
        }
    }
    rest.len()
}

/// The value of an attribute, in quotes of either kind or none.
fn attribute<'a>(tag: &'a str, wanted: &str) -> Option<&'a str> {
    let mut rest = tag;
    loop {
        rest = rest.trim_start_matches(|char: char| !char.is_ascii_alphabetic());
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(|char: char| !char.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (name, after) = rest.split_at_checked(end)?;
        rest = after.trim_start();
        let Some(value) = rest.strip_prefix('=') else { continue };
        let value = value.trim_start();
        let (found, after) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let inner = value.get(1..)?;
                inner.split_once(quote).unwrap_or((inner, ""))
            }
            _ => value.split_once(char::is_whitespace).unwrap_or((value.trim_end_matches('/'), "")),
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(found);
        }
        rest = after;
    }
}

/// Puts characters in place of entities; an `&` that begins none stays.
fn unescape(text: &str) -> String {
    /// Longest name of an entity, such as `#x10FFFF`.
    const NAME: usize = 8;
    let mut clear = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        clear.push_str(before);
        let entity = after.split_once(';').filter(|(name, _)| name.len() <= NAME);
        match entity.and_then(|(name, after)| Some((character(name)?, after))) {
            Some((char, after)) => {
                clear.push(char);
                rest = after;
            }
            None => {
                clear.push('&');
                rest = after;
            }
        }
    }
    clear.push_str(rest);
    clear
}

fn character(name: &str) -> Option<char> {
    match name.to_ascii_lowercase().as_str() {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        numbered => {
            let number = numbered.strip_prefix('#')?;
            let value = match number.strip_prefix('x') {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
                None => number.parse(),
            };
            value.ok().and_then(char::from_u32)
        }
    }
}
