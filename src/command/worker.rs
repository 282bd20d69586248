//! `evidock worker KIND`: how the daemon starts its own workers; the rooms that bring workers know the kinds. Never
//! typed by a person, so the command line's grammar does not have it.

use std::io::Write;
use std::process::ExitCode;

use crate::domain::error::chain;
use crate::domain::{replay, stream};
use crate::source::usb::{disk, mtp};
use crate::{media, worker};

/// Runs a worker of that kind on standard input (a socket from the daemon) until the daemon hangs up.
pub fn run(kind: &str) -> ExitCode {
    let result: Result<(), Box<dyn std::error::Error>> = match kind {
        media::WORKER_KIND => media::serve().map_err(Into::into),
        stream::WORKER_KIND => media::stream::serve().map_err(Into::into),
        replay::ASKER_KIND => media::replay::serve_asking().map_err(Into::into),
        replay::FETCHER_KIND => media::replay::serve_fetching().map_err(Into::into),
        disk::READER_KIND => disk::reader::serve().map_err(Into::into),
        disk::ERASER_KIND => disk::reader::serve_erasing().map_err(Into::into),
        mtp::WORKER_KIND => mtp::serve().map_err(Into::into),
        "selftest" => worker::selftest::run().map_err(Into::into),
        _ => Err(format!("there is no worker of the kind '{kind}'").into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
