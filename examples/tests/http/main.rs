//! HTTP: the byte-range contract on the source, downloads from a server that is honest or is not, and the command.

#[allow(dead_code)]
#[path = "../cli/support.rs"]
mod command;
mod contract;
mod lies;
mod run;
mod server;
mod source;
mod support;
mod tls;
