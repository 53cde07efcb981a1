//! What a policy means by a workload: `from` of a rule.
//!
//! A [`WorkloadSelector`] is what a rule says, a [`Place`] what the path of a cgroup tells: this is
//! a unit of the service manager, a pod, a container. A selector stands for the cgroup that it
//! finds and everything below.
//!
//! The surprising thing: a name counts only where the machine's own managers have put it. Whoever
//! has a cgroup delegated (a container, a user's service manager) can make a cgroup of any name
//! below it, the name of another pod included; so nothing below a unit or a container is a
//! workload of its own, and only a path, which begins at the root, reaches there.
//!
//! This module knows no kernel, no clock and no IO.

mod place;
mod selector;

pub use self::{
    place::Place,
    selector::{Selected, SelectorError, WorkloadSelector},
};

#[cfg(test)]
mod tests;
