//! A selector of `from`, and many of them at once.

use std::{collections::BTreeMap, fmt};

use enforcer_common::rule_mask::RuleMask;

use super::place::{ID_DIGITS, Place, is_hexadecimal, is_uid, unescaped};

/// As short as a container's id may be cut: what the runtimes' own tools print.
const SHORTEST_ID: usize = 12;
/// As long as a unit's name may be (`UNIT_NAME_MAX`, systemd 252, with its end).
const LONGEST_UNIT: usize = 255;
/// Units that have a cgroup.
const UNIT_ENDS: [&str; 3] = [".service", ".scope", ".slice"];

/// A set of sending processes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadSelector {
    /// A cgroup and all below it; an absolute path from the cgroup v2 root, such as
    /// `/system.slice/ci.service`.
    Cgroup(String),
    /// A unit of the service manager, such as `ci.service`; `ci@*.service` is every instance.
    Unit(String),
    /// A container by its id, or by how it begins: 12 to 64 hexadecimal digits.
    Container(String),
    /// A pod by its uid.
    Pod(String),
    /// Every pod.
    Pods,
}

/// Why a text selects no workload: what it is, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SelectorError {
    /// What the text is.
    pub message: String,
    /// What would be right.
    pub help: String,
}

impl SelectorError {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

impl WorkloadSelector {
    /// What is right for a path.
    pub const CGROUP: &str =
        "a path from the cgroup v2 root, such as `cgroup: /system.slice/ci.service`";
    /// What is right for a unit.
    pub const UNIT: &str = "a unit's name, such as `unit: ci.service` or `unit: ci@*.service`";
    /// What is right for a container.
    pub const CONTAINER: &str = "at least the first 12 hexadecimal digits of the container's id";
    /// What is right for a pod.
    pub const POD: &str =
        "its uid, such as `pod: 2f4a0c1e-8d7b-4c39-9a51-6b0e3d2f7a18`, or `pod: any` for every pod";

    /// A cgroup by its path.
    pub fn cgroup(text: &str) -> Result<Self, SelectorError> {
        let trimmed = text.trim_end_matches('/');
        let message = if !text.starts_with('/') {
            format!("`{text}` is no absolute path")
        } else if text.starts_with("/sys/fs/cgroup") {
            format!("`{text}` is a path of the file system")
        } else if trimmed.is_empty() {
            return Err(SelectorError::new("the root cgroup is every workload", "remove `from`"));
        } else if trimmed.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
            format!("`{text}` has an empty part, `.` or `..`")
        } else if text.contains('*') {
            "a cgroup path has no wildcards: a cgroup stands for all below it".to_owned()
        } else {
            return Ok(Self::Cgroup(trimmed.to_owned()));
        };
        Err(SelectorError::new(message, format!("write {}", Self::CGROUP)))
    }

    /// A unit by its name.
    pub fn unit(text: &str) -> Result<Self, SelectorError> {
        let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
        let instance = text.split_once("@*.");
        let message = if !UNIT_ENDS.iter().any(|end| text.len() > end.len() && text.ends_with(end))
        {
            format!("`{text}` is no unit that has processes")
        } else if text.len() > LONGEST_UNIT {
            format!("a unit's name has at most {LONGEST_UNIT} characters")
        } else if text.contains('*') && instance.is_none_or(|(name, _)| name.is_empty()) {
            format!("`{text}` has a `*` that is not the whole instance")
        } else if !text.replacen('*', "", 1).bytes().all(is_usual) {
            format!("`{text}` has a character that a unit's name cannot have")
        } else {
            return Ok(Self::Unit(text.to_owned()));
        };
        Err(SelectorError::new(message, format!("write {}", Self::UNIT)))
    }

    /// A container by its id or how it begins.
    pub fn container(text: &str) -> Result<Self, SelectorError> {
        let message = if !is_hexadecimal(text) {
            format!("`{text}` is no container id")
        } else if text.len() < SHORTEST_ID {
            format!("`{text}` is too short to tell one container from another")
        } else if text.len() > ID_DIGITS {
            format!("`{text}` is longer than a container id")
        } else {
            return Ok(Self::Container(text.to_owned()));
        };
        Err(SelectorError::new(message, format!("write {}", Self::CONTAINER)))
    }

    /// A pod by its uid, or `any`.
    pub fn pod(text: &str) -> Result<Self, SelectorError> {
        match text {
            "any" => Ok(Self::Pods),
            _ if is_uid(text) => Ok(Self::Pod(text.to_owned())),
            _ => Err(SelectorError::new(
                format!("`{text}` is no uid of a pod"),
                format!("write {}", Self::POD),
            )),
        }
    }

    /// Whether all that the other one selects is selected by this one as well.
    pub fn holds(&self, other: &Self) -> bool {
        self == other || other.holders().contains(self)
    }

    /// The selectors that select all that this one does, and more.
    pub fn holders(&self) -> Vec<Self> {
        match self {
            Self::Cgroup(path) => {
                let ends = path.match_indices('/').map(|(index, _)| index).skip(1);
                ends.filter_map(|end| path.get(..end).map(|it| Self::Cgroup(it.into()))).collect()
            }
            Self::Unit(name) => {
                every_instance(name).filter(|it| it != name).into_iter().map(Self::Unit).collect()
            }
            Self::Container(id) => {
                let shorter = (SHORTEST_ID..id.len()).filter_map(|digits| id.get(..digits));
                shorter.map(|it| Self::Container(it.to_owned())).collect()
            }
            Self::Pod(_) => vec![Self::Pods],
            Self::Pods => Vec::new(),
        }
    }
}

impl fmt::Display for WorkloadSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cgroup(path) => f.write_str(path),
            Self::Unit(name) => write!(f, "unit:{name}"),
            Self::Container(id) => write!(f, "container:{id}"),
            Self::Pod(uid) => write!(f, "pod:{uid}"),
            Self::Pods => f.write_str("pod:any"),
        }
    }
}

/// What rules select, by selector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selected(BTreeMap<WorkloadSelector, RuleMask>);

impl Selected {
    /// Adds a rule of a selector.
    pub fn add(&mut self, selector: &WorkloadSelector, slot: u16) {
        self.0.entry(selector.clone()).or_insert(RuleMask::EMPTY).insert(slot);
    }

    /// Whether no rule selects.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rules that select the directory of this path, which is at this place. Those of the
    /// directories above it are not among them.
    pub fn rules(&self, path: &str, place: &Place) -> RuleMask {
        let mut rules = RuleMask::EMPTY;
        // Of what holds a path or a pod, the directories above are.
        let by_path = WorkloadSelector::Cgroup(path.to_owned());
        let by_name = unit_at(path, place).map(|it| WorkloadSelector::Unit(it.to_owned()));
        let by_place = match place {
            Place::Pods(_) => Some(WorkloadSelector::Pods),
            Place::Pod(uid) => Some(WorkloadSelector::Pod(uid.clone())),
            Place::Container(id) => Some(WorkloadSelector::Container(id.clone())),
            Place::Root
            | Place::Slice
            | Place::Parent
            | Place::Class(_)
            | Place::Unit
            | Place::Within => None,
        };
        let named = by_name.into_iter().chain(by_place);
        let all = named.flat_map(|it| match it {
            WorkloadSelector::Pod(_) => vec![it],
            WorkloadSelector::Cgroup(_)
            | WorkloadSelector::Unit(_)
            | WorkloadSelector::Container(_)
            | WorkloadSelector::Pods => it.holders().into_iter().chain([it]).collect(),
        });
        for selector in all.chain([by_path]) {
            if let Some(mask) = self.0.get(&selector) {
                rules.unite(mask);
            }
        }
        rules
    }

    /// Whether something below the directory of this path, which is at this place, may be selected.
    pub fn reach_below(&self, path: &str, place: &Place) -> bool {
        let next = |text: &str, of: fn(String) -> WorkloadSelector| {
            self.0.range(of(text.to_owned())..).next().map(|(selector, _)| selector)
        };
        let below = format!("{}/", path.trim_end_matches('/'));
        let is_path_below = matches!(
            next(&below, WorkloadSelector::Cgroup),
            Some(WorkloadSelector::Cgroup(path)) if path.starts_with(&below)
        );
        let units = || matches!(next("", WorkloadSelector::Unit), Some(WorkloadSelector::Unit(_)));
        let containers = || {
            matches!(next("", WorkloadSelector::Container), Some(WorkloadSelector::Container(_)))
        };
        let pods = || matches!(next("", WorkloadSelector::Pod), Some(WorkloadSelector::Pod(_)));
        let every_pod = || self.0.contains_key(&WorkloadSelector::Pods);
        is_path_below
            || match place {
                Place::Root | Place::Slice => units() || containers() || pods() || every_pod(),
                Place::Parent => containers() || pods() || every_pod(),
                // Slices and scopes of the kubelet's and the runtimes' are units as well.
                Place::Pods(_) | Place::Class(_) => containers() || pods() || units(),
                Place::Pod(_) => containers() || units(),
                Place::Container(_) | Place::Unit | Place::Within => false,
            }
    }

    /// The rules of a process in the cgroup of this path: those of every directory on the way.
    pub fn rules_on_the_way(&self, path: &str) -> RuleMask {
        let mut rules = RuleMask::EMPTY;
        let (mut place, mut way) = (Place::Root, String::new());
        for name in path.split('/').filter(|part| !part.is_empty()) {
            place = place.below(name);
            way.push('/');
            way.push_str(name);
            rules.unite(&self.rules(&way, &place));
        }
        rules
    }
}

/// The name of the unit whose directory this is.
fn unit_at<'a>(path: &'a str, place: &Place) -> Option<&'a str> {
    if matches!(place, Place::Root | Place::Parent | Place::Within) {
        return None;
    }
    let name = unescaped(path.rsplit('/').next()?);
    UNIT_ENDS.iter().any(|end| name.ends_with(end)).then_some(name)
}

/// How a rule selects every instance of the template that a unit is made of.
fn every_instance(unit: &str) -> Option<String> {
    let (name, rest) = unit.split_once('@')?;
    let (instance, end) = rest.rsplit_once('.')?;
    (!instance.is_empty()).then(|| format!("{name}@*.{end}"))
}
