//! Ten thousand names.

use std::time::Instant;

use enforcer_tests::{Peer, Probe, Rig, Zone, require_privilege, wait};

use crate::world::{PLAIN, number, policy, probe, serve};

const NAMES: u32 = 10_000;
const MAX_MEMORY: u64 = 100_000_000;

#[test]
fn resolves_ten_thousand_names_in_a_hundred_megabytes() {
    require_privilege!();
    let rig = Rig::make().unwrap();
    let _server = serve(&rig, Zone::new().with_generated("load.test", NAMES));
    let _peer = Peer::tcp(&rig.world, 443).unwrap();
    let rules: Vec<String> = (0..10)
        .map(|group| {
            let size = NAMES / 10;
            let names = (group * size..(group + 1) * size)
                .map(|number| format!("{{fqdn: {}}}", Zone::generated_name("load.test", number)));
            let names: Vec<String> = names.collect();
            format!("{{name: group-{group}, to: [{}], ports: [tcp/443]}}", names.join(", "))
        })
        .collect();
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let began = Instant::now();

    let agent = rig.launch(&policy(PLAIN, &rules), &["--ready-timeout", "30"]).unwrap();
    agent.wait_until_ready().unwrap();

    let ready = began.elapsed();
    let status = agent.status().unwrap();
    assert_eq!(number(&status, "/dns/resolved"), u64::from(NAMES), "{:#}", status["dns"]);
    let memory = agent.memory().unwrap();
    println!("10,000 names: ready after {ready:.1?}, {} MB resident", memory / 1_000_000);
    assert!(memory < MAX_MEMORY, "{memory} bytes");
    let last = Zone::generated_address(NAMES - 1);
    let behind = Zone::generated_address(NAMES);
    wait::until_true("the last name's address", crate::world::PATIENCE, || {
        probe(&rig, &Probe::tcp(last, 443)).is_reached()
    })
    .unwrap();
    assert!(probe(&rig, &Probe::tcp(behind, 443)).is_refused_at_once());
}
