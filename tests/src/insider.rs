//! A process of the workload whose sockets a test uses as its own.
//!
//! A socket belongs to the cgroup and to the network namespace of the process that made it,
//! whoever uses it afterwards. So an attack reads from top to bottom in the test that makes it:
//! the process here makes the sockets, and the test takes them over (`pidfd_getfd(2)`).

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream, UdpSocket},
    os::fd::{AsRawFd as _, OwnedFd},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use nix::{
    errno::Errno,
    libc,
    sched::{CloneFlags, unshare},
    sys::socket::{SockaddrStorage, bind, connect},
    unistd::{Gid, Uid, setgid, setuid},
};
use rustix::{
    net::{AddressFamily, Protocol, SocketFlags, SocketType, socket_with},
    process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open},
};

use crate::{bench, cgroup, netns::Netns, reexec};

/// Nobody: a user without any privilege.
const NOBODY: u32 = 65_534;
const ALONE: &str = "alone";
/// How long a taken socket waits for something to read.
const PATIENCE: Duration = Duration::from_secs(5);

/// A process that makes sockets. Drop kills it; the sockets stay.
#[derive(Debug)]
pub struct Insider {
    child: Child,
    process: OwnedFd,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

/// What kind of socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 datagrams.
    Udp4,
    /// IPv6 datagrams.
    Udp6,
    /// IPv4 streams.
    Tcp4,
    /// IPv4 packets, network header included.
    Raw4,
    /// Packets of a device, without their link header; it receives none.
    Packet,
    /// Packets past the kernel's stack (`AF_XDP`).
    Xdp,
}

impl Kind {
    /// Family, type and protocol, as of socket(2).
    const fn numbers(self) -> [i32; 3] {
        match self {
            Self::Udp4 => [libc::AF_INET, libc::SOCK_DGRAM, 0],
            Self::Udp6 => [libc::AF_INET6, libc::SOCK_DGRAM, 0],
            Self::Tcp4 => [libc::AF_INET, libc::SOCK_STREAM, 0],
            Self::Raw4 => [libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW],
            Self::Packet => [libc::AF_PACKET, libc::SOCK_DGRAM, 0],
            Self::Xdp => [libc::AF_XDP, libc::SOCK_RAW, 0],
        }
    }
}

impl Insider {
    /// Starts one in a cgroup and a network namespace.
    pub(crate) fn start(cgroup: &Path, namespace: &Netns) -> anyhow::Result<Self> {
        Self::spawn(reexec::insider_command(cgroup)?, namespace)
    }

    /// Starts one in a cgroup that gives up every privilege and makes a user and a network
    /// namespace of its own, in which it is root.
    pub(crate) fn start_alone(cgroup: &Path, namespace: &Netns) -> anyhow::Result<Self> {
        let mut command = reexec::insider_command(cgroup)?;
        command.arg(ALONE);
        Self::spawn(command, namespace)
    }

    fn spawn(mut command: Command, namespace: &Netns) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = namespace.spawn(&mut command)?;
        let number = i32::try_from(child.id()).context("read a process id")?;
        let pid = Pid::from_raw(number).context("read a process id: it is 0")?;
        let process = pidfd_open(pid, PidfdFlags::empty()).context("open a process")?;
        let input = child.stdin.take().context("write to a process")?;
        let output = child.stdout.take().context("read from a process")?;
        let pipes = Mutex::new((input, BufReader::new(output)));
        let insider = Self { child, process, pipes };
        insider.ask("")?;
        Ok(insider)
    }

    /// A socket of the process.
    ///
    /// # Errors
    ///
    /// What the kernel refused it.
    pub fn socket(&self, kind: Kind) -> anyhow::Result<OwnedFd> {
        self.socket_of(kind.numbers())
    }

    /// A socket of the process by its family, type and protocol, as of socket(2).
    ///
    /// # Errors
    ///
    /// What the kernel refused it: an [`Errno`] below what was tried.
    pub fn socket_of(&self, numbers: [i32; 3]) -> anyhow::Result<OwnedFd> {
        let [family, kind, protocol] = numbers;
        let number = self.ask(&format!("socket {family} {kind} {protocol}"))?;
        let number = number.parse().context("read a descriptor's number")?;
        let taken = pidfd_getfd(&self.process, number, PidfdGetfdFlags::empty())
            .context("take over a socket")?;
        // Without its maker's descriptor it ends when the test lets go of it.
        self.ask("")?;
        Ok(taken)
    }

    /// A datagram socket that is bound to an address; what it waits for, it waits for with a
    /// deadline.
    ///
    /// # Errors
    ///
    /// What the kernel refused.
    pub fn datagrams(&self, address: SocketAddr) -> anyhow::Result<UdpSocket> {
        let kind = if address.is_ipv4() { Kind::Udp4 } else { Kind::Udp6 };
        let socket = self.socket(kind)?;
        bind_to(&socket, address)?;
        let socket = UdpSocket::from(socket);
        socket.set_read_timeout(Some(PATIENCE)).context("set a time-out")?;
        Ok(socket)
    }

    /// A connection, as [`Self::datagrams`].
    ///
    /// # Errors
    ///
    /// What the kernel refused.
    pub fn stream(&self, to: SocketAddr) -> anyhow::Result<TcpStream> {
        let socket = self.socket(Kind::Tcp4)?;
        connect(socket.as_raw_fd(), &SockaddrStorage::from(to))
            .with_context(|| format!("connect to {to}"))?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).context("set a time-out")?;
        Ok(stream)
    }

    /// Runs commands of `ip` as the process, one a line.
    ///
    /// # Errors
    ///
    /// That it may not.
    pub fn configure(&self, lines: impl IntoIterator<Item: AsRef<str>>) -> anyhow::Result<()> {
        for line in lines {
            self.ask(&format!("ip {}", line.as_ref()))?;
        }
        Ok(())
    }

    /// Has the process make connections, and tells what it says of them.
    pub(crate) fn connections(&self, task: &str) -> anyhow::Result<String> {
        self.ask(&format!("connections {task}"))
    }

    fn ask(&self, line: &str) -> anyhow::Result<String> {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let (input, output) = &mut *pipes;
        writeln!(input, "{line}").context("write to a process of the workload")?;
        let mut answer = String::new();
        output.read_line(&mut answer).context("read from a process of the workload")?;
        let answer = answer.trim();
        match answer.split_once(' ') {
            Some(("done", value)) => Ok(value.to_owned()),
            Some(("errno", value)) => {
                let error = Errno::from_raw(value.parse().context("read an error's number")?);
                Err(error).with_context(|| format!("`{line}` in the workload"))
            }
            _ if answer == "done" => Ok(String::new()),
            _ => anyhow::bail!("`{line}` in the workload: {answer}"),
        }
    }
}

impl Drop for Insider {
    fn drop(&mut self) {
        // One that has ended is none to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Binds a socket.
///
/// # Errors
///
/// What the kernel refused.
pub fn bind_to(socket: &OwnedFd, address: SocketAddr) -> anyhow::Result<()> {
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))
        .with_context(|| format!("bind {address}"))
}

/// Makes sockets until nobody asks for more; in the process itself.
pub(crate) fn serve(cgroup: &Path, how: Option<&str>) -> anyhow::Result<()> {
    cgroup::join(cgroup)?;
    if how == Some(ALONE) {
        be_alone()?;
    }
    let mut held = None;
    for line in std::io::stdin().lines() {
        let line = line.context("read what is asked for")?;
        let answer = match obey(&line, &mut held) {
            Ok(value) => format!("done {value}"),
            Err(error) if error.is::<Errno>() => {
                format!("errno {}", error.downcast::<Errno>()? as i32)
            }
            Err(error) => format!("refused: {error:#}").replace('\n', " "),
        };
        writeln!(std::io::stdout(), "{answer}").context("answer")?;
    }
    Ok(())
}

fn obey(line: &str, held: &mut Option<OwnedFd>) -> anyhow::Result<String> {
    *held = None;
    if let Some(arguments) = line.strip_prefix("ip ") {
        let done = Command::new("ip").args(arguments.split_whitespace()).output()?;
        let said = String::from_utf8_lossy(&done.stderr);
        anyhow::ensure!(done.status.success(), "{}", said.trim());
        return Ok(String::new());
    }
    if let Some(task) = line.strip_prefix("connections ") {
        return bench::connections::serve(task);
    }
    let Some(numbers) = line.strip_prefix("socket ") else { return Ok(String::new()) };
    let made = make_socket(numbers)?;
    let number = made.as_raw_fd();
    *held = Some(made);
    Ok(number.to_string())
}

/// Makes a socket of the three numbers of socket(2).
fn make_socket(numbers: &str) -> anyhow::Result<OwnedFd> {
    let numbers = numbers.split(' ').map(str::parse).collect::<Result<Vec<u32>, _>>()?;
    let [family, kind, protocol] = numbers.try_into().ok().context("read a socket's numbers")?;
    let family = AddressFamily::from_raw(u16::try_from(family)?);
    let protocol = std::num::NonZero::new(protocol).map(Protocol::from_raw);
    let made = socket_with(family, SocketType::from_raw(kind), SocketFlags::CLOEXEC, protocol);
    made.map_err(|error| Errno::from_raw(error.raw_os_error()).into())
}

/// As `unshare -Urn` of an ordinary user.
fn be_alone() -> anyhow::Result<()> {
    setgid(Gid::from_raw(NOBODY)).context("be nobody")?;
    setuid(Uid::from_raw(NOBODY)).context("be nobody")?;
    // Who gave up privileges is not the owner of its own files in /proc, unless this is said.
    nix::sys::prctl::set_dumpable(true).context("own one's files in /proc")?;
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).context("make namespaces")?;
    fs::write("/proc/self/uid_map", format!("0 {NOBODY} 1")).context("be root in a namespace")?;
    fs::write("/proc/self/setgroups", "deny").context("be root in a namespace")?;
    fs::write("/proc/self/gid_map", format!("0 {NOBODY} 1")).context("be root in a namespace")
}
