//! What endpoints say of their load.

use cairn_balance::{LoadReport, Utilization};

use crate::Target;

pub(crate) const LOAD_REPORT: Target = Target {
    name: "load_report",
    run: |data| {
        let settings = Utilization {
            error_penalty: 1.0,
            metrics: ["named_metrics.*", "mem_utilization"].map(str::to_owned).into(),
            ..Utilization::default()
        };
        for read in [LoadReport::parse(data), LoadReport::parse_binary(data)] {
            match read {
                Ok(report) => {
                    for name in FIELDS {
                        let value = report.metric(name);
                        let sound = value.is_some_and(|value| value.is_finite() && value >= 0.0);
                        assert!(sound, "{name} of {value:?}");
                    }
                    assert!(report.metric("named_metrics.*").is_none_or(f64::is_finite));
                    let weight = settings.weight(&report);
                    assert!(weight.is_none_or(|weight| weight.is_finite() && weight > 0.0));
                }
                // It goes into a log.
                Err(error) => assert!(error.to_string().len() < 512, "{error}"),
            }
        }
    },
    seeds: &[
        b"TEXT cpu_utilization=0.7, application_utilization:8e-1,mem_utilization=.9,rps_fractional=1000,eps=2,named_metrics.a=-1",
        br#"JSON {"cpuUtilization":0.7,"rps_fractional":"1e3","eps":2,"rps":1,"named_metrics":{"a":123,"b":null},"utilization":{}}"#,
        b"BIN CQAAAAAAAOA/MQAAAAAAAFlAOQAAAAAAAABAQg4KA3JpZhEAAAAAAAAQQA==",
        b"CQAAAAAAAOA/MQAAAAAAAFlAOQAAAAAAAABAQg4KA3JpZhEAAAAAAAAQQA",
    ],
};

const FIELDS: [&str; 5] = [
    "cpu_utilization",
    "mem_utilization",
    "application_utilization",
    "rps_fractional",
    "eps",
];
