//! Tries techniques: without the enforcer, and with it in every way that it can be attached.

use std::{sync::OnceLock, time::Duration};

use anyhow::Context as _;
use enforcer_tests::{Rig, wait};
use nix::errno::Errno;

use super::{
    ground::{ALLOWED_V4, Ground, Home},
    outcome::{End, Outcome, not_applicable},
    technique::{Targets, Technique, Way},
};
use crate::world::modes;

/// How long a packet may take to the other end of the wire.
const PATIENCE: Duration = Duration::from_secs(3);

/// Techniques that do not get in each other's way, and what came of them.
pub(super) struct Group {
    techniques: &'static [Technique],
    homes: &'static [Home],
    outcomes: OnceLock<Vec<Outcome>>,
}

/// A way to enforce: what it is called, what the agent is told, and who is tried.
type Mode = (String, Vec<&'static str>, Home);

impl Group {
    pub(super) const fn new(techniques: &'static [Technique]) -> Self {
        let homes = &[Home::Workload, Home::Elsewhere];
        Self { techniques, homes, outcomes: OnceLock::new() }
    }

    /// Techniques that only a hook of the cgroup can stop.
    pub(super) const fn of_the_workload(techniques: &'static [Technique]) -> Self {
        Self { techniques, homes: &[Home::Workload], outcomes: OnceLock::new() }
    }

    /// Tries all of them, the first time.
    pub(super) fn outcomes(&self) -> &[Outcome] {
        self.outcomes.get_or_init(|| {
            let outcomes = try_all(self.techniques, self.homes);
            outcomes.iter().for_each(Outcome::announce);
            outcomes
        })
    }
}

fn try_all(techniques: &'static [Technique], homes: &[Home]) -> Vec<Outcome> {
    let all: Vec<_> = techniques.iter().enumerate().collect();
    let mut ends: Vec<End> = each(&all, None, Home::Workload)
        .into_iter()
        .zip(techniques)
        .map(|(arrived, technique)| match arrived {
            Ok(control) => End::Tried { control, enforced: Vec::new() },
            Err(error) => match (not_applicable(&error), technique.needs) {
                (Some(why), Some(needed)) => End::NotApplicable(format!("{needed}: {why}")),
                _ => End::Broken(format!("{error:#}")),
            },
        })
        .collect();
    let is_tried = |end: &End| matches!(end, End::Tried { .. });
    let tried: Vec<_> = all.iter().zip(&ends).filter(|it| is_tried(it.1)).map(|it| *it.0).collect();
    for (mode, arguments, home) in ways_to_enforce().filter(|it| homes.contains(&it.2)) {
        let mut leaks = each(&tried, Some(&arguments), home).into_iter();
        for end in &mut ends {
            if let End::Tried { enforced, .. } = end {
                let leaked = leaks.next().unwrap().map_err(|error| format!("{error:#}"));
                enforced.push((mode.clone(), leaked));
            }
        }
    }
    techniques.iter().zip(ends).map(|(it, end)| Outcome { technique: it.name, end }).collect()
}

/// Each way to attach with a process of the workload, and one without, where uplinks are all there
/// is between the process and the world.
fn ways_to_enforce() -> impl Iterator<Item = Mode> {
    let modes = || modes().into_iter().map(|it| ((*it.last().unwrap()).to_owned(), it));
    let elsewhere = modes().take(1).map(|(name, it)| (name + " alone", it, Home::Elsewhere));
    modes().map(|(name, it)| (name, it, Home::Workload)).chain(elsewhere)
}

/// What arrived by each technique. With arguments of an agent, that is how much leaked; that what
/// is allowed arrives is seen to here.
fn each(
    techniques: &[(usize, &Technique)],
    arguments: Option<&[&str]>,
    home: Home,
) -> Vec<anyhow::Result<u64>> {
    let refuse = |error: anyhow::Error| {
        let all = techniques.iter().map(|_| Err(anyhow::anyhow!("{error:#}")));
        all.collect::<Vec<_>>()
    };
    let rig = match Rig::make() {
        Ok(rig) => rig,
        Err(error) => return refuse(error),
    };
    let ground = match Ground::on(&rig, home) {
        Ok(ground) => ground,
        Err(error) => return refuse(error),
    };
    let targets = |it: &(usize, &Technique)| it.1.targets(it.0);
    let ways: Vec<_> = techniques.iter().map(|it| it.1.prepare(&ground, targets(it))).collect();
    if let Some(arguments) = arguments
        && let Err(error) = ground.enforce(arguments)
    {
        return refuse(error);
    }
    let begun: Vec<anyhow::Result<u64>> = techniques
        .iter()
        .zip(ways)
        .map(|(it, way)| {
            let before = ground.arrived(it.1.goal, targets(it));
            let way = way?;
            match arguments {
                None => go(&ground, it.1, targets(it), &way, before)?,
                Some(_) => go_in_vain(&ground, it.1, targets(it), &way)?,
            }
            Ok(before)
        })
        .collect();
    // What leaks late has leaked.
    let arrived =
        |it: &(usize, &Technique), before| ground.arrived(it.1.goal, targets(it)) - before;
    techniques.iter().zip(begun).map(|(it, before)| Ok(arrived(it, before?))).collect()
}

/// Goes where nothing stops one: it has to arrive.
fn go(
    ground: &Ground<'_>,
    technique: &Technique,
    targets: Targets,
    way: &Way<'_>,
    before: u64,
) -> anyhow::Result<()> {
    way(targets.forbidden)?;
    let has_come = || ground.arrived(technique.goal, targets) > before;
    wait::until_true("it to arrive", PATIENCE, has_come).with_context(|| ground.seen())
}

/// Whether an error is what a program is told of a packet that is dropped: by a hook of the cgroup,
/// and by an uplink's queue.
fn is_refusal(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Errno::EPERM | Errno::ENOBUFS))
}

/// Goes where the enforcer is in the way, and then where it is not.
fn go_in_vain(
    ground: &Ground<'_>,
    technique: &Technique,
    targets: Targets,
    way: &Way<'_>,
) -> anyhow::Result<()> {
    match way(targets.forbidden) {
        Err(error) if !is_refusal(&error) => return Err(error),
        Ok(()) | Err(_) => {}
    }
    if technique.has_twin {
        let before = ground.packets_to(targets.allowed);
        way(targets.allowed).context("the same to the allowed address")?;
        let has_come = || ground.packets_to(targets.allowed) > before;
        wait::until_true("the same to the allowed address", PATIENCE, has_come)
            .with_context(|| ground.seen())?;
    }
    let before = ground.datagrams_to(ALLOWED_V4.into());
    ground.datagram(ALLOWED_V4.into())?;
    let has_come = || ground.datagrams_to(ALLOWED_V4.into()) > before;
    wait::until_true("a datagram to the allowed address", PATIENCE, has_come)
}
