#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;

/// By grpc-go: half of the processors, 100 requests and 2 errors in a second, `named_metrics.rif` of 4.
const GO: &[u8] = b"CQAAAAAAAOA/MQAAAAAAAFlAOQAAAAAAAABAQg4KA3JpZhEAAAAAAAAQQA";

fn report(fields: [f64; 5], metrics: &[(&str, f64)]) -> LoadReport {
    let [
        cpu_utilization,
        mem_utilization,
        application_utilization,
        rps_fractional,
        eps,
    ] = fields;
    LoadReport {
        cpu_utilization,
        mem_utilization,
        application_utilization,
        rps_fractional,
        eps,
        metrics: metrics
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect(),
    }
}

fn double(number: u8, value: f64) -> Vec<u8> {
    let mut field = vec![number << 3 | 1];
    field.extend(value.to_le_bytes());
    field
}

fn bytes(number: u8, value: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2, u8::try_from(value.len()).unwrap()];
    field.extend(value);
    field
}

fn in_base64(message: &[u8]) -> Vec<u8> {
    BASE64.encode(message).into_bytes()
}

#[test]
fn all_forms_say_the_same() {
    let expected = report(
        [0.7, 0.9, 0.8, 1000.0, 2.0],
        &[
            ("named_metrics.bar", 0.2),
            ("named_metrics.foo", 123.0),
            ("utilization.total", 0.5),
        ],
    );
    let message = [
        double(1, 0.7),
        double(2, 0.9),
        double(9, 0.8),
        double(6, 1000.0),
        double(7, 2.0),
        bytes(8, &[bytes(1, b"foo"), double(2, 123.0)].concat()),
        bytes(8, &[double(2, 0.2), bytes(1, b"bar")].concat()),
        bytes(5, &[bytes(1, b"total"), double(2, 0.5)].concat()),
    ];
    let binary = in_base64(&message.concat());
    for value in [
        &b"TEXT cpu_utilization=0.7,application_utilization=0.8,mem_utilization=0.9,rps_fractional=1000,eps=2,\
           named_metrics.foo=123,named_metrics.bar=0.2,utilization.total=0.5"[..],
        b"TEXT cpu_utilization:0.7 , application_utilization : 8e-1,,mem_utilization:+.9,rps_fractional:1000.,eps:2,\
          named_metrics.foo:123,named_metrics.bar:0.2,utilization.total:0.5,",
        br#"JSON {"cpu_utilization": 0.7, "application_utilization": 0.8, "mem_utilization": 0.9, "rps_fractional": 1000,
            "eps": 2, "named_metrics": {"foo": 123, "bar": 0.2}, "utilization": {"total": 0.5}}"#,
        br#"JSON {"cpuUtilization": "0.7", "applicationUtilization": 8e-1, "memUtilization": 0.9, "rpsFractional": "1000",
            "eps": 2, "rps": "1000", "requestCost": null, "namedMetrics": {"foo": 123, "bar": 0.2},
            "utilization": {"total": 0.5}}"#,
        &[b"BIN ", &*binary].concat(),
    ] {
        assert_eq!(LoadReport::parse(value).as_ref(), Ok(&expected), "{}", value.escape_ascii());
    }
    assert_eq!(LoadReport::parse_binary(&binary), Ok(expected));
}

#[test]
fn what_grpc_sends_is_read_padded_or_not() {
    let expected = report([0.5, 0.0, 0.0, 100.0, 2.0], &[("named_metrics.rif", 4.0)]);
    assert_eq!(LoadReport::parse_binary(GO).as_ref(), Ok(&expected));
    assert_eq!(LoadReport::parse_binary(&[GO, b"=="].concat()), Ok(expected));
    assert_eq!(LoadReport::parse_binary(b""), Ok(LoadReport::default()));
}

#[test]
fn what_is_no_report_is_refused() {
    let value = |name: &str| ReportError::Value(name.to_owned());
    let unknown = |name: &str| ReportError::Unknown(name.to_owned());
    let repeated = |name: &str| ReportError::Repeated(name.to_owned());
    let list = ReportError::Malformed("a list of names and values");
    let json = ReportError::Malformed("a JSON object");
    for (text, error) in [
        ("", ReportError::Form),
        ("cpu_utilization=1", ReportError::Form),
        ("text cpu_utilization=1", ReportError::Form),
        ("TEXT", ReportError::Form),
        ("TEXT nothing", list),
        ("TEXT cpu_utilization=", value("cpu_utilization")),
        ("TEXT cpu_utilization=\"1\"", value("cpu_utilization")),
        ("TEXT cpu_utilization=nan", value("cpu_utilization")),
        ("TEXT eps=inf", value("eps")),
        ("TEXT eps=1e999", value("eps")),
        ("TEXT mem_utilization=-0.1", value("mem_utilization")),
        ("TEXT named_metrics.a=-inf", value("named_metrics.a")),
        ("TEXT =1", unknown("")),
        ("TEXT load=1", unknown("load")),
        ("TEXT rps=1", unknown("rps")),
        ("TEXT named_metrics.=1", unknown("named_metrics.")),
        ("TEXT metrics.a=1", unknown("metrics.a")),
        ("TEXT eps=1,eps=1", repeated("eps")),
        (
            "TEXT named_metrics.a=1,eps=1,named_metrics.a=2",
            repeated("named_metrics.a"),
        ),
        ("JSON ", json.clone()),
        ("JSON []", json.clone()),
        ("JSON {\"eps\": 1", json.clone()),
        ("JSON {\"eps\": 1e999}", json),
        ("JSON {\"eps\": true}", value("eps")),
        ("JSON {\"eps\": \"Infinity\"}", value("eps")),
        ("JSON {\"eps\": -1}", value("eps")),
        ("JSON {\"load\": 1}", unknown("load")),
        ("JSON {\"named_metrics.a\": 1}", unknown("named_metrics.a")),
        ("JSON {\"named_metrics\": 1}", value("named_metrics")),
        ("JSON {\"named_metrics\": {\"a\": {}}}", value("named_metrics.a")),
        ("BIN not base64", ReportError::Malformed("base64")),
    ] {
        assert_eq!(LoadReport::parse(text.as_bytes()), Err(error), "{text}");
    }
    assert_eq!(
        LoadReport::parse(b"TEXT \xff"),
        Err(ReportError::Malformed("text"))
    );
}

#[test]
fn a_message_is_read_to_its_end_or_refused() {
    let message = ReportError::Malformed("a protobuf message");
    for broken in [
        &[0x09][..],                                                      // A double that is not there,
        &[0x09, 0, 0, 0],                                                 // or not whole;
        &[0x42, 5, 0x0a], // an entry that is shorter than it says;
        &[0x42, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], // or longer than memory;
        &[0x80],          // a number without an end,
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], // or with too many digits;
        &[0x01, 0, 0, 0, 0, 0, 0, 0, 0], // a field 0;
        &[0x0b],          // a group;
        &[0x42, 3, 0x0a, 1, 0xff], // a key that is no text.
    ] {
        let read = LoadReport::parse_binary(&in_base64(broken));
        assert_eq!(read.as_ref(), Err(&message), "{broken:x?}");
    }
    let nan = in_base64(&double(1, f64::NAN));
    let value = ReportError::Value("cpu_utilization".to_owned());
    assert_eq!(LoadReport::parse_binary(&nan), Err(value));
    // What is not known is passed over, the last value of a field counts, and an entry without a key has no name.
    let message = [
        &[0x18, 0x80, 0x01][..],
        &[0x7d, 1, 2, 3, 4],
        &bytes(15, b"later"),
        &double(1, 0.1),
        &double(1, 0.2),
        &bytes(8, &double(2, 1.0)),
        &bytes(1, b"not a double"),
    ];
    let read = LoadReport::parse_binary(&in_base64(&message.concat()));
    assert_eq!(read, Ok(report([0.2, 0.0, 0.0, 0.0, 0.0], &[])));
}

#[test]
fn a_report_has_an_end() {
    let mut long = b"TEXT eps=1".to_vec();
    long.resize(LONGEST, b' ');
    assert!(LoadReport::parse(&long).is_ok());
    long.push(b' ');
    let too_long = ReportError::TooLong(LONGEST + 1);
    assert_eq!(LoadReport::parse(&long), Err(too_long.clone()));
    assert_eq!(LoadReport::parse_binary(&long), Err(too_long));
    let error = LoadReport::parse(format!("TEXT {}=1", "a".repeat(1000)).as_bytes()).unwrap_err();
    assert!(error.to_string().len() < 300, "{error}");
    let deep = format!("JSON {}", "{\"eps\":".repeat(2000));
    assert_eq!(
        LoadReport::parse(deep.as_bytes()),
        Err(ReportError::Malformed("a JSON object"))
    );
}

#[test]
fn the_binary_header_goes_before_the_other() {
    let find = |binary: Option<&'static [u8]>, other: Option<&'static [u8]>| {
        LoadReport::find(|name| match name {
            "endpoint-load-metrics-bin" => binary,
            "endpoint-load-metrics" => other,
            _ => None,
        })
    };
    let rates =
        |found: Option<Result<LoadReport, ReportError>>| found.map(|it| it.map(|it| it.rps_fractional));
    let text = Some(&b"TEXT rps_fractional=1"[..]);
    assert_eq!(rates(find(Some(GO), text)), Some(Ok(100.0)));
    assert_eq!(rates(find(None, text)), Some(Ok(1.0)));
    assert_eq!(find(None, None), None);
    assert!(find(Some(b"?"), text).unwrap().is_err(), "no other is tried");
}

#[test]
fn metrics_have_names() {
    let report = LoadReport::parse(
        b"TEXT eps=1,named_metrics.a=2,named_metrics.b.c=3,named_metrics.*=-1,utilization.a=-4",
    )
    .unwrap();
    for (name, value) in [
        ("eps", Some(1.0)),
        ("cpu_utilization", Some(0.0)),
        ("named_metrics.a", Some(2.0)),
        ("named_metrics.b.c", Some(3.0)),
        ("named_metrics.c", None),
        ("named_metrics.*", Some(3.0)),
        ("utilization.*", Some(-4.0)),
        ("request_cost.*", None),
        ("a", None),
        ("*", None),
    ] {
        assert_eq!(report.metric(name), value, "{name}");
    }
}

/// Pieces that mean something to a reader, in any order.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"TEXT ".to_vec()),
        Just(b"JSON ".to_vec()),
        Just(b"BIN ".to_vec()),
        Just(b"cpu_utilization=".to_vec()),
        Just(b"named_metrics.a:1,".to_vec()),
        Just(b"{\"named_metrics\":{\"a\":".to_vec()),
        Just(b"-1e308".to_vec()),
        Just(GO.to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn is_sound(read: Result<LoadReport, ReportError>) -> bool {
    read.is_ok_and(|report| {
        let fields = [
            "cpu_utilization",
            "mem_utilization",
            "application_utilization",
            "rps_fractional",
            "eps",
        ];
        fields.iter().all(|name| report.metric(name).unwrap() >= 0.0)
            && report
                .metrics
                .iter()
                .all(|(name, value)| value.is_finite() && is_in_map(name))
    })
}

proptest! {
    #[test]
    fn any_bytes_are_a_sound_report_or_none(value in value(), message in prop::collection::vec(any::<u8>(), 0..64)) {
        for read in [
            LoadReport::parse(&value),
            LoadReport::parse_binary(&value),
            binary::parse(&message),
            binary::parse(&value),
            json::parse(&value),
        ] {
            prop_assert!(read.is_err() || is_sound(read));
        }
    }

    #[test]
    fn what_is_written_is_read(
        fields in prop::array::uniform5(0.0..1e12),
        keys in prop::collection::btree_map("[a-z.]{1,9}", -1e12..1e12, 0..5),
    ) {
        let metrics: Vec<_> = keys.iter().map(|(key, value)| (format!("named_metrics.{key}"), *value)).collect();
        let borrowed: Vec<_> = metrics.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let expected = report(fields, &borrowed);
        let message: Vec<_> = [1, 2, 9, 6, 7].into_iter().zip(fields).map(|(number, value)| double(number, value)).collect();
        let entries = keys.iter().map(|(key, value)| bytes(8, &[bytes(1, key.as_bytes()), double(2, *value)].concat()));
        let message = message.into_iter().chain(entries).collect::<Vec<_>>().concat();
        let read = LoadReport::parse_binary(&in_base64(&message));
        prop_assert_eq!(read.as_ref(), Ok(&expected));
        let names = ["cpu_utilization", "mem_utilization", "application_utilization", "rps_fractional", "eps"];
        let pairs = names.into_iter().zip(fields).chain(borrowed);
        let text: Vec<_> = pairs.map(|(name, value)| format!("{name}={value}")).collect();
        let read = LoadReport::parse(format!("TEXT {}", text.join(",")).as_bytes());
        prop_assert_eq!(read, Ok(expected));
    }
}
