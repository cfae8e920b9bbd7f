#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;

fn judged(edited: u64, samples: &[(u64, u64, Seen)]) -> Judgement {
    let begin = Instant::now();
    let at = |ms| begin + Duration::from_millis(ms);
    let samples: Vec<_> = samples
        .iter()
        .map(|(sent, received, seen)| Sample {
            sent: at(*sent),
            received: at(*received),
            seen: seen.clone(),
        })
        .collect();
    judge(&samples, at(edited))
}

#[test]
fn requests_under_way_may_see_either_policy() {
    let judgement = judged(
        100,
        &[
            (0, 5, Seen::Allowed),
            (150, 170, Seen::Allowed),
            (151, 160, Seen::Denied),
            (165, 166, Seen::Denied),
        ],
    );
    let live = Some(Duration::from_millis(60));
    assert_eq!(
        judgement,
        Judgement {
            live,
            allowed: 2,
            denied: 2,
            ..Judgement::default()
        }
    );
}

#[test]
fn the_old_policy_does_not_come_back() {
    let judgement = judged(100, &[(151, 160, Seen::Denied), (161, 162, Seen::Allowed)]);
    assert_eq!(judgement.late, 1);
}

#[test]
fn nothing_is_denied_before_the_edit() {
    let judgement = judged(100, &[(50, 60, Seen::Denied)]);
    assert_eq!(judgement.early, 1);
}

#[test]
fn what_is_lost_or_strange_is_told() {
    let judgement = judged(
        100,
        &[
            (0, 1, Seen::Lost("reset".into())),
            (1, 2, Seen::Strange("500".into())),
        ],
    );
    assert_eq!(judgement.wrong, ["reset", "500"]);
    assert_eq!(judgement.live, None);
}
