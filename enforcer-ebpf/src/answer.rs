//! The answer to a question that was asked: matched, walked, its addresses written.
//!
//! The message is in the scratch memory, where each step finds it and leaves what it has found.

use enforcer_common::{
    address::Address,
    dns::{
        Learning, MAX_FOUND, answer,
        name::write_key,
        pending::{Circumstance, Match, PendingTable},
        question::{self, Question},
        walk::{ENDED, MAX_ROUNDS, Walked},
    },
    learned::{AddressKey, written},
    settings::{Settings, flag},
    special::kind,
};

use crate::{
    asked,
    handover::{count_several, hand_over},
    learned, names,
    scratch::{Keeper, Loaded, NameWriter, Scratch},
    zero::Zero,
};

/// Results of a walk that are no number of addresses.
const MALFORMED: u64 = u32::MAX as u64;
const OVER_BOUND: u64 = MALFORMED - 1;
const OUT_OF_ORDER: u64 = MALFORMED - 2;

/// The result of matching a question that is no number of an outcome.
const FINE: u32 = 256;

/// What becomes of a message that has come to the socket that may have asked.
#[inline(always)]
pub(crate) fn judge(
    scratch: &mut Scratch,
    pending: &mut PendingTable,
    settings: &Settings,
) -> Learning {
    // Each step is a function that keeps what it finds in the scratch memory: the verifier then
    // has one state behind it, whatever the paths through it.
    match match_question(scratch, pending) {
        FINE => learn(scratch, settings),
        refused => learning_of(refused),
    }
}

/// What becomes of a message that has come by an uplink, for somebody else.
#[inline(always)]
pub(crate) fn judge_forwarded(scratch: &mut Scratch, settings: &Settings) -> Learning {
    match match_forwarded(scratch) {
        FINE => learn(scratch, settings),
        refused => learning_of(refused),
    }
}

/// Learns from an answer to what was asked.
#[inline(always)]
fn learn(scratch: &mut Scratch, settings: &Settings) -> Learning {
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
    // What one namespace has learned an uplink does not know; the agent learns it for all.
    if scratch.is_news == 1 {
        return tell(scratch, learning);
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
    match_with(scratch, |message, question, answered| pending.take(message, question, answered))
}

/// As [`match_question`].
#[inline(never)]
fn match_forwarded(scratch: &mut Scratch) -> u32 {
    let key = scratch.asked;
    match_with(scratch, |_, question, answered| asked::take(&key, question, answered))
}

#[inline(always)]
fn match_with(
    scratch: &mut Scratch,
    take: impl FnOnce(&Loaded<'_>, &Question, &Circumstance) -> Match,
) -> u32 {
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
    let matched = take(&message, &question, &answered);
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

/// Finds out how many addresses may be made, and for whom.
#[inline(never)]
fn begin(scratch: &mut Scratch) -> u32 {
    scratch.charged = learned::charged(&scratch.rules);
    let allowed = learned::allowance(scratch.charged);
    // Private ones are for others, perhaps; they are charged alike until the agent counts.
    let private = learned::allowance(learned::charged(&scratch.private));
    scratch.allowed = [allowed, allowed.min(private)];
    (scratch.index, scratch.special) = (0, 0);
    (scratch.made, scratch.refused, scratch.written, scratch.full) = (0, 0, 0, 0);
    0
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
    begin(scratch);
    scratch.is_news = 0;
    learned::keep_name(name, scratch.name.key());
    for _ in 0..MAX_FOUND {
        if write_next(scratch, settings) == ENDED {
            break;
        }
    }
    conclude(scratch)
}

/// Counts what became of the addresses of an answer; the number of what becomes of it.
#[inline(never)]
fn conclude(scratch: &mut Scratch) -> u32 {
    let is_full = learned::settle(scratch.charged, scratch.made, scratch.refused);
    count_several(Learning::Address, scratch.written);
    count_several(Learning::SpecialAddress, scratch.special);
    number(if scratch.full == 1 || scratch.refused != 0 && is_full == 1 {
        Learning::MapFull
    } else if scratch.refused != 0 {
        Learning::Quota
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
        charged: scratch.charged,
        allowed: scratch.allowed[zero.index(is_liftable, 1)],
        made: scratch.made,
        remove: &scratch.no_rules,
        now_ns: scratch.arrival.now_ns,
        grace_ns: settings.grace_ns,
        nothing: zero.get(),
    };
    match learned::change(&change) {
        written::DONE => scratch.written += 1,
        written::MADE => (scratch.written, scratch.made) = (scratch.written + 1, scratch.made + 1),
        written::OVER_QUOTA => scratch.refused += 1,
        _ => scratch.full = 1,
    }
    if scratch.key.namespace != 0 && settings.has(flag::UPLINKS) {
        let everywhere = learned::entry(&AddressKey::everywhere(scratch.key.address));
        let is_known = everywhere
            .is_some_and(|entry| entry.is_live(scratch.arrival.now_ns, settings.grace_ns));
        scratch.is_news |= u32::from(!is_known);
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
