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
    /// 1 where it goes back to whoever opened the flow.
    pub(crate) is_reply: u32,
    /// The slot, plus one, that has admitted its flow; 0: none.
    pub(crate) flow_by: u32,
    /// 1 where nobody knows who sends it: it has no socket.
    pub(crate) is_anyones: u32,
    /// 1 where the socket hook has counted it, or will have been the one to.
    pub(crate) is_counted: u32,
    pub(crate) decision: Decision,
}

impl Seen {
    /// A packet of which nothing is known yet.
    #[inline(always)]
    pub(crate) const fn new(now_ns: u64) -> Self {
        let nowhere = Address::from_words([0; 4]);
        let packet = Packet {
            source: nowhere,
            destination: nowhere,
            id: 0,
            length: 0,
            transport: 0,
            source_port: 0,
            destination_port: 0,
            protocol: 0,
            hop_limit: 0,
            is_v6: false,
            piece: Piece::WHOLE,
        };
        let decision = Decision::drop(Reason::NotReady);
        Self {
            packet,
            now_ns,
            namespace: 0,
            resolver: 0,
            is_loopback: 0,
            is_reply: 0,
            flow_by: 0,
            is_anyones: 0,
            is_counted: 0,
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
