//! `bowline changes`: the change requests of the local forge.

use bowline::api::Text;
use bowline::change::markdown;
use bowline::forge::local::Local;
use bowline::forge::{Forge, Marker, Request, State};
use clap::{Args, Subcommand};
use serde_json::json;

use super::Outcome;
use super::error::Failure;
use super::options::{Format, Options, Style, print_text};
use super::reconcile::failure;
use super::render;
use super::session::{self, EstateArgument, EstateOption};

/// Arguments of `changes`.
#[derive(Args)]
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

/// Does what was asked.
pub async fn run(options: &Options, arguments: &Arguments) -> Result<Outcome, Failure> {
    match &arguments.verb {
        Verb::List { estate, all } => list(options, &forge(options, estate).await?, *all),
        Verb::Show { key, estate } => show(options, &forge(options, estate).await?, key).await,
        Verb::Approve { key, estate } => {
            let forge = forge(options, estate).await?;
            let key = find(&forge, key)?.marker.key;
            let approval = forge.approve(&key, None, jiff::Timestamp::now()).await.map_err(failure)?;
            for path in &approval.left {
                eprintln!("left {path} as it is in the working tree: it was changed in the same moment");
            }
            let commit = approval.commit.as_ref().map(|commit| format!(" as {}", commit.chars().take(10).collect::<String>())).unwrap_or_default();
            options.print(&approval, |_| {
                format!("approved {key}: merged into {}{commit}\nNext: `bowline reconcile` closes it once discovery shows the drift gone.\n", approval.branch)
            })?;
            Ok(Outcome::Done)
        }
        Verb::Reject { key, reason, estate } => {
            let forge = forge(options, estate).await?;
            let key = find(&forge, key)?.marker.key;
            forge.reject(&key, None, reason.as_deref(), jiff::Timestamp::now()).await.map_err(failure)?;
            options.print(&json!({"key": key, "state": "Rejected"}), |_| format!("rejected {key}: not proposed again while its drift stays the same\n"))?;
            Ok(Outcome::Done)
        }
    }
}

/// The forge of the estate in a folder.
async fn forge(options: &Options, estate: &EstateOption) -> Result<Local, Failure> {
    let loaded = session::load_committed(options, &EstateArgument::from(estate)).await?;
    let Some(at) = loaded.at.filter(|at| !at.remote) else {
        return Err(Failure::new("the change requests of the local forge are in the estate's own repository").hint("name the folder of a clone with --estate"));
    };
    let forge = Local::new(&loaded.estate.name, &at.repository).map_err(failure)?.below(&at.path);
    Ok(match at.branch {
        Some(branch) => forge.with_base(&branch),
        None => forge,
    })
}

/// The request of a key, or of the only key that begins so.
fn find(forge: &Local, key: &str) -> Result<Request, Failure> {
    let key = key.strip_prefix("bowline/").unwrap_or(key);
    let listing = forge.requests().map_err(failure)?;
    let mut candidates: Vec<Request> = listing.requests.into_iter().filter(|request| request.key().starts_with(key)).collect();
    if let Some(exact) = candidates.iter().position(|request| **request.key() == *key) {
        return Ok(candidates.swap_remove(exact));
    }
    match candidates.len() {
        1 => Ok(candidates.swap_remove(0)),
        0 => forge.request(key).map_err(failure),
        many => {
            let keys: Vec<&Text> = candidates.iter().map(Request::key).collect();
            Err(Failure::new(format!("{many} change requests begin with `{key}`"))
                .hint(format!("name one: {}", keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))))
        }
    }
}

fn list(options: &Options, forge: &Local, all: bool) -> Result<Outcome, Failure> {
    let listing = forge.requests().map_err(failure)?;
    let shown: Vec<&Request> = listing.requests.iter().filter(|request| all || matches!(request.state, State::Open | State::Merged)).collect();
    let whole = json!({"apiVersion": bowline::api::API_VERSION, "kind": "ChangeRequestList", "items": shown, "problems": listing.problems});
    options.print(&whole, |style| table(style, &shown, listing.requests.len()))?;
    for problem in &listing.problems {
        eprintln!("warning: {} cannot be read: {}", problem.key, problem.message);
    }
    Ok(Outcome::Done)
}

fn table(style: Style, requests: &[&Request], total: usize) -> String {
    if requests.is_empty() {
        let more = if total > 0 { format!(" ({total} are decided or closed; --all lists them)") } else { "; `bowline reconcile` opens them".to_owned() };
        return format!("No change request is open{more}.\n");
    }
    let rows: Vec<Vec<String>> = requests
        .iter()
        .map(|request| {
            let due = request.marker.due.map(|due| due.strftime("%Y-%m-%d").to_string()).unwrap_or_default();
            vec![request.key().to_string(), state(request), due, request.title.clone()]
        })
        .collect();
    render::table::table(style, &["key", "state", "window until", "title"], &rows)
}

fn state(request: &Request) -> String {
    match (request.state, request.hold) {
        (State::Open, None) => "Proposed".to_owned(),
        (State::Open, Some(hold)) => format!("Proposed ({hold:?})"),
        (State::Merged, _) => "Approved".to_owned(),
        (state, _) => format!("{state:?}"),
    }
}

async fn show(options: &Options, forge: &Local, key: &str) -> Result<Outcome, Failure> {
    let request = find(forge, key)?;
    let patch = forge.patch(&request).await.map_err(failure)?;
    match options.output {
        Format::Markdown => print_text(&format!("# {}\n\n{}\n", markdown::plain(&request.title), Marker::detach(&request.body)))?,
        Format::Human => {
            let style = Style::of_terminal();
            let mut text = format!("{} {}  {}\n\n", style.bold(request.key()), state(&request), style.dim(&request.branch));
            text.push_str(&render::plan::markdown_on_terminal(style, &request.title, &request.body));
            for note in &request.notes {
                text.push_str(&format!("\n{} {}\n", style.bold(&note.at.strftime("%Y-%m-%d %H:%M UTC").to_string()), note.text));
            }
            if let Some(decision) = &request.decision {
                let who = decision.who.as_deref().unwrap_or("Bowline");
                let reason = decision.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
                text.push_str(&format!("\n{:?} by {who} on {}{reason}\n", request.state, decision.at.strftime("%Y-%m-%d %H:%M UTC")));
            }
            if !patch.is_empty() {
                text.push_str(&format!("\n{}\n\n{}", style.bold("Edits of the branch"), coloured(style, &patch)));
            }
            print_text(&text)?;
        }
        _ => options.print(&json!({"request": request, "patch": patch}), |_| String::new())?,
    }
    Ok(Outcome::Done)
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
            // A terminal must not act on what a source said.
            let line: String = line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect();
            format!("{}\n", style.paint(code, &line))
        })
        .collect();
    lines.concat()
}

/// How this program was called.
pub fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "bowline".to_owned())
}
