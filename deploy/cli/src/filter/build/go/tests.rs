use super::{module, rooted};

#[test]
fn generated_packages_are_imported_from_the_project() {
    let text = "import (\n\"runtime\"\n  \"wit_component/cairn_filter_types\"\n\"wit_component/export_cairn_filter_hooks\"\n\
                witTypes \"go.bytecodealliance.org/pkg/wit/types\"\n)\n";
    let expected = "import (\n\"runtime\"\n\"example.com/f/bindings/cairn_filter_types\"\n\
                    export_cairn_filter_hooks \"example.com/f\"\nwitTypes \"example.com/f/bindings/wit/types\"\n)\n";
    assert_eq!(rooted(text, "example.com/f"), expected);
}

#[test]
fn the_module_is_read_from_its_file() {
    let project = tempfile::tempdir().unwrap();
    assert!(module(project.path()).is_err());
    for text in [
        "// Comment\nmodule example.com/f\n\ngo 1.25\n",
        "module \"example.com/f\"\n",
    ] {
        std::fs::write(project.path().join("go.mod"), text).unwrap();
        assert_eq!(module(project.path()).unwrap(), "example.com/f");
    }
}
