//! The plain part of jq, run without jq: paths, literals, text with paths in it, maps and lists of these, and `//`.
//!
//! Almost every expression that people write is of this kind, and running it directly is some twenty times faster than
//! jq. The two must give the same answer: a property test holds that.

use std::fmt::Write;

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::path::{Opt, Part, Path};
use serde_json::Number;

use super::node::Node;
use crate::api::{Text, Value};

/// How deeply terms may stand within each other; deeper ones are left to jq, which has the stack for it.
const DEEPEST: usize = 64;

/// An expression that needs no jq.
#[derive(Clone, Debug, PartialEq)]
pub enum Direct {
    /// The same whatever the item.
    Literal(Value),
    /// A value of the item.
    Path(Vec<Step>),
    /// Text with values in it.
    Text(Vec<Piece>),
    /// A list.
    List(Vec<Direct>),
    /// A map; of equal names the last counts.
    Map(Vec<(Text, Direct)>),
    /// The first, unless it is null, false or nothing; then the second.
    Either(Box<Direct>, Box<Direct>),
}

/// One step of a path. With `optional`, a value of the wrong kind gives nothing instead of an error.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Into a map.
    Name(Text, bool),
    /// Into a list; a negative place counts from the end.
    Place(i64, bool),
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// As it is.
    Fixed(String),
    /// A value; text as it is, everything else as JSON.
    Value(Direct),
}

impl Direct {
    /// The term as a direct expression, if it is plain enough.
    pub fn of(term: &Term<&str>) -> Option<Self> {
        Self::within(DEEPEST, term)
    }

    /// The same for a term within others, of which there may be `depth` more.
    fn within(depth: usize, term: &Term<&str>) -> Option<Self> {
        let depth = depth.checked_sub(1)?;
        Some(match term {
            Term::Id => Direct::Path(Vec::new()),
            Term::Num(digits) => Direct::Literal(Value::Number(number(digits)?)),
            Term::Call("null", arguments) if arguments.is_empty() => Direct::Literal(Value::Null),
            Term::Call("true", arguments) if arguments.is_empty() => Direct::Literal(Value::Bool(true)),
            Term::Call("false", arguments) if arguments.is_empty() => Direct::Literal(Value::Bool(false)),
            Term::Str(None, parts) => text_of(depth, parts)?,
            Term::Path(head, path) if matches!(**head, Term::Id) => Direct::Path(steps_of(path)?),
            Term::Arr(None) => Direct::List(Vec::new()),
            Term::Arr(Some(inner)) => {
                let mut list = Vec::new();
                list_of(depth, inner, &mut list)?;
                Direct::List(list)
            }
            Term::Obj(members) => Direct::Map(members.iter().map(|member| member_of(depth, member)).collect::<Option<_>>()?),
            Term::BinOp(left, BinaryOp::Alt, right) => Direct::Either(Box::new(Self::within(depth, left)?), Box::new(Self::within(depth, right)?)),
            _ => return None,
        })
    }

    /// What the expression gives for an item: a value, nothing (`?` on a value of the wrong kind), or why not.
    pub fn run(&self, item: &Node<'_>) -> Result<Option<Value>, String> {
        match self {
            Direct::Literal(value) => Ok(Some(value.clone())),
            Direct::Path(steps) => Ok(match walk(steps, item)? {
                Reached::Node(node) => Some(node.to_value()),
                Reached::Missing => Some(Value::Null),
                Reached::Nothing => None,
            }),
            Direct::Text(pieces) => write(pieces, item),
            Direct::List(list) => {
                let values = list.iter().filter_map(|inner| inner.run(item).transpose()).collect::<Result<Vec<_>, _>>()?;
                Ok(Some(values.into_iter().collect()))
            }
            Direct::Map(members) => map(members, item),
            Direct::Either(left, right) => match left.run(item)? {
                None | Some(Value::Null | Value::Bool(false)) => right.run(item),
                found => Ok(found),
            },
        }
    }
}

/// Where a path leads.
enum Reached<'n, 'a> {
    /// To a node.
    Node(&'n Node<'a>),
    /// To null, since a part of it is missing.
    Missing,
    /// To nothing at all: an optional step into a value of the wrong kind.
    Nothing,
}

fn walk<'n, 'a>(steps: &[Step], item: &'n Node<'a>) -> Result<Reached<'n, 'a>, String> {
    let mut at = Some(item);
    for step in steps {
        let Some(node) = at else { return Ok(Reached::Missing) };
        at = match (step, node) {
            (_, Node::Null) => None,
            (Step::Name(name, _), Node::Map(_)) => node.member(name),
            (Step::Place(place, _), Node::List(list)) => in_list(*place, list.len()).and_then(|place| list.get(place)),
            (Step::Name(_, true) | Step::Place(_, true), _) => return Ok(Reached::Nothing),
            (Step::Name(name, false), _) => return Err(no_such_step(node.kind(), &format_args!("`{}`", shortened(name)))),
            (Step::Place(place, false), _) => return Err(no_such_step(node.kind(), place)),
        };
    }
    Ok(at.map_or(Reached::Missing, Reached::Node))
}

/// The place in a list of this length; negative ones count from the end.
pub(super) fn in_list(place: i64, length: usize) -> Option<usize> {
    let place = if place < 0 { i64::try_from(length).ok()?.checked_add(place)? } else { place };
    usize::try_from(place).ok().filter(|place| *place < length)
}

/// What is said of a step into a value of the wrong kind. Never shows the value itself: it may be secret.
pub(super) fn no_such_step(kind: &str, step: &dyn std::fmt::Display) -> String {
    format!("cannot look up {step} in {kind}")
}

/// At most 40 characters of a text, for messages.
pub(super) fn shortened(text: &str) -> String {
    if text.chars().count() <= 40 { text.to_owned() } else { text.chars().take(40).chain(['…']).collect() }
}

/// A number as it is written in an expression.
pub(super) fn number(digits: &str) -> Option<Number> {
    if let Ok(whole) = digits.parse::<i64>() {
        return Some(whole.into());
    }
    digits.parse::<u64>().ok().map(Number::from).or_else(|| digits.parse().ok().and_then(Number::from_f64))
}

fn write(pieces: &[Piece], item: &Node<'_>) -> Result<Option<Value>, String> {
    let mut text = String::new();
    // In jq, nothing in any part is nothing as a whole, even where another part is an error.
    let mut fault = None;
    for piece in pieces {
        match piece {
            Piece::Fixed(fixed) => text.push_str(fixed),
            Piece::Value(inner) => match append(inner, item, &mut text) {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) => fault = fault.or(Some(error)),
            },
        }
    }
    fault.map_or_else(|| Ok(Some(Value::from(&*text))), Err)
}

/// Appends what the expression gives to a text; false where it gives nothing.
fn append(inner: &Direct, item: &Node<'_>, text: &mut String) -> Result<bool, String> {
    if let Direct::Path(steps) = inner {
        match walk(steps, item)? {
            Reached::Nothing => return Ok(false),
            Reached::Node(Node::Text(found)) => {
                text.push_str(found);
                return Ok(true);
            }
            Reached::Node(Node::Number(number)) => {
                let _ = write!(text, "{number}");
                return Ok(true);
            }
            _ => {}
        }
    }
    let Some(value) = inner.run(item)? else { return Ok(false) };
    let _ = write!(text, "{value}");
    Ok(true)
}

fn map(members: &[(Text, Direct)], item: &Node<'_>) -> Result<Option<Value>, String> {
    let mut entries = Vec::with_capacity(members.len());
    let mut fault = None;
    for (name, inner) in members {
        match inner.run(item) {
            Ok(Some(value)) => entries.push((name.clone(), value)),
            Ok(None) => return Ok(None),
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    fault.map_or_else(|| Ok(Some(Value::Map(entries.into_iter().collect()))), Err)
}

fn text_of(depth: usize, parts: &[StrPart<&str, Term<&str>>]) -> Option<Direct> {
    let mut pieces: Vec<Piece> = Vec::new();
    for part in parts {
        let fixed = match part {
            StrPart::Str(text) => (*text).to_owned(),
            StrPart::Char(character) => character.to_string(),
            StrPart::Term(term) => {
                pieces.push(Piece::Value(Direct::within(depth, term)?));
                continue;
            }
        };
        match pieces.last_mut() {
            Some(Piece::Fixed(before)) => before.push_str(&fixed),
            _ => pieces.push(Piece::Fixed(fixed)),
        }
    }
    Some(match &*pieces {
        [] => Direct::Literal(Value::from("")),
        [Piece::Fixed(text)] => Direct::Literal(Value::from(&**text)),
        _ => Direct::Text(pieces),
    })
}

fn steps_of(path: &Path<Term<&str>>) -> Option<Vec<Step>> {
    path.0
        .iter()
        .map(|(part, optional)| {
            let optional = matches!(optional, Opt::Optional);
            match part {
                Part::Index(Term::Num(digits)) => digits.parse().ok().map(|place| Step::Place(place, optional)),
                Part::Index(Term::Neg(inner)) => match &**inner {
                    Term::Num(digits) => digits.parse::<i64>().ok().map(|place| Step::Place(-place, optional)),
                    _ => None,
                },
                Part::Index(term) => fixed_text(term).map(|name| Step::Name(name, optional)),
                Part::Range(..) => None,
            }
        })
        .collect()
}

fn list_of(depth: usize, term: &Term<&str>, list: &mut Vec<Direct>) -> Option<()> {
    if let Term::BinOp(left, BinaryOp::Comma, right) = term {
        list_of(depth, left, list)?;
        return list_of(depth, right, list);
    }
    list.push(Direct::within(depth, term)?);
    Some(())
}

fn member_of(depth: usize, (key, value): &(Term<&str>, Option<Term<&str>>)) -> Option<(Text, Direct)> {
    let name = fixed_text(key)?;
    let inner = match value {
        Some(term) => Direct::within(depth, term)?,
        None => Direct::Path(vec![Step::Name(name.clone(), false)]),
    };
    Some((name, inner))
}

/// The text of a term without anything to fill in.
fn fixed_text(term: &Term<&str>) -> Option<Text> {
    let Term::Str(None, parts) = term else { return None };
    match text_of(1, parts)? {
        Direct::Literal(Value::Text(text)) => Some(text),
        _ => None,
    }
}
