//! What is wrong, or doubtful, in a policy file, and where.

use std::fmt;

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

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}
