//! What must hold for any input of MMSH. The fuzz targets run these on what they invent, `tests/it` on the corpus.

use bytes::BytesMut;
use mms_proto::wire::{
    BodyKind, Chunk, Dechunker, Head, HeadReader, MAX_CHUNK, Scheme, ServerPragmas, Url, WireError, chunk, offers,
    playlist, skip_pair, sniff,
};

/// All chunks of a stream that arrives in these pieces, and how it ends: with an error, or with so many bytes left over.
pub(crate) fn chunk_trace<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Chunk>, Result<usize, WireError>) {
    let (mut buf, mut chunks, mut pair) = (BytesMut::new(), Vec::new(), None);
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            if let Some(skipped) = &mut pair {
                match skip_pair(&mut buf, skipped) {
                    Ok(true) => pair = None,
                    Ok(false) => break,
                    Err(error) => return (chunks, Err(error)),
                }
            }
            match chunk(&mut buf) {
                Ok(Some(chunk)) => {
                    pair = (chunk == Chunk::PacketPair).then_some(0);
                    chunks.push(chunk);
                }
                Ok(None) => break,
                Err(error) => return (chunks, Err(error)),
            }
        }
        assert!(buf.len() < MAX_CHUNK, "waits for more than the longest chunk");
    }
    (chunks, Ok(buf.len()))
}

/// Any cut gives the same chunks, and payloads are no longer than what came.
pub(crate) fn chunks(data: &[u8]) {
    let whole = chunk_trace([data]);
    assert_eq!(whole, chunk_trace(data.chunks(1)), "cut into bytes");
    let middle = data.first().map_or(0, |&byte| usize::from(byte) % data.len());
    assert_eq!(whole, chunk_trace([&data[..middle], &data[middle..]]), "cut at {middle}");
    let payload = whole.0.iter().map(|chunk| match chunk {
        Chunk::Header(piece) | Chunk::Data(piece) | Chunk::Metadata(piece) => piece.payload.len() + 12,
        _ => 4,
    });
    assert!(payload.sum::<usize>() <= data.len(), "more payload than input");
}

/// The head of a stream that arrives in these pieces, with what follows it.
pub(crate) fn head_trace<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<(Head, Vec<u8>)>, WireError> {
    let (mut buf, mut reader, mut head) = (BytesMut::new(), HeadReader::default(), None);
    for piece in pieces {
        buf.extend_from_slice(piece);
        if head.is_none() {
            head = reader.decode(&mut buf)?;
            assert!(head.is_some() || buf.len() <= 8 << 10, "keeps more than a line");
        }
    }
    Ok(head.map(|head| (head, buf.to_vec())))
}

/// A body in the chunked coding that arrives in these pieces: what it holds, and whether and how it ends.
pub(crate) fn body_trace<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<u8>, Result<Option<Vec<u8>>, WireError>) {
    let (mut buf, mut body, mut decoder) = (BytesMut::new(), BytesMut::new(), Dechunker::default());
    for piece in pieces {
        buf.extend_from_slice(piece);
        if let Err(error) = decoder.decode(&mut buf, &mut body) {
            return (body.to_vec(), Err(error));
        }
        assert!(decoder.is_done() || buf.len() <= 8 << 10, "keeps more than a line");
    }
    (body.to_vec(), Ok(decoder.is_done().then(|| buf.to_vec())))
}

/// Any cut gives the same head and the same body.
pub(crate) fn http_head(data: &[u8]) {
    let whole = head_trace([data]);
    assert_eq!(whole, head_trace(data.chunks(1)), "cut into bytes");
    let middle = data.first().map_or(0, |&byte| usize::from(byte) % data.len());
    assert_eq!(whole, head_trace([&data[..middle], &data[middle..]]), "cut at {middle}");
    let body = body_trace([data]);
    assert_eq!(body, body_trace(data.chunks(1)), "cut into bytes");
    assert_eq!(body, body_trace([&data[..middle], &data[middle..]]), "cut at {middle}");
    assert!(body.0.len() <= data.len(), "more body than input");
    if let Ok(Some((head, body))) = whole {
        let mut pragmas = ServerPragmas::default();
        head.all("Pragma").for_each(|line| pragmas.note(line));
        pragmas.note_metadata(&body);
        assert!(offers(head.all("WWW-Authenticate")).len() <= 16);
        assert!((100..1000).contains(&head.status));
        let _ = (head.content_length(), head.stays_open(), head.retry_after());
        sniff(head.content_type().as_deref(), &body);
    }
}

/// Bounded, in order, and what is taken for a playlist is one.
pub(crate) fn playlist_holds(data: &[u8]) {
    let urls = playlist(data);
    let kind = sniff(None, data);
    assert_eq!(urls.is_ok(), matches!(kind, BodyKind::Playlist), "{kind:?}");
    let Ok(urls) = urls else { return };
    assert!(urls.len() <= 1000);
    // Latin-1 takes two bytes in UTF-8, UTF-16 up to three for two.
    assert!(urls.iter().map(String::len).sum::<usize>() <= 3 * data.len());
    assert!(urls.iter().all(|url| !url.is_empty() && url.len() <= Url::MAX_LEN));
}

/// What is shown is read again as the same but for the password; what is sent cannot break a line.
pub(crate) fn url_holds(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let base = Url::parse("mmsh://h.test/d/e.asf?q").expect("a URL");
    if let Ok(joined) = base.join(text) {
        sendable(&joined);
    }
    let Ok(url) = Url::parse(text) else { return };
    sendable(&url);
    let shown = url.to_string();
    if shown.len() > Url::MAX_LEN {
        return;
    }
    let again = Url::parse(&shown).unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert_eq!(again.to_string(), shown);
    assert_eq!((again.host(), again.port(), again.user()), (url.host(), url.port(), url.user()));
    assert_eq!(again.target(), url.target());
    assert_eq!(again.with_scheme(Scheme::Mmst).scheme(), Scheme::Mmst);
}

fn sendable(url: &Url) {
    let target = url.target();
    assert!(target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic()), "{target}");
    assert!(target.len() <= 3 * Url::MAX_LEN + 1);
    assert!(url.file_name().is_none_or(|name| !name.contains(char::from(0)) && name.len() <= Url::MAX_LEN));
}
