use super::size;

#[test]
fn sizes_are_short() {
    assert_eq!(size(0), "0.0 KiB");
    assert_eq!(size(71_000), "69.3 KiB");
    assert_eq!(size(0x10_0000 - 1), "1023.9 KiB");
    assert_eq!(size(18_481_259), "17.6 MiB");
}
