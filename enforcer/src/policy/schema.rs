//! The shape of a policy file, for editors: what `enforcer schema` prints.
//!
//! Only the JSON Schema is made from these types; [`super::parse`] reads the file by itself, since
//! a deserialiser would stop at the first fault. A test holds their keys together.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};

/// The JSON Schema of a policy file (draft 2020-12).
pub fn schema() -> Schema {
    schemars::schema_for!(EgressPolicy)
}

/// What a node may reach: every other packet that leaves it is dropped.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EgressPolicy {
    /// The version of this format.
    pub api_version: ApiVersion,
    /// The kind of document.
    pub kind: Kind,
    /// What the policy is called.
    pub metadata: Metadata,
    /// What the policy says.
    pub spec: Spec,
}

/// The version of the format.
#[derive(Debug, JsonSchema)]
pub enum ApiVersion {
    /// The only one.
    #[serde(rename = "enforcer.dev/v1alpha1")]
    V1Alpha1,
}

/// The kind of document.
#[derive(Debug, JsonSchema)]
pub enum Kind {
    /// The only one.
    EgressPolicy,
}

/// What the policy is called.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The name of the policy: 1 to 63 of `a-z 0-9 - _ . / @ : *`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9_./@:*-]+$"))]
    pub name: String,
    /// Accepted, without meaning here.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Accepted, without meaning here.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Accepted, without meaning here.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// What the policy says.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Spec {
    /// `enforce` (default) drops what no rule allows; `audit` lets it pass and counts it.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// Whose DNS answers are trusted, and for how long.
    #[serde(default)]
    pub dns: Option<Dns>,
    /// Published lists of destinations; their rules come after the file's own.
    #[serde(default)]
    pub presets: Vec<Preset>,
    /// The rules: the first that accepts a packet decides, and what none accepts is denied.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Ranges that address translation rewrites, such as `10.96.0.0/12` of Kubernetes services;
    /// an empty list states that nothing is translated.
    #[serde(default)]
    pub virtual_ranges: Option<Vec<String>>,
    /// Whether private addresses in DNS answers are learned, unless a rule says otherwise.
    #[serde(default)]
    pub allow_private_answers: bool,
    /// What may send past every hook; nothing, unless it is said here.
    #[serde(default)]
    pub bypass: Option<Bypass>,
    /// What becomes of packets that this node only forwards.
    #[serde(default)]
    pub forwarded: Option<Forwarded>,
}

/// What becomes of packets that this node only forwards.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forwarded {
    /// `drop` (default) says nothing to whoever sent a denied packet; `reject` sends a reset of
    /// TCP, or "administratively prohibited".
    #[serde(default)]
    pub denied: Option<Denied>,
}

/// What whoever sent a denied packet is told.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Denied {
    /// Nothing.
    Drop,
    /// That it is not let out.
    Reject,
}

/// What may send past every hook.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bypass {
    /// Whether sockets of `AF_XDP` may be set up.
    #[serde(default)]
    pub af_xdp: Option<Action>,
    /// Whether packet sockets may be told to bypass queueing (`PACKET_QDISC_BYPASS`).
    #[serde(default)]
    pub qdisc_bypass: Option<Action>,
}

/// What happens to a packet that no rule allows.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// It is dropped and counted.
    Enforce,
    /// It passes and is counted as a drop would be.
    Audit,
}

/// Whose DNS answers are trusted, and for how long.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dns {
    /// `system` (default: the servers of /etc/resolv.conf), addresses, or addresses with ports:
    /// `10.0.0.53`, `10.0.0.53:5353`, `[2001:db8::53]:5353`.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub resolvers: Option<Vec<String>>,
    /// The shortest lifetime of a learned address; `60s` by default.
    #[serde(default)]
    pub min_ttl: Option<Time>,
    /// The longest lifetime of a learned address; `1h` by default.
    #[serde(default)]
    pub max_ttl: Option<Time>,
    /// How long an address in use outlives its expiry; `60s` by default.
    #[serde(default)]
    pub grace: Option<Time>,
    /// How long the addresses of a name that no longer resolves are kept; `1h` by default.
    #[serde(default)]
    pub stale_ttl: Option<Time>,
    /// NAT64 prefixes of 32, 40, 48, 56, 64 or 96 bits; `64:ff9b::/96` by default.
    #[serde(default)]
    pub nat64: Option<Vec<String>>,
}

/// A number and a unit: `60s`, `5m`, `1h`, `1d`.
#[derive(Debug, JsonSchema)]
pub struct Time(#[schemars(regex(pattern = r"^[0-9]+[smhd]$"))] pub String);

/// A preset, as `enforcer presets` lists them.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Its name, such as `aks` (the newest) or `aks@2026-06`.
    pub name: String,
    /// Values of its parameters.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// Groups of rows wanted besides the required ones, such as `optional`.
    #[serde(default)]
    pub include: Vec<String>,
    /// Rows or groups that are not wanted.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// The workloads that its rules are for; every workload by default.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub from: Option<Vec<From>>,
}

/// One rule: who may (or may not) reach what.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Unique in the policy: 1 to 63 of `a-z 0-9 - _ . / @ : *`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9_./@:*-]+$"))]
    pub name: String,
    /// `allow` (default) or `deny`.
    #[serde(default)]
    pub action: Option<Action>,
    /// The workloads the rule is for; every workload by default.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub from: Option<Vec<From>>,
    /// The destinations.
    #[schemars(length(min = 1))]
    pub to: Vec<To>,
    /// `tcp/443`, `tcp/8000-8010`, `udp/any`, `tcp`, `sctp/3868`, `icmp`, `ip/47` (a protocol by its
    /// number), `any` (every protocol). Left out: TCP, UDP and ICMP for an allow, everything for a
    /// deny.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub ports: Option<Vec<String>>,
    /// Whether private addresses in DNS answers are learned for this rule.
    #[serde(default)]
    pub allow_private_answers: Option<bool>,
}

/// What a rule does with a packet that it accepts.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// The packet passes.
    Allow,
    /// The packet is dropped.
    Deny,
}

/// A set of sending processes: one of `cgroup`, `unit`, `container` and `pod`.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct From {
    /// A cgroup and all below it, from the cgroup v2 root: `/system.slice/ci.service`.
    #[serde(default)]
    #[schemars(regex(pattern = "^/"))]
    pub cgroup: Option<String>,
    /// A unit of systemd: `ci.service`, or `ci@*.service` for every instance. Units of users'
    /// service managers are not meant.
    #[serde(default)]
    #[schemars(regex(pattern = r"\.(service|scope|slice)$"))]
    pub unit: Option<String>,
    /// A container: its id, or at least the first 12 digits of it.
    #[serde(default)]
    #[schemars(regex(pattern = "^[0-9a-f]{12,64}$"))]
    pub container: Option<String>,
    /// A pod by its uid, or `any` for every pod.
    #[serde(default)]
    pub pod: Option<String>,
}

/// A set of destinations: `fqdn` or `cidr`.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct To {
    /// A name, or a pattern in quotes: `"*.example.com"` (one or more labels),
    /// `"md-*.example.com"` (part of one label).
    #[serde(default)]
    pub fqdn: Option<String>,
    /// How many labels a leading `*.` stands for; one or more by default.
    #[serde(default)]
    #[schemars(range(min = 1, max = 126))]
    pub labels: Option<u8>,
    /// A range, an address, or `any` for both families.
    #[serde(default)]
    pub cidr: Option<String>,
    /// Ranges inside `cidr` that are not meant.
    #[serde(default)]
    pub except: Option<Vec<String>>,
}
