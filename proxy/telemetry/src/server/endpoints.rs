//! The endpoints that every process has.

use std::borrow::Cow;
use std::sync::Arc;

use http::StatusCode;
use http::header::HeaderValue;
use percent_encoding::percent_decode_str;

use super::routes::{Request, Response, Routes, respond, text};
use crate::Readiness;
use crate::log::LogHandle;
use crate::metrics::{Format, Registry};

impl Routes {
    /// `GET /metrics` and `GET /stats/prometheus`: all metrics, as text or by the `accept` header as OpenMetrics.
    #[must_use]
    pub fn metrics(self, registry: Registry) -> Routes {
        let handler = move |request: Request| {
            let registry = registry.clone();
            async move {
                let format = Format::negotiate(request.headers());
                let content_type = HeaderValue::from_static(format.content_type());
                respond(StatusCode::OK, content_type, registry.encode(format))
            }
        };
        self.get("/metrics", "metrics", handler.clone())
            .get("/stats/prometheus", "metrics", handler)
    }

    /// `GET /healthz/ready`: 200, or 500 with what is not ready yet.
    #[must_use]
    pub fn ready(self, readiness: Readiness) -> Routes {
        self.get("/healthz/ready", "whether the process is ready", move |_| {
            let pending = readiness.pending();
            async move {
                if pending.is_empty() {
                    return text(StatusCode::OK, "ready\n");
                }
                let body = format!("not ready, pending: {}\n", pending.join(", "));
                text(StatusCode::INTERNAL_SERVER_ERROR, body)
            }
        })
    }

    /// `POST /logging`: the log levels in force; `?level=debug`, `?level=cairn_hbone=debug` and `?reset` change them.
    #[must_use]
    pub fn logging(self, log: LogHandle) -> Routes {
        let about = "log levels; ?level=debug or ?level=TARGET=debug sets one, ?reset goes back";
        self.post("/logging", about, move |request| {
            let response = change_levels(&log, request.uri().query().unwrap_or_default());
            async move { response }
        })
    }

    /// `POST /quitquitquit`: calls `quit`, which is to begin the shutdown of the process.
    #[must_use]
    pub fn quit(self, quit: impl Fn() + Send + Sync + 'static) -> Routes {
        let quit = Arc::new(quit);
        self.post("/quitquitquit", "shut down", move |_| {
            let quit = quit.clone();
            async move {
                quit();
                text(StatusCode::OK, "shutting down\n")
            }
        })
    }
}

fn change_levels(log: &LogHandle, query: &str) -> Response {
    for (name, value) in parameters(query) {
        let result = match &*name {
            "level" => log.set(&value).map_err(|error| error.to_string()),
            "reset" => {
                log.reset();
                Ok(())
            }
            other => Err(format!("unknown parameter {other:?}; use level or reset")),
        };
        if let Err(message) = result {
            return text(StatusCode::BAD_REQUEST, format!("{message}\n"));
        }
    }
    text(StatusCode::OK, format!("log levels: {}\n", log.current()))
}

fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            (
                percent_decode_str(name).decode_utf8_lossy(),
                percent_decode_str(value).decode_utf8_lossy(),
            )
        })
}
