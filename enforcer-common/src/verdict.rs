//! Verdicts, the closed list of reasons, and the implicit rules.

/// What happens to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Verdict {
    /// It passes.
    Allow = 0,
    /// It is dropped.
    Deny = 1,
}

macro_rules! numbered {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $number:literal, $text:literal;)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $($(#[$doc])* $variant = $number,)* }

        impl $name {
            /// Every one, by number.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The number that maps, metrics and tests speak.
            pub const fn number(self) -> u8 {
                self as u8
            }

            /// The word that status, metrics and events show.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The one with this number.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

pub(crate) use numbered;

numbered! {
    /// Why a packet passed or was dropped. Numbers are never reused; new ones go to the end.
    Reason {
        /// A rule of the policy accepted the packet; the verdict is the rule's action.
        Rule = 1, "rule";
        /// An implicit rule accepted the packet.
        Implicit = 2, "implicit";
        /// No rule accepted the packet.
        NoRule = 3, "no-rule";
        /// The packet ends before the headers it announces.
        ShortPacket = 4, "short-packet";
        /// A header field contradicts itself (version, header length).
        MalformedHeader = 5, "malformed-header";
        /// Neither IPv4 nor IPv6.
        NotIp = 6, "not-ip";
        /// An IPv6 extension header that is unknown, too long, one too many or inside a fragment.
        ExtensionHeader = 7, "extension-header";
        /// Source routing: the address on the packet is not where it goes.
        SourceRoute = 8, "source-route";
        /// A first fragment that does not hold the whole transport header.
        TinyFragment = 9, "tiny-fragment";
        /// A fragment that would overwrite the transport header of the first.
        OverlappingFragment = 10, "overlapping-fragment";
        /// A later fragment whose first fragment was not seen or not allowed.
        OrphanFragment = 11, "orphan-fragment";
        /// An IPv6 packet to an IPv4-mapped or IPv4-compatible address.
        MappedAddress = 12, "mapped-address";
        /// The tables are not filled: the agent has not finished its first start.
        NotReady = 13, "not-ready";
        /// A packet in the name of a trusted resolver that is not from its socket.
        ForgedResolver = 14, "forged-resolver";
        /// A packet socket that asks to send past every hook (`PACKET_QDISC_BYPASS`).
        QdiscBypass = 15, "qdisc-bypass";
        /// A socket that is set up to send past every hook (`AF_XDP`).
        AfXdp = 16, "af-xdp";
    }
}

numbered! {
    /// Traffic that no policy needs to name. Numbers are never reused; new ones go to the end.
    Implicit {
        /// To the node itself, over its loopback device.
        Loopback = 0, "loopback";
        /// IPv6 neighbour and router discovery (RFC 4861).
        NeighbourDiscovery = 1, "neighbour-discovery";
        /// Multicast group membership: IGMP (RFC 3376) and MLD (RFC 3810).
        GroupMembership = 2, "group-membership";
        /// The DHCP client, IPv4 and IPv6.
        Dhcp = 3, "dhcp";
        /// DNS to a trusted resolver.
        Dns = 4, "dns";
        /// To whoever opened the flow towards this node.
        Reply = 5, "reply";
        /// Address resolution of IPv4 (RFC 826).
        Arp = 6, "arp";
        /// To the neighbour at the other end of the cable: bonding, bridges, port authentication
        /// (IEEE 802.1D, table 7-10: frames that no bridge forwards).
        LinkControl = 7, "link-control";
    }
}
