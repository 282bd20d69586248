//! One file a verb. `run` is the composition root; every other verb reads, or asks the running daemon.

/// Parses the command line, carries the verb out and gives the exit code.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(2)
}
