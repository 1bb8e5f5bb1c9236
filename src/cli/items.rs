//! `bowline items`: the items and how they stand, and which of them has a name.

use bowline::api::{API_VERSION, Selector, Text};
use bowline::change::markdown::one_line;
use bowline::estate::select::{self, Matcher, Subject};
use bowline::failure::Failure;
use bowline::impact::ServiceGraph;
use bowline::inventory::{self, Entry, Inventory};
use clap::Args;
use serde_json::json;

use super::options::Options;
use super::session::{EstateArgument, Session, refuse_unknown_class};
use super::{Outcome, render};

/// Arguments of `items`.
#[derive(Args)]
#[allow(clippy::doc_markdown)] // these comments are what --help prints
pub struct Arguments {
    #[command(flatten)]
    estate: EstateArgument,

    /// The item of this name in any tool, declared or not, in any spelling: a name, a host name short or full, an id, a MAC or
    /// IP address, a serial number; IDENTIFIER=VALUE for one identifier alone. Exits with 1 if there is none
    #[arg(long, value_name = "NAME", conflicts_with_all = ["class", "owner", "select"])]
    find: Option<String>,

    /// Only items of this class, or of classes that extend it; may be repeated
    #[arg(long, value_name = "CLASS")]
    class: Vec<Text>,

    /// Only items of this owner; may be repeated
    #[arg(long, value_name = "OWNER")]
    owner: Vec<Text>,

    /// Only what this selector chooses, written as in a document: '{services: [payments], labels: {env: [prod]}}'
    #[arg(long, value_name = "SELECTOR", value_parser = select::read)]
    select: Option<Selector>,

    /// Show every item, however many there are
    #[arg(long)]
    all: bool,
}

/// Prints the items, or those of one name.
pub async fn run(options: &Options, arguments: &Arguments) -> Result<Outcome, Failure> {
    let (session, plan, correlation) = Session::planned(options, &arguments.estate).await?;
    let inventory = Inventory::new(&session.estate, &session.discovered, &correlation, &plan.findings, session.now);
    if let Some(name) = &arguments.find {
        return find(options, &session, &inventory, name);
    }
    let is_found = |class: &str| inventory.entries.iter().any(|entry| *entry.class == *class);
    refuse_unknown_class(&session.estate, &arguments.class, arguments.select.as_ref(), &is_found)?;
    let entries = chosen(&session, &inventory, arguments);
    let whole = json!({"apiVersion": API_VERSION, "kind": "Items", "estate": session.estate.name, "at": session.now, "items": entries});
    options.print(&whole, |style| render::items::render(style, &plan, &inventory, &entries, arguments.all))?;
    Ok(Outcome::Done)
}

fn chosen<'a>(session: &Session, inventory: &'a Inventory, arguments: &Arguments) -> Vec<&'a Entry> {
    let estate = &session.estate;
    let matcher = arguments.select.as_ref().map(Matcher::new);
    let graph = matcher.as_ref().filter(|matcher| matcher.needs_services()).map(|_| ServiceGraph::new(estate));
    let selected = |entry: &Entry| {
        let Some((matcher, item)) = matcher.as_ref().zip(entry.item.and_then(|place| estate.items.get(place))) else { return true };
        let services = graph.as_ref().map(|graph| graph.services_of(&item.name)).unwrap_or_default();
        matcher.matches(&estate.classes, &Subject::item(item, services))
    };
    let of_class = |entry: &Entry| arguments.class.is_empty() || estate.classes.is_any(&entry.class, &arguments.class);
    let of_owner = |entry: &Entry| arguments.owner.is_empty() || entry.owner.as_ref().is_some_and(|owner| arguments.owner.contains(owner));
    inventory.of_estate().iter().filter(|entry| of_class(entry) && of_owner(entry) && selected(entry)).collect()
}

fn find(options: &Options, session: &Session, inventory: &Inventory, name: &str) -> Result<Outcome, Failure> {
    let hits = inventory::find(&session.estate, &session.discovered, inventory, name);
    if hits.is_empty() {
        let near = inventory::near(&session.estate, &session.discovered, inventory, name);
        let shown = one_line(name);
        let failure = Failure::new(format!("nothing is known as `{shown}`: neither declared nor found by a source"));
        let incomplete: Vec<&str> = session.discovered.answers.iter().filter(|answer| !answer.complete).map(|answer| &*answer.source).collect();
        return Err(match (near.as_slice(), incomplete.as_slice()) {
            ([], []) => failure.hint("`bowline items` lists what is declared, `bowline discover` what the sources say"),
            ([], sources) => failure.hint(format!("not every source said all that it knows: {}", sources.join(", "))),
            (near, _) => failure.hint(format!("nearly so: {}", near.iter().map(|name| one_line(name)).collect::<Vec<_>>().join(", "))),
        });
    }
    let whole = json!({"apiVersion": API_VERSION, "kind": "Items", "estate": session.estate.name, "at": session.now, "find": name, "items": hits});
    options.print(&whole, |style| render::items::found(style, &session.estate, name, &hits))?;
    Ok(Outcome::Done)
}
