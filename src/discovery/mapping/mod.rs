//! What the facts of a source mean: jq expressions over documents and items, and the observations they give.
//!
//! ```text
//! bytes ─ node ─┬─ direct   plain paths, text with paths, maps and lists of them    ┐
//!               └─ jq       everything else, by jaq within a budget (fuel, jq_value) ┴─ Observation
//! ```
//!
//! Both give the same answer for the same expression. An item whose mapping fails is an error on that item; the others
//! stay, and the answer is incomplete.

mod direct;
mod fuel;
mod jq;
mod jq_math;
mod jq_value;
mod node;
mod observation;
mod recursion;

use std::str::FromStr;
use std::sync::Arc;

use jaq_core::load::lex::Lexer;
use jaq_core::load::parse::{Parser, Term};
use jaq_core::path::{Opt, Part};

use crate::api::discovery_source::Mapping;
use crate::api::{Text, Value};
use crate::discovery::Observation;

use direct::Direct;
pub(super) use fuel::roomy;
use jq::Program;
pub use node::Node;
use observation::Fields;

/// How long an expression may be, in bytes.
const LONGEST: usize = 8192;
/// How many items one document may give.
const MOST_ITEMS: usize = 1_000_000;

/// What is wrong with an expression of a source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}, at character {}", .position + 1)]
pub struct Problem {
    /// Where the expression stands in the source's `spec`: `items`, `map.attributes.memory`.
    pub field: String,
    /// The character of the expression at which it is wrong, from 0.
    pub position: usize,
    /// What is wrong.
    pub message: String,
}

impl Problem {
    /// Several, in one sentence.
    pub(super) fn told(problems: &[Self]) -> String {
        problems.iter().map(Self::to_string).collect::<Vec<_>>().join("; ")
    }
}

/// Whether an expression can be used in a mapping. An error gives the character at which it is wrong, from 0, and says
/// what is wrong.
pub fn check(expression: &str) -> Result<(), (usize, String)> {
    expression.parse::<Expression>().map(|_| ()).map_err(|error| error.0)
}

/// A compiled expression.
pub enum Expression {
    /// Run without jq.
    Direct(Direct),
    /// Run by jaq.
    Jq(Box<jq::Program>),
}

/// Where an expression is wrong, and what is wrong.
#[derive(Debug)]
pub struct Wrong(pub (usize, String));

impl FromStr for Expression {
    type Err = Wrong;
    fn from_str(expression: &str) -> Result<Self, Wrong> {
        on_roomy(|| {
            let plain = parse(expression, Direct::of)?;
            plain.map_or_else(|| Program::compile(expression).map(|program| Expression::Jq(Box::new(program))), |direct| Ok(Expression::Direct(direct)))
        })
        .map_err(Wrong)
    }
}

impl Expression {
    /// The same, run by jaq even where it is plain. For tests that hold the two ways against each other.
    pub fn by_jq(expression: &str) -> Result<Self, Wrong> {
        on_roomy(|| parse(expression, |_| ()).and_then(|()| Program::compile(expression))).map(|program| Expression::Jq(Box::new(program))).map_err(Wrong)
    }

    /// Whether it is run without jq.
    pub fn is_direct(&self) -> bool {
        matches!(self, Expression::Direct(_))
    }

    /// The one value that the expression gives for an item; none where it gives nothing.
    pub fn run(&self, item: &Node<'_>) -> Result<Option<Value>, String> {
        self.run_in(item, None)
    }

    /// The same for an item of the file at this path.
    fn run_in(&self, item: &Node<'_>, file: Option<&str>) -> Result<Option<Value>, String> {
        match self {
            Expression::Direct(direct) => direct.run(item),
            Expression::Jq(program) => roomy(|| program.run(item, file, 1, jq_value::V::to_value))?.map(|values| values.into_iter().next()),
        }
    }
}

/// Which values of a document are items.
pub enum Items {
    /// Each value of a list at the top, else the document.
    Natural,
    /// The document itself.
    Whole,
    /// Each value of the list at a path of names.
    Each(Vec<Text>),
    /// What jq gives.
    Jq(Box<jq::Program>),
}

impl Items {
    fn compile(expression: &str) -> Result<Self, (usize, String)> {
        on_roomy(|| {
            let plain = parse(expression, |term| match term {
                Term::Id => Some(Items::Whole),
                Term::Path(head, path) if matches!(**head, Term::Id) => each(&path.0).map(Items::Each),
                _ => None,
            })?;
            plain.map_or_else(|| Program::compile(expression).map(|program| Items::Jq(Box::new(program))), Ok)
        })
    }
}

/// The names of a path such as `.data.results[]`.
fn each(parts: &[(Part<Term<&str>>, Opt)]) -> Option<Vec<Text>> {
    let ((Part::Range(None, None), Opt::Essential), names) = parts.split_last()? else { return None };
    names
        .iter()
        .map(|part| match Direct::of(&Term::Path(Box::new(Term::Id), jaq_core::path::Path(vec![part.clone()])))? {
            Direct::Path(steps) => match &*steps {
                [direct::Step::Name(name, false)] => Some(name.clone()),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

/// The compiled `items` and `map` of a source. Clones share it.
#[derive(Clone)]
pub struct Mapper {
    compiled: Arc<Compiled>,
    /// What `input_filename` is.
    file: Option<Text>,
}

struct Compiled {
    items: Items,
    fields: Fields,
}

impl Mapper {
    /// Compiles what a source declares. All problems are reported at once.
    pub fn compile(items: Option<&Text>, map: Option<&Mapping>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let items = match items.map(|expression| Items::compile(expression)) {
            None => Items::Natural,
            Some(Ok(items)) => items,
            Some(Err((position, message))) => {
                problems.push(Problem { field: "items".to_owned(), position, message });
                Items::Natural
            }
        };
        let fields = map.map_or(Fields::Natural, |map| Fields::compile(map, &mut problems));
        if problems.is_empty() { Ok(Self { compiled: Arc::new(Compiled { items, fields }), file: None }) } else { Err(problems) }
    }

    /// The same for what stands in the file at this path, which jq knows as `input_filename`.
    #[must_use]
    pub fn of_file(&self, path: &str) -> Self {
        Self { compiled: self.compiled.clone(), file: Some(path.into()) }
    }

    /// Which values of a document are items.
    pub fn items(&self) -> &Items {
        &self.compiled.items
    }

    /// What an item means. An error names the field that could not be had.
    pub fn map(&self, item: &Node<'_>) -> Result<Observation, String> {
        self.compiled.fields.map(item, self.file.as_deref())
    }

    /// The items of a document whose `items` is a jq expression or the document itself.
    pub fn items_of<'a>(&self, document: Node<'a>) -> Result<Vec<Node<'a>>, String> {
        match self.items() {
            Items::Natural => Ok(match document {
                Node::List(list) => list,
                document => vec![document],
            }),
            Items::Whole => Ok(vec![document]),
            Items::Each(path) => each_of(path, document),
            Items::Jq(program) => roomy(|| program.run(&document, self.file.as_deref(), MOST_ITEMS, jq_value::V::to_node))?,
        }
        .map_err(|error| format!("items: {error}"))
    }
}

fn each_of<'a>(path: &[Text], document: Node<'a>) -> Result<Vec<Node<'a>>, String> {
    let mut at = document;
    for name in path {
        at = match at {
            Node::Map(entries) => entries.into_iter().rev().find(|(known, _)| **known == **name).map_or(Node::Null, |(_, node)| node),
            Node::Null => Node::Null,
            other => return Err(direct::no_such_step(other.kind(), &format_args!("`{name}`"))),
        };
    }
    match at {
        Node::List(list) => Ok(list),
        Node::Map(entries) => Ok(entries.into_iter().map(|(_, node)| node).collect()),
        other => Err(format!("cannot take the values of {}", other.kind())),
    }
}

/// Parses an expression and takes from it what is wanted.
fn parse<T>(expression: &str, take: impl FnOnce(&Term<&str>) -> T) -> Result<T, (usize, String)> {
    if expression.len() > LONGEST {
        return Err((LONGEST, format!("the expression is longer than {LONGEST} bytes; map the facts before they are written to the file")));
    }
    let tokens = Lexer::new(expression).lex().map_err(|errors| {
        let (expected, part) = errors.into_iter().next().unwrap_or((jaq_core::load::lex::Expect::Token, ""));
        (position(expression, part), format!("{} is expected here", with_article(lexical(&expected))))
    })?;
    let term = Parser::new(&tokens).parse(Parser::term).map_err(|errors| {
        let Some((expected, found)) = errors.into_iter().next() else { return (0, "this is not a jq expression".to_owned()) };
        let at = found.map_or(expression.chars().count(), |token| position(expression, token.0));
        (at, format!("{} is expected here", with_article(expected.as_str())))
    })?;
    if let Some(call) = recursion::find(&term) {
        return Err((
            position(expression, call),
            format!("`{call}` takes a filter and calls itself, which is refused; take a value (`$x`), or use `recurse`, `reduce` or `limit`"),
        ));
    }
    Ok(take(&term))
}

fn lexical(expected: &jaq_core::load::lex::Expect<&str>) -> &'static str {
    use jaq_core::load::lex::Expect;
    match expected {
        Expect::Delim("(") => "closing parenthesis",
        Expect::Delim("[") => "closing bracket",
        Expect::Delim("{") => "closing brace",
        Expect::Delim(_) => "closing quote",
        other => other.as_str(),
    }
}

fn with_article(thing: &str) -> String {
    match thing {
        "nothing" => "the end".to_owned(),
        "token" => "a part of jq".to_owned(),
        word if word.starts_with(|first: char| "aeiou".contains(first)) => format!("an {word}"),
        word if word.starts_with(|first: char| first.is_ascii_alphabetic()) => format!("a {word}"),
        symbol => format!("`{symbol}`"),
    }
}

/// The character of `whole` at which `part` of it begins; 0 where it is no part of it.
fn position(whole: &str, part: &str) -> usize {
    let offset = part.as_ptr().addr().checked_sub(whole.as_ptr().addr());
    offset.and_then(|offset| whole.get(..offset)).map_or(0, |before| before.chars().count())
}

/// Does `work` with much stack, which the parser of a deeply nested expression needs.
fn on_roomy<T: Send>(work: impl FnOnce() -> Result<T, (usize, String)> + Send) -> Result<T, (usize, String)> {
    roomy(work).unwrap_or_else(|error| Err((0, error)))
}
