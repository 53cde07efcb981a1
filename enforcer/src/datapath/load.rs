//! One start of the datapath: programs and maps from the object into the kernel.

use std::{
    collections::BTreeMap,
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use aya::{Ebpf, EbpfLoader};
use enforcer_common::{
    abi::map,
    measure,
    passed::{self, Secrets},
};
use rustix::rand::{GetRandomFlags, getrandom};

use super::{
    BootTime, Claim, DatapathError, Document,
    attach::{HOOKS, UPLINK_HOOKS, WRITER},
    handover::Handover,
    link,
    maps::Maps,
    pin::{Folder, Instance},
    predecessor::Predecessor,
    preflight::{kernel_release, namespace_cookie},
    refused::RefusedConnections,
    state,
    sync::Applied,
    unload,
    uplinks::{TcMode, UplinkChange},
};
use crate::uplink::Uplink;

/// The kernel programs, compiled by the build script.
pub(super) static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/enforcer-programs"));

/// Fewest entries of `HOSTS`: room for a policy to grow without a restart.
const MIN_HOSTS: u32 = 131_072;

/// Fewest entries of `PASSED`.
const LEAST_PASSED: u32 = 16_384;

/// How a datapath is set up.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The folder of pins, on a bpffs.
    pub bpffs: PathBuf,
    /// The cgroup v2 directory to attach to.
    pub cgroup: PathBuf,
    /// How many addresses of names there can be.
    pub max_addresses: u32,
    /// How many single addresses the first policy's CIDR rules name.
    pub hosts: usize,
    /// Measures against poisoning that are left out, for tests
    /// ([`enforcer_common::measure`]).
    pub without: u32,
    /// Whether devices will be judged.
    pub judges_uplinks: bool,
    /// How programs are attached to them.
    pub tc_mode: TcMode,
}

impl LoadOptions {
    /// Entries of `HOSTS`.
    pub(super) fn host_entries(&self) -> u32 {
        u32::try_from(self.hosts.saturating_mul(2)).unwrap_or(u32::MAX).max(MIN_HOSTS)
    }
}

/// A loaded datapath. Dropping it leaves all that is attached in force.
pub struct Datapath {
    pub(super) maps: Maps,
    pub(super) applied: Applied,
    pub(super) object: Ebpf,
    pub(super) folder: Folder,
    pub(super) instance: Instance,
    pub(super) cgroup: PathBuf,
    /// [`LoadOptions::max_addresses`].
    pub(super) max_addresses: u32,
    pub(super) tc_mode: TcMode,
    pub(super) judges_uplinks: bool,
    /// The kernel's number of each map.
    pub(super) map_ids: BTreeMap<String, u32>,
    /// The devices that are judged, by index.
    pub(super) uplinks: BTreeMap<u32, String>,
    /// [`enforcer_common::settings::Settings::host_cookie`].
    pub(super) host_cookie: u64,
    /// What is taken over with the hooks.
    pub(super) predecessor: Option<Box<Predecessor>>,
    /// Whether its verdicts are not carried out yet ([`super::beside`]).
    pub(super) is_watching: bool,
    /// Whether the hooks are this start's, so that it must not be undone.
    is_in_force: bool,
    _lock: File,
}

impl Datapath {
    /// Loads programs and maps and pins them; what earlier starts have learned is used on. Nothing
    /// is attached yet, nothing judged.
    ///
    /// # Errors
    ///
    /// What the kernel refused, after what was made so far is removed.
    pub fn load(options: &LoadOptions, claim: Claim, now: BootTime) -> Result<Self, DatapathError> {
        let instance = claim.folder.make_instance(now.0)?;
        Self::load_into(options, claim, instance.clone()).inspect_err(|_| clean_up(&instance))
    }

    fn load_into(
        options: &LoadOptions,
        claim: Claim,
        instance: Instance,
    ) -> Result<Self, DatapathError> {
        raise_memlock();
        let Claim { folder, predecessor, lock } = claim;
        let secrets = secrets()?;
        let mut loader = EbpfLoader::new();
        loader
            .override_global(measure::WITHOUT, &options.without, true)
            .override_global(passed::SECRETS, secrets.as_slice(), true)
            .map_max_entries(map::ADDRS, options.max_addresses)
            .map_max_entries(map::HOSTS, options.host_entries())
            .map_max_entries(map::PASSED, passed_entries());
        let is_watching =
            predecessor.as_ref().is_some_and(|it| it.max_addresses != Some(options.max_addresses));
        let mut handed_on = Vec::new();
        if let Some(old) = &predecessor {
            handed_on = if is_watching { old.sockets() } else { state::all() };
            state::hand_on(&handed_on, &old.newest, &instance)?;
        }
        for name in &handed_on {
            loader.map_pin_path(name, instance.map(name));
        }
        let mut object = loader.load(OBJECT).map_err(|source| DatapathError::Load {
            kernel: kernel_release(),
            source: Box::new(source),
        })?;
        // The compiler's own constants (`.rodata`) live with the programs that use them.
        let own = |name: &str| !name.starts_with('.') && !handed_on.contains(&name);
        for (name, map) in object.maps().filter(|(name, _)| own(name)) {
            map.pin(instance.map(name)).map_err(|source| DatapathError::PinObject {
                what: format!("map {name}"),
                source,
            })?;
        }
        for hook in HOOKS.iter().chain(&UPLINK_HOOKS).chain([&WRITER]) {
            hook.load(&mut object, &instance)?;
        }
        let mut map_ids = BTreeMap::new();
        for (name, _) in object.maps().filter(|(name, _)| !name.starts_with('.')) {
            let pin = instance.map(name);
            let id = link::map_id(&pin).map_err(DatapathError::pin("inspect", pin))?;
            map_ids.insert(name.to_owned(), id);
        }
        let mut maps = Maps::open(&instance)?;
        if !handed_on.contains(&map::ADDRS) {
            maps.make_room(options.max_addresses)?;
        }
        let cgroup = options.cgroup.clone();
        let applied = Applied::default();
        let host_cookie = namespace_cookie().unwrap_or(u64::MAX);
        let LoadOptions { tc_mode, judges_uplinks, max_addresses, .. } = *options;
        let uplinks = BTreeMap::new();
        let mut datapath = Self {
            maps,
            applied,
            object,
            folder,
            instance,
            cgroup,
            max_addresses,
            tc_mode,
            judges_uplinks,
            map_ids,
            uplinks,
            host_cookie,
            predecessor,
            is_watching,
            is_in_force: false,
            _lock: lock,
        };
        datapath.inherit()?;
        Ok(datapath)
    }

    /// Attaches every hook, those of `uplinks` as well, then removes what earlier starts left
    /// behind. Where there is a predecessor its hooks are taken over one by one, so that each
    /// packet is judged by the one or the other; else both judge until then, and a packet must pass
    /// both. `accepted` tells the connections, this side first, that were opened to this node before.
    ///
    /// # Errors
    ///
    /// What the kernel refused; nothing of this start is then left attached, and an earlier
    /// start's hooks go on.
    pub fn attach(
        &mut self,
        uplinks: &[Uplink],
        accepted: impl FnOnce() -> Vec<(SocketAddr, SocketAddr)>,
    ) -> Result<UplinkChange, DatapathError> {
        let change = if self.is_watching {
            self.attach_all(uplinks, accepted)
        } else if let Some(old) = self.predecessor.take() {
            self.succeed(&old, uplinks, accepted)
        } else {
            let change = self.attach_all(uplinks, accepted);
            change.and_then(|change| self.folder.set_current(&self.instance).map(|()| change))
        };
        let change = change.inspect_err(|_| clean_up(&self.instance))?;
        if !self.is_watching {
            self.settle_in();
        }
        Ok(change)
    }

    /// Removes all others. From here on a failure leaves more than is needed at work, and no packet
    /// unjudged.
    pub(super) fn settle_in(&mut self) {
        self.is_in_force = true;
        if let Err(error) = self.remove_others() {
            tracing::error!(%error, "remove what an earlier start left behind");
            self.applied.leave_unsettled();
        }
    }

    fn remove_others(&mut self) -> Result<(), DatapathError> {
        for instance in self.folder.instances()? {
            if instance != self.instance {
                unload::remove(&instance, Some(&self.maps.uplinks))?;
            }
        }
        self.disinherit()
    }

    fn attach_all(
        &mut self,
        uplinks: &[Uplink],
        accepted: impl FnOnce() -> Vec<(SocketAddr, SocketAddr)>,
    ) -> Result<UplinkChange, DatapathError> {
        let mut accepted = Some(accepted);
        for hook in HOOKS {
            if hook.is_enforcing()
                && let Some(accepted) = accepted.take()
            {
                // Whoever connects from here on is seen by ingress; who has before is in the table.
                self.seed(&accepted())?;
            }
            hook.attach(&mut self.object, &self.cgroup, &self.instance)?;
        }
        // After the cgroup's: what those let pass is known at a device by their notes.
        let mut change = self.judge_uplinks(uplinks)?;
        match change.failed.pop() {
            Some((_, error)) => Err(error),
            None => Ok(change),
        }
    }

    /// Whether packets are judged by this start's programs.
    pub const fn is_in_force(&self) -> bool {
        self.is_in_force
    }

    /// Removes everything this start made; for a start that did not come to `ready`. One whose
    /// programs judge already stays in force.
    pub fn discard(self) {
        if !self.is_in_force {
            clean_up(&self.instance);
        }
    }

    /// How many instructions the verifier walked for each program; 0 where the kernel does not say
    /// (before 5.16).
    pub fn verified_instructions(&self) -> Result<Vec<(&'static str, u32)>, DatapathError> {
        HOOKS
            .iter()
            .chain(&UPLINK_HOOKS)
            .chain([&WRITER])
            .map(|hook| Ok((hook.program, hook.verified_instructions(&self.object)?)))
            .collect()
    }

    /// The ring by which the kernel hands questions over.
    pub fn handover(&self) -> Result<Handover, DatapathError> {
        Handover::open(&self.instance)
    }

    /// The ring by which the kernel tells of connections that it refuses.
    pub fn refused_connections(&self) -> Result<RefusedConnections, DatapathError> {
        RefusedConnections::open(&self.instance)
    }

    /// The folder of pins.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The cgroup that hooks are attached to.
    pub fn cgroup(&self) -> &Path {
        &self.cgroup
    }

    /// Writes what readers are told.
    pub fn write_document(&mut self, document: &Document) -> Result<(), DatapathError> {
        let pages = document.encode().map_err(|source| DatapathError::Document { source })?;
        for (index, page) in (0_u32..).zip(&pages) {
            self.maps
                .document
                .set(index, page.0, 0)
                .map_err(DatapathError::map("write", map::DOCUMENT))?;
        }
        Ok(())
    }

    /// Leaves a sign of life.
    pub fn beat(&mut self, now: BootTime) -> Result<(), DatapathError> {
        self.maps.heartbeat.set(0, now.0, 0).map_err(DatapathError::map("write", map::HEARTBEAT))
    }
}

/// Entries of `PASSED`: each processor keeps 128 that are free at hand (`LOCAL_FREE_TARGET`,
/// `kernel/bpf/bpf_lru_list.c`, 6.18), and as many again are for what is remembered.
fn passed_entries() -> u32 {
    let processors = aya::util::nr_cpus().unwrap_or(1);
    u32::try_from(processors).map_or(LEAST_PASSED, |it| LEAST_PASSED.max(it.saturating_mul(256)))
}

/// Numbers by which the programs understand what they remember, and nobody else does.
fn secrets() -> Result<Secrets, DatapathError> {
    let mut secrets = Secrets::default();
    for secret in &mut secrets {
        let mut bytes = [0; size_of::<u64>()];
        // The kernel hands out up to 256 bytes at once, and whole (getrandom(2)).
        getrandom(&mut bytes, GetRandomFlags::empty())
            .map_err(|error| DatapathError::Random(error.into()))?;
        *secret = u64::from_ne_bytes(bytes);
    }
    Ok(secrets)
}

/// Removal after a failure: the failure is what the caller hears of.
pub(super) fn clean_up(instance: &Instance) {
    if let Err(error) = unload::remove(instance, None) {
        tracing::warn!(%error, "remove what a failed start left behind");
    }
}

/// Kernels before 5.11 charge maps to this limit. Newer ones do not, and there a refusal means
/// nothing.
fn raise_memlock() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let unlimited = Rlimit { current: None, maximum: None };
    if let Err(error) = setrlimit(Resource::Memlock, unlimited) {
        tracing::debug!(%error, "raise the limit of locked memory");
    }
}
