use std::path::Path;

use super::artifact;

#[test]
fn the_package_s_own_component_is_found() {
    let messages = r#"{"reason":"compiler-artifact","manifest_path":"/f/sdk/Cargo.toml","filenames":["/t/sdk.wasm"]}
{"reason":"compiler-artifact","manifest_path":"/f/Cargo.toml","filenames":["/t/f.d","/t/f.wasm"]}
{"reason":"compiler-artifact","manifest_path":"/f/other/Cargo.toml","filenames":["/t/other.wasm"]}
{"reason":"build-finished","success":true}
"#;
    assert_eq!(
        artifact(messages, Path::new("/f/Cargo.toml")).unwrap(),
        Path::new("/t/f.wasm")
    );
    assert_eq!(artifact(messages, Path::new("/g/Cargo.toml")), None);
    assert_eq!(artifact("", Path::new("/f/Cargo.toml")), None);
}
