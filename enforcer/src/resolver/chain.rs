//! From the records of an answer to the addresses that the answer itself leads to.

use std::net::IpAddr;

use crate::fqdn::DomainName;

/// Longest chain that is followed.
const MAX_STEPS: usize = 16;

/// A record, as far as it matters here. Names are lower case, without the last dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) owner: String,
    pub(super) ttl: u32,
    pub(super) data: Data,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Data {
    Alias(String),
    Address(IpAddr),
}

/// The addresses of a name, and the shortest time to live on the way to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) ttl: u32,
}

/// Follows the aliases from the name asked; records may come in any order. Records of other
/// owners are not looked at. `None`: the chain is too long, loops included.
pub(super) fn follow(asked: &DomainName, records: &[Record]) -> Option<Answer> {
    let mut current = asked.as_str();
    let mut ttl = u32::MAX;
    for _ in 0..=MAX_STEPS {
        let alias = records.iter().find_map(|record| match &record.data {
            Data::Alias(target) if record.owner == current => Some((target, record.ttl)),
            Data::Alias(_) | Data::Address(_) => None,
        });
        if let Some((target, alias_ttl)) = alias {
            (current, ttl) = (target, ttl.min(counted(alias_ttl)));
            continue;
        }
        let of_owner = records.iter().filter(|record| record.owner == current);
        let found = of_owner.filter_map(|record| match record.data {
            Data::Address(address) => Some((address, record.ttl)),
            Data::Alias(_) => None,
        });
        let (addresses, ttls): (Vec<_>, Vec<_>) = found.unzip();
        return Some(Answer { addresses, ttl: ttls.into_iter().map(counted).fold(ttl, u32::min) });
    }
    None
}

/// A time to live as it counts: one with the top bit set is zero (RFC 2181, 8).
fn counted(ttl: u32) -> u32 {
    if ttl >> 31 == 0 { ttl } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(owner: &str, ttl: u32, target: &str) -> Record {
        Record { owner: owner.to_owned(), ttl, data: Data::Alias(target.to_owned()) }
    }

    fn address(owner: &str, ttl: u32, text: &str) -> Record {
        Record { owner: owner.to_owned(), ttl, data: Data::Address(text.parse().unwrap()) }
    }

    fn check(records: &[Record]) -> (Vec<String>, u32) {
        let answer = follow(&DomainName::parse("a.test").unwrap(), records).unwrap();
        (answer.addresses.iter().map(ToString::to_string).collect(), answer.ttl)
    }

    #[test]
    fn takes_every_address_of_the_name_and_the_shortest_ttl() {
        let records = [address("a.test", 300, "192.0.2.1"), address("a.test", 20, "192.0.2.2")];

        assert_eq!(check(&records), (vec!["192.0.2.1".into(), "192.0.2.2".into()], 20));
    }

    #[test]
    fn counts_a_ttl_with_the_top_bit_as_zero_also_where_another_is_shorter() {
        let top = [alias("a.test", 1 << 31, "b.test"), address("b.test", 300, "192.0.2.1")];
        assert_eq!(check(&top).1, 0);

        let below = [alias("a.test", (1 << 31) - 1, "b.test"), address("b.test", 300, "192.0.2.1")];
        assert_eq!(check(&below).1, 300);
    }

    #[test]
    fn follows_aliases_in_any_order_with_the_shortest_ttl_on_the_way() {
        let records = [
            address("c.cdn", 300, "192.0.2.1"),
            alias("b.test", 60, "c.cdn"),
            alias("a.test", 600, "b.test"),
        ];

        assert_eq!(check(&records), (vec!["192.0.2.1".into()], 60));
    }

    #[test]
    fn takes_nothing_that_the_chain_does_not_lead_to() {
        let stranger = [address("evil.test", 300, "192.0.2.66")];
        assert!(check(&stranger).0.is_empty());

        let beside = [
            alias("a.test", 60, "b.test"),
            address("a.test", 60, "192.0.2.66"),
            address("b.test", 60, "192.0.2.1"),
        ];
        assert_eq!(check(&beside).0, ["192.0.2.1"]);
    }

    #[test]
    fn gives_up_on_loops_and_on_chains_over_the_bound() {
        let asked = DomainName::parse("a.test").unwrap();
        let circle = [alias("a.test", 60, "b.test"), alias("b.test", 60, "a.test")];
        assert_eq!(follow(&asked, &circle), None);

        let chain = |steps: usize| {
            let owner = |step: usize| {
                if step == 0 { "a.test".to_owned() } else { format!("n{step}.test") }
            };
            let mut records: Vec<_> =
                (0..steps).map(|step| alias(&owner(step), 60, &owner(step + 1))).collect();
            records.push(address(&owner(steps), 60, "192.0.2.1"));
            records
        };
        assert_eq!(check(&chain(MAX_STEPS)).0, ["192.0.2.1"]);
        assert_eq!(follow(&asked, &chain(MAX_STEPS + 1)), None);
    }
}
