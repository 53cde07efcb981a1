//! What names stand for, judged by another reader of messages.

use hickory_proto::{
    op::{Edns, Message, Query},
    rr::{Name, RecordType},
};

use super::*;

fn answer(name: &str, kind: RecordType, takes: Option<u16>, is_datagram: bool) -> Option<Message> {
    let mut query = Message::query();
    query.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    if let Some(takes) = takes {
        let mut edns = Edns::new();
        edns.set_max_payload(takes);
        query.set_edns(edns);
    }
    let query = query.to_vec().unwrap();
    let answer = Question::read(&query)?.answer(&query, is_datagram)?;
    Some(Message::from_vec(&answer).unwrap())
}

fn addresses(message: &Message) -> Vec<IpAddr> {
    message.answers.iter().filter_map(|record| record.data.ip_addr()).collect()
}

#[test]
fn a_number_has_an_address_of_its_own_in_each_family() {
    for (kind, family) in [(RecordType::A, Family::V4), (RecordType::AAAA, Family::V6)] {
        let first = answer("n65537.RACE.test.", kind, None, true).unwrap();
        let second = answer("n65538.race.test.", kind, None, true).unwrap();

        assert_eq!(addresses(&first), [Form::Plain.address(65_537, family)]);
        assert_ne!(addresses(&first), addresses(&second));
    }
}

#[test]
fn a_cut_answer_is_whole_over_tcp() {
    let cut = answer("n7.cut.race.test.", RecordType::A, Some(4_096), true).unwrap();
    let whole = answer("n7.cut.race.test.", RecordType::A, None, false).unwrap();

    assert!(cut.metadata.truncation && cut.answers.is_empty());
    assert!(!whole.metadata.truncation);
    assert_eq!(addresses(&whole), [Form::Cut.address(7, Family::V4)]);
}

#[test]
fn many_addresses_come_only_to_who_takes_them() {
    for kind in [RecordType::A, RecordType::AAAA] {
        let many = answer("n7.many.race.test.", kind, Some(4_096), true).unwrap();
        let cut = answer("n7.many.race.test.", kind, Some(1_232), true).unwrap();

        assert!(many.answers.len() >= 40 && many.to_vec().unwrap().len() > 1_232);
        assert!(cut.metadata.truncation && cut.answers.is_empty());
    }
}

#[test]
fn says_nothing_where_silence_is_asked_for() {
    assert!(answer("n7.silent.race.test.", RecordType::A, None, true).is_none());
    let other = answer("n7.race.test.", RecordType::TXT, None, true).unwrap();
    assert!(other.answers.is_empty());
}
