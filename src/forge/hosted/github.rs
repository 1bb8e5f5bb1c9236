//! GitHub and GitHub Enterprise, by octocrab; commits go through its git data API, so that those of an App are signed.
