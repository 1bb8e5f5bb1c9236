//! What can go wrong with a forge that is reached over the network, one clear condition each.

use jiff::Timestamp;

/// Why a forge did not do what it was asked. What the forge said itself is quoted without secrets, on one line, in bounds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The address or the repository's name is none, or is refused.
    #[error("the forge's {what} `{text}` cannot be used: {reason}")]
    Setting {
        /// `address`, `repository`, `credential`.
        what: &'static str,
        /// As it was given.
        text: String,
        /// Why.
        reason: String,
    },
    /// 401: it does not know who Bowline is.
    #[error("{forge} does not accept the credential: {said}")]
    Unauthorized {
        /// The forge.
        forge: &'static str,
        /// What it said.
        said: String,
    },
    /// 403: Bowline may not do that.
    #[error("{forge} does not allow {what}: {said}")]
    Forbidden {
        /// The forge.
        forge: &'static str,
        /// What was asked.
        what: String,
        /// What it said.
        said: String,
    },
    /// 404: there is none, or Bowline may not see it.
    #[error("{forge} has no {what}, or the credential may not see it")]
    NotFound {
        /// The forge.
        forge: &'static str,
        /// What was asked for.
        what: String,
    },
    /// 405, 409, 422 and the like: it understood, and refuses.
    #[error("{forge} refuses {what} ({status}): {said}")]
    Refused {
        /// The forge.
        forge: &'static str,
        /// What was asked.
        what: String,
        /// The status.
        status: u16,
        /// What it said.
        said: String,
    },
    /// The repository is archived, or a mirror.
    #[error("the repository `{repository}` is read-only: {said}")]
    ReadOnly {
        /// The repository.
        repository: String,
        /// What the forge said.
        said: String,
    },
    /// A rule of the repository protects the branch.
    #[error("the branch `{branch}` is protected: {said}")]
    Protected {
        /// The branch.
        branch: String,
        /// What the forge said.
        said: String,
    },
    /// It asks to wait for longer than a pass may take, or Bowline's own pace does.
    #[error("{forge} takes no more requests until {until}: {said}")]
    Limited {
        /// The forge.
        forge: &'static str,
        /// Until when.
        until: Timestamp,
        /// Which limit.
        said: String,
    },
    /// It could not be reached, gave no answer, or failed, after several tries.
    #[error("{forge} could not be asked for {what}: {reason}")]
    Unavailable {
        /// The forge.
        forge: &'static str,
        /// What was asked.
        what: String,
        /// What happened.
        reason: String,
        /// Whether it may have been done all the same.
        uncertain: bool,
    },
    /// An answer that is not the forge's.
    #[error("{url} does not answer as {forge} does: {reason}")]
    NotTheApi {
        /// The forge.
        forge: &'static str,
        /// The address that was asked, without its query.
        url: String,
        /// What is wrong with the answer.
        reason: String,
        /// Whether what was asked may have been done all the same.
        uncertain: bool,
    },
}

impl Fault {
    /// What to do about it, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Setting { .. } => return None,
            Self::Unauthorized { .. } => "see whether the token has expired or was revoked; the operator's file of credentials says where it comes from".into(),
            Self::Forbidden { .. } => "give the account or App write access to contents, pull requests, issues and commit statuses of the repository".into(),
            Self::NotFound { .. } => {
                "see `spec.forge` in bowline.yaml (url, repository), and whether the credential's account is a member of the repository".into()
            }
            Self::Refused { .. } => "nothing was lost; the next pass tries again".into(),
            Self::ReadOnly { .. } => "unarchive the repository, or set `spec.suspend: true` in the estate".into(),
            Self::Protected { .. } => "let Bowline's account push to `bowline/*`, or take that pattern out of the protection rule".into(),
            Self::Limited { .. } | Self::Unavailable { .. } => "nothing was lost; the next pass goes on where this one ended".into(),
            Self::NotTheApi { .. } => "see `spec.forge.….url` in bowline.yaml, and whether a proxy or a log-in page stands before the forge".into(),
        };
        Some(hint)
    }

    /// Whether it would be the same for every request, so that trying the next one is of no use.
    pub fn concerns_all(&self) -> bool {
        !matches!(self, Self::Forbidden { .. } | Self::NotFound { .. } | Self::Refused { .. } | Self::Protected { .. })
    }

    /// Whether what was asked may have been done all the same.
    pub fn uncertain(&self) -> bool {
        matches!(self, Self::Unavailable { uncertain: true, .. } | Self::NotTheApi { uncertain: true, .. })
    }
}
