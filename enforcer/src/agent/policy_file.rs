//! The policy file: read whole, checked, and identified by its content.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use crate::policy::{self, Policy, diagnostic::Severity};

/// The policy without rules.
const DENY_ALL: &str = "apiVersion: enforcer.dev/v1alpha1\nkind: EgressPolicy\n\
    metadata: {name: deny-all}\nspec: {rules: []}\n";

/// Findings of one kind that are kept: a doubt about each of ten thousand names is one doubt.
const SHOWN: usize = 20;

/// A policy as it was read.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    /// Where from.
    pub path: PathBuf,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// What it says.
    pub policy: Policy,
    /// The first doubts, each rendered with its place in the file.
    pub warnings: Vec<String>,
}

/// Why there is no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFileError {
    /// It could not be read.
    #[error("read policy {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It does not validate.
    #[error("policy {} has {count} {}", path.display(), if *count == 1 { "error" } else { "errors" })]
    Invalid {
        /// The file.
        path: PathBuf,
        /// How many errors.
        count: usize,
        /// The first errors, each rendered with its place in the file.
        rendered: Vec<String>,
        /// The first error in one line, for `status`.
        first: String,
    },
}

impl PolicyFile {
    /// What holds in the place of a file that cannot be used: no rule at all. The file is looked at
    /// again as soon as it changes.
    pub fn deny_all(path: &Path) -> Option<Self> {
        let policy = policy::parse(DENY_ALL).policy?;
        Some(Self { path: path.to_owned(), sha256: String::new(), policy, warnings: Vec::new() })
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    ///
    /// [`PolicyFileError`].
    pub fn read(path: &Path) -> Result<Self, PolicyFileError> {
        let bytes = bytes_of(path)?;
        let sha256 = digest(&bytes);
        Self::check(path, bytes, sha256)
    }

    /// Reads the same file again, and checks it if its content is another; `None`: it is not.
    ///
    /// # Errors
    ///
    /// [`PolicyFileError`].
    pub fn read_anew(&self) -> Result<Option<Self>, PolicyFileError> {
        let bytes = bytes_of(&self.path)?;
        let sha256 = digest(&bytes);
        if sha256 == self.sha256 {
            return Ok(None);
        }
        Self::check(&self.path, bytes, sha256).map(Some)
    }

    fn check(path: &Path, bytes: Vec<u8>, sha256: String) -> Result<Self, PolicyFileError> {
        let unreadable = |source| PolicyFileError::Read { path: path.to_owned(), source };
        let source = String::from_utf8(bytes).map_err(|error| {
            unreadable(io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
        })?;
        let name = path.display().to_string();
        let parsed = policy::parse(&source);
        let render = |severity| -> Vec<String> {
            let of_kind = || parsed.diagnostics.iter().filter(|found| found.severity == severity);
            let mut rendered: Vec<_> =
                of_kind().take(SHOWN).map(|found| found.render(&name, &source)).collect();
            let rest = of_kind().count().saturating_sub(SHOWN);
            if rest > 0 {
                rendered.push(format!("and {rest} more: `enforcer check` shows all"));
            }
            rendered
        };
        let rendered_errors = render(Severity::Error);
        let warnings = render(Severity::Warning);
        if let Some(policy) = parsed.policy {
            return Ok(Self { path: path.to_owned(), sha256, policy, warnings });
        }
        let mut errors =
            parsed.diagnostics.iter().filter(|found| found.severity == Severity::Error);
        let first = errors.next().map_or_else(String::new, |found| {
            format!("line {}, column {}: {}", found.line, found.column, found.message)
        });
        Err(PolicyFileError::Invalid {
            path: path.to_owned(),
            count: errors.count() + 1,
            rendered: rendered_errors,
            first,
        })
    }
}

impl PolicyFileError {
    /// Errors with their places; empty where the file could not be read.
    pub fn rendered(&self) -> &[String] {
        match self {
            Self::Read { .. } => &[],
            Self::Invalid { rendered, .. } => rendered,
        }
    }

    /// One line for `status`.
    pub fn summary(&self) -> String {
        match self {
            Self::Read { source, .. } => format!("{self}: {source}"),
            Self::Invalid { first, .. } => format!("{self}: {first}"),
        }
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, PolicyFileError> {
    fs::read(path).map_err(|source| PolicyFileError::Read { path: path.to_owned(), source })
}

fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _: std::fmt::Result = write!(text, "{byte:02x}");
        text
    })
}
