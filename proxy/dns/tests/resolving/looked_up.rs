//! Names that requests bring.

use std::sync::Arc;
use std::time::Duration;

use cairn_dns::{DnsError, Options, Resolver};
use tokio::sync::Semaphore;

use crate::server::{A, NO_SUCH_NAME, Reply, SERVER_FAILURE, Server, addresses, ips};
use crate::{host, options, resolver, until};

#[tokio::test]
async fn those_who_ask_at_the_same_time_share_one_question() {
    let server = Server::start().await;
    let gate = Arc::new(Semaphore::new(0));
    server.set(
        "h",
        &Reply::Held(gate.clone(), Box::new(addresses(3600, &["10.0.0.1"]))),
    );
    let resolver = Arc::new(
        Resolver::new(Options {
            // One after the other: no two could be taken for one on the way.
            max_queries: 1,
            query_timeout: Duration::from_secs(60),
            lookup_timeout: Duration::from_secs(60),
            ..options(&server)
        })
        .unwrap(),
    );
    let ask = || {
        let resolver = resolver.clone();
        tokio::spawn(async move { resolver.lookup(&host("h")).await })
    };
    let first = ask();
    until("the server is asked", || server.asked("h", A) == 1).await;
    let others: Vec<_> = (0..20).map(|_| ask()).collect();
    // Those who come later go on when the first leaves.
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    gate.add_permits(100);
    for other in others {
        assert_eq!(other.await.unwrap().unwrap().to_vec(), ips(&["10.0.0.1"]));
    }
    assert_eq!(server.asked("h", A), 1);
}

#[tokio::test]
async fn answers_are_remembered_for_their_ttl() {
    let server = Server::start().await;
    server.set("short", &addresses(1, &["10.0.0.1"]));
    server.set("long", &addresses(3600, &["10.0.0.2"]));
    let resolver = resolver(&server);
    for _ in 0..3000 {
        assert_eq!(
            resolver.lookup(&host("long")).await.unwrap().to_vec(),
            ips(&["10.0.0.2"])
        );
        assert_eq!(
            resolver.lookup(&host("short")).await.unwrap().to_vec(),
            ips(&["10.0.0.1"])
        );
        if server.asked("short", A) == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((server.asked("short", A), server.asked("long", A)), (2, 1));
}

#[tokio::test]
async fn the_least_recently_used_name_leaves() {
    let server = Server::start().await;
    for name in ["a", "b", "c"] {
        server.set(name, &addresses(3600, &["10.0.0.1"]));
    }
    let resolver = Resolver::new(Options {
        max_cached: 2,
        ..options(&server)
    })
    .unwrap();
    for name in ["a", "b", "a", "c", "a", "b"] {
        resolver.lookup(&host(name)).await.unwrap();
    }
    assert_eq!(["a", "b", "c"].map(|name| server.asked(name, A)), [1, 2, 1]);
}

#[tokio::test]
async fn that_there_is_nothing_is_remembered_shortly() {
    let server = Server::start().await;
    server.set("h", &Reply::Code(NO_SUCH_NAME));
    let resolver = Resolver::new(Options {
        refresh: Duration::from_secs(1),
        ..options(&server)
    })
    .unwrap();
    for _ in 0..3 {
        let error = resolver.lookup(&host("h")).await.unwrap_err();
        assert!(matches!(error, DnsError::NoAddresses { .. }), "{error:?}");
        assert!(error.to_string().contains("NXDOMAIN"), "{error}");
    }
    let asked = server.asked("h", A);
    assert!(asked < 3, "asked {asked} times");
    server.set("h", &addresses(3600, &["10.0.0.1"]));
    for _ in 0..3000 {
        if resolver.lookup(&host("h")).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it is never forgotten");
}

#[tokio::test]
async fn what_was_known_is_better_than_a_failure_for_a_while() {
    let server = Server::start().await;
    server.set("h", &addresses(0, &["10.0.0.1"]));
    let resolver = Resolver::new(Options {
        keep_stale: Duration::from_secs(2),
        ..options(&server)
    })
    .unwrap();
    resolver.lookup(&host("h")).await.unwrap();
    server.set("h", &Reply::Code(SERVER_FAILURE));
    let mut error = None;
    for _ in 0..3000 {
        match resolver.lookup(&host("h")).await {
            Ok(known) => assert_eq!(known.to_vec(), ips(&["10.0.0.1"])),
            Err(failed) => {
                error = Some(failed);
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let error = error.expect("what was known ends");
    assert!(
        server.asked("h", A) > 2,
        "it was asked for while what was known was used"
    );
    assert!(matches!(error, DnsError::Failed { .. }), "{error:?}");
    server.set("h", &addresses(3600, &["10.0.0.2"]));
    for _ in 0..3000 {
        if let Ok(addresses) = resolver.lookup(&host("h")).await {
            assert_eq!(addresses.to_vec(), ips(&["10.0.0.2"]));
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the server is not asked again");
}

#[tokio::test]
async fn only_so_many_names_wait() {
    let server = Server::start().await;
    let gate = Arc::new(Semaphore::new(0));
    server.set(
        "slow",
        &Reply::Held(gate.clone(), Box::new(addresses(3600, &["10.0.0.1"]))),
    );
    server.set("h", &addresses(3600, &["10.0.0.2"]));
    let resolver = Arc::new(
        Resolver::new(Options {
            max_cached: 1,
            query_timeout: Duration::from_secs(60),
            lookup_timeout: Duration::from_secs(60),
            ..options(&server)
        })
        .unwrap(),
    );
    let slow = tokio::spawn({
        let resolver = resolver.clone();
        async move { resolver.lookup(&host("slow")).await }
    });
    until("the server is asked", || server.asked("slow", A) == 1).await;
    let error = resolver.lookup(&host("h")).await.unwrap_err();
    assert_eq!(
        error,
        DnsError::Busy {
            host: host("h"),
            limit: 1
        }
    );
    gate.add_permits(1);
    slow.await.unwrap().unwrap();
    assert_eq!(
        resolver.lookup(&host("h")).await.unwrap().to_vec(),
        ips(&["10.0.0.2"])
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for_longer_than_may_be() {
    let server = Server::start().await;
    server.set("h", &Reply::Silence);
    for (query_timeout, lookup_timeout) in [(200, 60_000), (60_000, 200)] {
        let resolver = Resolver::new(Options {
            query_timeout: Duration::from_millis(query_timeout),
            lookup_timeout: Duration::from_millis(lookup_timeout),
            ..options(&server)
        })
        .unwrap();
        let looked_up = tokio::time::timeout(Duration::from_secs(30), async {
            resolver.lookup(&host("h")).await.unwrap_err()
        });
        let error = looked_up.await.expect("the shorter of the two times ends it");
        assert!(error.to_string().starts_with("cannot resolve h: "), "{error}");
    }
    assert!(server.asked("h", A) >= 2);
}

#[tokio::test]
async fn a_question_that_is_lost_is_asked_again() {
    let server = Server::start().await;
    server.set("h", &Reply::Silence);
    let resolver = Arc::new(
        Resolver::new(Options {
            query_timeout: Duration::from_secs(3),
            ..options(&server)
        })
        .unwrap(),
    );
    let looked_up = tokio::spawn({
        let resolver = resolver.clone();
        async move { resolver.lookup(&host("h")).await }
    });
    until("the server is asked", || server.asked("h", A) == 1).await;
    server.set("h", &addresses(3600, &["10.0.0.1"]));
    assert_eq!(looked_up.await.unwrap().unwrap().to_vec(), ips(&["10.0.0.1"]));
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_cannot_answer() {
    let (first, second) = (Server::start().await, Server::start().await);
    second.set("h", &addresses(3600, &["10.0.0.2"]));
    let closed = Server::start().await.stop().await;
    let resolver = |address| {
        let options = Options {
            name_servers: vec![address, second.address],
            query_timeout: Duration::from_secs(6),
            ..options(&second)
        };
        Resolver::new(options).unwrap()
    };
    for reply in [Reply::Silence, Reply::Code(SERVER_FAILURE)] {
        first.set("h", &reply);
        let asked = first.asked("h", A);
        let answer = resolver(first.address).lookup(&host("h")).await;
        assert_eq!(answer.unwrap().to_vec(), ips(&["10.0.0.2"]));
        assert!(first.asked("h", A) > asked);
    }
    let answer = resolver(closed).lookup(&host("h")).await;
    assert_eq!(answer.unwrap().to_vec(), ips(&["10.0.0.2"]));
    // What one server knows not to exist is asked of no other.
    let asked = second.asked("h", A);
    first.set("h", &Reply::Code(NO_SUCH_NAME));
    let error = resolver(first.address).lookup(&host("h")).await.unwrap_err();
    assert!(matches!(error, DnsError::NoAddresses { .. }), "{error:?}");
    assert_eq!(second.asked("h", A), asked);
}

#[tokio::test]
async fn a_name_that_is_followed_and_an_address_are_known_already() {
    let server = Server::start().await;
    server.set("h", &addresses(3600, &["10.0.0.1"]));
    let resolver = resolver(&server);
    resolver.follow([host("h")]).unwrap();
    resolver.settled().await;
    assert_eq!(
        resolver.lookup(&host("h")).await.unwrap().to_vec(),
        ips(&["10.0.0.1"])
    );
    assert_eq!(
        resolver.lookup(&host("10.9.9.9")).await.unwrap().to_vec(),
        ips(&["10.9.9.9"])
    );
    assert_eq!(server.asked("h", A), 1);
}
