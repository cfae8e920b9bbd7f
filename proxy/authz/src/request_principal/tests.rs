use super::RequestPrincipals;

/// A value, and issuers and subjects that it matches and does not match.
type Case = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [(&'static str, &'static str)],
);

#[test]
fn every_form_of_a_value() {
    let cases: &[Case] = &[
        ("*", &[("i", "s")], &[("", "s"), ("i", "")]),
        (
            "https://i/s",
            &[("https://i", "s")],
            &[("https:", "/i/s"), ("https://i", "t"), ("https://i/", "s")],
        ),
        ("https://i//s", &[("https://i/", "s")], &[("https://i", "s")]),
        ("*/s", &[("i", "s")], &[("", "s"), ("i", "ts")]),
        ("*.i/s", &[("a.i", "s"), (".i", "s")], &[("i", "s"), ("a.i", "")]),
        ("*s", &[("i", "s"), ("i", "es")], &[("", "s"), ("s", "i")]),
        ("i/*", &[("i", "s")], &[("i", ""), ("j", "s")]),
        ("i/s*", &[("i", "s"), ("i", "sub")], &[("i", "t"), ("ii", "s")]),
        ("i*", &[("i", "s"), ("iss", "x")], &[("j", "s"), ("i", "")]),
        ("i", &[("i", "")], &[("i", "s"), ("i", "i")]),
        ("i/", &[("i", "")], &[("i", "s")]),
        ("/s", &[("", "s")], &[("i", "s")]),
        // Only the one at the start is a wildcard, as in Istio.
        ("*/*", &[("i", "*")], &[("i", "s")]),
        ("*/s*", &[("i", "s*")], &[("i", "sub")]),
    ];
    for (value, matching, others) in cases {
        let one = RequestPrincipals::new([*value]);
        let among = RequestPrincipals::new(["none/such", value, "other/x"]);
        for (pairs, expected) in [(matching, true), (others, false)] {
            for (issuer, subject) in *pairs {
                assert_eq!(
                    one.matches(issuer, subject),
                    expected,
                    "{value}: {issuer} {subject}"
                );
                assert_eq!(
                    among.matches(issuer, subject),
                    expected,
                    "{value}: {issuer} {subject}"
                );
            }
        }
    }
    assert!(!RequestPrincipals::new([]).matches("i", "s"));
}

#[test]
fn doubtful_values() {
    for value in ["*/*", "*a/b*", "a*/b", "a/*b", "a/b*c", "alice", "https://i/"] {
        assert!(RequestPrincipals::doubt(value).is_some(), "{value}");
    }
    for value in ["*", "*/s", "*s", "i/*", "i/s*", "i*", "https://i/s"] {
        assert_eq!(RequestPrincipals::doubt(value), None, "{value}");
    }
}
