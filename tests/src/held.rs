//! What a process holds in the kernel, by its descriptors: maps, programs, links.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::Context as _;
use aya::programs::links::{FdLink, PinnedLink};

/// Objects of BPF, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Maps, each with the bytes that the kernel accounts for it (`memlock`).
    pub maps: BTreeMap<u32, u64>,
    /// Programs.
    pub programs: BTreeSet<u32>,
    /// Links.
    pub links: BTreeSet<u32>,
}

impl Held {
    /// What the process holds at this moment, and the links that are pinned below a folder: those
    /// it needs not hold.
    ///
    /// # Errors
    ///
    /// That it is gone.
    pub fn by(pid: u32, pins: &Path) -> anyhow::Result<Self> {
        let folder = format!("/proc/{pid}/fdinfo");
        let mut held = Self::default();
        let descriptors = fs::read_dir(&folder).with_context(|| format!("read {folder}"))?;
        for descriptor in descriptors {
            // One may be closed meanwhile.
            if let Ok(text) = descriptor.and_then(|one| fs::read_to_string(one.path())) {
                held.note(&text);
            }
        }
        for start in fs::read_dir(pins).with_context(|| format!("read {}", pins.display()))? {
            let Ok(links) = fs::read_dir(start?.path().join("links")) else { continue };
            for pin in links {
                let link = FdLink::from(PinnedLink::from_pin(pin?.path())?);
                held.links.insert(link.info().context("read what a link is")?.id());
            }
        }
        Ok(held)
    }

    /// Notes the object that the kernel tells of.
    fn note(&mut self, told: &str) {
        let field = |name: &str| {
            let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|value| value.trim().parse::<u64>().ok())
        };
        let id = |name| field(name).and_then(|id| u32::try_from(id).ok());
        if let Some(map) = id("map_id") {
            self.maps.insert(map, field("memlock").unwrap_or(0));
        } else if let Some(link) = id("link_id") {
            // It tells its program's id as well.
            self.links.insert(link);
        } else if let Some(program) = id("prog_id") {
            self.programs.insert(program);
        }
    }

    /// The bytes of all its maps.
    pub fn bytes(&self) -> u64 {
        self.maps.values().sum()
    }

    /// Whether it is the same objects, whatever memory they take.
    pub fn is_same(&self, other: &Self) -> bool {
        self.maps.keys().eq(other.maps.keys())
            && (&self.programs, &self.links) == (&other.programs, &other.links)
    }

    /// Those of them that are still loaded, whoever holds them.
    ///
    /// # Errors
    ///
    /// What the kernel refused.
    pub fn still_loaded(&self) -> anyhow::Result<Vec<String>> {
        let mut loaded = Vec::new();
        for program in aya::programs::loaded_programs() {
            let id = program.context("list programs")?.id();
            loaded.extend(self.programs.contains(&id).then(|| format!("program {id}")));
        }
        for map in aya::maps::loaded_maps() {
            let id = map.context("list maps")?.id();
            loaded.extend(self.maps.contains_key(&id).then(|| format!("map {id}")));
        }
        for link in aya::programs::loaded_links() {
            let id = link.context("list links")?.id();
            loaded.extend(self.links.contains(&id).then(|| format!("link {id}")));
        }
        Ok(loaded)
    }
}
