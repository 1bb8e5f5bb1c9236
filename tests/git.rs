//! Estates in git, read from and pushed to real systems: repositories on disk, nginx with `git http-backend`, OpenSSH.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test ends where something is wrong

mod peers;

use std::path::{Path, PathBuf};

use bowline::access::{Access, AccessError};
use bowline::api::estate::Git;
use bowline::credentials::{Credential, CredentialError, Credentials, Login, Secret};
use bowline::estate::git::{GitError, GitFiles, Remote, Update, blob, push, read};
use git2::{Oid, Repository};
use peers::git::{Made, bare};
use peers::nginx::GitServer;
use peers::sshd::Sshd;

const PASSWORD: &str = "correct-horse-battery";

fn spec(url: &str, credential: Option<&str>) -> Git {
    Git { url: url.into(), branch: None, path: None, credentials: credential.map(Into::into) }
}

fn bound(hosts: &[&str], login: Login) -> Credentials {
    Credentials::of([Credential { name: "git".into(), hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(), login }])
}

fn alice(hosts: &[&str], password: &str) -> Credentials {
    bound(hosts, Login::Password { user: "alice".into(), password: Secret::new(password) })
}

fn paths(files: &GitFiles) -> Vec<&str> {
    files.files.iter().map(|file| &*file.path).collect()
}

fn text<'a>(files: &'a GitFiles, path: &str) -> &'a str {
    files.files.iter().find(|file| &*file.path == path).map(|file| &*file.text).unwrap()
}

// On this machine

struct Local {
    folder: tempfile::TempDir,
    made: Made,
}

fn local() -> Local {
    let folder = tempfile::tempdir().unwrap();
    let made = bare(&folder.path().join("estate.git"));
    made.commit("main", &[("bowline.yaml", "kind: Estate"), ("site/a.yml", "a: 1"), ("site/observed/x.ndjson", "{}"), ("README.md", "#")]);
    Local { folder, made }
}

fn read_local(spec: &Git) -> Result<GitFiles, GitError> {
    read(spec, None, &Credentials::default(), &Access::default(), Path::new("/nonexistent"))
}

#[test]
fn a_bare_repository_is_read_by_its_path_and_by_file() {
    let it = local();
    let path = it.made.path.display().to_string();
    for url in [path.clone(), format!("file://{path}")] {
        let files = read_local(&spec(&url, None)).unwrap();
        assert_eq!(paths(&files), ["bowline.yaml", "site/a.yml"]);
        assert_eq!((files.revision, files.branch.as_deref()), (it.made.tip("main").unwrap().to_string(), Some("main")));
    }
    let part = read_local(&Git { path: Some("./site/".into()), ..spec(&path, None) }).unwrap();
    assert_eq!(paths(&part), ["a.yml"]);
    let missing = read_local(&Git { path: Some("nowhere".into()), ..spec(&path, None) });
    assert!(matches!(missing, Err(GitError::NoFile { .. })));
}

#[test]
fn a_working_clone_is_read_as_committed_not_as_it_lies_there() {
    let it = local();
    let clone = it.folder.path().join("clone");
    let repository = Repository::clone(&it.made.path.display().to_string(), &clone).unwrap();
    std::fs::write(clone.join("bowline.yaml"), "changed").unwrap();
    std::fs::write(clone.join("new.yaml"), "new").unwrap();
    let files = read_local(&spec(&clone.display().to_string(), None)).unwrap();
    assert_eq!(paths(&files), ["bowline.yaml", "site/a.yml"]);
    assert_eq!(text(&files, "bowline.yaml"), "kind: Estate");
    let commit = Oid::from_str(&files.revision).unwrap();
    assert_eq!(blob(&repository, commit, "site/observed/x.ndjson", 10).unwrap(), b"{}");
}

#[test]
fn the_branch_is_the_one_that_is_asked_for() {
    let it = local();
    let path = it.made.path.display().to_string();
    it.made.commit("next", &[("next.yaml", "n")]);
    let next = read_local(&Git { branch: Some("next".into()), ..spec(&path, None) }).unwrap();
    assert_eq!(paths(&next), ["next.yaml"]);
    let missing = read_local(&Git { branch: Some("nope".into()), ..spec(&path, None) });
    assert_eq!(missing.unwrap_err(), GitError::NoBranch { url: path, branch: "nope".into() });
    let empty = bare(&it.folder.path().join("empty.git"));
    assert!(matches!(read_local(&spec(&empty.path.display().to_string(), None)), Err(GitError::Empty(_))));
    assert!(read_local(&spec("/nonexistent", None)).is_err());
}

#[test]
fn a_repository_that_an_estate_names_lies_below_its_root_with_all_its_parts() {
    let it = local();
    let root = it.folder.path().join("root");
    std::fs::create_dir_all(&root).unwrap();
    let inside = bare(&root.join("inside.git"));
    inside.commit("main", &[("a.yaml", "a")]);
    let declared = |url: &str, access: &Access| read(&spec(url, None), Some(&root), &Credentials::default(), access, Path::new("/nonexistent"));
    let none = Access::default();
    assert!(declared("inside.git", &none).is_ok());
    for url in ["../estate.git".to_owned(), it.made.path.display().to_string(), format!("file://{}", it.made.path.display())] {
        assert!(matches!(declared(&url, &none), Err(GitError::Access(AccessError::Outside(_)))), "{url}");
        assert!(declared(&url, &Access { allow_read: vec![it.made.path.clone()], ..Access::default() }).is_ok(), "{url}");
    }
    // A `.git` file that points out of the root.
    std::fs::create_dir(root.join("pointer")).unwrap();
    std::fs::write(root.join("pointer/.git"), format!("gitdir: {}", it.made.path.display())).unwrap();
    assert!(matches!(declared("pointer", &none), Err(GitError::Access(AccessError::Outside(_)))));
    // Objects borrowed from outside.
    std::fs::create_dir_all(inside.path.join("objects/info")).unwrap();
    std::fs::write(inside.path.join("objects/info/alternates"), it.made.path.join("objects").display().to_string()).unwrap();
    assert!(matches!(declared("inside.git", &none), Err(GitError::Address { .. })));
}

#[test]
fn a_push_on_this_machine_loses_no_commit() {
    let it = local();
    let clone = Repository::clone(&it.made.path.display().to_string(), it.folder.path().join("clone")).unwrap();
    pushes_are_judged(&clone, &it.made, &it.made.path.display().to_string(), &Credentials::default(), &Access::default());
}

/// The rules of a push, the same over every transport.
fn pushes_are_judged(clone: &Repository, there: &Made, url: &str, credentials: &Credentials, access: &Access) {
    let remote = Remote { url, credential: (!url.starts_with('/')).then_some("git"), credentials, access, declared_in: None };
    let base = clone.find_commit(there.tip("main").unwrap()).unwrap();
    let who = git2::Signature::now("Ann", "ann@example.com").unwrap();
    let ours = clone.commit(None, &who, &who, "Ours", &base.tree().unwrap(), &[&base]).unwrap();
    let update = |refspec: &str| Update::parse(clone, refspec).unwrap();

    push(clone, &remote, &[update(&format!("{ours}:refs/heads/bowline/x"))]).unwrap();
    assert_eq!(there.tip("bowline/x"), Some(ours));
    push(clone, &remote, &[update(&format!("{ours}:refs/heads/bowline/x"))]).unwrap(); // nothing new: nothing sent

    let theirs = there.commit("bowline/x", &[("theirs.yaml", "t")]);
    let refused = push(clone, &remote, &[update(&format!("{ours}:refs/heads/bowline/x"))]);
    assert!(matches!(refused, Err(GitError::Rejected { .. })), "{refused:?}");
    let leased = Update { expected: Some(ours), ..update(&format!("+{ours}:refs/heads/bowline/x")) };
    assert!(matches!(push(clone, &remote, &[leased]), Err(GitError::Rejected { .. })), "somebody else has changed it");
    assert_eq!(there.tip("bowline/x"), Some(theirs));

    let forced = Update { expected: Some(theirs), ..update(&format!("+{ours}:refs/heads/bowline/x")) };
    push(clone, &remote, &[forced, update(&format!("{ours}:refs/bowline/state"))]).unwrap();
    assert_eq!(there.tip("bowline/x"), Some(ours));
    assert_eq!(there.repository.refname_to_id("refs/bowline/state").unwrap(), ours);
    push(clone, &remote, &[update(":refs/heads/bowline/x")]).unwrap();
    assert_eq!(there.tip("bowline/x"), None);
}

// Over HTTPS

struct Web {
    folder: tempfile::TempDir,
    made: Made,
    server: GitServer,
    access: Access,
}

fn web() -> Option<Web> {
    let folder = tempfile::tempdir().unwrap();
    let (repositories, state) = (folder.path().join("repositories"), folder.path().join("state"));
    std::fs::create_dir_all(&repositories).unwrap();
    std::fs::create_dir_all(&state).unwrap();
    let made = bare(&repositories.join("estate.git"));
    made.commit("main", &[("bowline.yaml", "kind: Estate"), ("b.yaml", "b: 1")]);
    made.commit("main", &[("b.yaml", "b: 2")]);
    let server = GitServer::start(&repositories, &state, PASSWORD)?;
    let access = Access { authorities: vec![server.authority_file.clone()], ..Access::default() };
    Some(Web { folder, made, server, access })
}

impl Web {
    fn url(&self, place: &str) -> String {
        format!("https://127.0.0.1:{}/{place}/estate.git", self.server.port)
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn read(&self, url: &str, credentials: &Credentials) -> Result<GitFiles, GitError> {
        let named = credentials.problems().count() == 0 && format!("{credentials:?}").contains("git");
        read(&spec(url, named.then_some("git")), Some(self.folder.path()), credentials, &self.access, &self.cache())
    }
}

#[test]
fn https_with_a_password_fetches_one_commit_and_then_only_what_is_new() {
    let Some(it) = web() else { return };
    let credentials = alice(&["127.0.0.1"], PASSWORD);
    let files = it.read(&it.url("git"), &credentials).unwrap();
    assert_eq!((paths(&files), text(&files, "b.yaml"), files.branch.as_deref()), (vec!["b.yaml", "bowline.yaml"], "b: 2", Some("main")));
    let cached = Repository::open(&files.repository).unwrap();
    let mut walk = cached.revwalk().unwrap();
    walk.push(Oid::from_str(&files.revision).unwrap()).unwrap();
    assert_eq!(walk.collect::<Result<Vec<_>, _>>().unwrap().len(), 1, "one commit deep");

    let posts = || it.server.requests().iter().filter(|request| request.contains("POST")).count();
    assert_eq!(posts(), 1);
    assert_eq!(it.read(&it.url("git"), &credentials).unwrap().revision, files.revision);
    assert_eq!(posts(), 1, "nothing new: no pack is asked for");

    let next = it.made.commit("main", &[("c.yaml", "c: 3")]);
    let files = it.read(&it.url("git"), &credentials).unwrap();
    assert_eq!((files.revision, posts()), (next.to_string(), 2));
    assert_eq!(files.files.len(), 3);

    let anew = it.made.replace("main", &[("d.yaml", "d: 4")]);
    let files = it.read(&it.url("git"), &credentials).unwrap();
    assert_eq!((paths(&files), &files.revision), (vec!["d.yaml"], &anew.to_string()));
}

#[test]
fn https_without_a_credential_reads_what_is_open() {
    let Some(it) = web() else { return };
    assert_eq!(it.read(&it.url("open"), &Credentials::default()).unwrap().files.len(), 2);
    assert!(it.server.requests().iter().all(|request| request.ends_with("auth=-")));
    let error = it.read(&it.url("git"), &Credentials::default()).unwrap_err().to_string();
    assert!(error.contains("401") && error.contains("none is named"), "{error}");
    let loopback = format!("http://127.0.0.1:{}/open/estate.git", it.server.plain_port);
    assert!(it.read(&loopback, &Credentials::default()).is_ok());
}

#[test]
fn a_refused_password_names_the_credential_and_the_place() {
    let Some(it) = web() else { return };
    let error = it.read(&it.url("git"), &alice(&["127.0.0.1"], "wrong-password-canary")).unwrap_err().to_string();
    assert!(error.contains("401") && error.contains("`git`") && error.contains("127.0.0.1") && !error.contains("canary"), "{error}");
}

#[test]
fn a_token_and_a_client_certificate_open_what_they_fit() {
    let Some(it) = web() else { return };
    let token = bound(&["127.0.0.1"], Login::Token { user: None, token: Secret::new(PASSWORD) });
    assert!(it.read(&it.url("git"), &token).is_ok());
    let strict = format!("https://127.0.0.1:{}/open/estate.git", it.server.strict_port);
    assert!(it.read(&strict, &Credentials::default()).is_err());
    let (certificate, key) = it.server.authority.issue(&["client"]);
    let login = Login::ClientCertificate { certificate: certificate.as_str().into(), key: Secret::new(&key) };
    assert!(it.read(&strict, &bound(&["127.0.0.1"], login)).is_ok());
}

/// The requests that reached the server under this name.
fn reached(it: &Web, host: &str) -> Vec<String> {
    it.server.requests().into_iter().filter(|request| request.starts_with(host)).collect()
}

#[test]
fn a_credential_does_not_follow_a_redirect_to_a_host_it_is_not_bound_to() {
    let Some(it) = web() else { return };
    let error = it.read(&it.url("moved"), &alice(&["127.0.0.1"], PASSWORD)).unwrap_err().to_string();
    assert!(error.contains("redirects") && error.contains("not bound to the host `localhost") && error.contains("`git`"), "{error}");
    assert_eq!(reached(&it, "localhost"), Vec::<String>::new(), "not even a connection");
    assert!(reached(&it, "127.0.0.1").iter().any(|request| request.contains("auth=Basic")), "it was sent where it is bound");
    // Bound to both, it goes to both: the test above can fail.
    let files = it.read(&it.url("moved"), &alice(&["127.0.0.1", "localhost"], PASSWORD)).unwrap();
    assert_eq!(files.files.len(), 2);
    assert!(reached(&it, "localhost").iter().all(|request| request.contains("auth=Basic")));
    assert!(reached(&it, "localhost").iter().any(|request| request.contains("POST")));
}

#[test]
fn redirects_within_a_host_are_followed_and_those_that_harm_are_not() {
    let Some(it) = web() else { return };
    let credentials = alice(&["127.0.0.1", "localhost"], PASSWORD);
    assert!(it.read(&it.url("near"), &credentials).is_ok());
    for (place, reason) in [("plain", "gives up encryption"), ("round", "more than 5 times"), ("post", "in the middle")] {
        let error = it.read(&it.url(place), &credentials).unwrap_err().to_string();
        assert!(error.contains(reason), "{place}: {error}");
    }
    let metadata = it.read(&it.url("metadata"), &Credentials::default()).unwrap_err();
    assert!(matches!(metadata, GitError::Access(AccessError::LinkLocal { .. })), "{metadata:?}");
}

#[test]
fn an_answer_that_is_not_git_is_an_error() {
    let Some(it) = web() else { return };
    for (place, reason) in [("broken", "500"), ("page", "smart protocol"), ("nothing", "404"), ("cut", "")] {
        let error = it.read(&it.url(place), &Credentials::default()).unwrap_err().to_string();
        assert!(error.contains(reason) && !error.contains("canary"), "{place}: {error}");
    }
}

#[test]
fn an_unknown_authority_or_another_name_is_refused() {
    let Some(it) = web() else { return };
    let untrusting = Access::default();
    let read_with = |url: &str, access: &Access| read(&spec(url, None), None, &Credentials::default(), access, &it.cache());
    let error = read_with(&it.url("open"), &untrusting).unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
    let other = it.url("open").replace("127.0.0.1", "127.0.0.2"); // a name that the certificate does not have, if it answers at all
    assert!(read_with(&other, &it.access).is_err());
}

#[test]
fn nothing_is_sent_where_the_operator_has_not_allowed_it() {
    let Some(it) = web() else { return };
    let limited = |rules: &[&str]| Access { allow_net: rules.iter().map(|rule| rule.parse().unwrap()).collect(), ..it.access.clone() };
    let read_with = |url: &str, access: &Access| read(&spec(url, None), None, &Credentials::default(), access, &it.cache());
    let by_name = it.url("open").replace("127.0.0.1", "localhost");
    for url in [&it.url("open"), &by_name] {
        assert!(matches!(read_with(url, &limited(&["git.example.com", "10.0.0.0/8"])), Err(GitError::Access(AccessError::NotAllowed { .. }))));
    }
    assert_eq!(it.server.requests().len(), 0);
    assert!(read_with(&by_name, &limited(&["localhost"])).is_ok());
    let unbound = it.read(&it.url("git"), &alice(&["git.example.com"], PASSWORD)).unwrap_err();
    assert!(matches!(unbound, GitError::Credential(CredentialError::NotBound { .. })), "{unbound:?}");
}

#[test]
fn a_damaged_cache_is_fetched_anew() {
    let Some(it) = web() else { return };
    let url = it.url("open");
    let files = it.read(&url, &Credentials::default()).unwrap();
    for pack in std::fs::read_dir(files.repository.join("objects/pack")).unwrap().flatten() {
        std::fs::remove_file(pack.path()).unwrap();
    }
    assert_eq!(it.read(&url, &Credentials::default()).unwrap().files.len(), 2);
    std::fs::write(files.repository.join("HEAD"), "nonsense").unwrap();
    assert_eq!(it.read(&url, &Credentials::default()).unwrap().files.len(), 2);
}

#[test]
fn readers_at_the_same_time_do_not_disturb_each_other() {
    let Some(it) = web() else { return };
    let (url, access, cache) = (it.url("open"), it.access.clone(), it.cache());
    let one = || read(&spec(&url, None), None, &Credentials::default(), &access, &cache).map(|files| files.files.len());
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        for reader in readers {
            assert_eq!(reader.join().unwrap(), Ok(2));
        }
    });
}

#[test]
fn a_push_over_https_loses_no_commit_and_says_why_it_is_refused() {
    let Some(it) = web() else { return };
    let credentials = alice(&["127.0.0.1"], PASSWORD);
    let cached = Repository::open(it.read(&it.url("git"), &credentials).unwrap().repository).unwrap();
    pushes_are_judged(&cached, &it.made, &it.url("git"), &credentials, &it.access);
    hooks_are_heard(&cached, &it.made, &it.url("git"), &credentials, &it.access);
}

fn hooks_are_heard(clone: &Repository, there: &Made, url: &str, credentials: &Credentials, access: &Access) {
    let hook = there.path.join("hooks/pre-receive");
    std::fs::create_dir_all(there.path.join("hooks")).unwrap();
    std::fs::write(&hook, "#!/bin/sh\necho 'ask the board first' >&2\nexit 1\n").unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let remote = Remote { url, credential: Some("git"), credentials, access, declared_in: None };
    let main = there.tip("main").unwrap();
    let error = push(clone, &remote, &[Update::parse(clone, &format!("{main}:refs/heads/y")).unwrap()]).unwrap_err().to_string();
    assert!(error.contains("refs/heads/y") && error.contains("ask the board first"), "{error}");
}

// Over SSH

struct Shell {
    folder: tempfile::TempDir,
    made: Made,
    server: Sshd,
}

fn shell() -> Option<Shell> {
    let folder = tempfile::tempdir().unwrap();
    let made = bare(&folder.path().join("it's an estate.git"));
    made.commit("main", &[("bowline.yaml", "kind: Estate")]);
    made.commit("main", &[("b.yaml", "b: 2")]);
    let server = Sshd::start(folder.path())?;
    Some(Shell { folder, made, server })
}

impl Shell {
    fn url(&self) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", self.server.account, self.server.port, self.made.path.display())
    }

    fn key(&self, hosts: &[&str], known_hosts: &Path) -> Credentials {
        bound(hosts, Login::SshKey { file: self.server.key.clone(), known_hosts: Some(known_hosts.to_owned()) })
    }

    fn read(&self, credentials: &Credentials, name: Option<&str>) -> Result<GitFiles, GitError> {
        read(&spec(&self.url(), name), Some(self.folder.path()), credentials, &Access::default(), &self.folder.path().join("cache"))
    }
}

#[test]
fn ssh_with_the_key_of_the_credential_fetches_and_fetches_again() {
    let Some(it) = shell() else { return };
    let credentials = it.key(&["127.0.0.1"], &it.server.known_hosts);
    let files = it.read(&credentials, Some("git")).unwrap();
    assert_eq!((paths(&files), files.branch.as_deref()), (vec!["b.yaml", "bowline.yaml"], Some("main")));
    assert_eq!(it.read(&credentials, Some("git")).unwrap().revision, files.revision);
    let next = it.made.commit("main", &[("c.yaml", "c: 3")]);
    assert_eq!(it.read(&credentials, Some("git")).unwrap().revision, next.to_string());
}

#[test]
fn ssh_refuses_an_unknown_host_a_missing_key_and_a_host_that_is_not_bound() {
    let Some(it) = shell() else { return };
    let nobody = it.folder.path().join("nobody");
    std::fs::write(&nobody, "").unwrap();
    let error = it.read(&it.key(&["127.0.0.1"], &nobody), Some("git")).unwrap_err().to_string();
    assert!(error.contains("Host key verification failed"), "{error}");
    let error = it.read(&Credentials::default(), None).unwrap_err().to_string();
    assert!(error.contains("ssh says"), "{error}");
    let unbound = it.read(&it.key(&["127.0.0.1:22"], &it.server.known_hosts), Some("git")).unwrap_err();
    assert!(matches!(unbound, GitError::Credential(CredentialError::NotBound { .. })), "{unbound:?}");
}

#[test]
fn ssh_says_what_the_other_side_says() {
    let Some(it) = shell() else { return };
    let credentials = it.key(&["127.0.0.1"], &it.server.known_hosts);
    let url = format!("{}-missing", it.url());
    let error = read(&spec(&url, Some("git")), None, &credentials, &Access::default(), &it.folder.path().join("cache")).unwrap_err().to_string();
    assert!(error.contains("does not appear to be a git repository"), "{error}");
}

#[test]
fn a_push_over_ssh_loses_no_commit_and_says_why_it_is_refused() {
    let Some(it) = shell() else { return };
    let credentials = it.key(&["127.0.0.1"], &it.server.known_hosts);
    let cached = Repository::open(it.read(&credentials, Some("git")).unwrap().repository).unwrap();
    pushes_are_judged(&cached, &it.made, &it.url(), &credentials, &Access::default());
    hooks_are_heard(&cached, &it.made, &it.url(), &credentials, &Access::default());
}
