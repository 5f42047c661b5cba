//! The fuzz corpora, replayed.

use super::properties;
use crate::corpus::replay;

#[test]
fn chunks_hold_on_the_corpus() {
    replay("mmsh_chunks", properties::chunks);
}

#[test]
fn http_heads_hold_on_the_corpus() {
    replay("http_head", properties::http_head);
}

#[test]
fn playlists_hold_on_the_corpus() {
    replay("playlist", properties::playlist_holds);
}

#[test]
fn urls_hold_on_the_corpus() {
    replay("url", properties::url_holds);
}
