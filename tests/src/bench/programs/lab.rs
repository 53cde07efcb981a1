//! A loaded datapath without an agent, for programs that are run on request.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::IpAddr,
    path::{Path, PathBuf},
};

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
    uplink::Uplink,
};
use enforcer_common::dns::name::NameKey;

use super::cases::{EMPTY, LEARNED, NAME, PORT, RANGE_V4, RANGE_V6, RESOLVER};
use crate::{
    Rig,
    bench::trivial::{self, Kind},
    link::CLIENT_DEVICE,
};

/// Longer than any run.
const LIFE_NS: u64 = 3_600_000_000_000;
/// Where the device is in `struct __sk_buff`, and its size as far as a test run reads it
/// (include/uapi/linux/bpf.h, 6.18).
const IFINDEX: std::ops::Range<usize> = 40..44;
const CONTEXT_BYTES: usize = 192;

/// Programs and maps with a policy of so many rules, in a rig of their own.
pub(super) struct Lab {
    pub(super) rig: Rig,
    pub(super) rules: u32,
    _datapath: Datapath,
    instance: Instance,
    pass: PathBuf,
    /// A packet on its way out by the client's device.
    context: [u8; CONTEXT_BYTES],
}

/// A program that can be run on request.
pub(super) enum Program {
    Cgroup(CgroupSkb),
    Classifier(SchedClassifier),
}

impl Lab {
    /// Loads the programs onto the rig's cgroup, in which there is no process, and onto its uplink.
    pub(super) fn new(rules: u32) -> anyhow::Result<Self> {
        let rig = Rig::make()?;
        let pass = rig.pins().with_file_name("pass");
        trivial::pin(Kind::Pass, &pass).context("load a program of two instructions")?;
        // The device is looked up in the namespace of the caller.
        let (datapath, index) = rig.client.run(|| {
            let index = nix::net::if_::if_nametoindex(CLIENT_DEVICE).context("find the device")?;
            Ok((load(&rig, rules, index)?, index))
        })?;
        let instance = Folder::new(rig.pins()).current()?.context("find the pins")?;
        let mut context = [0; CONTEXT_BYTES];
        if let Some(field) = context.get_mut(IFINDEX) {
            field.copy_from_slice(&index.to_ne_bytes());
        }
        Ok(Self { rig, rules, _datapath: datapath, instance, pass, context })
    }

    /// A program by its name.
    pub(super) fn open(&self, name: &str) -> anyhow::Result<Program> {
        let pin = self.instance.program(name);
        let cgroup = |pin: &Path, kind| CgroupSkb::from_pin(pin, kind).map(Program::Cgroup);
        Ok(match name {
            EMPTY => cgroup(&self.pass, CgroupSkbAttachType::Egress)?,
            "ingress_skb" => cgroup(&pin, CgroupSkbAttachType::Ingress)?,
            _ if name.starts_with("tc") => Program::Classifier(SchedClassifier::from_pin(pin)?),
            _ => cgroup(&pin, CgroupSkbAttachType::Egress)?,
        })
    }

    /// Runs a program over a frame; in the client's namespace.
    pub(super) fn run(
        &self,
        program: &Program,
        frame: &[u8],
        repeat: u32,
    ) -> anyhow::Result<TestRunResult> {
        let options = TestRunOptions {
            data_in: Some(frame),
            ctx_in: Some(&self.context),
            repeat,
            ..TestRunOptions::default()
        };
        let ran = match program {
            Program::Cgroup(program) => program.test_run(options),
            Program::Classifier(program) => program.test_run(options),
        };
        ran.context("run the program")
    }
}

fn load(rig: &Rig, rules: u32, index: u32) -> anyhow::Result<Datapath> {
    let mut options = rig.load_options();
    options.judges_uplinks = true;
    let parsed = policy::parse(&policy_of(rules));
    let policy = parsed.policy.with_context(|| format!("{:?}", parsed.diagnostics))?;
    let resolver = (IpAddr::from(RESOLVER), 53).into();
    let tables = compile::compile(&policy, &[resolver], &mut compile::Slots::default())?;
    let claim = Claim::take(&options.bpffs)?;
    let mut datapath = Datapath::load(&options, claim, BootTime::now())?;
    datapath.apply(&tables, &BTreeMap::new())?;
    let uplink = Uplink { index, name: CLIENT_DEVICE.to_owned(), is_ethernet: true };
    datapath.attach(&[uplink], Vec::new)?;
    datapath.learn(&Answer {
        address: IpAddr::from(LEARNED).into(),
        rules: tables.names.rules(&DomainName::parse(NAME)?),
        expires: BootTime(BootTime::now().0.saturating_add(LIFE_NS)),
        name: &NameKey::ROOT,
        name_hash: 1,
    })?;
    Ok(datapath)
}

/// The last rule allows what the cases name; those before are of as many sorts.
fn policy_of(rules: u32) -> String {
    let resolver = IpAddr::from(RESOLVER);
    let mut text = format!(
        "apiVersion: enforcer.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {{name: bench}}\nspec:\n  \
         dns: {{resolvers: [{resolver}]}}\n  rules:\n"
    );
    // Into memory: it takes whatever is written.
    let mut add = |rule: std::fmt::Arguments<'_>| {
        let _: std::fmt::Result = writeln!(text, "    - {{{rule}}}");
    };
    for number in 1..rules {
        let (high, low, port) = (number / 250, number % 250 + 1, 1_000 + number);
        add(format_args!(
            "name: r{number}, to: [{{cidr: 100.64.{high}.{low}/32}}, {{fqdn: n{number}.test}}], \
             ports: [tcp/{port}]"
        ));
    }
    add(format_args!(
        "name: last, to: [{{cidr: {RANGE_V4}}}, {{cidr: '{RANGE_V6}'}}, {{fqdn: {NAME}}}], \
         ports: [udp/{PORT}]"
    ));
    text
}
