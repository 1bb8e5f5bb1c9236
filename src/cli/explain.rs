//! `bowline explain`: one finding or change request, or the identity of an item, with all that led to it (rule 9).

use bowline::api::Value;
use bowline::change::{Change, markdown};
use bowline::drift::Finding;
use bowline::identity::correlate;
use bowline::impact::ServiceGraph;
use clap::Args;

use super::options::{Options, Style};
use super::session::{EstateArgument, Session};
use super::{Outcome, render};
use bowline::failure::Failure;

/// Arguments of `explain`.
#[derive(Args)]
pub struct Arguments {
    /// The key of a finding (`changed/pay-db-01/attributes.memory`) or of a change request; a part of one will do if only one has it
    ///
    /// With `--identity`: the name of an item, or what a source calls something that nobody declared
    key: String,

    #[command(flatten)]
    estate: EstateArgument,

    /// Explain by which rules observations were recognised as this item, and why others were not
    #[arg(long)]
    identity: bool,
}

/// Prints the explanation.
pub async fn run(options: &Options, arguments: &Arguments) -> Result<Outcome, Failure> {
    let session = Session::open(options, &arguments.estate).await?;
    if arguments.identity {
        return who(options, &session, &arguments.key);
    }
    let plan = session.plan();
    if let Some(change) = plan.changes.iter().find(|change| *change.key == arguments.key) {
        options.print(change, |style| render::plan::markdown_on_terminal(style, &change.title, &change.body))?;
        return Ok(Outcome::Done);
    }
    let exact = plan.findings.iter().find(|finding| *finding.key == arguments.key);
    let finding = match exact {
        Some(finding) => finding,
        None => the_only_one(&plan.findings, &arguments.key)?,
    };
    let change = plan.changes.iter().find(|change| change.findings.contains(&finding.key));
    options.print(finding, |style| text(style, &session, finding, change))?;
    Ok(Outcome::Done)
}

fn who(options: &Options, session: &Session, name: &str) -> Result<Outcome, Failure> {
    let correlation = correlate(&session.estate, &session.discovered);
    let identities = bowline::identity::explain(&session.estate, &session.discovered, &correlation, name);
    if identities.is_empty() {
        let near = super::session::nearest(name, session.estate.items.iter().map(|item| &*item.name));
        let failure = Failure::new(format!("no item has the name `{name}`, and no source calls anything so that is not declared"));
        return Err(match near {
            Some(near) => failure.hint(format!("nearest: {near}")),
            None => failure,
        });
    }
    options.print(&identities, |style| identities.iter().map(|identity| render::identity::text(style, identity)).collect::<Vec<_>>().join("\n"))?;
    Ok(Outcome::Done)
}

fn the_only_one<'a>(findings: &'a [Finding], part: &str) -> Result<&'a Finding, Failure> {
    let matching: Vec<&Finding> = findings.iter().filter(|finding| finding.key.contains(part)).collect();
    match matching.as_slice() {
        [finding] => Ok(finding),
        [] => Err(Failure::new(format!("no finding or change request has the key `{part}`"))
            .hint("`bowline plan --output json` lists the keys; a finding that is gone has none")),
        many => {
            let keys: Vec<&str> = many.iter().take(10).map(|finding| &*finding.key).collect();
            Err(Failure::new(format!("{} findings have `{part}` in their key", many.len())).hint(format!("name one: {}", keys.join(", "))))
        }
    }
}

fn text(style: Style, session: &Session, finding: &Finding, change: Option<&Change>) -> String {
    let mut text = format!(
        "{} {}\n\n{}\n\n",
        style.paint(render::kind_code(finding.kind), finding.kind.name()),
        style.bold(&finding.key),
        markdown::one_line(&finding.message)
    );
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            text.push_str(&format!("  {} {value}\n", style.dim(&format!("{name:<11}"))));
        }
    };
    let owner = finding.owner.as_ref().map(|owner| format!(", {owner}")).unwrap_or_default();
    row("item", format!("{} ({}{owner})", finding.item, finding.class));
    let place = finding.at.as_ref().map(|place| format!("   {}:{}:{}", place.file, place.line, place.column)).unwrap_or_default();
    row("declared", format!("{}{}", value(&finding.declared), style.dim(&place)));
    row("found", value(&finding.discovered));
    let seen = finding.seen.map(|seen| format!(", seen {}", seen.strftime("%Y-%m-%d %H:%M UTC"))).unwrap_or_default();
    row("source", finding.source.as_ref().map(|source| format!("{source}{seen}")).unwrap_or_default());
    row("evidence", finding.evidence.join(", "));
    row("rule", finding.rule.clone());
    row("severity", render::severity(finding.severity).to_owned());
    row("remedy", finding.remedy.clone());
    row("on drift", format!("{:?}", finding.action));
    text.push_str(&who_is_hurt(style, session, finding));
    text.push_str(&when(style, change));
    text
}

fn value(value: &Value) -> String {
    if value.is_absent() { "–".to_owned() } else { markdown::one_line(&value.to_string()) }
}

fn who_is_hurt(style: Style, session: &Session, finding: &Finding) -> String {
    let impacts = ServiceGraph::new(&session.estate).effects_of(std::slice::from_ref(&finding.item));
    if impacts.is_empty() {
        return format!("\n{}\n  No declared service stands on {}.\n", style.bold("Who is hurt if it fails"), finding.item);
    }
    let mut text = format!("\n{}\n", style.bold("Who is hurt if it fails"));
    for impact in impacts {
        text.push_str(&format!("  {} {}  {}\n", impact.effect.name, render::effect(style, impact.effect.effect), style.dim(&impact.path.join(" → "))));
    }
    text
}

fn when(style: Style, change: Option<&Change>) -> String {
    let heading = style.bold("When");
    match change {
        None => format!("\n{heading}\n  Nothing is proposed for it: `onDrift` is Report. Set it to Adopt or Enforce to have it mended.\n"),
        Some(change) => {
            let slot = match &change.schedule {
                Some(schedule) => format!("{} from {}", schedule.window, render::plan::local(&schedule.start)),
                None => change.conflicts.first().map_or("no window needed".to_owned(), ToString::to_string),
            };
            format!("\n{heading}\n  {slot}\n  in change request {} (`bowline explain {}` tells why then)\n", change.key, change.key)
        }
    }
}
