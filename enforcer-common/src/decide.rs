//! The decision: one function for the kernel, `explain` and the tests.
//!
//! Precedence, first that applies:
//!
//! 1. no policy in force yet: deny, [`Reason::NotReady`];
//! 2. an implicit rule ([`implicit`]): allow;
//! 3. a later fragment: as its first one, else deny, [`Reason::OrphanFragment`];
//! 4. a reply on a connection that was opened to this node: allow;
//! 5. the lowest slot in `(ADDRS | HOSTS | CIDRS) & PORTS & WORKLOADS & active`: its action;
//! 6. the rule that admitted the flow, where its address has expired since: allow;
//! 7. nothing accepted the packet: deny, [`Reason::NoRule`].
//!
//! Implicit rules come before the policy, so that no deny rule locks a node out of its own
//! loopback, its neighbours or its resolver. Audit mode is not known here: the verdict is the
//! same, only what a hook does with it differs.

mod implicit;

use crate::{
    abi::MAX_RULES,
    address::Address,
    fragment::{FragmentEntry, FragmentKey},
    learned::AddressEntry,
    packet::{Packet, Piece},
    rule_mask::RuleMask,
    settings::{Settings, flag},
    verdict::{Implicit, Reason, Verdict},
};

/// Where a packet's fields are looked up: maps in the kernel, collections in user space.
pub trait Tables {
    /// The generation in force; `None` before the first.
    fn settings(&self) -> Option<&Settings>;

    /// The names' entries for an address, expired or not: what was learned for all network
    /// namespaces, and for the sender's.
    fn learned(&self, address: &Address) -> [Option<&AddressEntry>; 2];

    /// The rules that name a single address.
    fn host(&self, address: &Address) -> Option<&RuleMask>;

    /// The rules of the longest prefix around an address, shorter ones folded in.
    fn prefix(&self, address: &Address) -> Option<&RuleMask>;

    /// The rules for a protocol and port, in the bank of `settings`.
    fn ports(&self, settings: &Settings, protocol: u8, port: u16) -> Option<&RuleMask>;

    /// Adds the rules for the cgroups that the sender is in.
    fn add_workload_rules(&self, rules: &mut RuleMask);

    /// Whether a server is a trusted resolver.
    fn is_resolver(&self, address: &Address, port: u16) -> bool;

    /// Whether the packet's socket asked a trusted resolver and nobody else: its destination is
    /// then what translation made of that.
    fn has_asked_resolver(&self) -> bool;

    /// Whether the packet is a reply on a connection that was opened to this node.
    fn is_reply(&self) -> bool;

    /// The slot that admitted the packet's flow, if it still has the same rule.
    fn flow_rule(&self) -> Option<u16>;

    /// The entry of a datagram whose first fragment passed.
    fn fragment(&self, key: &FragmentKey) -> Option<&FragmentEntry>;

    /// Zero. The kernel's verifier cannot know that it is: values that it is part of are one to
    /// the verifier, whatever path they came by.
    #[inline(always)]
    fn nothing(&self) -> u32 {
        0
    }
}

/// What accepted a packet: a rule's slot, or an implicit rule, in one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match(u32);

impl Match {
    const IMPLICIT: u32 = 1 << 16;
    const NONE: u32 = 1 << 17;

    /// Nothing accepted the packet.
    pub const NOTHING: Self = Self(Self::NONE);

    /// A rule.
    #[inline(always)]
    pub const fn rule(slot: u16) -> Self {
        Self(slot as u32)
    }

    /// An implicit rule.
    #[inline(always)]
    pub const fn implicit(implicit: Implicit) -> Self {
        Self(Self::IMPLICIT | implicit.number() as u32)
    }

    /// From its number in a [`FragmentEntry`].
    #[inline(always)]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Its number.
    #[inline(always)]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The rule's slot.
    #[inline(always)]
    pub const fn slot(self) -> Option<u16> {
        if self.0 < Self::IMPLICIT { Some(self.0 as u16) } else { None }
    }

    /// The number of the implicit rule.
    #[inline(always)]
    pub const fn implicit_number(self) -> Option<u8> {
        if self.0 & Self::IMPLICIT != 0 { Some(self.0 as u8) } else { None }
    }
}

/// The verdict on one packet, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What happens to it.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// What accepted it.
    pub by: Match,
}

impl Decision {
    /// A drop that no rule asked for.
    #[inline(always)]
    pub const fn drop(reason: Reason) -> Self {
        Self { verdict: Verdict::Deny, reason, by: Match::NOTHING }
    }

    /// A pass that no policy needs to name.
    #[inline(always)]
    pub const fn implicit(implicit: Implicit) -> Self {
        Self { verdict: Verdict::Allow, reason: Reason::Implicit, by: Match::implicit(implicit) }
    }

    /// What has passed already.
    #[inline(always)]
    pub const fn passed(by: Match) -> Self {
        let reason = if by.slot().is_some() { Reason::Rule } else { Reason::Implicit };
        Self { verdict: Verdict::Allow, reason, by }
    }

    #[inline(always)]
    fn rule(settings: &Settings, slot: u16) -> Self {
        let verdict = if settings.deny.contains(slot) { Verdict::Deny } else { Verdict::Allow };
        Self { verdict, reason: Reason::Rule, by: Match::rule(slot) }
    }
}

/// Judges a packet.
///
/// `is_loopback` says that it leaves by the loopback device; `now_ns` is boot time.
#[inline(always)]
pub fn decide(tables: &impl Tables, packet: &Packet, is_loopback: bool, now_ns: u64) -> Decision {
    let Some(settings) = tables.settings() else { return Decision::drop(Reason::NotReady) };
    if is_loopback {
        return Decision::implicit(Implicit::Loopback);
    }
    if packet.piece == Piece::LATER {
        return later_fragment(tables, settings, packet, now_ns);
    }
    if tables.is_reply() {
        return Decision::implicit(Implicit::Reply);
    }
    if let Some(implicit) = implicit::accepts(tables, settings, packet) {
        return Decision::implicit(implicit);
    }
    let mut sources = settings.everyone;
    if settings.has(flag::WORKLOADS) {
        tables.add_workload_rules(&mut sources);
    }
    let target = Target {
        destination: &packet.destination,
        protocol: packet.protocol,
        port: packet.destination_port,
    };
    match first_rule(tables, settings, &target, &sources, now_ns) {
        Some(slot) => Decision::rule(settings, slot),
        None => match tables.flow_rule() {
            Some(slot)
                if settings.active.contains(slot)
                    && sources.contains(slot)
                    && !settings.deny.contains(slot) =>
            {
                Decision::rule(settings, slot)
            }
            _ => Decision::drop(Reason::NoRule),
        },
    }
}

/// The decision of egress on a `connect` to this destination where it is certain to be a refusal,
/// provided that the destination is not translated on the way: no workload's rule could allow it.
#[inline(always)]
pub fn would_refuse(
    tables: &impl Tables,
    destination: &Address,
    protocol: u8,
    port: u16,
    now_ns: u64,
) -> Option<Decision> {
    let settings = tables.settings()?;
    if implicit::is_dns(tables, settings, destination, protocol, port) {
        return None;
    }
    let target = Target { destination, protocol, port };
    match first_rule(tables, settings, &target, &settings.active, now_ns) {
        Some(slot) if settings.deny.contains(slot) && settings.everyone.contains(slot) => {
            Some(Decision::rule(settings, slot))
        }
        Some(_) => None,
        None => Some(Decision::drop(Reason::NoRule)),
    }
}

struct Target<'a> {
    destination: &'a Address,
    protocol: u8,
    port: u16,
}

/// The lowest slot that accepts the destination, the port and the sender.
#[inline(always)]
fn first_rule(
    tables: &impl Tables,
    settings: &Settings,
    target: &Target<'_>,
    sources: &RuleMask,
    now_ns: u64,
) -> Option<u16> {
    let port = match target.protocol {
        crate::packet::protocol::TCP
        | crate::packet::protocol::UDP
        | crate::packet::protocol::SCTP => target.port,
        _ => 0,
    };
    let ports = tables.ports(settings, target.protocol, port)?;
    let nothing = tables.nothing();
    let mut accepting = RuleMask::filled(u64::from(nothing));
    // One table after the other, so that the paths through each meet before the next.
    if settings.has(flag::HOSTS)
        && let Some(mask) = tables.host(target.destination)
    {
        accepting.unite(mask);
    }
    if settings.has(flag::CIDRS)
        && let Some(mask) = tables.prefix(target.destination)
    {
        accepting.unite(mask);
    }
    let open = |index| ports.word(index) & sources.word(index) & settings.active.word(index);
    let mut slot = lowest(|index| accepting.word(index) & open(index)) ^ nothing;
    // What was learned is the largest table, and matters only where a rule that names a domain
    // comes before what is found already.
    let named = lowest(|index| settings.named.word(index) & open(index)) ^ nothing;
    if named < slot {
        for learned in tables.learned(target.destination) {
            if let Some(entry) = learned
                && entry.is_live(now_ns, settings.grace_ns)
            {
                accepting.unite(&entry.rules);
            }
        }
        slot = lowest(|index| accepting.word(index) & open(index)) ^ nothing;
    }
    if slot == NO_SLOT { None } else { Some(slot as u16 & (MAX_RULES - 1) as u16) }
}

/// The lowest slot of a mask that is given word by word; [`NO_SLOT`] of an empty one.
#[inline(always)]
fn lowest(word: impl Fn(usize) -> u64) -> u32 {
    for index in 0..RuleMask::WORDS {
        let word = word(index);
        if word != 0 {
            return (index as u32) << 6 | word.trailing_zeros();
        }
    }
    NO_SLOT
}

/// No rule's slot.
const NO_SLOT: u32 = u32::MAX;

#[inline(always)]
fn later_fragment(
    tables: &impl Tables,
    settings: &Settings,
    packet: &Packet,
    now_ns: u64,
) -> Decision {
    match tables.fragment(&packet.fragment_key()) {
        Some(entry) if entry.generation == settings.generation && entry.expires_ns > now_ns => {
            Decision::passed(Match::from_bits(entry.by))
        }
        _ => Decision::drop(Reason::OrphanFragment),
    }
}
