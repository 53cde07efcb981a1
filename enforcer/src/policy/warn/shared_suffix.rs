//! Suffixes under which anybody can have a name.
//!
//! The Public Suffix List knows most: its ICANN part has registries, its private part has services
//! that hand out names. What it lacks is listed here, together with the best known of what it has,
//! so that a wildcard further up can say what it opens.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use psl::{List, Psl as _, Type};

use crate::fqdn::{Leading, Pattern};

/// Services that hand out names below these.
const SHARED: &[&str] = &[
    "blob.core.windows.net",
    "file.core.windows.net",
    "queue.core.windows.net",
    "table.core.windows.net",
    "dfs.core.windows.net",
    "web.core.windows.net",
    "database.windows.net",
    "servicebus.windows.net",
    "redis.cache.windows.net",
    "azurewebsites.net",
    "azureedge.net",
    "azurefd.net",
    "trafficmanager.net",
    "cloudapp.net",
    "cloudapp.azure.com",
    "azure-api.net",
    "azurecr.io",
    "azurecontainerapps.io",
    "vault.azure.net",
    "documents.azure.com",
    "sharepoint.com",
    "s3.amazonaws.com",
    "elb.amazonaws.com",
    "compute.amazonaws.com",
    "rds.amazonaws.com",
    "cloudfront.net",
    "awsglobalaccelerator.com",
    "amplifyapp.com",
    "storage.googleapis.com",
    "appspot.com",
    "run.app",
    "cloudfunctions.net",
    "web.app",
    "firebaseapp.com",
    "firebaseio.com",
    "googleusercontent.com",
    "gcr.io",
    "pkg.dev",
    "github.io",
    "githubusercontent.com",
    "gitlab.io",
    "docker.io",
    "quay.io",
    "pages.dev",
    "workers.dev",
    "r2.dev",
    "r2.cloudflarestorage.com",
    "herokuapp.com",
    "netlify.app",
    "vercel.app",
    "fastly.net",
    "edgekey.net",
    "akamaized.net",
    "b-cdn.net",
    "ngrok.io",
    "ngrok-free.app",
    "trycloudflare.com",
    "myshopify.com",
    "fly.dev",
    "onrender.com",
    "digitaloceanspaces.com",
    "backblazeb2.com",
    "wasabisys.com",
    "aliyuncs.com",
    "nip.io",
    "sslip.io",
];

/// The same with a region in the middle: what stands in front of it and behind.
const REGIONAL: &[(&str, &str)] = &[
    ("s3.", ".amazonaws.com"),
    ("s3-website.", ".amazonaws.com"),
    ("dkr.ecr.", ".amazonaws.com"),
    ("execute-api.", ".amazonaws.com"),
    ("elb.", ".amazonaws.com"),
    ("compute.", ".amazonaws.com"),
    ("rds.", ".amazonaws.com"),
    ("lambda-url.", ".on.aws"),
];

/// Names whose paths belong to anybody.
const PUBLISHING: &[&str] = &[
    "s3.amazonaws.com",
    "storage.googleapis.com",
    "storage.cloud.google.com",
    "raw.githubusercontent.com",
    "gist.githubusercontent.com",
];

static KNOWN: LazyLock<HashSet<&'static str>> = LazyLock::new(|| SHARED.iter().copied().collect());

/// Domains above a shared suffix, and the first shared suffix below each.
static ABOVE: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    let mut above = HashMap::new();
    for suffix in SHARED {
        let mut rest = *suffix;
        while let Some((_, parent)) = rest.split_once('.') {
            above.entry(parent).or_insert(*suffix);
            rest = parent;
        }
    }
    above
});

/// How much a wildcard takes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Breadth {
    /// Every name.
    Everything,
    /// All that a registry has.
    Public(String),
    /// All that a service hands out.
    Shared(String),
    /// A suffix further down of which the same is true.
    Above(String),
}

/// Whose names a wildcard takes in, if others can have some; `None` for an exact name.
pub(super) fn breadth(pattern: &Pattern) -> Option<Breadth> {
    if pattern.exact().is_some() {
        return None;
    }
    let fixed = pattern.suffix();
    if fixed.is_empty() {
        return pattern.labels().is_empty().then_some(Breadth::Everything);
    }
    if KNOWN.contains(fixed.as_str()) || is_regional(&fixed) {
        return Some(Breadth::Shared(fixed));
    }
    match suffix_kind(&fixed) {
        Some(Type::Icann) => return Some(Breadth::Public(fixed)),
        Some(Type::Private) => return Some(Breadth::Shared(fixed)),
        None => {}
    }
    let is_deep = match pattern.leading() {
        Leading::OneOrMore => true,
        Leading::Exactly(count) => count > 1,
        Leading::Nothing => false,
    };
    if !is_deep {
        return None;
    }
    if let Some(suffix) = ABOVE.get(fixed.as_str()) {
        return Some(Breadth::Above((*suffix).to_owned()));
    }
    // Rules such as `*.compute.amazonaws.com` show only with labels in front.
    let deeper = [format!("x.{fixed}"), format!("x.y.{fixed}")];
    let is_shared = deeper.iter().any(|name| suffix_kind(name) == Some(Type::Private));
    is_shared.then_some(Breadth::Above(fixed))
}

/// Whether a name serves what anybody puts there.
pub(super) fn publishes_for_strangers(name: &str) -> bool {
    let region = name.strip_prefix("s3.").and_then(|rest| rest.strip_suffix(".amazonaws.com"));
    PUBLISHING.contains(&name) || region.is_some_and(|region| !region.contains('.'))
}

fn is_regional(suffix: &str) -> bool {
    REGIONAL.iter().any(|(before, after)| {
        let region = suffix.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        region.is_some_and(|region| !region.is_empty() && !region.contains('.'))
    })
}

/// What the list says of a domain that is a suffix as a whole.
fn suffix_kind(domain: &str) -> Option<Type> {
    let info = List.find(domain.rsplit('.').map(str::as_bytes));
    info.typ.filter(|_| info.len == domain.len())
}

#[cfg(test)]
mod tests {
    use super::{Breadth, Pattern, breadth, publishes_for_strangers};

    #[test]
    fn tells_whose_names_a_wildcard_takes_in() {
        let public = |suffix: &str| Some(Breadth::Public(suffix.to_owned()));
        let shared = |suffix: &str| Some(Breadth::Shared(suffix.to_owned()));
        let above = |suffix: &str| Some(Breadth::Above(suffix.to_owned()));
        for (text, labels, expected) in [
            ("*", None, Some(Breadth::Everything)),
            ("*.com", None, public("com")),
            ("*.co.uk", None, public("co.uk")),
            ("a*.com", None, public("com")),
            ("*.example.com", None, None),
            ("com", None, None),
            ("*.blob.core.windows.net", None, shared("blob.core.windows.net")),
            ("md-*.blob.core.windows.net", None, shared("blob.core.windows.net")),
            ("*.mine.blob.core.windows.net", None, None),
            ("mine.blob.core.windows.net", None, None),
            ("*.core.windows.net", None, above("blob.core.windows.net")),
            ("*.core.windows.net", Some(1), None),
            ("*.azurecr.io", None, shared("azurecr.io")),
            ("*.amazonaws.com", None, above("s3.amazonaws.com")),
            ("*.s3.eu-central-1.amazonaws.com", None, shared("s3.eu-central-1.amazonaws.com")),
            ("*.dkr.ecr.us-east-1.amazonaws.com", None, shared("dkr.ecr.us-east-1.amazonaws.com")),
            ("*.lambda-url.us-east-1.on.aws", None, shared("lambda-url.us-east-1.on.aws")),
            ("*.github.io", None, shared("github.io")),
            ("*.actions.githubusercontent.com", None, None),
            ("*.hcp.japaneast.azmk8s.io", None, None),
        ] {
            let pattern = Pattern::parse(text, labels).unwrap();
            assert_eq!(breadth(&pattern), expected, "{text} {labels:?}");
        }
    }

    #[test]
    fn knows_names_whose_paths_belong_to_anybody() {
        for name in ["raw.githubusercontent.com", "s3.eu-west-1.amazonaws.com"] {
            assert!(publishes_for_strangers(name), "{name}");
        }
        for name in ["github.com", "s3.mine.eu-west-1.amazonaws.com", "mine.s3.amazonaws.com"] {
            assert!(!publishes_for_strangers(name), "{name}");
        }
    }
}
