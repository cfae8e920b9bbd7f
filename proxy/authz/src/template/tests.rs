#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;

#[track_caller]
fn check(template: &str, matching: &[&str], others: &[&str]) {
    let template = Template::parse(template).expect(template);
    for path in matching {
        assert!(template.matches(path, Charset::Segment), "{path} matches");
        assert!(
            template.matches(path, Charset::Any),
            "{path} matches with any character"
        );
        assert!(
            path.starts_with(&template.literal_prefix()),
            "{path} has the prefix"
        );
    }
    for path in others {
        assert!(!template.matches(path, Charset::Segment), "{path} does not match");
        assert!(
            !template.matches(path, Charset::Any),
            "{path} does not match with any character"
        );
    }
}

#[test]
fn one_segment() {
    check(
        "/a/{*}",
        &["/a/b", "/a/%20", "/a/b.c"],
        &["/a/", "/a", "/a/b/", "/a/b/c", "/b/b", "a/b", ""],
    );
    check("/{*}", &["/a"], &["/", "", "/a/b", "//"]);
    check(
        "/{*}/b/{*}/d",
        &["/a/b/c/d"],
        &["/a/b/c", "/a/b//d", "/a/b/c/d/", "/a/b/c/d/e", "//b/c/d"],
    );
    check("/a/{*}/", &["/a/b/"], &["/a/b", "/a//", "/a/b/c"]);
    check(
        "/a/{*}.txt",
        &["/a/b.txt", "/a/..txt"],
        &["/a/.txt", "/a/btxt", "/a/b.txt/", "/a/b/c.txt"],
    );
}

#[test]
fn any_number_of_segments() {
    check(
        "/tmpl/{*}/x/{**}",
        &["/tmpl/a/x/", "/tmpl/a/x/b", "/tmpl/a/x/b/c/"],
        &["/tmpl/a/x", "/tmpl/x/", "/tmpl//x/"],
    );
    check("/{**}", &["/", "/a", "/a/b//c"], &["", "a"]);
    check(
        "/a/{**}/b",
        &["/a//b", "/a/x/b", "/a/x/y/b", "/a/b/b"],
        &["/a/b", "/a/x/b/", "/b/x/b"],
    );
    check("/a/{**}/b/", &["/a/x/b/"], &["/a/x/b"]);
    check(
        "/a/{**}.mp4",
        &["/a/.mp4", "/a/x.mp4", "/a/x/y.mp4"],
        &["/a/x.mp", "/ax.mp4"],
    );
}

#[test]
fn characters_outside_a_segment_match_only_where_that_refuses() {
    for (template, path) in [
        ("/a/{*}/b", "/a/x=1/b"),
        ("/a/{**}", "/a/x*/y"),
        ("/{*}", "/ä"),
        ("/a/{*}.t", "/a/[].t"),
    ] {
        let template = Template::parse(template).unwrap();
        assert!(!template.matches(path, Charset::Segment), "{path}");
        assert!(template.matches(path, Charset::Any), "{path}");
    }
}

#[test]
fn what_istio_or_envoy_refuses_is_no_template() {
    for path in [
        "a/{*}",
        "{*}",
        "/a{*}",
        "/{*}{*}",
        "/{**}/{*}",
        "/{**}/{**}",
        "/{*}/*",
        "/{*}/**",
        "/*/{*}",
        "/{x}/{*}",
        "/{x=*}/{*}",
        "/{}/{*}",
        "//{*}",
        "/a//{*}",
        "/{*}//",
        "/{*}.a/b",
        "/{**}.a/b",
        "/{**}//b",
        "/{**}/b//",
        "/{*}/a=b",
        "/{**}/ä",
        "/{*}.{*}",
        "/{**}{*}",
        "/{*}/ ",
    ] {
        assert!(Template::is_template(path), "{path}");
        assert!(Template::parse(path).is_none(), "{path}");
    }
    assert!(!Template::is_template("/a/*") && !Template::is_template("/{a}"));
}
