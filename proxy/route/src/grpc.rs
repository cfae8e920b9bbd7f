//! The names of gRPC statuses.

/// The statuses in the order of their codes.
const NAMES: [(&str, &str); 17] = [
    ("OK", "OK"),
    ("CANCELLED", "Canceled"),
    ("UNKNOWN", "Unknown"),
    ("INVALID_ARGUMENT", "InvalidArgument"),
    ("DEADLINE_EXCEEDED", "DeadlineExceeded"),
    ("NOT_FOUND", "NotFound"),
    ("ALREADY_EXISTS", "AlreadyExists"),
    ("PERMISSION_DENIED", "PermissionDenied"),
    ("RESOURCE_EXHAUSTED", "ResourceExhausted"),
    ("FAILED_PRECONDITION", "FailedPrecondition"),
    ("ABORTED", "Aborted"),
    ("OUT_OF_RANGE", "OutOfRange"),
    ("UNIMPLEMENTED", "Unimplemented"),
    ("INTERNAL", "Internal"),
    ("UNAVAILABLE", "Unavailable"),
    ("DATA_LOSS", "DataLoss"),
    ("UNAUTHENTICATED", "Unauthenticated"),
];

/// The code of a status from its name, `UNAVAILABLE`.
pub(crate) fn code(name: &str) -> Option<u8> {
    (0..)
        .zip(NAMES)
        .find_map(|(code, (known, _))| (known == name).then_some(code))
}

/// The names of a status: `NOT_FOUND`, and as Envoy prints it, `NotFound`.
pub(crate) fn names(code: usize) -> Option<(&'static str, &'static str)> {
    NAMES.get(code).copied()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn statuses_have_names() {
        assert_eq!(code("OK"), Some(0));
        assert_eq!(code("UNAVAILABLE"), Some(14));
        assert_eq!(code("UNAUTHENTICATED"), Some(16));
        assert_eq!(code("unavailable"), None);
        assert_eq!(names(5), Some(("NOT_FOUND", "NotFound")));
        assert_eq!(names(17), None);
        for place in 0..17 {
            let (name, _) = names(place).unwrap();
            assert_eq!(code(name).map(usize::from), Some(place));
        }
    }
}
