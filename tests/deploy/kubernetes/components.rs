//! Components go together, on any overlay and with a policy of one's own.

use std::{fmt::Write as _, process::Command};

use enforcer_tests::scratch::Scratch;
use serde_json::Value;

use super::{
    manifest::{agent, folder, objects, only, policy},
    program, rules, schema,
};
use crate::tools::{output, python};

const POLICY: &str = "apiVersion: enforcer.dev/v1alpha1\nkind: EgressPolicy\n\
    metadata: {name: own}\nspec: {mode: audit, rules: [{name: all, to: [{cidr: any}]}]}\n";

/// What the README shows: an overlay, components, and another policy.
fn together(overlay: &str, components: &[&str]) -> Vec<Value> {
    let scratch = Scratch::make().unwrap();
    // Kustomize takes relative paths alone.
    let copy = scratch.path().join("manifests");
    output(Command::new("cp").arg("-r").arg(folder()).arg(&copy));
    scratch.write("policy.yaml", POLICY).unwrap();
    let mut kustomization = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n\
         resources: [manifests/overlays/{overlay}]\n\
         configMapGenerator:\n  - {{name: enforcer-policy, namespace: enforcer-system, \
         behavior: replace, files: [policy.yaml]}}\n\
         generatorOptions: {{disableNameSuffixHash: true}}\ncomponents:\n"
    );
    for component in components {
        writeln!(kustomization, "  - manifests/components/{component}").unwrap();
    }
    scratch.write("kustomization.yaml", &kustomization).unwrap();
    objects(&output(python("kubectl").arg("kustomize").arg(scratch.path())))
}

#[test]
fn all_components_go_together_with_another_policy() {
    let components = ["metrics-podmonitor", "bpffs-init", "selinux", "seccomp-unconfined"];
    let objects = together("aks", &components);

    assert_eq!(rules::offences(&objects), Vec::<String>::new());
    assert_eq!(schema::offences(&objects), Vec::<String>::new());
    assert_eq!(program::offences(&objects), Vec::<String>::new());
    assert_eq!(policy(&objects).unwrap().1, POLICY);
    let context = &agent(&objects)["securityContext"];
    assert_eq!(context["seLinuxOptions"]["type"], "spc_t");
    assert_eq!(context["seccompProfile"]["type"], "Unconfined");
}

#[test]
fn annotations_of_two_components_are_all_there() {
    for (one, other) in [
        ("apparmor-annotation", "metrics-annotations"),
        ("metrics-annotations", "apparmor-annotation"),
    ] {
        let objects = together("audit", &[one, other]);

        let template = &only(&objects, "DaemonSet")["spec"]["template"]["metadata"];
        assert_eq!(template["annotations"].as_object().unwrap().len(), 4, "{one}, {other}");
    }
}
