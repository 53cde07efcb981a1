//! The workloads of the policy as cgroup ids of this machine, and news of those that come and go.
//!
//! Directories below which a selector may find something are watched (inotify(7)): a cgroup that
//! is made is looked at at once. Whoever makes a cgroup moves processes into it afterwards, and a
//! runtime does a good deal in between; so a workload's rules are there before it sends, unless it
//! is very quick. News can be lost, and there may be no watches left: a look at the whole tree
//! finds the rest.

mod watches;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use enforcer_common::rule_mask::RuleMask;

use self::watches::{News, Watches};
use crate::workload::{Place, Selected};

/// Where the cgroups are that a policy selects.
pub(super) struct Workloads {
    root: PathBuf,
    watches: Watches,
    found: Found,
}

/// Selected directories by path, as a policy writes paths: the id, and the rules that select it.
type Found = BTreeMap<String, (u64, RuleMask)>;

impl Workloads {
    /// For the cgroup v2 hierarchy mounted at `root`.
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, watches: Watches::new(), found: Found::new() }
    }

    /// Looks at the whole tree: the rules of each selected cgroup that there is. What appears from
    /// here on is news.
    pub(super) fn look(&mut self, selected: &Selected) -> BTreeMap<u64, RuleMask> {
        self.found.clear();
        self.watches.begin();
        if !selected.is_empty() {
            self.visit("", &Place::Root, selected);
        }
        self.rules()
    }

    /// The rules of each selected cgroup, as far as is known.
    fn rules(&self) -> BTreeMap<u64, RuleMask> {
        self.found.values().copied().collect()
    }

    /// Whether news are all that is needed; else the tree is to be looked at again and again.
    pub(super) const fn is_watching(&self) -> bool {
        self.watches.are_complete()
    }

    /// Returns when there are news. May be dropped and called again without losing any.
    pub(super) async fn changed(&mut self) {
        self.watches.changed().await;
    }

    /// Takes the news: the rules of each selected cgroup from now on; `None` where none is
    /// concerned.
    pub(super) fn take_news(&mut self, selected: &Selected) -> Option<BTreeMap<u64, RuleMask>> {
        let before = self.found.clone();
        for news in self.watches.take() {
            match news {
                News::Lost => return Some(self.look(selected)),
                News::Of { path, place } => {
                    self.forget(&path);
                    // Whether it was made or removed: what counts is what is there now.
                    self.visit(&path, &place, selected);
                }
            }
        }
        (self.found != before).then(|| self.rules())
    }

    /// Forgets a directory and all below it.
    fn forget(&mut self, path: &str) {
        self.found.remove(path);
        let below = format!("{path}/");
        self.found.retain(|found, _| !found.starts_with(&below));
        self.watches.forget(path);
    }

    /// Looks at a directory and, as far as a selector reaches, below it.
    fn visit(&mut self, path: &str, place: &Place, selected: &Selected) {
        let directory = self.root.join(path.trim_start_matches('/'));
        let Some(id) = cgroup_id(&directory) else { return };
        let rules = selected.rules(path, place);
        if !rules.is_empty() {
            self.found.insert(path.to_owned(), (id, rules));
        }
        if !selected.reach_below(path, place) {
            return;
        }
        // Before what is there is listed: nothing can be made in between.
        self.watches.add(&directory, path, place);
        let Ok(children) = fs::read_dir(&directory) else { return };
        for child in children.flatten() {
            if !child.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            // A policy is UTF-8: a name that is not can be no selector's.
            if let Some(name) = child.file_name().to_str() {
                self.visit(&format!("{path}/{name}"), &place.below(name), selected);
            }
        }
    }
}

/// The id that `bpf_skb_ancestor_cgroup_id` gives: the inode number of the directory
/// (`cgroup_id`, include/linux/cgroup.h, 6.18).
fn cgroup_id(directory: &Path) -> Option<u64> {
    fs::metadata(directory).ok().filter(fs::Metadata::is_dir).map(|metadata| metadata.ino())
}

#[cfg(test)]
mod tests;
