//! A folder stands for the hierarchy: what is looked at are directories and their inodes.

use std::{fs, time::Duration};

use enforcer_common::rule_mask::RuleMask;

use super::Workloads;
use crate::workload::{Selected, WorkloadSelector};

const UID: &str = "2f4a0c1e-8d7b-4c39-9a51-6b0e3d2f7a18";

/// A folder of this test's own.
struct Hierarchy(std::path::PathBuf);

impl Hierarchy {
    fn make(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("enforcer-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn add(&self, path: &str) -> u64 {
        let directory = self.0.join(path);
        fs::create_dir_all(&directory).unwrap();
        super::cgroup_id(&directory).unwrap()
    }
}

impl Drop for Hierarchy {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn selected(selectors: &[WorkloadSelector]) -> Selected {
    let mut selected = Selected::default();
    for (selector, slot) in selectors.iter().zip(0..) {
        selected.add(selector, slot);
    }
    selected
}

/// Waits until the workloads found are so many.
async fn follow(workloads: &mut Workloads, selected: &Selected, count: usize) {
    let followed = async {
        loop {
            workloads.changed().await;
            if workloads.take_news(selected).is_some_and(|rules| rules.len() == count) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), followed).await.expect("news");
}

#[tokio::test]
async fn gives_ids_of_cgroups_that_exist_and_of_no_others() {
    let hierarchy = Hierarchy::make("exist");
    let id = hierarchy.add("a/b");
    let selectors = ["/a/b", "/a/none"].map(|path| WorkloadSelector::cgroup(path).unwrap());
    let mut workloads = Workloads::new(hierarchy.0.clone());

    let rules = workloads.look(&selected(&selectors));

    assert_eq!(rules.into_iter().collect::<Vec<_>>(), [(id, RuleMask::of(0))]);
}

#[tokio::test]
async fn a_cgroup_that_appears_or_goes_is_news_at_any_depth() {
    let hierarchy = Hierarchy::make("appears");
    let all = selected(&[WorkloadSelector::pod(UID).unwrap(), WorkloadSelector::Pods]);
    let mut workloads = Workloads::new(hierarchy.0.clone());
    assert!(workloads.look(&all).is_empty());
    assert!(workloads.is_watching());

    // All levels at once: those below are made before the first is looked at.
    let pod = hierarchy.add(&format!("kubepods/burstable/pod{UID}"));
    follow(&mut workloads, &all, 2).await;
    let rules = workloads.rules();
    assert_eq!(rules.get(&pod), Some(&RuleMask::of(0)));

    fs::remove_dir_all(hierarchy.0.join(format!("kubepods/burstable/pod{UID}"))).unwrap();
    follow(&mut workloads, &all, 1).await;

    let again = hierarchy.add(&format!("kubepods/pod{UID}"));
    follow(&mut workloads, &all, 2).await;
    assert_eq!(workloads.rules().get(&again), Some(&RuleMask::of(0)));
}

#[tokio::test]
async fn what_nobody_selects_is_no_news() {
    let hierarchy = Hierarchy::make("nobody");
    let all = selected(&[WorkloadSelector::cgroup("/a/b").unwrap()]);
    let mut workloads = Workloads::new(hierarchy.0.clone());
    workloads.look(&all);

    hierarchy.add("a/other");
    hierarchy.add("other/b");

    workloads.changed().await;
    assert_eq!(workloads.take_news(&all), None);
}

#[tokio::test]
async fn another_policy_is_looked_up_anew() {
    let hierarchy = Hierarchy::make("another");
    let id = hierarchy.add("ci.slice/ci.service");
    let mut workloads = Workloads::new(hierarchy.0.clone());
    assert!(workloads.look(&selected(&[WorkloadSelector::Pods])).is_empty());

    let rules = workloads.look(&selected(&[WorkloadSelector::unit("ci.service").unwrap()]));

    assert_eq!(rules.get(&id), Some(&RuleMask::of(0)));
    assert!(workloads.look(&Selected::default()).is_empty());
}
