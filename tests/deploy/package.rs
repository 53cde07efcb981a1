//! The Debian package that `cargo xtask dist` has made: what is in it, and what systemd makes of its
//! units. Nothing is installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use enforcer_tests::{Rig, require_privilege};

use crate::tools::{dist, output};

/// Unpacks it, control files included.
fn unpack(rig: &Rig) -> PathBuf {
    let folder = rig.scratch().path().join("package");
    output(Command::new("dpkg-deb").arg("--raw-extract").arg(dist("_amd64.deb")).arg(&folder));
    folder
}

fn read(folder: &Path, path: &str) -> String {
    fs::read_to_string(folder.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_package_has_program_units_manual_completions_and_a_policy_that_only_counts() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let folder = unpack(&rig);

    for path in [
        "usr/share/man/man1/enforcer.1.gz",
        "usr/share/man/man1/enforcer-status.1.gz",
        "usr/share/doc/enforcer/copyright",
        "usr/share/doc/enforcer/changelog.gz",
    ] {
        assert!(folder.join(path).is_file(), "{path}");
    }
    assert!(read(&folder, "usr/share/bash-completion/completions/enforcer").contains("complete"));
    assert!(read(&folder, "usr/share/zsh/vendor-completions/_enforcer").starts_with("#compdef"));
    assert!(read(&folder, "usr/share/fish/vendor_completions.d/enforcer.fish").contains("status"));
    let program = folder.join("usr/bin/enforcer");
    let policy = folder.join("etc/enforcer/policy.yaml");
    let said = output(Command::new(&program).args(["check", "--strict", "--policy"]).arg(&policy));
    assert!(said.contains("in mode audit"), "{said}");
    let version = output(Command::new(&program).arg("--version"));
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    let kept: Vec<_> = read(&folder, "DEBIAN/conffiles").lines().map(str::to_owned).collect();
    assert_eq!(kept, ["/etc/default/enforcer", "/etc/enforcer/policy.yaml"]);
    for script in ["postinst", "prerm", "postrm"] {
        output(Command::new("sh").arg("-n").arg(folder.join("DEBIAN").join(script)));
    }
}

#[test]
fn systemd_takes_the_units_and_a_unit_with_a_fault_not() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let folder = unpack(&rig);
    let units = folder.join("lib/systemd/system");
    let program = folder.join("usr/bin/enforcer");
    for unit in ["enforcer.service", "enforcer-deny.service"] {
        // Installed nowhere: the program is where the package is unpacked.
        let shipped = read(&units, unit);
        let text = shipped.replace("/usr/bin/enforcer", &program.display().to_string());
        let text = text.replace("Documentation=man:enforcer(1)\n", "");
        fs::write(units.join(unit), &text).unwrap();
        let done = verify(&units.join(unit));
        assert!(done.is_empty(), "{unit}: {done}");

        let faulty = text.replace("Type=notify", "Type=notifies");
        fs::write(units.join(unit), faulty).unwrap();
        assert!(verify(&units.join(unit)).contains("notifies"), "{unit}");
        fs::write(units.join(unit), shipped).unwrap();
    }
}

/// What systemd complains of.
fn verify(unit: &Path) -> String {
    let done = Command::new("systemd-analyze").arg("verify").arg(unit).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    // Of other units of the machine it may complain as well.
    let name = unit.file_name().unwrap().to_string_lossy();
    said.lines().filter(|line| line.contains(&*name)).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_unit_gives_the_three_capabilities_and_the_other_one_differs_in_its_start_alone() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let folder = unpack(&rig);
    let [open, closed] = ["enforcer", "enforcer-deny"]
        .map(|unit| read(&folder, &format!("lib/systemd/system/{unit}.service")));

    assert!(open.contains("\nCapabilityBoundingSet=CAP_BPF CAP_NET_ADMIN CAP_PERFMON\n"));
    let service = |text: &str| {
        let (_, behind) = text.split_once("[Service]").unwrap();
        behind.split_once("[Install]").unwrap().0.replace(" --on-start deny", "")
    };
    assert_eq!(service(&open), service(&closed));
    assert!(closed.contains("--on-start deny") && !open.contains("--on-start"));
    assert!(closed.contains("\nBefore=network-pre.target"));
}
