//! The credentials of registries, as Kubernetes keeps them.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::digest::Digest;

/// The `.dockerconfigjson` of a Secret of type `kubernetes.io/dockerconfigjson`: credentials by registry.
///
/// Registries are compared as docker does: by host and port, without scheme and path, and with the names of Docker Hub
/// taken as one.
#[derive(Clone, PartialEq, Eq)]
pub struct DockerConfig {
    registries: BTreeMap<String, Credential>,
}

/// How a proxy proves itself to one registry.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// A user and a password.
    Basic { username: String, password: String },
    /// A refresh token of OAuth2, exchanged at the registry's token server.
    Identity { token: String },
    /// A token that the registry itself takes.
    Bearer { token: String },
}

/// A `.dockerconfigjson` that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// It is not the JSON that docker writes.
    #[error(
        "no docker configuration: {reason}; create the Secret with kubectl create secret docker-registry"
    )]
    Json {
        /// Where and why reading stopped.
        reason: String,
    },
    /// The `auth` of a registry is not the base64 of `user:password`.
    #[error("auths[{registry:?}].auth is not the base64 of user:password")]
    Auth {
        /// The registry as written.
        registry: String,
    },
    /// It holds nothing itself but names a program that would.
    #[error(
        "the docker configuration names a program that keeps its credentials (credsStore, credHelpers), which a proxy cannot run; create the Secret with kubectl create secret docker-registry"
    )]
    Elsewhere,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(rename = "credsStore")]
    store: Option<serde::de::IgnoredAny>,
    #[serde(rename = "credHelpers")]
    programs: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(default, rename_all = "lowercase")]
#[derive(Default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

impl DockerConfig {
    /// Reads the JSON of a `.dockerconfigjson`.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`]; it never shows a secret.
    pub fn parse(json: &[u8]) -> Result<Self, CredentialsError> {
        // serde_json quotes values that have the wrong type, which here may be secrets: only the place is told.
        let file: File = serde_json::from_slice(json).map_err(|error| CredentialsError::Json {
            reason: format!(
                "the JSON is wrong at line {}, column {}",
                error.line(),
                error.column()
            ),
        })?;
        let mut registries = BTreeMap::new();
        for (registry, entry) in file.auths {
            if let Some(credential) = entry.credential(&registry)? {
                registries.insert(host(&registry), credential);
            }
        }
        if registries.is_empty() && (file.store.is_some() || file.programs.is_some()) {
            return Err(CredentialsError::Elsewhere);
        }
        Ok(Self { registries })
    }

    /// What it holds for a registry, given as in the name of an image.
    pub(crate) fn credential(&self, registry: &str) -> Option<&Credential> {
        self.registries.get(&host(registry))
    }
}

impl Entry {
    fn credential(self, registry: &str) -> Result<Option<Credential>, CredentialsError> {
        if !self.registrytoken.is_empty() {
            return Ok(Some(Credential::Bearer {
                token: self.registrytoken,
            }));
        }
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credential::Identity {
                token: self.identitytoken,
            }));
        }
        let (username, password) = if self.auth.is_empty() {
            (self.username, self.password)
        } else {
            pair(&self.auth).ok_or_else(|| CredentialsError::Auth {
                registry: registry.to_owned(),
            })?
        };
        Ok((!username.is_empty()).then_some(Credential::Basic { username, password }))
    }
}

fn pair(auth: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(auth.trim()).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    // Docker once padded passwords with NUL.
    Some((username.to_owned(), password.trim_end_matches('\0').to_owned()))
}

/// `https://index.docker.io/v1/` and its like, reduced to what docker compares.
fn host(registry: &str) -> String {
    let name = registry.split_once("://").map_or(registry, |(_, rest)| rest);
    let name = name.split('/').next().unwrap_or_default().to_ascii_lowercase();
    match name.as_str() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        _ => name,
    }
}

impl Credential {
    /// What tells this credential from others without revealing it: no cache entry of one is served for another.
    pub(crate) fn fingerprint(&self) -> Digest {
        let parts = match self {
            Credential::Basic { username, password } => ["basic", username, password],
            Credential::Identity { token } => ["identity", token, ""],
            Credential::Bearer { token } => ["bearer", token, ""],
        };
        Digest::of(parts.join("\0").as_bytes())
    }
}

impl fmt::Debug for DockerConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.registries.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(username: &str, password: &str) -> Credential {
        Credential::Basic {
            username: username.into(),
            password: password.into(),
        }
    }

    #[test]
    fn registries_are_compared_as_docker_does() {
        let config = DockerConfig::parse(
            br#"{"auths": {
                "https://index.docker.io/v1/": {"username": "a", "password": "b", "email": "c"},
                "GHCR.io": {"auth": "dTpwOng="},
                "http://r.io:5000/v2/": {"identitytoken": "t", "auth": "dTpw"},
                "bare.io": {"registrytoken": "t"},
                "empty.io": {}}}"#,
        )
        .unwrap();
        assert!(config.credential("docker.io") == Some(&basic("a", "b")));
        assert!(config.credential("registry-1.docker.io") == Some(&basic("a", "b")));
        assert!(config.credential("ghcr.io") == Some(&basic("u", "p:x")));
        assert!(config.credential("r.io:5000") == Some(&Credential::Identity { token: "t".into() }));
        assert!(config.credential("bare.io") == Some(&Credential::Bearer { token: "t".into() }));
        for none in ["r.io", "empty.io", "io", "evil-ghcr.io"] {
            assert!(config.credential(none).is_none(), "{none}");
        }
        assert!(!format!("{config:?}").contains("p:x"));
    }

    #[test]
    fn errors_name_the_place_and_no_secret() {
        for (json, expected) in [
            (&br#"{"auths": 1}"#[..], "line 1"),
            (br#"{"auths": {"r.io": {"password": 4711}}}"#, "line 1"),
            (br#"{"auths": {"r.io": {"auth": "%"}}}"#, "auths[\"r.io\"].auth"),
            (br#"{"auths": {"r.io": {"auth": "NDcxMQ=="}}}"#, "user:password"),
            (
                br#"{"auths": {"r.io": {}}, "credsStore": "desktop"}"#,
                "credsStore",
            ),
        ] {
            let error = DockerConfig::parse(json).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("4711"), "{error}");
        }
    }

    #[test]
    fn each_credential_has_its_own_fingerprint() {
        let all = [
            basic("a", "b"),
            basic("a", "c"),
            Credential::Bearer { token: "a".into() },
        ];
        let prints: std::collections::BTreeSet<_> = all.iter().map(Credential::fingerprint).collect();
        assert_eq!(prints.len(), all.len());
    }
}
