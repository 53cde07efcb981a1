//! What keeps a local process from teaching the node an address by itself, each measure a bit.
//!
//! All are in force unless the loader says otherwise, which the agent never does. A test that shows
//! an attack refused shows as well that it succeeds without the measure: else it would not show
//! that the measure is what refuses it.

/// The loader's word, in the object's read-only data: the bits of the measures that are left out.
pub const WITHOUT: &str = "WITHOUT";

/// What a namespace learns counts in that namespace alone.
pub const NAMESPACE: u32 = 1;
/// An answer has to come by the loopback device exactly if the question left by it.
pub const PATH: u32 = 1 << 1;
/// What was asked is believed over the packet only while the socket has asked for nothing else.
pub const ONLY_DESTINATION: u32 = 1 << 2;
/// A TCP segment is a message only where the stream says that one begins.
pub const STREAM: u32 = 1 << 3;
/// A datagram that could have been put together from fragments is left to the agent.
pub const FRAGMENTS: u32 = 1 << 4;
/// No raw socket sends in the name of a trusted resolver.
pub const FORGERY: u32 = 1 << 5;
