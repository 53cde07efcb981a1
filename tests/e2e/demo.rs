//! The demo: that it succeeds, can fail, and leaves nothing behind whatever ends it.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use enforcer_tests::{Cgroup, cgroup, require_privilege, wait};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn every_row_is_as_expected_when_enforcing_and_when_auditing() {
    require_privilege!();

    for arguments in [&[][..], &["--audit"]] {
        let done = demo().args(arguments).output().unwrap();

        let text = text(&done);
        assert!(done.status.success(), "{arguments:?}:\n{text}");
        assert!(!text.contains("not as expected"), "{arguments:?}:\n{text}");
        assert!(text.contains("EPERM at connect") != arguments.contains(&"--audit"), "{text}");
    }
}

#[test]
fn an_agent_that_does_not_start_is_a_failure() {
    require_privilege!();

    let done = demo().env("ENFORCER_BIN", "/bin/false").output().unwrap();

    assert_eq!(done.status.code(), Some(1), "{}", text(&done));
    assert!(text(&done).contains("the agent ended before `ready`"), "{}", text(&done));
}

#[test]
fn a_signal_ends_it_with_nothing_left() {
    require_privilege!();

    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut child = start();
        let left = wait_for_agent(&child);

        send(&child, signal);
        let status = child.wait().unwrap();

        assert!(!status.success(), "{signal}");
        assert!(!left.cgroup.exists() && !left.folder.exists(), "{signal}: {left:?}");
        assert!(!is_mounted_below(&left.folder), "{signal}: {left:?}");
    }
}

#[test]
fn what_a_killed_run_leaves_is_swept_by_the_next() {
    require_privilege!();
    let mut child = start();
    let left = wait_for_agent(&child);
    send(&child, Signal::SIGKILL);
    child.wait().unwrap();

    // A process that another test starts has a copy of a lock until its exec.
    wait::until_true("the sweep", PATIENCE, || {
        Cgroup::sweep();
        enforcer_tests::scratch::Scratch::sweep();
        !left.cgroup.exists() && !left.folder.exists()
    })
    .unwrap();

    assert!(!is_mounted_below(&left.folder), "{left:?}");
}

/// What a run makes.
#[derive(Debug)]
struct Left {
    cgroup: PathBuf,
    folder: PathBuf,
}

fn demo() -> Command {
    Command::new(env!("CARGO_BIN_EXE_enforcer-demo"))
}

fn start() -> Child {
    demo().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until a run's agent is there, and tells what the run has made.
fn wait_for_agent(child: &Child) -> Left {
    let of_run = |folder: PathBuf| {
        let prefix = format!("enforcer-rig.{}.", child.id());
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|it| it.path()).find(move |path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
        })
    };
    wait::until("the demo's agent", PATIENCE, || {
        let cgroup = of_run(cgroup::root().unwrap())?;
        let folder = of_run(std::env::temp_dir())?;
        let agents = fs::read_to_string(cgroup.join("agents/cgroup.procs")).ok()?;
        (!agents.is_empty()).then_some(Left { cgroup, folder })
    })
    .unwrap()
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

fn is_mounted_below(folder: &std::path::Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    mounts.lines().any(|line| line.contains(&*folder.to_string_lossy()))
}

fn text(done: &Output) -> String {
    let (out, err) = (&done.stdout, &done.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}
