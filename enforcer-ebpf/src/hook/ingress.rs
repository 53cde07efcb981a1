//! `cgroup_skb` ingress: learns from answers before their socket sees them. Every packet passes but
//! one that is forged for certain.

use aya_ebpf::{helpers::generated::bpf_ktime_get_boot_ns, programs::SkBuffContext};
use enforcer_common::{
    address::Address,
    decide::Decision,
    dns::{
        Learning, MAX_FOUND, MAX_MESSAGE, MAX_UNFRAGMENTED, answer,
        name::write_key,
        pending::{Circumstance, Match, PendingTable},
        question,
        stream::{MAX_QUESTIONS, Segment, Stream},
        walk::{ENDED, MAX_ROUNDS, Walked},
    },
    learned::AddressKey,
    measure,
    packet::{Bytes as _, Packet, Piece, ethertype, protocol},
    settings::{Settings, flag},
    special::kind,
    verdict::{Reason, Verdict},
};

use crate::{
    ask::{PENDING, STREAMS},
    count::{self, Amount},
    flow,
    handover::{count, count_several, hand_over},
    learned,
    measure::is_in_force,
    names,
    packet::Buffer,
    scratch::{self, Arrival, Keeper, NameWriter, Scratch},
    socket::Socket,
    tables,
    zero::Zero,
};

const UDP_HEADER_BYTES: u32 = 8;
const SYN_ACK: u8 = 0x12;

/// Results of a walk that are no number of addresses.
const MALFORMED: u64 = u32::MAX as u64;
const OVER_BOUND: u64 = MALFORMED - 1;
const OUT_OF_ORDER: u64 = MALFORMED - 2;

/// The result of matching a question that is no number of an outcome.
const FINE: u32 = 256;

#[inline(always)]
pub(crate) fn learn(ctx: &SkBuffContext) -> Verdict {
    flow::note_arrival(ctx);
    let Some(socket) = Socket::of_packet(ctx) else { return Verdict::Allow };
    // Nearly every packet ends here: its socket has asked no resolver.
    let Some(pending) = socket.stored(&PENDING) else { return Verdict::Allow };
    let Some(scratch) = scratch::get() else { return Verdict::Allow };
    let Some(settings) = tables::settings_in_force() else { return Verdict::Allow };
    scratch.arrival.is_forged = 0;
    if load(ctx, socket, settings, scratch) {
        count(judge(scratch, pending, settings));
    }
    if scratch.arrival.is_forged == 0 { Verdict::Allow } else { drop_forged(ctx, settings) }
}

/// Drops what is not the resolver's, so that whoever asked does not believe it either: the agent
/// asks as well, and what it learns counts everywhere.
#[inline(never)]
fn drop_forged(ctx: &SkBuffContext, settings: &Settings) -> Verdict {
    // SAFETY: the helper takes nothing.
    let now_ns = unsafe { bpf_ktime_get_boot_ns() };
    let buffer = Buffer::new(ctx, now_ns);
    let decision = Decision::drop(Reason::ForgedResolver);
    let amount = Amount { packets: buffer.packets(), bytes: u64::from(buffer.length()), now_ns };
    count::decision(&decision, buffer.ethertype() == ethertype::IPV6, &amount);
    if settings.has(flag::AUDIT) { Verdict::Allow } else { decision.verdict }
}

/// Copies a message of a trusted resolver, and says whether there is one.
#[inline(never)]
fn load(ctx: &SkBuffContext, socket: Socket, settings: &Settings, scratch: &mut Scratch) -> bool {
    let Some(zero) = Zero::find() else { return false };
    // SAFETY: the helper takes nothing.
    let now_ns = unsafe { bpf_ktime_get_boot_ns() };
    let buffer = Buffer::new(ctx, now_ns);
    let Ok(packet) = Packet::parse(&buffer) else { return false };
    if packet.piece != Piece::WHOLE {
        return false;
    }
    let Some(resolver) = tables::resolver(settings, &packet.source, packet.source_port) else {
        return false;
    };
    let is_tcp = packet.protocol == protocol::TCP;
    let (at, length) = if is_tcp {
        let Some(stream) = socket.stored(&STREAMS) else { return false };
        // Seen before the kernel has looked at checksum and acknowledgement: a segment that
        // somebody puts on another device is none of the server's.
        if stream.is_loopback != u32::from(buffer.is_loopback()) && is_in_force(measure::PATH) {
            scratch.arrival.is_forged = u32::from(buffer.is_loopback());
            return false;
        }
        let Some(message) = message_of_segment(ctx, stream, &packet) else { return false };
        message
    } else {
        let at = packet.transport + UDP_HEADER_BYTES;
        (at, buffer.length().wrapping_sub(at))
    };
    let Some(note) = socket.note() else {
        count(Learning::UnknownNamespace);
        return false;
    };
    if length == 0 || length > MAX_MESSAGE || !scratch.message.load(ctx, zero, at, length) {
        count(Learning::OverBound);
        return false;
    }
    let is_loopback = buffer.is_loopback() && is_in_force(measure::PATH);
    let namespace = if is_in_force(measure::NAMESPACE) { note.namespace } else { 0 };
    scratch.arrival = Arrival::new(now_ns, namespace, resolver.number);
    scratch.arrival.length = length;
    scratch.arrival.is_loopback = u32::from(is_loopback);
    // Who sends chooses the device: a process may send a question to a far resolver out of `lo`, and
    // be the one who answers it.
    let is_host = note.is_of_host(settings.host_cookie);
    scratch.arrival.is_foreign = u32::from(is_loopback && !(resolver.is_local == 1 && is_host));
    scratch.arrival.is_fragmentable =
        u32::from(!is_tcp && !is_loopback && length > MAX_UNFRAGMENTED)
            * u32::from(is_in_force(measure::FRAGMENTS));
    true
}

/// What becomes of a message.
#[inline(always)]
fn judge(scratch: &mut Scratch, pending: &mut PendingTable, settings: &Settings) -> Learning {
    // Each step is a function that keeps what it finds in the scratch memory: the verifier then
    // has one state behind it, whatever the paths through it.
    let refused = match_question(scratch, pending);
    if refused != FINE {
        return learning_of(refused);
    }
    let name_bytes = write_name(scratch);
    if name_bytes == 0 {
        return Learning::NoRule;
    }
    let Some(zero) = Zero::find() else { return Learning::NoRule };
    let labels = scratch.question.labels;
    names::rules(&mut scratch.name, zero, name_bytes, labels, &mut scratch.rules);
    if scratch.rules.is_empty() {
        return Learning::NoRule;
    }
    if scratch.is_other_case == 1 {
        return tell(scratch, Learning::QuestionMismatch);
    }
    if scratch.arrival.is_foreign == 1 {
        return tell(scratch, Learning::OtherPath);
    }
    if scratch.arrival.is_fragmentable == 1 {
        return tell(scratch, Learning::Fragmentable);
    }
    let walked = walk_section(scratch);
    let learning = match walked {
        MALFORMED => return Learning::Malformed,
        OVER_BOUND => return tell(scratch, Learning::OverBound),
        OUT_OF_ORDER => return tell(scratch, Learning::OutOfOrder),
        _ => learning_of(write(scratch, settings, walked as u32, (walked >> 32) as u32)),
    };
    if scratch.is_truncated == 1 {
        return tell(scratch, Learning::Truncated);
    }
    learning
}

/// Hands the question to the agent.
#[inline(never)]
fn tell(scratch: &mut Scratch, why: Learning) -> Learning {
    scratch.told.resolver = scratch.arrival.resolver;
    scratch.told.why = u32::from(why.number());
    scratch.told.bytes = scratch.question.end;
    hand_over(scratch.record());
    why
}

/// Reads header and question, and takes the pending question that they answer: [`FINE`], or the
/// number of what it is instead.
#[inline(never)]
fn match_question(scratch: &mut Scratch, pending: &mut PendingTable) -> u32 {
    let Some(zero) = Zero::find() else { return number(Learning::Malformed) };
    let message = scratch.loaded(zero);
    let Some(header) = question::header(&message) else { return number(Learning::Malformed) };
    if !header.is_answer {
        return number(Learning::Malformed);
    }
    let Some(question) = question::question(&message) else {
        return number(Learning::Malformed);
    };
    let answered = Circumstance {
        resolver: scratch.arrival.resolver,
        id: header.id,
        now_ns: scratch.arrival.now_ns,
        is_loopback: scratch.arrival.is_loopback == 1,
    };
    let matched = pending.take(&message, &question, &answered);
    scratch.question = question;
    scratch.records = header.answers;
    scratch.is_truncated = u32::from(header.is_truncated);
    scratch.is_other_case = u32::from(matched == Match::OtherCase);
    scratch.arrival.is_forged =
        u32::from(matched == Match::OtherPath) & scratch.arrival.is_loopback;
    match matched {
        Match::Taken | Match::OtherCase => match answer::refuse(&header, &question) {
            Some(refused) => number(refused),
            None => FINE,
        },
        Match::OtherQuestion => number(Learning::QuestionMismatch),
        Match::Unknown => number(Learning::NotPending),
        Match::Late => number(Learning::Late),
        Match::OtherPath => number(Learning::OtherPath),
    }
}

/// Writes the key of the question's name, and says how many bytes it has; 0 for a name that no
/// pattern can match.
#[inline(never)]
fn write_name(scratch: &mut Scratch) -> u32 {
    if !scratch.question.is_plain {
        return 0;
    }
    let Some(zero) = Zero::find() else { return 0 };
    let message = scratch.message.message(&scratch.arrival, zero);
    write_key(&message, &scratch.question, &mut NameWriter(&mut scratch.name, zero));
    scratch.question.name_bytes
}

/// Walks the answer section: the number of addresses in the lower half, the time to live in the
/// upper; or one of the values that no number of addresses has.
#[inline(never)]
fn walk_section(scratch: &mut Scratch) -> u64 {
    scratch.walk.start(&scratch.question, scratch.records);
    for _ in 0..MAX_ROUNDS {
        if walk_on(scratch) == ENDED {
            break;
        }
    }
    match scratch.walk.result() {
        Walked::Malformed => MALFORMED,
        Walked::OverBound => OVER_BOUND,
        Walked::OutOfOrder => OUT_OF_ORDER,
        Walked::Whole { found, ttl } => u64::from(ttl) << 32 | u64::from(found),
    }
}

/// One round of the walk. A function of its own, so that whatever path it took it is one state
/// for the verifier when it returns.
#[inline(never)]
fn walk_on(scratch: &mut Scratch) -> u32 {
    let Some(zero) = Zero::find() else { return ENDED };
    let message = scratch.message.message(&scratch.arrival, zero);
    scratch.walk.round(&message, &scratch.question, &mut Keeper(&mut scratch.found, zero))
}

/// Writes what was found; the number of what becomes of it.
#[inline(never)]
fn write(scratch: &mut Scratch, settings: &Settings, found: u32, ttl: u32) -> u32 {
    if found == 0 {
        return number(Learning::NoAddress);
    }
    let now_ns = scratch.arrival.now_ns;
    let name = scratch.question.name_hash;
    let ttl = ttl.max(settings.min_ttl_secs).min(settings.max_ttl_secs);
    scratch.expires_ns = now_ns + u64::from(ttl) * 1_000_000_000;
    scratch.private = scratch.rules;
    scratch.private.intersect(&settings.private_answers);
    (scratch.index, scratch.written, scratch.special, scratch.full) = (0, 0, 0, 0);
    learned::keep_name(name, scratch.name.key());
    for _ in 0..MAX_FOUND {
        if write_next(scratch, settings) == ENDED {
            break;
        }
    }
    count_several(Learning::Address, scratch.written);
    count_several(Learning::SpecialAddress, scratch.special);
    number(if scratch.full == 1 {
        Learning::MapFull
    } else if scratch.written != 0 {
        Learning::Learned
    } else {
        Learning::NoAddress
    })
}

/// Writes the next address; [`ENDED`] behind the last. A function of its own as [`walk_on`] is.
#[inline(never)]
fn write_next(scratch: &mut Scratch, settings: &Settings) -> u32 {
    let index = scratch.index;
    if index >= scratch.walk.found() {
        return ENDED;
    }
    scratch.index += 1;
    let Some(zero) = Zero::find() else { return ENDED };
    locate(scratch, zero, index);
    write_one(scratch, zero, settings);
    0
}

/// Reads the address number `index` and what it may do.
#[inline(always)]
fn locate(scratch: &mut Scratch, zero: &Zero, index: u32) {
    let (at, is_v6) = scratch.found.get(zero, index);
    // Forgotten, or the compiler makes branches of what is computed from it.
    let is_v6 = zero.forget(is_v6);
    let word = |number: u32| scratch.message.word(zero, at + number * 4);
    let address = Address::found([word(0), word(1), word(2), word(3)], is_v6);
    scratch.key = AddressKey { namespace: scratch.arrival.namespace, address };
    scratch.kind = learned::kind(&scratch.key.address, is_v6);
}

/// Writes the address for those rules that may learn it.
#[inline(always)]
fn write_one(scratch: &mut Scratch, zero: &Zero, settings: &Settings) {
    let is_ordinary = zero.forget(u32::from(scratch.kind == 0));
    let is_liftable = zero.forget(u32::from(scratch.kind == kind::LIFTABLE));
    scratch.accept(is_ordinary, is_liftable);
    if scratch.accepted.is_empty() {
        scratch.special += 1;
        return;
    }
    let change = learned::Change {
        key: &scratch.key,
        add: &scratch.accepted,
        expires_ns: scratch.expires_ns,
        name: scratch.question.name_hash,
        remove: &scratch.no_rules,
        now_ns: scratch.arrival.now_ns,
        grace_ns: settings.grace_ns,
        nothing: zero.get(),
    };
    match learned::change(&change) {
        Ok(()) => scratch.written += 1,
        Err(()) => scratch.full = 1,
    }
}

const fn number(learning: Learning) -> u32 {
    learning.number() as u32
}

/// The outcome with this number; steps return numbers of outcomes only.
#[inline(always)]
fn learning_of(number: u32) -> Learning {
    Learning::from_number(number as u8).unwrap_or(Learning::Malformed)
}

/// The message of a TCP segment: where it begins and how long it is.
#[inline(always)]
fn message_of_segment(
    ctx: &SkBuffContext,
    stream: &mut Stream,
    packet: &Packet,
) -> Option<(u32, u32)> {
    let header = packet.transport as usize;
    let sequence = u32::from_be(ctx.load::<u32>(header + 4).ok()?);
    let [words, flags] = ctx.load::<[u8; 2]>(header + 12).ok()?;
    if flags & SYN_ACK == SYN_ACK {
        stream.accepted(sequence);
        return None;
    }
    let payload = packet.transport + (u32::from(words >> 4) << 2);
    let bytes = packet.length.checked_sub(payload)?;
    let length = if bytes < 2 {
        0
    } else {
        u32::from(u16::from_be_bytes(ctx.load::<[u8; 2]>(payload as usize).ok()?))
    };
    if !is_in_force(measure::STREAM) {
        return (bytes == length + 2).then_some((payload + 2, length));
    }
    match stream.arrived(sequence, bytes, length) {
        Segment::Nothing => None,
        Segment::Whole => Some((payload + 2, length)),
        Segment::First => {
            hand_over_all(stream);
            Some((payload + 2, length))
        }
        Segment::Broken => {
            hand_over_all(stream);
            count(Learning::Segmented);
            None
        }
    }
}

/// Hands over every question of a connection that is not known to be answered.
#[inline(always)]
fn hand_over_all(stream: &mut Stream) {
    for index in 0..MAX_QUESTIONS {
        let question = &mut stream.questions[index];
        if question.bytes != 0 {
            hand_over(core::ptr::from_ref(question).cast());
            question.bytes = 0;
        }
    }
}
