//! Rendered manifests: objects, and the few of their parts that tests ask for.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
    sync::LazyLock,
};

use serde_json::Value;

use crate::tools::{output, python, root};

/// Documents of YAML, as JSON; what is empty is none.
const TO_JSON: &str = "import json, sys, yaml\n\
    json.dump([one for one in yaml.safe_load_all(sys.stdin) if one], sys.stdout)";

/// What each overlay renders to, by its name.
pub(crate) static OVERLAYS: LazyLock<BTreeMap<String, Vec<Value>>> = LazyLock::new(|| {
    let folders = fs::read_dir(folder().join("overlays")).unwrap().map(|entry| entry.unwrap());
    let names = folders.map(|folder| folder.file_name().into_string().unwrap());
    names.map(|name| (name.clone(), objects(&kustomize(&format!("overlays/{name}"))))).collect()
});

/// What the base renders to.
pub(crate) static BASE: LazyLock<Vec<Value>> = LazyLock::new(|| objects(&kustomize("base")));

/// `deploy/kubernetes`.
pub(crate) fn folder() -> PathBuf {
    root().join("deploy/kubernetes")
}

/// What a folder below it renders to.
pub(crate) fn kustomize(folder: &str) -> String {
    output(python("kubectl").arg("kustomize").arg(self::folder().join(folder)))
}

/// The objects in a text of YAML.
pub(crate) fn objects(text: &str) -> Vec<Value> {
    serde_json::from_str(&ask(python("python").args(["-c", TO_JSON]), text)).unwrap()
}

/// Runs a command that must end well on an input, and gives what it printed.
pub(crate) fn ask(command: &mut Command, input: &str) -> String {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let complained = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {}\n{complained}", done.status);
    String::from_utf8(done.stdout).unwrap()
}

/// The only object of a kind.
pub(crate) fn only<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    let only = found.next().unwrap_or_else(|| panic!("there is no {kind}"));
    assert!(found.next().is_none(), "there are several {kind}");
    only
}

/// The specification of the pods.
pub(crate) fn pod(objects: &[Value]) -> &Value {
    &only(objects, "DaemonSet")["spec"]["template"]["spec"]
}

/// The container that the agent is in.
pub(crate) fn agent(objects: &[Value]) -> &Value {
    let containers = list(&pod(objects)["containers"]);
    containers.iter().find(|container| container["name"] == "agent").unwrap_or(&Value::Null)
}

/// The elements of a list; none where there is no list.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text; empty where there is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The agent's arguments, with the node's address in its place.
pub(crate) fn arguments(objects: &[Value]) -> Vec<String> {
    let arguments = list(&agent(objects)["args"]).iter();
    arguments.map(|argument| text(argument).replace("$(NODE_IP)", "192.0.2.1")).collect()
}

/// The value of one of the agent's options, as it is written.
pub(crate) fn option<'a>(objects: &'a [Value], name: &str) -> Option<&'a str> {
    let mut arguments = list(&agent(objects)["args"]).iter().map(text);
    arguments.find_map(|argument| argument.strip_prefix(name)?.strip_prefix('='))
}

/// Where the policy is mounted, the key of it there, and the text behind that key.
pub(crate) fn policy(objects: &[Value]) -> Option<(&str, &str)> {
    let (folder, key) = option(objects, "--policy")?.rsplit_once('/')?;
    let mounts = list(&agent(objects)["volumeMounts"]);
    let mount = mounts.iter().find(|mount| mount["mountPath"] == folder)?;
    let volumes = list(&pod(objects)["volumes"]);
    let volume = volumes.iter().find(|volume| volume["name"] == mount["name"])?;
    let maps = objects.iter().filter(|object| object["kind"] == "ConfigMap");
    let mut named = maps.filter(|map| map["metadata"]["name"] == volume["configMap"]["name"]);
    Some((key, named.next()?["data"][key].as_str()?))
}

/// Sets what a JSON pointer leads to, and takes it away for null; `-` appends to a list.
pub(crate) fn set(value: &mut Value, pointer: &str, new: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/");
    match value.pointer_mut(parent).unwrap_or_else(|| panic!("{parent} leads nowhere")) {
        Value::Object(map) if new.is_null() => drop(map.remove(&key)),
        Value::Object(map) => drop(map.insert(key, new)),
        Value::Array(list) if key == "-" => list.push(new),
        Value::Array(list) if new.is_null() => drop(list.remove(key.parse().unwrap())),
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = new,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            panic!("{parent} has no parts")
        }
    }
}
