//! An answer inside an answer: who chooses the text of one message on a connection imitates the
//! next one.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    ops::Range,
};

use enforcer_common::measure;
use enforcer_tests::{Rig, require_privilege};

use super::{GOAL, ID, WILD, fails_without, ignored, resolver, succeeds_only_without, wild_query};
use crate::{
    wire,
    world::{PLAIN, ip, number, policy},
};

/// Bytes of text in front of what imitates a message.
const FILLER: usize = 60;

/// Asks for a text and for an address in one write; the text holds an answer to the other
/// question, which gets a segment of its own.
fn imitate(rig: &Rig, cut: impl Fn(usize, usize) -> Vec<usize>) {
    let listener = rig.world.run(|| Ok(TcpListener::bind(resolver())?)).unwrap();
    let insider = rig.insider(&rig.client).unwrap();
    let mut client = insider.stream(resolver()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.set_nodelay(true).unwrap();
    ask_for_both(&mut client, &mut server);
    let (answer, Range { start, end }) = text_with_imitation();
    let mut begun = 0;
    for at in cut(start, end).into_iter().chain([answer.len()]) {
        send_segment(&mut server, &mut client, &answer[begun..at]);
        begun = at;
    }
}

fn text_query() -> Vec<u8> {
    wire::query(ID + 1, &wire::name("text.evil.test"), wire::TXT)
}

/// Asks for a text of one's own and for an address of an allowed name.
pub(super) fn ask_for_both(client: &mut TcpStream, server: &mut TcpStream) {
    let questions = [wire::framed(&text_query()), wire::framed(&wild_query())].concat();
    client.write_all(&questions).unwrap();
    server.read_exact(&mut vec![0; questions.len()]).unwrap();
}

/// The answer to the question for a text, and where in it the other question seems to be answered.
pub(super) fn text_with_imitation() -> (Vec<u8>, Range<usize>) {
    let imitation = wire::framed(&wire::answer_with(&wild_query(), ip(GOAL)));
    let text = [&[b'x'; FILLER], imitation.as_slice(), b"x"].concat();
    let string = [&[u8::try_from(text.len()).unwrap()], text.as_slice()].concat();
    let record = wire::record(&wire::ASKED, wire::TXT, &string);
    let answer = wire::framed(&wire::answer(&text_query(), 0, &[record]));
    let end = answer.len() - 1;
    (answer, end - imitation.len()..end)
}

/// What has been received is a segment of its own: nothing else was on its way.
pub(super) fn send_segment(server: &mut TcpStream, client: &mut TcpStream, bytes: &[u8]) {
    server.write_all(bytes).unwrap();
    client.read_exact(&mut vec![0; bytes.len()]).unwrap();
}

#[test]
fn a_segment_that_looks_like_an_answer_teaches_nothing() {
    require_privilege!();
    let status = succeeds_only_without(measure::STREAM, &policy(PLAIN, &[WILD]), |rig| {
        imitate(rig, |begin, end| vec![begin, end]);
    });

    assert_eq!(ignored(&status, "segmented"), 1, "{status:#}");
    assert!(number(&status, "/dns/handedOver") > 0, "the agent asks: {status:#}");
}

#[test]
fn a_message_in_single_bytes_up_to_the_imitation_teaches_nothing() {
    require_privilege!();
    fails_without(0, &policy(PLAIN, &[WILD]), |rig| {
        imitate(rig, |begin, end| (1..=begin).chain([end]).collect());
    });
}

#[test]
fn an_imitation_behind_the_length_of_the_message_around_it_teaches_nothing() {
    require_privilege!();
    fails_without(0, &policy(PLAIN, &[WILD]), |rig| {
        imitate(rig, |begin, end| vec![2, begin, end]);
    });
}
