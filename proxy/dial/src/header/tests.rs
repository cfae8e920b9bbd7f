use super::*;

fn ends(source: &str, destination: &str) -> Ends {
    Ends {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
    }
}

fn line(ends: &Ends) -> String {
    String::from_utf8(ProxyHeader::V1.encode(ends)).unwrap()
}

#[test]
fn addresses_of_version_4() {
    let ends = ends("192.0.2.1:56324", "198.51.100.11:443");
    assert_eq!(line(&ends), "PROXY TCP4 192.0.2.1 198.51.100.11 56324 443\r\n");
    let mut expected = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    expected.extend([192, 0, 2, 1, 198, 51, 100, 11, 0xdc, 0x04, 0x01, 0xbb]);
    assert_eq!(ProxyHeader::V2.encode(&ends), expected);
}

#[test]
fn addresses_of_version_6() {
    let ends = ends("[2001:db8::1%3]:1", "[fd00::2]:65535");
    assert_eq!(line(&ends), "PROXY TCP6 2001:db8::1 fd00::2 1 65535\r\n");
    let mut expected = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24\x20\x01\x0d\xb8".to_vec();
    expected.extend([0; 11]);
    expected.extend([1, 0xfd]);
    expected.extend([0; 14]);
    expected.extend([2, 0, 1, 0xff, 0xff]);
    assert_eq!(ProxyHeader::V2.encode(&ends), expected);
}

#[test]
fn version_4_in_the_guise_of_6() {
    let ends = ends("[::ffff:192.0.2.1]:1", "198.51.100.11:2");
    assert_eq!(line(&ends), "PROXY TCP4 192.0.2.1 198.51.100.11 1 2\r\n");
    assert_eq!(ProxyHeader::V2.encode(&ends).len(), 28);
}

#[test]
fn different_families_are_not_made_up() {
    for ends in [
        ends("192.0.2.1:1", "[fd00::2]:2"),
        ends("[fd00::2]:2", "192.0.2.1:1"),
    ] {
        assert_eq!(line(&ends), "PROXY UNKNOWN\r\n");
        let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
        assert_eq!(ProxyHeader::V2.encode(&ends), local);
    }
}

#[test]
fn the_longest_line_is_within_the_limit_of_receivers() {
    let widest = "[1111:2222:3333:4444:5555:6666:7777:8888]:65535";
    assert!(ProxyHeader::V1.encode(&ends(widest, widest)).len() <= 107);
}
