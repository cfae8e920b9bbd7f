use super::*;

#[test]
fn istio_images_are_recognised() {
    let app = |image: &str| App::of_image(image);
    assert_eq!(
        app("registry.istio.io/release/examples-helloworld-v2:1.0"),
        Some(App::Helloworld { version: "v2".into() })
    );
    assert_eq!(
        app("docker.io/istio/examples-bookinfo-reviews-v3:1.20.3"),
        Some(App::Reviews { version: 3 })
    );
    assert_eq!(
        app("docker.io/istio/examples-bookinfo-productpage-v1@sha256:00"),
        Some(App::Productpage)
    );
    assert_eq!(app("docker.io/mccutchen/go-httpbin:v2.15.0"), Some(App::Httpbin));
    assert_eq!(app("docker.io/curlimages/curl:8.16.0"), None);
    assert_eq!(app("examples-bookinfo-reviews-latest"), None);
}
