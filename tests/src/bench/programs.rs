//! The kernel programs over one packet, many times over (`BPF_PROG_TEST_RUN`).
//!
//! The packet has a socket that the hooks have never seen, of no family: what a program writes down
//! about sockets it does not find, and it goes the long way. Which verdict it comes to is checked,
//! or the figure would be of another way than its name says.

use std::{collections::BTreeMap, net::IpAddr};

use anyhow::Context as _;
use aya::programs::{
    CgroupSkb, CgroupSkbAttachType, SchedClassifier, TestRun as _, TestRunOptions, TestRunResult,
};
use enforcer::{
    datapath::{
        BootTime, Claim, Datapath,
        learned::Answer,
        pin::{Folder, Instance},
    },
    fqdn::DomainName,
    policy::{self, compile},
};
use enforcer_common::dns::name::NameKey;

use super::{
    quartiles::Quartiles,
    report::Path,
    trivial::{self, Kind},
};
use crate::{Packet, Rig, link::CLIENT_DEVICE};

const POLICY: &str = "
apiVersion: enforcer.dev/v1alpha1
kind: EgressPolicy
metadata: {name: bench}
spec:
  dns: {resolvers: [203.0.113.53]}
  rules:
    - {name: range, to: [{cidr: 198.51.100.0/24}, {cidr: '2001:db8:7::/48'}], ports: [udp/443]}
    - {name: name, to: [{fqdn: a.test}], ports: [udp/443]}
";
const NAME: &str = "a.test";
/// Longer than any run.
const LIFE_NS: u64 = 3_600_000_000_000;
/// Figures of each program and packet.
const ROUNDS: usize = 9;
/// Where the device is in `struct __sk_buff`, and its size as far as a test run reads it
/// (include/uapi/linux/bpf.h, 6.18).
const IFINDEX: std::ops::Range<usize> = 40..44;
const CONTEXT_BYTES: usize = 192;
/// What a classifier returns for what does not pass
/// (`TC_ACT_SHOT`, include/uapi/linux/pkt_cls.h).
const SHOT: u32 = 2;

/// A program that can be run on request.
enum Program {
    Cgroup(CgroupSkb),
    Classifier(SchedClassifier),
}

/// A program over a packet.
struct Case {
    program: &'static str,
    packet: &'static str,
    frame: Vec<u8>,
    passes: bool,
}

/// Measures all, in rounds.
pub(super) fn measure(repeat: u32) -> anyhow::Result<Vec<Path>> {
    let rig = Rig::make()?;
    let (_datapath, instance) = load(&rig)?;
    let pass = rig.pins().with_file_name("pass");
    trivial::pin(Kind::Pass, &pass).context("load a program of two instructions")?;
    let cases = cases();
    let mut costs = vec![Ok(Vec::new()); cases.len()];
    // The device is looked up in the namespace of the caller.
    rig.client.run(|| {
        let context = context()?;
        for _ in 0..ROUNDS {
            for (case, costs) in cases.iter().zip(&mut costs) {
                if let Ok(samples) = costs {
                    let ran = open(case, &instance, &pass)
                        .and_then(|program| program.run(&case.frame, &context, repeat));
                    match ran.and_then(|ran| case.cost(&ran)) {
                        Ok(cost) => samples.push(cost),
                        Err(error) => *costs = Err(format!("{error:#}")),
                    }
                }
            }
        }
        Ok(())
    })?;
    let mut paths: Vec<_> = cases
        .into_iter()
        .zip(costs)
        .map(|(case, costs)| path(case.program, case.packet, costs))
        .collect();
    let reason = "the kernel runs no program of its type on request".to_owned();
    paths.push(path("connect4", "allowed by a range", Err(reason)));
    Ok(paths)
}

fn path(program: &str, packet: &str, costs: Result<Vec<f64>, String>) -> Path {
    let (program, packet) = (program.to_owned(), packet.to_owned());
    let (cost, missing) = match costs {
        Ok(costs) => (Quartiles::of(costs), None),
        Err(reason) => (None, Some(reason)),
    };
    Path { program, packet, missing, cost }
}

fn cases() -> Vec<Case> {
    let out = |to: &str| {
        let packet = if to.contains(':') { Packet::ipv6() } else { Packet::ipv4() };
        packet.to(to).udp(443).payload(&[0; 32]).frame()
    };
    let back = Packet::ipv4().from("198.51.100.1").to("192.0.2.2").udp(40_000);
    let back = back.payload(&[0; 32]).frame();
    let case = |program, packet, frame, passes| Case { program, packet, frame, passes };
    let mut cases = vec![case("empty", "any", out("198.51.100.1"), true)];
    for program in ["egress_skb", "tc_egress"] {
        cases.extend([
            case(program, "allowed by a range", out("198.51.100.1"), true),
            case(program, "allowed by a range, IPv6", out("2001:db8:7::1"), true),
            case(program, "allowed by a learned address", out("203.0.113.1"), true),
            case(program, "denied", out("203.0.113.9"), false),
            case(program, "denied, IPv6", out("2001:db8:9::9"), false),
        ]);
    }
    cases.push(case("ingress_skb", "a reply", back, true));
    // Behind a frame that opens its flow from outside, and that no rule would let back.
    let opening = Packet::ipv4().from("203.0.113.7").from_port(443).to("192.0.2.2").udp(40_000);
    cases.push(case("tc_ingress", "opens a flow from outside", opening.frame(), true));
    cases.push(case("tc_egress", "a reply to it", out("203.0.113.7"), true));
    cases
}

impl Case {
    /// Nanoseconds a run, if it came to the verdict that it should.
    fn cost(&self, ran: &TestRunResult) -> anyhow::Result<f64> {
        let passed = if self.program.starts_with("tc") {
            ran.return_value != SHOT
        } else {
            ran.return_value & 1 == 1
        };
        anyhow::ensure!(passed == self.passes, "the program returned {}", ran.return_value);
        Ok(ran.duration.as_secs_f64() * 1e9)
    }
}

fn open(case: &Case, instance: &Instance, pass: &std::path::Path) -> anyhow::Result<Program> {
    let pin = instance.program(case.program);
    Ok(match case.program {
        "empty" => Program::Cgroup(CgroupSkb::from_pin(pass, CgroupSkbAttachType::Egress)?),
        name if name.starts_with("tc") => Program::Classifier(SchedClassifier::from_pin(pin)?),
        "ingress_skb" => Program::Cgroup(CgroupSkb::from_pin(pin, CgroupSkbAttachType::Ingress)?),
        _ => Program::Cgroup(CgroupSkb::from_pin(pin, CgroupSkbAttachType::Egress)?),
    })
}

impl Program {
    fn run(&self, frame: &[u8], context: &[u8], repeat: u32) -> anyhow::Result<TestRunResult> {
        let options = TestRunOptions {
            data_in: Some(frame),
            ctx_in: Some(context),
            repeat,
            ..TestRunOptions::default()
        };
        let ran = match self {
            Self::Cgroup(program) => program.test_run(options),
            Self::Classifier(program) => program.test_run(options),
        };
        ran.context("run the program")
    }
}

/// Loads the programs onto the rig's cgroup, in which there is no process.
fn load(rig: &Rig) -> anyhow::Result<(Datapath, Instance)> {
    let options = rig.load_options();
    let parsed = policy::parse(POLICY);
    let policy = parsed.policy.with_context(|| format!("{:?}", parsed.diagnostics))?;
    let resolver = (IpAddr::from([203, 0, 113, 53]), 53).into();
    let tables = compile::compile(&policy, &[resolver], &mut compile::Slots::default())?;
    let claim = Claim::take(&options.bpffs)?;
    let mut datapath = Datapath::load(&options, claim, BootTime::now())?;
    datapath.apply(&tables, &BTreeMap::new())?;
    datapath.attach(&[], Vec::new)?;
    datapath.learn(&Answer {
        address: IpAddr::from([203, 0, 113, 1]).into(),
        rules: tables.names.rules(&DomainName::parse(NAME)?),
        expires: BootTime(BootTime::now().0.saturating_add(LIFE_NS)),
        name: &NameKey::ROOT,
        name_hash: 1,
    })?;
    let instance = Folder::new(rig.pins()).current()?.context("find the pins")?;
    Ok((datapath, instance))
}

/// A packet on its way out by the client's device.
fn context() -> anyhow::Result<[u8; CONTEXT_BYTES]> {
    let mut context = [0; CONTEXT_BYTES];
    let index = nix::net::if_::if_nametoindex(CLIENT_DEVICE).context("find the device")?;
    if let Some(field) = context.get_mut(IFINDEX) {
        field.copy_from_slice(&index.to_ne_bytes());
    }
    Ok(context)
}
