//! The binary: arguments in, an exit code out.

use clap::Parser as _;
use enforcer::cli::{Cli, Exit, output};

fn main() -> Exit {
    let cli = Cli::parse();
    match cli.run() {
        Ok(exit) => exit,
        Err(error) => {
            output::complain(&format!("error: {error:#}\n"));
            Exit::Error
        }
    }
}
