use cairn_filter::serde_json::{Value, json};

use crate::schema::Schema;

/// The pointer of what does not fit; `None` if all does.
fn misfit(schema: &Value, value: &Value) -> Option<String> {
    let schema = Schema::compile(schema).unwrap();
    schema.check(value).err().map(|mismatch| mismatch.pointer)
}

/// A schema, a value that fits and one that does not.
#[test]
fn each_keyword_tells_values_apart() {
    for (schema, fits, misfits) in [
        (json!({"type": "integer"}), json!(1.0), json!(1.5)),
        (json!({"type": ["null", "string"]}), json!(null), json!(1)),
        (json!({"type": "boolean"}), json!(true), json!(0)),
        (json!({"enum": [1, "a", [1]]}), json!([1.0]), json!("b")),
        (
            json!({"const": {"a": 1}}),
            json!({"a": 1.0}),
            json!({"a": 1, "b": 2}),
        ),
        (json!({"minimum": 2}), json!(2), json!(1.9)),
        (json!({"maximum": 2}), json!(2), json!(2.1)),
        (json!({"exclusiveMinimum": 2}), json!(2.1), json!(2)),
        (json!({"exclusiveMaximum": 2}), json!(1.9), json!(2)),
        (json!({"multipleOf": 0.1}), json!(0.3), json!(0.35)),
        (json!({"minLength": 2}), json!("éé"), json!("é")),
        (json!({"maxLength": 1}), json!("é"), json!("éé")),
        (json!({"pattern": "^a+$"}), json!("aa"), json!("ab")),
        (json!({"minItems": 1}), json!([1]), json!([])),
        (json!({"maxItems": 1}), json!([1]), json!([1, 2])),
        (json!({"uniqueItems": true}), json!([1, "1"]), json!([1, 1.0])),
        (json!({"minProperties": 1}), json!({"a": 1}), json!({})),
        (json!({"maxProperties": 0}), json!({}), json!({"a": 1})),
        (json!({"required": ["a"]}), json!({"a": null}), json!({"b": 1})),
        (
            json!({"allOf": [{"minimum": 1}, {"maximum": 2}]}),
            json!(1),
            json!(3),
        ),
        (
            json!({"anyOf": [{"type": "null"}, {"minimum": 1}]}),
            json!(1),
            json!(0),
        ),
        (
            json!({"oneOf": [{"minimum": 1}, {"minimum": 2}]}),
            json!(1),
            json!(2),
        ),
        (json!({"not": {"type": "string"}}), json!(1), json!("a")),
        (json!(true), json!(1), json!(null)),
    ] {
        assert_eq!(misfit(&schema, &fits), None, "{fits} in {schema}");
        if schema != json!(true) {
            assert_eq!(
                misfit(&schema, &misfits).as_deref(),
                Some(""),
                "{misfits} in {schema}"
            );
        }
    }
}

#[test]
fn keywords_of_a_type_leave_other_types_alone() {
    let schema = json!({"minimum": 5, "minLength": 5, "minItems": 5, "minProperties": 5, "required": ["a"]});
    assert_eq!(misfit(&schema, &json!(null)), None);
    assert_eq!(misfit(&schema, &json!(true)), None);
}

#[test]
fn the_place_is_a_pointer() {
    let schema = json!({
        "properties": {"a/b~": {"items": {"properties": {"c": {"type": "string"}}}}},
        "patternProperties": {"^x-": {"type": "integer"}},
        "additionalProperties": false
    });
    assert_eq!(
        misfit(&schema, &json!({"a/b~": [{"c": "1"}, {"c": 1}]})).unwrap(),
        "/a~1b~0/1/c"
    );
    assert_eq!(misfit(&schema, &json!({"x-a": "1"})).unwrap(), "/x-a");
    assert_eq!(misfit(&schema, &json!({"x-a": 1, "y": 1})).unwrap(), "/y");
    let tuple = json!({"prefixItems": [{"type": "string"}], "items": {"type": "integer"}});
    assert_eq!(misfit(&tuple, &json!(["a", 1, "b"])).unwrap(), "/2");
    assert_eq!(misfit(&tuple, &json!(["a", 1])), None);
}

#[test]
fn references_may_go_round_but_not_for_ever() {
    let tree = json!({
        "$ref": "#/$defs/node",
        "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}}
    });
    assert_eq!(misfit(&tree, &json!({"next": {"next": {}}})), None);
    assert_eq!(
        misfit(&tree, &json!({"next": {"next": 1}})).unwrap(),
        "/next/next"
    );
    assert_eq!(misfit(&json!({"$ref": "#"}), &json!(1)).unwrap(), "");
}

#[test]
fn what_is_not_known_is_refused_with_its_place() {
    for (schema, place) in [
        (
            json!({"format": "email"}),
            "format: this keyword is not supported",
        ),
        (json!({"properties": {"a": {"if": true}}}), "a.if: this keyword"),
        (json!({"allOf": [{}, {"contains": {}}]}), "allOf[1].contains"),
        (json!({"type": "float"}), "there is no type `float`"),
        (json!({"$ref": "#/$defs/a"}), "there is no `#/$defs/a`"),
        (json!({"items": {"$ref": "other.json"}}), "items ("),
        (json!({"pattern": "("}), "is no pattern"),
        (json!({"minLength": -1}), "minLength: must be"),
        (json!({"anyOf": []}), "anyOf: must have"),
        (json!(7), "must be an object"),
    ] {
        let error = Schema::compile(&schema).unwrap_err();
        assert!(error.contains(place), "{error}");
    }
}
