use std::collections::BTreeMap;

use crate::value::Duration;

form! {
    /// Settings of the proxies.
    pub struct ProxyConfig {
        /// Environment variables.
        pub proxy_metadata: BTreeMap<String, String>,
        /// How long a stopping proxy drains. Absent: 45 s.
        pub drain_duration: Option<Duration>,
        /// How long a stopping proxy waits for its connections. Absent: 5 s.
        pub termination_drain_duration: Option<Duration>,
        /// Worker threads. Zero: one per core.
        pub concurrency: Option<i32>,
    }
}
