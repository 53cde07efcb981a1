//! A [`Status`] laid out for people.

use jiff::{SignedDuration, Timestamp};

use super::{Rule, State, Status};
use crate::cli::output::columns;

/// How many drop reasons and unresolved names are shown.
const TOP: usize = 10;

/// What of it is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Layout {
    /// More columns.
    pub is_wide: bool,
    /// Leave the headings out.
    pub has_no_headers: bool,
    /// Only rules that nothing has matched.
    pub only_unused: bool,
}

/// The status as text; `now` tells how long ago things were.
pub fn render(status: &Status, layout: Layout, now: Timestamp) -> String {
    let mut text = head(status, now);
    let is_audit = status.mode == "audit";
    if !status.rules.is_empty() {
        text.push('\n');
        text.push_str(&rules(&status.rules, layout, now));
    }
    if layout.only_unused || status.state == State::Off {
        return text;
    }
    let header = |names: &'static [&'static str]| (!layout.has_no_headers).then_some(names);
    let implicit = status.implicit.iter().filter(|rule| rule.packets > 0 || layout.is_wide);
    text.push('\n');
    text.push_str(&columns(
        header(&["IMPLICIT", "PACKETS", "BYTES"]),
        implicit.map(|rule| vec![rule.name.into(), rule.packets.to_string(), bytes(rule.bytes)]),
    ));
    text.push('\n');
    if status.drops.is_empty() {
        text.push_str(if is_audit { "nothing would be dropped\n" } else { "nothing dropped\n" });
    } else {
        let title: &'static [&'static str] = if is_audit {
            &["WOULD DROP", "PACKETS", "BYTES"]
        } else {
            &["DROPPED", "PACKETS", "BYTES"]
        };
        let drops = status.drops.iter().take(TOP);
        text.push_str(&columns(
            header(title),
            drops.map(|drop| vec![drop.reason.into(), drop.packets.to_string(), bytes(drop.bytes)]),
        ));
    }
    text.push('\n');
    text.push_str(&dns(status));
    text
}

fn head(status: &Status, now: Timestamp) -> String {
    let state = match status.state {
        State::Enforcing => "enforcing",
        State::Auditing => "auditing: nothing is dropped, what would be is counted",
        State::Degraded => "degraded",
        State::Off => "off",
    };
    let mut lines = vec![format!("state     {state}")];
    lines.extend(status.problems.iter().map(|problem| format!("problem   {problem}")));
    if status.state == State::Degraded {
        lines.push(format!("mode      {}", status.mode));
    }
    if let Some(pid) = status.agent.pid {
        let version = status.agent.version.as_deref().unwrap_or("unknown");
        let since = status.agent.started_at.map_or_else(String::new, |at| ago(at, now));
        lines.push(if status.agent.running {
            format!("agent     running, pid {pid}, version {version}, started {since}")
        } else {
            format!("agent     down; it was pid {pid}, version {version}, started {since}")
        });
    }
    if let Some(policy) = &status.policy {
        let digest = policy.sha256.get(..12).unwrap_or(&policy.sha256);
        // What holds in the place of a file that cannot be used has none.
        let digest = if digest.is_empty() { String::new() } else { format!(" (sha256 {digest})") };
        lines.push(format!(
            "policy    {}, generation {}, loaded {}, {}{digest}",
            policy.name,
            policy.generation,
            ago(policy.loaded_at, now),
            policy.path,
        ));
        lines.push(format!("resolvers {}", policy.resolvers.join(", ")));
    }
    if !status.hooks.is_empty() {
        let attached = status.hooks.iter().filter(|hook| hook.attached).count();
        let mut targets: Vec<_> = status.hooks.iter().map(|hook| hook.target.as_str()).collect();
        targets.dedup();
        let mut line =
            format!("hooks     {attached} of {} at {}", status.hooks.len(), targets.join(", "));
        let missing = status.hooks.iter().filter(|hook| !hook.attached);
        let missing: Vec<_> = missing.map(|hook| hook.hook.as_str()).collect();
        if !missing.is_empty() {
            line = format!("{line}, missing: {}", missing.join(", "));
        }
        lines.push(line);
        let totals = &status.totals;
        let denied = if status.mode == "audit" { "would be dropped" } else { "dropped" };
        lines.push(format!(
            "packets   {} allowed ({}), {} {denied} ({})",
            totals.allowed_packets,
            bytes(totals.allowed_bytes),
            totals.denied_packets,
            bytes(totals.denied_bytes),
        ));
    }
    lines.join("\n") + "\n"
}

fn rules(rules: &[Rule], layout: Layout, now: Timestamp) -> String {
    const NARROW: &[&str] =
        &["RULE", "ACTION", "DESTINATION", "PORTS", "ADDRS", "HITS", "BYTES", "LAST-HIT"];
    const WIDE: &[&str] = &[
        "RULE",
        "ACTION",
        "DESTINATION",
        "PORTS",
        "ADDRS",
        "HITS",
        "BYTES",
        "LAST-HIT",
        "FROM",
        "LINE",
        "PRESET",
    ];
    let wanted = rules.iter().filter(|rule| !layout.only_unused || rule.packets == 0);
    let rows = wanted.map(|rule| {
        let mut row = vec![
            rule.name.clone(),
            rule.action.clone(),
            some_of(&rule.to, rule.to_count, if layout.is_wide { 4 } else { 1 }),
            some_of(&rule.ports, rule.ports.len(), if layout.is_wide { 4 } else { 2 }),
            rule.addresses.to_string(),
            rule.packets.to_string(),
            bytes(rule.bytes),
            rule.last_hit.map_or_else(|| "never".to_owned(), |at| ago(at, now)),
        ];
        if layout.is_wide {
            row.push(if rule.from.is_empty() { "any".into() } else { rule.from.join(",") });
            row.push(rule.line.to_string());
            row.push(rule.preset.clone().unwrap_or_else(|| "-".to_owned()));
        }
        row
    });
    let header = if layout.is_wide { WIDE } else { NARROW };
    columns((!layout.has_no_headers).then_some(header), rows)
}

fn dns(status: &Status) -> String {
    let dns = &status.dns;
    let mut lines = vec![format!(
        "names     {} of {} resolved, {} stale; {} addresses live; {} answers, {} learned",
        dns.resolved, dns.names, dns.stale, dns.addresses, dns.answers, dns.learned
    )];
    for (reason, count) in &dns.ignored {
        lines.push(format!("ignored   {count} {reason}"));
    }
    for unresolved in dns.unresolved.iter().take(TOP) {
        lines.push(format!("no answer {}: {}", unresolved.name, unresolved.reason));
    }
    let shown = dns.unresolved.len().min(TOP);
    if dns.unresolved_count > shown {
        lines.push(format!("no answer and {} more names", dns.unresolved_count - shown));
    }
    if dns.handed_over > 0 {
        lines.push(format!("agent     {} questions handed over by the kernel", dns.handed_over));
    }
    lines.join(
        "
",
    ) + "
"
}

/// The first of a list, and how many there are beside.
fn some_of(items: &[String], count: usize, shown: usize) -> String {
    let text = items.iter().take(shown).map(String::as_str).collect::<Vec<_>>().join(",");
    if count > shown { format!("{text},+{}", count - shown) } else { text }
}

/// Bytes with three digits of meaning: `980B`, `12.3kB`, `4.56MB`.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if count < 1_000 {
        return format!("{count}B");
    }
    let mut value = count as f64 / 1_000.0;
    let mut units = UNITS.iter();
    let mut unit = units.next().unwrap_or(&"kB");
    while value >= 999.5
        && let Some(next) = units.next()
    {
        (value, unit) = (value / 1_000.0, next);
    }
    let digits = if value >= 99.95 { 0 } else { usize::from(value < 9.995) + 1 };
    format!("{value:.digits$}{unit}")
}

/// How long ago: `3s ago`, `2m ago`, `5h ago`, `4d ago`.
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(at).max(SignedDuration::ZERO).as_secs();
    match seconds {
        0..60 => format!("{seconds}s ago"),
        60..3_600 => format!("{}m ago", seconds / 60),
        3_600..86_400 => format!("{}h ago", seconds / 3_600),
        _ => format!("{}d ago", seconds / 86_400),
    }
}
