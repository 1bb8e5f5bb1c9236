//! `bowline discover`: what the sources say, before anything is compared.

mod push;

use std::collections::BTreeMap;

use bowline::api::{Table, Text, Value};
use bowline::change::markdown;
use bowline::discovery::{Answer, Observation, Target};
use bowline::estate::Classes;
use bowline::estate::class::AttributeRules;
use bowline::plan::SourceReport;
use clap::Args;
use serde_json::json;

use super::Outcome;
use super::options::{Options, Style};
use super::render::{self, count};
use super::session::{EstateArgument, Session};
use bowline::failure::Failure;

/// Arguments of `discover`.
#[derive(Args)]
#[command(after_long_help = LONG_HELP)]
pub struct Arguments {
    #[command(flatten)]
    estate: EstateArgument,

    /// Only this source; may be repeated
    #[arg(long, value_name = "NAME")]
    source: Vec<Text>,

    /// Believe what this source says, although it suddenly returned far less: the next pass concludes from it. Only the
    /// sources named are asked. May be repeated
    #[arg(long, value_name = "SOURCE", conflicts_with = "push")]
    confirm: Vec<Text>,

    /// Show every attribute of every item
    #[arg(long, conflicts_with = "push")]
    all: bool,

    #[command(flatten)]
    agent: push::Agent,
}

const LONG_HELP: &str = "\
As an agent (--push): what the sources of the estate say, typically one of the kind `host`, is sent to the listener of another Bowline, as a source of \
the kind `push` of its estate, and one line tells what was taken there. The token is a credential of --credentials that is bound to the host of URL; by \
https, or on this machine by http. What the other side puts off (Retry-After) or fails to take is tried again for five minutes. Attributes that a class calls \
sensitive are left out. It ends with 1 where not all was taken, or where --complete was asked for and a source's answer was not complete.

From a timer on each machine:
  bowline discover /etc/bowline --source host --push https://bowline.example.com --as web-agents --credentials /etc/bowline/credentials.yaml";

/// Asks the sources and prints their answers.
pub async fn run(options: &Options, arguments: &Arguments) -> Result<Outcome, Failure> {
    if let Some(url) = arguments.agent.url() {
        return arguments.agent.run(options, &arguments.estate, &arguments.source, url).await.map(|()| Outcome::Done);
    }
    let asked: Vec<Text> = arguments.source.iter().chain(&arguments.confirm).cloned().collect();
    let mut session = Session::open_with(options, &arguments.estate, &asked).await?;
    session.confirm(options, &arguments.confirm).await?;
    mask(&session.estate.classes, &mut session.discovered.answers, Some(&"(sensitive)".into()));
    let answers = &session.discovered.answers;
    let value: Vec<_> = answers.iter().map(answer_json).collect();
    let whole = json!({"apiVersion": bowline::api::API_VERSION, "kind": "Discovery", "estate": session.estate.name, "at": session.now, "sources": value});
    options.print(&whole, |style| text(style, &session, answers, arguments.all))?;
    for answer in answers.iter().filter(|answer| arguments.confirm.contains(&answer.source)) {
        eprintln!("Confirmed: {} with {}. The next pass believes it, if it still is as many.", answer.source, count(answer.items.len(), "item"));
    }
    Ok(Outcome::Done)
}

/// Sensitive attributes never leave in the clear: `instead` stands in their place; without it, nothing does. Of a class that is
/// not known nothing is known to be harmless, but its attributes are what the source was asked for, so they are shown.
fn mask(classes: &Classes, answers: &mut [Answer], instead: Option<&Value>) {
    for item in answers.iter_mut().flat_map(|answer| &mut answer.items) {
        if let Some(class) = classes.get(&item.class) {
            item.attributes = masked(&class.rules, &item.attributes, instead);
        }
    }
}

fn masked(rules: &AttributeRules, values: &Table<Value>, instead: Option<&Value>) -> Table<Value> {
    values.iter().filter_map(|(name, value)| Some((name.clone(), masked_value(rules.fields.get(name), value, instead)?))).collect()
}

fn masked_value(rules: Option<&AttributeRules>, value: &Value, instead: Option<&Value>) -> Option<Value> {
    match (rules, value) {
        (Some(rules), _) if rules.rule.sensitive => instead.cloned(),
        (Some(rules), Value::Map(parts)) => Some(Value::Map(masked(rules, parts, instead))),
        (Some(AttributeRules { each: Some(each), .. }), Value::List(list)) => {
            Some(list.iter().filter_map(|value| masked_value(Some(each), value, instead)).collect())
        }
        (_, value) => Some(value.clone()),
    }
}

fn answer_json(answer: &Answer) -> serde_json::Value {
    json!({
        "name": answer.source, "complete": answer.complete, "error": answer.error, "at": answer.at, "evidence": answer.evidence,
        "items": answer.items.iter().map(Observation::to_json).collect::<Vec<_>>(),
    })
}

fn text(style: Style, session: &Session, answers: &[Answer], all: bool) -> String {
    let reports: Vec<SourceReport> = answers.iter().map(SourceReport::of).collect();
    let mut text = render::plan::sources(style, &reports);
    for answer in answers.iter().filter(|answer| !answer.items.is_empty()) {
        text.push_str(&format!("{} {}\n", style.bold(&answer.source), style.dim(&format!("from {}", markdown::one_line(&answer.evidence)))));
        if all {
            text.extend(answer.items.iter().map(|item| whole_item(style, item)));
        } else {
            let rows: Vec<Vec<String>> = answer.items.iter().take(20).map(summary_row).collect();
            text.push_str(&render::table::table(style, &["name", "class", "identifiers", "attributes"], &rows));
            if answer.items.len() > rows.len() {
                text.push_str(&format!("… and {} more (--all shows them)\n", answer.items.len() - rows.len()));
            }
        }
        text.push('\n');
    }
    text.push_str(&by_class(answers));
    let _ = session;
    text
}

fn summary_row(item: &Observation) -> Vec<String> {
    let identifiers: Vec<String> = item.identifiers.iter().take(2).map(|(name, value)| format!("{name}={value}")).collect();
    let attributes: Vec<String> = item.attributes.iter().take(4).map(|(name, value)| format!("{name}={}", short(value))).collect();
    vec![item.name.to_string(), item.class.to_string(), identifiers.join(" "), attributes.join(" ")]
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 24 { text } else { format!("{}…", text.chars().take(23).collect::<String>()) }
}

fn whole_item(style: Style, item: &Observation) -> String {
    let mut text = format!("  {} {}\n", style.bold(&markdown::one_line(&item.name)), style.dim(&item.class));
    for (name, value) in &item.identifiers {
        text.push_str(&format!("    {name}: {}\n", markdown::one_line(value)));
    }
    for (name, value) in &item.attributes {
        write_value(&mut text, 4, &format!("{name}:"), value);
    }
    let mut relations: BTreeMap<&Text, Vec<String>> = BTreeMap::new();
    for relation in &item.relations {
        relations.entry(&relation.kind).or_default().push(markdown::one_line(&target(&relation.to)));
    }
    for (kind, to) in relations {
        let more = if to.len() > TARGETS { format!(" and {} more", to.len() - TARGETS) } else { String::new() };
        let to: Vec<&str> = to.iter().take(TARGETS).map(String::as_str).collect();
        text.push_str(&format!("    {kind} → {}{more}\n", to.join(", ")));
    }
    text
}

/// A value on one line where it fits, else each of its parts on its own.
fn write_value(text: &mut String, indent: usize, lead: &str, value: &Value) {
    let line = value.to_string();
    let parts: Vec<(String, &Value)> = match value {
        Value::Map(map) => map.iter().map(|(name, value)| (format!("{}:", markdown::one_line(name)), value)).collect(),
        Value::List(list) => list.iter().map(|value| ("-".to_owned(), value)).collect(),
        _ => Vec::new(),
    };
    if parts.is_empty() || line.chars().count() <= WIDTH {
        text.push_str(&format!("{:indent$}{lead} {}\n", "", markdown::one_line(&line)));
        return;
    }
    text.push_str(&format!("{:indent$}{lead}\n", ""));
    for (lead, value) in parts.iter().take(PARTS) {
        write_value(text, indent + 2, lead, value);
    }
    if parts.len() > PARTS {
        text.push_str(&format!("{:indent$}  … and {} more\n", "", parts.len() - PARTS));
    }
}

/// How wide a value may be to stand on one line, and how many parts of a wider one are shown.
const WIDTH: usize = 120;
const PARTS: usize = 50;

/// How many targets of one type of relation are shown.
const TARGETS: usize = 5;

fn target(to: &Target) -> String {
    match to {
        Target::Name(name) => name.to_string(),
        Target::Identifiers(identifiers) => identifiers.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(" "),
    }
}

fn by_class(answers: &[Answer]) -> String {
    let mut classes: BTreeMap<&Text, usize> = BTreeMap::new();
    for item in answers.iter().flat_map(|answer| &answer.items) {
        *classes.entry(&item.class).or_default() += 1;
    }
    let classes: Vec<String> = classes.into_iter().map(|(class, number)| format!("{number} {class}")).collect();
    if classes.is_empty() { "Nothing was found.\n".to_owned() } else { format!("Found: {}.\n", classes.join(", ")) }
}
