#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::sleep;

use super::*;
use crate::foundry::{Foundry, Scripted, id};
use crate::{BoxFuture, IssuedCertificate, LocalCa, tls};

const LIMIT: Duration = Duration::from_secs(5);

fn options(ttl: Duration) -> Options {
    Options {
        ttl,
        retry: Duration::from_millis(20),
        ..Options::default()
    }
}

async fn until(mut condition: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not happen within 10 s");
}

#[tokio::test]
async fn a_crowd_makes_one_request() {
    let issuer = Scripted::new(Duration::from_millis(50));
    let identities = Identities::new(issuer.clone(), Options::default());
    assert!(identities.cached(&id("sleep")).is_none());
    let crowd: Vec<_> = (0..50)
        .map(|_| {
            let identities = identities.clone();
            tokio::spawn(async move { identities.credential(&id("sleep")).await.unwrap() })
        })
        .collect();
    let mut serials = Vec::new();
    for one in crowd {
        serials.push(one.await.unwrap().serial().to_owned());
    }
    serials.dedup();
    assert_eq!((serials.len(), issuer.calls()), (1, 1));
    assert_eq!(identities.cached(&id("sleep")).unwrap().serial(), serials[0]);
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_stop_the_others() {
    let issuer = Scripted::new(Duration::from_millis(50));
    let identities = Identities::new(issuer.clone(), Options::default());
    let hasty = tokio::time::timeout(Duration::from_millis(5), identities.credential(&id("sleep"))).await;
    assert!(hasty.is_err());
    identities.credential(&id("sleep")).await.unwrap();
    assert_eq!(issuer.calls(), 1);
}

#[tokio::test]
async fn renewal_leaves_connections_alone() {
    let dir = tempfile::tempdir().unwrap();
    let ca = LocalCa::open_or_create(dir.path(), "cluster.local").unwrap();
    let identities = Identities::new(Arc::new(ca), options(Duration::from_secs(4)));
    let first = identities.credential(&id("sleep")).await.unwrap();
    let (near, far) = duplex(64 * 1024);
    let (client, server) = tokio::join!(
        tls::connect(near, &first, &[], LIMIT),
        tls::accept(far, &first, LIMIT)
    );
    let (mut client, mut server) = (client.unwrap().0, server.unwrap().0);

    until(|| identities.cached(&id("sleep")).unwrap().serial() != first.serial()).await;
    assert!(first.is_current(), "renewed while the old one is still valid");
    until(|| !first.is_current()).await;

    client.write_all(b"still here").await.unwrap();
    client.flush().await.unwrap();
    let mut heard = [0; 10];
    server.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"still here");
    assert_ne!(
        identities.credential(&id("sleep")).await.unwrap().serial(),
        first.serial()
    );
}

#[tokio::test]
async fn while_the_ca_fails_the_old_certificate_stays() {
    let issuer = Scripted::new(Duration::ZERO);
    let identities = Identities::new(issuer.clone(), options(Duration::from_secs(4)));
    let first = identities.credential(&id("sleep")).await.unwrap();
    issuer.set_broken(true);
    until(|| issuer.calls() >= 3).await;
    assert_eq!(
        identities.credential(&id("sleep")).await.unwrap().serial(),
        first.serial()
    );
    assert_eq!(identities.dump()[0].state, CertificateState::Available);

    until(|| !first.is_current()).await;
    assert!(identities.cached(&id("sleep")).is_none());
    let error = identities.credential(&id("sleep")).await.unwrap_err().to_string();
    assert!(error.ends_with("the CA failed: out of ink"), "{error}");

    issuer.set_broken(false);
    until(|| identities.cached(&id("sleep")).is_some()).await;
}

#[tokio::test(start_paused = true)]
async fn failures_back_off() {
    let issuer = Scripted::new(Duration::ZERO);
    issuer.set_broken(true);
    let options = Options {
        retry: Duration::from_secs(1),
        ..Options::default()
    };
    let identities = Identities::new(issuer.clone(), options);
    for _ in 0..20 {
        identities.credential(&id("sleep")).await.unwrap_err();
    }
    assert_eq!(issuer.calls(), 1, "callers do not cause attempts");
    // 1 + 2 + 4 + … + 128 s, then 150 s each.
    sleep(Duration::from_secs(255)).await;
    let doubling = issuer.calls();
    assert!((7..=10).contains(&doubling), "{doubling}");
    sleep(Duration::from_secs(1500)).await;
    let steady = issuer.calls() - doubling;
    assert!((8..=13).contains(&steady), "{steady}");

    issuer.set_broken(false);
    sleep(MAX_RETRY * 2).await;
    identities.credential(&id("sleep")).await.unwrap();
}

#[tokio::test]
async fn forgotten_identities_are_not_renewed() {
    let issuer = Scripted::new(Duration::ZERO);
    let identities = Identities::new(issuer.clone(), options(Duration::from_secs(2)));
    identities.credential(&id("sleep")).await.unwrap();
    identities.credential(&id("hello")).await.unwrap();
    identities.forget(&id("sleep"));
    assert!(identities.cached(&id("sleep")).is_none());
    assert_eq!(identities.dump().len(), 1);
    until(|| issuer.calls() >= 4).await;
    assert!(identities.cached(&id("sleep")).is_none());
}

#[tokio::test]
async fn a_waiter_learns_that_it_waits_in_vain() {
    let identities = Identities::new(Scripted::new(Duration::from_secs(600)), Options::default());
    let waiter = tokio::spawn({
        let identities = identities.clone();
        async move { identities.credential(&id("sleep")).await }
    });
    until(|| !identities.dump().is_empty()).await;
    assert_eq!(identities.dump()[0].state, CertificateState::Initializing);
    identities.forget(&id("sleep"));
    assert!(matches!(waiter.await.unwrap(), Err(IdentityError::Forgotten(_))));
}

#[tokio::test]
async fn the_dump_shows_certificates_and_failures() {
    let dir = tempfile::tempdir().unwrap();
    let ca = LocalCa::open_or_create(dir.path(), "cluster.local").unwrap();
    let identities = Identities::new(Arc::new(ca), Options::default());
    let credential = identities.credential(&id("sleep")).await.unwrap();
    let stranger = SpiffeId::new("elsewhere", "default", "sleep");
    identities.credential(&stranger).await.unwrap_err();
    let dump = identities.dump();
    assert_eq!(
        dump.iter().map(|one| one.id.clone()).collect::<Vec<_>>(),
        [id("sleep"), stranger]
    );
    assert_eq!(dump[0].chain[0].serial, credential.serial());
    assert_eq!((dump[0].chain.len(), dump[0].roots.len()), (1, 1));
    let CertificateState::Unavailable(reason) = &dump[1].state else {
        panic!("{:?}", dump[1])
    };
    assert!(reason.contains("not of trust domain cluster.local"), "{reason}");
}

/// Answers every request with the same certificate.
struct Confused(Foundry);

impl Issuer for Confused {
    fn issue<'a>(
        &'a self,
        _: &'a SpiffeId,
        _: Duration,
    ) -> BoxFuture<'a, Result<IssuedCertificate, IssueError>> {
        Box::pin(async { Ok(self.0.cast(&[id("somebody").as_str()], |_| {})) })
    }
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_not_used() {
    let identities = Identities::new(Arc::new(Confused(Foundry::new())), Options::default());
    let error = identities.credential(&id("sleep")).await.unwrap_err().to_string();
    assert!(
        error.contains("for spiffe://cluster.local/ns/default/sa/somebody instead"),
        "{error}"
    );
    assert!(identities.credential(&id("somebody")).await.is_ok());
}

#[tokio::test]
async fn tasks_end_with_the_store() {
    let issuer = Scripted::new(Duration::ZERO);
    let identities = Identities::new(issuer.clone(), Options::default());
    identities.credential(&id("sleep")).await.unwrap();
    drop(identities);
    until(|| Arc::strong_count(&issuer) == 1).await;
}
