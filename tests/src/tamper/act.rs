//! What is done to enforcement.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use super::link;
use crate::{Rig, link::CLIENT_DEVICE, random::Random};

/// One thing that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// A link is detached; its pin stays.
    Detach,
    /// The pin of a link is removed, and with it the link.
    UnpinLink,
    /// The pin of a map is removed.
    UnpinMap,
    /// The pin of a program is removed.
    UnpinProgram,
    /// What leads to the pins is removed.
    UnlinkCurrent,
    /// A link gets another program.
    Replace,
    /// A filter of the uplink is removed.
    RemoveFilter,
    /// The queueing discipline of the uplink is removed, and both filters with it.
    RemoveQdisc,
}

/// What has been taken away.
pub(super) struct Taken {
    /// What the agent calls it.
    pub(super) told_as: String,
    /// The pin that has to be there again.
    pub(super) pin: Option<PathBuf>,
}

/// Where it is done.
pub(super) struct Bench<'a> {
    pub(super) rig: &'a Rig,
}

impl Act {
    /// Every one.
    pub(super) const ALL: [Self; 8] = [
        Self::Detach,
        Self::UnpinLink,
        Self::UnpinMap,
        Self::UnpinProgram,
        Self::UnlinkCurrent,
        Self::Replace,
        Self::RemoveFilter,
        Self::RemoveQdisc,
    ];

    pub(super) const fn is_filter(self) -> bool {
        matches!(self, Self::RemoveFilter | Self::RemoveQdisc)
    }

    /// Whether it can be done in a way to attach.
    pub(super) fn is_of(self, mode: &str) -> bool {
        !self.is_filter() || mode == "clsact"
    }
}

impl Bench<'_> {
    /// Does it, to one of those that are there.
    pub(super) fn take(&self, act: Act, random: &mut Random) -> anyhow::Result<Taken> {
        let current = self.rig.pins().join("current");
        match act {
            Act::UnlinkCurrent => {
                fs::remove_file(&current).context("remove what leads to the pins")?;
                Ok(Taken { told_as: "the link to the pins".to_owned(), pin: Some(current) })
            }
            Act::RemoveFilter => {
                let side = random.pick("egress", &["ingress"]);
                self.tc(&["filter", "del", "dev", CLIENT_DEVICE, side])?;
                Ok(Taken { told_as: format!("hooks of {CLIENT_DEVICE}"), pin: None })
            }
            Act::RemoveQdisc => {
                self.tc(&["qdisc", "del", "dev", CLIENT_DEVICE, "clsact"])?;
                Ok(Taken { told_as: format!("hooks of {CLIENT_DEVICE}"), pin: None })
            }
            Act::Detach | Act::UnpinLink => {
                let pin = one_of(&self.folder("links")?, random, |_| true)?;
                if act == Act::Detach {
                    link::detach(&pin)?;
                } else {
                    remove(&pin)?;
                }
                Ok(Taken { told_as: hook_of(&pin), pin: Some(pin) })
            }
            Act::UnpinMap | Act::UnpinProgram => {
                let (folder, kind) =
                    if act == Act::UnpinMap { ("maps", "map") } else { ("programs", "program") };
                let pin = one_of(&self.folder(folder)?, random, |_| true)?;
                remove(&pin)?;
                Ok(Taken { told_as: format!("pin of {kind} {}", name(&pin)), pin: Some(pin) })
            }
            Act::Replace => {
                let is_judge = |it: &str| it == "cgroup_egress" || it.starts_with("tc_egress");
                let pin = one_of(&self.folder("links")?, random, is_judge)?;
                // The one of the other direction, which lets everything pass.
                let other =
                    if name(&pin) == "cgroup_egress" { "ingress_skb" } else { "tc_ingress" };
                link::replace(&pin, &self.folder("programs")?.join(other))?;
                Ok(Taken { told_as: hook_of(&pin), pin: Some(pin) })
            }
        }
    }

    /// Whether both filters are on the uplink.
    pub(super) fn has_filters(&self) -> bool {
        ["egress", "ingress"].iter().all(|side| {
            let shown = self.tc(&["filter", "show", "dev", CLIENT_DEVICE, side]);
            shown.is_ok_and(|shown| shown.contains(&format!("tc_{side}")))
        })
    }

    /// A folder of the start that judges.
    fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let pins = self.rig.pins();
        let current = fs::read_link(pins.join("current")).context("find the pins")?;
        Ok(pins.join(current).join(name))
    }

    fn tc(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let done = self.rig.client.output(Command::new("tc").args(arguments))?;
        let said = String::from_utf8_lossy(&done.stderr);
        anyhow::ensure!(done.status.success(), "tc {}: {}", arguments.join(" "), said.trim());
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }
}

/// One of the pins in a folder whose name will do.
fn one_of(
    folder: &Path,
    random: &mut Random,
    will_do: impl Fn(&str) -> bool,
) -> anyhow::Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    let mut pins: Vec<_> = entries.filter_map(|it| Some(it.ok()?.path())).collect();
    pins.retain(|pin| will_do(&name(pin)));
    // A folder has no order of its own.
    pins.sort_unstable();
    let index = random.below(pins.len());
    pins.get(index).cloned().with_context(|| format!("find a pin in {}", folder.display()))
}

fn name(pin: &Path) -> String {
    pin.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What the agent calls the hook that a link belongs to.
fn hook_of(pin: &Path) -> String {
    let name = name(pin);
    if name.starts_with("tc_") {
        format!("hooks of {CLIENT_DEVICE}")
    } else {
        format!("hook {name}")
    }
}

fn remove(pin: &Path) -> anyhow::Result<()> {
    fs::remove_file(pin).with_context(|| format!("remove {}", pin.display()))
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Detach => "a link is detached",
            Self::UnpinLink => "a link is unpinned",
            Self::UnpinMap => "a map is unpinned",
            Self::UnpinProgram => "a program is unpinned",
            Self::UnlinkCurrent => "what leads to the pins is removed",
            Self::Replace => "a link gets another program",
            Self::RemoveFilter => "a filter is removed",
            Self::RemoveQdisc => "the queueing discipline is removed",
        })
    }
}
