//! `bowline reconcile`: one pass. Plans from what is committed, then opens, updates and closes change requests.

use bowline::api::Text;
use bowline::change::markdown;
use bowline::controller::Guard;
use bowline::controller::settling::{self, failure};
use bowline::forge::State;
use bowline::forge::life::{Action, Limits, Outcome as Settled, Standing, Why};
use bowline::plan::Plan;
use clap::Args;
use serde_json::json;

use super::options::{Options, Style};
use super::render::{self, count};
use super::session::{self, EstateArgument, Session};
use super::{Outcome, check, forge};
use bowline::failure::Failure;

/// Arguments of `reconcile`.
#[derive(Args)]
#[command(after_help = ESTATES)]
pub struct Arguments {
    #[command(flatten)]
    estate: EstateArgument,

    /// Believe what this source says, although it suddenly returned far less; may be repeated
    #[arg(long, value_name = "SOURCE")]
    confirm: Vec<Text>,
}

/// Where the estate is read, for the help of verbs that have to do with change requests.
pub const ESTATES: &str = "Which estate: an address of a git repository is fetched. A folder in a git repository is read as it is committed there. Where its \
bowline.yaml has `spec.git`, the estate is fetched from there instead, if change requests go to GitHub, Gitea or Forgejo or if the folder holds nothing \
else. Change requests go where `spec.forge` says: branches of the estate's own repository (local, the default), or pull requests (github, gitea).";

/// Does one pass and tells what it did.
pub async fn run(options: &Options, arguments: &Arguments) -> Result<Outcome, Failure> {
    let mut session = Session::of_repository(options, &arguments.estate).await?;
    session.refuse_empty()?;
    check::warn(&session.estate);
    session.confirm(options, &arguments.confirm).await?;
    let plan = session.plan();
    if session.estate.spec.suspend {
        eprintln!("The estate is suspended (spec.suspend): nothing is proposed, updated or closed.");
        return Ok(Outcome::Done);
    }
    let settled = settle(options, &session, &plan, &arguments.confirm).await?;
    let whole = json!({"apiVersion": bowline::api::API_VERSION, "kind": "Reconciliation", "estate": plan.estate, "revision": plan.revision, "at": plan.at,
        "summary": plan.summary, "done": settled.done, "failed": settled.failed, "standings": settled.standings, "confirmed": settled.confirmed});
    options.print(&whole, |style| format!("{}{}", sources(style, &plan), text(style, &settled, true)))?;
    match settled.failed.len() {
        0 => Ok(Outcome::Done),
        failed => {
            Err(Failure::new(format!("{} could not be taken; the others were", count(failed, "step"))).hint("run it again once the reason above is gone"))
        }
    }
}

/// Brings the forge to what the plan wants, and remembers what was seen.
pub async fn settle(options: &Options, session: &Session, plan: &Plan, confirmed: &[Text]) -> Result<Settled, Failure> {
    let opened = forge::open(options, &session.estate, session.at.as_ref())?;
    // Nobody asks to stop but by a signal, which ends the whole command.
    let (_running, stop) = tokio::sync::watch::channel(false);
    settle_on(options, session, plan, confirmed, &Guard::new(&*opened.forge, stop), opened.hosted).await.map_err(failure)
}

/// The same on a forge that is open; `hosted`: it has a dashboard.
pub async fn settle_on(
    options: &Options,
    session: &Session,
    plan: &Plan,
    confirmed: &[Text],
    forge: &Guard<'_>,
    hosted: bool,
) -> Result<Settled, bowline::forge::Error> {
    let settled = settling::settle_on(&session.estate, plan, forge, hosted, session.now, &session::warn).await?;
    let confirmed: Vec<Text> = confirmed.iter().chain(&settled.confirmed).cloned().collect();
    remember(options, session, plan, &confirmed).await;
    Ok(settled)
}

/// Until when a rejected request stays so while its drift is the same.
pub fn rejected_until(request: &bowline::forge::Request, limits: &Limits) -> Option<jiff::Timestamp> {
    let at = request.decision.as_ref().map_or(request.updated, |decision| decision.at);
    (request.state == State::Rejected).then(|| at.checked_add(limits.rejected_for).unwrap_or(jiff::Timestamp::MAX))
}

/// Records what complete, unheld answers said. The store is history only: that it cannot be written is a warning.
async fn remember(options: &Options, session: &Session, plan: &Plan, confirmed: &[Text]) {
    let recorded = async {
        let store = session.store(options).await?;
        Ok::<_, Failure>(settling::remember(&store, &session.store_key, &session.discovered, plan, confirmed, session.now).await?)
    };
    if let Err(error) = recorded.await {
        session::warn(&format!("what was seen could not be recorded: {error}"));
    }
}

fn sources(style: Style, plan: &Plan) -> String {
    if plan.sources.iter().all(|source| source.complete) { String::new() } else { render::plan::sources(style, &plan.sources) }
}

/// What was done, how things stand, and what to do next.
pub fn text(style: Style, settled: &Settled, next: bool) -> String {
    let mut text = String::new();
    let bullet = if style.markdown { "- " } else { "  " };
    for step in &settled.done {
        text.push_str(&format!("{bullet}{} {}\n", style.paint("32", &format!("{:7}", verb(&step.action))), describe(&step.key, &step.action)));
    }
    for failed in &settled.failed {
        let hint = failed.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        text.push_str(&format!("{bullet}{} {}: {}{hint}\n", style.paint("31", "failed"), failed.step.key, markdown::one_line(&failed.message)));
    }
    if settled.done.is_empty() && settled.failed.is_empty() {
        text.push_str("Nothing new: no request was opened, updated or closed.\n");
    }
    for (key, standing) in &settled.standings {
        if let Some(note) = standing_note(standing) {
            text.push_str(&format!("{bullet}{} {key}: {note}\n", style.dim("·")));
        }
    }
    for source in &settled.confirmed {
        text.push_str(&format!("{bullet}{} {source}: confirmed on the dashboard; the next pass believes it\n", style.dim("·")));
    }
    let open = settled.standings.values().filter(|standing| matches!(standing, Standing::Proposed | Standing::HandsOff | Standing::Held)).count();
    text.push_str(&format!("{} {} for the board.\n", style.bold("Open:"), count(open, "change request")));
    if next && open > 0 {
        text.push_str(&format!("{} `bowline changes list` lists them, `bowline changes show KEY` shows one.\n", style.bold("Next:")));
    }
    text
}

/// What was done, in one word.
pub fn verb(action: &Action) -> &'static str {
    match action {
        Action::Open => "opened",
        Action::Finish => "mended",
        Action::Rewrite(_) => "updated",
        Action::Close { .. } => "closed",
        Action::Note { .. } => "noted",
    }
}

fn describe(key: &str, action: &Action) -> String {
    match action {
        Action::Open => format!("bowline/{key}"),
        Action::Finish => format!("bowline/{key}, whose opening was cut short"),
        Action::Rewrite(Why::DriftChanged) => format!("bowline/{key}, since what it says is no longer so"),
        Action::Rewrite(Why::Reworded) => format!("bowline/{key}: its words only; its branch and its approvals stay"),
        Action::Rewrite(Why::BaseMoved) => format!("bowline/{key}, since the base branch has moved"),
        Action::Rewrite(Why::Asked) => format!("bowline/{key}, as its label asks"),
        Action::Close { reason } => format!("bowline/{key}: {}", markdown::one_line(reason)),
        Action::Note { text, .. } => format!("bowline/{key}: {}", markdown::one_line(text)),
    }
}

fn standing_note(standing: &Standing) -> Option<String> {
    match standing {
        Standing::Waiting { reason } => Some(format!("waits, {reason}")),
        Standing::HandsOff => Some("a person has committed to its branch, so it is left alone".to_owned()),
        Standing::Held => Some("its branch is checked out or held, so it is left alone for as long".to_owned()),
        Standing::Conflicts => Some("it conflicts with the base branch; the label `bowline/rebuild` has it built anew (rebaseWhen: Never)".to_owned()),
        Standing::InDoubt { reason } => Some(format!("left as it is: {reason}")),
        Standing::Rejected { until, who, reason } => {
            let who = who.as_ref().map(|who| format!(" by {who}")).unwrap_or_default();
            let reason = reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            Some(format!("rejected{who}{reason}; stays so until its drift changes or {} has come", until.strftime("%Y-%m-%d")))
        }
        Standing::Approved => Some("approved; the drift is still there".to_owned()),
        Standing::Overdue => Some("approved, its window has passed, and the drift is still there".to_owned()),
        Standing::Abandoned => Some("its drift is gone, but a person has committed to it, so it is left".to_owned()),
        Standing::Unreadable { message } => Some(format!("cannot be read: {message}")),
        Standing::Proposed | Standing::Done | Standing::Closed => None,
    }
}
