//! `egress_skb`: what its reading of the headers refuses, and what of that it lets pass.

use enforcer_common::verdict::Reason;
use enforcer_tests::{packet::extension, require_privilege};

use crate::{
    egress::{RULES, check, v4, v6},
    lab::Lab,
};

#[test]
fn drops_what_it_cannot_understand_with_a_reason_each() {
    require_privilege!();
    let lab = Lab::new(RULES);
    let host = "198.51.100.1";
    let cases = [
        ("ihl of four", v4(host).header_words(4).tcp(443), Err(Reason::MalformedHeader)),
        ("version five", v4(host).version(5).tcp(443), Err(Reason::MalformedHeader)),
        ("total below header", v4(host).total_length(19).tcp(443), Err(Reason::MalformedHeader)),
        ("cut tcp header", v4(host).tcp(443).cut(39), Err(Reason::ShortPacket)),
        ("whole tcp header", v4(host).tcp(443).cut(40), Ok("web")),
        (
            "strict source route",
            v4(host).options(&[137, 7, 4, 9, 9, 9, 9, 0]).tcp(443),
            Err(Reason::SourceRoute),
        ),
        (
            "source route behind no-ops",
            v4(host).options(&[1, 1, 1, 131, 7, 4, 9, 9, 9, 9, 0, 0]).tcp(443),
            Err(Reason::SourceRoute),
        ),
        (
            "option of length one",
            v4(host).options(&[7, 1, 0, 0]).tcp(443),
            Err(Reason::MalformedHeader),
        ),
        (
            "option beyond the header",
            v4(host).options(&[7, 5, 4, 0]).tcp(443),
            Err(Reason::MalformedHeader),
        ),
        (
            "option without a length",
            v4(host).options(&[1, 1, 1, 7]).tcp(443),
            Err(Reason::MalformedHeader),
        ),
        (
            "option to the end of the header",
            v4(host).options(&[1, 148, 3, 0, 7, 4, 4, 0]).tcp(443),
            Ok("web"),
        ),
        (
            "header cut behind the end of its options",
            v4(host).options(&[0; 8]).fragment(1, 64, false).tcp(443).cut(24),
            Err(Reason::ShortPacket),
        ),
        ("record route", v4(host).options(&[7, 7, 4, 0, 0, 0, 0, 0]).tcp(443), Ok("web")),
        (
            "tiny first fragment",
            v4(host).fragment(1, 0, true).tcp(443).cut(28),
            Err(Reason::TinyFragment),
        ),
        (
            "overlapping fragment",
            v4(host).fragment(1, 8, false).tcp(443),
            Err(Reason::OverlappingFragment),
        ),
        ("orphan fragment", v4(host).fragment(2, 64, false).tcp(443), Err(Reason::OrphanFragment)),
        (
            "v6 hop-by-hop",
            v6("2001:db8::1").extension(extension::HOP_BY_HOP, &[1, 4, 0, 0, 0, 0]).tcp(443),
            Ok("web"),
        ),
        (
            "v6 mobility",
            v6("2001:db8::1").extension(extension::MOBILITY, &[0; 6]).tcp(443),
            Err(Reason::ExtensionHeader),
        ),
        (
            "v6 routing, at its end",
            v6("2001:db8::1").extension(extension::ROUTING, &[0, 0, 0, 0, 0, 0]).tcp(443),
            Ok("web"),
        ),
        (
            "v6 routing, to go on",
            v6("2001:db8::1").extension(extension::ROUTING, &[0, 1, 0, 0, 0, 0]).tcp(443),
            Err(Reason::SourceRoute),
        ),
        ("v6 to a mapped address", v6("::ffff:198.51.100.1").tcp(443), Err(Reason::MappedAddress)),
        ("v6 to a compatible address", v6("::198.51.100.1").tcp(443), Err(Reason::MappedAddress)),
    ];

    for (label, packet, expected) in cases {
        check(&lab.judge(&packet), label, expected);
    }
}

#[test]
fn walks_as_many_extension_headers_as_it_says_and_no_more() {
    require_privilege!();
    let lab = Lab::new(RULES);
    let with = |count: usize| {
        (0..count).fold(v6("2001:db8::1"), |packet, _| {
            packet.extension(extension::DESTINATION_OPTIONS, &[1, 4, 0, 0, 0, 0])
        })
    };
    let nothing = extension::NO_NEXT_HEADER;

    check(&lab.judge(&with(8).tcp(443)), "eight", Ok("web"));
    check(&lab.judge(&with(9).tcp(443)), "nine", Err(Reason::ExtensionHeader));
    check(&lab.judge(&with(8).protocol(nothing)), "eight and nothing", Err(Reason::NoRule));
    check(&lab.judge(&with(9).protocol(nothing)), "nine and nothing", Err(Reason::ExtensionHeader));
}

#[test]
fn later_fragments_follow_their_first() {
    require_privilege!();
    let mut lab = Lab::new(RULES);
    let first = |id| v4("198.51.100.1").fragment(id, 0, true).tcp(443).payload(&[0; 12]);
    let later = |id| v4("198.51.100.1").fragment(id, 32, false).tcp(443);

    check(&lab.judge(&first(7)), "first", Ok("web"));
    check(&lab.judge(&later(7)), "its later one", Ok("web"));
    check(&lab.judge(&later(8)), "of another datagram", Err(Reason::OrphanFragment));
    check(
        &lab.judge(&v4("198.51.100.1").fragment(9, 0, true).tcp(22).payload(&[0; 12])),
        "refused first",
        Err(Reason::NoRule),
    );
    check(&lab.judge(&later(9)), "later of a refused first", Err(Reason::OrphanFragment));

    lab.reload(RULES);
    check(&lab.judge(&later(7)), "under the next generation", Err(Reason::OrphanFragment));
}

/// The offset of a later fragment counts from the first byte behind the fragment header, and so
/// would reach the ports behind an extension header that is there.
#[test]
fn no_extension_header_is_in_the_pieces_of_a_datagram() {
    require_privilege!();
    let lab = Lab::new(RULES);
    let to = || v6("2001:db8::1");
    let fragment = |id, has_more| [0, has_more, 0, 0, 0, id];
    let options = [[1, 20].as_slice(), &[0; 20]].concat();
    let cases = [
        (
            "in front of it",
            to().extension(extension::DESTINATION_OPTIONS, &options)
                .extension(extension::FRAGMENT, &fragment(1, 1)),
            Ok("web"),
        ),
        (
            "behind it",
            to().extension(extension::FRAGMENT, &fragment(2, 1))
                .extension(extension::DESTINATION_OPTIONS, &options),
            Err(Reason::ExtensionHeader),
        ),
        (
            "another fragment header behind it",
            to().extension(extension::FRAGMENT, &fragment(3, 1))
                .extension(extension::FRAGMENT, &fragment(3, 0)),
            Err(Reason::ExtensionHeader),
        ),
        (
            "behind it in a whole datagram",
            to().extension(extension::FRAGMENT, &fragment(4, 0))
                .extension(extension::DESTINATION_OPTIONS, &options),
            Ok("web"),
        ),
    ];

    for (label, packet, expected) in cases {
        check(&lab.judge(&packet.tcp(443).payload(&[0; 16])), label, expected);
    }
    // Behind any TCP header, and over the ports of the second datagram.
    let later = |id| to().fragment(id, 24, false).tcp(443).payload(&[0; 8]);
    check(&lab.judge(&later(1)), "its later one", Ok("web"));
    check(&lab.judge(&later(2)), "later of a refused first", Err(Reason::OrphanFragment));
}
