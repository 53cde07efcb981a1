//! A contender in a world of its own, and the samples taken there.

use std::{fs::File, process::Command, time::Duration};

use anyhow::Context as _;
use aya::programs::{
    CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, SchedClassifier, TcAttachType, tc,
};

use super::{
    allowlist::Allowlist,
    contender::Contender,
    filter,
    report::Samples,
    scenario::Scenario,
    sender::{self, Sender},
    trivial::{self, Kind},
};
use crate::{Agent, Rig, link::WORLD_DEVICE};

/// A million addresses are read and loaded in that time.
const START: Duration = Duration::from_secs(180);

/// A contender at work.
pub(super) struct Column<'a> {
    contender: Contender,
    rig: &'a Rig,
    /// What it consists of; it ends with this. Or why there is none.
    works: anyhow::Result<Works<'a>>,
    senders: Vec<Sender>,
    sink: Option<SchedClassifier>,
    crossed_before: Crossed,
    learned_before: Option<u64>,
    samples: Samples,
}

enum Works<'a> {
    ByItself,
    Program { _attached: Box<CgroupSkb> },
    Agent(Agent<'a>),
}

impl<'a> Column<'a> {
    /// Puts the list in force as the contender does.
    ///
    /// # Errors
    ///
    /// That it does not work, where it needs no more than this kernel.
    pub(super) fn make(
        contender: Contender,
        rig: &'a Rig,
        list: &Allowlist,
        rules: u32,
    ) -> anyhow::Result<Self> {
        let works = begin(contender, rig, list, rules);
        let works = match works {
            Err(error) if !contender.may_be_missing() => {
                return Err(error).with_context(|| format!("begin with `{contender}`"));
            }
            works => works,
        };
        Ok(Self {
            contender,
            rig,
            works,
            senders: Vec::new(),
            sink: None,
            crossed_before: Crossed::default(),
            learned_before: None,
            samples: Samples::default(),
        })
    }

    /// Makes who sends, and where nothing comes back has the far end drop everything from there on.
    pub(super) fn aim(&mut self, scenario: Scenario, list: &Allowlist) -> anyhow::Result<()> {
        if self.works.is_err() {
            return Ok(());
        }
        (self.sink, self.senders) = (None, Vec::new());
        for _ in 0..scenario.senders {
            let sender = Sender::make(scenario.shape, self.rig, list);
            self.senders.push(sender.with_context(|| format!("begin past `{}`", self.contender))?);
        }
        if scenario.shape.is_one_way() {
            self.sink = Some(sink(self.rig)?);
        }
        self.learned_before = if scenario.shape.asks() { self.learned()? } else { None };
        self.crossed_before = Crossed::count(self.rig)?;
        Ok(())
    }

    /// Takes one.
    pub(super) fn sample(&mut self, units: u32) -> anyhow::Result<()> {
        if self.senders.is_empty() {
            return Ok(());
        }
        let spent = sender::send_all(&mut self.senders, units)
            .with_context(|| format!("past `{}`", self.contender))?;
        self.samples.add(&spent);
        Ok(())
    }

    /// What was measured since [`Self::aim`].
    pub(super) fn take(&mut self) -> anyhow::Result<(Contender, Result<Samples, String>)> {
        if let Err(error) = &self.works {
            return Ok((self.contender, Err(format!("{error:#}"))));
        }
        let (before, after) = (self.crossed_before, Crossed::count(self.rig)?);
        let mut samples = std::mem::take(&mut self.samples);
        samples.arrived = after.out.saturating_sub(before.out);
        samples.returned = after.back.saturating_sub(before.back);
        if let Some(before) = self.learned_before {
            samples.learned = self.learned()?.map(|after| after.saturating_sub(before));
        }
        Ok((self.contender, Ok(samples)))
    }

    /// Answers that have taught the enforcer an address.
    fn learned(&self) -> anyhow::Result<Option<u64>> {
        let Ok(Works::Agent(agent)) = &self.works else { return Ok(None) };
        let status = agent.status()?;
        let learned = status.pointer("/dns/learned").and_then(serde_json::Value::as_u64);
        learned.context("count answers in `status`").map(Some)
    }
}

fn begin<'a>(
    contender: Contender,
    rig: &'a Rig,
    list: &Allowlist,
    rules: u32,
) -> anyhow::Result<Works<'a>> {
    let arguments: &[&str] = match contender {
        Contender::Empty => return empty(rig).map(|it| Works::Program { _attached: Box::new(it) }),
        Contender::Enforcer => &["--tc", "none"],
        Contender::EnforcerUplinks => &["--tc", "auto"],
        Contender::None
        | Contender::NftSet
        | Contender::NftSetConntrack
        | Contender::IpsetConntrack
        | Contender::NoneAgain => {
            return filter::install(contender, rig, list).map(|()| Works::ByItself);
        }
    };
    let agent = rig.launch(&list.policy(rules), arguments)?;
    agent.wait_until_ready_within(START)?;
    Ok(Works::Agent(agent))
}

fn empty(rig: &Rig) -> anyhow::Result<CgroupSkb> {
    let pin = rig.pins().with_file_name("pass");
    trivial::pin(Kind::Pass, &pin).context("load a program of two instructions")?;
    let mut program = CgroupSkb::from_pin(pin, CgroupSkbAttachType::Egress)?;
    let workload = File::open(rig.workload.path()).context("open the workload's cgroup")?;
    program.attach(workload, CgroupSkbAttachType::Egress, CgroupAttachMode::Single)?;
    Ok(program)
}

/// Drops whatever comes over the wire, before the far end looks at it.
fn sink(rig: &Rig) -> anyhow::Result<SchedClassifier> {
    let pin = rig.pins().with_file_name("drop");
    if !pin.exists() {
        trivial::pin(Kind::Drop, &pin).context("load a program of two instructions")?;
    }
    rig.world.run(|| {
        // There from the second time on.
        drop(tc::qdisc_add_clsact(WORLD_DEVICE));
        let mut program = SchedClassifier::from_pin(pin)?;
        program.attach(WORLD_DEVICE, TcAttachType::Ingress).context("drop what arrives")?;
        Ok(program)
    })
}

/// Packets over the wire.
#[derive(Debug, Clone, Copy, Default)]
struct Crossed {
    /// From the client.
    out: u64,
    /// To the client.
    back: u64,
}

impl Crossed {
    fn count(rig: &Rig) -> anyhow::Result<Self> {
        let arguments = ["-s", "-j", "link", "show", "dev", WORLD_DEVICE];
        let shown = rig.world.output(Command::new("ip").args(arguments))?;
        let shown: serde_json::Value =
            serde_json::from_slice(&shown.stdout).context("read what `ip` says of the wire")?;
        let packets = |way: &str| {
            let pointer = format!("/0/stats64/{way}/packets");
            let packets = shown.pointer(&pointer).and_then(serde_json::Value::as_u64);
            packets.context("count what has crossed the wire")
        };
        Ok(Self { out: packets("rx")?, back: packets("tx")? })
    }
}
