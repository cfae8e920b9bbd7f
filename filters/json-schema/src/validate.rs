//! Whether a value fits a schema.

use cairn_filter::serde_json::{Number, Value};

use crate::schema::{Node, Rule, Schema};

/// How deep values and references may lead.
const DEEPEST: usize = 100;

/// What does not fit, and where: a JSON pointer (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    pub(crate) pointer: String,
    pub(crate) message: String,
}

impl Schema {
    /// Checks a value, and says what the first thing is that does not fit.
    pub(crate) fn check(&self, value: &Value) -> Result<(), Mismatch> {
        self.node(&self.root, value, &Place::Root, 0)
    }

    fn node(&self, node: &Node, value: &Value, place: &Place<'_>, depth: usize) -> Result<(), Mismatch> {
        if depth > DEEPEST {
            return place.fails("is too deep");
        }
        match node {
            Node::Always(true) => Ok(()),
            Node::Always(false) => place.fails("must not be there"),
            Node::Rules(rules) => rules
                .iter()
                .try_for_each(|rule| self.rule(rule, value, place, depth)),
        }
    }

    fn rule(&self, rule: &Rule, value: &Value, place: &Place<'_>, depth: usize) -> Result<(), Mismatch> {
        let fits = |node: &Node| self.node(node, value, place, depth + 1).is_ok();
        match rule {
            Rule::Type(types) => check(types.iter().any(|name| is(value, name)), place, || {
                format!("must be of type {}", types.join(" or "))
            }),
            Rule::Enum(values) => check(values.iter().any(|one| equal(one, value)), place, || {
                "is none of the values that it may have".to_owned()
            }),
            Rule::Const(one) => check(equal(one, value), place, || format!("must be {one}")),
            Rule::AllOf(nodes) => nodes
                .iter()
                .try_for_each(|node| self.node(node, value, place, depth + 1)),
            Rule::AnyOf(nodes) => check(nodes.iter().any(fits), place, || {
                "fits none of the schemas of `anyOf`".to_owned()
            }),
            Rule::OneOf(nodes) => {
                let fitting = nodes.iter().filter(|node| fits(node)).count();
                check(fitting == 1, place, || {
                    format!("fits {fitting} of the schemas of `oneOf`, not one")
                })
            }
            Rule::Not(node) => check(!fits(node), place, || "fits what it must not".to_owned()),
            Rule::Root => self.node(&self.root, value, place, depth + 1),
            Rule::Definition(name) => match self.definitions.get(name) {
                Some(node) => self.node(node, value, place, depth + 1),
                None => place.fails("refers to nothing"),
            },
            of_a_type => match value {
                Value::Number(value) => numbers(of_a_type, value, place),
                Value::String(value) => strings(of_a_type, value, place),
                Value::Array(items) => self.array(of_a_type, items, place, depth),
                Value::Object(fields) => self.object(of_a_type, fields, place, depth),
                Value::Null | Value::Bool(_) => Ok(()),
            },
        }
    }

    fn array(&self, rule: &Rule, items: &[Value], place: &Place<'_>, depth: usize) -> Result<(), Mismatch> {
        match rule {
            Rule::MinItems(least) => check(items.len() >= *least, place, || {
                format!("must have {least} items or more")
            }),
            Rule::MaxItems(most) => check(items.len() <= *most, place, || {
                format!("must have {most} items or less")
            }),
            Rule::UniqueItems => {
                let twice = items
                    .iter()
                    .enumerate()
                    .any(|(index, item)| items.iter().skip(index + 1).any(|other| equal(item, other)));
                check(!twice, place, || "has an item twice".to_owned())
            }
            Rule::Items(first, rest) => items.iter().enumerate().try_for_each(|(index, item)| {
                match first.get(index).or(rest.as_deref()) {
                    Some(node) => self.node(node, item, &Place::Item(place, index), depth + 1),
                    None => Ok(()),
                }
            }),
            _ => Ok(()),
        }
    }

    fn object(
        &self,
        rule: &Rule,
        fields: &cairn_filter::serde_json::Map<String, Value>,
        place: &Place<'_>,
        depth: usize,
    ) -> Result<(), Mismatch> {
        match rule {
            Rule::MinProperties(least) => check(fields.len() >= *least, place, || {
                format!("must have {least} fields or more")
            }),
            Rule::MaxProperties(most) => check(fields.len() <= *most, place, || {
                format!("must have {most} fields or less")
            }),
            Rule::Required(names) => names.iter().try_for_each(|name| {
                check(fields.contains_key(name), place, || {
                    format!("must have the field `{name}`")
                })
            }),
            Rule::Properties {
                named,
                patterns,
                others,
            } => fields.iter().try_for_each(|(name, value)| {
                let place = Place::Field(place, name);
                let mut known = false;
                if let Some(node) = named.get(name) {
                    known = true;
                    self.node(node, value, &place, depth + 1)?;
                }
                for (pattern, node) in patterns {
                    if pattern.is_match(name) {
                        known = true;
                        self.node(node, value, &place, depth + 1)?;
                    }
                }
                match others {
                    Some(node) if !known => self.node(node, value, &place, depth + 1),
                    _ => Ok(()),
                }
            }),
            _ => Ok(()),
        }
    }
}

fn numbers(rule: &Rule, value: &Number, place: &Place<'_>) -> Result<(), Mismatch> {
    let Some(value) = value.as_f64() else {
        return Ok(());
    };
    match rule {
        Rule::Minimum(least) => check(value >= *least, place, || format!("must be {least} or more")),
        Rule::Maximum(most) => check(value <= *most, place, || format!("must be {most} or less")),
        Rule::ExclusiveMinimum(least) => {
            check(value > *least, place, || format!("must be more than {least}"))
        }
        Rule::ExclusiveMaximum(most) => check(value < *most, place, || format!("must be less than {most}")),
        Rule::MultipleOf(divisor) => {
            // 0.3 is a multiple of 0.1, although no float is.
            let times = value / divisor;
            let whole = (times - times.round()).abs() <= times.abs().max(1.0) * 1e-12;
            check(whole, place, || format!("must be a multiple of {divisor}"))
        }
        _ => Ok(()),
    }
}

fn strings(rule: &Rule, value: &str, place: &Place<'_>) -> Result<(), Mismatch> {
    match rule {
        Rule::MinLength(least) => check(value.chars().count() >= *least, place, || {
            format!("must have {least} letters or more")
        }),
        Rule::MaxLength(most) => check(value.chars().count() <= *most, place, || {
            format!("must have {most} letters or less")
        }),
        Rule::Pattern(pattern) => check(pattern.is_match(value), place, || {
            format!("must match `{pattern}`")
        }),
        _ => Ok(()),
    }
}

fn is(value: &Value, name: &str) -> bool {
    match value {
        Value::Null => name == "null",
        Value::Bool(_) => name == "boolean",
        Value::String(_) => name == "string",
        Value::Array(_) => name == "array",
        Value::Object(_) => name == "object",
        Value::Number(number) => name == "number" || (name == "integer" && is_whole(number)),
    }
}

/// 1.0 is a whole number as well.
fn is_whole(number: &Number) -> bool {
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|value| value.fract() == 0.0)
}

/// As JSON schema counts: 1 and 1.0 are equal, also within lists and objects.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let same = |(name, value)| other.get(name).is_some_and(|other| equal(value, other));
            one.len() == other.len() && one.iter().all(same)
        }
        _ => one == other,
    }
}

fn check(fits: bool, place: &Place<'_>, message: impl FnOnce() -> String) -> Result<(), Mismatch> {
    if fits { Ok(()) } else { place.fails(&message()) }
}

/// Where a value stands. Written out only when something does not fit.
enum Place<'a> {
    Root,
    Field(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl Place<'_> {
    fn fails(&self, message: &str) -> Result<(), Mismatch> {
        Err(Mismatch {
            pointer: self.pointer(),
            message: message.to_owned(),
        })
    }

    fn pointer(&self) -> String {
        match self {
            Place::Root => String::new(),
            Place::Field(above, name) => {
                let name = name.replace('~', "~0").replace('/', "~1");
                format!("{}/{name}", above.pointer())
            }
            Place::Item(above, index) => format!("{}/{index}", above.pointer()),
        }
    }
}

#[cfg(test)]
mod tests;
