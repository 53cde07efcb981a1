//! What the program itself says of its arguments and its policy in a manifest.

use std::{
    ffi::OsStr,
    process::{Command, Output},
};

use enforcer_tests::{binary, scratch::Scratch};
use serde_json::{Value, json};

use super::manifest::{BASE, OVERLAYS, arguments, policy, set};

/// What the program has against the agent's arguments and the policy.
pub(crate) fn offences(objects: &[Value]) -> Vec<String> {
    // Help is printed where it is asked for, and all in front of it is read before.
    let arguments = arguments(objects);
    let arguments = said(&run(arguments.iter().map(String::as_str).chain(["--help"])));
    let policy = match policy(objects) {
        Some((key, text)) => said(&check(key, text)),
        None => Some("there is no policy".to_owned()),
    };
    arguments.into_iter().chain(policy).collect()
}

/// What `enforcer check` says of the policy, such as its mode.
pub(crate) fn checked(objects: &[Value]) -> String {
    let (key, text) = policy(objects).unwrap();
    String::from_utf8(check(key, text).stdout).unwrap()
}

fn check(key: &str, text: &str) -> Output {
    let scratch = Scratch::make().unwrap();
    let file = scratch.write(key, text).unwrap();
    run(["check", "--policy", file.to_str().unwrap()])
}

fn run(arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Output {
    Command::new(binary::enforcer().unwrap()).args(arguments).output().unwrap()
}

fn said(done: &Output) -> Option<String> {
    (!done.status.success()).then(|| String::from_utf8_lossy(&done.stderr).into_owned())
}

#[test]
fn the_program_takes_the_arguments_and_the_policy_of_every_overlay() {
    for (name, objects) in OVERLAYS.iter() {
        assert_eq!(offences(objects), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn arguments_that_the_program_does_not_take_are_found() {
    for (argument, complaint) in [
        ("--polcy=/etc/enforcer/policy.yaml", "unexpected argument"),
        ("--metrics=node:9469", "expected ADDRESS:PORT"),
        ("--max-addresses=0", "not in 1.."),
        ("--on-start=closed", "invalid value"),
    ] {
        let mut objects = BASE.clone();
        let pods = objects.iter_mut().find(|object| object["kind"] == "DaemonSet").unwrap();
        set(pods, "/spec/template/spec/containers/0/args/-", json!(argument));

        let offences = offences(&objects);
        assert!(offences.len() == 1 && offences[0].contains(complaint), "{argument}: {offences:?}");
    }
}

#[test]
fn a_policy_that_the_program_does_not_take_is_found() {
    let mut objects = BASE.clone();
    let map = objects.iter_mut().find(|object| object["kind"] == "ConfigMap").unwrap();
    let text = map["data"]["policy.yaml"].as_str().unwrap().replace("mode: audit", "mode: maybe");
    set(map, "/data/policy.yaml", json!(text));

    let offences = offences(&objects);
    assert!(offences.len() == 1 && offences[0].contains("maybe"), "{offences:?}");
}
