//! The built command against FTP and media servers in this process. No test waits by the clock: each waits for a line or a counter.

mod download;
mod goodbye;
mod hostile;
mod json;
mod mms;
mod names;
mod resume;
mod secrets;
mod stream;
mod support;
