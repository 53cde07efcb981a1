//! Who forges: a raw socket on the other side of the wire, where every address is its own.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    os::fd::{AsRawFd as _, OwnedFd},
    thread,
};

use anyhow::Context as _;
use etherparse::PacketBuilder;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, sendto, socket,
};

use super::{State, Victim};
use crate::{
    link::{CLIENT_V4, CLIENT_V6},
    netns::Netns,
    probe::Family,
    race::ZONE,
    responder::Form,
};

/// Set in the number of an address that only forged messages hold.
const MARK: u32 = 0x80_0000;
/// The first number of the addresses of messages without a defect.
const RIGHT: u32 = 0x7f_0000;
const DNS: u16 = 53;
const HOP_LIMIT: u8 = 64;

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Forgery {
    /// The transaction id.
    WrongId,
    /// The port that it comes from.
    WrongPort,
    /// The server that it comes from.
    WrongServer,
    /// The name or the type in its question.
    WrongQuestion,
    /// The case of a letter in its question.
    WrongCase,
    /// The socket has asked nothing.
    Unasked,
    /// The socket has been answered.
    Replay,
}

impl Forgery {
    /// All.
    pub const ALL: [Self; 7] = [
        Self::WrongId,
        Self::WrongPort,
        Self::WrongServer,
        Self::WrongQuestion,
        Self::WrongCase,
        Self::Unasked,
        Self::Replay,
    ];
    /// Those for which no question is found. A socket that has never asked is not looked at, nor
    /// is what comes from elsewhere than a trusted resolver: neither is counted.
    pub(super) const PENDING: &[Self] = &[Self::WrongId, Self::Replay];
    /// Those for which another question is found.
    pub(super) const MISMATCH: &[Self] = &[Self::WrongQuestion, Self::WrongCase];

    fn state(self) -> State {
        match self {
            Self::Unasked => State::Idle,
            Self::Replay => State::Answered,
            Self::WrongId
            | Self::WrongPort
            | Self::WrongServer
            | Self::WrongQuestion
            | Self::WrongCase => State::Waiting,
        }
    }

    /// Whether it reaches a socket.
    fn reaches(self, victim: Victim) -> bool {
        match self {
            // A connected one hears its server only, and an idle one has none to be connected to.
            Self::WrongPort | Self::WrongServer => !victim.is_connected(),
            Self::WrongId
            | Self::WrongQuestion
            | Self::WrongCase
            | Self::Unasked
            | Self::Replay => true,
        }
    }
}

/// A message and where it claims to come from.
struct Message {
    from: IpAddr,
    from_port: u16,
    id: u16,
    name: String,
    family: Family,
    address: IpAddr,
}

impl Message {
    /// The very answer that a socket waits for.
    fn right(victim: Victim, number: u32) -> Self {
        Self {
            from: victim.resolver(),
            from_port: DNS,
            id: victim.id(),
            name: victim.name(),
            family: victim.family(),
            address: Form::Plain.address(number, victim.family()),
        }
    }

    /// The same with one thing wrong.
    fn forged(victim: Victim, forgery: Forgery, number: u32) -> Self {
        let mut message = Self::right(victim, number | MARK);
        let [.., high, low] = number.to_be_bytes();
        let some = u16::from_be_bytes([high, low]).max(1);
        match forgery {
            Forgery::WrongId => message.id ^= some,
            Forgery::WrongPort => message.from_port = if some == DNS { 5_353 } else { some },
            Forgery::WrongServer => {
                message.from = match message.from {
                    IpAddr::V4(address) => {
                        IpAddr::V4((u32::from(address) ^ u32::from(some)).into())
                    }
                    IpAddr::V6(address) => {
                        IpAddr::V6((u128::from(address) ^ u128::from(some)).into())
                    }
                };
            }
            Forgery::WrongQuestion if number & 1 == 0 => {
                message.family = match message.family {
                    Family::V4 => Family::V6,
                    Family::V6 => Family::V4,
                };
                message.address = Form::Plain.address(number | MARK, message.family);
            }
            Forgery::WrongQuestion => message.name = Form::Plain.name(number, ZONE),
            Forgery::WrongCase => message.name = other_case(&message.name, some),
            Forgery::Unasked | Forgery::Replay => {}
        }
        message
    }

    /// The packet with its headers.
    fn packet(&self, to_port: u16) -> anyhow::Result<Vec<u8>> {
        let mut payload = Vec::with_capacity(96);
        payload.extend(self.id.to_be_bytes());
        payload.extend([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        for label in self.name.split('.') {
            payload.push(u8::try_from(label.len()).context("write a label")?);
            payload.extend(label.bytes());
        }
        let kind = if self.family == Family::V4 { 1 } else { 28 };
        payload.extend([0, 0, kind, 0, 1]);
        payload.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 14, 16, 0]);
        match self.address {
            IpAddr::V4(address) => {
                payload.push(4);
                payload.extend(address.octets());
            }
            IpAddr::V6(address) => {
                payload.push(16);
                payload.extend(address.octets());
            }
        }
        let network = match self.from {
            IpAddr::V4(from) => PacketBuilder::ipv4(from.octets(), CLIENT_V4.octets(), HOP_LIMIT),
            IpAddr::V6(from) => PacketBuilder::ipv6(from.octets(), CLIENT_V6.octets(), HOP_LIMIT),
        };
        let mut packet = Vec::with_capacity(160);
        network
            .udp(self.from_port, to_port)
            .write(&mut packet, &payload)
            .context("write a packet")?;
        Ok(packet)
    }
}

/// Letters turned into capitals by the bits of a number, at least the first.
fn other_case(name: &str, bits: u16) -> String {
    let turn = |(index, letter): (usize, char)| {
        let is_chosen = index == 0 || bits >> (index & 15) & 1 == 1;
        if is_chosen { letter.to_ascii_uppercase() } else { letter }
    };
    name.chars().enumerate().map(turn).collect()
}

/// Whether an address is one that only forged messages hold.
pub(super) fn is_marked(address: IpAddr) -> bool {
    let (first, number) = match address {
        IpAddr::V4(address) => (Form::Plain.address(0, Family::V4), u32::from(address)),
        IpAddr::V6(address) => {
            let [.., a, b, c, d] = address.octets();
            (Form::Plain.address(0, Family::V6), u32::from_be_bytes([a, b, c, d]))
        }
    };
    let number = number & 0xff_ffff;
    let family = if first.is_ipv4() { Family::V4 } else { Family::V6 };
    Form::Plain.address(number, family) == address && number & MARK != 0
}

/// A marked address.
pub(super) fn marked(number: u32, family: Family) -> IpAddr {
    Form::Plain.address(number | MARK, family)
}

/// The addresses that messages without a defect hold.
pub(super) fn right_addresses() -> impl Iterator<Item = IpAddr> {
    Victim::all(State::Waiting).map(|it| Form::Plain.address(RIGHT + it.index, it.family()))
}

/// Raw sockets of both families.
pub(super) struct Forger {
    v4: OwnedFd,
    v6: OwnedFd,
}

impl Forger {
    pub(super) fn make(world: &Netns) -> anyhow::Result<Self> {
        let raw = |family| {
            socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw)
                .context("make a raw socket")
        };
        world.run(|| Ok(Self { v4: raw(AddressFamily::Inet)?, v6: raw(AddressFamily::Inet6)? }))
    }

    /// Sends so many forged messages, of all kinds in turn, by two threads.
    pub(super) fn send(&self, messages: u32) -> anyhow::Result<BTreeMap<Forgery, u64>> {
        thread::scope(|scope| {
            let halves = [0, 1]
                .map(|first| scope.spawn(move || self.send_each((first..messages).step_by(2))));
            let mut sent = BTreeMap::new();
            for half in halves {
                let half = half.join().unwrap_or_else(|it| std::panic::resume_unwind(it))?;
                for (forgery, count) in half {
                    *sent.entry(forgery).or_default() += count;
                }
            }
            Ok(sent)
        })
    }

    fn send_each(
        &self,
        numbers: impl Iterator<Item = u32>,
    ) -> anyhow::Result<BTreeMap<Forgery, u64>> {
        let mut sent = BTreeMap::new();
        let pairs = Forgery::ALL.into_iter().flat_map(|forgery| {
            let victims = Victim::all(forgery.state());
            victims.filter(move |it| forgery.reaches(*it)).map(move |victim| (forgery, victim))
        });
        let mut pairs = pairs.collect::<Vec<_>>().into_iter().cycle();
        for number in numbers {
            let (forgery, victim) = pairs.next().context("choose a socket")?;
            self.send_one(&Message::forged(victim, forgery, number), victim)?;
            *sent.entry(forgery).or_default() += 1;
        }
        Ok(sent)
    }

    /// Sends each waiting socket what it waits for, and says how many there were.
    pub(super) fn send_without_defect(&self) -> anyhow::Result<u64> {
        let mut sent = 0;
        for victim in Victim::all(State::Waiting) {
            self.send_one(&Message::right(victim, RIGHT + victim.index), victim)?;
            sent += 1;
        }
        Ok(sent)
    }

    fn send_one(&self, message: &Message, victim: Victim) -> anyhow::Result<()> {
        let packet = message.packet(victim.port())?;
        let (socket, to) = match message.from {
            IpAddr::V4(_) => (&self.v4, IpAddr::V4(CLIENT_V4)),
            IpAddr::V6(_) => (&self.v6, IpAddr::V6(CLIENT_V6)),
        };
        let to = SockaddrStorage::from(std::net::SocketAddr::new(to, 0));
        let sent = sendto(socket.as_raw_fd(), &packet, &to, MsgFlags::empty());
        sent.map(drop).context("send a forged message")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_message_differs_from_the_right_one_and_holds_a_marked_address() {
        for forgery in Forgery::ALL {
            for victim in Victim::all(forgery.state()) {
                for number in [0, 1, 2, 53, 65_535, 65_536] {
                    let forged = Message::forged(victim, forgery, number);
                    let right = Message::right(victim, number);
                    let label = format!("{forgery:?} {} {number}", victim.index);

                    assert!(is_marked(forged.address) && !is_marked(right.address), "{label}");
                    let is_same = (forged.from, forged.from_port, forged.id, &forged.name)
                        == (right.from, right.from_port, right.id, &right.name)
                        && forged.family == right.family;
                    assert_eq!(is_same, forgery.state() != State::Waiting, "{label}");
                }
            }
        }
    }

    #[test]
    fn no_right_address_is_marked() {
        assert_eq!(right_addresses().filter(|it| is_marked(*it)).count(), 0);
        assert!(is_marked(marked(7, Family::V4)) && is_marked(marked(7, Family::V6)));
    }
}
