//! The client's process: sockets that wait, and real questions.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{IpAddr, SocketAddr, UdpSocket},
    process::{Child, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::{State, Victim, forger::marked};
use crate::{
    probe::Family,
    race::{PORT, Report, socket},
    reexec,
    rig::Rig,
};

/// A question waits for ten seconds, and is asked again before.
const ASK_AGAIN: Duration = Duration::from_secs(3);
/// Between two real questions.
const PAUSE: Duration = Duration::from_millis(1);
/// The first number of the names that are really asked for.
const FIRST_REAL: u32 = 0x10_0000;
const DNS: u16 = 53;
/// What the client says when all its questions are asked.
const ASKED: &str = "asked";

/// What a client does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Waits for answers, and asks real questions, until its standard input ends.
    Wait,
    /// Tries so many marked addresses.
    Try(u32),
}

impl Task {
    /// Does it, in the calling process.
    pub(crate) fn act(&self) -> anyhow::Result<Report> {
        match self {
            Self::Wait => wait(),
            Self::Try(count) => try_each(*count),
        }
    }
}

/// A client that waits.
pub(super) struct Running {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Running {
    /// Starts one, and comes back when its questions are asked.
    pub(super) fn start(rig: &Rig) -> anyhow::Result<Self> {
        let mut command = reexec::spoof_command(rig.workload.path(), &Task::Wait)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = rig.client.spawn(&mut command)?;
        let said = child.stdout.take().context("read what the client says")?;
        let mut running = Self { child, said: BufReader::new(said) };
        let mut line = String::new();
        running.said.read_line(&mut line).context("read what the client says")?;
        anyhow::ensure!(line.trim() == ASKED, "the client did not ask: {line}");
        Ok(running)
    }

    /// Lets it end, and gives what it has seen.
    pub(super) fn finish(mut self) -> anyhow::Result<Report> {
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.said.read_to_string(&mut text).context("read the client's report")?;
        self.child.wait().context("wait for the client")?;
        serde_json::from_str(&text).context("read the client's report")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended, or it shall: nobody is left to be told of a failure.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Tries marked addresses from the workload.
pub(super) fn try_marked(rig: &Rig, count: u32) -> anyhow::Result<Report> {
    let mut command = reexec::spoof_command(rig.workload.path(), &Task::Try(count))?;
    let done = rig.client.output(&mut command)?;
    let said = String::from_utf8_lossy(&done.stderr);
    anyhow::ensure!(done.status.success(), "a client ended: {}", said.trim());
    serde_json::from_slice(&done.stdout).context("read a client's report")
}

fn wait() -> anyhow::Result<Report> {
    let sockets = |state| Victim::all(state).map(open).collect::<anyhow::Result<Vec<_>>>();
    let waiting = sockets(State::Waiting)?;
    let answered = sockets(State::Answered)?;
    let _idle = sockets(State::Idle)?;
    for (victim, socket) in &answered {
        ask(*victim, socket)?;
        socket.recv(&mut [0; 512]).context("receive an answer")?;
    }
    ask_all(&waiting)?;
    let mut out = io::stdout();
    writeln!(out, "{ASKED}").and_then(|()| out.flush()).context("say that all is asked")?;

    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| ask_on(&waiting, &is_over));
        // Standard input ends when whoever started this wants the report.
        let ended = io::stdin().read_to_end(&mut Vec::new());
        is_over.store(true, Ordering::Relaxed);
        let report = asking.join().unwrap_or_else(|it| std::panic::resume_unwind(it));
        ended.context("wait for the end")?;
        let mut report = report?;
        report.asked += u64::from(Victim::EACH);
        Ok(report)
    })
}

/// Asks real questions, and repeats those that nobody answers.
fn ask_on(waiting: &[(Victim, UdpSocket)], is_over: &AtomicBool) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let mut asked = Instant::now();
    for number in FIRST_REAL.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        report.connect_at_once(number)?;
        if asked.elapsed() > ASK_AGAIN {
            ask_all(waiting)?;
            asked = Instant::now();
        }
        thread::sleep(PAUSE);
    }
    Ok(report)
}

fn try_each(count: u32) -> anyhow::Result<Report> {
    let mut report = Report::default();
    for number in 0..count {
        for family in [Family::V4, Family::V6] {
            report.asked += 1;
            let to = SocketAddr::new(marked(number, family), PORT);
            report.note(socket::attempt(&socket::stream(family)?, to)?);
        }
    }
    Ok(report)
}

fn open(victim: Victim) -> anyhow::Result<(Victim, UdpSocket)> {
    let resolver = victim.resolver();
    let wildcard: IpAddr = if resolver.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let bound = UdpSocket::bind((wildcard, victim.port())).context("bind a port")?;
    if victim.is_connected() {
        bound.connect((resolver, DNS)).context("connect to the resolver")?;
    }
    Ok((victim, bound))
}

fn ask_all(sockets: &[(Victim, UdpSocket)]) -> anyhow::Result<()> {
    sockets.iter().try_for_each(|(victim, socket)| ask(*victim, socket))
}

fn ask(victim: Victim, socket: &UdpSocket) -> anyhow::Result<()> {
    let query = socket::Query::new(victim.id(), &victim.name(), victim.family());
    let sent = if victim.is_connected() {
        socket.send(query.bytes())
    } else {
        socket.send_to(query.bytes(), (victim.resolver(), DNS))
    };
    sent.map(drop).context("ask")
}
