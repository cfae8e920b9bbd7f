//! The providers of a mesh.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_api::istio::MeshExtensionProvider;
use cairn_api::meta::ObjectRef;
use cairn_config::Problem;

use crate::compile::{self, Findings};
use crate::provider::Provider;

/// The providers of authorization of a mesh, by name.
#[derive(Clone, Debug, Default)]
pub struct Providers(BTreeMap<String, Option<Arc<Provider>>>);

/// Why there is no provider. Whoever named it denies what it selects ([`BAD_PROVIDER_POLICY`](crate::BAD_PROVIDER_POLICY)).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// None of that name is there.
    #[error("there is no extension provider `{name}` for authorization{others}")]
    Unknown {
        /// The name.
        name: String,
        /// Those that are there, in words.
        others: String,
    },
    /// It is there, and has an error that has been reported.
    #[error("the extension provider `{0}` has an error")]
    Broken(String),
}

impl Providers {
    /// Compiles those providers that are for authorization. `object` is what they are written in, the ConfigMap
    /// `istio-system/istio`.
    pub fn compile(providers: &[MeshExtensionProvider], object: &ObjectRef) -> (Providers, Vec<Problem>) {
        let mut compiled: BTreeMap<String, Option<Arc<Provider>>> = BTreeMap::new();
        let mut problems = Vec::new();
        for (index, form) in providers.iter().enumerate() {
            if form.envoy_ext_authz_http.is_none() && form.envoy_ext_authz_grpc.is_none() {
                continue;
            }
            let mut findings = Findings::new(object, form, index, &mut problems);
            let provider = compile::provider(form, &mut findings);
            if form.name.is_empty() {
                findings.error(
                    "name",
                    "the name is missing",
                    "write a `name` for policies to refer to",
                );
                continue;
            }
            if let Some(first) = compiled.get_mut(&form.name) {
                // Nobody can tell which of them is meant.
                *first = None;
                let hint = "give each a name of its own; until then both deny";
                findings.error("name", "there is another extension provider of this name", hint);
                continue;
            }
            compiled.insert(form.name.clone(), provider.map(Arc::new));
        }
        (Providers(compiled), problems)
    }

    /// The provider of a name.
    ///
    /// # Errors
    ///
    /// There is none, or it has errors.
    pub fn named(&self, name: &str) -> Result<&Arc<Provider>, ProviderError> {
        match self.0.get(name) {
            Some(Some(provider)) => Ok(provider),
            Some(None) => Err(ProviderError::Broken(name.to_owned())),
            None => Err(ProviderError::Unknown {
                name: name.to_owned(),
                others: self.others(),
            }),
        }
    }

    /// Those that can be asked.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.0.values().flatten()
    }

    fn others(&self) -> String {
        let names: Vec<String> = self.0.keys().map(|name| format!("`{name}`")).collect();
        match names.as_slice() {
            [] => "; add it to `extensionProviders` of the mesh configuration".to_owned(),
            some => format!("; there is {}", some.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests;
