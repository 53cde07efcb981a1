//! What the agent writes beside the tables for whoever reads the pins: names, lines, problems.
//!
//! Stored as JSON in the pinned map `DOCUMENT`, so that `status` tells rule names with the agent
//! dead. Only this crate reads and writes it; the folder of the pins carries the ABI version.

use enforcer_common::abi::{DOCUMENT_PAGE_BYTES, DOCUMENT_PAGES};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::layout::Layouts;

/// Length and checksum in front of the text.
const HEADER_BYTES: usize = 8;

/// One value of the map.
#[derive(Debug, Clone, Copy)]
pub struct Page(pub [u8; DOCUMENT_PAGE_BYTES]);

impl Page {
    /// Bytes of text that fit into all pages.
    const TOTAL: usize = DOCUMENT_PAGE_BYTES * DOCUMENT_PAGES - HEADER_BYTES;
}

/// Why the bytes of the map are no document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Nothing was written yet.
    #[error("the agent has not written it yet")]
    Empty,
    /// Torn by a write, or damaged.
    #[error("its checksum does not match its text")]
    Torn,
    /// Longer than the map's value.
    #[error("it has {length} bytes, and {} fit", Page::TOTAL)]
    TooLong {
        /// Bytes of the text.
        length: usize,
    },
    /// Not the JSON that this version writes.
    #[error("parse its text")]
    Json(#[from] serde_json::Error),
}

impl Document {
    /// The pages of the map: text length and checksum (four bytes each, little-endian), then
    /// JSON. A reader that meets a write half done sees a wrong checksum.
    ///
    /// # Errors
    ///
    /// [`DocumentError::TooLong`].
    pub fn encode(&self) -> Result<Vec<Page>, DocumentError> {
        let text = serde_json::to_vec(self)?;
        let too_long = |_| DocumentError::TooLong { length: text.len() };
        if text.len() > Page::TOTAL {
            return Err(DocumentError::TooLong { length: text.len() });
        }
        let mut bytes = u32::try_from(text.len()).map_err(too_long)?.to_le_bytes().to_vec();
        bytes.extend(checksum(&text));
        bytes.extend(&text);
        Ok(bytes
            .chunks(DOCUMENT_PAGE_BYTES)
            .map(|chunk| {
                let mut page = Page([0; DOCUMENT_PAGE_BYTES]);
                for (to, from) in page.0.iter_mut().zip(chunk) {
                    *to = *from;
                }
                page
            })
            .collect())
    }

    /// Whether it can be written.
    pub fn fits(&self) -> bool {
        serde_json::to_vec(self).is_ok_and(|text| text.len() <= Page::TOTAL)
    }

    /// How many pages the document has, by its first one.
    pub fn pages(first: &Page) -> usize {
        let length = first.0.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        (length as usize + HEADER_BYTES).div_ceil(DOCUMENT_PAGE_BYTES).min(DOCUMENT_PAGES)
    }

    /// Reads the bytes of all pages.
    ///
    /// # Errors
    ///
    /// [`DocumentError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DocumentError> {
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or(DocumentError::Torn)?;
        let (sum, rest) = rest.split_first_chunk::<4>().ok_or(DocumentError::Torn)?;
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 {
            return Err(DocumentError::Empty);
        }
        let text = rest.get(..length).ok_or(DocumentError::Torn)?;
        if checksum(text) != *sum {
            return Err(DocumentError::Torn);
        }
        Ok(serde_json::from_slice(text)?)
    }
}

fn checksum(text: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(text).into();
    [a, b, c, d]
}

/// All that the kernel's maps do not say by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// The agent that wrote it.
    pub agent: AgentInfo,
    /// The cgroup that the hooks are attached to.
    pub cgroup: String,
    /// The devices that hooks are attached to, or should be.
    #[serde(default)]
    pub uplinks: Vec<UplinkInfo>,
    /// The policy in force.
    pub policy: PolicyInfo,
    /// The rules in force, in the order of the policy.
    pub rules: Vec<RuleInfo>,
    /// How the resolution of exact names stands.
    pub resolution: ResolutionInfo,
    /// How the maps are laid out that the next start may take over.
    #[serde(default)]
    pub layouts: Layouts,
    /// The highest number that a trusted resolver was given: questions may wait for it still.
    #[serde(default)]
    pub highest_resolver_number: u32,
    /// How often something that somebody had taken out of the kernel was put back, since the agent
    /// started.
    #[serde(default)]
    pub restored: u64,
    /// What came of policies that were to replace the one in force, since the agent started.
    #[serde(default)]
    pub reloads: Reloads,
    /// Whether the map of addresses was found to be filling up.
    #[serde(default)]
    pub is_filling: bool,
    /// What keeps the agent from being whole, one sentence each; empty: nothing.
    pub problems: Vec<String>,
}

/// Who wrote a [`Document`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentInfo {
    /// Process id in the agent's own pid namespace.
    pub pid: u32,
    /// Inode of that pid namespace, so that a reader knows whether `pid` means the same to it.
    pub pid_namespace: u64,
    /// Version of the agent.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
}

/// How often a policy was to replace the one in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloads {
    /// It was put in force.
    pub applied: u64,
    /// It was refused, and the one before went on.
    pub refused: u64,
}

/// A device that is judged, or should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UplinkInfo {
    /// Its name.
    pub name: String,
    /// Its index in the agent's network namespace; 0: it is not there.
    pub index: u32,
}

/// Which policy is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyInfo {
    /// `metadata.name`.
    pub name: String,
    /// The file it was read from.
    pub path: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Counts the policies applied since the maps were made, from 1.
    pub generation: u64,
    /// When it took effect.
    pub loaded_at: Timestamp,
    /// `enforce` or `audit`.
    pub mode: String,
    /// Trusted resolvers as `address:port`.
    pub resolvers: Vec<String>,
    /// Why the newest attempt to load a policy failed; `None`: it did not.
    pub reload_error: Option<String>,
}

/// One rule, as much of it as a reader is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleInfo {
    /// Its bit in every `RuleMask`.
    pub slot: u16,
    /// Digest of its text, in hexadecimal: the next start gives the same rule the same slot.
    #[serde(default)]
    pub digest: String,
    /// Its name.
    pub name: String,
    /// `allow` or `deny`.
    pub action: String,
    /// The workloads it is for; empty: every one.
    pub from: Vec<String>,
    /// The first destinations, as written; at most [`RuleInfo::SHOWN`].
    pub to: Vec<String>,
    /// How many destinations there are.
    pub to_count: usize,
    /// The ports, as written in a policy (`tcp/443`).
    pub ports: Vec<String>,
    /// Line in the policy file.
    pub line: u32,
    /// The preset it comes from.
    pub preset: Option<String>,
}

impl RuleInfo {
    /// How many destinations and ports of a rule are kept in the document.
    pub const SHOWN: usize = 4;
}

/// How the resolution of exact names stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolutionInfo {
    /// Exact names in the policy.
    pub names: usize,
    /// Names with at least one live address.
    pub resolved: usize,
    /// Names whose newest lookup failed while older addresses live on.
    pub stale: usize,
    /// Names without an address, the first [`ResolutionInfo::SHOWN`].
    pub unresolved: Vec<Unresolved>,
    /// How many there are.
    pub unresolved_count: usize,
    /// DNS answers taken since the agent started.
    pub answers: u64,
    /// Addresses written since the agent started.
    pub learned: u64,
    /// Addresses or answers not taken, by reason, since the agent started.
    pub ignored: std::collections::BTreeMap<String, u64>,
}

impl ResolutionInfo {
    /// How many unresolved names are kept in the document.
    pub const SHOWN: usize = 32;
}

/// A name without an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unresolved {
    /// The name.
    pub name: String,
    /// Why: `no such name`, `no addresses`, `timed out`...
    pub reason: String,
}
