//! What the kernel knows of a socket, and what we wrote down about it.

use core::{ffi::c_void, ptr};

use aya_ebpf::{
    bindings::{BPF_SK_STORAGE_GET_F_CREATE, bpf_sock},
    btf_maps::SkStorage,
    helpers::generated::{
        bpf_get_listener_sock, bpf_get_netns_cookie, bpf_ktime_get_boot_ns, bpf_sk_fullsock,
        bpf_sk_storage_get, bpf_spin_lock, bpf_spin_unlock,
    },
    macros::btf_map,
    programs::{SkBuffContext, SockAddrContext, SockContext},
};
use enforcer_common::{
    address::Address,
    connect::RefusedSocket,
    decide::Match,
    flow::SocketFlow,
    measure,
    packet::{Packet, protocol},
    socket::{SocketEntry, SocketNote, SocketPass, noted},
};

use crate::{flow, inherited::InheritedStorage, measure::is_in_force};

#[btf_map]
static SOCKETS: InheritedStorage<SocketEntry> = InheritedStorage::new();

const CREATE: u64 = BPF_SK_STORAGE_GET_F_CREATE as u64;
const SOCK_STREAM: u32 = 1;
const SOCK_DGRAM: u32 = 2;
const SOCK_RAW: u32 = 3;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
/// States of a TCP socket (include/net/tcp_states.h).
const TCP_SYN_SENT: u32 = 2;
const TCP_LISTEN: u32 = 10;

/// A full socket, as opposed to one that is being made or has ended.
#[derive(Clone, Copy)]
pub(crate) struct Socket(*mut bpf_sock);

impl Socket {
    /// The socket of a packet: its sender at egress, its receiver at ingress.
    #[inline(always)]
    pub(crate) fn of_packet(ctx: &SkBuffContext) -> Option<Self> {
        // SAFETY: the kernel hands the program a valid context.
        let socket = unsafe { (*ctx.skb.skb).__bindgen_anon_2.sk };
        if socket.is_null() {
            return None;
        }
        // SAFETY: the socket is not null.
        let socket = unsafe { bpf_sk_fullsock(socket) };
        if socket.is_null() { None } else { Some(Self(socket)) }
    }

    /// The socket of a packet that leaves by an uplink. There a connection that is being accepted is
    /// not stood for by its listener, as it is at the socket hook.
    #[inline(always)]
    pub(crate) fn of_frame(ctx: &SkBuffContext) -> Option<Self> {
        if let Some(socket) = Self::of_packet(ctx) {
            return Some(socket);
        }
        // SAFETY: the kernel hands the program a valid context.
        let socket = unsafe { (*ctx.skb.skb).__bindgen_anon_2.sk };
        if socket.is_null() {
            return None;
        }
        // SAFETY: the socket is not null.
        let listener = unsafe { bpf_get_listener_sock(socket) };
        if listener.is_null() { None } else { Some(Self(listener)) }
    }

    /// Whether it is of the Internet's families, and so judged by the socket hook.
    #[inline(always)]
    pub(crate) fn is_ip(self) -> bool {
        // SAFETY: a full socket.
        let family = unsafe { (*self.0).family };
        family == AF_INET || family == AF_INET6
    }

    /// Its value in a map of socket storage; `None` where it has none.
    #[inline(always)]
    pub(crate) fn stored<'a, T>(self, map: &SkStorage<T>) -> Option<&'a mut T> {
        self.storage(ptr::from_ref(map).cast_mut().cast(), 0)
    }

    /// As [`Self::stored`], made of zeros where there is none; `None` where the socket's memory
    /// is used up.
    #[inline(always)]
    pub(crate) fn stored_or_zero<'a, T>(self, map: &SkStorage<T>) -> Option<&'a mut T> {
        let map = ptr::from_ref(map).cast_mut();
        self.storage(map.cast(), CREATE)
    }

    #[inline(always)]
    fn storage<'a, T>(self, map: *mut c_void, flags: u64) -> Option<&'a mut T> {
        // SAFETY: a full socket, and a map of socket storage.
        let value = unsafe { bpf_sk_storage_get(map, self.0.cast(), ptr::null_mut(), flags) };
        // SAFETY: null, or a value of the map's type that lives as long as the socket. Calls of
        // several threads may write it at once: each field is a plain word, and whoever reads
        // bears with a mixture.
        unsafe { value.cast::<T>().as_mut() }
    }

    /// What was written down about it.
    #[inline(always)]
    pub(crate) fn entry<'a>(self) -> Option<&'a mut SocketEntry> {
        self.storage(SOCKETS.as_ptr(), 0)
    }

    /// As [`Self::entry`], made of zeros where there is none; `None` where the socket's memory is
    /// used up.
    #[inline(always)]
    pub(crate) fn entry_or_zero<'a>(self) -> Option<&'a mut SocketEntry> {
        self.storage(SOCKETS.as_ptr(), CREATE)
    }

    /// What was written down about the socket of a packet. It is not asked whether that is a full
    /// one: of any other the kernel says that it has nothing (`bpf_sk_storage_get`,
    /// net/core/bpf_sk_storage.c, 6.18).
    #[inline(always)]
    pub(crate) fn entry_of_packet<'a>(ctx: &SkBuffContext) -> Option<&'a mut SocketEntry> {
        // SAFETY: the kernel hands the program a valid context.
        let socket = unsafe { (*ctx.skb.skb).__bindgen_anon_2.sk };
        if socket.is_null() {
            return None;
        }
        // SAFETY: a socket of whatever kind, and a map of socket storage.
        let value =
            unsafe { bpf_sk_storage_get(SOCKETS.as_ptr(), socket.cast(), ptr::null_mut(), 0) };
        // SAFETY: as in `storage`.
        unsafe { value.cast::<SocketEntry>().as_mut() }
    }

    /// Whether a packet has come to one that waits for connections.
    #[inline(always)]
    pub(crate) fn is_listener_of(ctx: &SkBuffContext) -> bool {
        // SAFETY: the kernel hands the program a valid context.
        let socket = unsafe { (*ctx.skb.skb).__bindgen_anon_2.sk };
        // SAFETY: not null; the state is readable in a socket of whatever kind
        // (`bpf_sock_common_is_valid_access`, net/core/filter.c, 6.18).
        !socket.is_null() && unsafe { (*socket).state } == TCP_LISTEN
    }

    /// Notes that it asks a trusted resolver.
    #[inline(always)]
    pub(crate) fn set_asking(self) {
        if let Some(entry) = self.entry_or_zero() {
            entry.is_asking = 1;
        }
    }

    /// What was written down about it; `None` for a socket that is older than the hooks.
    ///
    /// A copy, since the compiler looks into a reference before it asks whether there is one.
    #[inline(always)]
    pub(crate) fn note(self) -> Option<SocketNote> {
        let (note, noted) = self.entry().map(|entry| (entry.note, entry.noted))?;
        if noted == noted::NEVER { None } else { Some(note) }
    }

    /// What has admitted its connection.
    #[inline(always)]
    pub(crate) fn flow(self) -> Option<SocketFlow> {
        self.entry().map(|entry| entry.flow)
    }

    /// Writes down what has admitted its connection.
    #[inline(always)]
    pub(crate) fn set_flow(self, flow: &SocketFlow) {
        // A socket whose memory is used up goes without.
        if let Some(entry) = self.entry_or_zero() {
            entry.flow = *flow;
        }
    }

    /// What the socket hook let pass last; `None` where nothing has passed.
    #[inline(always)]
    pub(crate) fn pass(self) -> Option<SocketPass> {
        let pass = self.entry().map(|entry| entry.pass)?;
        if pass.generation == 0 { None } else { Some(pass) }
    }

    /// Writes down what the socket hook lets pass.
    #[inline(always)]
    pub(crate) fn set_pass(self, packet: &Packet, by: Match, generation: u64) {
        // A socket whose memory is used up is judged again at the uplink.
        if let Some(entry) = self.entry_or_zero()
            && (!entry.pass.covers(packet, generation) || entry.pass.by != by.bits())
        {
            entry.pass = SocketPass::of(packet, by, generation);
        }
    }

    /// Whether a hook has seen it made or used; else it is older than the hooks, or the kernel's own.
    #[inline(always)]
    pub(crate) fn is_known(self) -> bool {
        self.entry().is_some_and(|entry| entry.noted != noted::NEVER)
    }

    /// Whether a hook has seen it made.
    #[inline(always)]
    pub(crate) fn is_noted_at_birth(self) -> bool {
        self.entry().is_some_and(|entry| entry.noted == noted::AT_BIRTH)
    }

    /// Marks a listener: whoever it accepts has opened the connection.
    #[inline(always)]
    pub(crate) fn mark_inbound(self) {
        // Without memory for it the connection is judged by the policy.
        if let Some(entry) = self.entry_or_zero() {
            entry.is_inbound = 1;
        }
    }

    /// Whether its connection was opened from outside: it listens and is asked for one, or was
    /// accepted. A socket that is being connected has opened its own.
    #[inline(always)]
    pub(crate) fn is_inbound(self) -> bool {
        self.state() != TCP_SYN_SENT && self.entry().is_some_and(|entry| entry.is_inbound == 1)
    }

    /// Whether it is being connected: its SYN is on its way.
    #[inline(always)]
    pub(crate) fn is_connecting(self) -> bool {
        self.is_stream() && self.state() == TCP_SYN_SENT
    }

    /// Its ends as it knows them, before all translation.
    #[inline(always)]
    pub(crate) fn ends(self) -> RefusedSocket {
        let (peer, peer_port) = self.peer();
        // SAFETY: a full socket.
        let family = unsafe { (*self.0).family };
        RefusedSocket {
            own: self.own_address(),
            peer,
            own_port_be: self.own_port().to_be_bytes(),
            peer_port_be: peer_port.to_be_bytes(),
            is_v6: u32::from(family == AF_INET6),
        }
    }

    /// Whether it waits for connections.
    #[inline(always)]
    pub(crate) fn is_listening(self) -> bool {
        self.state() == TCP_LISTEN
    }

    #[inline(always)]
    fn state(self) -> u32 {
        // SAFETY: a full socket.
        unsafe { (*self.0).state }
    }

    /// Where a packet of the socket was meant to go, where that is certain whatever translation
    /// made of it: a TCP connection has one peer, and of another socket every call is known.
    #[inline(always)]
    pub(crate) fn asked(
        self,
        packet: &Packet,
        note: Option<&SocketNote>,
    ) -> Option<(Address, u16)> {
        match (self.kind(), packet.protocol) {
            (SOCK_STREAM, protocol::TCP) => Some(self.peer()),
            (SOCK_DGRAM, protocol::UDP) => {
                if !is_in_force(measure::ONLY_DESTINATION) {
                    return note.map(|note| (note.destination, u16::from_be_bytes(note.port_be)));
                }
                let asked = note?.only_destination()?;
                let peer = self.peer();
                // Connected before the hooks were there, to somewhere else.
                if peer.1 != 0 && peer != asked {
                    return None;
                }
                Some(asked)
            }
            _ => None,
        }
    }

    /// Whether it has a connection, as TCP has.
    #[inline(always)]
    pub(crate) fn is_stream(self) -> bool {
        self.kind() == SOCK_STREAM
    }

    /// Whether it sends datagrams, as UDP does.
    #[inline(always)]
    pub(crate) fn is_datagram(self) -> bool {
        self.kind() == SOCK_DGRAM
    }

    /// Its port; 0 before it has one.
    #[inline(always)]
    pub(crate) fn own_port(self) -> u16 {
        // SAFETY: a full socket; in host order, other than its peer's (`bpf_sock`,
        // include/uapi/linux/bpf.h, 6.18).
        unsafe { (*self.0).src_port as u16 }
    }

    /// Whether the kernel wrote the packet's headers: no raw socket's packet.
    #[inline(always)]
    pub(crate) fn is_raw(self) -> bool {
        self.kind() == SOCK_RAW
    }

    #[inline(always)]
    fn kind(self) -> u32 {
        // SAFETY: a full socket.
        unsafe { (*self.0).type_ }
    }

    /// The socket itself, for helpers.
    #[inline(always)]
    pub(crate) const fn as_ptr(self) -> *mut bpf_sock {
        self.0
    }

    /// Whether it is bound to an address, or to none.
    #[inline(always)]
    pub(crate) fn may_send_from(self, address: &Address) -> bool {
        let own = self.own_address();
        let is_unbound = own.words() == [0; 4] || own.is_v4() && own.v4_bytes() == [0; 4];
        is_unbound || own == *address
    }

    #[inline(always)]
    fn own_address(self) -> Address {
        // SAFETY: a full socket, as in what follows. All words are read, volatile and whatever the
        // family: of two reads in two branches the compiler makes one at a computed offset, which
        // the verifier refuses.
        let v4 = unsafe { ptr::read_volatile(&raw const (*self.0).src_ip4) };
        // SAFETY: as above.
        let first = unsafe { ptr::read_volatile(&raw const (*self.0).src_ip6[0]) };
        // SAFETY: as above.
        let second = unsafe { ptr::read_volatile(&raw const (*self.0).src_ip6[1]) };
        // SAFETY: as above.
        let third = unsafe { ptr::read_volatile(&raw const (*self.0).src_ip6[2]) };
        // SAFETY: as above.
        let fourth = unsafe { ptr::read_volatile(&raw const (*self.0).src_ip6[3]) };
        self.address_of(v4, [first, second, third, fourth])
    }

    #[inline(always)]
    fn peer(self) -> (Address, u16) {
        // SAFETY: a full socket.
        let port = u16::from_be(unsafe { (*self.0).dst_port });
        // SAFETY: as in `own_address`.
        let v4 = unsafe { ptr::read_volatile(&raw const (*self.0).dst_ip4) };
        // SAFETY: as above.
        let first = unsafe { ptr::read_volatile(&raw const (*self.0).dst_ip6[0]) };
        // SAFETY: as above.
        let second = unsafe { ptr::read_volatile(&raw const (*self.0).dst_ip6[1]) };
        // SAFETY: as above.
        let third = unsafe { ptr::read_volatile(&raw const (*self.0).dst_ip6[2]) };
        // SAFETY: as above.
        let fourth = unsafe { ptr::read_volatile(&raw const (*self.0).dst_ip6[3]) };
        (self.address_of(v4, [first, second, third, fourth]), port)
    }

    /// The one that is of the socket's family.
    #[inline(always)]
    fn address_of(self, v4: u32, v6: [u32; 4]) -> Address {
        // SAFETY: a full socket.
        let family = unsafe { (*self.0).family };
        if family == AF_INET { Address::from_v4_word(v4) } else { Address::from_words(v6) }
    }
}

/// Notes the network namespace of a socket that is being made.
#[inline(always)]
pub(crate) fn note_created(ctx: &SockContext) {
    // SAFETY: the kernel hands the program a valid context.
    let cookie = unsafe { bpf_get_netns_cookie(ctx.sock.cast()) };
    // A socket without a note has no namespace: nothing is learned from its answers.
    let Some(entry) = Socket(ctx.sock).entry_or_zero() else { return };
    (entry.note.namespace, entry.note.cookie) = (namespace_of(cookie), cookie);
    entry.noted = noted::AT_BIRTH;
}

/// Notes what a socket asks for, and tells its namespace.
#[inline(always)]
pub(crate) fn note_asked(ctx: &SockAddrContext, destination: Address, port_be: [u8; 2]) -> u64 {
    // SAFETY: the kernel hands the program a valid context, whose socket is a full one.
    let socket = Socket(unsafe { (*ctx.sock_addr).__bindgen_anon_1.sk });
    let stored = socket.entry_or_zero();
    let is_stream = socket.is_stream();
    if let Some(stored) = &stored
        && !is_stream
        && stored.is_told_already(destination, port_be)
        && is_in_force(measure::ONLY_DESTINATION)
    {
        return stored.note.namespace;
    }
    // SAFETY: the kernel hands the program a valid context.
    let cookie = unsafe { bpf_get_netns_cookie(ctx.sock_addr.cast()) };
    let namespace = namespace_of(cookie);
    // SAFETY: the helper takes nothing.
    let now_ns = unsafe { bpf_ktime_get_boot_ns() };
    let is_answer =
        socket.is_datagram() && flow::is_answer(socket, cookie, destination, port_be, now_ns);
    let Some(stored) = stored else { return namespace };
    let lock = &raw mut stored.lock;
    // SAFETY: the lock of that value; the program holds no other.
    unsafe { bpf_spin_lock(lock.cast()) };
    stored.is_inbound = 0;
    stored.flow.by = 0;
    if is_stream {
        // What it is about to send is judged as of another connection.
        stored.repeat.forget();
    }
    let note = &mut stored.note;
    if stored.noted == noted::NEVER {
        (note.namespace, note.cookie) = (namespace, cookie);
        stored.noted = noted::LATER;
    }
    if is_answer {
        // Nothing that the socket asks for of its own, and yet it has sent it.
        note.is_several = 1;
    } else if note.is_set == 0 || !is_in_force(measure::ONLY_DESTINATION) {
        note.destination = destination;
        note.port_be = port_be;
        note.is_set = 1;
    } else if note.destination != destination || note.port_be != port_be {
        note.is_several = 1;
    }
    // SAFETY: taken above.
    unsafe { bpf_spin_unlock(lock.cast()) };
    namespace
}

/// What a cookie is noted as: 0 for the initial namespace.
#[inline(always)]
fn namespace_of(cookie: u64) -> u64 {
    // SAFETY: without a context the helper tells the cookie of the initial namespace.
    let initial = unsafe { bpf_get_netns_cookie(ptr::null_mut()) };
    if cookie == initial { 0 } else { cookie }
}
