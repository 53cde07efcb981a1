//! Paths as service managers, kubelets and runtimes make them, and those that somebody made up.

use enforcer_common::rule_mask::RuleMask;

use super::{Place, Selected, WorkloadSelector};

const ID: &str = "3f4e9a0b1c2d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7";
const UID: &str = "2f4a0c1e-8d7b-4c39-9a51-6b0e3d2f7a18";
const IN_SLICE: &str = "2f4a0c1e_8d7b_4c39_9a51_6b0e3d2f7a18";

fn container() -> Place {
    Place::Container(ID.to_owned())
}

fn pod() -> Place {
    Place::Pod(UID.to_owned())
}

#[test]
fn a_path_tells_what_runtimes_and_managers_have_put_there() {
    let burstable = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable";
    let nested = "kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice";
    for (path, expected) in [
        ("/".to_owned(), Place::Root),
        ("/system.slice".to_owned(), Place::Slice),
        ("/system.slice/ci.service".to_owned(), Place::Unit),
        ("/system.slice/_cpu.service".to_owned(), Place::Unit),
        ("/init.scope".to_owned(), Place::Unit),
        ("/user.slice/user-1000.slice/user@1000.service".to_owned(), Place::Unit),
        (format!("/system.slice/docker-{ID}.scope"), container()),
        (format!("/machine.slice/libpod-{ID}.scope"), container()),
        (format!("/docker/{ID}"), container()),
        (format!("/k8s.io/{ID}"), container()),
        (format!("/libpod_parent/libpod-{ID}"), container()),
        ("/kubepods".to_owned(), Place::Pods(None)),
        ("/kubelet/kubepods".to_owned(), Place::Pods(None)),
        (format!("/kubepods/pod{UID}"), pod()),
        (format!("/kubepods/burstable/pod{UID}"), pod()),
        (format!("/kubepods/besteffort/pod{UID}/{ID}"), container()),
        ("/kubepods.slice".to_owned(), Place::Pods(Some("kubepods".to_owned()))),
        (format!("/kubepods.slice/kubepods-pod{IN_SLICE}.slice"), pod()),
        (format!("/{burstable}-pod{IN_SLICE}.slice"), pod()),
        (format!("/{burstable}-pod{IN_SLICE}.slice/cri-containerd-{ID}.scope"), container()),
        (format!("/{burstable}-pod{IN_SLICE}.slice/crio-{ID}.scope"), container()),
        (format!("/{burstable}-pod{IN_SLICE}.slice/{ID}"), container()),
        (format!("/{nested}/kubelet-kubepods-besteffort-pod{IN_SLICE}.slice"), pod()),
        // Of a file on the node: its uid is a digest.
        (
            "/kubepods/pod0123456789abcdef0123456789abcdef".to_owned(),
            Place::Pod("0123456789abcdef0123456789abcdef".to_owned()),
        ),
    ] {
        assert_eq!(Place::of(&path), expected, "{path}");
    }
}

#[test]
fn a_name_that_somebody_else_has_made_tells_nothing() {
    for path in [
        // Below what is delegated.
        format!("/system.slice/ci.service/kubepods.slice/kubepods-pod{IN_SLICE}.slice"),
        format!("/user.slice/user-1000.slice/user@1000.service/app.slice/docker-{ID}.scope"),
        "/user.slice/user-1000.slice/user@1000.service/app.slice/ci.service".to_owned(),
        format!("/kubepods/pod{UID}/{ID}/kubepods/pod{UID}"),
        format!("/docker/{ID}/docker/{ID}"),
        format!("/lxc.payload.guest/{ID}"),
        // Neither a digest nor where one would be.
        format!("/kubepods/burstable/{ID}"),
        format!("/kubepods.slice/kubepods-burstable.slice/kubepods-pod{IN_SLICE}.slice"),
        format!("/kubepods.slice/kubepods-pod{UID}.slice"),
        format!("/kubepods.slice/other-pod{IN_SLICE}.slice"),
        format!("/kubepods/pod{}", UID.to_uppercase()),
        format!("/kubepods/pod{UID}/crio-conmon-{ID}.scope"),
        "/docker/buildkit".to_owned(),
        "/system.slice/no unit".to_owned(),
        "/kubepods.slice.d".to_owned(),
    ] {
        assert_eq!(Place::of(&path), Place::Within, "{path}");
    }
}

#[test]
fn a_selector_finds_its_workload_and_no_other() {
    let unit = |name: &str| WorkloadSelector::unit(name).unwrap();
    let scope =
        format!("/kubepods.slice/kubepods-pod{IN_SLICE}.slice/cri-containerd-{ID}.scope/in");
    let other = UID.replace('2', "3");
    for (selector, path, expected) in [
        (WorkloadSelector::cgroup("/a/b/").unwrap(), "/a/b/c", true),
        (WorkloadSelector::cgroup("/a/b").unwrap(), "/a/bc", false),
        (unit("ci.service"), "/system.slice/ci.service/worker", true),
        (unit("ci.service"), "/ci.slice/ci-x.slice/ci.service", true),
        (unit("cpu.service"), "/system.slice/_cpu.service", true),
        (unit("ci.service"), "/system.slice/cd.service/ci.service", false),
        (unit("ci.slice"), "/ci.slice/ci-x.slice", true),
        (unit("getty@*.service"), "/system.slice/getty@tty1.service", true),
        (unit("getty@*.service"), "/system.slice/getty.service", false),
        (unit("getty@tty2.service"), "/system.slice/getty@tty1.service", false),
        (unit("kubepods.slice"), &scope, true),
        (WorkloadSelector::container(&ID[..12]).unwrap(), &scope, true),
        (WorkloadSelector::container(ID).unwrap(), &scope, true),
        (WorkloadSelector::container(&ID[1..13]).unwrap(), &scope, false),
        (WorkloadSelector::pod(UID).unwrap(), &scope, true),
        (WorkloadSelector::pod(&other).unwrap(), &scope, false),
        (WorkloadSelector::Pods, &scope, true),
        (WorkloadSelector::Pods, "/system.slice/ci.service", false),
    ] {
        let mut selected = Selected::default();
        selected.add(&selector, 7);

        let rules = selected.rules_on_the_way(path);

        assert_eq!(
            rules,
            if expected { RuleMask::of(7) } else { RuleMask::EMPTY },
            "{selector} {path}"
        );
        // Whoever walks the tree must not stop above what is selected.
        let (mut place, mut way) = (Place::Root, String::new());
        for name in path.split('/').skip(1) {
            let is_done = !selected.rules(&way, &place).is_empty();
            assert!(!expected || is_done || selected.reach_below(&way, &place), "{selector} {way}");
            if is_done {
                break;
            }
            place = place.below(name);
            way = format!("{way}/{name}");
        }
    }
}

#[test]
fn nothing_is_looked_for_where_no_selector_reaches() {
    let mut selected = Selected::default();
    selected.add(&WorkloadSelector::cgroup("/a/b").unwrap(), 1);
    selected.add(&WorkloadSelector::Pods, 2);

    for (path, expected) in [
        ("/", true),
        ("/a", true),
        ("/a/b", false),
        ("/ab", false),
        ("/system.slice", true),
        ("/kubepods", false),
        ("/system.slice/ci.service", false),
    ] {
        assert_eq!(selected.reach_below(path, &Place::of(path)), expected, "{path}");
    }
}

#[test]
fn what_selects_nothing_is_refused_with_what_would_be_right() {
    let long = format!("{}.service", "a".repeat(250));
    for (outcome, message) in [
        (WorkloadSelector::cgroup("a/b"), "no absolute path"),
        (WorkloadSelector::cgroup("/"), "every workload"),
        (WorkloadSelector::cgroup("/a/../b"), "an empty part"),
        (WorkloadSelector::cgroup("/a*"), "no wildcards"),
        (WorkloadSelector::unit("ci"), "no unit that has processes"),
        (WorkloadSelector::unit(".service"), "no unit that has processes"),
        (WorkloadSelector::unit("ci.timer"), "no unit that has processes"),
        (WorkloadSelector::unit("c*.service"), "not the whole instance"),
        (WorkloadSelector::unit("@*.service"), "not the whole instance"),
        (WorkloadSelector::unit("a/b.service"), "a character"),
        (WorkloadSelector::unit("ci@*.x*.service"), "a character"),
        (WorkloadSelector::unit(&long), "at most 255"),
        (WorkloadSelector::container("3f4e9a0b1c2"), "too short"),
        (WorkloadSelector::container("web"), "no container id"),
        (WorkloadSelector::container(&"a".repeat(65)), "longer"),
        (WorkloadSelector::pod("web-0"), "no uid of a pod"),
        (WorkloadSelector::pod(""), "no uid of a pod"),
    ] {
        let error = outcome.unwrap_err();
        assert!(error.message.contains(message), "{error} for {message}");
        assert!(!error.help.is_empty());
    }
}

#[test]
fn one_selector_holds_another() {
    let unit = |name: &str| WorkloadSelector::unit(name).unwrap();
    let cgroup = |path: &str| WorkloadSelector::cgroup(path).unwrap();
    let pod = WorkloadSelector::pod(UID).unwrap();
    let [short, long] = [&ID[..12], ID].map(|id| WorkloadSelector::container(id).unwrap());
    for (all, one, expected) in [
        (cgroup("/a"), cgroup("/a/b"), true),
        (cgroup("/a"), cgroup("/ab"), false),
        (unit("a@*.service"), unit("a@b.service"), true),
        (unit("a@b.service"), unit("a@*.service"), false),
        (WorkloadSelector::Pods, pod.clone(), true),
        (pod, WorkloadSelector::Pods, false),
        (short.clone(), long.clone(), true),
        (long, short, false),
    ] {
        assert_eq!(all.holds(&one), expected, "{all} {one}");
    }
}
