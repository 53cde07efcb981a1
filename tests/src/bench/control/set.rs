//! A large set of destinations, as a policy and as `nft` takes it.

use std::{
    fmt::{self, Write as _},
    net::Ipv4Addr,
};

use serde::Serialize;

/// Odd, so that it is a permutation of the numbers of 24 bits (Knuth's multiplicative hash).
const SCATTER: u32 = 0x9e_37_79_b1;
const LOW_24: u32 = 0x00ff_ffff;
/// Where the addresses are: one network of 24 bits.
const ADDRESSES: u32 = 20 << 24;
/// Where the prefixes begin: each has 256 addresses to itself, and `nft` wants them apart.
const PREFIXES: u32 = 16 << 24;

/// What a set is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Single addresses, in no order.
    Addresses,
    /// Prefixes of 24 to 31 bits, in order.
    Prefixes,
}

/// What is another than at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// The port of a small rule beside the set.
    Port,
    /// The same, and one entry is replaced.
    Entry,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Set {
    pub(super) kind: Kind,
    pub(super) entries: u32,
}

impl Set {
    /// A rule with the set, and a small one behind it.
    pub(super) fn policy(self, change: Change) -> String {
        let port = if change == Change::None { 443 } else { 8443 };
        let mut text = String::from(
            "apiVersion: enforcer.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {name: bench}\nspec:\n  \
             virtualRanges: []\n  dns: {resolvers: [203.0.113.53]}\n  rules:\n    - name: list\n      \
             ports: [any]\n      to:\n",
        );
        let replaced = (change == Change::Entry).then_some(self.entries.div_ceil(2));
        self.each(&mut text, replaced, "        - cidr: ", "\n");
        write_to(
            &mut text,
            format_args!(
                "    - name: other\n      ports: [tcp/{port}]\n      to:\n        - cidr: 192.0.2.1\n"
            ),
        );
        text
    }

    /// As `nft -f` reads it.
    pub(super) fn nft(self) -> String {
        let flags = if self.kind == Kind::Prefixes { "flags interval;" } else { "" };
        let mut text = format!(
            "table inet bench {{\n  set allowed {{\n    type ipv4_addr; {flags}\n    elements = {{ "
        );
        // A comma may close the list.
        self.each(&mut text, None, "", ",");
        text.push_str(
            "}\n  }\n  chain output {\n    type filter hook output priority 0; policy drop;\n    \
             ip daddr @allowed accept\n  }\n}\n",
        );
        text
    }

    fn each(self, text: &mut String, replaced: Option<u32>, before: &str, behind: &str) {
        for number in 1..=self.entries {
            // Of those behind the last.
            let number = if replaced == Some(number) { self.entries + 1 } else { number };
            match self.kind {
                Kind::Addresses => {
                    let low = number.wrapping_mul(SCATTER) & LOW_24;
                    let address = Ipv4Addr::from_bits(ADDRESSES | low);
                    write_to(text, format_args!("{before}{address}{behind}"));
                }
                Kind::Prefixes => {
                    let address = Ipv4Addr::from_bits(PREFIXES + number * 256);
                    let bits = 24 + number % 8;
                    write_to(text, format_args!("{before}{address}/{bits}{behind}"));
                }
            }
        }
    }
}

/// A text that is in memory takes whatever is written to it.
fn write_to(text: &mut String, what: fmt::Arguments<'_>) {
    let _: fmt::Result = text.write_fmt(what);
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Addresses => "addresses",
            Self::Prefixes => "prefixes of 24 to 31 bits",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_change_replaces_one_entry_and_no_entry_is_there_twice() {
        for kind in [Kind::Addresses, Kind::Prefixes] {
            let set = Set { kind, entries: 10_000 };
            let of = |change| {
                let text = set.policy(change);
                text.lines()
                    .filter(|line| line.contains("- cidr"))
                    .map(str::to_owned)
                    .collect::<BTreeSet<_>>()
            };
            let (before, after) = (of(Change::None), of(Change::Entry));

            assert_eq!((before.len(), after.len()), (10_001, 10_001));
            assert_eq!(before.difference(&after).count(), 1);
            assert_eq!(of(Change::Port), before);
        }
    }
}
