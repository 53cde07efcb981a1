//! Map names and sizes, and the version of all layouts.

/// Raised with every change of a key, a value, a map's type or a number's meaning.
pub const ABI_VERSION: u32 = 6 + OTHER;

/// What the build with other layouts adds to the versions of what it changes.
const OTHER: u32 = if cfg!(feature = "other-layout") { 1_000 } else { 0 };

/// The maps that are handed on from one start to the next, each with the version in which its key,
/// its value or the meaning of either changed last. `PENDING` and `STREAMS` go with `SOCKETS`, which
/// says of each socket whether it has any.
pub const HANDED_ON: [(&str, u32); 20] = [
    (map::ADDRS, 5 + OTHER),
    (map::USE, 5),
    (map::GONE, 5),
    (map::NAME_TEXT, 4),
    (map::SOCKETS, 6),
    (map::PENDING, 6),
    (map::STREAMS, 6),
    (map::ASKED, 4),
    (map::PEERS, 4),
    (map::FLOWS, 4 + OTHER),
    (map::FRAGMENTS, 4),
    (map::REFUSED, 4),
    (map::REFUSED_SOCKETS, 4),
    (map::HANDOVER, 4),
    (map::SLOT_SINCE, 4),
    (map::LEARNING, 5),
    (map::RULE_HITS, 4 + OTHER),
    (map::IMPLICIT_HITS, 4 + OTHER),
    (map::DROPS, 4 + OTHER),
    (map::TOTALS, 4 + OTHER),
];

/// How many rules a node can have: the bits of a `RuleMask`.
pub const MAX_RULES: usize = 512;

/// Port planes in one bank of `PORT_CLASSES`: TCP, UDP, SCTP, and protocols by number.
pub const PORT_PLANES: u32 = 4;

/// Ports in a plane.
pub const PORTS: usize = 65_536;

/// Banks of the port tables; the low bit of the generation selects one.
pub const BANKS: u32 = 2;

/// Distinct sets of rules that the ports of one policy can have.
pub const MAX_PORT_CLASSES: u32 = 8_192;

/// How deep below the cgroup v2 root a workload is recognised. Kubernetes nests five levels.
pub const MAX_CGROUP_DEPTH: usize = 12;

/// Bytes in a page of the agent's document.
pub const DOCUMENT_PAGE_BYTES: usize = 4_096;

/// Pages of the agent's document.
pub const DOCUMENT_PAGES: usize = 128;

/// Bytes of a domain name in wire format (RFC 1035, 3.1), rounded up.
pub const NAME_BYTES: usize = 256;

/// Bytes of a header and a question (RFC 1035, 4.1), rounded up.
pub const QUESTION_BYTES: usize = 272;

/// Names that the patterns of a policy end in.
pub const MAX_NAMES: u32 = 262_144;

/// Checks of labels in one bank of `NAME_CHECKS`.
pub const MAX_NAME_CHECKS: u32 = 1_024;

/// Bytes of the ring by which questions are handed to the agent: about nine hundred of them.
pub const HANDOVER_BYTES: usize = 262_144;

/// Bytes of the ring by which refused connections are told: about a thousand of them.
pub const REFUSED_BYTES: usize = 65_536;

/// Names of the maps, as in the program's object and under the folder of pins.
pub mod map {
    /// `u64`: the generation that packets are judged by; 0 until the first policy is in force.
    pub const GENERATION: &str = "GENERATION";
    /// [`crate::settings::Settings`] for each of two generations.
    pub const SETTINGS: &str = "SETTINGS";
    /// Addresses of domain names, with expiry.
    pub const ADDRS: &str = "ADDRS";
    /// How many of those were made for each rule, and for all ([`crate::quota`]).
    pub const USE: &str = "USE";
    /// How many of those that were made are gone.
    pub const GONE: &str = "GONE";
    /// Single addresses of CIDR rules.
    pub const HOSTS: &str = "HOSTS";
    /// Prefixes of CIDR rules.
    pub const CIDRS: &str = "CIDRS";
    /// Which rules a name feeds, by the longest of its parents.
    pub const NAMES: &str = "NAMES";
    /// Conditions on single labels.
    pub const NAME_CHECKS: &str = "NAME_CHECKS";
    /// Ranges of addresses that an answer must not open.
    pub const SPECIAL: &str = "SPECIAL";
    /// Prefixes that address translation may rewrite.
    pub const VIRTUAL: &str = "VIRTUAL";
    /// Class of each port.
    pub const PORT_CLASSES: &str = "PORT_CLASSES";
    /// Rules of each class of ports.
    pub const CLASS_MASKS: &str = "CLASS_MASKS";
    /// Rules of each selected cgroup.
    pub const WORKLOADS: &str = "WORKLOADS";
    /// Trusted resolvers.
    pub const RESOLVERS: &str = "RESOLVERS";
    /// Datagrams whose first fragment passed.
    pub const FRAGMENTS: &str = "FRAGMENTS";
    /// Destinations that egress refused untranslated.
    pub const REFUSED: &str = "REFUSED";
    /// Sockets whose connection egress has refused, for the agent.
    pub const REFUSED_SOCKETS: &str = "REFUSED_SOCKETS";
    /// What each socket asked for, and its network namespace.
    pub const SOCKETS: &str = "SOCKETS";
    /// Questions of each socket that wait for their answers.
    pub const PENDING: &str = "PENDING";
    /// Where messages begin on each connection to a resolver.
    pub const STREAMS: &str = "STREAMS";
    /// The message that an answer program walks; one for each CPU.
    pub const SCRATCH: &str = "SCRATCH";
    /// Questions for the agent.
    pub const HANDOVER: &str = "HANDOVER";
    /// Who exchanges datagrams with which port, and who began.
    pub const PEERS: &str = "PEERS";
    /// Datagrams that were let pass a while ago, between others of their socket.
    pub const PASSED: &str = "PASSED";
    /// Questions of others that pass an uplink.
    pub const ASKED: &str = "ASKED";
    /// Flows as the uplinks see them.
    pub const FLOWS: &str = "FLOWS";
    /// The devices that are judged at TC, by index.
    pub const UPLINKS: &str = "UPLINKS";
    /// The generation since which each slot has its rule.
    pub const SLOT_SINCE: &str = "SLOT_SINCE";
    /// What became of answers, by [`crate::dns::Learning`].
    pub const LEARNING: &str = "LEARNING";
    /// Packets and bytes of each rule.
    pub const RULE_HITS: &str = "RULE_HITS";
    /// Packets and bytes of each implicit rule.
    pub const IMPLICIT_HITS: &str = "IMPLICIT_HITS";
    /// Packets and bytes dropped for each reason.
    pub const DROPS: &str = "DROPS";
    /// Packets and bytes by verdict and family.
    pub const TOTALS: &str = "TOTALS";
    /// Text of the names that addresses were seen under.
    pub const NAME_TEXT: &str = "NAME_TEXT";
    /// What the agent says of itself and the policy.
    pub const DOCUMENT: &str = "DOCUMENT";
    /// Boot time of the agent's last sign of life.
    pub const HEARTBEAT: &str = "HEARTBEAT";
}
