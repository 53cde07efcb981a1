//! Puts back what somebody has taken out of the kernel while the agent lives: hooks that are
//! detached or another program's, pins that are removed.
//!
//! A hook whose pin is removed is detached by that, since nothing else holds its link: the agent
//! could die at any time, and `unload` must be able to end it all.

use std::{collections::BTreeMap, io, path::Path};

use super::{
    Datapath, DatapathError,
    attach::{HOOKS, Hook, UPLINK_HOOKS, WRITER},
    link,
    pin::remove_if_there,
    uplinks::TcMode,
};
use crate::uplink::Filter;

/// What was found wrong.
#[derive(Debug, Default)]
pub struct Guarded {
    /// What has been put back, or taken away to be put back by [`Datapath::judge_uplinks`].
    pub restored: Vec<String>,
    /// What could not be, and why.
    pub failed: Vec<(String, DatapathError)>,
    /// Whether all of it has been taken away at once, as `enforcer unload` does: then nothing is
    /// put back.
    pub is_unloaded: bool,
    /// Whether devices have to be attached to again.
    pub has_left_uplinks: bool,
}

impl Datapath {
    /// Compares what is in the kernel with what this start has put there, and puts it back.
    /// `filters` are those of each device of [`Datapath::filtered_uplinks`].
    pub fn guard(&mut self, filters: &BTreeMap<u32, Vec<Filter>>) -> Guarded {
        let mut guarded = Guarded::default();
        match self.instance.is_there() {
            Ok(true) => {}
            Ok(false) => {
                guarded.is_unloaded = true;
                return guarded;
            }
            Err(error) => {
                guarded.failed.push(("the folder of pins".to_owned(), error));
                return guarded;
            }
        }
        self.guard_pins(&mut guarded);
        for hook in HOOKS {
            let restored = self.guard_hook(hook);
            guarded.note(format!("hook {}", hook.name), restored);
        }
        self.guard_uplinks(filters, &mut guarded);
        guarded
    }

    fn guard_pins(&mut self, guarded: &mut Guarded) {
        if let Err(error) = self.instance.make_folders() {
            guarded.failed.push(("the folder of pins".to_owned(), error));
            return;
        }
        for (name, map) in self.object.maps().filter(|(name, _)| !name.starts_with('.')) {
            let path = self.instance.map(name);
            let what = format!("pin of map {name}");
            let id = self.map_ids.get(name).copied().unwrap_or(0);
            let restored = pin_again(&path, &what, link::map_id(&path), id, || map.pin(&path));
            guarded.note(what, restored);
        }
        for hook in HOOKS.iter().chain(&UPLINK_HOOKS).chain([&WRITER]) {
            let path = self.instance.program(hook.program);
            let what = format!("pin of program {}", hook.program);
            let id = match hook.program_id(&self.object) {
                Ok(id) => id,
                Err(error) => {
                    guarded.failed.push((what, error));
                    continue;
                }
            };
            let Some(program) = self.object.program_mut(hook.program) else { continue };
            let found = link::program_id(&path);
            let restored = pin_again(&path, &what, found, id, || program.pin(&path));
            guarded.note(what, restored);
        }
        let is_current = self.folder.current().map(|it| it.as_ref() == Some(&self.instance));
        let restored = match is_current {
            Ok(true) => Ok(false),
            // `unload` may have begun meanwhile, and would leave the link behind.
            Ok(false) => match self.instance.is_there() {
                Ok(true) => self.folder.set_current(&self.instance).map(|()| true),
                other => other,
            },
            Err(error) => Err(error),
        };
        guarded.note("the link to the pins".to_owned(), restored);
    }

    /// Whether it had to be attached again.
    fn guard_hook(&mut self, hook: Hook) -> Result<bool, DatapathError> {
        let pin = self.instance.link(hook.name);
        if self.is_as_made(hook, &pin)? {
            return Ok(false);
        }
        remove_if_there(&pin)?;
        hook.attach(&mut self.object, &self.cgroup, &self.instance)?;
        Ok(true)
    }

    /// Leaves the devices on which something is missing; they are attached to again as new ones.
    fn guard_uplinks(&mut self, filters: &BTreeMap<u32, Vec<Filter>>, guarded: &mut Guarded) {
        let indices: Vec<u32> = self.uplinks.keys().copied().collect();
        for index in indices {
            let judged = match self.tc_mode {
                TcMode::Tcx => self.has_links(index),
                // What could not be read is no reason to take anything away.
                TcMode::Clsact => {
                    filters.get(&index).map_or(Ok(true), |found| self.has_filters(index, found))
                }
            };
            let name = self.uplinks.get(&index).cloned().unwrap_or_default();
            let left = match judged {
                Ok(true) => Ok(false),
                Ok(false) => self.leave(index).map(|()| {
                    self.uplinks.remove(&index);
                    guarded.has_left_uplinks = true;
                    true
                }),
                Err(error) => Err(error),
            };
            guarded.note(format!("hooks of {name}"), left);
        }
    }

    fn has_links(&self, index: u32) -> Result<bool, DatapathError> {
        for hook in UPLINK_HOOKS {
            let pin = self.instance.link(&hook.pin_name(index));
            if !self.is_as_made(hook, &pin)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_as_made(&self, hook: Hook, pin: &Path) -> Result<bool, DatapathError> {
        let program = hook.program_id(&self.object)?;
        match link::tie(pin) {
            Ok(tie) => Ok(tie.is_attached() && tie.program == program),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(DatapathError::pin("inspect", pin)(error)),
        }
    }
}

impl Guarded {
    fn note(&mut self, what: String, restored: Result<bool, DatapathError>) {
        match restored {
            Ok(false) => {}
            Ok(true) => self.restored.push(what),
            Err(error) => self.failed.push((what, error)),
        }
    }
}

/// Whether something had to be pinned again.
fn pin_again(
    path: &Path,
    what: &str,
    found: io::Result<u32>,
    id: u32,
    pin: impl FnOnce() -> Result<(), aya::pin::PinError>,
) -> Result<bool, DatapathError> {
    match found {
        Ok(found) if found == id => return Ok(false),
        // Somebody else's object.
        Ok(_) => remove_if_there(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(DatapathError::pin("inspect", path)(error)),
    }
    pin()
        .map(|()| true)
        .map_err(|source| DatapathError::PinObject { what: what.to_owned(), source })
}
