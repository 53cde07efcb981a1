//! Names and wildcards that mean more, or less, than they seem to.

use super::{
    Doubt, Kind,
    shared_suffix::{Breadth, breadth, publishes_for_strangers},
};
use crate::{
    fqdn::{Label, Pattern},
    policy::{Action, Endpoint, Rule},
};

/// Top-level names that no server at large answers for (RFC 6761, 6762, 7686, 9476).
const UNRESOLVED: &[&str] = &["local", "onion", "invalid", "test", "example", "localhost", "alt"];
/// Domains for use inside a network, whose names have private addresses (RFC 8375; reserved by
/// ICANN in 2024).
const INSIDE: &[&str] = &["internal", "home.arpa"];

/// Adds the doubts about each name of a rule.
pub(super) fn doubts<'p>(rule: &'p Rule, doubts: &mut Vec<Doubt<'p>>) {
    let mut is_told = false;
    for endpoint in &rule.to {
        let Endpoint::Fqdn { pattern, .. } = endpoint else { continue };
        if rule.action == Action::Deny {
            if !is_told {
                is_told = true;
                doubts.push(deny_by_name(rule, endpoint, pattern));
            }
            continue;
        }
        let found = too_wide(pattern).or_else(|| unusual(pattern, rule.allow_private_answers));
        if let Some((kind, message, help)) = found {
            doubts.push(Doubt::of_endpoint(kind, rule, endpoint, message, help));
        }
    }
}

fn deny_by_name<'p>(rule: &'p Rule, endpoint: &Endpoint, pattern: &Pattern) -> Doubt<'p> {
    let message =
        format!("denying `{pattern}` also hits every name that shares an address with it");
    let help = "an address can serve many names, and what no rule allows is denied without a rule";
    Doubt::of_endpoint(Kind::DenyByName, rule, endpoint, message, help)
}

type Found = (Kind, String, String);

fn too_wide(pattern: &Pattern) -> Option<Found> {
    if let Some(name) = pattern.exact() {
        return publishes_for_strangers(name.as_str()).then(|| {
            (
                Kind::Published,
                format!("`{name}` serves what anybody publishes, told apart by the path alone"),
                "a packet shows no path: allow it only where all of it may be reached".to_owned(),
            )
        });
    }
    let found = match breadth(pattern)? {
        Breadth::Everything => (
            "`*` matches every name there is".to_owned(),
            "write the domains that are meant, such as `\"*.example.com\"`".to_owned(),
        ),
        Breadth::Public(suffix) => (
            format!("`{pattern}` matches every name under the public suffix `{suffix}`"),
            format!("write the domain that is meant, such as `\"*.example.{suffix}\"`"),
        ),
        Breadth::Shared(suffix) => (
            format!("`{pattern}` matches names that strangers can register under `{suffix}`"),
            format!("write the names that are yours, such as `my-name.{suffix}`"),
        ),
        Breadth::Above(suffix) => (
            format!("`{pattern}` also matches names that strangers can register under `{suffix}`"),
            "write the names that are meant, or a wildcard further to the left".to_owned(),
        ),
    };
    Some((Kind::Strangers, found.0, found.1))
}

fn unusual(pattern: &Pattern, learns_private: bool) -> Option<Found> {
    let suffix = pattern.suffix();
    let is_under = |domain: &&&str| {
        suffix.strip_suffix(**domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    if let Some(domain) = UNRESOLVED.iter().find(is_under) {
        return Some((
            Kind::Unusual,
            format!("`{pattern}` is under `{domain}`, for which DNS has no names at large"),
            "write a name that the trusted resolvers answer for".to_owned(),
        ));
    }
    if let Some(domain) = INSIDE.iter().find(is_under).filter(|_| !learns_private) {
        return Some((
            Kind::Unusual,
            format!("`{pattern}` is under `{domain}`, and private addresses are not learned"),
            "add `allowPrivateAnswers: true` to the rule if your resolver has the name".to_owned(),
        ));
    }
    let is_single = pattern.leading() == crate::fqdn::Leading::Nothing
        && matches!(pattern.labels().as_slice(), [Label::Text(_) | Label::Wild { .. }]);
    is_single.then(|| {
        (
            Kind::Unusual,
            format!("`{pattern}` is a single label, and search domains are not added to it"),
            format!("write the complete name, such as `{pattern}.example.com`"),
        )
    })
}
