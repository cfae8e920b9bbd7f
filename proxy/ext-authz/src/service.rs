//! The service that a provider names.

use std::fmt;
use std::net::IpAddr;

/// A host of the mesh, `[NAMESPACE/]HOST`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServiceName {
    /// The namespace that the service is in. `None`: whichever has the host.
    pub namespace: Option<String>,
    /// Its host name, in lower case.
    pub host: String,
}

impl ServiceName {
    /// Reads the field `service`; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<ServiceName, String> {
        if text.is_empty() {
            return Err("the service is missing".to_owned());
        }
        let (namespace, host) = match text.split_once('/') {
            Some((namespace, host)) => (Some(namespace), host),
            None => (None, text),
        };
        if let Some(namespace) = namespace
            && (!is_label(namespace) || namespace.contains('_'))
        {
            return Err(format!("`{namespace}` is no namespace"));
        }
        let host = host.to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        let is_name = !host.is_empty() && host.len() <= 253 && host.split('.').all(is_label);
        if !is_name && host.parse::<IpAddr>().is_err() {
            return Err(format!("`{host}` is no host name"));
        }
        Ok(ServiceName {
            namespace: namespace.map(str::to_owned),
            host: host.to_owned(),
        })
    }

    /// As it stands in `Host`.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.host)
    }
}

fn is_label(label: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=63).contains(&label.len())
        && label.bytes().all(fine)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_hosts_with_or_without_a_namespace() {
        for (text, shown, authority) in [
            ("ext-authz", "ext-authz", "ext-authz"),
            (
                "Authz.Foo.svc.cluster.local",
                "authz.foo.svc.cluster.local",
                "authz.foo.svc.cluster.local",
            ),
            (
                "foo/authz.example.com",
                "foo/authz.example.com",
                "authz.example.com",
            ),
            ("authz.example.com.", "authz.example.com", "authz.example.com"),
            ("10.0.0.1", "10.0.0.1", "10.0.0.1"),
            ("2001:db8::1", "2001:db8::1", "[2001:db8::1]"),
        ] {
            let service = ServiceName::parse(text);
            let seen = service.map(|service| (service.to_string(), service.authority()));
            assert_eq!(seen, Ok((shown.to_owned(), authority.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_no_service_is_told() {
        for (text, message) in [
            ("", "the service is missing"),
            ("foo/", "`` is no host name"),
            ("/a", "`` is no namespace"),
            ("foo/*.example.com", "`*.example.com` is no host name"),
            ("a/b/c", "`b/c` is no host name"),
            ("Foo/a", "`Foo` is no namespace"),
            ("a b", "`a b` is no host name"),
            ("a..b", "`a..b` is no host name"),
            ("-a", "`-a` is no host name"),
            ("a:80", "`a:80` is no host name"),
            ("http://a", "`http:` is no namespace"),
        ] {
            assert_eq!(ServiceName::parse(text), Err(message.to_owned()), "{text}");
        }
    }
}
