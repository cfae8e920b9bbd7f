#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use cairn_api::meta::Kind;

use super::*;

fn at(file: &str, line: usize, message: &str) -> Problem {
    Problem::of_file(
        Location {
            file: file.into(),
            line,
        },
        message,
        "",
    )
}

#[test]
fn a_problem_is_one_line_with_everything_in_it() {
    let mut problem = Problem::error(
        ObjectRef::new(Kind::VirtualService, "default", "helloworld"),
        "spec.http[0].timeout",
        "must be a duration,\nnot a list",
        "write 3s",
    );
    assert_eq!(
        problem.to_string(),
        "error: VirtualService default/helloworld: spec.http[0].timeout: must be a duration, not a list; write 3s"
    );
    problem.location = Some(Location {
        file: "helloworld.yaml".into(),
        line: 12,
    });
    assert!(
        problem
            .to_string()
            .starts_with("helloworld.yaml:12: error: VirtualService default/helloworld: ")
    );
}

#[test]
fn parts_that_are_missing_leave_no_trace() {
    assert_eq!(
        at("a.yaml", 0, "cannot be read").to_string(),
        "a.yaml: error: cannot be read"
    );
}

#[test]
fn a_report_is_sorted_by_line_and_says_each_thing_once() {
    let object = ObjectRef::new(Kind::Service, "default", "a");
    let mut report = Report::default();
    report.push(Problem::warning(object, "", "nowhere", ""));
    report.push(at("b.yaml", 1, "x"));
    report.push(at("a.yaml", 10, "x"));
    report.push(at("a.yaml", 9, "x"));
    report.push(at("a.yaml", 9, "x"));
    report.extend([at("a.yaml", 10, "x"), at("a.yaml", 2, "x")]);
    let lines: Vec<String> = report.iter().map(Problem::to_string).collect();
    assert_eq!(
        lines,
        [
            "a.yaml:2: error: x",
            "a.yaml:9: error: x",
            "a.yaml:10: error: x",
            "b.yaml:1: error: x",
            "warning: Service default/a: nowhere"
        ]
    );
    assert_eq!(report.to_string(), lines.join("\n"));
    assert!(report.has_errors());
    assert_eq!(
        (report.count(Severity::Error), report.count(Severity::Warning)),
        (4, 1)
    );
}

#[test]
fn control_characters_never_reach_the_terminal() {
    assert_eq!(
        at("a\n.yaml", 1, "\u{1b}[31mred").to_string(),
        "a .yaml:1: error:  [31mred"
    );
}
