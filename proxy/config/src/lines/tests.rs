#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;
use crate::yaml::parse;

fn lines(text: &str) -> Lines {
    Lines::of(&parse(text).unwrap().root.unwrap())
}

const TEXT: &str = "\
kind: VirtualService
spec:
  http:
  - match:
    - uri:
        exact: /hello
    route:
    - weight: 1
metadata:
  labels:
    istio.io/use-waypoint: none
";

#[test]
fn fields_have_lines() {
    let lines = lines(TEXT);
    assert_eq!(lines.find(""), Some(1));
    assert_eq!(lines.find("spec.http[0].match[0].uri.exact"), Some(6));
    assert_eq!(lines.find("spec.http[0].route[0]"), Some(8));
    assert_eq!(lines.find("metadata.labels.istio.io/use-waypoint"), Some(11));
}

#[test]
fn a_field_that_is_not_written_has_the_line_of_the_nearest_around_it() {
    let lines = lines(TEXT);
    assert_eq!(lines.find("spec.http[0].route[0].destination.subset"), Some(8));
    assert_eq!(lines.find("spec.http[0].route[7].weight"), Some(7));
    assert_eq!(lines.find("spec.http[0].timeout"), Some(4));
    assert_eq!(lines.find("status"), Some(1));
    assert_eq!(Lines::default().find("spec"), None);
}
