//! Questions that the kernel hands to the agent.

use std::time::Duration;

use aya::maps::{MapData, RingBuf};
use enforcer_common::{
    abi::{QUESTION_BYTES, map},
    dns::{HEADER_BYTES, Learning, Message, question::question},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{DatapathError, maps::Opener, pin::Instance};

/// Bytes of the fields in front of the message in a
/// [`enforcer_common::dns::stream::HandedOver`].
const FIELDS: usize = 16;

/// The ring that questions come by.
pub struct Handover(RingBuf<MapData>);

/// A question that the kernel could not answer to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedQuestion {
    /// Number of the resolver that was asked.
    pub resolver: u32,
    /// Why the kernel could not.
    pub why: Learning,
    /// The name, in lower case, without the last dot.
    pub name: String,
    /// The type asked for.
    pub record_type: u32,
}

impl Handover {
    pub(super) fn open(instance: &Instance) -> Result<Self, DatapathError> {
        Opener { instance, name: map::HANDOVER }.ring().map(Self)
    }

    /// Waits until there is a question, for this long at the most.
    pub fn wait(&self, patience: Duration) {
        wait_for(&self.0, patience);
    }

    /// The next question; `None` where there is none. What cannot be read is passed over.
    pub fn take(&mut self) -> Option<HandedQuestion> {
        loop {
            let item = self.0.next()?;
            if let Some(question) = parse(&item) {
                return Some(question);
            }
        }
    }
}

/// Waits until a ring has something, for this long at the most.
pub(super) fn wait_for(ring: &RingBuf<MapData>, patience: Duration) {
    let mut watched = [PollFd::new(ring, PollFlags::IN)];
    let timeout = Timespec::try_from(patience).unwrap_or_default();
    // A signal ends it early, which does no harm.
    let _: Result<usize, rustix::io::Errno> = poll(&mut watched, Some(&timeout));
}

fn parse(record: &[u8]) -> Option<HandedQuestion> {
    let (fields, message) = record.split_at_checked(FIELDS)?;
    let field = |number: usize| -> Option<u32> {
        fields.get(number * 4..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
    };
    let (resolver, why, bytes) = (field(0)?, field(1)?, field(2)?);
    let message = InRecord(message.get(..usize::try_from(bytes).ok()?.min(QUESTION_BYTES))?);
    let asked = question(&message)?;
    Some(HandedQuestion {
        resolver,
        why: Learning::from_number(u8::try_from(why).ok()?)?,
        name: message.name()?,
        record_type: asked.record_type,
    })
}

/// The beginning of a message.
struct InRecord<'a>(&'a [u8]);

impl InRecord<'_> {
    /// The name asked; `None` for one that no pattern can match.
    fn name(&self) -> Option<String> {
        let mut rest = self.0.get(HEADER_BYTES as usize..)?;
        let mut labels = Vec::new();
        while let Some((length, tail)) = rest.split_first().filter(|(length, _)| **length != 0) {
            let (label, tail) = tail.split_at_checked(usize::from(*length))?;
            labels.push(std::str::from_utf8(label).ok()?.to_ascii_lowercase());
            rest = tail;
        }
        Some(labels.join("."))
    }
}

impl Message for InRecord<'_> {
    fn length(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    fn byte(&self, at: u32) -> u32 {
        self.0.get(at as usize).copied().map_or(0, u32::from)
    }

    fn word(&self, at: u32) -> u64 {
        (0..8).fold(0, |word, index| word | u64::from(self.byte(at + index)) << (8 * index))
    }
}
