//! How images are found and when they were made.

use super::*;

#[test]
fn times_are_read_as_rfc_3339_writes_them() {
    let check = |text: &str, expected: Option<(u64, u32)>| {
        let expected = expected.map(|(seconds, nanos)| UNIX_EPOCH + Duration::new(seconds, nanos));
        assert_eq!(parse_time(text), expected, "{text}");
    };
    check("1970-01-01T00:00:00Z", Some((0, 0)));
    check("2000-02-29T23:59:59Z", Some((951_868_799, 0)));
    check("2024-05-01T12:30:00.5+02:00", Some((1_714_559_400, 500_000_000)));
    check("2024-05-01T12:30:00.123456789-00:30", Some((1_714_568_400, 123_456_789)));
    check("2024-05-01T12:30:00.1234567891Z", Some((1_714_566_600, 123_456_789)));
    check("0001-01-01T00:00:00Z", Some((0, 0)));
    check("2024-13-01T00:00:00Z", None);
    check("2024-05-01", None);
    check("2024-05-01T12:30Z", None);
    check("2024-05-01T12:30:00.Z", Some((1_714_566_600, 0)));
    check("2024-05-01T12:30:00Zx", None);
    check("2024-05-01T12:30:00.é", None);
    check("2024-05-01T+2:30:00Z", None);
}

#[test]
fn a_prefix_is_the_range_of_ids_that_begin_with_it() {
    let range = IdRange::of("ab3").expect("digits");
    assert_eq!((range.first[..3].to_vec(), range.last[..3].to_vec()), (vec![0xab, 0x30, 0], vec![0xab, 0x3f, 0xff]));
    let whole = IdRange::of(&"5".repeat(64)).expect("digits");
    assert_eq!(whole.first, whole.last);
    for text in ["", "xyz", "AB", &"5".repeat(65)] {
        assert_eq!(IdRange::of(text), None, "{text}");
    }
}
