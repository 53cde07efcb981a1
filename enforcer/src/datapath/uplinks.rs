//! Hooks on devices: attached as devices come, removed as they go.
//!
//! Where the kernel has links for them (tcx, 6.6), they are pinned like those of the cgroup. Below,
//! they are filters of a `clsact` queueing discipline, which no pin holds and which stay until they
//! are removed: the map `UPLINKS` says which, so that they can be found with the agent dead.

use std::{collections::BTreeMap, fs, io, ops::Range, os::unix::fs::MetadataExt as _};

use aya::{
    maps::{HashMap, MapData},
    programs::{
        LinkOrder, ProgramError, SchedClassifier, TcAttachType,
        links::FdLink,
        tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions, TcError, TcHandle},
    },
};
use enforcer_common::{
    abi::map,
    uplink::{ETHERNET_HEADER_BYTES, Uplink as Entry, attached},
};
use nix::net::if_::if_indextoname;

use super::{
    Datapath, DatapathError,
    attach::{Hook, UPLINK_HOOKS},
    document::UplinkInfo,
    link,
    maps::removed,
    pin::{Instance, remove_if_there},
    predecessor::Predecessor,
    preflight,
    reading::HookState,
};
use crate::uplink::{Filter, Uplink};

/// The preference of our filters: before those that let the kernel choose.
pub(super) const PRIORITY: u16 = 1;
/// Handles that are tried: another start's filters may have the first ones.
const HANDLES: Range<u16> = 0x0e41..0x0e51;

/// How programs are attached to devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TcMode {
    /// By links, which last as long as their pins (kernel 6.6 and later)
    Tcx,
    /// By filters of a clsact queueing discipline
    Clsact,
}

impl TcMode {
    /// What this kernel has.
    pub fn of_kernel() -> Self {
        if preflight::has_kernel((6, 6)) { Self::Tcx } else { Self::Clsact }
    }
}

/// What became of the devices.
#[derive(Debug, Default)]
pub struct UplinkChange {
    /// Judged from now on.
    pub added: Vec<String>,
    /// Gone, or no uplinks any more.
    pub removed: Vec<String>,
    /// Not judged, and why.
    pub failed: Vec<(String, DatapathError)>,
}

impl Datapath {
    /// Judges these devices and no others.
    ///
    /// # Errors
    ///
    /// A map that could not be written; a device that could not be attached to is among
    /// [`UplinkChange::failed`].
    pub fn judge_uplinks(&mut self, wanted: &[Uplink]) -> Result<UplinkChange, DatapathError> {
        self.judge_uplinks_after(None, wanted)
    }

    /// As [`Self::judge_uplinks`]; the hooks of a predecessor are taken over.
    pub(super) fn judge_uplinks_after(
        &mut self,
        old: Option<&Predecessor>,
        wanted: &[Uplink],
    ) -> Result<UplinkChange, DatapathError> {
        let mut change = UplinkChange::default();
        let gone: Vec<u32> = self
            .uplinks
            .keys()
            .filter(|index| !wanted.iter().any(|it| it.index == **index))
            .copied()
            .collect();
        for index in gone {
            if let Some(name) = self.uplinks.remove(&index) {
                self.leave(index)?;
                change.removed.push(name);
            }
        }
        for uplink in wanted {
            if self.uplinks.contains_key(&uplink.index) {
                continue;
            }
            match self.join(old, uplink) {
                Ok(()) => {
                    self.uplinks.insert(uplink.index, uplink.name.clone());
                    change.added.push(uplink.name.clone());
                }
                // What was taken over is given back as a whole.
                Err(error) if old.is_some() => return Err(error),
                Err(error) => {
                    self.leave(uplink.index)?;
                    change.failed.push((uplink.name.clone(), error));
                }
            }
        }
        Ok(change)
    }

    /// Attaches ingress first: no reply is refused because its flow was not seen to begin.
    fn join(&mut self, old: Option<&Predecessor>, uplink: &Uplink) -> Result<(), DatapathError> {
        match self.tc_mode {
            TcMode::Tcx => {
                self.write_uplink(uplink, attached::LINK, 0)?;
                for hook in UPLINK_HOOKS {
                    let name = hook.pin_name(uplink.index);
                    if self.take_link(old, hook, &name, u64::from(uplink.index))? {
                        continue;
                    }
                    let options = TcAttachOptions::TcxOrder(LinkOrder::first());
                    let link = self.attach_to(hook, uplink, options)?;
                    let link: FdLink = link
                        .try_into()
                        .map_err(|_not_a_link| DatapathError::Missing { what: "link support" })?;
                    link.pin(self.instance.link(&name)).map_err(|source| {
                        DatapathError::PinObject {
                            what: format!("link {} of {}", hook.name, uplink.name),
                            source,
                        }
                    })?;
                }
                Ok(())
            }
            TcMode::Clsact => {
                if self.take_filters(old, uplink)? {
                    return Ok(());
                }
                if let Err(error) = tc::qdisc_add_clsact(&uplink.name)
                    && !is_there_already(&error)
                {
                    return Err(refused(UPLINK_HOOKS[0], uplink)(error.into()));
                }
                let mut last = None;
                for handle in HANDLES {
                    // Written first: what is attached must be found again, come what may.
                    self.write_uplink(uplink, attached::FILTER, handle)?;
                    match self.attach_filters(uplink, handle) {
                        Ok(()) => return Ok(()),
                        Err(error) => last = Some(error),
                    }
                }
                Err(last.unwrap_or(DatapathError::Missing { what: "free handle" }))
            }
        }
    }

    fn attach_filters(&mut self, uplink: &Uplink, handle: u16) -> Result<(), DatapathError> {
        let mut links = Vec::new();
        for hook in UPLINK_HOOKS {
            let options = TcAttachOptions::Netlink(NlOptions {
                priority: PRIORITY,
                handle: TcHandle::new(0, handle),
                classid: None,
            });
            // A link that is dropped takes its filter away.
            links.push(self.attach_to(hook, uplink, options)?);
        }
        links.into_iter().for_each(std::mem::forget);
        Ok(())
    }

    pub(super) fn attach_to(
        &mut self,
        hook: Hook,
        uplink: &Uplink,
        options: TcAttachOptions,
    ) -> Result<SchedClassifierLink, DatapathError> {
        let program: &mut SchedClassifier = hook.program_of(&mut self.object)?;
        program
            .attach_with_options(&uplink.name, hook.tc_attach_type(), options)
            .and_then(|id| program.take_link(id))
            .map_err(refused(hook, uplink))
    }

    pub(super) fn write_uplink(
        &mut self,
        uplink: &Uplink,
        attached: u32,
        handle: u16,
    ) -> Result<(), DatapathError> {
        let entry = Entry {
            namespace: network_namespace(),
            header_bytes: if uplink.is_ethernet { ETHERNET_HEADER_BYTES } else { 0 },
            attached,
            priority: u32::from(PRIORITY),
            handle: u32::from(handle),
        };
        self.maps
            .uplinks
            .insert(uplink.index, entry, 0)
            .map_err(DatapathError::map("write", map::UPLINKS))
    }

    /// Devices whose filters have to be looked for.
    pub fn filtered_uplinks(&self) -> Vec<u32> {
        match self.tc_mode {
            TcMode::Tcx => Vec::new(),
            TcMode::Clsact => self.uplinks.keys().copied().collect(),
        }
    }

    /// Whether a device has both of this start's filters among those that were found.
    pub(super) fn has_filters(&self, index: u32, found: &[Filter]) -> Result<bool, DatapathError> {
        let entry =
            self.maps.uplinks.get(&index, 0).map_err(DatapathError::map("read", map::UPLINKS))?;
        for hook in UPLINK_HOOKS {
            let wanted = Filter {
                is_egress: hook.tc_attach_type() == TcAttachType::Egress,
                priority: entry.priority,
                handle: entry.handle,
                program: hook.program_id(&self.object)?,
            };
            if !found.contains(&wanted) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes the hooks off a device, which may be gone. Links are off before their device is
    /// forgotten and before anything is attached anew: a program that is still at work drops the
    /// frames of a device it does not know, and cannot be attached where it is (EEXIST).
    pub(super) fn leave(&mut self, index: u32) -> Result<(), DatapathError> {
        for hook in UPLINK_HOOKS {
            let pin = self.instance.link(&hook.pin_name(index));
            if link::is_attached(&pin) {
                link::detach(&pin).map_err(DatapathError::pin("detach", &pin))?;
            }
            remove_if_there(&pin)?;
        }
        remove_filters(&self.maps.uplinks, Some(index), None)?;
        removed(self.maps.uplinks.remove(&index), map::UPLINKS)
    }
}

pub(super) fn refused(hook: Hook, uplink: &Uplink) -> impl FnOnce(ProgramError) -> DatapathError {
    let device = uplink.name.clone();
    move |source| DatapathError::AttachDevice {
        program: hook.program,
        device,
        source: Box::new(source),
    }
}

fn is_there_already(error: &(dyn std::error::Error + 'static)) -> bool {
    kernel_error(error) == Some(io::ErrorKind::AlreadyExists)
}

/// Whether there was no filter to replace.
pub(super) fn is_missing(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(
        kernel_error(error),
        // No filter; no queueing discipline (EINVAL, `__tcf_qdisc_find`, net/sched/cls_api.c, 6.18).
        Some(io::ErrorKind::NotFound | io::ErrorKind::InvalidInput)
    )
}

/// What the kernel has said, of all that was made of it.
fn kernel_error(error: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    let mut source = Some(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        if let Some(TcError::AlreadyAttached) = error.downcast_ref() {
            return Some(io::ErrorKind::AlreadyExists);
        }
        source = error.source();
    }
    None
}

/// Removes the filters of one start, of one device or of all, but those that `kept` has as well.
pub(super) fn remove_filters(
    uplinks: &HashMap<MapData, u32, Entry>,
    only: Option<u32>,
    kept: Option<&HashMap<MapData, u32, Entry>>,
) -> Result<usize, DatapathError> {
    let namespace = network_namespace();
    let mut count = 0;
    for found in uplinks {
        let (index, entry) = found.map_err(DatapathError::map("read", map::UPLINKS))?;
        let is_kept = |kept: &HashMap<MapData, u32, Entry>| {
            kept.get(&index, 0).is_ok_and(|it| it.is_same_filter(&entry))
        };
        if entry.attached != attached::FILTER
            || only.is_some_and(|only| only != index)
            || kept.is_some_and(is_kept)
        {
            continue;
        }
        if entry.namespace != namespace {
            return Err(DatapathError::OtherNamespace);
        }
        // A device that is gone has taken its filters along.
        let Some(name) = name_of(index) else { continue };
        let priority = u16::try_from(entry.priority).unwrap_or(0);
        let handle = TcHandle::from(entry.handle);
        for hook in UPLINK_HOOKS {
            let link =
                SchedClassifierLink::attached(&name, hook.tc_attach_type(), priority, handle, None);
            // Dropped, it removes the filter; one that is gone is as good as removed.
            if link.is_ok() {
                count += 1;
            }
        }
    }
    Ok(count)
}

/// The hooks of each device that a start judges, or was told to judge and cannot.
pub(super) fn hooks(
    uplinks: &HashMap<MapData, u32, Entry>,
    instance: &Instance,
    told: &[UplinkInfo],
) -> Result<Vec<HookState>, DatapathError> {
    let mut entries = BTreeMap::new();
    for found in uplinks {
        let (index, entry) = found.map_err(DatapathError::map("read", map::UPLINKS))?;
        entries.insert(index, entry);
    }
    let state = |hook: Hook, told: &UplinkInfo| {
        let pin = instance.link(&hook.pin_name(told.index));
        let is_attached = entries
            .get(&told.index)
            .is_some_and(|entry| entry.attached == attached::FILTER || link::is_attached(&pin));
        HookState { hook: hook.name.to_owned(), target: told.name.clone(), is_attached }
    };
    Ok(told.iter().flat_map(|told| UPLINK_HOOKS.map(|hook| state(hook, told))).collect())
}

pub(super) fn name_of(index: u32) -> Option<String> {
    if_indextoname(index).ok()?.into_string().ok()
}

/// Inode of this process's network namespace; 0 where it cannot be told.
pub(super) fn network_namespace() -> u64 {
    fs::metadata("/proc/self/ns/net").map_or(0, |metadata| metadata.ino())
}
