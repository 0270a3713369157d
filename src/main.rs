//! See the library for the codemap; this turns arguments into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    keyfob::run(std::env::args_os())
}
