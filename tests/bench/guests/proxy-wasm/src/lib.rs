//! What the filter `bench` of this tree does with a head, as proxy-wasm has it: ten lines are read, one is appended.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

/// The lines that `bench` reads.
const LINES: [&str; 10] = [
    ":method",
    ":path",
    ":authority",
    "user-agent",
    "accept",
    "accept-encoding",
    "authorization",
    "cookie",
    "x-b3-traceid",
    "x-tenant",
];

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root) });
}}

struct Root;

struct Bench;

impl Context for Root {}

impl RootContext for Root {
    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Bench))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Bench {}

impl HttpContext for Bench {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let bytes: usize = LINES
            .iter()
            .filter_map(|name| self.get_http_request_header(name))
            .map(|value| value.len())
            .sum();
        self.add_http_request_header("x-bench", &bytes.to_string());
        Action::Continue
    }
}
