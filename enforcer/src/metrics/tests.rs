use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::{Health, METRICS, classic, families::Kind, families::families, openmetrics, serve};
use crate::status::samples::reading;

const PAGE: &str = include_str!("../../../docs/metrics.md");

fn full_name(name: &str, kind: Kind) -> String {
    if kind == Kind::Counter { format!("{name}_total") } else { name.to_owned() }
}

#[test]
fn the_page_lists_exactly_the_metrics_there_are() {
    let listed: BTreeSet<_> = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("| `enforcer_"))
        .filter_map(|line| line.split_once('`').map(|(name, _)| format!("enforcer_{name}")))
        .collect();
    let real: BTreeSet<_> = METRICS.iter().map(|(name, kind, _)| full_name(name, *kind)).collect();

    assert_eq!(listed, real);
}

#[test]
fn the_classic_format_has_help_and_type_and_no_series_twice() {
    let text = classic::write(&families(Some(&reading())));

    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<u64>().is_ok(), "{line}");
        assert!(seen.insert(series.to_owned()), "twice: {series}");
        let name = series.split('{').next().unwrap();
        assert!(text.contains(&format!("# HELP {name} ")), "{name}");
        assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
        assert!(!name.contains("_total_total"), "{name}");
    }
    assert!(
        seen.contains("enforcer_rule_packets_total{rule=\"web\",action=\"allow\"}"),
        "{seen:#?}"
    );
    assert_eq!(METRICS.iter().filter(|(_, kind, _)| *kind == Kind::Counter).count(), 14);
}

#[test]
fn both_formats_tell_the_same() {
    let families = families(Some(&reading()));
    let samples = |text: &str| -> BTreeSet<String> {
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };

    let plain = classic::write(&families);
    let open = openmetrics::write(families).unwrap();

    assert_eq!(samples(&plain), samples(&open));
    assert!(open.ends_with("# EOF\n"));
}

#[test]
fn nothing_loaded_is_told_as_disabled() {
    let text = classic::write(&families(None));

    assert!(text.contains("enforcer_mode{mode=\"disabled\"} 1"), "{text}");
    assert!(!text.contains("enforcer_packets_total"), "{text}");
}

#[test]
fn labels_are_escaped() {
    let mut reading = reading();
    reading.document.rules[0].name = "a\"b\\c".to_owned();

    let text = classic::write(&families(Some(&reading)));

    assert!(text.contains(r#"{rule="a\"b\\c",action="allow"}"#), "{text}");
}

async fn ask(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn get(path: &str, accept: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn serves_metrics_and_health_while_another_peer_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (health, healthy) = watch::channel(Health::Starting);
    drop(tokio::spawn(serve(listener, Arc::new(|| Ok(Some(reading()))), healthy)));
    let _silent = TcpStream::connect(address).await.unwrap();

    let starting = ask(address, &get("/readyz", "*/*")).await;
    health.send(Health::Ready).unwrap();
    let ready = ask(address, &get("/readyz", "*/*")).await;
    let plain = ask(address, &get("/metrics", "*/*")).await;
    let open = ask(address, &get("/metrics", "application/openmetrics-text;version=1.0.0")).await;
    let healthz = ask(address, &get("/healthz", "*/*")).await;
    let missing = ask(address, &get("/", "*/*")).await;
    let posted = ask(address, &get("/metrics", "*/*").replace("GET", "POST")).await;

    assert!(starting.starts_with("HTTP/1.1 503"), "{starting}");
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    assert!(plain.contains("text/plain; version=0.0.4") && !plain.contains("# EOF"), "{plain}");
    assert!(open.contains("application/openmetrics-text") && open.contains("# EOF"), "{open}");
    assert!(healthz.starts_with("HTTP/1.1 200"), "{healthz}");
    assert!(missing.starts_with("HTTP/1.1 404"), "{missing}");
    assert!(posted.starts_with("HTTP/1.1 405"), "{posted}");
}

#[tokio::test]
async fn maps_that_cannot_be_read_are_an_error_and_no_zeroes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_health, healthy) = watch::channel(Health::Ready);
    let broken = || Err(crate::datapath::DatapathError::Missing { what: "anything" });
    drop(tokio::spawn(serve(listener, Arc::new(broken), healthy)));

    let request = get("/metrics", "*/*");
    let answer = tokio::time::timeout(Duration::from_secs(5), ask(address, &request));

    assert!(answer.await.unwrap().starts_with("HTTP/1.1 500"));
}
