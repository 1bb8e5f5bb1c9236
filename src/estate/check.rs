//! What is wrong with an estate.

/// The known name nearest to `written`, as a hint, if any is near enough to be meant.
pub(super) fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(written, known).map(|name| format!("did you mean `{name}`?"))
}

/// The known name nearest to `written`, if any is near enough to be meant; of equally near ones the first by name.
pub(super) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase();
    let scored = known.into_iter().filter(|name| *name != written).map(|name| (strsim::jaro_winkler(&lower, &name.to_lowercase()), name));
    scored.filter(|(score, _)| *score >= 0.84).max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1))).map(|(_, name)| name)
}
