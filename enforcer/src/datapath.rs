//! The kernel programs and maps, seen from user space.
//!
//! The only module that imports aya. It knows compiled tables and bytes, never a policy, a
//! resolver or a clock; whoever calls it says what time it is.
//!
//! All state is pinned below one folder of a bpffs, one sub-folder for each start of an agent
//! ([`pin`]), so that readers work and packets are judged with the agent dead. A start fills new
//! maps, attaches new programs beside the old ones and only then removes the old: while both are
//! attached a packet must be allowed by both, so no moment is more open than either.
//!
//! The surprising thing: there is no "turn off" but [`unload`]. Dropping a [`Datapath`] leaves
//! everything in force.

pub mod attach;
mod beside;
mod bulk;
mod claim;
pub mod document;
mod guard;
pub mod handover;
pub mod layout;
pub mod learned;
mod link;
mod load;
mod maps;
pub mod memory;
mod names;
pub mod pin;
mod predecessor;
mod prefixes;
pub mod preflight;
mod probe;
pub mod quota;
mod raw;
mod read;
pub mod reading;
pub mod refused;
mod seed;
mod state;
mod succession;
mod sync;
mod sys;
mod transition;
mod unload;
mod uplinks;

use std::{io, path::PathBuf};

pub use self::{
    beside::WATCH,
    claim::Claim,
    document::Document,
    load::{Datapath, LoadOptions},
    maps::Learned,
    preflight::BootTime,
    probe::{Probed, probe},
    read::{pid_namespace, read},
    reading::Reading,
    unload::{Removed, unload},
    uplinks::{TcMode, UplinkChange},
};

/// What can go wrong between user space and the kernel; each says what was attempted.
#[derive(Debug, thiserror::Error)]
pub enum DatapathError {
    /// The machine lacks something.
    #[error(transparent)]
    Preflight(#[from] preflight::PreflightError),
    /// A file of the bpffs.
    #[error("{attempt} {}", path.display())]
    Pin {
        /// What was attempted.
        attempt: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A pin that aya could not make.
    #[error("pin {what}")]
    PinObject {
        /// Which object.
        what: String,
        /// Why.
        #[source]
        source: aya::pin::PinError,
    },
    /// Traces of an earlier policy could not be removed.
    #[error(
        "an earlier policy could not be removed from the maps: restart the agent to apply another"
    )]
    Unsettled,
    /// The kernel had no random numbers.
    #[error("get random numbers for the kernel programs")]
    Random(#[source] io::Error),
    /// The object file did not load.
    #[error("load the kernel programs into kernel {kernel}")]
    Load {
        /// Release of the running kernel.
        kernel: String,
        /// Why.
        #[source]
        source: Box<aya::EbpfError>,
    },
    /// A program the verifier or the kernel refused.
    #[error("load program {program} into kernel {kernel}")]
    Program {
        /// Which program.
        program: &'static str,
        /// Release of the running kernel.
        kernel: String,
        /// Why, with the verifier's log.
        #[source]
        source: Box<aya::programs::ProgramError>,
    },
    /// A hook that could not be attached.
    #[error("attach {program} to cgroup {}", cgroup.display())]
    Attach {
        /// Which program.
        program: &'static str,
        /// To what.
        cgroup: PathBuf,
        /// Why.
        #[source]
        source: Box<aya::programs::ProgramError>,
    },
    /// A hook that could not be attached to a device.
    #[error("attach {program} to device {device}")]
    AttachDevice {
        /// Which program.
        program: &'static str,
        /// To what.
        device: String,
        /// Why.
        #[source]
        source: Box<aya::programs::ProgramError>,
    },
    /// Filters of devices that this process does not see.
    #[error(
        "the agent judged devices of another network namespace: run this there, as the agent was \
         (on Kubernetes: with hostNetwork)"
    )]
    OtherNamespace,
    /// Pins of a version that this one cannot read.
    #[error(
        "the pins in {} are of another version of enforcer, whose maps are laid out otherwise: \
         ask with that version",
        path.display()
    )]
    OtherVersion {
        /// The folder of that start.
        path: PathBuf,
    },
    /// A program that the agent runs.
    #[error("run program {program}")]
    Run {
        /// Which program.
        program: &'static str,
        /// Why.
        #[source]
        source: Box<aya::programs::ProgramError>,
    },
    /// A map that could not be opened, read or written.
    #[error("{attempt} map {map}")]
    Map {
        /// What was attempted.
        attempt: &'static str,
        /// Which map.
        map: &'static str,
        /// Why.
        #[source]
        source: Box<aya::maps::MapError>,
    },
    /// The program object lacks something this agent needs.
    #[error("the program object has no {what}")]
    Missing {
        /// What it lacks.
        what: &'static str,
    },
    /// Another agent is at work on the same folder.
    #[error(
        "another agent ({}) enforces from {}: stop it first, or choose another --bpffs",
        pid.map_or_else(|| "of another pid namespace".to_owned(), |pid| format!("pid {pid}")),
        folder.display()
    )]
    Busy {
        /// Its process id, where this process can tell.
        pid: Option<u32>,
        /// The folder.
        folder: PathBuf,
    },
    /// Something among the pins that no agent has made.
    #[error(
        "{} is not what an agent has pinned: {why}. What is enforced goes on; `enforcer unload` \
         ends it, and a start then begins anew",
        path.display()
    )]
    Foreign {
        /// The pin.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Pins of a version that this one cannot take over from.
    #[error(
        "the pins in {} have another layout than this version's ({}), and do not say how to read \
         it. What is enforced goes on; run the version that made them, or `enforcer unload` first",
        path.display(),
        enforcer_common::abi::ABI_VERSION
    )]
    OtherLayout {
        /// The folder of that start.
        path: PathBuf,
    },
    /// The agent's document is damaged.
    #[error("read the agent's document from map DOCUMENT")]
    Document {
        /// Why.
        #[source]
        source: document::DocumentError,
    },
}

impl DatapathError {
    /// Whether a pin is not there, or what it says was not written yet.
    pub(crate) fn is_of_missing_pin(&self) -> bool {
        if let Self::Pin { source, .. } = self {
            return source.kind() == io::ErrorKind::NotFound;
        }
        matches!(self, Self::Document { .. })
    }

    pub(crate) fn map(
        attempt: &'static str,
        map: &'static str,
    ) -> impl FnOnce(aya::maps::MapError) -> Self {
        move |source| Self::Map { attempt, map, source: Box::new(source) }
    }

    pub(crate) fn pin(
        attempt: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Pin { attempt, path, source }
    }
}
