//! What runs where, and how to call it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use cairn_api::meta::Key;
use cairn_config::State;
use cairn_mesh::{Service, Snapshot};

use crate::apps::App;
use crate::mesh::{Mesh, Wanted, captured_of};

/// Calls that are suggested at most.
const CALLS: usize = 8;

/// What runs where.
pub(super) struct Overview {
    mesh: Snapshot,
    wanted: Wanted,
    /// The admin interface of the ztunnel.
    ztunnel: Option<SocketAddr>,
    /// Those of the waypoints.
    waypoints: BTreeMap<Key, SocketAddr>,
}

impl Overview {
    pub(super) fn of(state: &State, running: &Mesh) -> Overview {
        let (mesh, _) = Snapshot::compile(state);
        Overview {
            wanted: Wanted::of(&state.objects, &mesh),
            ztunnel: running.ztunnel_admin(),
            waypoints: running
                .waypoints()
                .map(|(key, waypoint)| (key.clone(), waypoint.addresses().admin))
                .collect(),
            mesh,
        }
    }

    /// A line for everything that has an address.
    pub(super) fn table(&self) -> String {
        let mut rows: Vec<[String; 3]> = Vec::new();
        for service in self.mesh.services() {
            let way = match &service.waypoint {
                Some(key) => format!("through waypoint {key}"),
                None => String::new(),
            };
            for address in captured_of(service) {
                rows.push([
                    format!("service {}/{}", service.namespace, service.name),
                    address.to_string(),
                    way.clone(),
                ]);
            }
        }
        for (key, place) in &self.wanted.waypoints {
            let admin = self.waypoints.get(key).map(admin).unwrap_or_default();
            rows.push([format!("waypoint {key}"), place.address.to_string(), admin]);
        }
        rows.extend(
            self.ztunnel
                .iter()
                .map(|ztunnel| ["ztunnel".to_owned(), "every pod:15008".to_owned(), admin(ztunnel)]),
        );
        for (address, instance) in &self.wanted.apps {
            rows.push([
                format!("pod {}", instance.pod),
                address.to_string(),
                instance.app.to_string(),
            ]);
        }
        for (pod, address) in &self.wanted.callers {
            rows.push([
                format!("pod {pod}"),
                address.to_string(),
                "a place to call from".to_owned(),
            ]);
        }
        aligned(&rows)
    }

    /// Commands that call the services, from the pods that are there for it; from any when there are none.
    pub(super) fn calls(&self) -> Vec<String> {
        let apps = self
            .wanted
            .apps
            .iter()
            .map(|(address, instance)| (instance.pod.clone(), address.ip()));
        let callers: BTreeMap<Key, IpAddr> = match self.wanted.callers.is_empty() {
            true => apps.take(1).collect(),
            false => self.wanted.callers.clone(),
        };
        let targets: Vec<_> = self
            .mesh
            .services()
            .flat_map(|service| {
                captured_of(service).map(move |address| (address, self.path(service, address.port())))
            })
            .collect();
        let calls = callers.iter().flat_map(|(pod, from)| {
            targets
                .iter()
                .map(move |(to, path)| [command(*from, *to, path), format!("# as {}", pod.name)])
        });
        let calls: Vec<_> = calls.take(CALLS).collect();
        aligned(&calls).lines().map(str::to_owned).collect()
    }

    /// What the application behind a service's port has to show.
    fn path(&self, service: &Service, port: u16) -> &'static str {
        let apps = service.usable_endpoints(port).filter_map(|endpoint| {
            let port = endpoint.ports.get(&port)?;
            let addresses = endpoint.workload.addresses.iter();
            addresses
                .filter_map(|ip| self.wanted.apps.get(&SocketAddr::new(*ip, *port)))
                .next()
        });
        apps.map(|instance| App::front_page(&instance.app))
            .next()
            .unwrap_or("/")
    }
}

fn admin(address: &SocketAddr) -> String {
    format!("admin http://{address}/")
}

fn command(from: IpAddr, to: SocketAddr, path: &str) -> String {
    // A proxy of the environment would be asked for addresses that only this machine has.
    let proxied = ["http_proxy", "all_proxy", "ALL_PROXY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    let direct = if proxied { "--noproxy '*' " } else { "" };
    format!("curl {direct}--interface {from} http://{to}{path}")
}

/// Rows as lines, indented, each column as wide as its widest cell.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; N]| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        format!("  {}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests;
