#![allow(clippy::unwrap_used)]

use super::ClaimPath;

fn names(path: Option<ClaimPath>) -> Option<Vec<String>> {
    Some(path?.names().map(str::to_owned).collect())
}

#[test]
fn conditions_and_matches_name_claims() {
    let condition = |key| names(ClaimPath::of_condition(key));
    let header = |name| names(ClaimPath::of_header(name));
    let of = |list: &[&str]| Some(list.iter().map(ToString::to_string).collect());
    assert_eq!(condition("request.auth.claims[a]"), of(&["a"]));
    assert_eq!(condition("request.auth.claims[a][b.c]"), of(&["a", "b.c"]));
    for wrong in [
        "request.auth.claims",
        "request.auth.claims[]",
        "request.auth.claims[a][]",
        "request.auth.claims[a",
        "request.auth.claims.a",
        "request.auth.claim[a]",
    ] {
        assert_eq!(condition(wrong), None, "{wrong}");
    }
    assert_eq!(header("@request.auth.claims.a.b"), of(&["a", "b"]));
    assert_eq!(header("@Request.Auth.Claims.A"), of(&["A"]));
    assert_eq!(
        header("@request.auth.claims[https://x/a][b]"),
        of(&["https://x/a", "b"])
    );
    for wrong in [
        "@request.auth.claims",
        "@request.auth.claims.",
        "@request.auth.claims.a.",
        "@request.auth.claims-a",
        "@request.auth.claims[a]b",
        "x-@request.auth.claims.a",
        "é",
    ] {
        assert_eq!(header(wrong), None, "{wrong}");
    }
    assert_eq!(names(ClaimPath::of(["a", "b"])), of(&["a", "b"]));
    assert_eq!(names(ClaimPath::of([])), None);
}
