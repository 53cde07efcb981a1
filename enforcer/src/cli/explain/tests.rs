use super::destination::Destination;

fn check(text: &str) -> Result<(String, u16, String), String> {
    let destination: Destination = text.parse()?;
    Ok((destination.host.to_string(), destination.port, destination.protocol_name()))
}

#[test]
fn reads_destinations_as_people_type_them() {
    const CASES: &[(&str, (&str, u16, &str))] = &[
        ("mcr.microsoft.com", ("mcr.microsoft.com", 443, "tcp")),
        ("MCR.microsoft.com.:8443", ("mcr.microsoft.com", 8443, "tcp")),
        ("192.0.2.1:53/udp", ("192.0.2.1", 53, "udp")),
        ("2001:db8::1", ("2001:db8::1", 443, "tcp")),
        ("[2001:db8::1]:80", ("2001:db8::1", 80, "tcp")),
        ("::ffff:192.0.2.1", ("192.0.2.1", 443, "tcp")),
        ("192.0.2.1/icmp", ("192.0.2.1", 0, "icmp")),
        ("192.0.2.1/47", ("192.0.2.1", 0, "47")),
    ];

    for (text, (host, port, protocol)) in CASES {
        let expected = ((*host).to_owned(), *port, (*protocol).to_owned());
        assert_eq!(check(text), Ok(expected), "{text}");
    }
}

#[test]
fn says_what_is_wrong_with_a_destination() {
    const CASES: &[(&str, &str)] = &[
        ("a.test:99999", "no port"),
        ("a.test/quic", "unknown protocol"),
        ("a.test:1/icmp", "no meaning"),
        ("[2001:db8::1", "without"),
        ("https://a.test", ""),
    ];

    for (text, part) in CASES {
        let error = check(text).unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    }
}
