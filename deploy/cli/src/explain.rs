//! `cairn explain`: the decision for one request.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use cairn_waypoint::explain::{Question, explain};
use clap::Args;
use http::{HeaderName, HeaderValue, Method, Request, Uri};

use crate::{mesh, out, trials};

/// Which request to explain.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Directory of YAML.
    directory: PathBuf,
    /// Who calls.
    #[arg(long, value_name = "NAMESPACE/SERVICE-ACCOUNT", value_parser = caller)]
    from: (String, String),
    /// Method of the request.
    method: Method,
    /// URL of the request; its host is a service's name or address, as the caller would write it.
    #[arg(value_parser = url)]
    url: Uri,
    /// A header of the request; may be given several times.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Leaves filters alone: fetches and tries none.
    #[arg(long)]
    offline: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let state = mesh::complete(cairn_config::load(&arguments.directory)?);
    let mut request = Request::builder().method(&arguments.method).uri(&arguments.url);
    for (name, value) in &arguments.headers {
        request = request.header(name, value);
    }
    let (namespace, service_account) = arguments.from.clone();
    let request = request.body(()).context("this is no request")?;
    let explanation = explain(
        &state,
        &Question {
            namespace,
            service_account,
            request,
        },
        &trials::try_all(&state, arguments.offline)?,
    )?;
    out::line(explanation.to_string().trim_end());
    if state.report.has_errors() {
        let directory = arguments.directory.display();
        out::complaint(format_args!(
            "cairn: errors in the files may change this; see `cairn validate {directory}`"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn caller(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, account)) if !namespace.is_empty() && !account.is_empty() => {
            Ok((namespace.to_owned(), account.to_owned()))
        }
        _ => Err("write NAMESPACE/SERVICE-ACCOUNT, for example default/sleep".to_owned()),
    }
}

/// A URL; `http://` may be left out, as for curl.
fn url(text: &str) -> anyhow::Result<Uri> {
    let text = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let url: Uri = text
        .parse()
        .with_context(|| format!("{text} is no URL; write http://SERVICE:PORT/PATH"))?;
    match url.scheme_str() {
        Some("http") => Ok(url),
        Some("https") => bail!("what is in an application's own TLS nobody sees; ask for an http:// URL"),
        other => bail!(
            "{} is no scheme of HTTP; write http://SERVICE:PORT/PATH",
            other.unwrap_or_default()
        ),
    }
}

fn header(text: &str) -> anyhow::Result<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':').context("write 'name: value'")?;
    let name = name
        .trim()
        .parse()
        .with_context(|| format!("{name} is no header name"))?;
    let value = value
        .trim()
        .parse()
        .with_context(|| format!("{value} is no header value"))?;
    Ok((name, value))
}

#[cfg(test)]
mod tests;
