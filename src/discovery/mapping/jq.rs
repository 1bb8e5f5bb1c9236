//! jq expressions beyond the plain ones, run by jaq within a budget.
//!
//! An expression sees its input, and the path of the file in which that stands, and nothing else: not the environment, the
//! clock, other files, other inputs, the zone of the machine or its output. It ends within a fixed number of steps, each of
//! which builds a bounded amount; see `fuel`.

use std::rc::Rc;

use jaq_core::load::{Arena, File, Loader, parse};
use jaq_core::native::{Fun, bome, run, unary, v};
use jaq_core::{Compiler, Ctx, DataT, Exn, Lut, ValT, Vars, data::HasLut};

use super::fuel;
use super::jq_value::{Error, V};
use super::node::Node;

/// What an expression may cost beyond what its input costs, in units of `fuel`: some 50 ms.
const BUDGET: u64 = 500_000;
/// What it may cost for each value of its input.
const BUDGET_PER_VALUE: u64 = 32;

/// Filters that look beyond the input, end the process or print, and two that may loop for as long as a number says.
const REFUSED: [&str; 9] = ["env", "now", "halt", "debug_empty", "stderr_empty", "localtime", "strflocaltime", "jn", "yn"];
/// Definitions that build on those.
const REFUSED_DEFINITIONS: [&str; 4] = ["halt", "halt_error", "debug", "stderr"];
/// Definitions that are made anew in [`own_functions`]: jaq's adds one entry at a time to a map, which copies it each time.
const OWN_DEFINITIONS: [&str; 1] = ["from_entries"];
/// Filters that compile a regular expression, which costs far more than a step.
const REGULAR: [(&str, &str); 3] = [("matches", "unpaid_matches"), ("split_matches", "unpaid_split_matches"), ("split_", "unpaid_split_")];
/// The same, paid for.
const PAID: &str = "
    def matches($re; $flags): pay($re) | unpaid_matches($re; $flags);
    def split_matches($re; $flags): pay($re) | unpaid_split_matches($re; $flags);
    def split_($re; $flags): pay($re) | unpaid_split_($re; $flags);";

/// What jq has and jaq lacks.
const ADDED: &str = "
    def IN(values): any(values == .; .);
    def IN(stream; values): any(stream == values; .);
    def INDEX(stream; f): [stream | {key: (f | tostring), value: .}] | from_entries;
    def INDEX(f): INDEX(.[]; f);";

/// A compiled expression.
pub struct Program(jaq_core::Filter<Metered>);

/// The kind of data that jaq runs on: our values, and a table of terms that counts each look-up.
struct Metered;

impl DataT for Metered {
    type V<'a> = V;
    type Data<'a> = Meter<'a>;
}

#[derive(Clone)]
struct Meter<'a> {
    lut: &'a Lut<Metered>,
    file: Option<&'a str>,
}

impl<'a> HasLut<'a, Metered> for Meter<'a> {
    fn lut(&self) -> &'a Lut<Metered> {
        fuel::step();
        self.lut
    }
}

impl Program {
    /// Compiles an expression that is known to parse. An error names the offending part of it and says what is wrong.
    pub(super) fn compile(expression: &str) -> Result<Self, (usize, String)> {
        let arena = Arena::default();
        let file = File { code: expression, path: () };
        let modules = Loader::new(definitions()).load(&arena, file).map_err(|_| (0, "this is not a jq expression".to_owned()))?;
        let filter = Compiler::default().with_funs(functions()).compile(modules);
        filter.map(Self).map_err(|errors| {
            let first = errors.into_iter().flat_map(|(_, errors)| errors).next();
            first.map_or_else(
                || (0, "this expression cannot be compiled".to_owned()),
                |(part, undefined)| {
                    let position = super::position(expression, part);
                    (position, format!("`{part}`: there is no such {}", undefined.as_str()))
                },
            )
        })
    }

    /// All that the expression gives, at most `most`, each turned by `turn`; the input stands in `file`, if in any. Must be
    /// called on a roomy thread.
    pub(super) fn run<T>(&self, input: &Node<'_>, file: Option<&str>, most: usize, turn: impl Fn(&V) -> Result<T, String>) -> Result<Vec<T>, String> {
        let budget = BUDGET.saturating_add(input.size().saturating_mul(BUDGET_PER_VALUE));
        fuel::run(budget, || {
            let context = Ctx::<Metered>::new(Meter { lut: &self.0.lut, file }, Vars::new([]));
            let mut results = Vec::new();
            for output in self.0.id.run((context, V::of(input))) {
                if results.len() == most {
                    return Err(format!("the expression gives more than {most} value{}", if most == 1 { "" } else { "s" }));
                }
                results.push(turn(&output.map_err(explain)?)?);
            }
            Ok(results)
        })
    }
}

fn explain(fault: Exn<'_, V>) -> String {
    match fault.get_err().map(jaq_core::Error::into_val) {
        Ok(V::Text(message)) => message.chars().take(200).collect(),
        Ok(other) => format!("the expression ended with an error that is {}", other.kind()),
        Err(_) => "the expression was left by a `break` without its `label`".to_owned(),
    }
}

fn definitions() -> impl Iterator<Item = parse::Def<&'static str>> {
    let parsed = |text| jaq_core::load::parse(text, |parser| parser.defs()).unwrap_or_default();
    let library = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let left_out = |name: &&str| REFUSED_DEFINITIONS.contains(name) || OWN_DEFINITIONS.contains(name);
    parsed(PAID).into_iter().chain(library.filter(move |definition| !left_out(&definition.name))).chain(parsed(ADDED))
}

fn functions() -> impl Iterator<Item = Fun<Metered>> {
    let library = jaq_core::funs().chain(jaq_std::funs()).filter(|(name, ..)| !REFUSED.contains(name));
    let library = library.map(|(name, arguments, function)| {
        let name = REGULAR.iter().find(|(known, _)| *known == name).map_or(name, |(_, unpaid)| *unpaid);
        (name, arguments, function)
    });
    library.chain(own_functions())
}

/// The filters that jaq ties to its own values, for ours.
fn own_functions() -> impl Iterator<Item = Fun<Metered>> {
    let functions: [jaq_core::native::Filter<jaq_core::RunPtr<Metered>>; 10] = [
        ("pay", v(1), |cv| {
            unary(cv, |input, expression| {
                if let V::Text(text) = &input {
                    fuel::charge_text(text.len());
                }
                let V::Text(text) = &expression else { return Ok(input) };
                // A counted repetition is unrolled, up to the regex crate's limit of 10 MB.
                fuel::charge(if text.contains('{') { 100_000 } else { 500 + 20 * text.len() as u64 });
                Ok(input)
            })
        }),
        ("tojson", v(0), |cv| {
            bome(cv.1.to_value().map_err(Error::str).and_then(|value| serde_json::to_string(&value).map(V::from).map_err(|_| Error::str("not JSON"))))
        }),
        // As jq's own: null where the input stands in no file.
        ("input_filename", v(0), |cv| bome(Ok(cv.0.data().file.map_or(V::Null, |file| V::from(file.to_owned()))))),
        ("from_entries", v(0), |cv| bome(from_entries(cv.1))),
        ("fromjson", v(0), |cv| bome(from_json(&cv.1))),
        ("length", v(0), |cv| bome(length(&cv.1))),
        ("contains", v(1), |cv| unary(cv, |whole, part| Ok(V::Bool(contains(&whole, &part))))),
        ("has", v(1), |cv| {
            unary(cv, |value, name| match (&value, &name) {
                (V::Map(_), V::Text(_)) | (V::List(_), V::Number(_)) => value.at(&name).map(|found| V::Bool(found.is_some())),
                _ => Err(Error::str(format!("cannot ask {} whether it has {}", value.kind(), name.kind()))),
            })
        }),
        ("indices", v(1), |cv| unary(cv, |value, part| value.places_of(&part))),
        ("bsearch", v(1), |cv| {
            unary(cv, |list, sought| {
                let V::List(list) = &list else { return Err(Error::typ(list, "list")) };
                let found = list.values.binary_search(&sought);
                Ok(V::whole(found.map_or_else(|place| -1 - place as i128, |place| place as i128)))
            })
        }),
    ];
    functions.into_iter().map(run::<Metered>)
}

fn from_entries(entries: V) -> Result<V, Error> {
    let named = entries.values().map(|entry| {
        let entry = entry?;
        let part = |name: &str| entry.at(&V::from(name.to_owned())).map(|found| found.unwrap_or(V::Null));
        Ok((part("key")?, part("value")?))
    });
    V::from_map(named.collect::<Result<Vec<_>, Error>>()?)
}

fn from_json(text: &V) -> Result<V, Error> {
    let V::Text(text) = text else { return Err(Error::typ(text.clone(), "string")) };
    // A tree of nodes is larger than its text.
    fuel::charge(text.len() as u64);
    let node: Result<Node<'_>, _> = serde_json::from_str(text.trim());
    node.map(|node| V::of(&node)).map_err(|_| Error::str("the text is not JSON"))
}

fn length(value: &V) -> Result<V, Error> {
    match value {
        V::Null => Ok(V::from(0_usize)),
        V::Bool(_) => Err(Error::str("a boolean has no length")),
        V::Number(_) | V::Odd(_) => {
            Ok(value.as_whole().map_or_else(|| V::decimal(value.as_decimal().unwrap_or(f64::NAN).abs()), |whole| V::whole(whole.abs())))
        }
        V::Text(text) => {
            fuel::charge_text(text.len());
            Ok(V::from(text.chars().count()))
        }
        V::List(list) => Ok(V::from(list.values.len())),
        V::Map(map) => Ok(V::from(map.entries.len())),
    }
}

fn contains(whole: &V, part: &V) -> bool {
    fuel::charge(1);
    match (whole, part) {
        (V::Text(whole), V::Text(part)) => {
            fuel::charge_text(whole.len());
            whole.contains(&**part)
        }
        (V::List(whole), V::List(part)) => part.values.iter().all(|part| whole.values.iter().any(|whole| contains(whole, part))),
        (V::Map(whole), V::Map(part)) => part.entries.iter().all(|(name, part)| whole.entries.get(name as &Rc<str>).is_some_and(|whole| contains(whole, part))),
        _ => whole == part,
    }
}
