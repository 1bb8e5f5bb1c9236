//! What can go wrong with a forge, and what to do about it.

use std::path::PathBuf;

use super::State;
use super::hosted::Fault;
use crate::access::AccessError;
use crate::credentials::CredentialError;
use crate::estate::git::GitError;

/// Why a forge could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The estate is not in a git repository.
    #[error("{} is not in a git repository", folder.display())]
    NotARepository {
        /// The estate's folder.
        folder: PathBuf,
    },
    /// The folder is in a repository, but not below its working tree.
    #[error("{} is not below the working tree of its git repository", folder.display())]
    OutsideTree {
        /// The estate's folder.
        folder: PathBuf,
    },
    /// The base branch has no commit yet.
    #[error("the branch `{branch}` has no commit yet")]
    NoCommits {
        /// The base branch.
        branch: String,
    },
    /// HEAD names no branch.
    #[error("the repository's HEAD is detached, so there is no branch to propose changes to")]
    Detached,
    /// HEAD is on a request's own branch.
    #[error("the branch `{branch}` of a change request is checked out where the base branch should be")]
    OnRequestBranch {
        /// The branch.
        branch: String,
    },
    /// Open requests were made for another branch, which still exists.
    #[error("the open change request `{key}` is for the branch `{theirs}`, but this is `{ours}`")]
    OtherBase {
        /// The request.
        key: String,
        /// Its base branch.
        theirs: String,
        /// The base branch of this pass.
        ours: String,
    },
    /// The commit from which the estate was read is not part of the base branch.
    #[error("the commit {revision}, from which the estate was read, is not on the branch `{branch}`")]
    ForeignRevision {
        /// The commit.
        revision: String,
        /// The base branch.
        branch: String,
    },
    /// No request of this key.
    #[error("there is no change request `{key}`")]
    Unknown {
        /// The key that was asked for.
        key: String,
    },
    /// It has been decided already, and otherwise.
    #[error("the change request `{key}` is {state:?}, not open")]
    NotOpen {
        /// The request.
        key: String,
        /// What became of it.
        state: State,
    },
    /// Its branch is gone.
    #[error("the branch `{branch}` of the change request is gone")]
    NoBranch {
        /// The branch.
        branch: String,
    },
    /// The working tree or the index differs from HEAD.
    #[error("the working tree has uncommitted changes: {}", listed(paths))]
    Dirty {
        /// The files.
        paths: Vec<String>,
    },
    /// Files that git does not know stand where the merge would write.
    #[error("files that are not in git stand in the way: {}", listed(paths))]
    InTheWay {
        /// The files.
        paths: Vec<String>,
    },
    /// A merge, rebase or the like is under way.
    #[error("git is in the middle of another operation ({operation})")]
    Unfinished {
        /// Which.
        operation: String,
    },
    /// The base branch has moved and the merge conflicts.
    #[error("the change request `{key}` conflicts with `{branch}` in {}", listed(paths))]
    Conflicts {
        /// The request.
        key: String,
        /// The base branch.
        branch: String,
        /// The files.
        paths: Vec<String>,
    },
    /// The commit on which the request stands is no longer part of the base branch.
    #[error("the history of `{branch}` was rewritten below the change request `{key}`")]
    BaseRewritten {
        /// The request.
        key: String,
        /// The base branch.
        branch: String,
    },
    /// Somebody else moved a branch or ref in the same moment.
    #[error("`{name}` was moved by somebody else in the same moment")]
    Moved {
        /// The branch or ref.
        name: String,
    },
    /// A git process holds the lock of a branch or ref, or died while it did.
    #[error("`{name}` is locked by another git process")]
    Locked {
        /// The branch or ref.
        name: String,
    },
    /// A branch of this name exists and Bowline did not make it.
    #[error("the branch `{branch}` exists, and Bowline did not make it")]
    BranchTaken {
        /// The branch.
        branch: String,
    },
    /// A working tree has the request's branch checked out.
    #[error("the branch `{branch}` is checked out in a working tree")]
    CheckedOut {
        /// The branch.
        branch: String,
    },
    /// Another estate in the same repository has a request of this key.
    #[error("the estate `{estate}` in the same repository has a change request `{key}` as well")]
    KeyTaken {
        /// The key.
        key: String,
        /// The other estate.
        estate: String,
    },
    /// A key that cannot name a branch.
    #[error("`{key}` cannot name a branch")]
    BadKey {
        /// The key.
        key: String,
    },
    /// A path that cannot be written to the branch.
    #[error("cannot write `{path}` to the branch: {why}")]
    BadPath {
        /// The path.
        path: String,
        /// Why not.
        why: &'static str,
    },
    /// A file that the change edits has uncommitted changes, which would end up on the branch.
    #[error("the change would carry uncommitted work with it: {}", listed(paths))]
    Uncommitted {
        /// The files.
        paths: Vec<String>,
    },
    /// Nobody to approve in the name of.
    #[error("git does not know your name and address")]
    NoIdentity,
    /// Another process holds the repository's lock.
    #[error("another run of Bowline is at work in this repository")]
    Busy,
    /// What Bowline wrote about a request cannot be read.
    #[error("the record of the change request `{key}` cannot be read: {why}")]
    Damaged {
        /// The request.
        key: String,
        /// Why not.
        why: String,
    },
    /// An earlier run was cut short while it changed the request.
    #[error("an earlier run was cut short while it changed the change request `{key}`")]
    Interrupted {
        /// The request.
        key: String,
    },
    /// The loop was told to stop between two steps.
    #[error("Bowline was told to stop before this")]
    Stopped,
    /// Another replica reconciles the estate now.
    #[error("the Lease `{lease}` is not held any more{}", by_whom(holder.as_deref()))]
    NotHeld {
        /// The Lease, as `namespace/name`.
        lease: String,
        /// Who holds it, where that is known.
        holder: Option<String>,
    },
    /// A forge over the network did not do what it was asked.
    #[error(transparent)]
    Hosted(#[from] Fault),
    /// A credential cannot be used there.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The operator does not allow to reach it.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A branch could not be pushed.
    #[error(transparent)]
    Push(#[from] GitError),
    /// Git said no.
    #[error("git: {}", .0.message())]
    Git(#[from] git2::Error),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Error {
    /// What to do about it, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotARepository { .. } => "make it one: `git init`, then `git add` and `git commit` the estate".into(),
            Self::OutsideTree { .. } => "give the estate's folder in the working tree".into(),
            Self::NoCommits { .. } => "commit the estate first: `git add .` and `git commit`".into(),
            Self::Detached | Self::OnRequestBranch { .. } => "check out the branch that change requests are merged into: `git checkout main`, say".into(),
            Self::OtherBase { theirs, .. } => format!("check out `{theirs}`, or decide its open requests first"),
            Self::ForeignRevision { .. } => "the branch was rewritten meanwhile; run again".into(),
            Self::Unknown { .. } => "`bowline changes list` shows all of them".into(),
            Self::NotOpen { state: State::Rejected, .. } => "it is proposed again when its drift changes or its time has passed".into(),
            Self::NotOpen { .. } => "`bowline changes list` shows those that are open".into(),
            Self::NoBranch { .. } => "it counts as rejected; it is proposed again when its drift changes".into(),
            Self::Dirty { .. } => "commit or stash them, then approve again".into(),
            Self::InTheWay { .. } => "move them away, then approve again".into(),
            Self::Unfinished { .. } => "finish or abort it (`git status` says how), then try again".into(),
            Self::Conflicts { .. } | Self::BaseRewritten { .. } => {
                "`bowline reconcile` builds it anew on the current base; if a person has committed to it, merge the base into it by hand".into()
            }
            Self::Moved { .. } => "nothing was lost; run again".into(),
            Self::Locked { name } => format!("if no git is at work, one died: remove `{name}.lock` from the git directory"),
            Self::BranchTaken { branch } => format!("rename or delete it: `git branch -m {branch} NEW-NAME`"),
            Self::CheckedOut { .. } => "check out another branch there".into(),
            Self::KeyTaken { .. } => "give the two estates items or owners of different names".into(),
            Self::BadKey { .. } => "a key has lower-case letters, digits and dashes, at most 200".into(),
            Self::Uncommitted { .. } => "commit them first, or `git stash` them".into(),
            Self::NoIdentity => "tell it: `git config user.name NAME` and `git config user.email ADDRESS`".into(),
            Self::Busy => "wait until it has ended, then try again".into(),
            Self::Damaged { key, .. } => {
                format!("`git log refs/bowline/requests/{key}` shows earlier ones; `git update-ref refs/bowline/requests/{key} COMMIT` goes back to one")
            }
            Self::Stopped => "nothing was lost; the next pass goes on".into(),
            Self::NotHeld { .. } => "nothing was lost; the replica that holds it goes on".into(),
            Self::Interrupted { .. } => "the next `bowline reconcile` completes it".into(),
            Self::Git(error) if error.code() == git2::ErrorCode::Owner => {
                "the repository belongs to another user; if you trust it: `git config --global --add safe.directory FOLDER`".into()
            }
            Self::Hosted(fault) => return fault.hint(),
            Self::BadPath { .. } | Self::Git(_) | Self::Io { .. } | Self::Credential(_) | Self::Access(_) | Self::Push(_) => return None,
        };
        Some(hint)
    }

    /// Whether it would be the same for every request, so that trying the next one is of no use.
    pub fn concerns_all(&self) -> bool {
        if let Self::Hosted(fault) = self {
            return fault.concerns_all();
        }
        matches!(
            self,
            Self::NotARepository { .. }
                | Self::OutsideTree { .. }
                | Self::NoCommits { .. }
                | Self::Detached
                | Self::OnRequestBranch { .. }
                | Self::OtherBase { .. }
                | Self::ForeignRevision { .. }
                | Self::Busy
                | Self::Stopped
                | Self::NotHeld { .. }
                | Self::Credential(_)
                | Self::Access(_)
        )
    }

    /// Whether what was asked may have been done all the same.
    pub fn uncertain(&self) -> bool {
        matches!(self, Self::Hosted(fault) if fault.uncertain())
    }
}

fn by_whom(holder: Option<&str>) -> String {
    holder.map(|holder| format!(": `{holder}` holds it")).unwrap_or_default()
}

/// The first few of a list of files, and how many more there are.
fn listed(paths: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = paths.iter().take(SHOWN).map(|path| format!("{path:?}")).collect();
    match paths.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}
