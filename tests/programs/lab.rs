//! A loaded datapath that judges packets on request.

use std::{collections::BTreeMap, path::PathBuf};

use aya::programs::{CgroupSkb, CgroupSkbAttachType, TestRun as _, TestRunOptions};
use enforcer::{
    datapath::{
        self, BootTime, Claim, Datapath, Document, Reading,
        document::{AgentInfo, PolicyInfo, Reloads, ResolutionInfo, RuleInfo},
        learned::Answer,
    },
    policy::{
        self, Policy,
        compile::{self, Slots, Tables},
    },
};
use enforcer_common::{dns::name::NameKey, verdict::Reason};
use enforcer_tests::{Packet, Rig};

/// Where the fields are in `struct __sk_buff` (include/uapi/linux/bpf.h), and its size as far as
/// they go.
const IFINDEX: usize = 40;
const GSO_SEGS: usize = 164;
const CONTEXT_BYTES: usize = 192;

/// What became of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) passed: bool,
    /// The reason it was counted under as denied.
    pub(crate) reason: Option<Reason>,
    /// The rule that matched.
    pub(crate) rule: Option<String>,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

/// Programs, maps and a policy; hooks are attached to a cgroup without processes.
pub(crate) struct Lab {
    rig: Rig,
    datapath: Datapath,
    policy: Policy,
    tables: Tables,
    slots: Slots,
    ifindex: u32,
}

impl Lab {
    pub(crate) fn new(rules: &str) -> Self {
        let rig = Rig::make().unwrap();
        let options = rig.load_options();
        let claim = Claim::take(&options.bpffs).unwrap();
        let datapath = Datapath::load(&options, claim, BootTime::now()).unwrap();
        let shown = rig
            .client
            .output(std::process::Command::new("ip").args(["-o", "link", "show", "uplink"]));
        let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
        let ifindex = shown.split(':').next().unwrap().trim().parse().unwrap();
        let (policy, tables, slots) = compiled(rules, Slots::default());
        let mut lab = Self { rig, datapath, policy, tables, slots, ifindex };
        lab.put_in_force();
        lab.datapath.attach(&[], Vec::new).unwrap();
        lab
    }

    /// Puts another policy in force, as a reload does.
    pub(crate) fn reload(&mut self, rules: &str) {
        (self.policy, self.tables, self.slots) = compiled(rules, self.slots.clone());
        self.put_in_force();
    }

    fn put_in_force(&mut self) {
        self.datapath.apply(&self.tables, &BTreeMap::new()).unwrap();
        self.datapath.write_document(&document(&self.policy, &self.tables)).unwrap();
    }

    /// Gives a name of the policy an address for so many seconds; negative: it has expired.
    pub(crate) fn learn(&mut self, name: &str, address: &str, seconds: i64) {
        let name = enforcer::fqdn::DomainName::parse(name).unwrap();
        let now = BootTime::now();
        let expires = now.0.saturating_add_signed(seconds * 1_000_000_000);
        let answer = Answer {
            address: address.parse::<std::net::IpAddr>().unwrap().into(),
            rules: self.tables.names.rules(&name),
            expires: BootTime(expires),
            name: &NameKey::ROOT,
            name_hash: 1,
        };
        self.datapath.learn(&answer).unwrap();
    }

    /// Has the kernel judge a packet, and tells what it counted.
    pub(crate) fn judge(&self, packet: &Packet) -> Judged {
        self.judge_on(packet, self.ifindex, 0)
    }

    /// As [`Self::judge`], as if it were a GSO packet of so many segments.
    pub(crate) fn judge_segments(&self, packet: &Packet, segments: u32) -> Judged {
        self.judge_on(packet, self.ifindex, segments)
    }

    /// As [`Self::judge`], on its way out by the loopback device.
    pub(crate) fn judge_on_loopback(&self, packet: &Packet) -> Judged {
        self.judge_on(packet, 1, 0)
    }

    fn judge_on(&self, packet: &Packet, ifindex: u32, segments: u32) -> Judged {
        let before = self.read();
        let mut context = [0; CONTEXT_BYTES];
        context[IFINDEX..IFINDEX + 4].copy_from_slice(&ifindex.to_ne_bytes());
        context[GSO_SEGS..GSO_SEGS + 4].copy_from_slice(&segments.to_ne_bytes());
        let (frame, pinned) = (packet.frame(), self.pinned());
        // The device is looked up in the namespace of the caller.
        let returned = self.rig.client.run(|| {
            let program = CgroupSkb::from_pin(pinned, CgroupSkbAttachType::Egress)?;
            let options = TestRunOptions {
                data_in: Some(&frame),
                ctx_in: Some(&context),
                ..TestRunOptions::default()
            };
            Ok(program.test_run(options)?.return_value)
        });
        self.judged(returned.unwrap() & 1 == 1, &before, &self.read())
    }

    fn judged(&self, passed: bool, before: &Reading, after: &Reading) -> Judged {
        let count = |reading: &Reading, reason: Reason| {
            let drops = reading.drops.iter().find(|(one, _)| *one == reason);
            drops.map_or(0, |(_, counter)| counter.packets)
        };
        let grew = |reason: &&Reason| count(after, **reason) > count(before, **reason);
        let rules = self.policy.rules.iter().zip(before.rules.iter().zip(&after.rules));
        let total = |reading: &Reading| {
            let totals = &reading.totals;
            let all = [totals.allowed_v4, totals.allowed_v6, totals.denied_v4, totals.denied_v6];
            (
                all.iter().map(|one| one.packets).sum::<u64>(),
                all.iter().map(|one| one.bytes).sum::<u64>(),
            )
        };
        let ((packets, bytes), (packets_before, bytes_before)) = (total(after), total(before));
        Judged {
            passed,
            reason: Reason::ALL.iter().find(grew).copied(),
            rule: rules
                .filter(|(_, (before, after))| after.packets > before.packets)
                .map(|(rule, _)| rule.name.clone())
                .next(),
            packets: packets - packets_before,
            bytes: bytes - bytes_before,
        }
    }

    /// What the maps say.
    pub(crate) fn read(&self) -> Reading {
        datapath::read(&self.rig.pins()).unwrap().unwrap()
    }

    fn pinned(&self) -> PathBuf {
        let folders =
            std::fs::read_dir(self.rig.pins()).unwrap().map(|entry| entry.unwrap().path());
        let mut programs = folders.map(|folder| folder.join("programs/egress_skb"));
        programs.find(|path| path.exists()).expect("the program is pinned")
    }
}

fn compiled(rules: &str, mut slots: Slots) -> (Policy, Tables, Slots) {
    let text = format!(
        "apiVersion: enforcer.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {{name: lab}}\nspec:\n{rules}"
    );
    let parsed = policy::parse(&text);
    let policy = parsed.policy.unwrap_or_else(|| panic!("{:#?}", parsed.diagnostics));
    let resolver = "203.0.113.53:53".parse().unwrap();
    let tables = compile::compile(&policy, &[resolver], &mut slots).unwrap();
    (policy, tables, slots)
}

/// As much of it as a reader of counters needs.
fn document(policy: &Policy, tables: &Tables) -> Document {
    let rules = policy.rules.iter().zip(&tables.slots).map(|(rule, slot)| RuleInfo {
        slot: *slot,
        digest: String::new(),
        name: rule.name.clone(),
        action: rule.action.to_string(),
        from: vec![],
        to: vec![],
        to_count: 0,
        ports: vec![],
        line: 1,
        preset: None,
    });
    Document {
        agent: AgentInfo {
            pid: std::process::id(),
            pid_namespace: 0,
            version: String::new(),
            started_at: jiff::Timestamp::UNIX_EPOCH,
        },
        cgroup: "/".to_owned(),
        uplinks: vec![],
        policy: PolicyInfo {
            name: policy.name.clone(),
            path: String::new(),
            sha256: String::new(),
            generation: 1,
            loaded_at: jiff::Timestamp::UNIX_EPOCH,
            mode: policy.mode.to_string(),
            resolvers: vec![],
            reload_error: None,
        },
        rules: rules.collect(),
        resolution: ResolutionInfo::default(),
        restored: 0,
        reloads: Reloads::default(),
        layouts: BTreeMap::new(),
        highest_resolver_number: 0,
        is_filling: false,
        problems: vec![],
    }
}
