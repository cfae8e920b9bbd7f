//! One question to the name servers, and what its answer means.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::system_conf::read_system_conf;

use crate::error::DnsError;
use crate::host::Host;
use crate::options::{Families, Options};

/// The most addresses that are taken of an answer. One over TCP has room for four thousand.
const MAX_ADDRESSES: usize = 1024;

/// The most aliases from a name to its addresses. Resolvers allow between eight and some twenty.
const MAX_ALIASES: usize = 16;

/// Asks name servers. It remembers nothing: that is for those who ask.
#[derive(Debug)]
pub(crate) struct Asker {
    servers: Vec<NameServer>,
    families: Families,
    /// How long one server may take. A question over UDP is sent again in that time.
    patience: Duration,
    /// What is put behind names that are not absolute.
    search: Vec<Name>,
    /// With as many dots a name is asked for as it is before it is searched for.
    ndots: usize,
}

/// A server, which is asked for itself: hickory's own pool gives up when the first of several servers says nothing.
#[derive(Debug)]
struct NameServer {
    address: IpAddr,
    resolver: TokioResolver,
}

/// The addresses of a name, at least one, in the order of families, each once.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) addresses: Vec<IpAddr>,
    /// The shortest time that a record of the answer lives.
    pub(crate) ttl: Duration,
}

/// What an answer to one question has, for one name of the search list and one family.
#[derive(Debug)]
enum Found {
    Some(Answer),
    /// The server says that there is nothing, and why.
    Nothing(ResponseCode),
}

/// Why there is no answer.
#[derive(Debug)]
enum Failure {
    /// The server cannot say; it may about another name.
    Refused(String),
    /// Nobody answers, or nothing that can be read: the same question about another name will fare no better.
    Away(String),
}

impl Asker {
    pub(crate) fn new(options: &Options) -> Result<Self, DnsError> {
        let (config, settings) = if options.name_servers.is_empty() {
            read_system_conf().map_err(|error| no_servers(&error))?
        } else {
            let servers = options.name_servers.iter().map(name_server).collect();
            let mut settings = ResolverOpts::default();
            settings.use_hosts_file = ResolveHosts::Never;
            (ResolverConfig::from_parts(None, Vec::new(), servers), settings)
        };
        Self::with(&config, settings, options)
    }

    fn with(
        config: &ResolverConfig,
        mut settings: ResolverOpts,
        options: &Options,
    ) -> Result<Self, DnsError> {
        let search = search_list(config);
        let ndots = settings.ndots;
        // Whoever asks keeps the answer for as long as it lives; a cache between would make it live longer.
        settings.cache_size = 0;
        settings.preserve_intermediates = true;
        settings.attempts = 0;
        // Those who follow and those who look up, for two families.
        settings.max_active_requests = options.max_queries.saturating_mul(4).max(32);
        let configs = config.name_servers();
        let patience = options.query_timeout / u32::try_from(configs.len().max(1)).unwrap_or(u32::MAX);
        settings.timeout = patience;
        let servers = configs.iter().map(|server| {
            let alone = ResolverConfig::from_parts(None, Vec::new(), vec![server.clone()]);
            let resolver = TokioResolver::builder_with_config(alone, TokioRuntimeProvider::default())
                .with_options(settings.clone())
                .build()
                .map_err(|error| no_servers(&error))?;
            Ok(NameServer {
                address: server.ip,
                resolver,
            })
        });
        Ok(Self {
            servers: servers.collect::<Result<_, DnsError>>()?,
            families: options.families,
            patience,
            search,
            ndots,
        })
    }

    /// The addresses of a host, from the first name of its search list that has any.
    pub(crate) async fn ask(&self, host: &Host) -> Result<Answer, DnsError> {
        let names = self.names(host)?;
        let found = first_of(names, |name| self.ask_families(name)).await;
        match found {
            Ok(Found::Some(answer)) => Ok(answer),
            Ok(Found::Nothing(code)) => Err(DnsError::NoAddresses {
                host: host.clone(),
                answer: mnemonic(code),
            }),
            Err(Failure::Refused(reason) | Failure::Away(reason)) => Err(DnsError::Failed {
                host: host.clone(),
                reason,
            }),
        }
    }

    /// The absolute names that a host may stand for, as resolv.conf(5) has it.
    fn names(&self, host: &Host) -> Result<Vec<Name>, DnsError> {
        let text = host.to_string();
        let failed = |error: hickory_resolver::proto::ProtoError| DnsError::Failed {
            host: host.clone(),
            reason: error.to_string(),
        };
        let mut absolute = Name::from_ascii(&text).map_err(failed)?;
        if absolute.is_fqdn() {
            return Ok(vec![absolute]);
        }
        // A name that becomes too long is none.
        let searched = self
            .search
            .iter()
            .filter_map(|domain| absolute.clone().append_domain(domain).ok());
        let mut names: Vec<Name> = searched.collect();
        absolute.set_fqdn(true);
        let place = if text.matches('.').count() >= self.ndots || absolute.is_localhost() {
            0
        } else {
            names.len()
        };
        names.insert(place, absolute);
        Ok(names)
    }

    async fn ask_families(&self, name: Name) -> Result<Found, Failure> {
        let ask = |family| self.query(&name, family);
        match self.families {
            Families::V4Only => ask(RecordType::A).await,
            Families::V6Only => ask(RecordType::AAAA).await,
            Families::V4Preferred => match ask(RecordType::A).await {
                without @ Ok(Found::Nothing(_)) => either(without, ask(RecordType::AAAA).await),
                // After a failure nobody knows that there is no IPv4 address.
                other => other,
            },
            Families::All => {
                let (v4, v6) = tokio::join!(ask(RecordType::A), ask(RecordType::AAAA));
                either(v4, v6)
            }
        }
    }

    /// Asks one server after the other, as resolv.conf(5) has it, until one knows.
    async fn query(&self, name: &Name, family: RecordType) -> Result<Found, Failure> {
        let mut failure = Failure::Away("there is no name server".to_owned());
        for server in &self.servers {
            match (server.query(name, family, self.patience).await, &failure) {
                (Ok(found), _) => return Ok(found),
                // What a server says is more than what another does not.
                (Err(Failure::Away(_)), Failure::Refused(_)) => {}
                (Err(other), _) => failure = other,
            }
        }
        Err(failure)
    }
}

impl NameServer {
    async fn query(&self, name: &Name, family: RecordType, patience: Duration) -> Result<Found, Failure> {
        let lookup = self.resolver.lookup(name.clone(), family);
        match tokio::time::timeout(patience, lookup).await {
            Ok(Ok(lookup)) => {
                let (addresses, ttl) = addresses_of(name, lookup.answers());
                Ok(if addresses.is_empty() {
                    Found::Nothing(ResponseCode::NoError)
                } else {
                    Found::Some(Answer { addresses, ttl })
                })
            }
            Ok(Err(error)) => without_records(&error, self.address),
            Err(_) => Err(Failure::Away(format!("{} does not answer", self.address))),
        }
    }
}

/// The addresses among the records that are the name's own or those of its aliases, and the shortest time that one of
/// these lives. An alias on the way may change before the addresses do. Servers can add records of whatever name.
fn addresses_of(name: &Name, records: &[Record]) -> (Vec<IpAddr>, Duration) {
    let (mut names, mut ttl) = (vec![name], u32::MAX);
    // Aliases are mostly in order, but need not be: each round follows at least one of those that are left.
    for _ in 0..MAX_ALIASES {
        let known = names.len();
        for record in records {
            if let RData::CNAME(target) = &record.data
                && names.contains(&&record.name)
                && !names.contains(&&target.0)
                && names.len() <= MAX_ALIASES
            {
                names.push(&target.0);
                ttl = ttl.min(record.ttl);
            }
        }
        if names.len() == known {
            break;
        }
    }
    let (mut addresses, mut seen) = (Vec::new(), HashSet::new());
    for record in records {
        let address = match &record.data {
            RData::A(address) => IpAddr::V4(address.0),
            RData::AAAA(address) => IpAddr::V6(address.0),
            _ => continue,
        };
        if names.contains(&&record.name) && addresses.len() < MAX_ADDRESSES && seen.insert(address) {
            ttl = ttl.min(record.ttl);
            addresses.push(address);
        }
    }
    (addresses, Duration::from_secs(ttl.into()))
}

/// What the first of some names has that has anything.
async fn first_of<F>(names: Vec<Name>, mut ask: impl FnMut(Name) -> F) -> Result<Found, Failure>
where
    F: Future<Output = Result<Found, Failure>>,
{
    let mut outcome = Ok(Found::Nothing(ResponseCode::NXDomain));
    for name in names {
        match ask(name).await {
            found @ Ok(Found::Some(_)) => return found,
            away @ Err(Failure::Away(_)) => return away,
            refused @ Err(Failure::Refused(_)) => outcome = refused,
            // That this name does not exist says nothing about one that the server could not tell of.
            nothing @ Ok(Found::Nothing(_)) if outcome.is_ok() => outcome = nothing,
            Ok(Found::Nothing(_)) => {}
        }
    }
    outcome
}

fn no_servers(error: &NetError) -> DnsError {
    DnsError::NoServers {
        reason: error.to_string(),
    }
}

/// Both answers as one; a failure counts only where nothing was found otherwise.
fn either(first: Result<Found, Failure>, second: Result<Found, Failure>) -> Result<Found, Failure> {
    match (first, second) {
        (Ok(Found::Some(first)), Ok(Found::Some(second))) => Ok(Found::Some(Answer {
            addresses: [first.addresses, second.addresses].concat(),
            ttl: first.ttl.min(second.ttl),
        })),
        (Ok(Found::Some(found)), _) | (_, Ok(Found::Some(found))) => Ok(Found::Some(found)),
        (Err(failure @ Failure::Away(_)), _) | (_, Err(failure)) | (Err(failure), _) => Err(failure),
        (Ok(Found::Nothing(code)), Ok(Found::Nothing(_))) => Ok(Found::Nothing(code)),
    }
}

fn without_records(error: &NetError, server: IpAddr) -> Result<Found, Failure> {
    let code = match error {
        NetError::Dns(hickory_resolver::net::DnsError::NoRecordsFound(none)) => none.response_code,
        NetError::Dns(hickory_resolver::net::DnsError::ResponseCode(code)) => *code,
        other => return Err(Failure::Away(format!("{server}: {other}"))),
    };
    match code {
        ResponseCode::NoError | ResponseCode::NXDomain => Ok(Found::Nothing(code)),
        _ => Err(Failure::Refused(format!(
            "the name server answered {}",
            mnemonic(code)
        ))),
    }
}

/// The name of a response code as other tools print it.
fn mnemonic(code: ResponseCode) -> String {
    match code {
        ResponseCode::NoError => "NOERROR".to_owned(),
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        other => other.to_string(),
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    let at_port = connections.map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, at_port.into())
}

fn search_list(config: &ResolverConfig) -> Vec<Name> {
    let mut search: Vec<Name> = Vec::new();
    let domains = config.search().iter();
    for domain in domains {
        let mut domain = domain.clone();
        domain.set_fqdn(true);
        if !search.contains(&domain) {
            search.push(domain);
        }
    }
    search
}

#[cfg(test)]
mod tests {
    use hickory_resolver::system_conf::parse_resolv_conf;

    use super::*;

    fn pod() -> Asker {
        let text = "nameserver 127.0.0.1\nsearch ns.svc.cluster.local svc.cluster.local\noptions ndots:5\n";
        let (config, settings) = parse_resolv_conf(text).unwrap();
        Asker::with(&config, settings, &Options::default()).unwrap()
    }

    fn names(host: &str) -> Vec<String> {
        let names = pod().names(&host.parse().unwrap()).unwrap();
        names.iter().map(ToString::to_string).collect()
    }

    fn some(last: u8) -> Result<Found, Failure> {
        Ok(Found::Some(Answer {
            addresses: vec![IpAddr::from([10, 0, 0, last])],
            ttl: Duration::from_secs(last.into()),
        }))
    }

    fn nothing() -> Result<Found, Failure> {
        Ok(Found::Nothing(ResponseCode::NXDomain))
    }

    fn refused() -> Result<Found, Failure> {
        Err(Failure::Refused("REFUSED".to_owned()))
    }

    fn away() -> Result<Found, Failure> {
        Err(Failure::Away("away".to_owned()))
    }

    #[tokio::test]
    async fn the_systems_search_list_is_tried_with_names_that_are_not_absolute() {
        assert_eq!(
            names("api.example.com"),
            [
                "api.example.com.ns.svc.cluster.local.",
                "api.example.com.svc.cluster.local.",
                "api.example.com."
            ]
        );
        assert_eq!(names("a.b.c.d.e.f").first().unwrap(), "a.b.c.d.e.f.");
        assert_eq!(names("a.b.c.d.e.f").len(), 3);
        assert_eq!(names("API.example.com."), ["api.example.com."]);
        assert_eq!(names("_grpc._tcp.x_y").len(), 3);
        assert_eq!(names("localhost").first().unwrap(), "localhost.");
        let own = pod().ask(&"localhost".parse().unwrap()).await.unwrap();
        assert_eq!(
            own.addresses,
            [IpAddr::from([127, 0, 0, 1])],
            "nobody is asked for this one"
        );
        let long = [["a".repeat(60).as_str(); 4].join("."), "a".repeat(8)].join(".");
        assert_eq!(names(&long), [format!("{long}.")]);
    }

    #[tokio::test]
    async fn the_first_name_that_has_addresses_is_taken() {
        for (outcomes, expected) in [
            (vec![nothing(), some(1), some(2)], "10.0.0.1"),
            (vec![refused(), nothing(), some(2)], "10.0.0.2"),
            (vec![nothing(), nothing()], "NXDOMAIN"),
            (vec![refused(), nothing()], "REFUSED"),
            (vec![nothing(), away(), some(3)], "away"),
        ] {
            let names = vec![Name::root(); outcomes.len()];
            let mut outcomes = outcomes.into_iter();
            let found = first_of(names, |_| std::future::ready(outcomes.next().unwrap())).await;
            let told = match found {
                Ok(Found::Some(answer)) => answer.addresses[0].to_string(),
                Ok(Found::Nothing(code)) => mnemonic(code),
                Err(Failure::Refused(reason) | Failure::Away(reason)) => reason,
            };
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn one_family_is_enough_and_a_failure_is_no_answer() {
        for (first, second, expected) in [
            (some(1), some(2), Ok(vec![1, 2])),
            (some(1), away(), Ok(vec![1])),
            (refused(), some(2), Ok(vec![2])),
            (nothing(), some(2), Ok(vec![2])),
            (nothing(), nothing(), Ok(vec![])),
            (nothing(), refused(), Err("REFUSED")),
            (refused(), away(), Err("away")),
            (away(), nothing(), Err("away")),
        ] {
            let told = match either(first, second) {
                Ok(Found::Some(answer)) => {
                    assert_eq!(answer.ttl.as_secs(), u64::from(last_octets(&answer)[0]));
                    Ok(last_octets(&answer))
                }
                Ok(Found::Nothing(_)) => Ok(vec![]),
                Err(Failure::Refused(reason) | Failure::Away(reason)) => Err(reason),
            };
            assert_eq!(told, expected.map_err(str::to_owned));
        }
    }

    fn last_octets(answer: &Answer) -> Vec<u8> {
        let last = |address: &IpAddr| address.to_string().rsplit('.').next().unwrap().parse().unwrap();
        answer.addresses.iter().map(last).collect()
    }
}
