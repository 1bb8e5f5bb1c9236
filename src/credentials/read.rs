//! Reading the operator's credentials file. What is wrong is told by names of fields and places, never by values: a
//! library's own message could quote one.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_yaml::{Mapping, Value};

use super::host_keys::{is_fingerprint, name_of};
use super::snmp::User;
use super::{Credential, CredentialError, Credentials, HostKeys, Login, Secret};
use crate::api::Text;

/// The largest file, of credentials or of one value, in bytes.
const LARGEST: u64 = 1024 * 1024;

const FIELDS: [&str; 12] =
    ["name", "hosts", "token", "user", "password", "clientCertificate", "sshKey", "knownHosts", "hostKeys", "githubApp", "community", "snmp"];

/// What reading one entry needs.
struct Reader<'a> {
    folder: &'a Path,
    environment: &'a dyn Fn(&str) -> Option<String>,
    warnings: Vec<String>,
}

pub(super) fn load(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Credentials, CredentialError> {
    let failed = |reason: String| CredentialError::File { file: path.display().to_string(), reason };
    let mut warnings = Vec::new();
    let text = read_file(path, &mut warnings).map_err(failed)?;
    let mut reader = Reader { folder: path.parent().unwrap_or(Path::new(".")), environment, warnings };
    let (mut entries, mut host_keys) = (BTreeMap::new(), BTreeMap::new());
    for (index, entry) in documents(&text).map_err(failed)?.iter().enumerate() {
        let place = format!("entry {}", index + 1);
        let entry = entry.as_mapping().ok_or_else(|| failed(format!("{place} is not a mapping with `name` and `hosts`")))?;
        let name = entry.get("name").and_then(Value::as_str).filter(|name| !name.is_empty()).ok_or_else(|| failed(format!("{place} has no `name`")))?;
        let name = Text::from(name);
        let unusable = |reason| CredentialError::Unusable { name: name.clone(), reason };
        let credential = reader.credential(&name, entry).and_then(|credential| Ok((credential, reader.host_keys(entry)?))).map_err(unusable);
        let twice = CredentialError::Unusable { name: name.clone(), reason: "the credentials file has two of this name".to_owned() };
        let credential = if entries.contains_key(&name) { Err(twice) } else { credential };
        let credential = credential.map(|(credential, known)| {
            host_keys.extend(known.map(|known| (name.clone(), known)));
            credential
        });
        entries.insert(name, credential);
    }
    Ok(Credentials { entries, host_keys, warnings: reader.warnings })
}

/// Every entry of every document: a document is an entry or a list of them.
fn documents(text: &str) -> Result<Vec<Value>, String> {
    let mut entries = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        match Value::deserialize(document).map_err(|error| syntax(&error))? {
            Value::Null => {}
            Value::Sequence(list) => entries.extend(list),
            entry => entries.push(entry),
        }
    }
    Ok(entries)
}

fn syntax(error: &serde_yaml::Error) -> String {
    match error.location() {
        Some(place) => format!("it is not YAML, near line {}, column {}", place.line(), place.column()),
        None => "it is not YAML".to_owned(),
    }
}

impl Reader<'_> {
    fn credential(&mut self, name: &Text, entry: &Mapping) -> Result<Credential, String> {
        known_fields(entry, &FIELDS)?;
        let hosts = hosts(entry.get("hosts"))?;
        let logins = ["token", "password", "clientCertificate", "sshKey", "githubApp", "community", "snmp"];
        let given: Vec<&str> = logins.into_iter().filter(|field| entry.contains_key(*field)).collect();
        let [field] = given.as_slice() else {
            return Err(format!("it must have exactly one of `{}`", logins.join("`, `")));
        };
        let value = entry.get(*field).unwrap_or(&Value::Null);
        let login = self.login(field, value, entry)?;
        Ok(Credential { name: name.clone(), hosts, login })
    }

    fn login(&mut self, field: &str, value: &Value, entry: &Mapping) -> Result<Login, String> {
        let user = match entry.get("user") {
            None => None,
            Some(user) => Some(Text::from(user.as_str().filter(|user| !user.is_empty()).ok_or("`user` must be a name")?)),
        };
        if user.is_some() && !matches!(field, "token" | "password" | "snmp") {
            return Err(format!("`user` does not go with `{field}`"));
        }
        if let Some(known) = ["knownHosts", "hostKeys"].into_iter().find(|known| entry.contains_key(*known) && !matches!(field, "sshKey" | "password")) {
            return Err(format!("`{known}` goes with `sshKey` or `password` only"));
        }
        match field {
            "token" => Ok(Login::Token { user, token: self.secret(field, value)? }),
            "password" => Ok(Login::Password { user: user.ok_or("`password` needs `user`")?, password: self.secret(field, value)? }),
            "community" => Ok(Login::Community(self.secret(field, value)?)),
            "snmp" => self.snmp(user.ok_or("`snmp` needs `user`")?, value),
            "clientCertificate" => {
                let parts = parts(field, value, &["certificate", "key"])?;
                let certificate = self.secret("clientCertificate.certificate", part(parts, "certificate"))?;
                let key = self.secret("clientCertificate.key", part(parts, "key"))?;
                Ok(Login::ClientCertificate { certificate: certificate.expose().into(), key })
            }
            "sshKey" => {
                let file = self.key_file(field, value)?;
                let known_hosts = entry.get("knownHosts").map(|hosts| self.existing("knownHosts", hosts)).transpose()?;
                Ok(Login::SshKey { file, known_hosts })
            }
            _ => {
                let parts = parts(field, value, &["appId", "installationId", "privateKey"])?;
                let number = |field: &str| part(parts, field).as_u64().ok_or_else(|| format!("`githubApp.{field}` must be a number"));
                let (app_id, installation_id) = (number("appId")?, number("installationId")?);
                Ok(Login::GithubApp { app_id, installation_id, private_key: self.secret("githubApp.privateKey", part(parts, "privateKey"))? })
            }
        }
    }

    /// What is known of the keys of its hosts, if anything.
    fn host_keys(&self, entry: &Mapping) -> Result<Option<HostKeys>, String> {
        let known_hosts = entry.get("knownHosts").map(|hosts| self.existing("knownHosts", hosts)).transpose()?;
        let mut fingerprints = Vec::new();
        if let Some(keys) = entry.get("hostKeys") {
            let keys = keys.as_mapping().filter(|keys| !keys.is_empty()).ok_or("`hostKeys` must have a host and its fingerprint, or a list of them")?;
            for (host, of_host) in keys {
                let name = host.as_str().and_then(name_of).ok_or("`hostKeys` has a host that is none; write host or [host]:port")?;
                let list = of_host.as_sequence().map_or(std::slice::from_ref(of_host), Vec::as_slice);
                let is_right = |key: &Value| key.as_str().filter(|key| is_fingerprint(key)).map(str::to_owned);
                let list = list.iter().map(is_right).collect::<Option<Vec<String>>>();
                let list =
                    list.ok_or_else(|| format!("`hostKeys`: what is said of `{name}` is no fingerprint, as `ssh-keygen -lf FILE` shows it: SHA256:…"))?;
                fingerprints.extend(list.into_iter().map(|key| (name.clone(), key)));
            }
        }
        let known = HostKeys { known_hosts, fingerprints };
        Ok((known != HostKeys::default()).then_some(known))
    }

    /// A user of SNMP v3.
    fn snmp(&mut self, user: Text, value: &Value) -> Result<Login, String> {
        let given = parts("snmp", value, &["authentication", "privacy"])?;
        let mut protocol = |name: &str| {
            let field = format!("snmp.{name}");
            let of = parts(&field, part(given, name), &["protocol", "password"])?;
            let protocol = part(of, "protocol").as_str().ok_or_else(|| format!("`{field}.protocol` must be a name"))?;
            Ok::<_, String>((protocol, self.secret(&format!("{field}.password"), part(of, "password"))?))
        };
        let authentication = protocol("authentication")?;
        let privacy = if given.contains_key("privacy") { Some(protocol("privacy")?) } else { None };
        User::new(user, authentication, privacy).map(Login::SnmpUser)
    }

    /// The value behind `{env: NAME}` or `{file: PATH}`, without the end of its last line.
    fn secret(&mut self, field: &str, value: &Value) -> Result<Secret, String> {
        let (by, target) = reference(field, value)?;
        let text = if by == "env" {
            (self.environment)(target).ok_or_else(|| format!("`{field}`: the environment has no variable `{target}`"))?
        } else {
            let path = self.folder.join(target);
            read_file(&path, &mut self.warnings).map_err(|reason| format!("`{field}`: the file `{}` cannot be read: {reason}", path.display()))?
        };
        let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
        if text.is_empty() { Err(format!("`{field}`: `{target}` is empty")) } else { Ok(Secret::new(text)) }
    }

    /// The file behind `{file: PATH}`, which must be there.
    fn existing(&self, field: &str, value: &Value) -> Result<PathBuf, String> {
        let ("file", target) = reference(field, value)? else {
            return Err(format!("`{field}` must be {{file: PATH}}"));
        };
        let path = self.folder.join(target);
        let path = std::path::absolute(&path).unwrap_or(path);
        if path.is_file() { Ok(path) } else { Err(format!("`{field}`: there is no file `{}`", path.display())) }
    }

    fn key_file(&mut self, field: &str, value: &Value) -> Result<PathBuf, String> {
        let path = self.existing(field, value)?;
        warn_if_open(&path, &mut self.warnings);
        Ok(path)
    }
}

/// `{env: NAME}` or `{file: PATH}` as its two words. The error does not quote: a value may stand here by mistake.
fn reference<'a>(field: &str, value: &'a Value) -> Result<(&'static str, &'a str), String> {
    let wrong = || format!("`{field}` must be {{env: NAME}} or {{file: PATH}}: a value itself never stands in this file");
    let mapping = value.as_mapping().filter(|mapping| mapping.len() == 1).ok_or_else(wrong)?;
    ["env", "file"].into_iter().find_map(|by| Some((by, mapping.get(by)?.as_str()?))).ok_or_else(wrong)
}

fn parts<'a>(field: &str, value: &'a Value, known: &[&str]) -> Result<&'a Mapping, String> {
    let mapping = value.as_mapping().ok_or_else(|| format!("`{field}` must have `{}`", known.join("`, `")))?;
    known_fields(mapping, known).map_err(|reason| format!("`{field}`: {reason}"))?;
    Ok(mapping)
}

fn part<'a>(parts: &'a Mapping, name: &str) -> &'a Value {
    parts.get(name).unwrap_or(&Value::Null)
}

fn known_fields(mapping: &Mapping, known: &[&str]) -> Result<(), String> {
    let Some(key) = mapping.keys().find(|key| key.as_str().is_none_or(|key| !known.contains(&key))) else { return Ok(()) };
    let near = known.iter().find(|field| strsim::damerau_levenshtein(field, key.as_str().unwrap_or_default()) <= 2);
    let hint = near.map(|field| format!("; did you mean `{field}`?")).unwrap_or_default();
    Err(format!("it has a field other than `{}`{hint}", known.join("`, `")))
}

fn hosts(value: Option<&Value>) -> Result<Vec<crate::access::HostPattern>, String> {
    let list = value.and_then(Value::as_sequence).filter(|list| !list.is_empty());
    let list = list.ok_or("`hosts` must list the hosts to which it may be sent")?;
    list.iter().map(|host| host.as_str().ok_or("`hosts` must be a list of names")?.parse().map_err(|error| format!("`hosts`: {error}"))).collect()
}

fn read_file(path: &Path, warnings: &mut Vec<String>) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    if !file.metadata().map_err(|error| error.to_string())?.is_file() {
        return Err("it is not a file".to_owned());
    }
    let mut text = String::new();
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > LARGEST {
        return Err(format!("it is larger than {LARGEST} bytes"));
    }
    warn_if_open(path, warnings);
    Ok(text)
}

/// A file that others may read keeps no secret.
#[cfg(unix)]
fn warn_if_open(path: &Path, warnings: &mut Vec<String>) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
    if mode & 0o077 != 0 {
        warnings.push(format!("`{}` may be read by others (mode {mode:03o}); `chmod 600` closes it", path.display()));
    }
}

#[cfg(not(unix))]
fn warn_if_open(_: &Path, _: &mut Vec<String>) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str) -> (tempfile::TempDir, Result<Credentials, CredentialError>) {
        let folder = tempfile::tempdir().unwrap();
        for (name, value) in
            [("token", "canary-file\n"), ("key.pem", "-----BEGIN PRIVATE KEY-----\ncanary\n"), ("id", "key"), ("known", "h"), ("credentials.yaml", text)]
        {
            std::fs::write(folder.path().join(name), value).unwrap();
        }
        let credentials = Credentials::load_with(&folder.path().join("credentials.yaml"), &|name| (name == "TOKEN").then(|| "canary-env\r\n".to_owned()));
        (folder, credentials)
    }

    fn problem(entry: &str) -> String {
        let (_folder, credentials) = load_text(entry);
        let text = match credentials {
            Err(error) => error.to_string(),
            Ok(credentials) => credentials.problems().map(ToString::to_string).collect(),
        };
        assert!(!text.contains("canary"), "{text}");
        text
    }

    #[test]
    fn every_kind_of_login_is_read_from_lists_and_from_documents() {
        let (_folder, credentials) = load_text(
            "- {name: a, token: {env: TOKEN}, hosts: [h]}\n- {name: b, token: {file: token}, hosts: [h]}\n---\nname: c\nuser: alice\npassword: {file: token}\nhosts: [h]\n---\n\
             - {name: d, clientCertificate: {certificate: {file: key.pem}, key: {file: key.pem}}, hosts: [h]}\n\
             - {name: e, sshKey: {file: id}, knownHosts: {file: known}, hosts: [h]}\n\
             - {name: f, githubApp: {appId: 1, installationId: 2, privateKey: {file: key.pem}}, hosts: [h]}\n\
             - {name: g, community: {file: token}, hosts: [h]}\n\
             - {name: h, user: alice, snmp: {authentication: {protocol: SHA1, password: {file: token}}}, hosts: [h]}\n\
             - name: i\n  user: alice\n  hosts: [h]\n  snmp: {authentication: {protocol: SHA1, password: {file: token}}, privacy: {protocol: AES128, password: {env: TOKEN}}}\n",
        );
        let credentials = credentials.unwrap();
        assert_eq!(credentials.problems().count(), 0);
        let login = |name: &str| credentials.for_host(name, "h").unwrap().login.clone();
        assert!(matches!(login("a"), Login::Token { token, .. } if token.expose() == "canary-env"));
        assert!(matches!(login("b"), Login::Token { token, .. } if token.expose() == "canary-file"));
        assert!(matches!(login("c"), Login::Password { user, password } if &*user == "alice" && password.expose() == "canary-file"));
        assert!(matches!(login("d"), Login::ClientCertificate { .. }));
        assert!(matches!(login("e"), Login::SshKey { known_hosts: Some(_), .. }));
        assert!(matches!(login("f"), Login::GithubApp { app_id: 1, installation_id: 2, .. }));
        assert!(matches!(login("g"), Login::Community(community) if community.expose() == "canary-file"));
        assert!(matches!(login("h"), Login::SnmpUser(User { privacy: None, .. })));
        assert!(matches!(login("i"), Login::SnmpUser(user) if user.privacy.as_ref().unwrap().1.expose() == "canary-env"));
        assert_eq!(credentials.redactor().redact("canary-env, canary-file"), "(secret), (secret)");
    }

    #[test]
    fn the_keys_of_hosts_are_known_by_a_file_by_fingerprints_or_by_both() {
        let fingerprint = "SHA256:uNiVztksCsDhcc0u9e8BrrhA6Yv6MxFZ7x1KkFvz0Ao";
        let (_folder, credentials) = load_text(&format!(
            "- {{name: a, sshKey: {{file: id}}, knownHosts: {{file: known}}, hosts: [h]}}\n- {{name: b, user: alice, password: {{env: TOKEN}}, knownHosts: {{file: known}}, hosts: [h]}}\n\
             - {{name: c, sshKey: {{file: id}}, hosts: [h], hostKeys: {{H.: '{fingerprint}', '[h]:2222': ['{fingerprint}']}}}}\n- {{name: d, sshKey: {{file: id}}, hosts: [h]}}\n",
        ));
        let credentials = credentials.unwrap();
        assert_eq!(credentials.problems().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
        assert!(["a", "b"].into_iter().all(|name| credentials.host_keys(name).known_hosts.is_some()));
        assert_eq!(credentials.host_keys("c").fingerprints, ["h", "[h]:2222"].map(|name| (name.to_owned(), fingerprint.to_owned())));
        assert_eq!(credentials.host_keys("d"), HostKeys::default());
        assert!(problem("{name: a, token: {env: TOKEN}, knownHosts: {file: known}, hosts: [h]}").contains("`sshKey` or `password` only"));
        for keys in ["{}", "canary", "{h: canary}", "{h: ['canary']}", "{'*.canary': SHA256:uNiVztksCsDhcc0u9e8BrrhA6Yv6MxFZ7x1KkFvz0Ao}"] {
            assert!(problem(&format!("{{name: a, sshKey: {{file: id}}, hostKeys: {keys}, hosts: [h]}}")).contains("`hostKeys`"), "{keys}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(problem("{name: a, token: {env: NOPE}, hosts: [h]}").contains("no variable `NOPE`"));
        assert!(problem("{name: a, token: {file: nope}, hosts: [h]}").contains("nope"));
        assert!(problem("{name: a, sshKey: {file: nope}, hosts: [h]}").contains("nope"));
        assert!(problem("{name: a, token: {env: TOKEN}}").contains("`hosts`"));
        assert!(problem("{name: a, hosts: [h]}").contains("exactly one of"));
        assert!(problem("{name: a, password: {env: TOKEN}, hosts: [h]}").contains("needs `user`"));
        assert!(problem("{name: a, tokn: {env: TOKEN}, hosts: [h]}").contains("did you mean `token`"));
        assert!(problem("{token: {env: TOKEN}, hosts: [h]}").contains("entry 1 has no `name`"));
        let snmp = |snmp: &str| problem(&format!("{{name: a, user: alice, snmp: {snmp}, hosts: [h]}}"));
        assert!(problem("{name: a, snmp: {authentication: {protocol: SHA1, password: {env: TOKEN}}}, hosts: [h]}").contains("`snmp` needs `user`"));
        assert!(snmp("{}").contains("`snmp.authentication` must have"));
        assert!(snmp("{authentication: {password: {env: TOKEN}}}").contains("`snmp.authentication.protocol`"));
        assert!(snmp("{authentication: {protocol: SHA1}}").contains("`snmp.authentication.password`"));
        assert!(snmp("{authentication: {protocol: AES128, password: {env: TOKEN}}}").contains("must be one of MD5, SHA1"));
    }

    #[test]
    fn one_bad_entry_leaves_the_others_usable() {
        let (_folder, credentials) = load_text("- {name: a, token: {env: NOPE}, hosts: [h]}\n- {name: b, token: {env: TOKEN}, hosts: [h]}\n");
        let credentials = credentials.unwrap();
        assert!(credentials.for_host("a", "h").is_err());
        assert!(credentials.for_host("b", "h").is_ok());
    }

    #[test]
    fn two_of_one_name_are_not_guessed_between() {
        assert!(problem("- {name: a, token: {env: TOKEN}, hosts: [h]}\n- {name: a, token: {env: TOKEN}, hosts: [x]}\n").contains("two of this name"));
    }

    /// A secret in an error: argo-cd#16193, atlantis#938.
    #[test]
    fn a_value_in_the_wrong_place_is_not_quoted() {
        for entry in [
            "{name: a, token: canary-inline, hosts: [h]}",
            "{name: a, token: {canary: x}, hosts: [h]}",
            "{name: a, token: {env: {canary: x}}, hosts: [h]}",
            "{name: a, token: [canary], hosts: [h]}",
            "{name: a, canary-field: x, token: {env: TOKEN}, hosts: [h]}",
            "{name: a, githubApp: canary, hosts: [h]}",
            "{name: a, community: canary, hosts: [h]}",
            "{name: a, user: alice, snmp: {authentication: {protocol: canary, password: canary}}, hosts: [h]}",
            "{name: a, user: alice, snmp: {authentication: {protocol: canary, password: {env: TOKEN}}}, hosts: [h]}",
            "name: a\ntoken: canary\n  broken: [\n",
            "name: a\ntoken: *canary\n",
            "canary",
        ] {
            assert!(!problem(entry).is_empty(), "{entry}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_warned_about() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.yaml");
        std::fs::write(&file, "{name: a, token: {env: TOKEN}, hosts: [h]}").unwrap();
        let load = || Credentials::load_with(&file, &|_| Some("canary".to_owned())).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(load().warnings().iter().any(|warning| warning.contains("640")));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(load().warnings().is_empty());
    }
}
