//! A contender in a world of its own, and the samples taken there.

use std::{
    fs::File,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    process::Command,
    time::Duration,
};

use anyhow::Context as _;
use aya::programs::{
    CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, SchedClassifier, TcAttachType, tc,
};

use super::{
    Shape,
    allowlist::Allowlist,
    contender::Contender,
    filter,
    flood::Flood,
    report::Samples,
    trivial::{self, Kind},
};
use crate::{Agent, Insider, Rig, link::WORLD_DEVICE, probe::Family, service};

/// How long a first answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// A million addresses are read and loaded in that time.
const START: Duration = Duration::from_secs(180);

/// A contender at work.
pub(super) struct Column<'a> {
    contender: Contender,
    rig: &'a Rig,
    /// What it consists of; it ends with this. Or why there is none.
    works: anyhow::Result<Works<'a>>,
    flood: Option<Flood>,
    sink: Option<SchedClassifier>,
    crossed_before: u64,
    samples: Samples,
}

enum Works<'a> {
    ByItself,
    Program { _attached: CgroupSkb },
    Agent { _running: Agent<'a> },
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
    ) -> anyhow::Result<Self> {
        let works = begin(contender, rig, list);
        let works = match works {
            Err(error) if !contender.may_be_missing() => {
                return Err(error).with_context(|| format!("begin with `{contender}`"));
            }
            works => works,
        };
        let samples = Samples::default();
        Ok(Self { contender, rig, works, flood: None, sink: None, crossed_before: 0, samples })
    }

    /// Makes a socket for a shape of traffic, and from there on lets the far end drop everything.
    pub(super) fn aim(&mut self, shape: Shape, list: &Allowlist) -> anyhow::Result<()> {
        if self.works.is_err() {
            return Ok(());
        }
        self.sink = None;
        let insider = self.rig.insider(&self.rig.client)?;
        let own: IpAddr = match list.family() {
            Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        };
        let destinations = list.destinations();
        let socket = socket(&insider, SocketAddr::new(own, 0))?;
        self.flood = Some(match shape {
            Shape::Connected => {
                let to = destinations.get(destinations.len() / 2).context("find a destination")?;
                greet(self.rig, &socket, *to)
                    .with_context(|| format!("greet {to} past `{}`", self.contender))?;
                Flood::connected(socket)
            }
            Shape::Many => Flood::unconnected(socket, &destinations),
        });
        self.sink = Some(sink(self.rig)?);
        self.crossed_before = crossed(self.rig)?;
        Ok(())
    }

    /// Takes one.
    pub(super) fn sample(&mut self, packets: u32) -> anyhow::Result<()> {
        let Some(flood) = &mut self.flood else { return Ok(()) };
        let spent = flood.send(packets).with_context(|| format!("past `{}`", self.contender))?;
        self.samples.add(spent);
        Ok(())
    }

    /// What was measured since [`Self::aim`].
    pub(super) fn take(&mut self) -> anyhow::Result<(Contender, Result<Samples, String>)> {
        let taken = match &self.works {
            Ok(_) => {
                self.samples.arrived = crossed(self.rig)?.saturating_sub(self.crossed_before);
                Ok(std::mem::take(&mut self.samples))
            }
            Err(error) => Err(format!("{error:#}")),
        };
        Ok((self.contender, taken))
    }
}

fn begin<'a>(contender: Contender, rig: &'a Rig, list: &Allowlist) -> anyhow::Result<Works<'a>> {
    let arguments: &[&str] = match contender {
        Contender::Empty => return empty(rig).map(|it| Works::Program { _attached: it }),
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
    let agent = rig.launch(&list.policy(), arguments)?;
    agent.wait_until_ready_within(START)?;
    Ok(Works::Agent { _running: agent })
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

fn socket(insider: &Insider, own: SocketAddr) -> anyhow::Result<UdpSocket> {
    let socket = insider.datagrams(own)?;
    service::set_patience(&socket, PATIENCE)?;
    Ok(socket)
}

/// A datagram each way, so that the flow is established for whoever tracks it.
fn greet(rig: &Rig, socket: &UdpSocket, to: SocketAddr) -> anyhow::Result<()> {
    let far = rig.world.run(|| UdpSocket::bind(to).with_context(|| format!("bind {to}")))?;
    service::set_patience(&far, PATIENCE)?;
    socket.connect(to).context("connect")?;
    socket.send(b"there").context("send")?;
    let mut bytes = [0; 16];
    let (_, from) = far.recv_from(&mut bytes).context("receive at the far end")?;
    far.send_to(b"back", from).context("answer")?;
    socket.recv(&mut bytes).context("receive the answer").map(drop)
}

/// Packets that have come over the wire.
fn crossed(rig: &Rig) -> anyhow::Result<u64> {
    let arguments = ["-s", "-j", "link", "show", "dev", WORLD_DEVICE];
    let shown = rig.world.output(Command::new("ip").args(arguments))?;
    let shown: serde_json::Value =
        serde_json::from_slice(&shown.stdout).context("read what `ip` says of the wire")?;
    let packets = shown.pointer("/0/stats64/rx/packets").and_then(serde_json::Value::as_u64);
    packets.context("count what has crossed the wire")
}
