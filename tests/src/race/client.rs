//! The client's process: a thread on each of two processors, and what they do.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    ops::Range,
    panic, thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

use super::{
    PORT, RESOLVERS, ZONE,
    figures::Report,
    socket::{Attempt, Query, ask, asking, attempt, stream},
};
use crate::{probe::Family, responder::Form};

/// A name of each so many is tried before it is asked for, and one that no rule covers is asked
/// for besides.
const CONTROL_EACH: u32 = 100;
/// Added to a number for a name that no rule covers.
const NEIGHBOUR: u32 = 0x80_0000;
const NEIGHBOURS: &str = "norace.test";
const PROCESSORS: u32 = 2;
/// Between two tries of an address that is not open yet.
const STEP: Duration = Duration::from_micros(200);
/// How long an address may take to be open.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a client does with its names, each of which nobody has asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Asks for each, and connects in the next system call.
    Connect {
        names: Range<u32>,
        /// Whether what is not learned must be refused: then that is tried, too.
        is_enforced: bool,
    },
    /// Asks for so many in a second, all from one socket for each processor.
    Ask { names: Range<u32>, per_second: u32 },
    /// Asks for so many of a zone in a second, in a form, without a look at the answers.
    Flood { names: Range<u32>, form: Form, zone: String, per_second: u32 },
    /// Connects to addresses without a question.
    Reach { addresses: Vec<IpAddr> },
    /// Asks for each in a form that the kernel does not learn from, and connects until it is let.
    Wait { names: Range<u32>, form: Form },
}

impl Task {
    /// Does it, in the calling process.
    pub(crate) fn act(&self) -> anyhow::Result<Report> {
        let processors = processors()?;
        let step = u32::try_from(processors.len()).context("count the processors")?;
        let begun = Instant::now();
        thread::scope(|scope| {
            let workers: Vec<_> = (0_u32..)
                .zip(processors)
                .map(|(index, processor)| {
                    scope.spawn(move || {
                        pin(processor)?;
                        self.part(index, step)
                    })
                })
                .collect();
            let mut whole = Report::default();
            for worker in workers {
                whole += worker.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))?;
            }
            whole.took = begun.elapsed();
            Ok(whole)
        })
    }

    /// One processor's share: each `step`th name.
    fn part(&self, index: u32, step: u32) -> anyhow::Result<Report> {
        let mut report = Report::default();
        let share = |names: &Range<u32>| {
            (names.start + index..names.end).step_by(usize::try_from(step).unwrap_or(1))
        };
        match self {
            Self::Connect { names, is_enforced } => {
                for number in share(names) {
                    connect_and_compare(number, *is_enforced, &mut report)?;
                }
            }
            Self::Ask { names, per_second } => {
                let pause = Duration::from_secs(1) * step / *per_second;
                let query = |number| {
                    Query::new(id(number), &Form::Plain.name(number, ZONE), family(number))
                };
                ask_steadily(share(names), query, pause, resolver(index), &mut report)?;
            }
            Self::Flood { names, form, zone, per_second } => {
                let pause = Duration::from_secs(1) * step / *per_second;
                let query =
                    |number| Query::new(id(number), &form.name(number, zone), Family::V4).large();
                ask_steadily(share(names), query, pause, resolver(index), &mut report)?;
            }
            Self::Reach { addresses } => {
                let step = usize::try_from(step).unwrap_or(1);
                let first = usize::try_from(index).unwrap_or(0);
                for address in addresses.iter().skip(first).step_by(step) {
                    let to = SocketAddr::new(*address, PORT);
                    report.note(attempt(&stream(family_of(*address))?, to)?);
                }
            }
            Self::Wait { names, form } => {
                for number in share(names) {
                    wait_until_open(number, *form, &mut report)?;
                }
            }
        }
        Ok(report)
    }
}

/// The family of a number's address: all mixtures with [`resolver`] and with the processors.
fn family(number: u32) -> Family {
    if number & 2 == 0 { Family::V4 } else { Family::V6 }
}

fn family_of(address: IpAddr) -> Family {
    if address.is_ipv4() { Family::V4 } else { Family::V6 }
}

fn resolver(number: u32) -> SocketAddr {
    let [first, second] = RESOLVERS;
    SocketAddr::from((if number & 1 == 0 { first } else { second }, 53))
}

fn id(number: u32) -> u16 {
    let [.., high, low] = number.to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// Asks for one name and connects; of some names more is tried.
fn connect_and_compare(number: u32, is_enforced: bool, report: &mut Report) -> anyhow::Result<()> {
    let family = family(number);
    let is_control = is_enforced && number % CONTROL_EACH < PROCESSORS;
    if is_control {
        report.tried_before += 1;
        let to = SocketAddr::new(Form::Plain.address(number, family), PORT);
        let before = attempt(&stream(family)?, to)?;
        report.open_before += u64::from(matches!(before, Attempt::Connected { .. }));
    }
    report.connect_at_once(number)?;
    if is_control {
        ask_for_a_neighbour(number, family, report)?;
    }
    Ok(())
}

/// A name that ends alike, and is another's.
fn ask_for_a_neighbour(number: u32, family: Family, report: &mut Report) -> anyhow::Result<()> {
    let number = number | NEIGHBOUR;
    let query = Query::new(id(number), &Form::Plain.name(number, NEIGHBOURS), family);
    if let (Some(address), _) = ask(&asking(resolver(number >> 2))?, &query)? {
        report.tried_neighbours += 1;
        let attempt = attempt(&stream(family)?, SocketAddr::new(address, PORT))?;
        report.open_neighbours += u64::from(matches!(attempt, Attempt::Connected { .. }));
    }
    Ok(())
}

/// Asks for one name after another, each at its time; one that is late is asked for at once.
fn ask_steadily(
    numbers: impl Iterator<Item = u32>,
    query: impl Fn(u32) -> Query,
    pause: Duration,
    resolver: SocketAddr,
    report: &mut Report,
) -> anyhow::Result<()> {
    let socket = asking(resolver)?;
    let begun = Instant::now();
    for (number, turn) in numbers.zip(0_u32..) {
        let due = pause * turn;
        thread::sleep(due.saturating_sub(begun.elapsed()));
        report.asked += 1;
        match ask(&socket, &query(number)) {
            Ok((Some(_), took)) => report.lookups.add(took),
            Ok((None, _)) => report.unanswered += 1,
            Err(error) if is_silence(&error) => report.unanswered += 1,
            Err(error) => return Err(error).context("ask for a name"),
        }
    }
    Ok(())
}

/// Asks for a name that the agent must ask for again, and tries until its address is open.
fn wait_until_open(number: u32, form: Form, report: &mut Report) -> anyhow::Result<()> {
    let family = family(number);
    let address = SocketAddr::new(form.address(number, family), PORT);
    let query = Query::new(id(number), &form.name(number, ZONE), family).large();
    let (_, took) = ask(&asking(resolver(number >> 2))?, &query).context("ask for a name")?;
    report.asked += 1;
    report.lookups.add(took);
    let answered = Instant::now();
    while answered.elapsed() < PATIENCE {
        if let Attempt::Connected { repeated, .. } = attempt(&stream(family)?, address)? {
            report.connected += 1;
            report.repeated += u64::from(repeated);
            report.connects.add(answered.elapsed());
            return Ok(());
        }
        thread::sleep(STEP);
    }
    report.refused += 1;
    Ok(())
}

impl Report {
    /// Asks for one name from a socket of its own, and connects to what the answer says in the
    /// next system call.
    pub(crate) fn connect_at_once(&mut self, number: u32) -> anyhow::Result<()> {
        let family = family(number);
        let expected = Form::Plain.address(number, family);
        let query = Query::new(id(number), &Form::Plain.name(number, ZONE), family);
        let socket = asking(resolver(number >> 2))?;
        let ready = stream(family)?;
        self.asked += 1;
        match ask(&socket, &query) {
            Ok((Some(address), took)) if address == expected => {
                let attempt = attempt(&ready, SocketAddr::new(address, PORT))?;
                self.lookups.add(took);
                self.note(attempt);
            }
            Ok(_) => self.unanswered += 1,
            Err(error) if is_silence(&error) => self.unanswered += 1,
            Err(error) => return Err(error).context("ask for a name"),
        }
        Ok(())
    }

    pub(crate) fn note(&mut self, attempt: Attempt) {
        match attempt {
            Attempt::Connected { took, repeated } => {
                self.connected += 1;
                self.repeated += u64::from(repeated);
                self.connects.add(took);
            }
            Attempt::Refused(_) => self.refused += 1,
            Attempt::Silent => self.silent += 1,
        }
    }
}

fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// The first two processors that this process may use; one, where there is no second.
fn processors() -> anyhow::Result<Vec<usize>> {
    let own = sched_getaffinity(Pid::from_raw(0)).context("read the processors")?;
    let usable = (0..CpuSet::count()).filter(|processor| own.is_set(*processor).unwrap_or(false));
    Ok((0..PROCESSORS).zip(usable).map(|(_, processor)| processor).collect())
}

/// Keeps the calling thread on one processor.
fn pin(processor: usize) -> anyhow::Result<()> {
    let mut only = CpuSet::new();
    only.set(processor).context("name a processor")?;
    sched_setaffinity(Pid::from_raw(0), &only).context("stay on a processor")
}
