//! From one start to the next without a gap: each hook goes on with another program in the same
//! place, in one step of the kernel's.
//!
//! Both starts' programs share what was learned and what is under way ([`super::state`]); tables
//! that a policy is made of are each start's own. So a hook that has the new program already and
//! one that has not yet get along, as they do while a generation is flipped, and a start that dies
//! in the middle leaves every hook with one program or the other.

use std::{fs, io, net::SocketAddr, os::fd::AsFd as _, os::unix::fs::MetadataExt as _, path::Path};

use aya::programs::{
    SchedClassifier,
    tc::{SchedClassifierLink, TcHandle},
};
use enforcer_common::{
    abi::{MAX_RULES, map},
    rule_mask::RuleMask,
    uplink::{Uplink as Entry, attached},
};

use super::{
    Datapath, DatapathError,
    attach::{HOOKS, Hook, UPLINK_HOOKS},
    link,
    maps::{Opener, found, removed},
    pin::remove_if_there,
    predecessor::Predecessor,
    sys,
    uplinks::{UplinkChange, name_of, network_namespace, refused},
};
use crate::uplink::Uplink;

impl Datapath {
    /// Goes on where the predecessor is: generation and numbers. Traces of rules that no program knows are removed, so that their slots can be given
    /// away.
    pub(super) fn inherit(&mut self) -> Result<(), DatapathError> {
        let Some(old) = self.predecessor.take() else { return Ok(()) };
        // One that watches is in the generation of the start before until it judges: what that one
        // has let pass has passed here as well.
        self.applied.generation = old.generation.saturating_sub(u64::from(self.is_watching));
        self.applied.inherited = old.occupied;
        let known = old.numbers.values().copied().max().unwrap_or(0);
        self.applied.highest_number = known.max(old.document.highest_resolver_number);
        self.applied.numbers.clone_from(&old.numbers);
        let known = old.occupied;
        self.predecessor = Some(old);
        self.clear_rules(&all_but(&known))
    }

    /// Removes what rules have left that are not in force, once no program knows them.
    pub(super) fn disinherit(&mut self) -> Result<(), DatapathError> {
        if self.applied.inherited.is_empty() {
            return Ok(());
        }
        let others = all_but(&self.applied.active);
        self.clear_rules(&others)?;
        self.clear_counters(&others)?;
        self.applied.inherited = RuleMask::EMPTY;
        Ok(())
    }

    /// Takes over every hook, and attaches where there is none to take over.
    ///
    /// # Errors
    ///
    /// What the kernel refused; the predecessor's programs are then back in their places.
    pub(super) fn succeed(
        &mut self,
        old: &Predecessor,
        uplinks: &[Uplink],
        accepted: impl FnOnce() -> Vec<(SocketAddr, SocketAddr)>,
    ) -> Result<UplinkChange, DatapathError> {
        // First: whoever starts after a sudden end must know the slots of all programs at work.
        self.folder.set_current(&self.instance)?;
        let taken = self.take_all(old, uplinks, accepted);
        let taken = taken.inspect_err(|_| self.give_back(old, uplinks))?;
        let (changed, programs) = old.changed_programs(&self.instance);
        tracing::info!(
            from = %old.document.agent.version, changed, programs,
            "taken over from the start before, with all it knew"
        );
        Ok(taken)
    }

    fn take_all(
        &mut self,
        old: &Predecessor,
        uplinks: &[Uplink],
        accepted: impl FnOnce() -> Vec<(SocketAddr, SocketAddr)>,
    ) -> Result<UplinkChange, DatapathError> {
        let inspected = fs::metadata(&self.cgroup);
        let cgroup = inspected.map_err(DatapathError::pin("inspect cgroup", &self.cgroup))?.ino();
        let mut accepted = Some(accepted);
        for hook in HOOKS {
            if self.take_link(Some(old), hook, hook.name, cgroup)? {
                continue;
            }
            if hook.is_enforcing()
                && let Some(accepted) = accepted.take()
            {
                self.seed(&accepted())?;
            }
            hook.attach(&mut self.object, &self.cgroup, &self.instance)?;
        }
        self.judge_uplinks_after(Some(old), uplinks)
    }

    /// Has a link go on with this start's program, where it is attached to `target`, a cgroup's id
    /// or a device's index; `false`: there is none.
    pub(super) fn take_link(
        &mut self,
        old: Option<&Predecessor>,
        hook: Hook,
        name: &str,
        target: u64,
    ) -> Result<bool, DatapathError> {
        let mine = self.instance.link(name);
        for instance in old.into_iter().flat_map(Predecessor::instances) {
            let theirs = instance.link(name);
            let Ok(tie) = link::tie(&theirs) else { continue };
            if !tie.is_attached() || tie.target != target {
                continue;
            }
            if !old.is_some_and(|old| old.has_program(hook, tie.program)) {
                tracing::error!(hook = name, "somebody's program was there; it is replaced");
            }
            fs::hard_link(&theirs, &mine).map_err(DatapathError::pin("pin again", &mine))?;
            let program = hook.fd(&self.object)?;
            link::update(&mine, program).map_err(DatapathError::pin("take over", &mine))?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Has the filters of a device go on with this start's programs; `false`: there are none.
    pub(super) fn take_filters(
        &mut self,
        old: Option<&Predecessor>,
        uplink: &Uplink,
    ) -> Result<bool, DatapathError> {
        let Some(entry) = old.and_then(|old| filters_of(old, uplink.index)) else {
            return Ok(false);
        };
        // Written first: what is attached must be found again, come what may.
        let handle = u16::try_from(entry.handle).unwrap_or(0);
        self.write_uplink(uplink, attached::FILTER, handle)?;
        for hook in UPLINK_HOOKS {
            let program: &mut SchedClassifier = hook.program_of(&mut self.object)?;
            if !replace_filter(program, hook, uplink, &entry)? {
                let at = aya::programs::tc::NlOptions {
                    priority: u16::try_from(entry.priority).unwrap_or(0),
                    handle: TcHandle::from(entry.handle),
                    classid: None,
                };
                let options = aya::programs::tc::TcAttachOptions::Netlink(at);
                std::mem::forget(self.attach_to(hook, uplink, options)?);
            }
        }
        Ok(true)
    }

    /// Puts the predecessor's programs back; what cannot be stays with this start's programs, which
    /// enforce as well.
    fn give_back(&mut self, old: &Predecessor, uplinks: &[Uplink]) {
        for hook in HOOKS {
            log(self.give_link_back(old, hook, hook.name));
        }
        for uplink in uplinks {
            for hook in UPLINK_HOOKS {
                log(self.give_link_back(old, hook, &hook.pin_name(uplink.index)));
            }
            log(self.give_filters_back(old, uplink));
        }
        log(self.folder.set_current(&old.newest));
    }

    fn give_link_back(
        &mut self,
        old: &Predecessor,
        hook: Hook,
        name: &str,
    ) -> Result<(), DatapathError> {
        let mine = self.instance.link(name);
        if link::tie(&mine).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Ok(());
        }
        let program = open(&old.newest.program(hook.program))?;
        link::update(&mine, program.as_fd()).map_err(DatapathError::pin("give back", &mine))?;
        remove_if_there(&mine)
    }

    fn give_filters_back(
        &mut self,
        old: &Predecessor,
        uplink: &Uplink,
    ) -> Result<(), DatapathError> {
        let mine = found(self.maps.uplinks.get(&uplink.index, 0), map::UPLINKS)?;
        let theirs = filters_of(old, uplink.index);
        let (Some(mine), Some(theirs)) = (mine, theirs) else { return Ok(()) };
        if !mine.is_same_filter(&theirs) {
            return Ok(());
        }
        for hook in UPLINK_HOOKS {
            let pinned = SchedClassifier::from_pin(old.newest.program(hook.program));
            let mut program = pinned.map_err(refused(hook, uplink))?;
            replace_filter(&mut program, hook, uplink, &theirs)?;
        }
        removed(self.maps.uplinks.remove(&uplink.index), map::UPLINKS)
    }
}

/// The filters that a predecessor has at a device of this network namespace.
fn filters_of(old: &Predecessor, index: u32) -> Option<Entry> {
    name_of(index)?;
    old.instances().find_map(|instance| {
        let uplinks = Opener { instance, name: map::UPLINKS }.hash::<u32, Entry>().ok()?;
        let entry = uplinks.get(&index, 0).ok()?;
        let is_here = entry.namespace == network_namespace();
        (is_here && entry.attached == attached::FILTER).then_some(entry)
    })
}

/// Has a filter go on with another program; `false`: it is not there.
fn replace_filter(
    program: &mut SchedClassifier,
    hook: Hook,
    uplink: &Uplink,
    entry: &Entry,
) -> Result<bool, DatapathError> {
    let priority = u16::try_from(entry.priority).unwrap_or(0);
    let handle = TcHandle::from(entry.handle);
    let direction = hook.tc_attach_type();
    let filter = SchedClassifierLink::attached(&uplink.name, direction, priority, handle, None);
    let Ok(filter) = filter else { return Ok(false) };
    match program.attach_to_link(filter).and_then(|id| program.take_link(id)) {
        Ok(link) => {
            // Dropped, it would take the filter away.
            std::mem::forget(link);
            Ok(true)
        }
        Err(error) if super::uplinks::is_missing(&error) => Ok(false),
        Err(error) => Err(refused(hook, uplink)(error)),
    }
}

fn open(pin: &Path) -> Result<std::os::fd::OwnedFd, DatapathError> {
    sys::open(pin).map_err(DatapathError::pin("open", pin))
}

fn all_but(mask: &RuleMask) -> RuleMask {
    (0..u16::try_from(MAX_RULES).unwrap_or(u16::MAX)).filter(|slot| !mask.contains(*slot)).collect()
}

/// One failure must not keep the rest from being given back.
fn log(result: Result<(), DatapathError>) {
    if let Err(error) = result {
        tracing::error!(%error, "give a hook back to the start before");
    }
}
