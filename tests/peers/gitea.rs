//! Gitea itself, as `tests/peers/get/gitea` builds it: one server a test process, each test with repositories of its own.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::{free_port, program, skip};

/// What `apt-get install` must bring; Go builds Gitea where it is not there yet.
pub const PACKAGES: [&str; 3] = ["git", "util-linux", "golang-go"];

/// The largest page of a list that the server gives, so that tests see several without making much.
pub const PAGE: usize = 10;

/// Bowline's account, an administrator.
const ACCOUNT: &str = "bowline";
/// Nobody but this machine can reach the server, which is gone after the test.
const PASSWORD: &str = "only-for-tests-1";
/// Ends the server and removes its folder when its own input ends, however the test process ends. A process cannot do
/// that by itself: nothing static is dropped.
const WATCHDOG: &str = r#"folder=$1; shift; exec 3<&0; "$@" </dev/null & server=$!; read -r _ <&3; kill -KILL "$server"; wait "$server"; rm -rf "$folder""#;

/// A server that runs. Clones speak of the same one.
#[derive(Clone)]
pub struct Gitea {
    url: String,
    token: String,
    folder: PathBuf,
    client: reqwest::blocking::Client,
}

impl Gitea {
    /// The server of this test process. None, with the reason said, where it cannot be had.
    pub fn start() -> Option<Self> {
        static SHARED: OnceLock<Result<(Gitea, Child), String>> = OnceLock::new();
        match SHARED.get_or_init(start) {
            Ok((gitea, _)) => Some(gitea.clone()),
            Err(reason) => {
                skip(reason);
                None
            }
        }
    }

    /// Its address without a slash at the end: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A token of Bowline's account, for everything.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Bowline's account.
    #[allow(clippy::unused_self)] // asked of a server, as its token is
    pub fn user(&self) -> &'static str {
        ACCOUNT
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log/gitea.log")).unwrap_or_default()
    }

    /// A public repository of Bowline's account whose branch `main` has these files in one commit; without files it has
    /// the README with which Gitea begins one. Its full name.
    pub fn create_repository(&self, name: &str, files: &[(&str, &str)]) -> String {
        let made = json!({"name": name, "auto_init": true, "default_branch": "main", "private": false});
        let (status, answer) = self.api("POST", "/user/repos", Some(&made));
        assert_eq!(status, 201, "a repository: {answer}");
        let full = format!("{ACCOUNT}/{name}");
        if !files.is_empty() {
            self.commit(&full, "main", files);
        }
        full
    }

    /// One commit with new files on a branch, made by Bowline's account. Its hash.
    pub fn commit(&self, repository: &str, branch: &str, files: &[(&str, &str)]) -> String {
        self.commit_as(&self.token, repository, branch, files)
    }

    /// The same, by the account of this token.
    pub fn commit_as(&self, token: &str, repository: &str, branch: &str, files: &[(&str, &str)]) -> String {
        let change = |(path, text): &(&str, &str)| {
            // Gitea changes a file only for who names what it replaces.
            let (status, old) = self.api("GET", &format!("/repos/{repository}/contents/{path}?ref={branch}"), None);
            let operation = if status == 200 { "update" } else { "create" };
            let mut change = json!({"operation": operation, "path": path, "content": BASE64.encode(text)});
            if status == 200 {
                change["sha"] = old["sha"].clone();
            }
            change
        };
        let body = json!({"branch": branch, "message": "A commit", "files": files.iter().map(change).collect::<Vec<_>>()});
        let (status, answer) = self.api_as(token, "POST", &format!("/repos/{repository}/contents"), Some(&body));
        assert_eq!(status, 201, "a commit: {answer}");
        answer["commit"]["sha"].as_str().expect("its hash").to_owned()
    }

    /// Asks the API (`path` begins after `/api/v1`) as Bowline's account. The answer is null where it is not JSON.
    pub fn api(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.api_as(&self.token, method, path, body)
    }

    /// The same, with this token.
    pub fn api_as(&self, token: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let (status, text) = self.send(method, &format!("/api/v1{path}"), Some(&format!("token {token}")), body);
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// What a board sees of these Markdown texts, each in HTML: the parts of a new issue. (The API's own `/markdown` ends the
    /// whole server where the text of a comment names a commit.)
    pub fn rendered(&self, repository: &str, texts: &[String]) -> Vec<String> {
        const BETWEEN: &str = "BETWEEN-TWO-TEXTS";
        let body = texts.join(&format!("\n\n{BETWEEN}\n\n"));
        let (status, issue) = self.api("POST", &format!("/repos/{repository}/issues"), Some(&json!({"title": "Texts", "body": body})));
        assert_eq!(status, 201, "{issue}");
        let html = contents(&self.page(&format!("/{repository}/issues/{}", issue["number"]))).swap_remove(0);
        let parts: Vec<String> = html.split(&format!("<p dir=\"auto\">{BETWEEN}</p>")).map(str::to_owned).collect();
        assert_eq!(parts.len(), texts.len(), "a text hides another: {html}");
        parts
    }

    /// Another person with an account of this name. A token for everything.
    pub fn second_user(&self, name: &str) -> String {
        let made = json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD, "must_change_password": false});
        let (status, answer) = self.api("POST", "/admin/users", Some(&made));
        assert!(status == 201 || status == 422, "an account: {answer}");
        let wanted = json!({"name": format!("tests-{}", free_port()), "scopes": ["all"]});
        let basic = format!("Basic {}", BASE64.encode(format!("{name}:{PASSWORD}")));
        let (status, answer) = self.send("POST", &format!("/api/v1/users/{name}/tokens"), Some(&basic), Some(&wanted));
        assert_eq!(status, 201, "a token: {answer}");
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        answer["sha1"].as_str().expect("a token").to_owned()
    }

    /// The HTML of a page, as somebody without an account sees it.
    pub fn page(&self, path: &str) -> String {
        let (status, html) = self.send("GET", path, None, None);
        assert_eq!(status, 200, "{path}");
        html
    }

    /// A request as it is. On a thread of its own, so that tests on an async runtime may wait for it.
    pub fn send(&self, method: &str, path: &str, authorization: Option<&str>, body: Option<&Value>) -> (u16, String) {
        let mut request = self.client.request(method.parse().expect("a method"), format!("{}{path}", self.url));
        if let Some(authorization) = authorization {
            request = request.header("Authorization", authorization);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body.to_string());
        }
        let ask = move || {
            let answer = request.send().expect("an answer of Gitea");
            (answer.status().as_u16(), answer.text().expect("text"))
        };
        std::thread::spawn(ask).join().expect("an answer")
    }
}

fn start() -> Result<(Gitea, Child), String> {
    let built = built()?;
    let folder = tempfile::Builder::new().prefix("bowline-gitea-").tempdir().map_err(|error| error.to_string())?.keep();
    let started = start_in(&built, &folder);
    if started.is_err() {
        std::fs::remove_dir_all(&folder).ok();
    }
    started
}

fn start_in(built: &Path, folder: &Path) -> Result<(Gitea, Child), String> {
    let owner = Account::of_the_server(folder)?;
    // Another account may not be let into the folder where it was built.
    let (program, data) = match &owner {
        Account::Mine => (built.join("gitea"), built.to_owned()),
        Account::Nobody { .. } => (folder.join("built/gitea"), folder.join("built")),
    };
    if matches!(owner, Account::Nobody { .. }) {
        copy(built, &data)?;
    }
    let port = free_port();
    std::fs::write(folder.join("app.ini"), settings(folder, &data, port)).map_err(|error| error.to_string())?;
    owner.give(folder)?;
    let gitea = |arguments: &[&str]| {
        let mut line = owner.prefix();
        line.extend([program.display().to_string(), "--work-path".into(), folder.display().to_string()]);
        line.extend(["--config".into(), folder.join("app.ini").display().to_string()]);
        line.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        line
    };
    let mut watchdog = Command::new("sh");
    watchdog.args(["-c", WATCHDOG, "watchdog"]).arg(folder).args(gitea(&["web"]));
    watchdog.env("HOME", folder).env_remove("GITEA_WORK_DIR").current_dir(folder);
    // A group of its own: Ctrl-C at a terminal must not end it before it has cleaned up.
    watchdog.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let watchdog = watchdog.spawn().map_err(|error| error.to_string())?;
    let url = format!("http://127.0.0.1:{port}");
    rustls::crypto::ring::default_provider().install_default().ok();
    let client = std::thread::spawn(|| reqwest::blocking::Client::builder().no_proxy().timeout(Duration::from_mins(1)).build());
    let client = client.join().map_err(|_| "no HTTP client".to_owned())?.map_err(|error| error.to_string())?;
    let mut gitea_here = Gitea { url, token: String::new(), folder: folder.to_owned(), client };
    gitea_here.wait()?;
    let arguments = ["admin", "user", "create", "--admin", "--username", ACCOUNT, "--password", PASSWORD, "--email", "bowline@example.com"];
    let more = ["--must-change-password=false", "--access-token", "--access-token-name", "tests", "--access-token-scopes", "all"];
    let line = gitea(&[&arguments[..], &more[..]].concat());
    let output = Command::new(&line[0]).args(&line[1..]).env("HOME", folder).current_dir(folder).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let token = said.split_whitespace().find(|word| word.len() == 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let Some(token) = token else {
        return Err(format!("Gitea makes no account: {said}{}", String::from_utf8_lossy(&output.stderr)));
    };
    token.clone_into(&mut gitea_here.token);
    Ok((gitea_here, watchdog))
}

impl Gitea {
    fn wait(&self) -> Result<(), String> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_mins(1) {
            if std::net::TcpStream::connect(self.url.trim_start_matches("http://")).is_ok() && self.send("GET", "/api/healthz", None, None).0 == 200 {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(format!("Gitea does not answer within a minute: {}", self.log()))
    }
}

/// The folder of Gitea as it was built.
fn built() -> Result<PathBuf, String> {
    if program("git").is_none() {
        return Err("git is not installed".into());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/get/gitea");
    let output = Command::new(script).stdin(Stdio::null()).output().map_err(|error| format!("Gitea cannot be built: {error}"))?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if output.status.success() && folder.join("gitea").is_file() {
        return Ok(folder);
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(format!("Gitea cannot be built: {}", why.trim().lines().last().unwrap_or("its script says nothing")))
}

/// Who runs the server: Gitea refuses to be root.
enum Account {
    Mine,
    Nobody { user: u32, group: u32 },
}

impl Account {
    fn of_the_server(folder: &Path) -> Result<Self, String> {
        use std::os::unix::fs::MetadataExt;
        if std::fs::metadata(folder).map_err(|error| error.to_string())?.uid() != 0 {
            return Ok(Self::Mine);
        }
        if program("setpriv").is_none() {
            return Err("setpriv (util-linux) is not installed, and Gitea does not run as root".into());
        }
        let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let nobody = accounts.lines().find_map(|line| line.strip_prefix("nobody:"));
        let mut numbers = nobody.into_iter().flat_map(|line| line.split(':').skip(1)).filter_map(|number| number.parse().ok());
        match (numbers.next(), numbers.next()) {
            (Some(user), Some(group)) => Ok(Self::Nobody { user, group }),
            _ => Err("there is no account `nobody`, and Gitea does not run as root".into()),
        }
    }

    fn prefix(&self) -> Vec<String> {
        match self {
            Self::Mine => Vec::new(),
            Self::Nobody { user, group } => {
                vec!["setpriv".into(), format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".into()]
            }
        }
    }

    /// The folder and its settings become the server's; what was built stays root's and can be read.
    fn give(&self, folder: &Path) -> Result<(), String> {
        let Self::Nobody { user, group } = self else { return Ok(()) };
        for path in [folder.to_owned(), folder.join("app.ini")] {
            std::os::unix::fs::chown(path, Some(*user), Some(*group)).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// Hard links where that is possible, copies elsewhere.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let run = |arguments: &[&str]| Command::new("cp").args(arguments).args([from, to]).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !run(&["-rl"]) {
        std::fs::remove_dir_all(to).ok();
        if !run(&["-r"]) {
            return Err("what was built of Gitea cannot be copied".into());
        }
    }
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o755)).map_err(|error| error.to_string())
}

/// Everything in one folder, nothing but this machine, nothing by mail, no clock of its own.
fn settings(folder: &Path, built: &Path, port: u16) -> String {
    let (at, built) = (folder.display(), built.display());
    format!(
        "APP_NAME = Gitea\nRUN_MODE = prod\nWORK_PATH = {at}\n\
         [server]\nPROTOCOL = http\nHTTP_ADDR = 127.0.0.1\nHTTP_PORT = {port}\nDOMAIN = 127.0.0.1\nROOT_URL = http://127.0.0.1:{port}/\n\
         STATIC_ROOT_PATH = {built}\nAPP_DATA_PATH = {at}/data\nOFFLINE_MODE = true\nDISABLE_SSH = true\nLFS_START_SERVER = false\n\
         [database]\nDB_TYPE = sqlite3\nPATH = {at}/gitea.db\nSQLITE_JOURNAL_MODE = WAL\nSQLITE_TIMEOUT = 30000\n\
         [security]\nINSTALL_LOCK = true\nSECRET_KEY = only-for-tests\nPASSWORD_HASH_ALGO = pbkdf2$1000$50\n\
         [git.config]\ncore.fsync = none\n\
         [repository]\nROOT = {at}/repositories\nDEFAULT_BRANCH = main\n\
         [service]\nDISABLE_REGISTRATION = true\nREQUIRE_SIGNIN_VIEW = false\nENABLE_NOTIFY_MAIL = false\nENABLE_CAPTCHA = false\n\
         [mailer]\nENABLED = false\n\
         [picture]\nDISABLE_GRAVATAR = true\n\
         [webhook]\nALLOWED_HOST_LIST = loopback\nDELIVER_TIMEOUT = 5\n\
         [migrations]\nALLOW_LOCALNETWORKS = true\n\
         [api]\nMAX_RESPONSE_ITEMS = {PAGE}\n\
         [indexer]\nISSUE_INDEXER_TYPE = db\nREPO_INDEXER_ENABLED = false\n\
         [queue]\nTYPE = channel\n\
         [session]\nPROVIDER = memory\n\
         [actions]\nENABLED = false\n\
         [packages]\nENABLED = false\n\
         [cron]\nENABLED = false\n\
         [cron.update_checker]\nENABLED = false\n\
         [log]\nMODE = file\nLEVEL = Info\nROOT_PATH = {at}/log\n"
    )
}

/// The rendered Markdown of a page, in the page's order.
pub fn contents(page: &str) -> Vec<String> {
    page.split("render-content markup").skip(1).filter_map(|rest| whole_division(rest.split_once('>')?.1)).collect()
}

/// The text up to the end of the division that it begins in.
fn whole_division(html: &str) -> Option<String> {
    let mut depth = 1;
    let mut tags: Vec<(usize, &str)> = html.match_indices("<div").chain(html.match_indices("</div")).collect();
    tags.sort_unstable();
    for (at, tag) in tags {
        depth = if tag == "<div" { depth + 1 } else { depth - 1 };
        if depth == 0 {
            return Some(html[..at].to_owned());
        }
    }
    None
}
