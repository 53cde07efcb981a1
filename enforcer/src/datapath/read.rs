//! From the pins to a [`Reading`]: what every reader of the datapath starts with.

use std::{collections::BTreeMap, fs, path::Path};

use aya::maps::{Array, MapData, MapInfo};
use enforcer_common::{
    abi::{BANKS, DOCUMENT_PAGES, map},
    counter::total_entry,
    dns::{Learning, name::NameKey},
    settings::flag,
    verdict::{Implicit, Reason, Verdict},
};

use super::{
    BootTime, DatapathError, Document,
    attach::HOOKS,
    document::{AgentInfo, Page},
    link,
    maps::{DocumentValue, Maps, Opener, found, sum},
    pin::{Folder, Instance},
    reading::{Counter, HookState, LearnedAddress, MapUse, Reading, Totals},
    uplinks,
};

/// An agent that has not given a sign of life for so long is taken for dead.
const HEARTBEAT_LIMIT_NS: u64 = 3_000_000_000;

/// Reads what is pinned below `bpffs`; `None` where nothing is.
///
/// # Errors
///
/// Pins that cannot be opened, for lack of rights or because another version made them.
pub fn read(bpffs: &Path) -> Result<Option<Reading>, DatapathError> {
    let Some(instance) = Folder::new(bpffs).current()? else { return Ok(None) };
    let maps = Maps::of_this_version(&instance)?;
    maps.reading(&instance, BootTime::now()).map(Some)
}

impl Maps {
    pub(super) fn reading(
        &self,
        instance: &Instance,
        now: BootTime,
    ) -> Result<Reading, DatapathError> {
        let document = self.read_document()?;
        let generation =
            self.generation.get(&0, 0).map_err(DatapathError::map("read", map::GENERATION))?;
        let bank = u32::try_from(generation % u64::from(BANKS)).unwrap_or(0);
        let settings =
            self.settings.get(&bank, 0).map_err(DatapathError::map("read", map::SETTINGS))?;
        let beat = self.heartbeat.get(&0, 0).map_err(DatapathError::map("read", map::HEARTBEAT))?;
        let is_recent = now.0.saturating_sub(beat) < HEARTBEAT_LIMIT_NS;
        let rules = document
            .rules
            .iter()
            .map(|rule| sum(&self.rule_hits, u32::from(rule.slot), map::RULE_HITS))
            .collect::<Result<_, _>>()?;
        let implicit = Implicit::ALL
            .iter()
            .map(|implicit| {
                let index = u32::from(implicit.number());
                Ok((*implicit, sum(&self.implicit_hits, index, map::IMPLICIT_HITS)?))
            })
            .collect::<Result<_, DatapathError>>()?;
        let (addresses, entries) = self.addresses()?;
        let max_entries = MapInfo::from_pin(instance.map(map::ADDRS))
            .map_err(DatapathError::map("inspect", map::ADDRS))?
            .max_entries();
        Ok(Reading {
            now_ns: now.0,
            agent_running: is_recent && is_alive(&document.agent),
            generation,
            is_audit: settings.has(flag::AUDIT),
            hooks: {
                let mut hooks = hooks(instance, &document.cgroup);
                hooks.extend(uplinks::hooks(&self.uplinks, instance, &document.uplinks)?);
                hooks
            },
            rules,
            implicit,
            totals: self.totals()?,
            drops: self.drops()?,
            maps: vec![MapUse {
                map: map::ADDRS.to_owned(),
                entries,
                max_entries: u64::from(max_entries),
            }],
            addresses,
            learning: self.learning()?,
            document,
        })
    }

    /// What a start's agent has said, whatever the version.
    pub(super) fn document_of(instance: &Instance) -> Result<Document, DatapathError> {
        read_document(&Opener { instance, name: map::DOCUMENT }.array()?)
    }

    pub(super) fn read_document(&self) -> Result<Document, DatapathError> {
        read_document(&self.document)
    }

    fn totals(&self) -> Result<Totals, DatapathError> {
        let total = |verdict, is_v6| -> Result<Counter, DatapathError> {
            sum(&self.totals, total_entry(verdict, is_v6), map::TOTALS)
        };
        Ok(Totals {
            allowed_v4: total(Verdict::Allow, false)?,
            allowed_v6: total(Verdict::Allow, true)?,
            denied_v4: total(Verdict::Deny, false)?,
            denied_v6: total(Verdict::Deny, true)?,
        })
    }

    fn drops(&self) -> Result<Vec<(Reason, Counter)>, DatapathError> {
        let mut drops = Vec::new();
        for reason in Reason::ALL {
            let counter = sum(&self.drops, u32::from(reason.number()), map::DROPS)?;
            if counter.packets > 0 {
                drops.push((*reason, counter));
            }
        }
        drops.sort_by_key(|(_, counter)| std::cmp::Reverse(counter.packets));
        Ok(drops)
    }

    fn learning(&self) -> Result<BTreeMap<Learning, u64>, DatapathError> {
        let count = |learning: &Learning| {
            let each = self
                .learning
                .get(&u32::from(learning.number()), 0)
                .map_err(DatapathError::map("read", map::LEARNING))?;
            Ok((*learning, each.iter().sum()))
        };
        Learning::ALL.iter().map(count).collect()
    }

    /// The addresses that stand for a rule, and how many entries there are in all.
    fn addresses(&self) -> Result<(Vec<LearnedAddress>, u64), DatapathError> {
        // An entry that moves while the map is walked may be met twice.
        let mut entries = BTreeMap::new();
        let mut all = 0;
        for entry in &self.addrs {
            let (key, entry) = entry.map_err(DatapathError::map("read", map::ADDRS))?;
            all += 1;
            // Its rules are gone; it waits for its removal.
            if !entry.rules.is_empty() {
                entries.insert((key.address, key.namespace), entry);
            }
        }
        let addresses: Result<_, DatapathError> = entries
            .into_iter()
            .map(|((address, namespace), entry)| {
                let name = found(self.name_text.get(&entry.name, 0), map::NAME_TEXT)?;
                Ok(LearnedAddress {
                    address: address.into(),
                    namespace: (namespace != 0).then_some(namespace),
                    slots: entry.rules.slots().collect(),
                    names: name.as_ref().map(text_of).into_iter().collect(),
                    expires_ns: entry.expires_ns,
                    packets: entry.packets,
                })
            })
            .collect();
        Ok((addresses?, all))
    }
}

fn read_document(pages: &Array<MapData, DocumentValue>) -> Result<Document, DatapathError> {
    let page = |index: usize| -> Result<_, DatapathError> {
        let index = u32::try_from(index.min(DOCUMENT_PAGES)).unwrap_or(0);
        pages.get(&index, 0).map_err(DatapathError::map("read", map::DOCUMENT))
    };
    // A write half done has a wrong checksum; the agent needs microseconds to finish it.
    let mut last = None;
    for _ in 0..10 {
        let first = page(0)?;
        let mut bytes = first.to_vec();
        for index in 1..Document::pages(&Page(first)) {
            bytes.extend(page(index)?);
        }
        match Document::decode(&bytes) {
            Ok(document) => return Ok(document),
            Err(error) => last = Some(error),
        }
        std::thread::yield_now();
    }
    Err(DatapathError::Document { source: last.unwrap_or(super::document::DocumentError::Torn) })
}

/// A name as text, without the last dot; bytes that no policy can name are escaped.
fn text_of(name: &NameKey) -> String {
    let labels: Vec<String> = name.labels().map(|label| label.escape_ascii().to_string()).collect();
    let labels: Vec<&str> = labels.iter().rev().map(String::as_str).collect();
    labels.join(".")
}

fn hooks(instance: &Instance, cgroup: &str) -> Vec<HookState> {
    HOOKS
        .iter()
        .map(|hook| HookState {
            hook: hook.name.to_owned(),
            target: cgroup.to_owned(),
            is_attached: link::is_attached(&instance.link(hook.name)),
        })
        .collect()
}

/// Whether the process is there, as far as this reader can tell: one in another pid namespace
/// sees only the heartbeat.
fn is_alive(agent: &AgentInfo) -> bool {
    if agent.pid_namespace != pid_namespace() {
        return true;
    }
    let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", agent.pid)) else { return false };
    // The state follows the name, which is in parentheses and may hold anything.
    !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))
}

/// Inode of this process's pid namespace; 0 where it cannot be told.
pub fn pid_namespace() -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self/ns/pid").map_or(0, |metadata| metadata.ino())
}
