//! A name server in the world, over UDP and TCP.

mod zone;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hickory_proto::{
    op::{Message, MessageType, ResponseCode},
    rr::RecordType,
};

pub use self::zone::{Behaviour, Zone};
use crate::{
    dns::{self, PLAIN_UDP_BYTES},
    netns::Netns,
    probe::Transport,
    service::Service,
};

/// A server that answers from a [`Zone`] and counts what it was asked.
#[derive(Debug)]
pub struct NameServer {
    shared: Arc<Shared>,
    _services: Vec<Service>,
}

#[derive(Debug)]
struct Shared {
    zone: Mutex<Zone>,
    asked: Mutex<BTreeMap<(String, RecordType), u64>>,
}

impl NameServer {
    /// Starts one that listens on each of `addresses`.
    ///
    /// # Errors
    ///
    /// That an address cannot be bound.
    pub fn start(
        world: &Netns,
        addresses: impl IntoIterator<Item = SocketAddr>,
        zone: Zone,
    ) -> anyhow::Result<Self> {
        let shared =
            Arc::new(Shared { zone: Mutex::new(zone), asked: Mutex::new(BTreeMap::new()) });
        let asked = Arc::clone(&shared);
        let services =
            dns::serve(world, addresses, move |query, transport| asked.answer(query, transport))?;
        Ok(Self { shared, _services: services })
    }

    /// Changes the zone while it is served.
    pub fn change(&self, change: impl FnOnce(&mut Zone)) {
        change(&mut lock(&self.shared.zone));
    }

    /// How often a name was asked for, over all types and transports.
    pub fn queries_for(&self, name: &str) -> u64 {
        let asked = lock(&self.shared.asked);
        asked.iter().filter(|((asked, _), _)| asked == name).map(|(_, count)| count).sum()
    }

    /// How many queries came.
    pub fn queries(&self) -> u64 {
        lock(&self.shared.asked).values().sum()
    }
}

impl Shared {
    /// The answer to a message; `None`: silence.
    fn answer(&self, bytes: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let query = Message::from_vec(bytes).ok()?;
        let question = query.queries.first()?.clone();
        let name = zone::canonical(&question.name.to_ascii());
        *lock(&self.asked).entry((name.clone(), question.query_type)).or_default() += 1;

        let found = lock(&self.zone).look_up(&name, question.query_type);
        let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
        answer.metadata.message_type = MessageType::Response;
        answer.metadata.recursion_desired = query.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        answer.add_query(question);
        let limit =
            query.edns.as_ref().map_or(PLAIN_UDP_BYTES, |_| usize::from(query.max_payload()));
        if query.edns.is_some() {
            answer.set_edns(hickory_proto::op::Edns::new());
        }
        match found.behaviour {
            Behaviour::Silence => return None,
            Behaviour::NxDomain => answer.metadata.response_code = ResponseCode::NXDomain,
            Behaviour::ServFail => answer.metadata.response_code = ResponseCode::ServFail,
            Behaviour::TruncateUdp if transport == Transport::Udp => {
                answer.metadata.truncation = true;
            }
            Behaviour::OtherId => {
                answer.metadata.id ^= 1;
                answer.add_answers(found.records);
            }
            Behaviour::Answer | Behaviour::TruncateUdp => {
                answer.add_answers(found.records);
            }
        }
        let encoded = answer.to_vec().ok()?;
        if transport == Transport::Udp && encoded.len() > limit {
            answer.answers.clear();
            answer.metadata.truncation = true;
            return answer.to_vec().ok();
        }
        Some(encoded)
    }
}

/// What a panicked thread left is as good as before: each change is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
