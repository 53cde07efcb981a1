//! What a hook on the way out knows of a packet.
//!
//! The hook takes one step after the other, each a function of its own, and what a step finds out
//! is kept here, in the frame of the hook. So the stack of one step takes the place of the stack of
//! the last: all of 512 bytes is shared by a whole chain of calls, and the verifier of 6.1 counts
//! each frame in units of 32. And for the verifier there is one state behind each step, whatever
//! the paths through it.

use enforcer_common::{
    address::Address,
    decide::Decision,
    packet::{Packet, Piece},
    verdict::Reason,
};

use crate::packet::nothing;

/// The packet, whose sender is part of it, and what is decided.
pub(crate) struct Seen {
    pub(crate) packet: Packet,
    pub(crate) now_ns: u64,
    /// The sender's network namespace; 0: the initial one, or not known.
    pub(crate) namespace: u64,
    /// Number of the trusted resolver that it is for; 0: none.
    pub(crate) resolver: u32,
    /// 1 where it leaves by the loopback device.
    pub(crate) is_loopback: u32,
    /// What is known of its flow: one of [`crate::flow::way`]; 0: nothing.
    pub(crate) way: u32,
    /// The slot, plus one, that has admitted its flow; 0: none.
    pub(crate) flow_by: u32,
    /// 1 where nobody knows who sends it: it has no socket.
    pub(crate) is_anyones: u32,
    /// 1 where the socket hook has counted it, or will have been the one to.
    pub(crate) is_counted: u32,
    pub(crate) decision: Decision,
}

impl Seen {
    /// A packet of which nothing is known yet. Of plain zeros the compiler would make a call that
    /// writes byte by byte.
    #[inline(always)]
    pub(crate) const fn new(now_ns: u64) -> Self {
        let nothing = nothing(now_ns);
        let nowhere = Address::from_words([nothing; 4]);
        let packet = Packet {
            source: nowhere,
            destination: nowhere,
            id: nothing,
            length: nothing,
            transport: nothing,
            source_port: nothing as u16,
            destination_port: nothing as u16,
            protocol: nothing as u8,
            hop_limit: nothing as u8,
            is_v6: nothing != 0,
            piece: Piece::WHOLE,
        };
        let decision = Decision::drop(Reason::NotReady);
        Self {
            packet,
            now_ns,
            namespace: nothing as u64,
            resolver: nothing,
            is_loopback: nothing,
            way: nothing,
            flow_by: nothing,
            is_anyones: nothing,
            is_counted: nothing,
            decision,
        }
    }

    /// The same. The compiler does not know that: it would pass the fields that a step reads by
    /// value, and they are more than a call takes.
    #[inline(always)]
    pub(crate) fn as_it_is(&self) -> &Self {
        core::hint::black_box(self)
    }
}
