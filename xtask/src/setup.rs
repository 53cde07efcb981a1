//! `cargo xtask setup`: what the machine lacks, by whichever way the machine allows.
//!
//! What is there is found by trying it, so an interrupted run is repaired by the next. It knows no
//! test and no build. The surprising thing: when nothing is missing it says nothing at all.

mod apt;
pub(crate) mod compiler;
mod installed;
mod linker;
mod node;
mod packages;
mod python;
pub(crate) mod tools;

use anyhow::Result;

/// Brings everything that building and testing need.
pub(crate) fn run() -> Result<()> {
    for_build()?;
    tools::ensure(&tools::TESTS, "the tests call")
}

/// Brings what building needs, which is little enough to do without root where rustup serves.
pub(crate) fn for_build() -> Result<()> {
    let toolchain = compiler::ensure()?;
    linker::ensure(&toolchain)
}

/// Brings what the bench compares with.
pub(crate) fn for_bench() -> Result<()> {
    tools::ensure(&tools::BENCH, "the bench compares with")
}

/// Brings what the tests of manifests, charts, rules and packages call.
pub(crate) fn for_deploy() -> Result<()> {
    tools::ensure(&tools::DEPLOY, "check what is shipped")?;
    python::ensure()?;
    node::ensure()
}

/// Brings what makes what is shipped.
pub(crate) fn for_dist() -> Result<()> {
    for_build()?;
    tools::ensure(&tools::DIST, "make what is shipped")?;
    installed::ensure()
}

/// Brings what running the tests on other kernels needs, the kernels themselves apart.
pub(crate) fn for_machines() -> Result<()> {
    run()?;
    tools::ensure(&tools::MACHINES, "run virtual machines")
}
