use super::*;

fn descriptor(media_type: &str, digest: char) -> String {
    let digest = digest.to_string().repeat(64);
    format!(r#"{{"mediaType": "{media_type}", "digest": "sha256:{digest}", "size": 7}}"#)
}

fn step(json: &str) -> Result<Step, String> {
    Manifest::parse(json.as_bytes())?.step()
}

fn layers(layers: &[String]) -> Result<Step, String> {
    step(&format!(
        r#"{{"schemaVersion": 2, "config": {{}}, "layers": [{}]}}"#,
        layers.join(",")
    ))
}

fn packing(step: Result<Step, String>) -> (char, Packing) {
    match step {
        Ok(Step::Layer(layer, packing)) => (layer.digest().unwrap().hex().chars().next().unwrap(), packing),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_layout_has_its_layer() {
    let (a, b) = (descriptor(DOCKER_LAYER, 'a'), descriptor(OCI_LAYER, 'b'));
    assert_eq!(packing(layers(std::slice::from_ref(&a))), ('a', Packing::TarGzip));
    assert_eq!(
        packing(layers(&[descriptor(OCI_LAYER, 'c'), b])),
        ('b', Packing::TarGzip)
    );
    assert_eq!(
        packing(layers(&[descriptor(OCI_PLAIN_LAYER, 'd')])),
        ('d', Packing::Tar)
    );
    let config = descriptor("application/vnd.module.wasm.config.v1+json", 'e');
    assert_eq!(
        packing(layers(&[config, descriptor(SOLO_LAYER, 'f')])),
        ('f', Packing::Bare)
    );
    assert_eq!(
        packing(layers(&[descriptor(CNCF_LAYER, '1')])),
        ('1', Packing::Bare)
    );
}

#[test]
fn what_is_no_layout_is_said_in_words() {
    for (given, expected) in [
        (vec![], "no layers"),
        (
            vec![descriptor(DOCKER_LAYER, 'a'), descriptor(DOCKER_LAYER, 'b')],
            "FROM scratch",
        ),
        (
            vec![descriptor(CNCF_LAYER, 'a'), descriptor(CNCF_LAYER, 'b')],
            "several layers",
        ),
        (
            vec![descriptor("application/vnd.oci.image.layer.v1.tar+zstd", 'a')],
            "tar+zstd",
        ),
    ] {
        let error = layers(&given).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    assert!(
        step(r#"{"schemaVersion": 1}"#)
            .unwrap_err()
            .contains("schema version 1")
    );
    assert!(step(r#"{"schemaVersion": 2}"#).unwrap_err().contains("neither"));
    assert!(step("[]").unwrap_err().contains("cannot be read"));
    let Ok(Step::Layer(layer, _)) = layers(&[descriptor(CNCF_LAYER, 'x')]) else {
        panic!()
    };
    assert!(layer.digest().is_err());
}

fn index(platforms: &[(&str, &str, char)]) -> Result<Step, String> {
    let entries: Vec<String> = platforms
        .iter()
        .map(|(os, architecture, digest)| {
            let digest = digest.to_string().repeat(64);
            format!(
                r#"{{"digest": "sha256:{digest}", "size": 7, "platform": {{"os": "{os}", "architecture": "{architecture}"}}}}"#
            )
        })
        .collect();
    step(&format!(
        r#"{{"schemaVersion": 2, "manifests": [{}]}}"#,
        entries.join(",")
    ))
}

fn chosen(step: Result<Step, String>) -> char {
    match step {
        Ok(Step::Image(image)) => image.digest().unwrap().hex().chars().next().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_list_gives_the_image_for_webassembly() {
    assert_eq!(chosen(index(&[("linux", "amd64", 'a')])), 'a');
    assert_eq!(
        chosen(index(&[("linux", "amd64", 'a'), ("wasip1", "wasm", 'b')])),
        'b'
    );
    assert_eq!(
        chosen(index(&[("wasip1", "wasm", 'a'), ("wasip2", "wasm", 'b')])),
        'b'
    );
    assert_eq!(
        chosen(index(&[
            ("linux", "arm64", 'a'),
            ("js", "wasm", 'b'),
            ("wasi", "wasm", 'c')
        ])),
        'b'
    );
    let error = index(&[("linux", "amd64", 'a'), ("linux", "arm64", 'b')]).unwrap_err();
    assert!(error.contains("linux/amd64, linux/arm64"), "{error}");
    assert!(index(&[]).is_err());
}

#[test]
fn attestations_are_no_images() {
    let (image, other) = ("a".repeat(64), "b".repeat(64));
    let json = format!(
        r#"{{"schemaVersion": 2, "manifests": [
            {{"digest": "sha256:{image}", "size": 1, "platform": {{"os": "linux", "architecture": "amd64"}}}},
            {{"digest": "sha256:{other}", "size": 1, "platform": {{"os": "unknown", "architecture": "unknown"}},
              "annotations": {{"vnd.docker.reference.type": "attestation-manifest"}}}}]}}"#
    );
    assert_eq!(chosen(step(&json)), 'a');
}
