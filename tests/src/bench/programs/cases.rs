//! Which packets the programs are run over, and which verdicts they shall come to.

use crate::Packet;

/// The program of two instructions.
pub(super) const EMPTY: &str = "empty";
/// What the policy of each loaded datapath names ([`super::lab`]).
pub(super) const RANGE_V4: &str = "198.51.100.0/24";
pub(super) const RANGE_V6: &str = "2001:db8:7::/48";
pub(super) const NAME: &str = "a.test";
pub(super) const LEARNED: [u8; 4] = [203, 0, 113, 1];
pub(super) const RESOLVER: [u8; 4] = [203, 0, 113, 53];
pub(super) const PORT: u16 = 443;

/// `NAME` as a message has it (RFC 1035, 3.1).
const ENCODED: &[u8] = b"\x01a\x04test\x00";
/// Where a client's question comes from, and its answer goes to.
const CLIENT_PORT: u16 = 40_000;
const DNS_PORT: u16 = 53;
/// What a classifier returns for what does not pass
/// (`TC_ACT_SHOT`, `include/uapi/linux/pkt_cls.h`).
const SHOT: u32 = 2;

/// A program over a packet.
pub(super) struct Case {
    pub(super) program: &'static str,
    pub(super) packet: &'static str,
    pub(super) frame: Vec<u8>,
    passes: bool,
    /// A program and the packet that it sees once before each single run: what is measured undoes
    /// what this has done.
    pub(super) before: Option<(&'static str, Vec<u8>)>,
}

/// All, in the order in which they are run: some read what those before have written down.
pub(super) fn all() -> Vec<Case> {
    let mut cases = vec![Case::new(EMPTY, "any", to("198.51.100.1"), true)];
    for program in ["egress_skb", "tc_egress"] {
        cases.extend([
            Case::new(program, "allowed by a range", to("198.51.100.1"), true),
            Case::new(program, "allowed by a range, IPv6", to("2001:db8:7::1"), true),
            Case::new(program, "allowed by a learned address", to("203.0.113.1"), true),
            Case::new(program, "denied", to("203.0.113.9"), false),
            Case::new(program, "denied, IPv6", to("2001:db8:9::9"), false),
            Case::new(program, "first fragment, allowed", fragment(0, true), true),
            Case::new(program, "the fragment behind it", fragment(1_480, false), true),
            Case::new(program, "malformed", malformed(), false),
            Case::new(program, "a question to a resolver", question(), true),
        ]);
    }
    // The socket of a test run has asked nothing.
    cases.push(Case::new("ingress_skb", "a reply", reply("198.51.100.1", "192.0.2.2"), true));
    let v6 = reply("2001:db8:7::1", "2001:db8:0:1::2");
    cases.push(Case::new("ingress_skb", "a reply, IPv6", v6, true));
    // Behind a frame that opens its flow from outside, and that no rule would let back.
    cases.push(Case::new("tc_ingress", "opens a flow from outside", opening(), true));
    cases.push(Case::new("tc_egress", "a reply to it", to("203.0.113.7"), true));
    let answered = Case::new("tc_ingress", "the answer to a question", answer(), true);
    cases.push(Case { before: Some(("tc_egress", question())), ..answered });
    cases
}

impl Case {
    fn new(program: &'static str, packet: &'static str, frame: Vec<u8>, passes: bool) -> Self {
        Self { program, packet, frame, passes, before: None }
    }

    /// Fails where the program did not come to the verdict that it should: the figure would be of
    /// another way than its name says.
    pub(super) fn check(&self, returned: u32) -> anyhow::Result<()> {
        let passed =
            if self.program.starts_with("tc") { returned != SHOT } else { returned & 1 == 1 };
        anyhow::ensure!(passed == self.passes, "the program returned {returned}");
        Ok(())
    }
}

fn from_client(to: &str) -> Packet {
    let packet = if to.contains(':') { Packet::ipv6() } else { Packet::ipv4() };
    packet.from_port(CLIENT_PORT).to(to)
}

fn to(address: &str) -> Vec<u8> {
    from_client(address).udp(PORT).payload(&[0; 32]).frame()
}

fn reply(from: &str, to: &str) -> Vec<u8> {
    let packet = if to.contains(':') { Packet::ipv6() } else { Packet::ipv4() };
    packet.from(from).from_port(PORT).to(to).udp(CLIENT_PORT).payload(&[0; 32]).frame()
}

fn opening() -> Vec<u8> {
    reply("203.0.113.7", "192.0.2.2")
}

fn fragment(offset: u16, has_more: bool) -> Vec<u8> {
    let bytes = if has_more { 1_472 } else { 32 };
    let packet = from_client("198.51.100.2").udp(PORT).payload(&vec![0; bytes]);
    packet.fragment(7, offset, has_more).frame()
}

/// Its header says that it is shorter than a header can be.
fn malformed() -> Vec<u8> {
    from_client("198.51.100.1").udp(PORT).payload(&[0; 32]).header_words(4).frame()
}

fn question() -> Vec<u8> {
    from_client("203.0.113.53").udp(DNS_PORT).payload(&message(0x01, 0x00, 0)).frame()
}

fn answer() -> Vec<u8> {
    let mut bytes = message(0x81, 0x80, 1);
    // The question's name, type A, class IN, for an hour, four bytes.
    bytes.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4]);
    bytes.extend(LEARNED);
    let packet = Packet::ipv4().from("203.0.113.53").from_port(DNS_PORT).to("192.0.2.2");
    packet.udp(CLIENT_PORT).payload(&bytes).frame()
}

/// A header with its two bytes of flags and its answers, and the question for `NAME`'s addresses
/// (RFC 1035, 4.1).
fn message(high: u8, low: u8, answers: u8) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, high, low, 0, 1, 0, answers, 0, 0, 0, 0];
    bytes.extend(ENCODED);
    bytes.extend([0, 1, 0, 1]);
    bytes
}
