//! OpenMetrics text, which is all that prometheus-client writes, as Prometheus' text format 0.0.4.

/// Appends the translation: a counter is described under the name of its samples, types that 0.0.4 lacks get the
/// nearest one, units and exemplars, which it cannot express, are left out.
pub(super) fn to_text(open_metrics: &str, out: &mut String) {
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            // Kept until the type tells under which name it belongs.
            help = described.split_once(' ').map(|(_, help)| help);
        } else if let Some(described) = line.strip_prefix("# TYPE ") {
            let (name, kind) = described.split_once(' ').unwrap_or((described, "unknown"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "stateset" => ("", "gauge"),
                "gauge" | "histogram" | "summary" => ("", kind),
                _ => ("", "untyped"),
            };
            if let Some(help) = help.take() {
                // A quotation mark is escaped in the help of OpenMetrics only.
                let help = help.replace("\\\"", "\"");
                push(out, &["# HELP ", name, suffix, " ", &help, "\n"]);
            }
            push(out, &["# TYPE ", name, suffix, " ", kind, "\n"]);
        } else if !line.starts_with('#') {
            push(out, &[without_exemplar(line), "\n"]);
        }
    }
}

fn push(out: &mut String, pieces: &[&str]) {
    pieces.iter().for_each(|piece| out.push_str(piece));
}

/// A sample up to its exemplar, which begins at the first ` # ` that is not inside a label value.
fn without_exemplar(line: &str) -> &str {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'#' if !quoted => return line.get(..at).unwrap_or(line).trim_end(),
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::to_text;

    fn translated(open_metrics: &str) -> String {
        let mut out = String::new();
        to_text(open_metrics, &mut out);
        out
    }

    #[test]
    fn a_counter_is_described_by_its_sample_name() {
        let text = "# HELP a An \\\"a\\\".\n# TYPE a counter\n# UNIT a bytes\na_total{x=\"y\"} 1\n# EOF\n";
        assert_eq!(
            translated(text),
            "# HELP a_total An \"a\".\n# TYPE a_total counter\na_total{x=\"y\"} 1\n"
        );
    }

    #[test]
    fn types_that_are_not_known_become_the_nearest() {
        assert_eq!(
            translated("# TYPE a info\na_info 1\n"),
            "# TYPE a_info gauge\na_info 1\n"
        );
        assert_eq!(translated("# TYPE a unknown\na 1\n"), "# TYPE a untyped\na 1\n");
        assert_eq!(translated("# TYPE a histogram\n"), "# TYPE a histogram\n");
    }

    #[test]
    fn exemplars_go_and_label_values_stay() {
        let sample = r##"a_total{x="1 # {\" # {"} 5 # {trace="1"} 1.0"##;
        assert_eq!(translated(sample), "a_total{x=\"1 # {\\\" # {\"} 5\n");
    }
}
