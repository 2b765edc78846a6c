//! The program: reads the command line, runs it, prints why it failed.

use std::process::ExitCode;

use evenkeel::cli::Cli;
use evenkeel::telemetry::Chain;

fn main() -> ExitCode {
    match Cli::read().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("evenkeel: {}", Chain(&error));
            ExitCode::FAILURE
        }
    }
}
