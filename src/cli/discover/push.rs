//! `bowline discover --push`: as an agent, sends what the sources said to another Bowline.

use bowline::api::Text;
use bowline::discovery::Answer;
use bowline::discovery::push::facts::Taken;
use bowline::discovery::push::send::{self, Destination, Load};
use bowline::failure::Failure;
use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use crate::cli::options::Options;
use crate::cli::render::count;
use crate::cli::session::{self, EstateArgument, Session};

/// Where to, for an agent.
#[derive(Args)]
#[allow(clippy::doc_markdown)] // these comments are what --help prints
pub struct Agent {
    /// Send what the sources say to another Bowline instead of showing it: the address of the listener of its `bowline run`
    #[arg(long, value_name = "URL", requires = "pushed_as", env = "BOWLINE_PUSH", hide_env_values = true)]
    push: Option<String>,

    /// The name of the `push` source there
    #[arg(long = "as", id = "pushed_as", value_name = "NAME", requires = "push", env = "BOWLINE_PUSH_AS", hide_env_values = true)]
    pushed_as: Option<String>,

    /// The name of the operator's credential: the token of that source, bound to the host of URL [default: as the source]
    #[arg(long, value_name = "NAME", requires = "push", env = "BOWLINE_PUSH_TOKEN", hide_env_values = true)]
    push_token: Option<String>,

    /// Declare that this is all there is of that source: what it named before and not now is gone. Only where every source's answer is complete
    #[arg(long, requires = "push")]
    complete: bool,
}

impl Agent {
    /// The address to push to, if that is what is to be done.
    pub fn url(&self) -> Option<&str> {
        self.push.as_deref()
    }

    /// Asks the sources, sends what they said, and tells what was taken.
    pub async fn run(&self, options: &Options, argument: &EstateArgument, only: &[Text], url: &str) -> Result<(), Failure> {
        let not_pushed = |reason: String| Failure::new(format!("nothing was pushed to {url}: {reason}"));
        send::check(url).map_err(|reason| Failure::new(format!("--push: {reason}")))?;
        let source = self.pushed_as.as_deref().unwrap_or_default();
        // Not rounded to an interval: the newest word wins there.
        let begun = options.at.unwrap_or_else(Timestamp::now);
        let mut session = Session::open_with(&Options { at: Some(begun), ..options.clone() }, argument, only).await?;
        let answers = &mut session.discovered.answers;
        // What is sensitive stays on this machine. Left out, it differs from nothing; masked, it would.
        super::mask(&session.estate.classes, answers, None);
        let silent: Vec<String> = answers.iter().filter(|answer| !answer.complete).map(incomplete).collect();
        for why in &silent {
            session::warn(why);
        }
        let load = Load::of(answers, (self.complete && silent.is_empty()).then_some(begun));
        if load.is_empty() {
            return Err(not_pushed("no source found anything".to_owned()));
        }
        let credential = self.push_token.as_deref().unwrap_or(source);
        let to = Destination { url, source, credential };
        let taken = send::send(&to, &load, &session::access(options)?, &session::credentials(options)?).await.map_err(|reason| {
            Failure::new(format!("what was found could not be pushed to {url} as {source}: {reason}"))
                .hint("run it again: what was taken already changes nothing")
        })?;
        let whole = self.complete && silent.is_empty();
        options.print(&told(url, source, &load, taken, whole), |_| line(url, source, &load, taken, whole))?;
        if self.complete && !whole {
            return Err(Failure::new(format!("what was found was pushed, and not declared complete: {}", silent.join("; "))));
        }
        Ok(())
    }
}

fn incomplete(answer: &Answer) -> String {
    let why = answer.error.as_deref().map(|error| format!(" ({error})")).unwrap_or_default();
    format!("the answer of {} is not complete{why}", answer.source)
}

fn told(url: &str, source: &str, load: &Load, taken: Taken, whole: bool) -> serde_json::Value {
    let Taken { taken, unchanged, older, gone, known } = taken;
    json!({"apiVersion": bowline::api::API_VERSION, "kind": "Push", "to": url, "source": source, "observations": load.len(), "complete": whole,
        "taken": taken, "unchanged": unchanged, "older": older, "gone": gone, "known": known})
}

fn line(url: &str, source: &str, load: &Load, taken: Taken, whole: bool) -> String {
    let Taken { taken, unchanged, older, gone, known } = taken;
    let all = if whole { ", all there is," } else { "" };
    let went = if gone == 0 { String::new() } else { format!(", {gone} gone") };
    format!(
        "Pushed {}{all} to {url} as {source}: {taken} taken, {unchanged} unchanged, {older} older{went}; {known} known there.\n",
        count(load.len(), "observation")
    )
}
