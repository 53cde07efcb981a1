//! What becomes of denied packets that nobody here has sent.

use super::{fields::Fields, report::Report};
use crate::policy::document::Node;

/// Keys of `forwarded`.
pub(in crate::policy) const KEYS: [&str; 1] = ["denied"];
const WORDS: [(&str, bool); 2] = [("drop", false), ("reject", true)];

/// Reads `forwarded`: whether whoever sent them is told.
pub(super) fn rejects(node: &Node, report: &mut Report) -> Option<bool> {
    let fields = Fields::of(node, "`forwarded`", &KEYS, report)?;
    fields.get("denied").map_or(Some(false), |node| report.one_of(node, "word here", &WORDS))
}
