//! A policy file as a tree of located values.
//!
//! Owns the YAML syntax: nothing else imports the YAML crate. It must not know what a policy
//! means. A typed deserialiser stops at the first wrong value; a tree lets [`super::validate`]
//! report them all, each at its own place.
//!
//! The surprising thing: a scalar is the text that the file has, whatever type YAML would give it.
//! `mode: no` is the text `no`, and `ports: [0443]` the text `0443`, so that an error can quote
//! what was written.

mod syntax;

use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Location, Spanned};

use super::diagnostic::Diagnostic;

/// Where something is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Line, from 1.
    pub(super) line: u32,
    /// Column, from 1, in characters.
    pub(super) column: u32,
}

impl From<&Location> for Place {
    fn from(location: &Location) -> Self {
        // Zero is the crate's "unknown".
        let number = |number: u64| u32::try_from(number.max(1)).unwrap_or(u32::MAX);
        Self { line: number(location.line()), column: number(location.column()) }
    }
}

/// A value and where it is.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    /// Nothing behind the key, `~` or `null`.
    Nothing,
    /// A text, without its quotes.
    Scalar(String),
    Sequence(Vec<Node>),
    /// Keys in the order of the file, repeated ones included.
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// The text, for an error to quote; empty for what has no short text.
    pub(super) fn text(&self) -> &str {
        match &self.value {
            Value::Scalar(text) => text,
            Value::Nothing | Value::Sequence(_) | Value::Mapping(_) => "",
        }
    }

    /// What it is, in words.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Nothing => "nothing",
            Value::Scalar(_) => "a text",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}

/// Reads the one document of a file.
///
/// # Errors
///
/// What is wrong with the YAML; there is no telling what stands behind it.
pub(super) fn parse(source: &str) -> Result<Node, Diagnostic> {
    let mut budget = serde_saphyr::budget::Budget::default();
    // A policy may hold 100,000 names and as many prefixes, each a mapping of one entry.
    budget.max_events = 20_000_000;
    budget.max_nodes = 10_000_000;
    budget.max_total_scalar_bytes = 1 << 30;
    budget.max_total_comment_bytes = 1 << 30;
    let mut options = serde_saphyr::Options::default();
    options.budget = Some(budget);
    options.duplicate_keys = serde_saphyr::DuplicateKeyPolicy::PassThrough;
    options.merge_keys = serde_saphyr::MergeKeyPolicy::AsOrdinary;
    options.with_snippet = false;
    options.non_finite_float_policy = serde_saphyr::options::NonFiniteFloatPolicy::AsString;
    serde_saphyr::from_str_with_options::<Located<'_>>(source, options)
        .map(|root| node(root, source))
        .map_err(|error| syntax::explain(&error, source))
}

/// A value, its place, and where the file has its text: a fifth of what [`Spanned`] takes.
struct Located<'a> {
    place: Place,
    /// The bytes of the file that say it; none where they are not known.
    written: Range<u32>,
    /// It stands where it is meant, and not behind an alias.
    is_in_place: bool,
    raw: Raw<'a>,
}

impl<'de> Deserialize<'de> for Located<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Raw<'de>>::deserialize(deserializer)?;
        Ok(Self {
            place: Place::from(&spanned.referenced),
            written: bytes(&spanned.defined).unwrap_or_default(),
            is_in_place: spanned.referenced == spanned.defined,
            raw: spanned.value,
        })
    }
}

/// What YAML makes of a value before its place is known.
enum Raw<'a> {
    Nothing,
    Text(std::borrow::Cow<'a, str>),
    /// A number or a truth value: the file's own text is taken for it.
    Typed,
    Sequence(Vec<Located<'a>>),
    Mapping(Vec<(Located<'a>, Located<'a>)>),
}

fn node(located: Located<'_>, source: &str) -> Node {
    let Range { start, end } = located.written;
    let written = source.get(start as usize..end as usize).unwrap_or_default();
    let mut place = located.place;
    let value = match located.raw {
        Raw::Nothing => Value::Nothing,
        Raw::Typed => Value::Scalar(written.to_owned()),
        Raw::Text(text) => {
            // The text itself begins behind its quote.
            let unquoted = written.strip_prefix(['"', '\'']);
            if located.is_in_place && unquoted.is_some_and(|rest| rest.starts_with(&*text)) {
                place.column += 1;
            }
            Value::Scalar(text.into_owned())
        }
        Raw::Sequence(items) => {
            Value::Sequence(items.into_iter().map(|item| node(item, source)).collect())
        }
        Raw::Mapping(entries) => Value::Mapping(
            entries.into_iter().map(|(k, v)| (node(k, source), node(v, source))).collect(),
        ),
    };
    Node { place, value }
}

/// Which bytes of the file a location is of.
fn bytes(location: &Location) -> Option<Range<u32>> {
    let span = location.span();
    let (start, length) = (span.byte_offset()?, span.byte_len()?);
    let end = u32::try_from(start.checked_add(length)?).ok()?;
    Some(u32::try_from(start).ok()?..end)
}

impl<'de> Deserialize<'de> for Raw<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a list or a mapping")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Raw::Typed)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Raw::Typed)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Self::Value, E> {
        Ok(Raw::Typed)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Raw::Typed)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Self::Value, E> {
        Ok(Raw::Typed)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Raw::Typed)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Raw::Text(text.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Raw::Text(text.to_owned().into()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Raw::Nothing)
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(Raw::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        // Most lists hold one or two, and room for four of this size is a lot.
        let mut items = Vec::with_capacity(1);
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::with_capacity(1);
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Mapping(entries))
    }
}
