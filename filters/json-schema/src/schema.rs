//! A JSON schema, compiled.
//!
//! The keywords of draft 2020-12 that this knows are those of [`Schema::compile`]. Any other is refused: a rule that is not kept is worse
//! than none, for somebody relies on it.

use std::collections::BTreeMap;

use cairn_filter::serde_json::{Map, Value};
use regex_lite::Regex;

/// Keywords that say something to people and nothing about values.
const ANNOTATIONS: [&str; 11] = [
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// A schema and those that it refers to.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) root: Node,
    pub(crate) definitions: BTreeMap<String, Node>,
}

/// One schema.
#[derive(Debug)]
pub(crate) enum Node {
    /// Anything, or nothing.
    Always(bool),
    /// All of these hold.
    Rules(Vec<Rule>),
}

/// A keyword with its value.
#[derive(Debug)]
pub(crate) enum Rule {
    Type(Vec<String>),
    Enum(Vec<Value>),
    Const(Value),
    Minimum(f64),
    Maximum(f64),
    ExclusiveMinimum(f64),
    ExclusiveMaximum(f64),
    MultipleOf(f64),
    MinLength(usize),
    MaxLength(usize),
    Pattern(Regex),
    MinItems(usize),
    MaxItems(usize),
    UniqueItems,
    /// Schemas of the first items, and of the rest.
    Items(Vec<Node>, Option<Box<Node>>),
    MinProperties(usize),
    MaxProperties(usize),
    Required(Vec<String>),
    Properties {
        named: BTreeMap<String, Node>,
        patterns: Vec<(Regex, Node)>,
        others: Option<Box<Node>>,
    },
    AllOf(Vec<Node>),
    AnyOf(Vec<Node>),
    OneOf(Vec<Node>),
    Not(Box<Node>),
    /// The schema as a whole.
    Root,
    /// A definition.
    Definition(String),
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    ///
    /// The place of what is not known or makes no sense.
    pub(crate) fn compile(schema: &Value) -> Result<Schema, String> {
        let mut definitions = BTreeMap::new();
        if let Some(defs) = schema.get("$defs") {
            let defs = defs.as_object().ok_or("$defs: must be an object")?;
            for (name, schema) in defs {
                let node = node(schema).map_err(|error| format!("$defs.{name}{error}"))?;
                definitions.insert(name.clone(), node);
            }
        }
        let root = node(schema).map_err(|error| error.trim_start_matches('.').to_owned())?;
        let compiled = Schema { root, definitions };
        let mut references = Vec::new();
        gather(&compiled.root, &mut references);
        for definition in compiled.definitions.values() {
            gather(definition, &mut references);
        }
        match references
            .iter()
            .find(|name| !compiled.definitions.contains_key(**name))
        {
            Some(name) => Err(format!("$ref: there is no `#/$defs/{name}`")),
            None => Ok(compiled),
        }
    }
}

fn node(schema: &Value) -> Result<Node, String> {
    let keywords = match schema {
        Value::Bool(always) => return Ok(Node::Always(*always)),
        Value::Object(keywords) => keywords,
        _ => return Err(": must be an object or a boolean".to_owned()),
    };
    let mut rules = Vec::new();
    for (name, value) in keywords {
        let compiled = rule(name, value, keywords).map_err(|error| format!(".{name}{error}"))?;
        rules.extend(compiled);
    }
    Ok(Node::Rules(rules))
}

fn rule(name: &str, value: &Value, all: &Map<String, Value>) -> Result<Option<Rule>, String> {
    Ok(Some(match name {
        "type" => Rule::Type(types(value)?),
        "enum" => Rule::Enum(array(value)?.clone()),
        "const" => Rule::Const(value.clone()),
        "minimum" => Rule::Minimum(number(value)?),
        "maximum" => Rule::Maximum(number(value)?),
        "exclusiveMinimum" => Rule::ExclusiveMinimum(number(value)?),
        "exclusiveMaximum" => Rule::ExclusiveMaximum(number(value)?),
        "multipleOf" => {
            let divisor = number(value)?;
            if divisor <= 0.0 {
                return Err(": must be greater than 0".to_owned());
            }
            Rule::MultipleOf(divisor)
        }
        "minLength" => Rule::MinLength(count(value)?),
        "maxLength" => Rule::MaxLength(count(value)?),
        "pattern" => Rule::Pattern(regex(value.as_str().ok_or(": must be a string")?)?),
        "minItems" => Rule::MinItems(count(value)?),
        "maxItems" => Rule::MaxItems(count(value)?),
        "uniqueItems" => match value.as_bool() {
            Some(true) => Rule::UniqueItems,
            Some(false) => return Ok(None),
            None => return Err(": must be a boolean".to_owned()),
        },
        "prefixItems" => Rule::Items(nodes(value)?, rest(all.get("items"), "items")?),
        "items" if all.contains_key("prefixItems") => return Ok(None),
        "items" => Rule::Items(Vec::new(), rest(Some(value), "")?),
        "minProperties" => Rule::MinProperties(count(value)?),
        "maxProperties" => Rule::MaxProperties(count(value)?),
        "required" => Rule::Required(strings(value)?),
        // The three decide together, and are compiled at the first of them that is there.
        "additionalProperties" => properties(all)?,
        "patternProperties" if !all.contains_key("additionalProperties") => properties(all)?,
        "properties"
            if !all.contains_key("additionalProperties") && !all.contains_key("patternProperties") =>
        {
            properties(all)?
        }
        "patternProperties" | "properties" => return Ok(None),
        "allOf" => Rule::AllOf(nodes(value)?),
        "anyOf" => Rule::AnyOf(nodes(value)?),
        "oneOf" => Rule::OneOf(nodes(value)?),
        "not" => Rule::Not(Box::new(node(value)?)),
        "$ref" => match value.as_str().unwrap_or_default() {
            "#" => Rule::Root,
            other => match other.strip_prefix("#/$defs/") {
                Some(name) if !name.contains(['/', '~', '%']) => Rule::Definition(name.to_owned()),
                _ => return Err(": only `#` and `#/$defs/NAME`".to_owned()),
            },
        },
        name if ANNOTATIONS.contains(&name) => return Ok(None),
        _ => return Err(": this keyword is not supported".to_owned()),
    }))
}

fn properties(all: &Map<String, Value>) -> Result<Rule, String> {
    let object = |name: &str| match all.get(name) {
        None => Ok(None),
        Some(Value::Object(schemas)) => Ok(Some(schemas)),
        Some(_) => Err(format!(": `{name}` must be an object")),
    };
    let mut named = BTreeMap::new();
    for (name, schema) in object("properties")?.into_iter().flatten() {
        let compiled = node(schema).map_err(|error| format!(" (properties.{name}{error})"))?;
        named.insert(name.clone(), compiled);
    }
    let mut patterns = Vec::new();
    for (pattern, schema) in object("patternProperties")?.into_iter().flatten() {
        let compiled = node(schema).map_err(|error| format!(" (patternProperties.{pattern}{error})"))?;
        patterns.push((regex(pattern)?, compiled));
    }
    Ok(Rule::Properties {
        named,
        patterns,
        others: rest(all.get("additionalProperties"), "additionalProperties")?,
    })
}

fn rest(schema: Option<&Value>, name: &str) -> Result<Option<Box<Node>>, String> {
    let compiled = schema.map(node).transpose();
    Ok(compiled
        .map_err(|error| format!(" ({name}{error})"))?
        .map(Box::new))
}

fn nodes(value: &Value) -> Result<Vec<Node>, String> {
    let schemas = array(value)?.iter().enumerate();
    let compiled = schemas.map(|(index, schema)| node(schema).map_err(|error| format!("[{index}]{error}")));
    let compiled: Vec<Node> = compiled.collect::<Result<_, _>>()?;
    if compiled.is_empty() {
        return Err(": must have an element".to_owned());
    }
    Ok(compiled)
}

fn types(value: &Value) -> Result<Vec<String>, String> {
    let types = match value {
        Value::String(one) => vec![one.clone()],
        several => strings(several)?,
    };
    let known = [
        "null", "boolean", "object", "array", "number", "integer", "string",
    ];
    match types.iter().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!(": there is no type `{name}`")),
        None => Ok(types),
    }
}

fn strings(value: &Value) -> Result<Vec<String>, String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let texts: Option<Vec<String>> = array(value)?.iter().map(text).collect();
    texts.ok_or_else(|| ": must be a list of strings".to_owned())
}

fn array(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| ": must be a list".to_owned())
}

fn number(value: &Value) -> Result<f64, String> {
    value.as_f64().ok_or_else(|| ": must be a number".to_owned())
}

fn count(value: &Value) -> Result<usize, String> {
    let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
    count.ok_or_else(|| ": must be a whole number, 0 or greater".to_owned())
}

fn regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| format!(": `{text}` is no pattern: {error}"))
}

/// The definitions that a schema refers to.
fn gather<'a>(node: &'a Node, found: &mut Vec<&'a String>) {
    let Node::Rules(rules) = node else { return };
    for rule in rules {
        match rule {
            Rule::Definition(name) => found.push(name),
            Rule::Items(first, rest) => {
                first
                    .iter()
                    .chain(rest.as_deref())
                    .for_each(|node| gather(node, found));
            }
            Rule::Properties {
                named,
                patterns,
                others,
            } => {
                let patterns = patterns.iter().map(|(_, node)| node);
                let all = named.values().chain(patterns).chain(others.as_deref());
                all.for_each(|node| gather(node, found));
            }
            Rule::AllOf(nodes) | Rule::AnyOf(nodes) | Rule::OneOf(nodes) => {
                nodes.iter().for_each(|node| gather(node, found));
            }
            Rule::Not(node) => gather(node, found),
            _ => {}
        }
    }
}
