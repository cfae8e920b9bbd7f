//! Documents to one version of the configuration: who wins among duplicates, and what stays in force of what cannot be read any more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cairn_api::meta::{Kind, ObjectRef};

use crate::document::{Content, Finding, Item};
use crate::files::Part;
use crate::objects::{BrokenPolicy, Objects, Resource, is_policy, selection};
use crate::problem::{Location, Problem, Report};
use crate::state::{Place, State, line_in_file};

/// A version in the making.
#[derive(Default)]
pub(crate) struct Assembly {
    objects: Objects,
    problems: Vec<Problem>,
    places: BTreeMap<ObjectRef, Place>,
    /// Objects whose document is there and cannot be read, each with what is left of it.
    lost: Vec<(ObjectRef, Option<Resource>)>,
    /// Files with documents of which it is not known what they were.
    uncertain: Vec<PathBuf>,
    /// Files and directories that cannot be read at all.
    failed: Vec<PathBuf>,
}

impl Assembly {
    /// Adds the documents of a file. Files must come in the order of their paths: the first of two objects with the same name wins.
    pub(crate) fn add(&mut self, path: &Path, parts: &[Part]) {
        let file: Arc<Path> = Arc::from(path);
        for part in parts {
            let findings = part.document.findings.iter();
            self.problems
                .extend(findings.map(|finding| problem(finding, path, part.line)));
            for item in &part.document.items {
                self.place(item, &file, part.line);
            }
            if part.document.uncertain {
                self.uncertain.push(path.to_path_buf());
            }
        }
    }

    /// Adds a file or directory that cannot be read.
    pub(crate) fn fail(&mut self, path: &Path, reason: &str) {
        let location = Location {
            file: path.to_path_buf(),
            line: 0,
        };
        let hint = "what was last read from it stays in force";
        self.problems.push(Problem::of_file(
            location,
            format!("cannot be read: {reason}"),
            hint,
        ));
        self.failed.push(path.to_path_buf());
    }

    /// The version, with the last good version of whatever has become unreadable.
    pub(crate) fn finish(mut self, previous: &State) -> State {
        for (object, remnant) in std::mem::take(&mut self.lost) {
            let before = previous.places.get(&object);
            let whole = previous.objects.contains(&object) && before.is_none_or(|place| !place.remnant);
            match remnant.filter(|_| !whole) {
                Some(remnant) => self.keep_remnant(&object, &remnant),
                None => self.keep_last_good(&object, previous),
            }
        }
        let missing: Vec<(&ObjectRef, &Place)> = previous
            .places
            .iter()
            .filter(|(object, _)| !self.places.contains_key(*object))
            .collect();
        for (object, place) in missing {
            let failed = self.failed.iter().any(|path| place.file.starts_with(path));
            if failed || self.uncertain.iter().any(|path| **path == *place.file) {
                self.places.insert(object.clone(), place.clone());
                if failed {
                    // The problem of the file says so for all of them.
                    self.keep(object, previous);
                } else if is_policy(object.kind) {
                    self.deny(object, previous);
                } else {
                    self.keep_last_good(object, previous);
                }
            }
        }
        let mut report: Report = self.problems.into_iter().collect();
        let places = Arc::new(self.places);
        let denied = self.objects.broken_policies.keys().map(|object| {
            let message = "cannot be enforced: everything that it selects is denied";
            let problem = Problem::error(object.clone(), "", message, "mend the policy, or delete it");
            Problem {
                location: places.get(object).map(|place| place.locate("")),
                ..problem
            }
        });
        report.extend(denied);
        State {
            version: previous.version + 1,
            objects: Arc::new(self.objects),
            report,
            places,
        }
    }

    fn place(&mut self, item: &Item, file: &Arc<Path>, document: usize) {
        let place = Place {
            file: Arc::clone(file),
            document,
            object: item.line,
            lines: item.lines.clone(),
            remnant: false,
        };
        let mut object = item.object.clone();
        if object.name.is_empty() {
            let Location { file, line } = place.locate("");
            let file = file.file_name().unwrap_or_default().to_string_lossy();
            object.name = format!("(unnamed, {file}:{line})");
        }
        if let Some(first) = self.places.get(&object) {
            let first = first.locate("");
            let effect = if is_policy(object.kind) {
                "what this one selects is denied"
            } else {
                "this one is ignored"
            };
            let mut problem = Problem::error(
                object.clone(),
                "",
                format!("is already defined at {first}; {effect}"),
                "rename one of the two, or delete it",
            );
            problem.location = Some(place.locate("metadata.name"));
            self.problems.push(problem);
            if is_policy(object.kind) {
                self.deny_second(item, &object, place);
            }
            return;
        }
        self.places.insert(object.clone(), place);
        match &item.content {
            Content::Good(resource) => self.objects.insert(object.key(), resource),
            Content::Lost(remnant) => self.lost.push((object, remnant.clone())),
            Content::Denied(policy) => {
                let policy = BrokenPolicy {
                    object: object.clone(),
                    ..(**policy).clone()
                };
                self.objects.broken_policies.insert(object, policy);
            }
        }
    }

    /// Denies what a policy selects that has the name of another. Which of the two is meant nobody can tell, so neither may be left
    /// out: the first goes on to act, and this one stands beside it under a name that no object can have.
    fn deny_second(&mut self, item: &Item, object: &ObjectRef, place: Place) {
        let names = (2..).map(|number| format!("{} (no. {number})", object.name));
        let mut refs = names.map(|name| ObjectRef {
            name,
            ..object.clone()
        });
        let Some(object) = refs.find(|object| !self.places.contains_key(object)) else {
            return;
        };
        let (spec, reason) = match &item.content {
            Content::Good(resource) => (selection(resource), "has the name of another".to_owned()),
            Content::Denied(policy) => (policy.spec.clone(), policy.reason.clone()),
            Content::Lost(_) => (None, "has the name of another".to_owned()),
        };
        self.places.insert(object.clone(), place);
        let policy = BrokenPolicy {
            object: object.clone(),
            spec,
            reason,
        };
        self.objects.broken_policies.insert(object, policy);
    }

    /// Goes on with what the object was, and says so.
    fn keep_last_good(&mut self, object: &ObjectRef, previous: &State) {
        self.keep(object, previous);
        if self.objects.contains(object) {
            let message = "the last version that could be read stays in force";
            let problem = Problem::warning(object.clone(), "", message, "mend the document, or delete it");
            let location = self.places.get(object).map(|place| place.locate(""));
            self.problems.push(Problem { location, ..problem });
        }
    }

    /// Goes on with what is left of the object.
    fn keep_remnant(&mut self, object: &ObjectRef, remnant: &Resource) {
        self.objects.insert(object.key(), remnant);
        if let Some(place) = self.places.get_mut(object) {
            place.remnant = true;
            let message = match object.kind {
                Kind::WasmPlugin | Kind::TrafficExtension => {
                    "its filter is not in force, so requests that it was to see are refused"
                }
                Kind::HttpRoute | Kind::GrpcRoute => {
                    "nothing of it is in force, so that what it was to lead is answered 500 where no other route leads it"
                }
                Kind::TcpRoute | Kind::TlsRoute => {
                    "nothing of it is in force, so that connections that it was to lead are closed"
                }
                Kind::BackendTlsPolicy => {
                    "whom it trusts is not known, so that nothing is sent to the services that it is for"
                }
                _ => "nothing of it is in force but what binds it, so that no traffic goes round a waypoint",
            };
            let problem = Problem::warning(object.clone(), "", message, "mend the document, or delete it");
            let location = Some(place.locate(""));
            self.problems.push(Problem { location, ..problem });
        }
    }

    /// Goes on with what the object was.
    fn keep(&mut self, object: &ObjectRef, previous: &State) {
        if let Some(policy) = previous.objects.broken_policies.get(object) {
            self.objects
                .broken_policies
                .insert(object.clone(), policy.clone());
        }
        if let Some(resource) = previous.objects.resource(object) {
            self.objects.insert(object.key(), &resource);
        }
    }

    /// Denies what a policy selected when it could last be read.
    fn deny(&mut self, object: &ObjectRef, previous: &State) {
        let policy = previous
            .objects
            .broken_policies
            .get(object)
            .cloned()
            .unwrap_or_else(|| BrokenPolicy {
                object: object.clone(),
                spec: previous.objects.resource(object).as_ref().and_then(selection),
                reason: "its document can no longer be read".to_owned(),
            });
        self.objects.broken_policies.insert(object.clone(), policy);
    }
}

fn problem(finding: &Finding, file: &Path, document: usize) -> Problem {
    Problem {
        severity: finding.severity,
        object: finding.object.clone(),
        location: Some(Location {
            file: file.to_path_buf(),
            line: line_in_file(document, finding.line),
        }),
        field: finding.field.clone(),
        message: finding.message.clone(),
        hint: finding.hint.clone(),
    }
}

#[cfg(test)]
mod tests;
