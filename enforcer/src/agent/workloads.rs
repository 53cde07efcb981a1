//! Cgroup paths of the policy as cgroup ids of this machine.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use enforcer_common::rule_mask::RuleMask;

/// Where the cgroups are that a policy names.
#[derive(Debug, Clone)]
pub(super) struct Workloads {
    root: PathBuf,
}

impl Workloads {
    /// For the cgroup v2 hierarchy mounted at `root`.
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The rules of each selected cgroup that exists. One that does not exist yet has no
    /// processes; whoever calls asks again.
    pub(super) fn rules(&self, selected: &[(String, RuleMask)]) -> BTreeMap<u64, RuleMask> {
        let mut rules = BTreeMap::<u64, RuleMask>::new();
        for (path, mask) in selected {
            if let Some(id) = cgroup_id(&self.root.join(path.trim_start_matches('/'))) {
                rules.entry(id).or_default().unite(mask);
            }
        }
        rules
    }
}

/// The id that `bpf_skb_ancestor_cgroup_id` gives: the inode number of the directory
/// (`cgroup_id`, include/linux/cgroup.h, 6.18).
fn cgroup_id(directory: &Path) -> Option<u64> {
    fs::metadata(directory).ok().filter(fs::Metadata::is_dir).map(|metadata| metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_ids_of_cgroups_that_exist_and_of_no_others() {
        let root = std::env::temp_dir();
        let workloads = Workloads::new(root.clone());
        let selected = [
            ("/".to_owned(), RuleMask::of(3)),
            ("/no-such-cgroup-here".to_owned(), RuleMask::of(4)),
        ];

        let rules = workloads.rules(&selected);

        assert_eq!(rules.len(), 1);
        assert_eq!(rules.get(&cgroup_id(&root).unwrap()), Some(&RuleMask::of(3)));
    }
}
