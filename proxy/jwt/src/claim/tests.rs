use super::{Claim, Claims};

fn parse(json: &str) -> Option<Claims> {
    Claims::parse(json.as_bytes())
}

#[test]
fn members_are_found_by_name_and_by_path() {
    let claims = parse(r#"{"sub":"a","x":{"y":{"z":[1,"two"]}},"a.b":true}"#).unwrap();
    assert_eq!(claims.get("sub").and_then(Claim::as_text), Some("a"));
    assert_eq!(claims.get("a.b"), Some(&Claim::Bool(true)));
    assert!(matches!(claims.at(["x", "y", "z"]), Some(Claim::List(items)) if items.len() == 2));
    assert_eq!(claims.at(["x", "z"]), None);
    assert_eq!(claims.at(["sub", "y"]), None);
    assert_eq!(claims.at([]), None);
}

#[test]
fn a_name_is_given_once_at_any_depth() {
    for json in [
        r#"{"a":1,"b":2,"a":3}"#,
        r#"{"x":{"a":1,"a":1}}"#,
        r#"{"x":[{"a":1,"\u0061":1}]}"#,
    ] {
        assert!(parse(json).is_none(), "{json}");
    }
    assert!(parse(r#"{"a":{"a":{"a":1}},"A":1}"#).is_some());
}

#[test]
fn only_whole_objects_are_read() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    for json in [
        "",
        "[]",
        "1",
        "null",
        "{} {}",
        "{}x",
        "{\"a\":1e999}",
        "{'a':1}",
        "{\"a\":1,}",
        &deep,
    ] {
        assert!(parse(json).is_none(), "{json}");
    }
    assert!(parse(" {\r\n} ").is_some());
    assert!(Claims::parse(b"{\"a\":\"\xff\"}").is_none());
}

#[test]
fn what_is_written_again_is_what_was_read() {
    let claims = parse(r#"{"l":[1,-2,18446744073709551615,1.5,"x",null,true,{"b":[],"a":{}}]}"#).unwrap();
    let again = serde_json::to_string(claims.get("l").unwrap()).unwrap();
    assert_eq!(
        again,
        r#"[1,-2,18446744073709551615,1.5,"x",null,true,{"a":{},"b":[]}]"#
    );
}

#[test]
fn nothing_of_the_claims_is_in_their_debug_form() {
    let claims = parse(r#"{"sub":"alice","roles":["admin"],"n":{"secret":41}}"#).unwrap();
    let text = format!("{claims:?} {:?} {:?}", claims.get("roles"), claims.get("sub"));
    for word in ["sub", "alice", "admin", "secret", "41"] {
        assert!(!text.contains(word), "{text}");
    }
}
