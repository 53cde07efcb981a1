use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use enforcer_common::special::Special;

use super::{super::lookup::Family, *};

/// Servers that answer by the name: `dead…` never, `gone…` with no such name, `breaks…` by ending
/// the lookup's task, all else.
struct Scripted {
    asked: Arc<AtomicUsize>,
}

impl Lookup for Scripted {
    async fn lookup(
        &self,
        _: SocketAddr,
        name: &DomainName,
        family: Family,
    ) -> Result<Answer, Failure> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if name.as_str().starts_with("dead") {
            tokio::time::sleep(Duration::from_secs(4)).await;
            return Err(Failure::TimedOut);
        }
        if name.as_str().starts_with("gone") {
            return Err(Failure::NoSuchName);
        }
        assert!(!name.as_str().starts_with("breaks"), "a lookup that dies");
        match family {
            Family::V4 => Ok(Answer { addresses: vec!["10.0.0.1".parse().unwrap()], ttl: 60 }),
            Family::V6 => Ok(Answer {
                addresses: vec!["2606::1".parse().unwrap(), "::ffff:8.8.8.8".parse().unwrap()],
                ttl: 60,
            }),
        }
    }
}

fn task(names: &[&str]) -> Task {
    Task {
        names: names.iter().map(|name| DomainName::parse(name).unwrap()).collect(),
        settings: DnsSettings {
            resolvers: vec![],
            min_ttl: Duration::from_mins(1),
            max_ttl: Duration::from_hours(1),
            grace: Duration::from_mins(1),
            stale_ttl: Duration::from_hours(1),
            nat64: vec![],
        },
        servers: vec!["192.0.2.53:53".parse().unwrap()],
    }
}

#[tokio::test(start_paused = true)]
async fn tells_addresses_with_their_kind_while_another_name_is_silent() {
    let asked = Arc::new(AtomicUsize::new(0));
    let (_task, tasks) = watch::channel(task(&["dead.test", "gone.test", "good.test"]));
    let (sender, mut found) = mpsc::channel(16);
    let told = Arc::new(watch::Sender::new(Progress::default()));
    let mut progress = told.subscribe();
    tokio::spawn(drive(tasks, sender, told, Scripted { asked: Arc::clone(&asked) }));

    let mut kinds = BTreeSet::new();
    for _ in 0..2 {
        let resolution = found.recv().await.unwrap();
        assert_eq!(resolution.name.as_str(), "good.test");
        kinds.extend(resolution.addresses.iter().map(|found| (found.address, found.special)));
    }

    let expected = [
        ("10.0.0.1", Special::Liftable),
        ("2606::1", Special::Ordinary),
        // Not 8.8.8.8, which nobody is asked about here.
        ("::ffff:8.8.8.8", Special::Never),
    ];
    assert_eq!(kinds, expected.map(|(text, kind)| (text.parse().unwrap(), kind)).into());
    let progress = progress.wait_for(|progress| progress.settled == 3).await.unwrap().clone();
    assert_eq!((progress.names, progress.resolved, progress.unresolved_count), (3, 1, 2));
    assert_eq!(progress.ignored.get("negative"), Some(&2));
    assert_eq!(asked.load(Ordering::Relaxed), 6);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_dies_ends_its_round_like_one_that_fails() {
    let (_task, tasks) = watch::channel(task(&["breaks.test"]));
    let (sender, _found) = mpsc::channel(16);
    let told = Arc::new(watch::Sender::new(Progress::default()));
    let mut progress = told.subscribe();
    let asked = Arc::new(AtomicUsize::new(0));
    tokio::spawn(drive(tasks, sender, told, Scripted { asked: Arc::clone(&asked) }));

    let progress = progress.wait_for(|progress| progress.settled == 1).await.unwrap().clone();

    assert!(progress.unresolved[0].1.starts_with("look up"), "{progress:?}");
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(asked.load(Ordering::Relaxed) >= 4, "and the name is asked for again");
}

#[tokio::test(start_paused = true)]
async fn ends_with_whoever_wants_the_names() {
    let (owner, tasks) = watch::channel(task(&["good.test"]));
    let (sender, _found) = mpsc::channel(16);
    let told = Arc::new(watch::Sender::new(Progress::default()));
    let asked = Arc::new(AtomicUsize::new(0));
    let work = tokio::spawn(drive(tasks, sender, told, Scripted { asked }));

    drop(owner);

    work.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn ends_with_whoever_keeps_the_addresses() {
    let (_owner, tasks) = watch::channel(task(&["good.test"]));
    let (sender, found) = mpsc::channel(16);
    let told = Arc::new(watch::Sender::new(Progress::default()));
    let asked = Arc::new(AtomicUsize::new(0));
    let work = tokio::spawn(drive(tasks, sender, told, Scripted { asked }));

    drop(found);

    work.await.unwrap();
}
