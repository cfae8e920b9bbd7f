//! Host names in resources: short, full, or with a wildcard.

/// `host` in full, as a resource in `namespace` means it. A name without a dot is a service of that
/// namespace; any other is taken as it is, as in Istio.
pub(crate) fn qualified(host: &str, namespace: &str) -> String {
    let host = host.to_ascii_lowercase();
    if host.is_empty() || host == "*" || host.contains('.') {
        return host;
    }
    format!("{host}.{namespace}.svc.cluster.local")
}

/// The part of a wildcard name behind its `*`.
pub(crate) fn wildcard_suffix(host: &str) -> Option<&str> {
    host.strip_prefix('*')
}

/// Whether two full names, of which either may have a wildcard, have a host in common.
pub(crate) fn overlap(left: &str, right: &str) -> bool {
    match (wildcard_suffix(left), wildcard_suffix(right)) {
        (None, None) => left == right,
        (Some(suffix), None) => right.ends_with(suffix),
        (None, Some(suffix)) => left.ends_with(suffix),
        (Some(left), Some(right)) => left.ends_with(right) || right.ends_with(left),
    }
}

/// Whether all hosts of the name `part` are among those of the name `whole`; either may have a wildcard.
pub(crate) fn is_within(part: &str, whole: &str) -> bool {
    match (wildcard_suffix(part), wildcard_suffix(whole)) {
        (None, None) => part == whole,
        (Some(_), None) => false,
        (None, Some(suffix)) => part.ends_with(suffix),
        (Some(part), Some(suffix)) => part.ends_with(suffix),
    }
}

/// Whether workloads of `namespace` see a resource of `owner` that is exported like this: `.` is the
/// owner's namespace, `*` every one, and nothing is every one.
pub(crate) fn is_exported(export_to: &[String], owner: &str, namespace: &str) -> bool {
    export_to.is_empty()
        || export_to.iter().any(|target| match target.as_str() {
            "*" => true,
            "." => owner == namespace,
            named => named == namespace,
        })
}

#[cfg(test)]
mod tests;
