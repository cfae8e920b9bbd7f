#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::*;

static NONE: BTreeMap<String, String> = BTreeMap::new();

fn place(text: &str) -> Place<'_> {
    let mut parts = text.splitn(3, '/');
    let mut part = || parts.next().unwrap_or_default();
    Place {
        region: part(),
        zone: part(),
        subzone: part(),
        labels: &NONE,
    }
}

fn arranged(
    own: &str,
    endpoints: &[&str],
    preference: &Preference,
    failover: bool,
) -> Vec<Vec<(u32, Vec<usize>)>> {
    let endpoints: Vec<_> = endpoints.iter().map(|it| place(it)).collect();
    let tiers = arrange(place(own), &endpoints, preference, failover);
    let portion = |it: Portion| (it.weight, it.members);
    tiers
        .into_iter()
        .map(|portions| portions.into_iter().map(portion).collect())
        .collect()
}

fn members(tiers: Vec<Vec<(u32, Vec<usize>)>>) -> Vec<Vec<usize>> {
    tiers
        .into_iter()
        .map(|portions| portions.into_iter().flat_map(|(_, members)| members).collect())
        .collect()
}

fn failover(regions: &[(&str, &str)], labels: &[(&str, Option<&str>)]) -> Preference {
    Preference::Failover {
        regions: regions
            .iter()
            .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()))
            .collect(),
        labels: labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
            .collect(),
    }
}

fn distribute(shares: &[(&str, &[(&str, u32)])]) -> Preference {
    let distribution = |(from, to): &(&str, &[(&str, u32)])| Distribution {
        from: (*from).to_owned(),
        to: to.iter().map(|(to, share)| ((*to).to_owned(), *share)).collect(),
    };
    Preference::Distribute(shares.iter().map(distribution).collect())
}

const ENDPOINTS: [&str; 6] = ["us/a/1", "eu/a/1", "us/a/2", "us/b/1", "asia/c/1", ""];

#[test]
fn what_is_near_comes_first() {
    let tiers = arranged("us/a/1", &ENDPOINTS, &failover(&[], &[]), true);
    assert_eq!(members(tiers), [vec![0], vec![2], vec![3], vec![1, 4, 5]]);
    // Tiers that nobody is in are none.
    let tiers = arranged("eu/x/1", &ENDPOINTS, &failover(&[], &[]), true);
    assert_eq!(members(tiers), [vec![1], vec![0, 2, 3, 4, 5]]);
}

#[test]
fn a_region_has_its_stand_in() {
    let preference = failover(&[("eu", "us"), ("us", "asia"), ("us", "eu")], &[]);
    let tiers = arranged("us/b/1", &ENDPOINTS, &preference, true);
    assert_eq!(members(tiers), [vec![3], vec![0, 2], vec![4], vec![1, 5]]);
}

#[test]
fn without_a_place_or_ejections_all_are_equal() {
    let all = [vec![(1, vec![0, 1, 2, 3, 4, 5])]];
    let preference = failover(&[("us", "asia")], &[]);
    assert_eq!(arranged("", &ENDPOINTS, &preference, true), all);
    assert_eq!(arranged("us/a/1", &ENDPOINTS, &preference, false), all);
    assert_eq!(arranged("us/a/1", &ENDPOINTS, &Preference::None, true), all);
}

#[test]
fn labels_rank_by_the_first_that_differs() {
    let labels = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let owned = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        owned.collect()
    };
    let own = labels(&[("network", "n1"), ("version", "v1")]);
    let all = [
        labels(&[("network", "n2"), ("version", "v1")]),
        labels(&[("network", "n1"), ("version", "v2")]),
        labels(&[("network", "n1"), ("version", "v1")]),
        labels(&[]),
    ];
    let endpoints: Vec<_> = all
        .iter()
        .map(|labels| Place {
            labels,
            ..place("us/a/1")
        })
        .collect();
    let own = Place {
        labels: &own,
        ..place("us/b/1")
    };
    let of = |wanted: &[(&str, Option<&str>)], regions: &[(&str, &str)]| -> Vec<Vec<usize>> {
        let tiers = arrange(own, &endpoints, &failover(regions, wanted), true);
        tiers
            .into_iter()
            .map(|mut portions| portions.remove(0).members)
            .collect()
    };
    assert_eq!(
        of(&[("network", None), ("version", None)], &[]),
        [vec![2], vec![1], vec![0, 3]]
    );
    assert_eq!(of(&[("version", Some("v2"))], &[]), [vec![1], vec![0, 2, 3]]);
    assert_eq!(
        of(&[("topology.kubernetes.io/zone", None)], &[]),
        [vec![0, 1, 2, 3]]
    );
    assert_eq!(
        of(&[("topology.kubernetes.io/region", None)], &[]),
        [vec![0, 1, 2, 3]]
    );
    // With regions as well, nearness ranks what labels leave equal.
    let mut endpoints = endpoints.clone();
    endpoints[3] = Place {
        labels: &all[2],
        ..place("eu/a/1")
    };
    let tiers = arrange(
        own,
        &endpoints,
        &failover(&[("us", "eu")], &[("network", None)]),
        true,
    );
    let tiers: Vec<_> = tiers
        .into_iter()
        .map(|mut portions| portions.remove(0).members)
        .collect();
    assert_eq!(tiers, [vec![1, 2], vec![3], vec![0]]);
}

#[test]
fn shares_are_those_of_the_first_place_that_applies() {
    let preference = distribute(&[
        ("us/b/*", &[("us/b/*", 100)]),
        (
            "us/*",
            &[("us/a/*", 70), ("eu", 30), ("africa", 10), ("asia/*", 0)],
        ),
    ]);
    assert_eq!(
        arranged("us/a/1", &ENDPOINTS, &preference, false),
        [vec![(70, vec![0, 2]), (30, vec![1])]],
        "what is not named, or not there, gets nothing"
    );
    assert_eq!(
        arranged("us/b/7", &ENDPOINTS, &preference, true),
        [vec![(100, vec![3])]]
    );
    assert_eq!(
        members(arranged("eu/a/1", &ENDPOINTS, &preference, true)),
        [vec![0, 1, 2, 3, 4, 5]],
        "nothing is said of this place"
    );
    let anywhere = distribute(&[("*", &[("us/a/1", 1), ("us/*", 1), ("*", 8)])]);
    assert_eq!(
        arranged("", &ENDPOINTS, &anywhere, true),
        [vec![(1, vec![0]), (1, vec![2, 3]), (8, vec![1, 4, 5])]]
    );
}

proptest! {
    /// Failover leaves nobody out and names nobody twice, whatever the places.
    #[test]
    fn everybody_is_in_one_tier(
        own in "[ab]?(/[ab]){0,2}",
        places in prop::collection::vec("[abc]?(/[abc]){0,2}", 0..20),
        to in "[abc]",
        label in prop::option::of(prop::sample::select(vec!["topology.kubernetes.io/zone", "x"])),
    ) {
        let labels: Vec<_> = label.iter().map(|name| (*name, None)).collect();
        let preference = failover(&[("a", &to)], &labels);
        let texts: Vec<&str> = places.iter().map(String::as_str).collect();
        let tiers = members(arranged(&own, &texts, &preference, true));
        prop_assert!(tiers.iter().all(|tier| !tier.is_empty()));
        let mut all: Vec<usize> = tiers.into_iter().flatten().collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..places.len()).collect::<Vec<_>>());
    }
}
