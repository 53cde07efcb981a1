//! What is wrong, or doubtful, in a policy file, and where.

use std::fmt;

/// Longest line that is shown whole, in characters.
const MAX_LINE: usize = 160;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The policy is not valid.
    Error,
    /// The policy is valid and probably not what was meant.
    Warning,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the policy is refused for it.
    pub severity: Severity,
    /// Line in the policy file, from 1.
    pub line: u32,
    /// Column in the policy file, from 1, in characters.
    pub column: u32,
    /// The offending text as the file has it; empty where something is missing.
    pub text: String,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What would be right; empty where the message says it already.
    pub help: String,
}

impl Diagnostic {
    /// The finding as a compiler shows it: the message, `path:line:column`, the line of `source`
    /// with the text underlined, and the help. Ends without a line break.
    pub fn render(&self, path: &str, source: &str) -> String {
        let line = source.lines().nth(self.line.saturating_sub(1) as usize).unwrap_or_default();
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        let before = self.column.saturating_sub(1) as usize;
        let (line, before) = clipped(line, before);
        // A tab stays a tab, so that the mark stands where the terminal puts the text.
        let indent: String =
            line.chars().take(before).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let room = line.chars().count().saturating_sub(before).max(1);
        let mark = "^".repeat(self.text.chars().count().clamp(1, room));
        let help = match self.help.as_str() {
            "" => String::new(),
            help => format!("\n{gutter} = help: {help}"),
        };
        format!(
            "{}: {}\n{gutter}--> {path}:{}:{}\n{gutter} |\n{number} | {line}\n{gutter} | {indent}{mark}{help}",
            self.severity, self.message, self.line, self.column,
        )
    }
}

/// The part of a long line around a place in it, and the place in that part: a rule with a
/// thousand names on one line is not worth a page for each of them.
fn clipped(line: &str, before: usize) -> (String, usize) {
    let length = line.chars().count();
    if length <= MAX_LINE {
        return (line.to_owned(), before);
    }
    let start = before.saturating_sub(MAX_LINE / 3);
    let lead = if start > 0 { "..." } else { "" };
    let tail = if start + MAX_LINE < length { "..." } else { "" };
    let part: String = line.chars().skip(start).take(MAX_LINE).collect();
    (format!("{lead}{part}{tail}"), before - start + lead.len())
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Diagnostic, Severity};

    #[test]
    fn shows_of_a_long_line_only_what_is_around_the_fault() {
        let source = format!("{}WRONG{}", "a".repeat(5_000), "b".repeat(5_000));
        let found = Diagnostic {
            severity: Severity::Error,
            line: 1,
            column: 5_001,
            text: "WRONG".to_owned(),
            message: "no".to_owned(),
            help: String::new(),
        };

        let rendered = found.render("p", &source);

        assert!(rendered.len() < 600, "{rendered}");
        let lines: Vec<_> = rendered.lines().collect();
        let place = lines[3].find("WRONG").unwrap();
        assert_eq!(lines[4].find("^^^^^"), Some(place), "{rendered}");
    }
}
