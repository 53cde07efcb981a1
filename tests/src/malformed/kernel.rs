//! `egress_skb` with its maps, on request.

use std::{collections::BTreeMap, io, process::Command};

use anyhow::Context as _;
use aya::{
    maps::{HashMap, Map, MapData, PerCpuArray},
    programs::{CgroupSkb, CgroupSkbAttachType, ProgramError, TestRun as _, TestRunOptions},
};
use enforcer::{
    datapath::{
        BootTime, Claim, Datapath,
        pin::{Folder, Instance},
    },
    policy::{self as agent_policy, compile},
};
use enforcer_common::{
    abi::map,
    counter::{Hits, total_entry},
    fragment::{FragmentEntry, FragmentKey},
    verdict::Verdict,
};

use super::{generate::Draft, outcome::Entry, policy};
use crate::{link::CLIENT_DEVICE, rig::Rig};

/// Where the device is in `struct __sk_buff`, and its size as far as a test run reads it
/// (include/uapi/linux/bpf.h, 6.18).
const IFINDEX: std::ops::Range<usize> = 40..44;
const CONTEXT_BYTES: usize = 192;
/// Destination and source of an Ethernet header; the type follows.
const HARDWARE_ADDRESSES: [u8; 12] = [0; 12];
/// How often a packet is judged in one test run.
pub(super) const TIMES: u32 = 2;

type Counters = PerCpuArray<MapData, [u64; size_of::<Hits>() / 8]>;
type Fragments = HashMap<MapData, [u8; size_of::<FragmentKey>()], [u8; size_of::<FragmentEntry>()]>;

/// Packets and bytes.
pub(super) type Count = (u64, u64);

/// The program, the policy in force, and a device that is not loopback.
pub(super) struct Kernel {
    program: CgroupSkb,
    context: [u8; CONTEXT_BYTES],
    frame: Vec<u8>,
    slots: Vec<u16>,
    rules: Counters,
    implicit: Counters,
    drops: Counters,
    totals: Counters,
    fragments: Fragments,
}

impl Kernel {
    /// Loads the programs into the rig's cgroup, in which there is no process.
    pub(super) fn load(rig: &Rig) -> anyhow::Result<Self> {
        let options = rig.load_options();
        let parsed = agent_policy::parse(policy::TEXT);
        let policy = parsed.policy.with_context(|| format!("{:?}", parsed.diagnostics))?;
        let resolver = |it: &str| Ok((it.parse::<std::net::IpAddr>()?, 53).into());
        let resolvers =
            policy::RESOLVERS.into_iter().map(resolver).collect::<anyhow::Result<Vec<_>>>()?;
        let tables = compile::compile(&policy, &resolvers, &mut compile::Slots::default())?;
        let claim = Claim::take(&options.bpffs)?;
        let mut datapath = Datapath::load(&options, claim, BootTime::now())?;
        datapath.apply(&tables, &BTreeMap::new())?;
        datapath.attach(&[], Vec::new)?;
        let instance = Folder::new(rig.pins()).current()?.context("find the pins")?;
        let mut context = [0; CONTEXT_BYTES];
        if let Some(field) = context.get_mut(IFINDEX) {
            field.copy_from_slice(&device(rig)?.to_ne_bytes());
        }
        let fragments = MapData::from_pin(instance.map(map::FRAGMENTS))?;
        Ok(Self {
            program: CgroupSkb::from_pin(
                instance.program("egress_skb"),
                CgroupSkbAttachType::Egress,
            )?,
            context,
            frame: Vec::new(),
            slots: tables.slots,
            rules: counters(&instance, map::RULE_HITS)?,
            implicit: counters(&instance, map::IMPLICIT_HITS)?,
            drops: counters(&instance, map::DROPS)?,
            totals: counters(&instance, map::TOTALS)?,
            fragments: Map::LruHashMap(fragments).try_into()?,
        })
    }

    /// Judges a packet [`TIMES`] times and says whether it passed the last time; `None` where the
    /// kernel makes no packet of it. To be called in the namespace of the device.
    pub(super) fn judge(&mut self, draft: &Draft) -> anyhow::Result<Option<bool>> {
        self.frame.clear();
        self.frame.extend(HARDWARE_ADDRESSES);
        self.frame.extend(draft.ethertype.to_be_bytes());
        self.frame.extend(&draft.bytes);
        let options = TestRunOptions {
            data_in: Some(&self.frame),
            ctx_in: Some(&self.context),
            repeat: TIMES,
            ..TestRunOptions::default()
        };
        match self.program.test_run(options) {
            Ok(ran) => Ok(Some(ran.return_value & 1 == 1)),
            Err(ProgramError::SyscallError(error)) if is_invalid(&error.io_error) => Ok(None),
            Err(error) => Err(error).context("run egress_skb"),
        }
    }

    /// What a counter says.
    pub(super) fn count(&self, entry: Entry) -> anyhow::Result<Count> {
        let (counters, index) = match entry {
            Entry::Rule(rule) => {
                (&self.rules, u32::from(*self.slots.get(rule).context("find the slot of a rule")?))
            }
            Entry::Implicit(implicit) => (&self.implicit, u32::from(implicit.number())),
            Entry::Drop(reason) => (&self.drops, u32::from(reason.number())),
            Entry::Total(verdict, is_v6) => {
                let allow = Verdict::Allow as u8;
                let verdict = if verdict == allow { Verdict::Allow } else { Verdict::Deny };
                (&self.totals, total_entry(verdict, is_v6))
            }
        };
        let values = counters.get(&index, 0).context("read a counter")?;
        let sum = |(packets, bytes), [one, two, _]: &[u64; 3]| (packets + one, bytes + two);
        Ok(values.iter().fold((0, 0), sum))
    }

    /// Forgets the datagrams whose first fragment passed, and says how many there were.
    pub(super) fn forget(&mut self) -> anyhow::Result<usize> {
        let keys = self.fragments.keys().collect::<Result<Vec<_>, _>>()?;
        for key in &keys {
            self.fragments.remove(key)?;
        }
        Ok(keys.len())
    }
}

fn counters(instance: &Instance, name: &str) -> anyhow::Result<Counters> {
    Ok(Map::PerCpuArray(MapData::from_pin(instance.map(name))?).try_into()?)
}

fn is_invalid(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::libc::EINVAL)
}

/// The number of the client's device, by which packets leave.
fn device(rig: &Rig) -> anyhow::Result<u32> {
    let shown =
        rig.client.output(Command::new("ip").args(["-o", "link", "show", CLIENT_DEVICE]))?;
    let shown = String::from_utf8_lossy(&shown.stdout);
    let number = shown.split(':').next().unwrap_or_default().trim();
    number.parse().with_context(|| format!("read the number of {CLIENT_DEVICE} in {shown:?}"))
}
