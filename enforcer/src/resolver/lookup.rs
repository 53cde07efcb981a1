//! Asking the servers: the one place that knows the resolver library.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{DnsError, NetError, NoRecords, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{Name, RData, RecordType},
    },
};

use super::chain::{self, Answer, Data, Record};
use crate::fqdn::DomainName;

/// For one try; with two tries and two servers at once a dead server costs little.
const TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 2;
/// RFC 9715's safe size: larger answers are asked for over TCP.
const UDP_PAYLOAD_BYTES: u16 = 1_232;
/// Queries on one TCP connection; the driver asks for fewer names at once.
const ACTIVE_REQUESTS: usize = 1_024;

/// Which addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// Why a lookup gave no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// NXDOMAIN.
    #[error("no such name")]
    NoSuchName,
    /// The name exists and has no address of the family.
    #[error("no addresses")]
    NoAddresses,
    /// No server answered in time.
    #[error("no server answered in time")]
    TimedOut,
    /// A server refused or failed.
    #[error("the server answered {0}")]
    Refused(String),
    /// Anything else.
    #[error("{0}")]
    Broken(String),
}

impl Failure {
    /// Whether asking again soon would not help.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(self, Self::NoSuchName | Self::NoAddresses)
    }

    /// The reason under which it is counted as an answer that taught nothing; `None` where there
    /// was no answer, or a name simply has no address of a family.
    pub(super) fn ignored_as(&self) -> Option<&'static str> {
        match self {
            Self::NoSuchName | Self::Refused(_) => Some("negative"),
            Self::NoAddresses | Self::TimedOut | Self::Broken(_) => None,
        }
    }
}

/// Servers that can be asked.
pub(super) trait Lookup: Send + Sync + 'static {
    /// The addresses of a name, one family at a time.
    fn lookup(
        &self,
        name: &DomainName,
        family: Family,
    ) -> impl Future<Output = Result<Answer, Failure>> + Send;
}

/// The library, with everything off that would answer without asking.
pub(super) struct Hickory {
    resolver: Result<TokioResolver, String>,
}

impl Hickory {
    /// Asks two servers at once where there are several, whichever were fastest first.
    pub(super) fn new(servers: &[SocketAddr]) -> Self {
        let name_servers = servers.iter().map(|server| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            let connections = connections.map(|mut connection| {
                connection.port = server.port();
                connection
            });
            // Without trust a "no such name" of one server would be asked of every other.
            NameServerConfig::new(server.ip(), true, connections.into())
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), name_servers.collect());
        let mut options = ResolverOpts::default();
        options.ndots = 0;
        options.timeout = TIMEOUT;
        options.attempts = ATTEMPTS;
        options.edns0 = true;
        options.edns_payload_len = UDP_PAYLOAD_BYTES;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.preserve_intermediates = true;
        options.max_active_requests = ACTIVE_REQUESTS;
        options.case_randomization = true;
        let resolver = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()
            .map_err(|error| error.to_string());
        Self { resolver }
    }
}

impl Lookup for Hickory {
    async fn lookup(&self, name: &DomainName, family: Family) -> Result<Answer, Failure> {
        let resolver = self.resolver.as_ref().map_err(|error| Failure::Broken(error.clone()))?;
        let mut asked = Name::from_ascii(name.as_str())
            .map_err(|error| Failure::Broken(format!("encode the name: {error}")))?;
        asked.set_fqdn(true);
        let kind = match family {
            Family::V4 => RecordType::A,
            Family::V6 => RecordType::AAAA,
        };
        let found = resolver.lookup(asked, kind).await.map_err(failure)?;
        let records: Vec<Record> = found.answers().iter().filter_map(record).collect();
        let answer = chain::follow(name, &records);
        if answer.addresses.is_empty() { Err(Failure::NoAddresses) } else { Ok(answer) }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every other kind of record is skipped")]
fn record(record: &hickory_resolver::proto::rr::Record) -> Option<Record> {
    let text = |name: &Name| name.to_ascii().trim_end_matches('.').to_ascii_lowercase();
    let data = match &record.data {
        RData::CNAME(target) => Data::Alias(text(&target.0)),
        RData::A(address) => Data::Address(IpAddr::V4(address.0)),
        RData::AAAA(address) => Data::Address(IpAddr::V6(address.0)),
        _ => return None,
    };
    Some(Record { owner: text(&record.name), ttl: record.ttl, data })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library's errors are many and grow")]
fn failure(error: NetError) -> Failure {
    match error {
        NetError::Timeout => Failure::TimedOut,
        NetError::Dns(DnsError::NoRecordsFound(NoRecords { response_code, .. })) => {
            match response_code {
                ResponseCode::NXDomain => Failure::NoSuchName,
                ResponseCode::NoError => Failure::NoAddresses,
                other => Failure::Refused(other.to_str().to_owned()),
            }
        }
        NetError::Dns(DnsError::ResponseCode(code)) => Failure::Refused(code.to_str().to_owned()),
        other => Failure::Broken(other.to_string()),
    }
}
