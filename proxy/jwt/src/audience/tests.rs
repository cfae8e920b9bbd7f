use super::Audiences;

fn accepts(written: &[&str], audiences: &[&str]) -> bool {
    Audiences::new(written.iter().copied()).accept(audiences.iter().copied())
}

#[test]
fn one_audience_is_enough() {
    assert!(accepts(&["a", "b"], &["x", "b"]));
    assert!(!accepts(&["a", "b"], &["x"]));
    assert!(!accepts(&["a"], &[]));
    assert!(accepts(&[], &[]));
    assert!(accepts(&[], &["x"]));
    assert!(!accepts(&["a"], &["A"]));
}

#[test]
fn scheme_and_one_slash_at_the_end_do_not_count() {
    let same = [
        "example.com/a",
        "http://example.com/a",
        "https://example.com/a/",
        "example.com/a/",
    ];
    for written in same {
        for audience in same {
            assert!(accepts(&[written], &[audience]), "{written} {audience}");
        }
    }
    assert!(!accepts(&["example.com/a"], &["example.com/a//"]));
    assert!(!accepts(&["example.com/a"], &["ftp://example.com/a"]));
    assert!(!accepts(&["example.com/a"], &["http://https://example.com/a"]));
    assert!(!accepts(&["example.com/a"], &["HTTP://example.com/a"]));
    assert!(accepts(&["https://"], &["/"]));
}
