#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1000;

fn standings(count: usize) -> Vec<Arc<Standing>> {
    (0..count).map(|_| Arc::new(Standing::new(0))).collect()
}

fn outliers(settings: OutlierSettings, members: &[Arc<Standing>]) -> Outliers {
    Outliers::new(settings, members.iter().cloned())
}

/// What is said of each of these outcomes.
fn observe(outliers: &Outliers, standing: &Standing, outcomes: &[Outcome]) -> Vec<Option<Cause>> {
    let observed = outcomes
        .iter()
        .map(|outcome| outliers.observe(standing, *outcome, 0));
    observed.collect()
}

fn ejects(outliers: &Outliers, standing: &Standing, now: u64) -> bool {
    let threshold = outliers.settings().server_errors;
    (0..threshold).any(|_| outliers.observe(standing, Outcome::Status(500), now).is_some())
}

#[test]
fn five_server_errors_in_a_row_set_aside() {
    use Outcome::Status;
    let members = standings(2);
    let outliers = outliers(OutlierSettings::default(), &members);
    let almost = [Status(500), Status(503), Outcome::Unreachable, Outcome::Timeout];
    assert_eq!(observe(&outliers, &members[0], &almost), [None; 4]);
    assert_eq!(observe(&outliers, &members[0], &[Status(404)]), [None]);
    assert_eq!(observe(&outliers, &members[0], &almost), [None; 4]);
    assert!(!members[0].is_ejected());
    assert_eq!(
        observe(&outliers, &members[0], &[Status(599)]),
        [Some(Cause::ServerErrors)]
    );
    assert!(members[0].is_ejected() && !members[1].is_ejected());
    // What is still under way to it changes nothing.
    assert_eq!(observe(&outliers, &members[0], &[Status(500); 9]), [None; 9]);
    assert_eq!(outliers.ejected(), 1);
}

#[test]
fn gateway_errors_count_apart() {
    let members = standings(1);
    let settings = OutlierSettings {
        gateway_errors: 2,
        server_errors: 0,
        ..OutlierSettings::default()
    };
    let outliers = outliers(settings, &members);
    let codes = |codes: &[u16]| -> Vec<_> {
        let outcomes: Vec<_> = codes.iter().map(|code| Outcome::Status(*code)).collect();
        observe(&outliers, &members[0], &outcomes)
    };
    assert_eq!(codes(&[500, 500, 500, 502, 500, 503, 200, 504]), [None; 8]);
    assert_eq!(codes(&[502]), [Some(Cause::GatewayErrors)]);
}

#[test]
fn errors_on_this_side_count_apart_when_asked() {
    let members = standings(1);
    let settings = OutlierSettings {
        local_errors: Some(2),
        ..OutlierSettings::default()
    };
    let outliers = outliers(settings, &members);
    let outcomes = [
        Outcome::Unreachable,
        // A bad response is one: the endpoint can be reached.
        Outcome::Status(500),
        Outcome::Timeout,
        Outcome::Unreachable,
    ];
    let observed = observe(&outliers, &members[0], &outcomes);
    assert_eq!(observed, [None, None, None, Some(Cause::LocalErrors)]);
}

#[test]
fn listed_codes_are_the_errors() {
    let members = standings(1);
    let settings = OutlierSettings {
        error_codes: vec![429, 503],
        server_errors: 3,
        gateway_errors: 2,
        ..OutlierSettings::default()
    };
    let outliers = outliers(settings, &members);
    let codes = |codes: &[u16]| -> Vec<_> {
        let outcomes: Vec<_> = codes.iter().map(|code| Outcome::Status(*code)).collect();
        observe(&outliers, &members[0], &outcomes)
    };
    assert_eq!(codes(&[429, 429, 500]), [None; 3], "500 is no error then");
    assert_eq!(codes(&[429, 429, 503]), [None, None, Some(Cause::ServerErrors)]);
}

#[test]
fn ejections_grow_longer_and_are_forgotten() {
    let members = standings(1);
    let outliers = outliers(OutlierSettings::default(), &members);
    let standing = &members[0];
    assert!(ejects(&outliers, standing, 0));
    assert_eq!(outliers.sweep(29 * SECOND), 0);
    assert_eq!(outliers.sweep(30 * SECOND), 1);
    assert!(!standing.is_ejected());

    assert!(ejects(&outliers, standing, 31 * SECOND), "the count began anew");
    assert_eq!(outliers.sweep(90 * SECOND), 0);
    assert_eq!(outliers.sweep(91 * SECOND), 1);

    // Two intervals of health: both times are forgotten.
    for now in [95, 101, 111] {
        assert_eq!(outliers.sweep(now * SECOND), 0);
    }
    assert!(ejects(&outliers, standing, 112 * SECOND));
    assert_eq!(outliers.sweep(142 * SECOND), 1);
}

#[test]
fn no_ejection_is_longer_than_the_maximum() {
    let members = standings(1);
    let settings = OutlierSettings {
        maximum_ejection: Duration::from_secs(70),
        ..OutlierSettings::default()
    };
    let outliers = outliers(settings, &members);
    let mut now = 0;
    for lasts in [30, 60, 70, 70, 70] {
        assert!(ejects(&outliers, &members[0], now));
        assert_eq!(outliers.sweep(now + lasts * SECOND - 1), 0);
        now += lasts * SECOND;
        assert_eq!(outliers.sweep(now), 1);
    }
}

#[test]
fn a_maximum_below_the_base_is_the_base() {
    let members = standings(1);
    let settings = OutlierSettings {
        base_ejection: Duration::from_secs(600),
        ..OutlierSettings::default()
    };
    let outliers = outliers(settings, &members);
    assert!(ejects(&outliers, &members[0], 0));
    assert_eq!(outliers.sweep(599 * SECOND), 0);
    assert_eq!(outliers.sweep(600 * SECOND), 1);
}

#[test]
fn only_so_many_are_set_aside() {
    let of = |maximum_percent, always_one, count| {
        let members = standings(count);
        let settings = OutlierSettings {
            maximum_percent,
            always_one,
            ..OutlierSettings::default()
        };
        let outliers = outliers(settings, &members);
        members.iter().filter(|it| ejects(&outliers, it, 0)).count()
    };
    assert_eq!(of(10, true, 3), 1);
    assert_eq!(of(10, false, 3), 0);
    assert_eq!(of(10, false, 10), 1);
    assert_eq!(of(50, true, 5), 2);
    assert_eq!(of(100, true, 5), 5);
    assert_eq!(of(0, true, 5), 1);
    assert_eq!(of(1000, true, 5), 5);
}

#[test]
fn the_next_version_of_a_cluster_goes_on() {
    let members = standings(4);
    let old = outliers(OutlierSettings::default(), &members);
    assert_eq!(observe(&old, &members[1], &[Outcome::Status(500); 4]), [None; 4]);
    assert!(ejects(&old, &members[0], 0));

    let new = outliers(OutlierSettings::default(), &members);
    assert_eq!(new.ejected(), 1);
    assert_eq!(
        observe(&new, &members[1], &[Outcome::Status(500)]),
        [None],
        "the fifth error, but one is aside already"
    );
    // The old version still serves requests; what it does comes to the new one's notice.
    let before = new.changes();
    assert_eq!(old.sweep(30 * SECOND), 1);
    assert_eq!(new.sweep(30 * SECOND), 0);
    assert_ne!(new.changes(), before);
    assert!(ejects(&new, &members[2], 31 * SECOND));
}

#[test]
fn threads_do_not_set_aside_more_than_they_may() {
    let members = standings(20);
    let outliers = outliers(OutlierSettings::default(), &members);
    std::thread::scope(|scope| {
        for members in members.chunks(5) {
            let outliers = &outliers;
            scope.spawn(move || {
                for standing in members {
                    ejects(outliers, standing, 0);
                }
            });
        }
    });
    assert_eq!(outliers.ejected(), 2);
}

proptest! {
    /// The counters against a history that is looked at whole: set aside exactly after so many errors in a row.
    #[test]
    fn set_aside_after_so_many_in_a_row(threshold in 1u32..6, codes in prop::collection::vec(prop::sample::select(vec![200u16, 404, 500, 503]), 0..40)) {
        let members = standings(1);
        let settings = OutlierSettings { server_errors: threshold, ..OutlierSettings::default() };
        let outliers = outliers(settings, &members);
        for (place, code) in codes.iter().enumerate() {
            let in_a_row = codes[..=place].iter().rev().take_while(|code| **code >= 500).count();
            let caused = outliers.observe(&members[0], Outcome::Status(*code), 7);
            prop_assert_eq!(caused.is_some(), in_a_row >= threshold as usize);
            if caused.is_some() {
                return Ok(());
            }
        }
        prop_assert!(!members[0].is_ejected());
    }

    /// However many fail, no more than allowed are aside, and all come back.
    #[test]
    fn the_share_holds(count in 1usize..60, percent in 0u32..=100, failing in prop::collection::vec(any::<prop::sample::Index>(), 0..80)) {
        let members = standings(count);
        let settings = OutlierSettings { maximum_percent: percent, ..OutlierSettings::default() };
        let outliers = outliers(settings, &members);
        for index in failing {
            ejects(&outliers, &members[index.index(count)], 0);
            prop_assert!(outliers.ejected() <= (count * percent as usize / 100).max(1));
        }
        let ejected = outliers.ejected();
        prop_assert_eq!(outliers.sweep(30 * SECOND), ejected);
        prop_assert_eq!(outliers.ejected(), 0);
    }
}
