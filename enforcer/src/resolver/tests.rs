use hickory_resolver::proto::op::ResponseCode;

use super::{
    scripted::{Server, answer, good_v4},
    *,
};

fn settings() -> DnsSettings {
    DnsSettings {
        resolvers: vec![],
        min_ttl: Duration::from_mins(1),
        max_ttl: Duration::from_hours(1),
        grace: Duration::from_mins(1),
        stale_ttl: Duration::from_hours(1),
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

/// Resolves so many names at servers, and gives all that was found once every name has settled.
async fn resolve(servers: &[&Server], count: usize) -> (BTreeSet<IpAddr>, Progress) {
    let (sender, mut found) = mpsc::channel(16);
    let asked = servers.iter().map(|server| server.address).collect();
    let resolver = Resolver::spawn(settings(), asked, sender);
    resolver.set_names(names(count));
    let mut progress = resolver.progress();
    let mut addresses = BTreeSet::new();
    let deadline = tokio::time::sleep(Duration::from_secs(20));
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            Some(resolution) = found.recv() => {
                addresses.extend(resolution.addresses.iter().map(|found| found.address));
            }
            changed = progress.changed() => {
                changed.unwrap();
                let stand = progress.borrow_and_update().clone();
                if stand.settled == count && found.is_empty() {
                    return (addresses, stand);
                }
            }
            () = &mut deadline => panic!("not settled: {:?}", *progress.borrow()),
        }
    }
}

#[tokio::test]
async fn keeps_the_union_of_what_servers_say() {
    let one = Server::start(|_, question| good_v4(question, 1, 300)).await;
    let two = Server::start(|_, question| good_v4(question, 2, 300)).await;

    let (addresses, _) = resolve(&[&one, &two], 1).await;

    assert_eq!(addresses, ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap()).into());
}

#[tokio::test]
async fn a_server_that_refuses_does_not_hide_a_slower_one_that_answers() {
    let refusing =
        Server::start(|_, question| vec![answer(question, ResponseCode::Refused, &[])]).await;
    let slower =
        Server::start_after(Duration::from_millis(50), |_, question| good_v4(question, 1, 300))
            .await;

    let (addresses, progress) = resolve(&[&refusing, &slower], 1).await;

    assert_eq!(addresses, ["192.0.2.1".parse().unwrap()].into());
    assert_eq!((progress.resolved, progress.ignored.get("negative")), (1, Some(&2)));
}

#[tokio::test]
async fn many_names_settle_soon_beside_a_silent_server() {
    let silent = Server::start(|_, _| vec![]).await;
    let live = Server::start(|_, question| good_v4(question, 1, 300)).await;

    let (_, progress) = resolve(&[&silent, &live], 1_000).await;

    assert_eq!((progress.resolved, progress.unresolved_count), (1_000, 0));
    assert_eq!(live.questions(), 2_000);
    assert!(silent.questions() <= 2_000, "{}", silent.questions());
}

#[tokio::test]
async fn a_name_settles_though_no_server_answers() {
    let silent = Server::start(|_, _| vec![]).await;

    let (addresses, progress) = resolve(&[&silent], 1).await;

    assert!(addresses.is_empty());
    assert_eq!(progress.unresolved[0].1, "no server answered in time");
}
