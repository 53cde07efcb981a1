//! How long a device that becomes an uplink is not judged: from before the route is asked for that
//! makes it one, until the last frame of a packet socket that passes.
//!
//! A frame leaves every 200 microseconds, from before the device is an uplink until frames have
//! stopped to arrive for a while; each has its number in its port. The surprising thing: what
//! sockets of the Internet's families send is judged all the time, which is counted as well.

mod sender;

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use clap::Args;

use self::sender::{Sender, Sent};
use crate::{Capture, Rig, wait};

/// A policy that allows nothing.
const POLICY: &str = "apiVersion: enforcer.dev/v1alpha1\nkind: EgressPolicy\n\
    metadata: {name: newcomer}\nspec:\n  dns: {resolvers: [203.0.113.53]}\n  rules: []\n";
/// As many frames that do not arrive are the end.
const SILENCE: u16 = 500;
/// How long it may take until frames stop to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many devices come.
#[derive(Debug, Clone, Args)]
pub struct Newcomer {
    /// Devices, one after the other
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=200))]
    pub devices: u8,
    /// How the agent attaches, as `enforcer run --tc-mode` [default: as the kernel can]
    #[arg(long, value_parser = ["tcx", "clsact"])]
    pub tc_mode: Option<String>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// For how long frames passed, sorted.
    pub gaps: Vec<Duration>,
    /// Frames that passed after the route was asked for.
    pub frames: u64,
    /// Datagrams that a socket was allowed to send.
    pub allowed: u64,
    /// Datagrams of sockets that arrived.
    pub leaked: u64,
}

impl Newcomer {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// That it could not be run, or that a device is never judged.
    pub fn run(&self) -> anyhow::Result<Outcome> {
        let rig = Rig::make()?;
        let capture = rig.capture()?;
        let mut arguments = vec!["--tc", "auto"];
        if let Some(mode) = &self.tc_mode {
            arguments.extend(["--tc-mode", mode]);
        }
        let agent = rig.agent_with(POLICY, &arguments)?;
        let mut outcome = Outcome { gaps: Vec::new(), frames: 0, allowed: 0, leaked: 0 };
        for number in 1..=self.devices {
            let round = Round::run(&rig, &capture, number)
                .with_context(|| format!("judge device {number}"))?;
            outcome.gaps.push(round.gap);
            outcome.frames += round.frames;
            outcome.allowed += round.allowed;
            outcome.leaked += round.leaked;
        }
        drop(agent);
        outcome.gaps.sort_unstable();
        Ok(outcome)
    }
}

/// One device.
struct Round {
    gap: Duration,
    frames: u64,
    allowed: u64,
    leaked: u64,
}

impl Round {
    fn run(rig: &Rig, capture: &Capture, number: u8) -> anyhow::Result<Self> {
        let device = format!("new{number}");
        rig.client.configure([
            format!("link add {device} type veth peer name far{number} netns {}", rig.world.path()),
            format!("addr add 10.99.{number}.1/24 dev {device}"),
            format!("link set {device} up"),
        ])?;
        rig.world.configure([format!("link set far{number} up")])?;
        let sender = Sender::start(rig, &device, number)?;
        let last = |sent: &Sent| sent.last_arrived(capture);
        wait::until_true("a frame to arrive", PATIENCE, || last(sender.sent()).is_some())?;

        let asked = Instant::now();
        rig.client
            .configure([format!("route add 198.18.0.0/15 via 10.99.{number}.2 dev {device}")])?;
        let end = asked + PATIENCE;
        loop {
            // In this order: what is read as sent has had its time to arrive.
            let sent = sender.sent().count();
            let arrived = last(sender.sent()).unwrap_or_default();
            if sent > arrived.saturating_add(SILENCE) {
                break;
            }
            if Instant::now() > end || sender.sent().is_over() {
                bail!("frames still arrive {PATIENCE:?} after the route was asked for");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let sent = sender.stop();
        rig.client.configure([format!("link del {device}")])?;
        let (gap, frames) = sent.after(capture, asked);
        Ok(Self { gap, frames, allowed: sent.allowed(), leaked: sent.leaked(capture) })
    }
}

impl Outcome {
    /// What is not as it must be; empty where all is well.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (what, number) in [
            ("datagrams that a socket was allowed to send", self.allowed),
            ("datagrams of sockets that arrived", self.leaked),
        ] {
            if number != 0 {
                faults.push(format!("{what}: {number}, not 0"));
            }
        }
        faults
    }

    fn share(&self, hundredths: usize) -> Duration {
        let at = (self.gaps.len() * hundredths).div_ceil(100).max(1) - 1;
        self.gaps.get(at).copied().unwrap_or_default()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let devices = self.gaps.len();
        writeln!(f, "{devices} devices became uplinks; a packet socket's frames passed for")?;
        writeln!(
            f,
            "    {:.1?} in the median, {:.1?} in 95 of 100, {:.1?} at most ({} frames in all)",
            self.share(50),
            self.share(95),
            self.share(100),
            self.frames
        )?;
        writeln!(f, "    datagrams of a socket that arrived meanwhile: {}", self.leaked)
    }
}
