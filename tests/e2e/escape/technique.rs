//! One way out: what it is called, where it leads, how it is gone.

use std::net::IpAddr;

use super::ground::{ALLOWED_V4, ALLOWED_V6, Ground};

/// Sends to an address.
pub(super) type Way<'g> = Box<dyn Fn(IpAddr) -> anyhow::Result<()> + 'g>;

/// Where a technique leads: an address that no rule names, of which each technique has its own,
/// and the one that a rule names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Targets {
    pub(super) forbidden: IpAddr,
    pub(super) allowed: IpAddr,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Technique {
    pub(super) name: &'static str,
    pub(super) goal: Goal,
    pub(super) act: Act,
    /// Whether the same is tried to the allowed address, where it has to arrive.
    pub(super) has_twin: bool,
    /// What a kernel may lack for it; where it lacks something else, the technique is broken.
    pub(super) needs: Option<&'static str>,
}

/// What arrives where a technique succeeds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goal {
    /// Packets of IPv4 to the forbidden address.
    V4,
    /// Packets of IPv6 to the forbidden address.
    V6,
    /// Packets to this address, which is of many.
    Many(&'static str),
    /// Packets of IPv4 to this port of the allowed address, from where they go on.
    DetourV4(u16),
    /// As above, of IPv6.
    DetourV6(u16),
    /// Frames without a packet of IP, of one of these types and with so many bytes behind it.
    Frame(&'static [u16], usize),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// By what is made at that moment.
    Now(fn(&Ground<'_>, IpAddr) -> anyhow::Result<()>),
    /// By what was there before the enforcer.
    Prepared(for<'g> fn(&'g Ground<'_>, Targets) -> anyhow::Result<Way<'g>>),
}

impl Technique {
    pub(super) const fn now(
        name: &'static str,
        goal: Goal,
        act: fn(&Ground<'_>, IpAddr) -> anyhow::Result<()>,
    ) -> Self {
        Self { name, goal, act: Act::Now(act), has_twin: true, needs: None }
    }

    pub(super) const fn prepared(
        name: &'static str,
        goal: Goal,
        act: for<'g> fn(&'g Ground<'_>, Targets) -> anyhow::Result<Way<'g>>,
    ) -> Self {
        Self { name, goal, act: Act::Prepared(act), has_twin: true, needs: None }
    }

    /// One that is dropped to whatever address, or that has one address only.
    pub(super) const fn alone(self) -> Self {
        Self { has_twin: false, ..self }
    }

    /// One that some kernels have not got.
    pub(super) const fn needing(self, what: &'static str) -> Self {
        Self { needs: Some(what), ..self }
    }

    /// Gets ready what has to be there before the enforcer.
    pub(super) fn prepare<'g>(
        &self,
        ground: &'g Ground<'_>,
        targets: Targets,
    ) -> anyhow::Result<Way<'g>> {
        match self.act {
            Act::Now(act) => Ok(Box::new(move |to| act(ground, to))),
            Act::Prepared(prepare) => prepare(ground, targets),
        }
    }

    /// Its targets as the technique of this number.
    pub(super) fn targets(&self, number: usize) -> Targets {
        let last = u8::try_from(number + 1).unwrap();
        match self.goal {
            Goal::V6 | Goal::DetourV6(_) => Targets {
                forbidden: [0x2001, 0xdb8, 0x66, 0, 0, 0, 0, u16::from(last)].into(),
                allowed: ALLOWED_V6.into(),
            },
            Goal::V4 | Goal::Many(_) | Goal::DetourV4(_) | Goal::Frame(..) => {
                Targets { forbidden: [198, 51, 100, last].into(), allowed: ALLOWED_V4.into() }
            }
        }
    }
}
