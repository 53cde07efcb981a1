//! The devices that packets leave the node by.

/// What the programs at TC need to know of a device; by its index in the agent's network
/// namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Uplink {
    /// Inode of the network namespace that it is in.
    pub namespace: u64,
    /// Bytes in front of the network header: 14 (Ethernet) or 0.
    pub header_bytes: u32,
    /// How the programs are attached: one of [`attached`].
    pub attached: u32,
    /// Of filters: the preference of both; else 0.
    pub priority: u32,
    /// Of filters: the handle of both; else 0.
    pub handle: u32,
}

impl Uplink {
    /// Whether two are the same filters of the same device.
    #[cfg(feature = "user")]
    pub const fn is_same_filter(&self, other: &Self) -> bool {
        self.attached == attached::FILTER
            && other.attached == attached::FILTER
            && self.namespace == other.namespace
            && self.priority == other.priority
            && self.handle == other.handle
    }
}

/// Ways to attach to a device.
pub mod attached {
    /// By links, which are pinned (tcx, kernel 6.6 and later).
    pub const LINK: u32 = 1;
    /// By filters of a `clsact` queueing discipline, which stay until they are removed.
    pub const FILTER: u32 = 2;
}

/// Bytes of an Ethernet header without tags (IEEE 802.3).
pub const ETHERNET_HEADER_BYTES: u32 = 14;

/// Uplinks that a node can have.
pub const MAX_UPLINKS: u32 = 256;

const _: () = assert!(size_of::<Uplink>() == 24);
