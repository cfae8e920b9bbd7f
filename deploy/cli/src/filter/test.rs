//! `cairn filter test`: a filter's hooks on one request and its response, in the real host and without a mesh.

mod message;
mod report;
mod run;
mod watch;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::anyhow;
use cairn_identity::SpiffeId;
use cairn_wasm::{LoadError, Value};
use clap::Args;
use http::{HeaderName, HeaderValue, StatusCode};

use super::Output;
use super::plugin::Plugin;
use crate::out;

use message::{Message, Request, Response};
use report::Report;
use watch::Lines;
use world::{Canned, Known, Services};

/// What to test, and on what.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    plugin: Plugin,
    /// The request: method and path, or a file of a whole request as HTTP/1.1 writes it.
    #[arg(long, value_name = "'METHOD PATH'|@FILE", default_value = "GET /", value_parser = message::request)]
    request: Request,
    /// A header of the request; may be given several times.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = message::header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The body of the request.
    #[arg(long, value_name = "TEXT|@FILE")]
    body: Option<String>,
    /// A trailer of the request.
    #[arg(long = "trailer", value_name = "NAME: VALUE", value_parser = message::header)]
    trailers: Vec<(HeaderName, HeaderValue)>,
    /// The status of the service's response.
    #[arg(long, value_name = "STATUS", default_value = "200")]
    response_status: StatusCode,
    /// A header of the response; `content-type: text/plain` if there is none.
    #[arg(long = "response-header", value_name = "NAME: VALUE", value_parser = message::header)]
    response_headers: Vec<(HeaderName, HeaderValue)>,
    /// The body of the response.
    #[arg(long, value_name = "TEXT|@FILE", default_value = "Hello.\n")]
    response_body: String,
    /// A trailer of the response.
    #[arg(long = "response-trailer", value_name = "NAME: VALUE", value_parser = message::header)]
    response_trailers: Vec<(HeaderName, HeaderValue)>,
    /// Hands bodies over in parts of so many bytes; in one without.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..))]
    parts: Option<u32>,
    /// Who calls.
    #[arg(
        long,
        value_name = "SPIFFE-ID",
        default_value = "spiffe://cluster.local/ns/default/sa/client"
    )]
    identity: SpiffeId,
    /// Something that the waypoint would know; true, false, numbers and JSON lists of texts are taken as such.
    #[arg(long = "attribute", value_name = "PATH=VALUE", value_parser = world::attribute)]
    attributes: Vec<(String, Value)>,
    /// A service that the filter may call, and what it answers: `auth:80=200:{"ok":true}`, `auth:80=200:@FILE`,
    /// `auth:80=timeout`, `auth:80=refused`.
    #[arg(long, value_name = "HOST:PORT=STATUS[:BODY]", value_parser = world::service)]
    outbound: Vec<(String, Canned)>,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let plugin = &arguments.plugin;
    let component = plugin.read().await?;
    let lines = Lines::install()?;
    let services = Arc::new(Services::new(arguments.outbound.iter().cloned()));
    let targets: Vec<String> = arguments
        .outbound
        .iter()
        .map(|(target, _)| target.clone())
        .collect();
    let loaded = plugin.load(&component, targets, Some(services.clone())).await?;
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            // What it had to say before it gave up is often the reason.
            for line in lines.take() {
                out::complaint(format_args!("{} | {}", line.level, line.text));
            }
            return Err(refused(plugin, &error));
        }
    };
    let exchange = message::Scene {
        request: arguments.request()?,
        response: arguments.response()?,
        parts: arguments.parts.and_then(|bytes| usize::try_from(bytes).ok()),
        known: Known::new(&arguments.identity, arguments.attributes.iter().cloned()),
    };
    let watch = watch::Watch::new(&loaded.filter, lines, services);
    let report = Report {
        file: plugin.file(),
        assumed: plugin.assumed(&component.inspection),
        took: loaded.took,
        subscriptions: loaded.filter.subscriptions().clone(),
        request: exchange.request.line(),
        identity: arguments.identity.to_string(),
        response: exchange.response.line(),
        ran: run::run(&loaded.filter, exchange, watch).await,
        metrics: loaded.filter.spec().metrics.read(),
    };
    match arguments.output {
        Output::Text => out::line(report.text(out::Paint::of_stdout()).trim_end()),
        Output::Json => out::line(serde_json::to_string_pretty(&report.json())?),
    }
    Ok(if report.ran.has_failed() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

impl Arguments {
    fn request(&self) -> anyhow::Result<Request> {
        let mut request = self.request.clone();
        request
            .message
            .add(&self.headers, self.body.as_deref(), &self.trailers)?;
        request.settle_host()?;
        Ok(request)
    }

    fn response(&self) -> anyhow::Result<Response> {
        let mut message = Message::default();
        message.add(
            &self.response_headers,
            Some(&self.response_body),
            &self.response_trailers,
        )?;
        message.plain_text();
        Ok(Response {
            status: self.response_status,
            message,
        })
    }
}

fn refused(plugin: &Plugin, error: &LoadError) -> anyhow::Error {
    let hint = match error {
        LoadError::Configure(_) if !plugin.is_configured() => "; give one with --config",
        LoadError::NotGranted { .. } => "; here, with --grants or --outbound",
        _ => "",
    };
    anyhow!("{} {error}{hint}", plugin.file())
}

#[cfg(test)]
mod tests;
