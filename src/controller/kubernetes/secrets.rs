//! Credentials of an estate in a cluster: Secrets of its own namespace, read one by one by name, never listed or watched.
//!
//! A Secret is a credential only if its label `bowline.dev/credential: "true"` says so, so that an estate cannot name any
//! other Secret of its namespace, and it goes only to the hosts that its annotation `bowline.dev/hosts` names (rule 8).
//!
//! | keys                                                             | what it is                          |
//! |------------------------------------------------------------------|-------------------------------------|
//! | `token`, perhaps `username`                                      | a token                             |
//! | `username`, `password`, perhaps `known_hosts`                    | an account (`kubernetes.io/basic-auth`) |
//! | `ssh-privatekey`, perhaps `known_hosts`                          | a key of SSH (`kubernetes.io/ssh-auth`) |
//! | `tls.crt`, `tls.key`                                             | a client certificate (`kubernetes.io/tls`) |
//! | `githubAppId`, `githubAppInstallationId`, `githubAppPrivateKey`  | a GitHub App                        |
//! | `community`                                                      | a community of SNMP v2c             |
//! | `username`, `authProtocol`, `authPassword`, perhaps `privProtocol` and `privPassword` | a user of SNMP v3 |

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret as Object;
use kube::{Api, Client};
use tempfile::TempDir;

use crate::access::HostPattern;
use crate::api::{EstateSpec, Text};
use crate::credentials::{Credential, CredentialError, Credentials, HostKeys, Login, Secret, snmp};
use crate::estate::Estate;

/// The label that makes a Secret a credential.
const LABEL: &str = "bowline.dev/credential";
/// The annotation with the hosts to which it may be sent.
const HOSTS: &str = "bowline.dev/hosts";
/// How long the API server may take for one.
const PATIENCE: Duration = Duration::from_secs(10);

/// The credentials of one pass.
#[derive(Debug, Default)]
pub struct Read {
    /// The credentials.
    pub credentials: Credentials,
    /// Which Secrets they are, by name and version: the same as long as none is replaced.
    pub versions: BTreeMap<Text, String>,
    /// Keys of SSH, which only `ssh` itself reads, from files that last as long as this.
    _files: Option<TempDir>,
}

/// The names of the credentials that an estate's own document names.
pub fn named(spec: &EstateSpec) -> BTreeSet<Text> {
    let forge = spec.forge.iter().flat_map(|forge| [&forge.github, &forge.gitea]).flatten().filter_map(|forge| forge.credentials.clone());
    spec.git.iter().filter_map(|git| git.credentials.clone()).chain(forge).collect()
}

/// The names of the credentials that its sources name.
pub fn named_by_sources(estate: &Estate) -> BTreeSet<Text> {
    let sources = estate.sources.iter().filter(|source| !source.spec.suspend);
    sources.flat_map(|source| source.spec.credentials().cloned()).collect()
}

/// Reads the Secrets of these names. What is wrong with one is told where it is used, and in [`Credentials::problems`].
pub async fn read(client: &Client, namespace: &str, names: BTreeSet<Text>) -> Read {
    let secrets: Api<Object> = Api::namespaced(client.clone(), namespace);
    let mut folder = Folder::default();
    let mut read = Vec::new();
    let (mut versions, mut host_keys) = (BTreeMap::new(), Vec::new());
    for name in names {
        let unusable = |reason: String| CredentialError::Unusable { name: name.clone(), reason };
        let found = if is_name(&name) { fetch(&secrets, &name, namespace).await } else { Err(CROSS.to_owned()) };
        let credential = found.map_err(&unusable).and_then(|object| {
            versions.insert(name.clone(), object.metadata.resource_version.clone().unwrap_or_default());
            let credential = credential(&name, &object, &mut |key, text| folder.write(&name, key, text)).map_err(&unusable)?;
            if matches!(credential.login, Login::Password { .. }) && Keys(&object).has("known_hosts") {
                let known_hosts = Keys(&object).text("known_hosts").and_then(|text| folder.write(&name, "known_hosts", text)).map_err(&unusable)?;
                host_keys.push((name.clone(), HostKeys { known_hosts: Some(known_hosts), ..HostKeys::default() }));
            }
            Ok(credential)
        });
        read.push((name, credential));
    }
    Read { credentials: Credentials::of_results(read).with_host_keys(host_keys), versions, _files: folder.0 }
}

const CROSS: &str = "it is no name of a Secret of the estate's own namespace; Secrets of other namespaces cannot be named";

async fn fetch(secrets: &Api<Object>, name: &str, namespace: &str) -> Result<Object, String> {
    let answer = tokio::time::timeout(PATIENCE, secrets.get_opt(name)).await;
    match answer {
        Ok(Ok(Some(object))) => Ok(object),
        Ok(Ok(None)) => Err(format!("there is no Secret `{name}` in the namespace `{namespace}`")),
        Ok(Err(kube::Error::Api(status))) => Err(format!("the Secret `{name}` of the namespace `{namespace}` cannot be read: {}", status.message)),
        // The text of another error may hold what was answered.
        Ok(Err(_)) => Err(format!("the Secret `{name}` of the namespace `{namespace}` cannot be read")),
        Err(_) => Err(format!("the API server did not answer within {} s when asked for the Secret `{name}`", PATIENCE.as_secs())),
    }
}

/// Whether it may be the name of a Secret: no slash leads elsewhere.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    !name.is_empty() && name.len() <= 253 && name.bytes().all(allowed) && !name.starts_with('.') && !name.contains("..")
}

/// The credential that a Secret holds. `file` puts a key's text into a file. Errors never say a value.
fn credential(name: &Text, object: &Object, file: &mut dyn FnMut(&str, &str) -> Result<PathBuf, String>) -> Result<Credential, String> {
    let labels = object.metadata.labels.as_ref();
    if labels.and_then(|labels| labels.get(LABEL)).map(String::as_str) != Some("true") {
        return Err(format!("the Secret `{name}` does not have the label `{LABEL}: \"true\"`, so it is not for Bowline"));
    }
    let hosts = object.metadata.annotations.as_ref().and_then(|annotations| annotations.get(HOSTS)).map(String::as_str).unwrap_or_default();
    let hosts: Result<Vec<HostPattern>, _> = hosts.split([',', ' ', '\n']).filter(|host| !host.is_empty()).map(str::parse).collect();
    let hosts = hosts.map_err(|error| format!("its annotation `{HOSTS}`: {error}"))?;
    if hosts.is_empty() {
        return Err(format!("the Secret `{name}` has no annotation `{HOSTS}`, which names the hosts to which it may be sent"));
    }
    Ok(Credential { name: name.clone(), hosts, login: login(&Keys(object), file)? })
}

/// The values of a Secret.
struct Keys<'a>(&'a Object);

impl Keys<'_> {
    fn has(&self, key: &str) -> bool {
        self.0.data.as_ref().is_some_and(|data| data.contains_key(key))
    }

    /// A value without the end of its last line.
    fn text(&self, key: &str) -> Result<&str, String> {
        let bytes = self.0.data.as_ref().and_then(|data| data.get(key)).ok_or_else(|| format!("it lacks the key `{key}`"))?;
        let text = std::str::from_utf8(&bytes.0).map_err(|_| format!("its key `{key}` is not text"))?;
        let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
        if text.is_empty() { Err(format!("its key `{key}` is empty")) } else { Ok(text) }
    }

    fn secret(&self, key: &str) -> Result<Secret, String> {
        self.text(key).map(Secret::new)
    }

    fn number(&self, key: &str) -> Result<u64, String> {
        self.text(key)?.trim().parse().map_err(|_| format!("its key `{key}` is not a number"))
    }
}

fn login(keys: &Keys<'_>, file: &mut dyn FnMut(&str, &str) -> Result<PathBuf, String>) -> Result<Login, String> {
    const WAYS: [&str; 7] = ["token", "password", "ssh-privatekey", "tls.crt", "githubAppId", "community", "authPassword"];
    let given: Vec<&str> = WAYS.into_iter().filter(|way| keys.has(way)).collect();
    let [way] = given.as_slice() else {
        return Err(format!("it must have exactly one of the keys `{}`", WAYS.join("`, `")));
    };
    let user = || keys.has("username").then(|| keys.text("username").map(Text::from)).transpose();
    Ok(match *way {
        "token" => Login::Token { user: user()?, token: keys.secret("token")? },
        "password" => Login::Password { user: keys.text("username")?.into(), password: keys.secret("password")? },
        "community" => Login::Community(keys.secret("community")?),
        "authPassword" => {
            let authentication = (keys.text("authProtocol")?, keys.secret("authPassword")?);
            // Half of it is a mistake: what is to be encrypted must not go in the clear for it.
            let privacy =
                if keys.has("privProtocol") || keys.has("privPassword") { Some((keys.text("privProtocol")?, keys.secret("privPassword")?)) } else { None };
            Login::SnmpUser(snmp::User::new(keys.text("username")?.into(), authentication, privacy)?)
        }
        "tls.crt" => Login::ClientCertificate { certificate: keys.text("tls.crt")?.into(), key: keys.secret("tls.key")? },
        "githubAppId" => Login::GithubApp {
            app_id: keys.number("githubAppId")?,
            installation_id: keys.number("githubAppInstallationId")?,
            private_key: keys.secret("githubAppPrivateKey")?,
        },
        _ => {
            let known_hosts = if keys.has("known_hosts") { Some(file("known_hosts", keys.text("known_hosts")?)?) } else { None };
            Login::SshKey { file: file("key", keys.text("ssh-privatekey")?)?, known_hosts }
        }
    })
}

/// A folder that nobody else may read, made when it is needed.
#[derive(Default)]
struct Folder(Option<TempDir>);

impl Folder {
    fn write(&mut self, name: &str, key: &str, text: &str) -> Result<PathBuf, String> {
        let told = |error: std::io::Error| format!("its key cannot be put into a file for ssh: {}", error.kind());
        let folder = match &self.0 {
            Some(folder) => folder.path(),
            None => self.0.insert(tempfile::Builder::new().prefix("bowline-keys-").tempdir().map_err(told)?).path(),
        };
        let path = folder.join(format!("{name}.{key}"));
        private_file(&path).and_then(|mut file| writeln!(file, "{text}")).map_err(told)?;
        Ok(path)
    }
}

/// Makes a file that only its owner may read.
fn private_file(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    fn secret(labelled: bool, hosts: &str, data: &[(&str, &str)]) -> Object {
        let mut object = Object::default();
        if labelled {
            object.metadata.labels = Some(BTreeMap::from([(LABEL.to_owned(), "true".to_owned())]));
        }
        object.metadata.annotations = Some(BTreeMap::from([(HOSTS.to_owned(), hosts.to_owned())]));
        object.data = Some(data.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec()))).collect());
        object
    }

    fn read(object: &Object) -> Result<Credential, String> {
        let result = credential(&"forge".into(), object, &mut |key, _| Ok(PathBuf::from(key)));
        if let Err(error) = &result {
            assert!(!error.contains("canary"), "{error}");
        }
        result
    }

    #[test]
    fn every_kind_of_login_is_read() {
        let login = |data: &[(&str, &str)]| read(&secret(true, "git.example.com, *.example.org:443", data)).unwrap().login;
        assert!(matches!(login(&[("token", "canary\n")]), Login::Token { user: None, token } if token.expose() == "canary"));
        assert!(matches!(login(&[("token", "canary"), ("username", "alice")]), Login::Token { user: Some(_), .. }));
        assert!(matches!(login(&[("username", "alice"), ("password", "canary")]), Login::Password { user, .. } if &*user == "alice"));
        assert!(matches!(login(&[("tls.crt", "c"), ("tls.key", "canary")]), Login::ClientCertificate { .. }));
        assert!(matches!(login(&[("ssh-privatekey", "canary"), ("known_hosts", "h")]), Login::SshKey { known_hosts: Some(_), .. }));
        assert!(matches!(login(&[("community", "canary")]), Login::Community(community) if community.expose() == "canary"));
        let user =
            [("username", "alice"), ("authProtocol", "SHA256"), ("authPassword", "canary-4711"), ("privProtocol", "AES128"), ("privPassword", "canary-4711")];
        assert!(matches!(login(&user), Login::SnmpUser(snmp::User { privacy: Some(_), .. })));
        assert!(matches!(login(&user[..3]), Login::SnmpUser(snmp::User { privacy: None, .. })));
        assert!(read(&secret(true, "git.example.com", &user[..4])).is_err_and(|error| error.contains("privPassword")));
        let app = [("githubAppId", "1"), ("githubAppInstallationId", "2"), ("githubAppPrivateKey", "canary")];
        assert!(matches!(login(&app), Login::GithubApp { app_id: 1, installation_id: 2, .. }));
    }

    /// Any Secret of a namespace must not be had by naming it (rule 8).
    #[test]
    fn a_secret_without_label_or_hosts_is_no_credential() {
        let token = [("token", "canary")];
        assert!(read(&secret(false, "git.example.com", &token)).unwrap_err().contains(LABEL));
        assert!(read(&secret(true, " , ", &token)).unwrap_err().contains(HOSTS));
        assert!(read(&secret(true, "https://git.example.com/", &token)).unwrap_err().contains(HOSTS));
        assert!(read(&secret(true, "git.example.com", &[("password", "canary")])).unwrap_err().contains("username"));
        assert!(read(&secret(true, "git.example.com", &[("passwort", "canary")])).unwrap_err().contains("exactly one"));
        assert!(read(&secret(true, "git.example.com", &[("token", "canary"), ("password", "canary")])).unwrap_err().contains("exactly one"));
        assert!(read(&secret(true, "git.example.com", &[("token", "")])).unwrap_err().contains("empty"));
    }

    #[test]
    fn only_names_of_the_own_namespace_are_asked_for() {
        assert!(is_name("forge") && is_name("a.b-c"));
        for name in ["", "other/forge", "../forge", "a/../b", "Forge", "a b", "a%2fb", ".", "a..b"] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn keys_of_ssh_are_files_of_their_owner() {
        let mut folder = Folder::default();
        let path = folder.write("forge", "key", "canary").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "canary\n");
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions()) & 0o777, 0o600);
    }
}
