//! HTTPS and SVCB records (RFC 9460).

use super::{super::super::record_type::SVCB, *};

/// Key and value.
type Parameter<'a> = (u16, &'a [u8]);

const ROOT: &[u8] = &[0];
/// 10.0.0.1 and 10.0.0.2 as a hint.
const HINT: Parameter<'_> = (4, &[10, 0, 0, 1, 10, 0, 0, 2]);
const HINT_V6: Parameter<'_> = (6, &[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
const ALPN: Parameter<'_> = (1, b"\x02h2");

#[test]
fn hints_of_the_name_itself_are_learned() {
    let (none, own, other) = (ROOT.to_vec(), wire("WWW.example.com"), wire("svc.net"));
    for (target, is_learned) in [(none, true), (own, true), (other, false)] {
        let learned = service(HTTPS, &target, &[ALPN, HINT, HINT_V6]).learn();

        if is_learned {
            let v6 = <[u8; 16]>::try_from(HINT_V6.1).unwrap().into();
            let (mut addresses, ttl) = addresses(&[1, 2], 9).unwrap();
            addresses.push(v6);
            assert_eq!(learned, Ok((addresses, ttl)), "{target:?}");
        } else {
            assert!(nothing(&learned), "{target:?}");
        }
    }
}

#[test]
fn bindings_count_only_where_they_were_asked_for() {
    for (asked, kind, is_learned) in [
        (HTTPS, HTTPS, true),
        (SVCB, SVCB, true),
        (ANY, HTTPS, true),
        (ANY, SVCB, true),
        (A, HTTPS, false),
        (AAAA, HTTPS, false),
        (HTTPS, SVCB, false),
        (SVCB, HTTPS, false),
    ] {
        let data = binding(1, ROOT, &[HINT]);
        let learned = Answer::to(asked).record(&NAME, kind, 1, 9, &data).learn();

        assert_eq!(learned == addresses(&[1, 2], 9), is_learned, "{asked} {kind}");
        assert_eq!(nothing(&learned), !is_learned, "{asked} {kind}");
    }
}

#[test]
fn bindings_of_other_owners_are_skipped_whatever_they_hold() {
    let answer = Answer::to(HTTPS).record(&wire("b.net"), HTTPS, 1, 1, &[0]);

    assert_eq!(answer.a(&NAME, 9, 1).learn(), addresses(&[1], 9));
}

#[test]
fn an_alias_is_followed_and_an_alias_to_the_root_is_not() {
    let target = wire("pool.net");
    let data = binding(0, &target, &[]);
    let followed = Answer::to(HTTPS).record(&NAME, HTTPS, 1, 5, &data).record(
        &target,
        HTTPS,
        1,
        9,
        &binding(1, ROOT, &[HINT]),
    );
    assert_eq!(followed.learn(), addresses(&[1, 2], 5));

    let none = Answer::to(HTTPS).record(&NAME, HTTPS, 1, 5, &binding(0, ROOT, &[]));
    assert_eq!(none.a(&NAME, 9, 1).learn(), addresses(&[1], 9));
    // RFC 9460, 2.4.2: the parameters of an alias are ignored.
    let odd = [binding(0, &target, &[]), vec![0xff; 3]].concat();
    let answer = Answer::to(HTTPS).record(&NAME, HTTPS, 1, 5, &odd).a(&target, 9, 1);
    assert_eq!(answer.learn(), addresses(&[1], 5));
}

#[test]
fn parameters_out_of_order_or_of_a_wrong_length_make_the_message_malformed() {
    const SIX: &[u8] = &[1, 2, 3, 4, 5, 6];
    let cases: [(&str, &[Parameter<'_>]); 11] = [
        ("falling", &[HINT, ALPN]),
        ("twice", &[HINT, HINT]),
        ("empty twice", &[(2, b""), (2, b"")]),
        ("last key twice", &[(65_535, b""), (65_535, b"")]),
        ("v4 of none", &[(4, b"")]),
        ("v4 of three", &[(4, &[1, 2, 3])]),
        ("v4 of six", &[(4, SIX)]),
        ("v6 of none", &[(6, b"")]),
        ("v6 of four", &[(6, &[1, 2, 3, 4])]),
        ("v6 of six", &[(6, SIX)]),
        ("v6 of eight behind v4", &[HINT, (6, &[0; 8])]),
    ];
    for (label, parameters) in cases {
        for target in [ROOT.to_vec(), wire("svc.net")] {
            let learned = service(HTTPS, &target, parameters).a(&NAME, 9, 1).learn();

            assert_eq!(learned, Err(Walked::Malformed), "{label}");
        }
    }
    let odd = [(0, b"".as_slice()), (3, b"\x01"), (5, b"x"), (7, b""), (65_535, b"\0")];
    assert_eq!(service(HTTPS, ROOT, &odd).a(&NAME, 9, 1).learn(), addresses(&[1], 9));
}

#[test]
fn a_binding_cut_at_any_byte_is_malformed() {
    let data = binding(1, ROOT, &[ALPN, HINT]);
    // Behind these the target, or a parameter, has come to its end.
    let ends = [3, 10, data.len()];
    for length in 0..=data.len() {
        let learned = Answer::to(HTTPS).record(&NAME, HTTPS, 1, 9, &data[..length]).learn();

        assert_eq!(learned.is_ok(), ends.contains(&length), "{length}: {learned:?}");
    }
}

#[test]
fn a_target_that_is_compressed_is_malformed() {
    // RFC 9460, 2.2; also where the pointer leads to the name that is looked for.
    for (to, priority) in [(12, 1), (16, 1), (28, 1), (12, 0), (16, 0)] {
        let data = binding(priority, &pointer(to), &[]);
        let learned = Answer::to(HTTPS).record(&NAME, HTTPS, 1, 9, &data).learn();

        assert_eq!(learned, Err(Walked::Malformed), "{to}, priority {priority}");
    }
}

#[test]
fn a_target_that_runs_past_its_record_is_malformed() {
    for priority in [0, 1] {
        let mut data = binding(priority, &wire("svc.net"), &[]);
        data.pop();
        let answer = Answer::to(HTTPS).record(&NAME, HTTPS, 1, 9, &data).a(&wire(""), 9, 1);

        assert_eq!(answer.learn(), Err(Walked::Malformed), "{priority}");
    }
}

#[test]
fn hints_count_as_addresses_do() {
    let hints = vec![1; 4 * MAX_FOUND as usize];
    let most = service(HTTPS, ROOT, &[(4, &hints)]);
    assert_eq!(most.learn().map(|(addresses, _)| addresses.len()), Ok(MAX_FOUND as usize));
    let more = service(HTTPS, ROOT, &[(4, &hints)]).a(&NAME, 9, 1);
    assert_eq!(more.learn(), Err(Walked::OverBound));
}

fn service(kind: u32, target: &[u8], parameters: &[Parameter<'_>]) -> Answer {
    Answer::to(kind).record(&NAME, kind, 1, 9, &binding(1, target, parameters))
}

fn binding(priority: u16, target: &[u8], parameters: &[Parameter<'_>]) -> Vec<u8> {
    let mut data = [&priority.to_be_bytes(), target].concat();
    for (key, value) in parameters {
        data.extend(key.to_be_bytes());
        data.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        data.extend(*value);
    }
    data
}
