//! `bowline changes`: the change requests, on whichever forge they are.

use bowline::api::Text;
use bowline::change::markdown;
use bowline::forge::life::Limits;
use bowline::forge::{Forge, HOLD_LABEL, Hold, Listing, Marker, Pass, Person, Request, State};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::options::{Format, Options, Style, print_text};
use super::reconcile::{self, rejected_until};
use super::session::{self, EstateArgument, EstateOption};
use super::{Outcome, forge, render};
use bowline::controller::settling::failure;
use bowline::failure::Failure;

/// Arguments of `changes`.
#[derive(Args)]
#[command(after_help = reconcile::ESTATES)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List them: key, state, risk, title
    List {
        #[command(flatten)]
        estate: EstateOption,
        /// Those that are decided or closed too
        #[arg(long)]
        all: bool,
    },
    /// Show one as the board reads it, with the edits of its branch
    Show {
        /// The key; the beginning of one will do if only one has it
        key: String,
        #[command(flatten)]
        estate: EstateOption,
    },
    /// Approve one: merge its branch
    Approve {
        /// The key
        key: String,
        #[command(flatten)]
        estate: EstateOption,
    },
    /// Reject one: it is not proposed again while its drift stays the same
    Reject {
        /// The key
        key: String,
        /// Why
        #[arg(long, short)]
        reason: Option<String>,
        #[command(flatten)]
        estate: EstateOption,
    },
}

/// The forge of an estate, and who asks.
struct At {
    forge: std::sync::Arc<dyn Forge>,
    limits: Limits,
    /// Who decides, where the forge does not know it better.
    who: Option<Person>,
}

/// Does what was asked.
pub async fn run(options: &Options, arguments: &Arguments) -> Result<Outcome, Failure> {
    let (Verb::List { estate, .. } | Verb::Show { estate, .. } | Verb::Approve { estate, .. } | Verb::Reject { estate, .. }) = &arguments.verb;
    let at = at(options, estate).await?;
    match &arguments.verb {
        Verb::List { all, .. } => list(options, &at, *all).await,
        Verb::Show { key, .. } => show(options, &at, key).await,
        Verb::Approve { key, .. } => approve(options, &at, key).await,
        Verb::Reject { key, reason, .. } => reject(options, &at, key, reason.as_deref()).await,
    }
}

async fn at(options: &Options, estate: &EstateOption) -> Result<At, Failure> {
    let loaded = session::load_kept(options, &EstateArgument::from(estate)).await?;
    let opened = forge::open(options, &loaded.estate, loaded.at.as_ref())?;
    // The local forge asks the repository itself, and refuses where nobody is known.
    let who = if opened.hosted { forge::person(loaded.at.as_ref()) } else { None };
    Ok(At { forge: opened.forge, limits: Limits::from(&loaded.estate.spec.changes), who })
}

async fn listing(at: &At) -> Result<Listing, Failure> {
    at.forge.list(Pass { base: None, now: Timestamp::now() }).await.map_err(failure)
}

/// The request of a key, or of the only key that begins so.
async fn find(at: &At, key: &str) -> Result<Request, Failure> {
    let key = key.strip_prefix("bowline/").unwrap_or(key);
    let listing = listing(at).await?;
    if let Some(problem) = listing.problems.iter().find(|problem| *problem.key == *key) {
        return Err(Failure::new(format!("the change request `{key}` cannot be read: {}", problem.message)));
    }
    let mut candidates: Vec<Request> = listing.requests.into_iter().filter(|request| request.key().starts_with(key)).collect();
    if let Some(exact) = candidates.iter().position(|request| **request.key() == *key) {
        return Ok(candidates.swap_remove(exact));
    }
    match candidates.len() {
        1 => Ok(candidates.swap_remove(0)),
        0 => Err(failure(bowline::forge::Error::Unknown { key: key.to_owned() })),
        many => {
            let keys: Vec<&Text> = candidates.iter().map(Request::key).collect();
            Err(Failure::new(format!("{many} change requests begin with `{key}`"))
                .hint(format!("name one: {}", keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))))
        }
    }
}

async fn approve(options: &Options, at: &At, key: &str) -> Result<Outcome, Failure> {
    let key = find(at, key).await?.marker.key;
    let approval = at.forge.approve(&key, at.who.as_ref(), Timestamp::now()).await.map_err(failure)?;
    for path in &approval.left {
        eprintln!("left {path} as it is in the working tree: it was changed in the same moment");
    }
    let commit = approval.commit.as_ref().map(|commit| format!(" as {}", commit.chars().take(10).collect::<String>())).unwrap_or_default();
    options.print(&approval, |_| {
        format!("approved {key}: merged into {}{commit}\nNext: `bowline reconcile` closes it once discovery shows the drift gone.\n", approval.branch)
    })?;
    Ok(Outcome::Done)
}

async fn reject(options: &Options, at: &At, key: &str, reason: Option<&str>) -> Result<Outcome, Failure> {
    let key = find(at, key).await?.marker.key;
    at.forge.reject(&key, at.who.as_ref(), reason, Timestamp::now()).await.map_err(failure)?;
    options.print(&json!({"key": key, "state": "Rejected"}), |_| format!("rejected {key}: not proposed again while its drift stays the same\n"))?;
    Ok(Outcome::Done)
}

async fn list(options: &Options, at: &At, all: bool) -> Result<Outcome, Failure> {
    let listing = listing(at).await?;
    let shown: Vec<&Request> = listing.requests.iter().filter(|request| all || matches!(request.state, State::Open | State::Merged)).collect();
    let items: Vec<Value> = shown.iter().map(|request| as_value(request, &at.limits)).collect::<Result<_, _>>()?;
    let whole = json!({"apiVersion": bowline::api::API_VERSION, "kind": "ChangeRequestList", "items": items, "problems": listing.problems});
    options.print(&whole, |style| table(style, &shown, listing.requests.len(), &at.limits))?;
    for problem in &listing.problems {
        eprintln!("warning: {} cannot be read: {}", problem.key, problem.message);
    }
    Ok(Outcome::Done)
}

/// A request as JSON; a rejected one says until when.
fn as_value(request: &Request, limits: &Limits) -> Result<Value, Failure> {
    let mut value = serde_json::to_value(request)?;
    if let (Some(fields), Some(until)) = (value.as_object_mut(), rejected_until(request, limits)) {
        fields.insert("rejectedUntil".to_owned(), json!(until));
    }
    Ok(value)
}

fn table(style: Style, requests: &[&Request], total: usize, limits: &Limits) -> String {
    if requests.is_empty() {
        let more = if total > 0 { format!(" ({total} are decided or closed; --all lists them)") } else { "; `bowline reconcile` opens them".to_owned() };
        return format!("No change request is open{more}.\n");
    }
    let rows: Vec<Vec<String>> = requests
        .iter()
        .map(|request| {
            let due = request.marker.due.map(|due| due.strftime("%Y-%m-%d").to_string()).unwrap_or_default();
            vec![request.key().to_string(), state(request, limits), due, request.title.clone()]
        })
        .collect();
    render::table::table(style, &["key", "state", "window until", "title"], &rows)
}

/// Where in its life it is, and what keeps it there.
fn state(request: &Request, limits: &Limits) -> String {
    let word = match request.state {
        State::Open => "Proposed".to_owned(),
        State::Merged => "Approved".to_owned(),
        state => format!("{state:?}"),
    };
    let why = match request.state {
        State::Open => open_but(request).map(|why| format!(", {why}")),
        State::Rejected => rejected_until(request, limits).map(|until| {
            let who = request.decision.as_ref().and_then(|decision| decision.who.as_ref()).map(|who| format!(" by {who}")).unwrap_or_default();
            format!("{who} until {}", until.strftime("%Y-%m-%d"))
        }),
        _ => None,
    };
    format!("{word}{}", why.unwrap_or_default())
}

/// What is the matter with an open request, if anything is.
fn open_but(request: &Request) -> Option<&'static str> {
    if request.labels.iter().any(|label| **label == *HOLD_LABEL) {
        return Some("held by a label");
    }
    match request.hold {
        Some(Hold::Edited) => Some("a person has committed to it"),
        Some(Hold::CheckedOut) => Some("checked out"),
        Some(Hold::Asked) => Some("held by a label"),
        Some(Hold::Reopened) => Some("opened again by a person"),
        None if request.conflicts => Some("conflicts"),
        None if request.unfinished => Some("its opening was cut short"),
        None => None,
    }
}

async fn show(options: &Options, at: &At, key: &str) -> Result<Outcome, Failure> {
    let request = find(at, key).await?;
    let patch = at.forge.patch(&request).await.map_err(failure)?;
    match options.output {
        Format::Markdown => print_text(&format!("# {}\n\n{}\n", markdown::plain(&request.title), Marker::detach(&request.body)))?,
        Format::Human => print_text(&shown(Style::of_terminal(), &request, &patch, &at.limits))?,
        _ => options.print(&json!({"request": as_value(&request, &at.limits)?, "patch": patch}), |_| String::new())?,
    }
    Ok(Outcome::Done)
}

/// A request as the board reads it.
fn shown(style: Style, request: &Request, patch: &str, limits: &Limits) -> String {
    let mut text = format!("{} {}  {}\n", style.bold(request.key()), state(request, limits), style.dim(&request.branch));
    if let Some(url) = &request.url {
        text.push_str(&format!("{}\n", printable(url)));
    }
    text.push('\n');
    text.push_str(&render::plan::markdown_on_terminal(style, &request.title, &request.body));
    for note in &request.notes {
        text.push_str(&format!("\n{} {}\n", style.bold(&note.at.strftime("%Y-%m-%d %H:%M UTC").to_string()), note.text));
    }
    if let Some(decision) = &request.decision {
        let unknown = if request.state == State::Closed { "Bowline" } else { "a person" };
        let who = decision.who.as_deref().unwrap_or(unknown);
        let reason = decision.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        text.push_str(&format!("\n{:?} by {who} on {}{reason}\n", request.state, decision.at.strftime("%Y-%m-%d %H:%M UTC")));
    }
    if let Some(until) = rejected_until(request, limits) {
        text.push_str(&format!("It is proposed again when its drift changes, or from {}.\n", until.strftime("%Y-%m-%d")));
    }
    if !patch.is_empty() {
        text.push_str(&format!("\n{}\n\n{}", style.bold("Edits of the branch"), coloured(style, patch)));
    }
    text
}

/// What a terminal does not act on, whatever a source or a forge said.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// A patch as `git diff` colours it.
fn coloured(style: Style, patch: &str) -> String {
    let lines: Vec<String> = patch
        .lines()
        .map(|line| {
            let code = match line.chars().next() {
                Some('+') => "32",
                Some('-') => "31",
                Some('@') => "36",
                _ => "0",
            };
            format!("{}\n", style.paint(code, &printable(line)))
        })
        .collect();
    lines.concat()
}

/// How this program was called.
pub fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "bowline".to_owned())
}
