//! Asking many places side by side, each for so long and all for so long, and what was wrong with them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::api::Text;

/// How many problems an error names; the rest are counted.
const NAMED: usize = 20;

/// What is wrong, and whether it leaves a gap in the answer.
#[derive(Default)]
pub(super) struct Problems {
    /// Each in a sentence.
    pub texts: Vec<String>,
    /// Whether the answer is incomplete for them.
    pub gap: bool,
}

impl Problems {
    /// Something that the answer lacks.
    pub fn gap(&mut self, text: String) {
        self.gap = true;
        self.texts.push(text);
    }

    /// All of them, in bounds; none where there are none.
    pub fn text(&self) -> Option<Text> {
        let mut text = self.texts.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
        if self.texts.len() > NAMED {
            text = format!("{text}; and {} more", self.texts.len() - NAMED);
        }
        (!text.is_empty()).then(|| text.into())
    }
}

/// How many places are asked at once, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// How many at once.
    pub at_once: usize,
    /// For how long each, from when it is its turn.
    pub each: Duration,
    /// For how long all together. What was not asked by then is named.
    pub all: Duration,
}

/// Asks every place, and gives what each answered. `places` names them all in a sentence: "endpoints". The asking ends where whoever
/// waits for this no longer does.
pub(super) async fn ask<P, T, F>(places: Vec<P>, named: &str, patience: Patience, how: impl Fn(P) -> F) -> BTreeMap<P, Result<T, String>>
where
    P: Clone + Ord + Send + 'static,
    T: Send + 'static,
    F: Future<Output = Result<T, String>> + Send + 'static,
{
    let deadline = Instant::now() + patience.all;
    let late = || Err(format!("no answer within the {} s for all {named}", patience.all.as_secs_f64()));
    let mut answers: BTreeMap<P, Result<T, String>> = places.iter().map(|place| (place.clone(), late())).collect();
    let turns = Arc::new(Semaphore::new(patience.at_once));
    let mut tasks = JoinSet::new();
    for place in places {
        let (turns, asked) = (turns.clone(), how(place.clone()));
        tasks.spawn(async move {
            let _turn = turns.acquire().await;
            let answer = tokio::time::timeout(patience.each, asked).await;
            (place, answer.unwrap_or_else(|_| Err(format!("no answer within {} s", patience.each.as_secs_f64()))))
        });
    }
    while let Ok(Some(done)) = tokio::time::timeout_at(deadline, tasks.join_next()).await {
        if let Ok((place, answer)) = done {
            answers.insert(place, answer);
        }
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_place_has_its_time_and_those_that_never_had_a_turn_are_named() {
        let patience = Patience { at_once: 2, each: Duration::from_millis(500), all: Duration::from_millis(900) };
        let answers = ask(vec![1, 2, 3, 4, 5, 6], "places", patience, |place| async move {
            if place > 1 {
                tokio::time::sleep(Duration::from_mins(1)).await;
            }
            Ok(place * 10)
        });
        let answers = answers.await;
        assert_eq!(answers[&1], Ok(10));
        assert_eq!(answers[&2], Err("no answer within 0.5 s".to_owned()));
        assert_eq!(answers[&6], Err("no answer within the 0.9 s for all places".to_owned()));
    }

    #[test]
    fn twenty_problems_are_named_and_the_others_counted() {
        let mut problems = Problems::default();
        assert_eq!(problems.text(), None);
        (0..23).for_each(|number| problems.gap(format!("p{number}")));
        assert!(problems.gap && problems.text().unwrap().ends_with("p19; and 3 more"));
    }
}
