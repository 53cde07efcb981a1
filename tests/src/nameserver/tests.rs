use hickory_proto::rr::RecordType;

use super::{Behaviour, Zone};

#[test]
fn answers_with_the_family_asked_for() {
    let zone =
        Zone::new().with("a.test", ["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()]);

    for (kind, expected) in [(RecordType::A, 1), (RecordType::AAAA, 1), (RecordType::TXT, 0)] {
        let found = zone.look_up("a.test", kind);

        assert_eq!(found.behaviour, Behaviour::Answer, "{kind}");
        assert_eq!(found.records.len(), expected, "{kind}");
    }
}

#[test]
fn follows_an_alias_and_names_it_first() {
    let zone = Zone::new()
        .with_alias("www.test", "cdn.test")
        .with("cdn.test", ["192.0.2.7".parse().unwrap()]);

    let kinds: Vec<_> = zone
        .look_up("www.test", RecordType::A)
        .records
        .iter()
        .map(hickory_proto::rr::Record::record_type)
        .collect();

    assert_eq!(kinds, [RecordType::CNAME, RecordType::A]);
}

#[test]
fn knows_no_name_beyond_the_generated_ones() {
    let zone = Zone::new().with_generated("load.test", 100);

    for (name, expected) in [
        ("host-00000.load.test", Behaviour::Answer),
        ("host-00099.load.test", Behaviour::Answer),
        ("host-00100.load.test", Behaviour::NxDomain),
        ("host-00001.overload.test", Behaviour::NxDomain),
        ("load.test", Behaviour::NxDomain),
    ] {
        assert_eq!(zone.look_up(name, RecordType::A).behaviour, expected, "{name}");
    }
}

#[test]
fn ends_a_chain_that_bites_its_tail() {
    let zone = Zone::new().with_alias("a.test", "b.test").with_alias("b.test", "a.test");

    assert_eq!(zone.look_up("a.test", RecordType::A).records.len(), 16);
    assert!(zone.addresses("a.test").is_empty());
}
