use super::*;

fn settings() -> DnsSettings {
    DnsSettings {
        resolvers: vec![],
        min_ttl: Duration::from_secs(60),
        max_ttl: Duration::from_secs(3_600),
        grace: Duration::from_secs(60),
        stale_ttl: Duration::from_secs(3_600),
        nat64: vec![],
    }
}

fn names(count: usize) -> BTreeSet<DomainName> {
    (0..count).map(|index| DomainName::parse(&format!("n{index}.test")).unwrap()).collect()
}

#[tokio::test]
async fn does_not_look_settled_before_the_first_name_was_asked_for() {
    let (sender, _found) = mpsc::channel(16);
    // A server that nobody is: the discard port.
    let resolver = Resolver::spawn(settings(), vec!["127.0.0.1:9".parse().unwrap()], sender);

    resolver.set_names(names(3));

    let mut progress = resolver.progress();
    assert_eq!((progress.borrow().names, progress.borrow().settled), (3, 0));
    // Nor in what the driver tells of itself afterwards.
    progress.changed().await.unwrap();
    assert_eq!((progress.borrow().names, progress.borrow().settled), (3, 0));
}

#[tokio::test]
async fn looks_settled_at_once_without_names() {
    let (sender, _found) = mpsc::channel(16);
    let resolver = Resolver::spawn(settings(), vec![], sender);

    resolver.set_names(names(0));

    assert_eq!(resolver.progress().borrow().names, 0);
}
