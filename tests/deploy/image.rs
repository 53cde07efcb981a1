//! The image that `cargo xtask dist` has made: what is in it, and that it does a pod's work with the
//! manifest's capabilities and nothing more.
//!
//! A container runtime runs it, from its own root: there is no shell in it to be run beside.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use enforcer_tests::{Rig, require_privilege};
use serde_json::{Value, json};

use crate::{
    kubernetes::{
        manifest::{BASE, agent, arguments, list, text},
        node::{Container, Node, live_and_be_followed},
    },
    tools::{dist, output, root},
};

/// What it may take to be pulled by a node.
const MOST_BYTES: u64 = 20_000_000;

fn archive() -> String {
    format!("oci-archive:{}", dist("-image.tar").display())
}

fn inspect(arguments: &[&str]) -> Value {
    let said = output(Command::new("skopeo").arg("inspect").args(arguments).arg(archive()));
    serde_json::from_str(&said).unwrap()
}

/// Unpacks the image's only layer, and gives the files in it.
fn unpack(to: &Path) -> Vec<String> {
    let folder = to.with_extension("copied");
    let target = format!("dir:{}", folder.display());
    output(Command::new("skopeo").args(["copy", "--quiet", &archive(), &target]));
    let manifest = fs::read_to_string(folder.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let [layer] = list(&manifest["layers"]) else { panic!("{manifest}") };
    let layer = folder.join(text(&layer["digest"]).trim_start_matches("sha256:"));
    fs::create_dir(to).unwrap();
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--verbose", "--file"]).arg(layer).arg("--directory").arg(to);
    output(&mut tar).lines().filter(|line| !line.ends_with('/')).map(str::to_owned).collect()
}

/// A container's configuration as a runtime derives it from the manifest.
fn bundle(node: &Node) -> PathBuf {
    let bundle = node.rig.scratch().path().join("bundle");
    fs::create_dir(&bundle).unwrap();
    unpack(&bundle.join("rootfs"));
    let image = inspect(&["--config"]);
    let entry = list(&image["config"]["Entrypoint"]).iter().map(|one| text(one).to_owned());
    let security = &agent(&BASE)["securityContext"];
    let capabilities: Vec<String> = list(&security["capabilities"]["add"])
        .iter()
        .map(|it| format!("CAP_{}", text(it)))
        .collect();
    let bind = |from: &Path, to: &str, options: &[&str]| {
        let options = [&["rbind"], options].concat();
        json!({"destination": to, "type": "bind", "source": from, "options": options})
    };
    let resolvers = node.rig.scratch().path().join("resolv.conf");
    let config = json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": security["runAsUser"], "gid": 0},
            "args": entry.chain(arguments(&BASE)).collect::<Vec<_>>(),
            "env": image["config"]["Env"],
            "cwd": "/",
            "noNewPrivileges": security["allowPrivilegeEscalation"] == false,
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities
            },
        },
        "root": {"path": "rootfs", "readonly": security["readOnlyRootFilesystem"]},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
            bind(node.rig.pins().parent().unwrap(), "/sys/fs/bpf", &[]),
            bind(Path::new("/sys/fs/cgroup"), "/sys/fs/cgroup", &["ro"]),
            bind(&node.volume, "/etc/enforcer", &["ro"]),
            bind(&resolvers, "/etc/resolv.conf", &["ro"]),
        ],
        // The network is the host's.
        "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}, {"type": "ipc"}, {"type": "uts"}]},
    });
    fs::write(bundle.join("config.json"), config.to_string()).unwrap();
    bundle
}

/// Where crun keeps the containers of a node; drop ends those that are left.
struct Runtime {
    state: PathBuf,
    name: String,
}

impl Runtime {
    fn of(rig: &Rig) -> Self {
        let state = rig.scratch().path().join("crun");
        Self { state, name: format!("enforcer-{}", std::process::id()) }
    }

    fn crun(&self, arguments: &[&str]) -> Command {
        let mut crun = Command::new("crun");
        crun.arg("--root").arg(&self.state).args(arguments).arg(&self.name);
        crun
    }

    fn start(&self, node: &Node, bundle: &Path) -> Container {
        let mut command = node.shell("tests/deploy/image.sh");
        node.spawn(command.arg(bundle).arg(&self.state).arg(&self.name))
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // One that has ended is not there any more.
        drop(self.crun(&["delete", "--force"]).output());
    }
}

#[test]
fn the_image_is_small_and_says_what_it_is() {
    let image = inspect(&[]);
    let labels = &image["Labels"];
    for (label, expected) in [
        ("title", "enforcer"),
        ("version", env!("CARGO_PKG_VERSION")),
        ("source", env!("CARGO_PKG_REPOSITORY")),
    ] {
        assert_eq!(labels[format!("org.opencontainers.image.{label}")], expected, "{labels}");
    }
    let mut git = Command::new("git");
    git.arg("-C").arg(root()).args(["log", "-1", "--format=%H"]);
    // A tree that is none of git's has no commit to tell.
    if let Some(commit) = git.output().ok().filter(|output| output.status.success()) {
        let revision = text(&labels["org.opencontainers.image.revision"]);
        assert_eq!(revision, String::from_utf8_lossy(&commit.stdout).trim(), "{labels}");
    }
    let bytes = fs::metadata(dist("-image.tar")).unwrap().len();
    assert!((1..MOST_BYTES).contains(&bytes), "{bytes} bytes");
    let config = inspect(&["--config"]);
    assert_eq!(config["config"]["Entrypoint"], json!(["/usr/bin/enforcer"]));
    assert_eq!(config["config"]["User"], "0:0");
}

#[test]
fn the_image_has_the_program_alone_static_and_with_its_list_of_parts() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let unpacked = rig.scratch().path().join("unpacked");

    assert_eq!(unpack(&unpacked), ["usr/bin/enforcer"]);

    let program = unpacked.join("usr/bin/enforcer");
    let headers =
        output(Command::new("readelf").args(["--program-headers", "--wide"]).arg(&program));
    assert!(!headers.contains("INTERP"), "it is linked with shared libraries: {headers}");
    let parts: Value =
        serde_json::from_str(&output(Command::new("auditable2cdx").arg(&program))).unwrap();
    let names: Vec<_> = list(&parts["components"]).iter().map(|it| text(&it["name"])).collect();
    assert!(names.contains(&"aya") && names.contains(&"hickory-resolver"), "{names:?}");
    assert!(!names.contains(&"insta"), "what only tests need is none of its parts: {names:?}");
    // The list beside it is of this very program.
    let listed = fs::read_to_string(dist(".cdx.json")).unwrap();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["components"], parts["components"]);
}

#[test]
fn the_image_does_a_pods_work_with_the_capabilities_of_the_manifest() {
    require_privilege!();
    let node = Node::make();
    let (runtime, bundle) = (Runtime::of(&node.rig), bundle(&node));
    live_and_be_followed(&node, |node| {
        // A name is free once the container of that name is gone.
        drop(runtime.crun(&["delete", "--force"]).output());
        runtime.start(node, &bundle)
    });
}
