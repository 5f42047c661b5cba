//! The `segfetch` command.

mod args;
mod exit;
mod failure;
mod media;
mod naming;
mod probe;
mod render;
mod run;
mod signals;
mod stream;

use std::io::Write;
use std::process::ExitCode;
use std::thread::available_parallelism;

use segfetch_cli::Schemes;

use crate::args::{Cli, Command};
use crate::exit::Exit;
use crate::failure::Failure;

fn main() -> ExitCode {
    let cli = match args::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // `--help` and `--version` come this way too; clap knows where each belongs.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { Exit::Usage.code() } else { Exit::Done.code() });
        }
    };
    let exit = match tokio::runtime::Builder::new_multi_thread().worker_threads(threads(&cli)).enable_all().build() {
        Ok(runtime) => {
            let result = runtime.block_on(command(&cli));
            // Not waited for: a write to a pipe that nobody reads may never end.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(Failure::new(Exit::Other, format!("cannot start: {error}"))),
    };
    let exit = exit.unwrap_or_else(|failure| {
        let _ = writeln!(std::io::stderr(), "segfetch: {}", naming::clean(&failure.text));
        failure.exit
    });
    ExitCode::from(exit.code())
}

/// Threads of the runtime: one for each download, and no more than there are processors.
///
/// A download is one task. A second thread would have nothing to run, and yet be woken for every burst that arrives while the
/// first one copies the last: measured, three wake-ups for each read, and a sixth more CPU.
fn threads(cli: &Cli) -> usize {
    let downloads = if cli.command.is_some() { 1 } else { cli.fetch.urls.len() };
    downloads.clamp(1, available_parallelism().map_or(1, usize::from))
}

async fn command(cli: &Cli) -> Result<Exit, Failure> {
    let stop =
        signals::listen().map_err(|error| Failure::new(Exit::Other, format!("cannot listen for signals: {error}")))?;
    let schemes = Schemes::from_env().map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    match &cli.command {
        Some(Command::Probe(args)) => probe::probe(args, &schemes, stop).await,
        None => {
            let options = cli.fetch.mms.options(cli.fetch.patience);
            run::fetch(&cli.fetch, &schemes.with_media(options), stop).await
        }
    }
}
