//! Small documents of web servers, such as sets of keys.

use std::time::Duration;

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, Method};
use url::Url;

use crate::client::{Ask, Connector, Insecure, send};
use crate::error::FetchError;
use crate::fetcher::Options;
use crate::tls::Trust;

/// Fetches documents by `http` and `https`, by the same rules as modules: nothing is read without bound, and addresses that a
/// proxy must not ask are refused. Nothing is kept.
pub struct Documents {
    connector: Connector,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its bytes.
    pub bytes: Bytes,
    /// How long it may be kept, by its `Cache-Control`; `None`: that does not say. Zero: not at all.
    pub max_age: Option<Duration>,
}

impl Documents {
    /// As the options say, as far as they are not about modules.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        let insecure = Insecure::new(&options.insecure_registries);
        let trust = Trust::new(options.roots.clone());
        Self {
            connector: Connector::new(insecure, trust, options.allow_private),
        }
    }

    /// Fetches a document of at most `limit` bytes, in one attempt that takes at most `patience`.
    ///
    /// # Errors
    ///
    /// What comes in its way; an answer that is no success is an error too.
    pub async fn get(&self, url: &str, patience: Duration, limit: u64) -> Result<Document, FetchError> {
        let parsed = Url::parse(url).map_err(|error| FetchError::Exchange {
            url: url.split(['?', '#']).next().unwrap_or_default().to_owned(),
            reason: format!("that is no address: {error}"),
        })?;
        let document = async {
            let reply = send(&self.connector, Ask::new(Method::GET, parsed)).await?;
            let reply = reply.success().await?;
            let max_age = max_age(&reply.headers);
            let bytes = reply.bytes(limit, "the document").await?;
            Ok(Document { bytes, max_age })
        };
        let late = || FetchError::Timeout {
            what: url.split(['?', '#']).next().unwrap_or_default().to_owned(),
            limit: patience,
        };
        tokio::time::timeout(patience, document)
            .await
            .unwrap_or_else(|_| Err(late()))
    }
}

/// RFC 9111 section 5.2.2: seconds, which may be quoted; what must be asked for anew each time has no age at all.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all(CACHE_CONTROL).iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    let mut found = None;
    for directive in lines.flat_map(|line| line.split(',')).map(str::trim) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        if ["no-store", "no-cache"]
            .iter()
            .any(|it| name.eq_ignore_ascii_case(it))
        {
            return Some(Duration::ZERO);
        }
        if name.eq_ignore_ascii_case("max-age") && found.is_none() {
            found = value.trim_matches('"').parse().ok().map(Duration::from_secs);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::HeaderValue;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn the_age_of_a_document_is_what_its_server_says() {
        let of = |lines: &[&'static str]| {
            let lines = lines
                .iter()
                .map(|line| (CACHE_CONTROL, HeaderValue::from_static(line)));
            max_age(&lines.collect())
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["public"]), None);
        assert_eq!(of(&["public, Max-Age=300"]), seconds(300));
        assert_eq!(of(&["public", "max-age=\"60\""]), seconds(60));
        assert_eq!(of(&["max-age=5, max-age=9"]), seconds(5));
        assert_eq!(of(&["max-age=300, no-cache"]), seconds(0));
        assert_eq!(of(&["no-store"]), seconds(0));
        assert_eq!(of(&["max-age=-1"]), None);
    }

    async fn serve(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                if answer.is_empty() {
                    std::future::pending::<()>().await;
                }
            }
        });
        format!("http://{address}/keys?secret")
    }

    #[tokio::test]
    async fn documents_are_bounded() {
        let documents = Documents::new(&Options::default());
        let patience = Duration::from_secs(20);
        let get = async |answer, patience| documents.get(&serve(answer).await, patience, 4).await;
        let good = "HTTP/1.1 200 OK\r\ncache-control: max-age=7\r\ncontent-length: 4\r\n\r\nkeys";
        let expected = Document {
            bytes: Bytes::from_static(b"keys"),
            max_age: Some(Duration::from_secs(7)),
        };
        assert_eq!(get(good, patience).await.unwrap(), expected);
        let large = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nlarge";
        assert!(matches!(
            get(large, patience).await,
            Err(FetchError::TooLarge { limit: 4, .. })
        ));
        let missing = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
        assert!(matches!(
            get(missing, patience).await,
            Err(FetchError::NotFound { .. })
        ));
        let late = get("", Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(late, FetchError::Timeout { .. }));
        assert!(!late.to_string().contains("secret"), "{late}");
        assert!(documents.get("no address", patience, 4).await.is_err());
    }
}
