//! Malformed packets, none of which may pass for another reason than a plain reading gives.
//!
//! Packets of every kind are made from a seed ([`Malformed`]), most of them changed for the worse,
//! and judged by two: the real kernel program, in test runs (`BPF_PROG_TEST_RUN`), and a reference
//! in user space that reads the same headers without the program's parser, which it must not know.
//! Verdict, reason, rule and every counter must be the same. No process sends anything, and nothing
//! is attached where there are processes.
//!
//! The surprising thing is the memory of fragments: the reference has to have the same, and the
//! kernel's table may forget whichever it likes when it is full. So both are emptied long before.

mod generate;
mod kernel;
mod mutate;
mod outcome;
mod policy;
mod print;
mod reference;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    time::{Duration, Instant},
};

use clap::Args;

pub use self::outcome::Outcome;
use self::{
    generate::{Draft, IPV6},
    kernel::{Count, Kernel, TIMES},
    outcome::Entry,
    reference::Reference,
};
use crate::{
    random::{self, Random},
    rig::Rig,
};

/// Packets between two looks at all counters.
const BATCH: u32 = 4_096;
/// Differences after which there is no point in going on.
const MOST_DIFFERENCES: usize = 10;
/// The kernel's table of fragments has room for four times as many.
const MOST_DATAGRAMS: usize = 1_000;
/// The kernel forgets a datagram after three times as long.
const MEMORY: Duration = Duration::from_secs(10);
/// Of a hundred packets as many must pass at least: a program that drops all shows nothing.
const LEAST_ALLOWED: u64 = 5;
/// Of a hundred packets as many may be no packet to the kernel.
const MOST_NOT_RUN: u64 = 5;

/// How many packets are judged.
#[derive(Debug, Clone, Args)]
pub struct Malformed {
    /// Packets
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    pub count: u32,
    /// What the packets are made from: the same number makes the same ones [default: the time]
    #[arg(long)]
    pub seed: Option<u64>,
}

/// What became of them.
#[derive(Debug)]
pub struct Judged {
    /// What they were made from.
    pub seed: u64,
    /// Packets that were judged, by what became of them.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Packets that the kernel made none of, by their length in bytes from the network header on.
    pub not_run: BTreeMap<usize, u64>,
    /// Packets that were changed for the worse.
    pub mutated: u64,
    /// Later fragments that passed because their first had.
    pub followed: u64,
    /// Where the program and the reference differ, with the packets.
    pub differences: Vec<String>,
    /// How long all of it took.
    pub took: Duration,
}

impl Malformed {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// That it could not be run, which says nothing about verdicts.
    pub fn run(&self) -> anyhow::Result<Judged> {
        let rig = Rig::make()?;
        let kernel = Kernel::load(&rig)?;
        let seed = self.seed.unwrap_or_else(random::seed_by_time);
        let judged = Judged {
            seed,
            outcomes: BTreeMap::new(),
            not_run: BTreeMap::new(),
            mutated: 0,
            followed: 0,
            differences: Vec::new(),
            took: Duration::ZERO,
        };
        let random = Random::new(seed);
        let reference = Reference::default();
        let emptied = Instant::now();
        let mut trial =
            Trial { kernel, reference, random, expected: BTreeMap::new(), emptied, judged };
        // The device is looked up in the namespace of the caller.
        rig.client.run(move || {
            trial.run(self.count)?;
            trial.judged.followed = trial.reference.followed();
            trial.judged.took = emptied.elapsed();
            Ok(trial.judged)
        })
    }
}

impl Judged {
    /// What is not as it must be; empty where all is well.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.differences.clone();
        let count = |is: &dyn Fn(Outcome) -> bool| {
            self.outcomes.iter().filter(|(outcome, _)| is(**outcome)).map(|it| it.1).sum::<u64>()
        };
        let all = count(&|_| true);
        let allowed = count(&Outcome::is_passed);
        if allowed * 100 < all * LEAST_ALLOWED {
            faults.push(format!("{allowed} of {all} packets pass: too few to show anything"));
        }
        let not_run = self.not_run.values().sum::<u64>();
        if not_run * 100 > all * MOST_NOT_RUN {
            faults.push(format!("{not_run} packets could not be run, beside {all} that could"));
        }
        if self.followed == 0 {
            faults.push("no later fragment passed behind its first".to_owned());
        }
        let missing = Outcome::all().filter(|outcome| !self.outcomes.contains_key(outcome));
        faults.extend(missing.map(|outcome| format!("no packet was {outcome}")));
        faults
    }
}

/// A run under way.
struct Trial {
    kernel: Kernel,
    reference: Reference,
    random: Random,
    /// What the counters must say.
    expected: BTreeMap<Entry, Count>,
    /// When the memories of fragments were emptied.
    emptied: Instant,
    judged: Judged,
}

impl Trial {
    fn run(&mut self, count: u32) -> anyhow::Result<()> {
        for number in 1..=count {
            self.judge_one()?;
            let is_old = self.emptied.elapsed() > MEMORY;
            if is_old || self.reference.datagrams() >= MOST_DATAGRAMS || number == count {
                self.forget()?;
            }
            if number % BATCH == 0 || number == count {
                let grown = self.unexpected()?;
                if !grown.is_empty() {
                    let text = format!("counters of packets up to {number}: {grown:?}");
                    self.judged.differences.push(text);
                }
            }
            if self.judged.differences.len() >= MOST_DIFFERENCES {
                break;
            }
        }
        Ok(())
    }

    fn judge_one(&mut self) -> anyhow::Result<()> {
        let mut draft = generate::draft(&mut self.random);
        let is_mutated = !self.random.one_in(4);
        if is_mutated {
            for _ in 0..=self.random.below(3) {
                mutate::mutate(&mut self.random, &mut draft);
            }
        }
        let Some(is_passed) = self.kernel.judge(&draft)? else {
            *self.judged.not_run.entry(draft.bytes.len()).or_default() += 1;
            return Ok(());
        };
        self.judged.mutated += u64::from(is_mutated);
        let outcome = self.reference.judge(&draft);
        *self.judged.outcomes.entry(outcome).or_default() += 1;
        let amount = u64::try_from(draft.bytes.len())?;
        for entry in outcome.entries(draft.ethertype == IPV6) {
            let (packets, bytes) = self.expected.entry(entry).or_default();
            *packets += u64::from(TIMES);
            *bytes += u64::from(TIMES) * amount;
        }
        let expected = self.expected.get(&outcome.entry()).copied().unwrap_or_default();
        let found = self.kernel.count(outcome.entry())?;
        if is_passed != outcome.is_passed() || found != expected {
            let text = self.difference(&draft, is_passed, outcome)?;
            self.judged.differences.push(text);
        }
        Ok(())
    }

    /// Empties both memories of fragments, which must hold as many.
    fn forget(&mut self) -> anyhow::Result<()> {
        let (kernel, reference) = (self.kernel.forget()?, self.reference.datagrams());
        if kernel != reference {
            let text = format!("datagrams remembered: {kernel}, by the reference {reference}");
            self.judged.differences.push(text);
        }
        self.reference.forget();
        self.emptied = Instant::now();
        Ok(())
    }

    /// Tells of a packet that is judged in two ways.
    fn difference(
        &mut self,
        draft: &Draft,
        is_passed: bool,
        outcome: Outcome,
    ) -> anyhow::Result<String> {
        let verdict = if is_passed { "passes" } else { "drops" };
        let counted = self.unexpected()?;
        let mut hex = String::new();
        for byte in &draft.bytes {
            write!(hex, "{byte:02x}")?;
        }
        Ok(format!(
            "the program {verdict} a packet that is to be {outcome}; it counted, beside what it \
             should: {counted:?}\n    type {:04x}, {} bytes: {hex}",
            draft.ethertype,
            draft.bytes.len(),
        ))
    }

    /// The counters that are not as they must be, with the packets beyond that; from here on they
    /// are as they must be.
    fn unexpected(&mut self) -> anyhow::Result<Vec<(Entry, i64)>> {
        let mut unexpected = Vec::new();
        for entry in Entry::all() {
            let found = self.kernel.count(entry)?;
            let expected = self.expected.insert(entry, found).unwrap_or_default();
            if found != expected {
                unexpected.push((entry, found.0.wrapping_sub(expected.0).cast_signed()));
            }
        }
        Ok(unexpected)
    }
}
