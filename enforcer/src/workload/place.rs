//! What a directory of the cgroup tree is, by its name and those above it.
//!
//! Names are those that systemd (`cg_escape`, src/basic/cgroup-util.c, 252), the kubelet
//! (`pkg/kubelet/cm`: `cgroup_manager_linux.go`, `pod_container_manager_linux.go`, 1.31) and the
//! container runtimes give, with either of their cgroup drivers.

/// How long a container's id is, in hexadecimal digits.
pub(super) const ID_DIGITS: usize = 64;
/// What runtimes put in front of an id in the name of a scope.
const SCOPES: [&str; 5] = ["cri-containerd-", "crio-", "docker-", "libpod-", "nerdctl-"];
/// Directories below the root that runtimes of the driver `cgroupfs` keep containers in: Docker's,
/// Podman's, and the namespaces of containerd.
const PARENTS: [&str; 5] = ["docker", "libpod_parent", "k8s.io", "moby", "default"];
/// Units with processes.
const UNITS: [&str; 2] = [".service", ".scope"];
const SLICE: &str = ".slice";
const PODS: &str = "kubepods";
const QOS: [&str; 2] = ["besteffort", "burstable"];

/// Where a directory is in the cgroup tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The root of the hierarchy.
    Root,
    /// A slice of the service manager.
    Slice,
    /// Where a runtime or the kubelet keeps what is its own.
    Parent,
    /// Every pod is below it. With the systemd driver: its name without `.slice`, with which the
    /// names below begin.
    Pods(Option<String>),
    /// The pods of a class of service; as above.
    Class(Option<String>),
    /// A pod, by its uid.
    Pod(String),
    /// A container, by its id.
    Container(String),
    /// A service or scope.
    Unit,
    /// Below a workload, or made by somebody unknown: names tell nothing.
    Within,
}

impl Place {
    /// Where the directory of this path is; it begins with a slash, as in a policy.
    pub fn of(path: &str) -> Self {
        let parts = path.split('/').filter(|part| !part.is_empty());
        parts.fold(Self::Root, |place, name| place.below(name))
    }

    /// Where the directory of this name is in one that is here.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        match self {
            Self::Root => match name {
                PODS => Self::Pods(None),
                "kubelet" => Self::Parent,
                _ if PARENTS.contains(&name) => Self::Parent,
                _ => in_slice(name),
            },
            Self::Slice => in_slice(name),
            Self::Parent if name == PODS => Self::Pods(None),
            Self::Parent => container(name.strip_prefix("libpod-").unwrap_or(name)),
            Self::Pods(prefix) => {
                let class = inner(prefix.as_deref(), name).filter(|it| QOS.contains(it));
                if class.is_some() {
                    return Self::Class(prefix.as_ref().map(|_| stem(name).to_owned()));
                }
                pod(prefix.as_deref(), name)
            }
            Self::Class(prefix) => pod(prefix.as_deref(), name),
            Self::Pod(_) => scope_of_container(name).map_or_else(|| container(name), container),
            Self::Container(_) | Self::Unit | Self::Within => Self::Within,
        }
    }
}

/// What a name is where the service manager alone makes directories.
fn in_slice(name: &str) -> Place {
    let name = unescaped(name);
    if let Some(stem) = name.strip_suffix(SLICE) {
        let is_pods = stem == PODS || stem.strip_suffix(PODS).is_some_and(|it| it.ends_with('-'));
        return if is_pods { Place::Pods(Some(stem.to_owned())) } else { Place::Slice };
    }
    match scope_of_container(name) {
        Some(id) => container(id),
        None if UNITS.iter().any(|it| name.ends_with(it)) => Place::Unit,
        None => Place::Within,
    }
}

/// A unit's name from that of its directory: what could be taken for a file of the kernel's has an
/// underscore in front.
pub(super) fn unescaped(name: &str) -> &str {
    name.strip_prefix('_').unwrap_or(name)
}

/// The id in the name of a container's scope.
fn scope_of_container(name: &str) -> Option<&str> {
    let stem = name.strip_suffix(".scope")?;
    SCOPES.iter().find_map(|runtime| stem.strip_prefix(runtime)).filter(|id| is_id(id))
}

fn container(name: &str) -> Place {
    if is_id(name) { Place::Container(name.to_owned()) } else { Place::Within }
}

fn pod(prefix: Option<&str>, name: &str) -> Place {
    let uid = inner(prefix, name).and_then(|it| it.strip_prefix("pod"));
    // The driver writes dashes otherwise: in the name of a slice they stand for levels.
    let uid = match (prefix, uid) {
        (Some(_), Some(uid)) if !uid.contains('-') => Some(uid.replace('_', "-")),
        (None, Some(uid)) => Some(uid.to_owned()),
        _ => None,
    };
    uid.filter(|uid| is_uid(uid)).map_or(Place::Within, Place::Pod)
}

/// What is left of a name without what the directories above it have put in front.
fn inner<'a>(prefix: Option<&str>, name: &'a str) -> Option<&'a str> {
    match prefix {
        Some(prefix) => name.strip_suffix(SLICE)?.strip_prefix(prefix)?.strip_prefix('-'),
        None => Some(name),
    }
}

fn stem(name: &str) -> &str {
    name.strip_suffix(SLICE).unwrap_or(name)
}

fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS && is_hexadecimal(text)
}

/// Digits as runtimes write them.
pub(super) fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A pod's uid: a UUID, or of a pod that a file on the node describes 32 digits.
pub(super) fn is_uid(text: &str) -> bool {
    let dashes = [8, 13, 18, 23];
    match text.len() {
        32 => is_hexadecimal(text),
        36 => text.bytes().enumerate().all(|(index, byte)| match byte {
            b'-' => dashes.contains(&index),
            b'0'..=b'9' | b'a'..=b'f' => !dashes.contains(&index),
            _ => false,
        }),
        _ => false,
    }
}
