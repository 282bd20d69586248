//! What the daemon writes about itself: to systemd's journal with its fields where the journal reads us,
//! else to standard error as text or as one JSON object a line.
//!
//! Secrets stay out twice: `config::Secret` has no readable form, and other crates never log below
//! `warn`, since HTTP crates show headers at `debug`; the FTP crate, which shows passwords, never logs at all.

use std::io::IsTerminal;
use std::os::linux::fs::MetadataExt;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// For whoever looks for a fault: filter directives that stand in for the configured level.
pub const FILTER_VARIABLE: &str = "EVIDOCK_LOG";

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The journal where it reads our standard error, else text.
    Auto,
    /// The journal's own protocol.
    Journald,
    /// One JSON object a line on standard error.
    Json,
    /// Text on standard error, coloured on a terminal.
    Text,
}

/// Why logs cannot be written as asked.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The journal's socket is not there.
    #[error("the journal cannot be reached; write another [log] format")]
    Journal(#[source] std::io::Error),
    /// The directives in [`FILTER_VARIABLE`] are no directives.
    #[error("${FILTER_VARIABLE} cannot be read; write directives such as \"warn,evidock=debug\"")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// Called twice.
    #[error("logging was begun twice")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Begins logging for the whole process at `level` (`error` to `trace`). Call once, before the first task.
pub fn init(level: &str, form: Form) -> Result<(), LoggingError> {
    let filter = match std::env::var(FILTER_VARIABLE) {
        Ok(directives) => EnvFilter::try_new(directives),
        Err(_) => EnvFilter::try_new(directives(level)),
    };
    // The FTP crate prints whole commands, PASS among them: it has no word, whoever asks for it.
    let silent = "suppaftp=off".parse().map_err(LoggingError::Filter)?;
    let filter = filter.map(|filter| filter.add_directive(silent));
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match settle(form, journal_reads_us()) {
        Form::Journald => Box::new(tracing_journald::layer().map_err(LoggingError::Journal)?),
        Form::Json => {
            Box::new(tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr))
        }
        Form::Text | Form::Auto => {
            let colours = std::io::stderr().is_terminal();
            Box::new(
                tracing_subscriber::fmt::layer().with_ansi(colours).with_target(false).with_writer(std::io::stderr),
            )
        }
    };
    let layer = layer.with_filter(filter.map_err(LoggingError::Filter)?);
    tracing_subscriber::registry().with(layer).try_init().map_err(LoggingError::Twice)
}

fn directives(level: &str) -> String {
    let others = if level == "error" { "error" } else { "warn" };
    format!("{others},evidock={level}")
}

fn settle(form: Form, journal: bool) -> Form {
    match form {
        Form::Auto if journal => Form::Journald,
        Form::Auto => Form::Text,
        chosen => chosen,
    }
}

/// `$JOURNAL_STREAM` names device and inode of the stream that the journal reads (systemd.exec(5)); it is
/// inherited by processes whose standard error was sent elsewhere, hence the comparison.
fn journal_reads_us() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(ours) = std::fs::metadata("/proc/self/fd/2") else { return false };
    is_stream(&stream, ours.st_dev(), ours.st_ino())
}

fn is_stream(stream: &str, device: u64, inode: u64) -> bool {
    stream.split_once(':').is_some_and(|(d, i)| d.parse() == Ok(device) && i.parse() == Ok(inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_used_where_it_reads_us() {
        assert!(is_stream("8:42", 8, 42));
        for (stream, device, inode) in [("8:42", 8, 43), ("8:42", 9, 42), ("842", 8, 42), ("", 0, 0)] {
            assert!(!is_stream(stream, device, inode), "{stream}");
        }
        assert_eq!(settle(Form::Auto, true), Form::Journald);
        assert_eq!(settle(Form::Auto, false), Form::Text);
        assert_eq!(settle(Form::Json, true), Form::Json);
    }

    #[test]
    fn other_crates_never_log_below_warn() {
        for level in ["error", "warn", "info", "debug", "trace"] {
            let filter = EnvFilter::try_new(directives(level)).unwrap().to_string();
            assert!(filter.contains(&format!("evidock={level}")), "{filter}");
            assert!(filter.contains("warn") || level == "error", "{filter}");
        }
    }
}
