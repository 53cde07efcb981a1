//! How soon a pod is judged by its own rules.
//!
//! Pods come and go, 50 a second; each has a rule that opens one address, by the pod's uid. A
//! process is made part of each, and sends to the pod's own address and to that of another pod.
//! Half of them send at once, which no runtime does, and tell how long it takes until the rule
//! holds; the others wait a little, and their first packet must pass.
//!
//! The surprising thing: one process is all of them. Whose rules a socket has is settled when it is
//! made, by the cgroup that its process is in then.

mod task;

use std::{
    fmt::{self, Write as _},
    net::Ipv4Addr,
    time::Duration,
};

use anyhow::Context as _;
use clap::Args;

pub use self::task::Report;
pub(crate) use self::task::Task;
use crate::{Rig, reexec};

/// Where pods send to.
pub(crate) const PORT: u16 = 443;

/// How many pods come.
#[derive(Debug, Clone, Args)]
pub struct Pods {
    /// Pods, each with a rule of its own
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(2..=500))]
    pub pods: u16,
    /// Pods that come in a second
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub per_second: u16,
    /// Milliseconds that every other pod waits before its first packet
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=1_000))]
    pub wait: u16,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Without the enforcer.
    pub control: Report,
    /// With it.
    pub enforced: Report,
    wait: Duration,
}

impl Pods {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// That it could not be run.
    pub fn run(&self) -> anyhow::Result<Outcome> {
        let rig = Rig::make()?;
        let task = Task { pods: self.pods, per_second: self.per_second, wait: self.wait };
        // Few are enough to see that everything would arrive.
        let few = Task { pods: self.pods.min(20), ..task.clone() };
        let control = run(&rig, &few)?;
        let agent = rig.agent(&policy(self.pods))?;
        let enforced = run(&rig, &task)?;
        drop(agent);
        Ok(Outcome { control, enforced, wait: Duration::from_millis(self.wait.into()) })
    }
}

fn run(rig: &Rig, task: &Task) -> anyhow::Result<Report> {
    let mut command = reexec::pods_command(rig.workload.path(), task)?;
    let done = rig.client.output(&mut command)?;
    let said = String::from_utf8_lossy(&done.stderr);
    anyhow::ensure!(done.status.success(), "the pods ended: {}", said.trim());
    serde_json::from_slice(&done.stdout).context("read the report of the pods")
}

/// A rule for each pod, and none for anybody else.
fn policy(pods: u16) -> String {
    let mut policy = "apiVersion: enforcer.dev/v1alpha1\nkind: EgressPolicy\n\
        metadata: {name: pods}\nspec:\n  dns: {resolvers: [203.0.113.53]}\n  rules:\n"
        .to_owned();
    for number in 0..pods {
        let (uid, address) = (uid(number), address(number));
        // Writing to a string cannot fail.
        let _: fmt::Result = writeln!(
            policy,
            "    - {{name: pod-{number}, from: [{{pod: {uid}}}], to: [{{cidr: {address}}}], \
             ports: [udp/{PORT}]}}"
        );
    }
    policy
}

/// A pod's uid.
pub(crate) fn uid(number: u16) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

/// What a pod's rule opens.
pub(crate) fn address(number: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + u32::from(number) + 1)
}

impl Outcome {
    /// What is not as it must be; empty where all is well.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let control = &self.control;
        if control.refused_at_once + control.refused_later != 0 || control.reached != control.pods {
            faults.push(format!("without enforcer not all arrives: {control:?}"));
        }
        for (what, number) in [
            ("first packets refused after the wait", self.enforced.refused_later),
            ("pods that were never judged by their own rules", self.enforced.never),
            ("pods that reached another pod's address", self.enforced.reached),
        ] {
            if number != 0 {
                faults.push(format!("{what}: {number}, not 0"));
            }
        }
        faults
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { pods, refused_at_once, refused_later, never, reached, micros } =
            &self.enforced;
        writeln!(f, "{pods} pods came and went, each with a rule of its own")?;
        writeln!(
            f,
            "    of {} that sent at once {refused_at_once} had their first packet refused; of {} \
             that waited {:?} {refused_later}",
            pods - pods / 2,
            pods / 2,
            self.wait,
        )?;
        writeln!(
            f,
            "    from the making of its cgroup until its rule held: {:?} in the median, {:?} in 99 \
             of 100, {:?} at most",
            share(micros, 50),
            share(micros, 99),
            share(micros, 100)
        )?;
        writeln!(
            f,
            "    never judged by its own rules: {never}; reached another's address: {reached}"
        )
    }
}

/// Of sorted times.
fn share(micros: &[u64], hundredths: usize) -> Duration {
    let at = (micros.len() * hundredths).div_ceil(100).max(1) - 1;
    Duration::from_micros(micros.get(at).copied().unwrap_or_default())
}
