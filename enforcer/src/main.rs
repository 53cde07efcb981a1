//! The binary: arguments in, an exit code out.

use clap::Parser as _;
use enforcer::cli::{Cli, Exit, output};

fn main() -> Exit {
    let cli = Cli::parse();
    match cli.run() {
        Ok(exit) => exit,
        Err(error) => {
            output::complain(&format!("error: {error:#}{}\n", hint(&error)));
            Exit::Error
        }
    }
}

/// What would help where the kernel has refused for want of privilege.
fn hint(error: &anyhow::Error) -> &'static str {
    let is_denied = error.chain().any(|cause| {
        let cause = cause.downcast_ref::<std::io::Error>();
        cause.is_some_and(|it| it.kind() == std::io::ErrorKind::PermissionDenied)
    });
    if is_denied && !rustix::process::geteuid().is_root() { "; run this as root" } else { "" }
}
