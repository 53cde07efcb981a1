//! The world of `cargo xtask demo`, and the carrier of the rig's hidden verbs.

use enforcer_tests::reexec;

fn main() -> anyhow::Result<()> {
    reexec::run_if_asked().map(drop)
}
