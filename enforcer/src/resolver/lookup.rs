//! Asking one server one question: the only place that knows the resolver library.
//!
//! The library's resolver proper is not used, only its transports. It asks for the target of a
//! CNAME by itself, takes addresses out of an NXDOMAIN, and lets the first of several servers
//! decide; here the answer to the name asked is the only one that counts, and each server's own.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    net::{
        NetError,
        runtime::TokioRuntimeProvider,
        tcp::TcpClientStream,
        udp::UdpClientStream,
        xfer::{DnsHandle as _, DnsRequestSender as _, FirstAnswer as _},
    },
    proto::{
        op::{DnsRequest, DnsRequestOptions, Message, MessageType, OpCode, Query, ResponseCode},
        rr::{DNSClass, Name, RData, RecordType},
    },
};

use super::chain::{self, Answer, Data, Record};
use crate::fqdn::DomainName;

/// For one transport. A lookup tries UDP, then TCP, so it ends within twice that.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Datagrams sent before UDP is given up, a second apart.
const DATAGRAMS: u8 = 2;
const RESEND_MS: u64 = 1_000;
/// RFC 9715's safe size: larger answers are asked for over TCP.
const UDP_PAYLOAD_BYTES: u16 = 1_232;

/// Which addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    /// Both, in the order in which they are asked for.
    pub(super) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// Whether an address is of the family.
    pub(super) fn has(self, address: IpAddr) -> bool {
        (self == Self::V4) == address.is_ipv4()
    }

    fn record_type(self) -> RecordType {
        match self {
            Self::V4 => RecordType::A,
            Self::V6 => RecordType::AAAA,
        }
    }
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
    /// No answer in time.
    #[error("no server answered in time")]
    TimedOut,
    /// The server refused or failed.
    #[error("the server answered {0}")]
    Refused(String),
    /// An answer that cannot be right.
    #[error("malformed answer: {0}")]
    Malformed(String),
    /// Anything else.
    #[error("{0}")]
    Broken(String),
}

impl Failure {
    /// Whether the server said for certain that there is nothing.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(self, Self::NoSuchName | Self::NoAddresses)
    }

    /// The reason under which it is counted as an answer that taught nothing; `None` where there
    /// was no answer, or a name simply has no address of a family.
    pub(super) fn ignored_as(&self) -> Option<&'static str> {
        match self {
            Self::NoSuchName | Self::Refused(_) => Some("negative"),
            Self::Malformed(_) => Some("malformed"),
            Self::NoAddresses | Self::TimedOut | Self::Broken(_) => None,
        }
    }
}

/// Something that can ask servers.
pub(super) trait Lookup: Send + Sync + 'static {
    /// The addresses of one family that one server has for a name. Ends in bounded time.
    fn lookup(
        &self,
        server: SocketAddr,
        name: &DomainName,
        family: Family,
    ) -> impl Future<Output = Result<Answer, Failure>> + Send;
}

/// The servers on the network.
pub(super) struct Network;

impl Lookup for Network {
    async fn lookup(
        &self,
        server: SocketAddr,
        name: &DomainName,
        family: Family,
    ) -> Result<Answer, Failure> {
        let mut asked = Name::from_ascii(name.as_str())
            .map_err(|error| Failure::Broken(format!("encode the name: {error}")))?;
        asked.set_fqdn(true);
        let query = Query::query(asked, family.record_type());
        let message = match over_udp(server, &query).await {
            Ok(answer) if !answer.truncation => answer,
            // What a matched answer holds is true, though short: without TCP it is used as it is.
            Ok(short) => over_tcp(server, &query).await.unwrap_or(short),
            Err(error) if is_passing(&error) => {
                // UDP is how it should answer, so what went wrong there is what is told.
                over_tcp(server, &query).await.map_err(|_over_tcp| failure(&error))?
            }
            Err(error) => return Err(failure(&error)),
        };
        read(name, &query, &message)
    }
}

/// Random port, random id and random case of the letters make an answer hard to forge (RFC 5452).
async fn over_udp(server: SocketAddr, query: &Query) -> Result<Message, NetError> {
    let mut stream = UdpClientStream::builder(server, TokioRuntimeProvider::default())
        .with_timeout(Some(TIMEOUT))
        .with_max_retries(DATAGRAMS)
        .with_retry_interval_floor(RESEND_MS)
        .build();
    let answer = stream.send_message(request(query, true)).first_answer().await?;
    Ok(answer.into_message())
}

/// A connection of its own, closed after the answer.
async fn over_tcp(server: SocketAddr, query: &Query) -> Result<Message, NetError> {
    // The connection lives in the provider's background: both end with this future.
    let provider = TokioRuntimeProvider::default();
    let exchange = async {
        let connected =
            TcpClientStream::exchange(server, None, TIMEOUT, None, provider.clone()).await?;
        let answer = connected.send(request(query, false)).first_answer().await?;
        Ok(answer.into_message())
    };
    tokio::time::timeout(TIMEOUT, exchange).await.unwrap_or(Err(NetError::Timeout))
}

fn request(query: &Query, mixes_case: bool) -> DnsRequest {
    let mut options = DnsRequestOptions::default();
    options.use_edns = true;
    options.edns_payload_len = UDP_PAYLOAD_BYTES;
    options.recursion_desired = true;
    options.case_randomization = mixes_case;
    DnsRequest::from_query(query.clone(), options)
}

/// Whether TCP may do better: UDP is blocked or lost, or somebody may be guessing.
fn is_passing(error: &NetError) -> bool {
    matches!(error, NetError::Timeout | NetError::Io(_) | NetError::QueryCaseMismatch)
}

/// The addresses that an answer leads to.
fn read(name: &DomainName, query: &Query, message: &Message) -> Result<Answer, Failure> {
    let is_answer = message.metadata.message_type == MessageType::Response
        && message.metadata.op_code == OpCode::Query
        && matches!(message.queries.as_slice(), [echoed] if echoed == query);
    if !is_answer {
        return Err(Failure::Malformed("to another question".to_owned()));
    }
    // Whatever addresses the answer holds beside its code.
    let code = message.metadata.response_code;
    if code == ResponseCode::NXDomain {
        return Err(Failure::NoSuchName);
    }
    if code != ResponseCode::NoError {
        return Err(Failure::Refused(code.to_str().to_owned()));
    }
    let records: Vec<Record> = message.answers.iter().filter_map(record).collect();
    let answer = chain::follow(name, &records)
        .ok_or_else(|| Failure::Malformed("the chain of aliases is too long".to_owned()))?;
    if answer.addresses.is_empty() { Err(Failure::NoAddresses) } else { Ok(answer) }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every other kind of record is skipped")]
fn record(record: &hickory_resolver::proto::rr::Record) -> Option<Record> {
    let text = |name: &Name| name.to_ascii().trim_end_matches('.').to_ascii_lowercase();
    if record.dns_class != DNSClass::IN {
        return None;
    }
    let data = match &record.data {
        RData::CNAME(target) => Data::Alias(text(&target.0)),
        RData::A(address) => Data::Address(IpAddr::V4(address.0)),
        RData::AAAA(address) => Data::Address(IpAddr::V6(address.0)),
        _ => return None,
    };
    Some(Record { owner: text(&record.name), ttl: record.ttl, data })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library's errors are many and grow")]
fn failure(error: &NetError) -> Failure {
    match error {
        NetError::Timeout => Failure::TimedOut,
        NetError::Proto(error) => Failure::Malformed(error.to_string()),
        other => Failure::Broken(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
