#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::path::render;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Form {
    name: String,
    port: Option<u16>,
    items: Vec<Item>,
    labels: BTreeMap<String, String>,
    mode: Option<Mode>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Item {
    host: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
enum Mode {
    Strict,
}

fn read(value: Value) -> (Option<Form>, Vec<String>, Vec<String>) {
    let decoded = decode::<Form>(value);
    let wrong = decoded.wrong.iter().map(|wrong| render(&wrong.path)).collect();
    (
        decoded.object,
        wrong,
        decoded.unknown.iter().map(|path| render(path)).collect(),
    )
}

#[test]
fn what_fits_is_read() {
    let (form, wrong, unknown) =
        read(json!({"name": "a", "port": 80, "items": [{"host": "x"}], "mode": "Strict"}));
    assert_eq!(
        form.unwrap().items,
        [Item {
            host: Some("x".to_owned())
        }]
    );
    assert_eq!((wrong.len(), unknown.len()), (0, 0));
}

#[test]
fn every_wrong_field_is_found_in_one_go() {
    let value =
        json!({"name": 1, "port": 70_000, "items": [{"host": {}}, {"host": true}], "labels": {"a": 1}});
    let (form, mut wrong, _) = read(value);
    wrong.sort();
    assert_eq!(form, None);
    assert_eq!(
        wrong,
        ["items[0].host", "items[1].host", "labels.a", "name", "port"]
    );
}

#[test]
fn an_item_that_does_not_fit_ends_the_search() {
    let (form, wrong, _) = read(json!({"items": [1, 2]}));
    assert_eq!(form, None);
    assert_eq!(wrong, ["items[0]"]);
}

#[test]
fn the_number_of_wrong_fields_that_are_told_is_bounded() {
    let labels: BTreeMap<String, u32> = (0..100).map(|index| (format!("l{index}"), index)).collect();
    assert_eq!(read(json!({"labels": labels})).1.len(), MAX_WRONG);
}

#[test]
fn unknown_fields_have_a_path_through_options_and_lists() {
    let (form, _, unknown) = read(json!({"nmae": "a", "items": [{"host": "x", "hots": {"deep": 1}}]}));
    assert!(form.is_some());
    assert_eq!(unknown, ["items[0].hots", "nmae"]);
}

#[test]
fn a_wrong_choice_is_a_wrong_field() {
    assert_eq!(read(json!({"mode": "strict"})).1, ["mode"]);
    assert_eq!(read(json!({"mode": 1})).1, ["mode"]);
}
