//! A namespace behind the node: a virtual machine, or a pod of another kernel.

use enforcer_tests::{Netns, Rig};

/// A namespace behind the node, whose packets the node forwards under its own address.
pub(crate) fn pod(rig: &Rig) -> Netns {
    let pod = Netns::make().unwrap();
    rig.client.set("ipv4/ip_forward", "1").unwrap();
    rig.client
        .configure([
            format!("link add pod type veth peer name eth0 netns {}", pod.path()),
            "addr add 10.244.0.1/24 dev pod".to_owned(),
            "link set pod up".to_owned(),
        ])
        .unwrap();
    pod.configure([
        "addr add 10.244.0.2/24 dev eth0",
        "link set eth0 up",
        "route add default via 10.244.0.1",
    ])
    .unwrap();
    masquerade(rig, "ip");
    pod
}

/// Has the node put its own address in the place of a sender's: `family` is `ip` or `ip6`.
pub(crate) fn masquerade(rig: &Rig, family: &str) {
    let rules = format!(
        "add table {family} nat; \
         add chain {family} nat post {{ type nat hook postrouting priority 100 ; }}; \
         add rule {family} nat post oifname uplink masquerade"
    );
    let done = rig.client.output(std::process::Command::new("nft").arg(rules)).unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
