//! A concrete, absolute domain name.

use std::{borrow::Cow, fmt, net::IpAddr};

use ipnet::IpNet;

/// The longest name in its text form without the trailing dot (RFC 1035, section 2.3.4: 255 bytes
/// on the wire).
const MAX_NAME_BYTES: usize = 253;
/// The longest label (RFC 1035, section 2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// A valid, lower-case, absolute domain name without its trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainName(String);

/// Why a text is no domain name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing, or a dot alone.
    #[error("a name cannot be empty")]
    Empty,
    /// White space or a control character.
    #[error("a name cannot contain white space")]
    Space,
    /// A scheme, as in a URL; the host part is kept.
    #[error("a URL is not a name")]
    Url(String),
    /// A path behind the name; the host part is kept.
    #[error("a name cannot have a path")]
    Path(String),
    /// A port behind the name; the host part is kept.
    #[error("a name cannot have a port")]
    Port(String),
    /// An IP address or prefix.
    #[error("an IP address is not a name")]
    Address(String),
    /// A last label of digits, which old parsers read as an IPv4 address.
    #[error("the last label is a number, so this can be no name")]
    Number,
    /// Signs of a regular expression.
    #[error("a pattern is not a regular expression")]
    Expression,
    /// A wildcard where a concrete name is needed.
    #[error("a wildcard cannot stand here")]
    Wildcard,
    /// Two dots in a row, or a dot in front.
    #[error("a label is empty: two dots in a row, or one in front")]
    EmptyLabel,
    /// A dot in front, and a name behind it.
    #[error("a name cannot begin with a dot")]
    LeadingDot(String),
    /// A label of more than 63 bytes.
    #[error("the label `{label}` has {} bytes, and {MAX_LABEL_BYTES} is the most", label.len())]
    LongLabel {
        /// The label, as A-label.
        label: String,
    },
    /// A name of more than 253 bytes.
    #[error("the name has {bytes} bytes, and {MAX_NAME_BYTES} is the most")]
    LongName {
        /// How many it has.
        bytes: usize,
    },
    /// A label that begins or ends with a hyphen.
    #[error("the label `{0}` begins or ends with `-`")]
    Hyphen(String),
    /// A character outside the grammar.
    #[error("`{0}` cannot stand in a name")]
    Character(char),
    /// A letter outside ASCII beside a wildcard, which has no A-label.
    #[error("`{0}` cannot stand in a label with a `*`")]
    WildcardIdn(char),
    /// A label that UTS 46 does not accept.
    #[error("the label `{0}` is not a valid internationalised name")]
    Idn(String),
}

impl NameError {
    /// What would be right.
    pub fn help(&self) -> String {
        match self {
            Self::Url(host) | Self::Path(host) | Self::Port(host) => format!(
                "write `fqdn: {}` and the port under `ports`, such as `ports: [tcp/443]`",
                quoted(host)
            ),
            Self::Address(text) => format!("write `cidr: {}`", quoted_address(text)),
            Self::LeadingDot(rest) => {
                format!("write `\"*.{rest}\"` for the names below it, `{rest}` for the name itself")
            }
            Self::Expression => {
                "write `\"*.example.com\"` for all names below, `\"md-*.example.com\"` for a part \
                 of one label"
                    .to_owned()
            }
            Self::Wildcard => "write a complete name, such as `api.example.com`".to_owned(),
            Self::WildcardIdn(_) => {
                "write the names out, or `*` for the whole label; a `*` stands beside ASCII letters"
                    .to_owned()
            }
            Self::Number => {
                "a name ends in a domain such as `example.com`; an address goes under `cidr`"
                    .to_owned()
            }
            Self::Space => "write one name an entry, without spaces or line breaks".to_owned(),
            Self::Empty
            | Self::EmptyLabel
            | Self::LongLabel { .. }
            | Self::LongName { .. }
            | Self::Hyphen(_)
            | Self::Character(_)
            | Self::Idn(_) => {
                "a name is labels of letters, digits, `-` and `_`, separated by dots, such as \
                 `api.example.com`"
                    .to_owned()
            }
        }
    }
}

impl DomainName {
    /// Reads a name: case folded, one trailing dot dropped, IDN labels made A-labels (UTS 46).
    ///
    /// # Errors
    ///
    /// The first fault from the left, with a message of its own for what belongs into another
    /// field: addresses, URLs, ports.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let labels = labels(text)?;
        if labels.iter().any(|label| label.contains('*')) {
            return Err(NameError::Wildcard);
        }
        Ok(Self(labels.join(".")))
    }

    /// The name as text: lower case, no trailing dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The labels, the leftmost first.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// A name from labels that [`labels`] has accepted.
    pub(super) fn from_labels(labels: &[String]) -> Self {
        Self(labels.join("."))
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The canonical labels of a name or pattern; a label may hold `*`.
pub(super) fn labels(text: &str) -> Result<Vec<String>, NameError> {
    refuse_other_fields(text)?;
    let text = fold_dots(text);
    let text = text.strip_suffix('.').unwrap_or(&text);
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if let Some(rest) = text.strip_prefix('.').filter(|rest| !rest.starts_with(['.', '*'])) {
        return Err(NameError::LeadingDot(rest.to_owned()));
    }
    let labels = text.split('.').map(label).collect::<Result<Vec<_>, _>>()?;
    let bytes = labels.iter().map(|label| label.len() + 1).sum::<usize>() - 1;
    if bytes > MAX_NAME_BYTES {
        return Err(NameError::LongName { bytes });
    }
    if labels.last().is_some_and(|last| is_number(last)) {
        return Err(NameError::Number);
    }
    Ok(labels)
}

/// What is no name at all, but something that belongs elsewhere.
fn refuse_other_fields(text: &str) -> Result<(), NameError> {
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(NameError::Space);
    }
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split(['/', ':', '?', '#']).next().unwrap_or_default();
        return Err(NameError::Url(host.to_owned()));
    }
    if let Some(address) = address_in(text) {
        return Err(NameError::Address(address));
    }
    if text.starts_with(".*") || text.contains(['\\', '[', ']', '(', ')', '^', '$', '+', '|', '{'])
    {
        return Err(NameError::Expression);
    }
    if let Some((host, _)) = text.split_once('/') {
        let host = host.split(':').next().unwrap_or_default();
        return Err(NameError::Path(host.to_owned()));
    }
    if let Some((host, _)) = text.split_once(':') {
        return Err(NameError::Port(host.to_owned()));
    }
    Ok(())
}

/// The address or prefix that a text is, ports and brackets left out.
fn address_in(text: &str) -> Option<String> {
    if text.parse::<IpAddr>().is_ok() || text.parse::<IpNet>().is_ok() {
        return Some(text.to_owned());
    }
    if let Ok(server) = text.parse::<std::net::SocketAddr>() {
        return Some(server.ip().to_string());
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse::<IpAddr>().ok().map(|address| address.to_string())
}

/// The three other full stops of UTS 46 as dots: full-width, ideographic, half-width ideographic.
fn fold_dots(text: &str) -> Cow<'_, str> {
    const DOTS: [char; 3] = ['\u{ff0e}', '\u{3002}', '\u{ff61}'];
    if text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(text.replace(DOTS, ".")) }
}

fn label(text: &str) -> Result<String, NameError> {
    if text.is_empty() {
        return Err(NameError::EmptyLabel);
    }
    if text.contains('*')
        && let Some(letter) = text.chars().find(|c| !c.is_ascii())
    {
        return Err(NameError::WildcardIdn(letter));
    }
    let is_plain =
        text.is_ascii() && !text.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("xn--"));
    let label = if is_plain || text.contains('*') {
        text.to_ascii_lowercase()
    } else {
        idna::domain_to_ascii(text)
            .ok()
            // A character that maps to a wildcard is no wildcard.
            .filter(|label| !label.is_empty() && !label.contains('*'))
            .ok_or_else(|| NameError::Idn(text.to_owned()))?
    };
    let is_allowed =
        |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '*');
    if let Some(character) = label.chars().find(|c| !is_allowed(c)) {
        return Err(NameError::Character(character));
    }
    if label.len() > MAX_LABEL_BYTES {
        return Err(NameError::LongLabel { label });
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(NameError::Hyphen(label));
    }
    Ok(label)
}

/// Digits only, or the hexadecimal form that address parsers take as well.
fn is_number(label: &str) -> bool {
    let digits = label.strip_prefix("0x");
    label.bytes().all(|b| b.is_ascii_digit())
        || digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn quoted(name: &str) -> String {
    if name.contains('*') { format!("\"{name}\"") } else { name.to_owned() }
}

fn quoted_address(address: &str) -> String {
    if address.starts_with(':') { format!("\"{address}\"") } else { address.to_owned() }
}
