//! A set of names: one exactly, or all that wildcards stand for.

use std::fmt;

use super::{DomainName, NameError, name};

/// A valid name pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    shape: Shape,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Shape {
    Exact(DomainName),
    Wild { leading: Leading, labels: Vec<Label> },
}

/// What may stand in front of the labels of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leading {
    /// Nothing.
    Nothing,
    /// One or more labels: a leading `*.`, or `*` alone.
    OneOrMore,
    /// Exactly this many labels, at least one: a leading `*.` with `labels`.
    Exactly(u8),
}

/// One label of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// This label.
    Text(String),
    /// Labels that begin and end so, with one character or more between.
    Wild {
        /// The text in front of the `*`.
        before: String,
        /// The text behind it.
        after: String,
    },
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A fault that a name could have too.
    #[error(transparent)]
    Name(#[from] NameError),
    /// `*.` with nothing behind it.
    #[error("`*.` has no domain behind it")]
    NoDomain,
    /// More than one `*` in a label.
    #[error("the label `{0}` has more than one `*`")]
    TwoWildcards(String),
    /// A `*` in the last of several labels.
    #[error("the last label cannot have a `*`")]
    LastLabel,
    /// `labels` beside a pattern that does not begin with `*.`.
    #[error("`labels` says how many labels a leading `*.` stands for, and this has none")]
    LabelsWithoutWildcard,
    /// `labels: 0`, or more than a name can have.
    #[error("`labels` cannot be {0}")]
    LabelCount(u8),
}

impl PatternError {
    /// What would be right.
    pub fn help(&self) -> String {
        match self {
            Self::Name(error) => error.help(),
            Self::NoDomain => {
                "write `\"*\"` for every name, `\"*.example.com\"` for the names below one"
                    .to_owned()
            }
            Self::TwoWildcards(_) => {
                "write one `*` in a label; a leading `*.` stands for one or more labels already"
                    .to_owned()
            }
            Self::LastLabel => {
                "write the domain out, one entry for each: `example.com`, `example.net`".to_owned()
            }
            Self::LabelsWithoutWildcard => {
                "remove `labels`, or begin the pattern with `*.`".to_owned()
            }
            Self::LabelCount(_) => "write a number from 1 to 126, such as `labels: 1`".to_owned(),
        }
    }
}

/// The most labels in front of another one in a name of 253 bytes.
const MAX_LEADING_LABELS: u8 = 126;

impl Pattern {
    /// Reads a pattern; `labels` narrows a leading `*.` to exactly that many labels.
    ///
    /// # Errors
    ///
    /// The first fault from the left.
    pub fn parse(text: &str, labels: Option<u8>) -> Result<Self, PatternError> {
        if matches!(text, "*." | "*..") {
            return Err(PatternError::NoDomain);
        }
        let parts = name::labels(text)?;
        if let Some(label) = parts.iter().find(|label| label.matches('*').count() > 1) {
            return Err(PatternError::TwoWildcards(label.clone()));
        }
        let is_everything = parts == ["*"];
        if parts.len() > 1 && parts.last().is_some_and(|last| last.contains('*')) {
            return Err(PatternError::LastLabel);
        }
        let begins_wild = parts.first().is_some_and(|first| first == "*");
        let leading = match labels {
            None if begins_wild => Leading::OneOrMore,
            None => Leading::Nothing,
            Some(_) if !begins_wild || is_everything => {
                return Err(PatternError::LabelsWithoutWildcard);
            }
            Some(count) if (1..=MAX_LEADING_LABELS).contains(&count) => Leading::Exactly(count),
            Some(count) => return Err(PatternError::LabelCount(count)),
        };
        if !parts.iter().any(|label| label.contains('*')) {
            return Ok(Self::from(DomainName::from_labels(&parts)));
        }
        let labels = parts.iter().skip(usize::from(begins_wild)).map(|text| label(text)).collect();
        Ok(Self { shape: Shape::Wild { leading, labels } })
    }

    /// The name itself, when the pattern has no wildcard.
    pub fn exact(&self) -> Option<&DomainName> {
        match &self.shape {
            Shape::Exact(name) => Some(name),
            Shape::Wild { .. } => None,
        }
    }

    /// What may stand in front of [`Self::labels`].
    pub fn leading(&self) -> Leading {
        match &self.shape {
            Shape::Exact(_) => Leading::Nothing,
            Shape::Wild { leading, .. } => *leading,
        }
    }

    /// The labels behind what is leading, the leftmost first; none for `*`.
    pub fn labels(&self) -> Vec<Label> {
        match &self.shape {
            Shape::Exact(name) => name.labels().map(|text| Label::Text(text.to_owned())).collect(),
            Shape::Wild { labels, .. } => labels.clone(),
        }
    }

    /// The labels behind the last wildcard, joined by dots; the whole name when it is exact, empty
    /// for `*`.
    pub fn suffix(&self) -> String {
        match &self.shape {
            Shape::Exact(name) => name.as_str().to_owned(),
            Shape::Wild { labels, .. } => {
                let fixed = labels.iter().rev().map_while(|label| match label {
                    Label::Text(text) => Some(text.as_str()),
                    Label::Wild { .. } => None,
                });
                let mut fixed: Vec<&str> = fixed.collect();
                fixed.reverse();
                fixed.join(".")
            }
        }
    }

    /// Whether the pattern accepts `name`.
    pub fn matches(&self, name: &DomainName) -> bool {
        let (leading, labels) = match &self.shape {
            Shape::Exact(exact) => return exact == name,
            Shape::Wild { leading, labels } => (*leading, labels),
        };
        let mut rest = name.labels().rev();
        if !labels.iter().rev().all(|label| rest.next().is_some_and(|text| label.accepts(text))) {
            return false;
        }
        let in_front = rest.count();
        match leading {
            Leading::Nothing => in_front == 0,
            Leading::OneOrMore => in_front > 0,
            Leading::Exactly(count) => in_front == usize::from(count),
        }
    }
}

impl Label {
    /// Whether this label of a pattern accepts a label of a name.
    pub fn accepts(&self, text: &str) -> bool {
        match self {
            Self::Text(label) => label == text,
            Self::Wild { before, after } => text
                .strip_prefix(before.as_str())
                .and_then(|rest| rest.strip_suffix(after.as_str()))
                .is_some_and(|between| !between.is_empty()),
        }
    }
}

fn label(text: &str) -> Label {
    match text.split_once('*') {
        Some((before, after)) => Label::Wild { before: before.to_owned(), after: after.to_owned() },
        None => Label::Text(text.to_owned()),
    }
}

impl From<DomainName> for Pattern {
    fn from(name: DomainName) -> Self {
        Self { shape: Shape::Exact(name) }
    }
}

/// The pattern as a policy writes it, in canonical form; `labels` is not shown.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (leading, labels) = match &self.shape {
            Shape::Exact(name) => return write!(f, "{name}"),
            Shape::Wild { leading, labels } => (*leading, labels),
        };
        let mut separator = "";
        if leading != Leading::Nothing {
            f.write_str("*")?;
            separator = ".";
        }
        for label in labels {
            f.write_str(separator)?;
            match label {
                Label::Text(text) => f.write_str(text)?,
                Label::Wild { before, after } => write!(f, "{before}*{after}")?,
            }
            separator = ".";
        }
        Ok(())
    }
}
