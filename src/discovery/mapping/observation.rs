//! From the values that a mapping gives to an observation.

use jiff::Timestamp;

use super::direct::{Direct, Step};
use super::{Expression, Node, Problem};
use crate::api::discovery_source::Mapping;
use crate::api::{Table, Text, Value, intern};
use crate::discovery::{Observation, ObservedRelation, Target};

/// The fields of an observation.
pub(super) enum Fields {
    /// Those of an item that has the same names.
    Natural,
    /// Those that the source maps.
    Mapped(Box<Mapped>),
}

/// A compiled `map`.
pub(super) struct Mapped {
    class: Option<Expression>,
    key: Option<Expression>,
    name: Option<Expression>,
    owner: Option<Expression>,
    seen: Option<Expression>,
    identifiers: Vec<(Text, Expression)>,
    attributes: Vec<(Text, Expression)>,
    labels: Vec<(Text, Expression)>,
    relations: Option<Expression>,
}

impl Fields {
    pub fn compile(map: &Mapping, problems: &mut Vec<Problem>) -> Self {
        let mut one = |field: String, expression: &Text| match expression.parse() {
            Ok(compiled) => Some(compiled),
            Err(super::Wrong((position, message))) => {
                problems.push(Problem { field, position, message });
                None
            }
        };
        let mut maybe = |field: &str, expression: &Option<Text>| expression.as_ref().and_then(|expression| one(format!("map.{field}"), expression));
        let (class, key) = (maybe("class", &map.class), maybe("key", &map.key));
        let (name, owner, relations) = (maybe("name", &map.name), maybe("owner", &map.owner), maybe("relations", &map.relations));
        let seen = maybe("seen", &map.seen);
        let mut table = |field: &str, table: &Table<Text>| {
            table.iter().filter_map(|(name, expression)| Some((name.clone(), one(format!("map.{field}.{name}"), expression)?))).collect()
        };
        let (identifiers, attributes, labels) = (table("identifiers", &map.identifiers), table("attributes", &map.attributes), table("labels", &map.labels));
        Fields::Mapped(Box::new(Mapped { class, key, name, owner, seen, identifiers, attributes, labels, relations }))
    }

    /// What an item means that stands in `file`, if in any.
    pub fn map(&self, item: &Node<'_>, file: Option<&str>) -> Result<Observation, String> {
        let observation = match self {
            Fields::Natural => natural(item)?,
            Fields::Mapped(mapped) => mapped.map(item, file)?,
        };
        completed(observation)
    }
}

impl Mapped {
    fn map(&self, item: &Node<'_>, file: Option<&str>) -> Result<Observation, String> {
        let value_of =
            |field: &str, expression: &Expression| expression.run_in(item, file).map(Option::unwrap_or_default).map_err(|error| format!("{field}: {error}"));
        let one = |field: &str, expression: &Option<Expression>| match expression {
            None => Ok(Value::Null),
            Some(expression) => value_of(field, expression),
        };
        let text = |field: &str, expression| one(field, expression).and_then(|value| text_of(field, value));
        let texts = |field: &str, table: &[(Text, Expression)]| {
            let texts = table.iter().map(|(name, expression)| {
                let value = value_of(name, expression)?;
                Ok(text_of(name, value)?.map(|text| (&**name, text)))
            });
            texts.filter_map(Result::transpose).collect::<Result<Table<Text>, String>>().map_err(|error| format!("{field}.{error}"))
        };
        let attributes = self.attributes.iter().map(|(name, expression)| match value_of(name, expression) {
            Ok(Value::Null) => Ok(None),
            Ok(value) => Ok(Some((&**name, value))),
            Err(error) => Err(format!("attributes.{error}")),
        });
        Ok(Observation {
            class: text("class", &self.class)?.unwrap_or_default(),
            key: text("key", &self.key)?.unwrap_or_default(),
            name: text("name", &self.name)?.unwrap_or_default(),
            owner: text("owner", &self.owner)?,
            identifiers: texts("identifiers", &self.identifiers)?,
            attributes: attributes.filter_map(Result::transpose).collect::<Result<_, String>>()?,
            labels: texts("labels", &self.labels)?,
            relations: relations_of(one("relations", &self.relations)?)?,
            seen: text("seen", &self.seen)?.map(|text| instant_of(&text)).transpose()?,
        })
    }
}

/// An item that is written like an observation.
fn natural(item: &Node<'_>) -> Result<Observation, String> {
    if !matches!(item, Node::Map(_)) {
        return Err(format!("it is {} and not a map; say in `map` what it means", item.kind()));
    }
    let value = |name: &str| Direct::Path(vec![Step::Name(intern(name), false)]).run(item).map(Option::unwrap_or_default);
    let text = |name: &str| value(name).and_then(|value| text_of(name, value));
    let table = |name: &str| match value(name)? {
        Value::Null => Ok(Table::default()),
        Value::Map(table) => Ok(table),
        other => Err(format!("{name}: a map is wanted, not a {}", other.kind())),
    };
    let texts = |field: &str| {
        let texts = table(field)?.into_iter().map(|(name, value)| Ok(text_of(&name, value)?.map(|text| (name, text))));
        texts.filter_map(Result::transpose).collect::<Result<Table<Text>, String>>().map_err(|error| format!("{field}.{error}"))
    };
    Ok(Observation {
        class: text("class")?.unwrap_or_default(),
        key: text("key")?.unwrap_or_default(),
        name: text("name")?.unwrap_or_default(),
        owner: text("owner")?,
        identifiers: texts("identifiers")?,
        attributes: table("attributes")?.into_iter().filter(|(_, value)| *value != Value::Null).collect(),
        labels: texts("labels")?,
        relations: relations_of(value("relations")?)?,
        seen: text("seen")?.map(|text| instant_of(&text)).transpose()?,
    })
}

fn instant_of(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "seen: not an instant; give one such as 2026-11-25T08:00:00Z".to_owned())
}

/// What can stand without a class, a key or a name cannot be told apart from anything else.
fn completed(mut observation: Observation) -> Result<Observation, String> {
    if observation.class.is_empty() {
        return Err("it has no class".to_owned());
    }
    match (observation.key.is_empty(), observation.name.is_empty()) {
        (true, true) => return Err("it has neither a key nor a name".to_owned()),
        (true, false) => observation.key = observation.name.clone(),
        (false, true) => observation.name = observation.key.clone(),
        (false, false) => {}
    }
    Ok(observation)
}

/// A value that must be text; null and empty text are none, numbers and booleans are written out.
fn text_of(field: &str, value: Value) -> Result<Option<Text>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Text(text) => Ok(Some(text).filter(|text| !text.trim().is_empty())),
        Value::Number(number) => Ok(Some(intern(&number.to_string()))),
        Value::Bool(value) => Ok(Some(intern(if value { "true" } else { "false" }))),
        Value::List(_) | Value::Map(_) => Err(format!("{field}: text is wanted, not a {}", value.kind())),
    }
}

fn relations_of(value: Value) -> Result<Vec<ObservedRelation>, String> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::List(list) => list.into_vec().into_iter().filter_map(|relation| relation_of(relation).transpose()).collect(),
        other => Err(format!("relations: a list of {{type, to}} is wanted, not a {}", other.kind())),
    }
}

/// One relation; none where its other end is null, which is how an optional relation is mapped.
fn relation_of(value: Value) -> Result<Option<ObservedRelation>, String> {
    let wanted = |what: &str| format!("relations: {what}");
    let Value::Map(relation) = value else { return Err(wanted(&format!("each must be a map {{type, to}}, not a {}", value.kind()))) };
    let kind = relation.get("type").and_then(Value::as_str).filter(|kind| !kind.is_empty()).ok_or_else(|| wanted("each needs a `type`"))?;
    let to = match relation.get("to") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Map(to)) => match to.get("identifiers") {
            Some(Value::Map(identifiers)) => {
                let identifiers = identifiers.iter().map(|(name, value)| Ok(text_of(name, value.clone())?.map(|text| (name.clone(), text))));
                let identifiers: Table<Text> = identifiers.filter_map(Result::transpose).collect::<Result<_, String>>().map_err(|error| wanted(&error))?;
                if identifiers.is_empty() {
                    return Ok(None);
                }
                Target::Identifiers(identifiers)
            }
            None | Some(Value::Null) => return Err(wanted("`to` must be a name or {identifiers: {…}}")),
            Some(other) => return Err(wanted(&format!("`identifiers` must be a map, not a {}", other.kind()))),
        },
        Some(to) => match text_of("to", to.clone()).map_err(|error| wanted(&error))? {
            Some(name) => Target::Name(name),
            None => return Ok(None),
        },
    };
    Ok(Some(ObservedRelation { kind: intern(kind), to }))
}
