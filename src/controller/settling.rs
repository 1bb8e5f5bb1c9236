//! Bringing a forge to what a plan wants, with the dashboard, and what of a pass is remembered.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Guard;
use crate::api::Text;
use crate::discovery::{Answer, Discovered};
use crate::drift::FindingKind;
use crate::estate::Estate;
use crate::failure::Failure;
use crate::forge::life::{self, Action, Doubt, Limits, Outcome};
use crate::forge::{Dashboard, Error, Forge, Pass, dashboard};
use crate::plan::Plan;
use crate::store::{Store, StoreError};

/// A warning for people. It keeps nothing from being done.
pub type Warn<'a> = &'a (dyn Fn(&str) + Sync);

/// Brings a forge to what the plan wants; `hosted`: it has a dashboard. `now` is the instant of the plan.
pub async fn settle_on(estate: &Estate, plan: &Plan, forge: &Guard<'_>, hosted: bool, now: Timestamp, warn: Warn<'_>) -> Result<Outcome, Error> {
    let limits = Limits::from(&estate.spec.changes);
    let pass = Pass { base: estate.revision.as_deref(), now };
    let doubt = Doubt::of(estate, plan);
    let board = if wants_dashboard(estate, hosted, warn) { Board::read(forge, warn).await } else { None };
    let asked = board.as_ref().map(|board| board.asked.clone()).unwrap_or_default();
    let mut settled = life::settle(forge, &plan.changes, &doubt, &asked, &limits, pass).await?;
    settled.confirmed = board.as_ref().map(|board| board.believed(plan)).unwrap_or_default();
    if let Some(board) = board
        && let Err(error) = board.write(forge, plan, &settled, pass).await
    {
        warn(&format!("the dashboard could not be written: {error}"));
    }
    Ok(settled)
}

fn wants_dashboard(estate: &Estate, hosted: bool, warn: Warn<'_>) -> bool {
    let wanted = estate.spec.changes.dashboard;
    if wanted && !hosted {
        warn("the local forge has no dashboard (spec.changes.dashboard); `bowline changes list` shows the same");
    }
    wanted && hosted
}

/// The estate's dashboard before a pass.
struct Board {
    standing: Option<Dashboard>,
    /// The keys of the boxes that a person has ticked.
    asked: BTreeSet<Text>,
    /// The held sources that a person has confirmed, each with its number of items.
    confirmed: BTreeMap<Text, u64>,
}

impl Board {
    /// Reads it; none where it cannot be read, or a person has closed it and wants none. Neither holds up the pass.
    async fn read(forge: &Guard<'_>, warn: Warn<'_>) -> Option<Self> {
        match forge.dashboard().await {
            Ok(None) => Some(Self { standing: None, asked: BTreeSet::new(), confirmed: BTreeMap::new() }),
            Ok(Some(standing)) if standing.open => {
                let (asked, confirmed) = (dashboard::ticked(&standing.body), dashboard::confirmed(&standing.body));
                Some(Self { standing: Some(standing), asked, confirmed })
            }
            Ok(Some(_)) => None,
            Err(error) => {
                warn(&format!("the dashboard could not be read: {error}"));
                None
            }
        }
    }

    /// The confirmed sources whose answers still have as many items as a person has seen there.
    fn believed(&self, plan: &Plan) -> Vec<Text> {
        let is_so =
            |(name, items): &(&Text, &u64)| plan.sources.iter().any(|source| source.name == **name && source.complete && source.items as u64 == **items);
        self.confirmed.iter().filter(is_so).map(|(name, _)| name.clone()).collect()
    }

    /// Writes it if it says something new, or takes ticks away that have been heard. A tick whose request could not be opened
    /// stays, so that the next pass tries again.
    async fn write(&self, forge: &Guard<'_>, plan: &Plan, settled: &Outcome, pass: Pass<'_>) -> Result<(), Error> {
        if settled.failed.iter().any(|failed| self.asked.contains(&failed.step.key)) {
            return Ok(());
        }
        if settled.done.iter().any(|step| step.action == Action::Open) {
            // What was opened just now has an address only since.
            forge.list(pass).await?;
        }
        let urls = forge.urls();
        let body = dashboard::write(plan, &settled.standings, &|key| urls.get(key).cloned());
        let same = self.standing.as_ref().is_some_and(|standing| dashboard::digest_of(&standing.body) == dashboard::digest_of(&body));
        if same && self.asked.is_empty() && self.confirmed.is_empty() {
            return Ok(());
        }
        forge.write_dashboard(self.standing.as_ref(), &body).await
    }
}

/// Remembers what a pass has seen. The store is history only: that it cannot be written is for a warning.
pub async fn remember(store: &Store, estate: &str, discovered: &Discovered, plan: &Plan, confirmed: &[Text], now: Timestamp) -> Result<(), StoreError> {
    let answers = to_remember(discovered, plan, confirmed);
    store.record(estate, &answers, now).await?;
    store.record_ties(estate, &answers, &plan.ties).await?;
    store.record_absences(estate, &plan.absences, now).await
}

/// The answers of a pass that the store is to remember: all but those that are held and that nobody has confirmed.
fn to_remember<'a>(discovered: &'a Discovered, plan: &Plan, confirmed: &[Text]) -> Vec<&'a Answer> {
    let held = |answer: &&Answer| {
        plan.findings.iter().any(|finding| finding.kind == FindingKind::MassAbsence && finding.item == answer.source && !confirmed.contains(&answer.source))
    };
    discovered.answers.iter().filter(|answer| !held(answer)).collect()
}

/// An error of the forge with what to do about it.
pub fn failure(error: Error) -> Failure {
    let hint = error.hint();
    let failure = Failure::from(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
