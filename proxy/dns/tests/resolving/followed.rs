//! Names that are followed.

use std::sync::Arc;
use std::time::Duration;

use cairn_dns::{Families, Options, Resolver};
use tokio::sync::Semaphore;

use crate::server::{A, AAAA, NO_ERROR, NO_SUCH_NAME, Reply, SERVER_FAILURE, Server, addresses, ips};
use crate::{error, host, known, options, resolver, until};

#[tokio::test]
async fn a_name_is_asked_for_again_when_its_ttl_ends() {
    let server = Server::start().await;
    server.set("short", &addresses(1, &["10.0.0.1"]));
    server.set("long", &addresses(3600, &["10.0.0.2"]));
    server.set("none", &addresses(0, &["10.0.0.3"]));
    let resolver = resolver(&server);
    resolver.follow(["short", "long", "none"].map(host)).unwrap();
    until("the short TTL has ended twice", || server.asked("short", A) >= 3).await;
    assert_eq!(server.asked("long", A), 1);
    assert!(
        server.asked("none", A) > server.asked("short", A),
        "the shortest time was meant to be shorter"
    );
    assert_eq!(known(&resolver, "long"), ips(&["10.0.0.2"]));
}

#[tokio::test]
async fn a_long_ttl_is_not_trusted_for_longer_than_the_longest_time() {
    let server = Server::start().await;
    server.set("h", &addresses(86_400, &["10.0.0.1"]));
    let options = Options {
        max_refresh: Duration::from_millis(100),
        ..options(&server)
    };
    let resolver = Resolver::new(options).unwrap();
    resolver.follow([host("h")]).unwrap();
    until("it was asked for again", || server.asked("h", A) >= 3).await;
}

#[tokio::test]
async fn a_server_that_is_away_changes_nothing_until_it_comes_back() {
    let server = Server::start().await;
    server.set("h", &addresses(0, &["10.0.0.1", "10.0.0.2"]));
    let resolver = resolver(&server);
    let mut changes = resolver.changes();
    resolver.follow([host("h")]).unwrap();
    changes.changed().await.unwrap();
    assert_eq!(known(&resolver, "h"), ips(&["10.0.0.1", "10.0.0.2"]));
    assert_eq!(error(&resolver, "h"), None);

    let address = server.stop().await;
    until("it fails", || error(&resolver, "h").is_some()).await;
    let told = error(&resolver, "h").unwrap();
    assert!(told.starts_with("cannot resolve h: "), "{told}");
    assert_eq!(known(&resolver, "h"), ips(&["10.0.0.1", "10.0.0.2"]));
    assert!(!changes.has_changed().unwrap());

    let server = Server::start_at(address).await;
    server.set("h", &addresses(3600, &["10.0.0.3"]));
    changes.changed().await.unwrap();
    assert_eq!(known(&resolver, "h"), ips(&["10.0.0.3"]));
    assert_eq!(error(&resolver, "h"), None);
}

#[tokio::test]
async fn answers_without_addresses_clear_and_failures_do_not() {
    let server = Server::start().await;
    let resolver = resolver(&server);
    let mut changes = resolver.changes();
    let some = addresses(0, &["10.0.0.1"]);
    server.set("h", &some);
    resolver.follow([host("h")]).unwrap();
    changes.changed().await.unwrap();
    for (code, says) in [(NO_ERROR, "NOERROR"), (NO_SUCH_NAME, "NXDOMAIN")] {
        server.set("h", &Reply::Code(code));
        changes.changed().await.unwrap();
        assert!(known(&resolver, "h").is_empty());
        let followed = resolver.followed(&host("h")).unwrap();
        assert_eq!(followed.resolution().last_known().to_vec(), ips(&["10.0.0.1"]));
        let told = error(&resolver, "h").unwrap();
        assert!(
            told.starts_with("h has no addresses") && told.contains(says),
            "{told}"
        );
        server.set("h", &some);
        changes.changed().await.unwrap();
        assert_eq!(known(&resolver, "h"), ips(&["10.0.0.1"]));
    }
    server.set("h", &Reply::Code(SERVER_FAILURE));
    until("it fails", || error(&resolver, "h").is_some()).await;
    let told = error(&resolver, "h").unwrap();
    assert!(
        told.starts_with("cannot resolve h: ") && told.contains("SERVFAIL"),
        "{told}"
    );
    assert_eq!(known(&resolver, "h"), ips(&["10.0.0.1"]));
    assert!(!changes.has_changed().unwrap());
}

#[tokio::test]
async fn families_are_asked_for_as_they_are_wanted() {
    let server = Server::start().await;
    server.set(
        "both",
        &addresses(3600, &["fd00::1", "10.0.0.1", "10.0.0.1", "fd00::2"]),
    );
    server.set("six", &addresses(3600, &["fd00::1"]));
    server.set("half", &addresses(3600, &["10.0.0.1"]));
    server.set_kind("half", AAAA, Reply::Code(SERVER_FAILURE));
    let hosts = ["both", "six", "half"].map(host);
    for (families, both, six, half) in [
        (Families::V4Only, &["10.0.0.1"][..], &[][..], &["10.0.0.1"][..]),
        (Families::V6Only, &["fd00::1", "fd00::2"], &["fd00::1"], &[]),
        (Families::V4Preferred, &["10.0.0.1"], &["fd00::1"], &["10.0.0.1"]),
        (
            Families::All,
            &["10.0.0.1", "fd00::1", "fd00::2"],
            &["fd00::1"],
            &["10.0.0.1"],
        ),
    ] {
        let resolver = Resolver::new(Options {
            families,
            refresh: Duration::from_secs(60),
            min_backoff: Duration::from_secs(30),
            ..options(&server)
        })
        .unwrap();
        let before = ["both", "six", "half"].map(|name| server.asked(name, AAAA));
        resolver.follow(hosts.clone()).unwrap();
        resolver.settled().await;
        assert_eq!(known(&resolver, "both"), ips(both), "{families:?}");
        assert_eq!(known(&resolver, "six"), ips(six), "{families:?}");
        assert_eq!(known(&resolver, "half"), ips(half), "{families:?}");
        let asked = ["both", "six"].map(|name| server.asked(name, AAAA));
        let more = [asked[0] - before[0], asked[1] - before[1]];
        match families {
            Families::V4Only => assert_eq!(more, [0, 0]),
            Families::V4Preferred => assert_eq!(more, [0, 1]),
            _ => assert_eq!(more, [1, 1], "{families:?}"),
        }
    }
}

#[tokio::test]
async fn addresses_in_another_order_are_seen_and_not_told() {
    let server = Server::start().await;
    server.set("h", &addresses(0, &["10.0.0.1", "10.0.0.2"]));
    let resolver = resolver(&server);
    resolver.follow([host("h")]).unwrap();
    resolver.settled().await;
    let changes = resolver.changes();
    server.set("h", &addresses(0, &["10.0.0.2", "10.0.0.1"]));
    until("the order has turned", || {
        known(&resolver, "h") == ips(&["10.0.0.2", "10.0.0.1"])
    })
    .await;
    assert!(!changes.has_changed().unwrap());
}

#[tokio::test]
async fn a_name_that_nobody_follows_is_asked_for_no_more() {
    let server = Server::start().await;
    for name in ["stays", "goes"] {
        server.set(name, &addresses(0, &["10.0.0.1"]));
    }
    let resolver = resolver(&server);
    resolver.follow(["stays", "goes"].map(host)).unwrap();
    until("both are asked for", || {
        server.asked("goes", A) >= 2 && server.asked("stays", A) >= 2
    })
    .await;
    let stays = resolver.followed(&host("stays")).unwrap();
    resolver.follow([host("stays")]).unwrap();
    assert!(resolver.followed(&host("goes")).is_none());
    assert!(Arc::ptr_eq(
        stays.resolution().addresses(),
        resolver
            .followed(&host("stays"))
            .unwrap()
            .resolution()
            .addresses()
    ));

    // One question may have been under way.
    let now = server.asked("stays", A);
    until("the other goes on", || server.asked("stays", A) >= now + 2).await;
    let (now, last) = (server.asked("stays", A), server.asked("goes", A));
    until("the other goes on", || server.asked("stays", A) >= now + 5).await;
    assert_eq!(server.asked("goes", A), last);

    drop(resolver);
    let probe = crate::resolver(&server);
    server.set("probe", &addresses(0, &["10.0.0.1"]));
    probe.follow([host("probe")]).unwrap();
    until("time has passed", || server.asked("probe", A) >= 2).await;
    let last = server.asked("stays", A);
    until("time has passed", || server.asked("probe", A) >= 7).await;
    assert_eq!(server.asked("stays", A), last, "its resolver is gone");
}

#[tokio::test]
async fn a_name_that_is_let_go_is_not_waited_for() {
    let server = Server::start().await;
    server.set("silent", &Reply::Silence);
    let resolver = Resolver::new(Options {
        query_timeout: Duration::from_secs(3600),
        ..options(&server)
    })
    .unwrap();
    resolver.follow([host("silent")]).unwrap();
    let settled = resolver.settled();
    tokio::pin!(settled);
    tokio::select! {
        () = &mut settled => panic!("the server has not answered"),
        () = until("the server is asked", || server.asked("silent", A) == 1) => {}
    }
    resolver.follow([]).unwrap();
    let waited = tokio::time::timeout(Duration::from_secs(30), settled).await;
    waited.expect("nothing is followed any more");
}

#[tokio::test]
async fn following_a_name_again_asks_nothing() {
    let server = Server::start().await;
    for name in ["h", "other"] {
        server.set(name, &addresses(3600, &["10.0.0.1"]));
    }
    let resolver = resolver(&server);
    resolver.follow([host("h"), host("h")]).unwrap();
    resolver.settled().await;
    resolver.follow([host("h"), host("other")]).unwrap();
    resolver.settled().await;
    assert_eq!((server.asked("h", A), server.asked("other", A)), (1, 1));
}

#[tokio::test]
async fn names_over_the_limit_are_refused_and_take_nobodys_place() {
    let server = Server::start().await;
    let resolver = Resolver::new(Options {
        max_names: 2,
        ..options(&server)
    })
    .unwrap();
    resolver.follow([host("m"), host("n")]).unwrap();
    let refused = resolver.follow(["a", "m", "n"].map(host)).unwrap_err();
    assert_eq!((refused.refused.clone(), refused.limit), (vec![host("a")], 2));
    assert!(refused.to_string().contains(" a first"), "{refused}");
    assert!(resolver.followed(&host("a")).is_none());
    assert!(resolver.followed(&host("m")).is_some() && resolver.followed(&host("n")).is_some());
    resolver.follow(["a", "n"].map(host)).unwrap();
    assert!(resolver.followed(&host("a")).is_some());
}

#[tokio::test]
async fn an_address_is_its_own_and_asked_of_nobody() {
    let server = Server::start().await;
    let resolver = resolver(&server);
    resolver.follow([host("10.1.2.3"), host("[fd00::9]")]).unwrap();
    resolver.settled().await;
    assert_eq!(known(&resolver, "10.1.2.3"), ips(&["10.1.2.3"]));
    assert_eq!(known(&resolver, "fd00::9"), ips(&["fd00::9"]));
    assert_eq!(server.most_pending(), 0);
}

#[tokio::test]
async fn only_so_many_names_are_asked_for_at_a_time() {
    let server = Server::start().await;
    let gate = Arc::new(Semaphore::new(0));
    let names: Vec<String> = (0..10).map(|number| format!("h{number}")).collect();
    for name in &names {
        server.set(
            name,
            &Reply::Held(gate.clone(), Box::new(addresses(3600, &["10.0.0.1"]))),
        );
    }
    let resolver = Resolver::new(Options {
        max_queries: 3,
        query_timeout: Duration::from_secs(60),
        ..options(&server)
    })
    .unwrap();
    resolver.follow(names.iter().map(|name| host(name))).unwrap();
    until("three are asked for", || server.most_pending() == 3).await;
    gate.add_permits(names.len());
    resolver.settled().await;
    assert_eq!(server.most_pending(), 3);
    for name in &names {
        assert_eq!(known(&resolver, name), ips(&["10.0.0.1"]));
    }
}
