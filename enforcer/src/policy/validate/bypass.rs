//! What may send past every hook.

use super::{fields::Fields, report::Report};
use crate::policy::{Bypass, document::Node};

/// Keys of `bypass`.
pub(in crate::policy) const KEYS: [&str; 2] = ["afXdp", "qdiscBypass"];
const WORDS: [(&str, bool); 2] = [("allow", true), ("deny", false)];

/// Reads `bypass`.
pub(super) fn bypass(node: &Node, report: &mut Report) -> Option<Bypass> {
    let fields = Fields::of(node, "`bypass`", &KEYS, report)?;
    let af_xdp = allowed(&fields, "afXdp", "what sockets of AF_XDP send", report);
    let qdisc_bypass = allowed(&fields, "qdiscBypass", "what such a packet socket sends", report);
    Some(Bypass { af_xdp: af_xdp?, qdisc_bypass: qdisc_bypass? })
}

fn allowed(fields: &Fields<'_>, key: &str, what: &str, report: &mut Report) -> Option<bool> {
    let Some(node) = fields.get(key) else { return Some(false) };
    let is_allowed = report.one_of(node, "word here", &WORDS)?;
    if is_allowed {
        let message = format!("no hook sees {what}: it leaves unjudged and uncounted");
        let help = format!("leave `{key}` out, unless a program on this node cannot do without");
        report.warning(node, message, help);
    }
    Some(is_allowed)
}
