use std::{net::SocketAddr, time::Instant};

use hickory_resolver::proto::rr::{DNSClass, rdata};

use super::{
    super::scripted::{Over, Server, a, answer, cname, good, name},
    *,
};

async fn look_up(server: SocketAddr, asked: &str) -> Result<(Vec<String>, u32), Failure> {
    let name = DomainName::parse(asked).unwrap();
    let found = Network.lookup(server, &name, Family::V4).await?;
    Ok((found.addresses.iter().map(ToString::to_string).collect(), found.ttl))
}

#[expect(clippy::unnecessary_wraps, reason = "an outcome, to compare with")]
fn found(last: u8, ttl: u32) -> Result<(Vec<String>, u32), Failure> {
    Ok((vec![format!("192.0.2.{last}")], ttl))
}

#[tokio::test]
async fn takes_an_answer_with_one_question() {
    let server = Server::start(|_, question| good(question, &[a("a.test.", 60, 1)])).await;

    assert_eq!(look_up(server.address, "a.test").await, found(1, 60));
    assert_eq!(server.questions(), 1);
}

#[tokio::test]
async fn asks_over_tcp_after_a_truncated_answer() {
    let server = Server::start(|over, question| match over {
        Over::Tcp => good(question, &[a("a.test.", 60, 1), a("a.test.", 60, 2)]),
        Over::Udp => truncated(question),
    })
    .await;

    let (addresses, _) = look_up(server.address, "a.test").await.unwrap();

    assert_eq!(addresses, ["192.0.2.1", "192.0.2.2"]);
}

#[tokio::test]
async fn takes_what_a_truncated_answer_holds_where_tcp_is_blocked() {
    let server = Server::start(|over, question| match over {
        Over::Tcp => vec![],
        Over::Udp => truncated(question),
    })
    .await;

    assert_eq!(look_up(server.address, "a.test").await, found(1, 60));
}

#[tokio::test]
async fn asks_over_tcp_where_udp_is_blocked() {
    let server = Server::start(|over, question| match over {
        Over::Tcp => good(question, &[a("a.test.", 60, 1)]),
        Over::Udp => vec![],
    })
    .await;

    assert_eq!(look_up(server.address, "a.test").await, found(1, 60));
}

#[tokio::test]
async fn believes_tcp_and_not_an_answer_whose_letters_changed_case() {
    let server = Server::start(|over, question| match over {
        Over::Tcp => good(question, &[a("some-long-name.test.", 60, 1)]),
        Over::Udp => {
            let mut forged =
                answer(question, ResponseCode::NoError, &[a("some-long-name.test.", 60, 66)]);
            forged.queries[0].name = name("some-long-name.test.");
            // Random case may have come out in small letters: then this is no change.
            let is_changed = question.queries[0].name().to_ascii() != "some-long-name.test.";
            if is_changed { vec![forged] } else { vec![] }
        }
    })
    .await;

    assert_eq!(look_up(server.address, "some-long-name.test").await, found(1, 60));
}

#[tokio::test]
async fn ignores_an_answer_with_another_id_or_to_another_question() {
    let server = Server::start(|_, question| {
        let forged = [a("a.test.", 60, 66)];
        let mut other_id = answer(question, ResponseCode::NoError, &forged);
        other_id.metadata.id = other_id.metadata.id.wrapping_add(1);
        let mut other_question = answer(question, ResponseCode::NoError, &forged);
        other_question.queries = vec![Query::query(name("b.test."), RecordType::A)];
        let mut answers = vec![other_id, other_question];
        answers.extend(good(question, &[a("a.test.", 60, 1)]));
        answers
    })
    .await;

    assert_eq!(look_up(server.address, "a.test").await, found(1, 60));
}

#[tokio::test]
async fn refuses_over_tcp_an_answer_to_another_question() {
    let server = Server::start(|over, question| match over {
        Over::Tcp => {
            let mut forged = answer(question, ResponseCode::NoError, &[a("a.test.", 60, 66)]);
            forged.queries = vec![Query::query(name("b.test."), RecordType::A)];
            vec![forged]
        }
        Over::Udp => vec![],
    })
    .await;

    let outcome = look_up(server.address, "a.test").await;

    assert!(matches!(outcome, Err(Failure::Malformed(_))), "{outcome:?}");
}

#[tokio::test]
async fn tells_apart_why_there_is_no_address() {
    type IsExpected = fn(&Failure) -> bool;
    const CASES: &[(ResponseCode, IsExpected)] = &[
        (ResponseCode::NoError, |failure| *failure == Failure::NoAddresses),
        (ResponseCode::NXDomain, |failure| *failure == Failure::NoSuchName),
        (ResponseCode::ServFail, |failure| matches!(failure, Failure::Refused(_))),
        (ResponseCode::Refused, |failure| matches!(failure, Failure::Refused(_))),
    ];
    // A script cannot hold a value: the name says what it answers.
    let server = Server::start(|_, question| {
        let asked = question.queries[0].name().to_ascii().to_ascii_lowercase();
        let code = CASES
            .iter()
            .map(|(code, _)| *code)
            .find(|code| asked.trim_end_matches('.') == owner(*code));
        vec![answer(question, code.unwrap(), &[])]
    })
    .await;

    for (code, is_expected) in CASES {
        let failure = look_up(server.address, &owner(*code)).await.unwrap_err();
        assert!(is_expected(&failure), "{code}: {failure:?}");
    }
}

#[tokio::test]
async fn learns_nothing_from_no_such_name_or_a_failure_that_holds_an_address() {
    let gone = Server::start(|_, question| {
        vec![answer(question, ResponseCode::NXDomain, &[a("a.test.", 60, 66)])]
    })
    .await;
    let failed = Server::start(|_, question| {
        vec![answer(question, ResponseCode::ServFail, &[a("a.test.", 60, 66)])]
    })
    .await;

    assert_eq!(look_up(gone.address, "a.test").await, Err(Failure::NoSuchName));
    assert!(matches!(look_up(failed.address, "a.test").await, Err(Failure::Refused(_))));
}

#[tokio::test]
async fn follows_a_chain_in_any_order_with_one_question() {
    let server = Server::start(|_, question| {
        let mut records = [
            cname("a.test.", 300, "B.test."),
            cname("b.test.", 30, "c.test."),
            a("C.test.", 60, 1),
        ];
        if question.queries[0].name() == &name("z.test.") {
            records = [
                a("c.test.", 60, 2),
                cname("b.test.", 30, "c.test."),
                cname("z.test.", 300, "b.test."),
            ];
        }
        good(question, &records)
    })
    .await;

    assert_eq!(look_up(server.address, "a.test").await, found(1, 30));
    assert_eq!(look_up(server.address, "z.test").await, found(2, 30));
    assert_eq!(server.questions(), 2);
}

#[tokio::test]
async fn does_not_ask_for_the_target_of_an_alias() {
    let server = Server::start(|_, question| {
        let is_target = question.queries[0].name() == &name("b.test.");
        let record = if is_target { a("b.test.", 60, 66) } else { cname("a.test.", 60, "b.test.") };
        good(question, &[record])
    })
    .await;

    assert_eq!(look_up(server.address, "a.test").await, Err(Failure::NoAddresses));
    assert_eq!(server.questions(), 1);
}

#[tokio::test]
async fn takes_no_record_of_another_owner_class_or_section() {
    let server = Server::start(|_, question| {
        let mut chaos = a("a.test.", 60, 66);
        chaos.dns_class = DNSClass::CH;
        let mut message =
            answer(question, ResponseCode::NoError, &[chaos, a("evil.test.", 60, 66)]);
        message.add_additional(a("a.test.", 60, 66));
        message.add_authority(a("a.test.", 60, 66));
        vec![message]
    })
    .await;

    assert_eq!(look_up(server.address, "a.test").await, Err(Failure::NoAddresses));
}

#[tokio::test]
async fn refuses_a_circle_of_aliases() {
    let server = Server::start(|_, question| {
        let circle = [cname("a.test.", 60, "b.test."), cname("b.test.", 60, "a.test.")];
        good(question, &circle)
    })
    .await;

    let outcome = look_up(server.address, "a.test").await;

    assert!(matches!(outcome, Err(Failure::Malformed(_))), "{outcome:?}");
    assert_eq!(outcome.unwrap_err().ignored_as(), Some("malformed"));
}

#[tokio::test]
async fn gives_up_on_a_silent_server_within_both_time_limits() {
    let server = Server::start(|_, _| vec![]).await;
    let began = Instant::now();

    assert_eq!(look_up(server.address, "a.test").await, Err(Failure::TimedOut));

    let limit = TIMEOUT * 2 + Duration::from_millis(900);
    assert!(began.elapsed() < limit, "{:?}", began.elapsed());
    assert!(server.questions() <= usize::from(DATAGRAMS) + 1, "{}", server.questions());
}

#[tokio::test]
async fn asks_for_names_with_underscores_and_for_the_family_that_is_wanted() {
    let server = Server::start(|_, question| {
        let asked = &question.queries[0];
        let v6 = rdata::AAAA("2001:db8::1".parse().unwrap());
        let owner = asked.name().clone();
        let record = hickory_resolver::proto::rr::Record::from_rdata(owner, 60, RData::AAAA(v6));
        good(
            question,
            if asked.query_type() == RecordType::AAAA {
                std::slice::from_ref(&record)
            } else {
                &[]
            },
        )
    })
    .await;
    let name = DomainName::parse("_a_b--c.x_y.test").unwrap();

    let v6 = Network.lookup(server.address, &name, Family::V6).await.unwrap();
    let v4 = Network.lookup(server.address, &name, Family::V4).await;

    assert_eq!(v6.addresses, ["2001:db8::1".parse::<IpAddr>().unwrap()]);
    assert_eq!(v4, Err(Failure::NoAddresses));
}

/// A name of its own for each response code.
fn owner(code: ResponseCode) -> String {
    format!("code{}.test", code.low())
}

fn truncated(question: &Message) -> Vec<Message> {
    let mut short = answer(question, ResponseCode::NoError, &[a("a.test.", 60, 1)]);
    short.metadata.truncation = true;
    vec![short]
}
