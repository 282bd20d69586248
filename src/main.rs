//! The `evidock` program: parse, dispatch, exit code; nothing else.

fn main() -> std::process::ExitCode {
    evidock::command::main()
}
