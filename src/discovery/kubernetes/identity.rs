//! Which server is asked, and as whom.
//!
//! An estate is input from whoever may open a pull request (rule 8). It may name a kubeconfig, which can run programs (`exec`), read
//! files (`tokenFile`) and send what they say to any server. So a kubeconfig that the estate brings says only where the server is
//! and which authorities vouch for it; who asks is then for the operator's credential, bound to that server's host. Bowline's own identity,
//! the user of a kubeconfig or the service account of its pod, is used only where the operator names that very file or folder with
//! `--allow-read`: allowing a folder to be read is not lending what lies in it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use kube::Config;
use kube::config::{Cluster, KubeConfigOptions, Kubeconfig};
use reqwest::Url;
use serde_json::json;

use super::client::host_and_port;
use crate::access::Access;
use crate::access::web::{authority, check_http};
use crate::api::discovery_source::KubernetesSource as Spec;
use crate::credentials::{Credentials, Login};

/// Where a pod finds its service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The largest kubeconfig or file of authorities, in bytes.
const LARGEST: u64 = 1024 * 1024;

type Environment = dyn Fn(&str) -> Option<String> + Send + Sync;

/// What is around: variables of the environment, and where a pod finds its service account.
pub struct Surroundings {
    environment: Box<Environment>,
    service_account: PathBuf,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self { environment: Box::new(|name| std::env::var(name).ok()), service_account: SERVICE_ACCOUNT.into() }
    }
}

impl Surroundings {
    /// Other ones, for tests.
    pub fn new(environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static, service_account: PathBuf) -> Self {
        Self { environment: Box::new(environment), service_account }
    }
}

/// What decides who asks.
pub struct Means {
    /// The estate's root.
    pub root: PathBuf,
    /// What the operator allows.
    pub access: Arc<Access>,
    /// The operator's credentials.
    pub credentials: Arc<Credentials>,
    /// What is around.
    pub surroundings: Surroundings,
}

/// Where the server was found.
struct Place {
    config: Config,
    /// Where the operator does not lend the identity that stands there: how that is done.
    not_lent: Option<String>,
}

impl Means {
    /// The server, and as whom it is asked. The error never quotes what a file holds. Reads files, so it blocks.
    pub(super) fn config(&self, spec: &Spec) -> Result<Config, String> {
        let Place { mut config, not_lent } = self.place(spec)?;
        let host = checked(&config)?;
        match (&spec.credentials, not_lent) {
            (Some(name), _) => {
                let credential = self.credentials.for_host(name, &host).map_err(|error| error.to_string())?;
                config.auth_info = kube::config::AuthInfo::default();
                log_in(&mut config, name, &credential.login)?;
            }
            (None, Some(reason)) => return Err(reason),
            (None, None) => {}
        }
        config.default_retry = false;
        Ok(config)
    }

    fn place(&self, spec: &Spec) -> Result<Place, String> {
        if let Some(declared) = &spec.kubeconfig {
            return self.kubeconfig(spec, declared);
        }
        if let (Some(host), Some(port)) = (self.variable("KUBERNETES_SERVICE_HOST"), self.variable("KUBERNETES_SERVICE_PORT"))
            && spec.context.is_none()
        {
            return self.in_cluster(&host, &port);
        }
        self.kubeconfig(spec, &self.default_kubeconfig()?)
    }

    fn variable(&self, name: &str) -> Option<String> {
        (self.surroundings.environment)(name).filter(|value| !value.is_empty())
    }

    fn default_kubeconfig(&self) -> Result<String, String> {
        let listed = self.variable("KUBECONFIG");
        let several = listed.as_deref().map(|listed| std::env::split_paths(listed).filter(|path| !path.as_os_str().is_empty()).collect::<Vec<_>>());
        match several.as_deref() {
            Some([one]) => Ok(one.display().to_string()),
            Some([]) | None => {
                let home = self.variable("HOME").ok_or("there is no kubeconfig: name one with `kubeconfig`, or run Bowline in the cluster")?;
                Ok(Path::new(&home).join(".kube/config").display().to_string())
            }
            Some(_) => Err("`KUBECONFIG` names several files; name one with `kubeconfig`".to_owned()),
        }
    }

    fn kubeconfig(&self, spec: &Spec, declared: &str) -> Result<Place, String> {
        let file = self.access.path(&self.root, declared).map_err(|error| error.to_string())?;
        let text = read(&file, declared)?;
        let is_lent = self.is_named(&file);
        let bad = || format!("`{declared}` is no kubeconfig");
        let mut kubeconfig = if is_lent { Kubeconfig::read_from(&file) } else { Kubeconfig::from_yaml(&text) }.map_err(|_| bad())?;
        if !is_lent {
            self.disarm(&mut kubeconfig, &file)?;
        }
        let context = spec.context.as_deref().or(kubeconfig.current_context.as_deref()).unwrap_or_default().to_owned();
        if !kubeconfig.contexts.iter().any(|known| known.name == context) {
            return Err(format!("`{declared}` has no context `{context}`; name one of its own with `context`"));
        }
        // Reading the files that it names is all that this does, and it does not wait.
        let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
        let loaded = futures_util::FutureExt::now_or_never(Config::from_custom_kubeconfig(kubeconfig, &options));
        let mut config = loaded
            .and_then(Result::ok)
            .ok_or_else(|| format!("the context `{context}` of `{declared}` cannot be used: its cluster, its user or a file that they name cannot be read"))?;
        if let Some(exec) = &mut config.auth_info.exec {
            exec.interactive_mode = Some(kube::config::ExecInteractiveMode::Never);
        }
        let not_lent = (!is_lent).then(|| format!("who asks the API server is not said: name a credential of the operator with `credentials`, or let the operator lend the user of `{declared}` by naming exactly that file with --allow-read"));
        Ok(Place { config, not_lent })
    }

    /// Leaves where the clusters are and which authorities vouch for them.
    fn disarm(&self, kubeconfig: &mut Kubeconfig, file: &Path) -> Result<(), String> {
        for user in &mut kubeconfig.auth_infos {
            user.auth_info = Some(kube::config::AuthInfo::default());
        }
        let folder = file.parent().unwrap_or(Path::new("/"));
        for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
            cluster.insecure_skip_tls_verify = None;
            if let (None, Some(authorities)) = (&cluster.certificate_authority_data, cluster.certificate_authority.take()) {
                self.vouch(cluster, &folder.join(authorities))?;
            }
        }
        Ok(())
    }

    fn vouch(&self, cluster: &mut Cluster, authorities: &Path) -> Result<(), String> {
        use base64::Engine as _;
        let declared = authorities.display().to_string();
        let file = self.access.path(&self.root, &declared).map_err(|error| error.to_string())?;
        cluster.certificate_authority_data = Some(base64::engine::general_purpose::STANDARD.encode(read(&file, &declared)?));
        Ok(())
    }

    fn in_cluster(&self, host: &str, port: &str) -> Result<Place, String> {
        let folder = &self.surroundings.service_account;
        let port: u16 = port.parse().map_err(|_| "`KUBERNETES_SERVICE_PORT` is no port")?;
        let address = format!("https://{}", authority(host, port)).parse().map_err(|_| "`KUBERNETES_SERVICE_HOST` is no host")?;
        let mut config = Config::new(address);
        let authorities = folder.join("ca.crt");
        let pem = read(&authorities, &authorities.display().to_string())?;
        let certificates = crate::discovery::tls::read::certificates_in(pem.as_bytes()).map_err(|error| format!("`{}`: {error}", authorities.display()))?;
        config.root_cert = Some(certificates.iter().map(|certificate| certificate.to_vec()).collect());
        config.auth_info.token_file = Some(folder.join("token").display().to_string());
        let is_lent = folder.canonicalize().is_ok_and(|folder| self.is_named(&folder));
        let not_lent = (!is_lent).then(|| format!("the service account of Bowline's pod is not lent to this source: name a credential with `credentials`, or let the operator lend it by naming {} with --allow-read", folder.display()));
        Ok(Place { config, not_lent })
    }

    /// Whether the operator names exactly this.
    fn is_named(&self, real: &Path) -> bool {
        self.access.allow_read.iter().any(|named| named.canonicalize().is_ok_and(|named| named == real))
    }
}

/// A bounded file's text.
fn read(file: &Path, declared: &str) -> Result<String, String> {
    let told = |error: std::io::Error| format!("`{declared}` cannot be read: {}", error.kind());
    // Opening a pipe or a device could wait for ever.
    if !file.metadata().map_err(told)?.is_file() {
        return Err(format!("`{declared}` is not a file"));
    }
    let mut text = String::new();
    std::fs::File::open(file).map_err(told)?.take(LARGEST + 1).read_to_string(&mut text).map_err(told)?;
    if text.len() as u64 > LARGEST { Err(format!("`{declared}` is larger than 1 MiB")) } else { Ok(text) }
}

/// The host and port, where the server may be spoken to at all.
fn checked(config: &Config) -> Result<String, String> {
    let address = config.cluster_url.to_string();
    let url: Url = address.parse().map_err(|_| "the address of the API server cannot be read".to_owned())?;
    check_http(&url).map_err(|reason| format!("the address of the API server: {reason}"))?;
    if config.proxy_url.is_some() {
        return Err("the kubeconfig has a `proxy-url`, and the API server is only spoken to directly".to_owned());
    }
    let (host, port) = host_and_port(&config.cluster_url).ok_or("the address of the API server names no host")?;
    Ok(authority(host, port))
}

fn log_in(config: &mut Config, name: &str, login: &Login) -> Result<(), String> {
    use base64::Engine as _;
    let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    match login {
        Login::Token { token, .. } => {
            let mut value =
                HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(|_| format!("the credential `{name}` cannot be sent: it is no token"))?;
            value.set_sensitive(true);
            config.headers.push((AUTHORIZATION, value));
            Ok(())
        }
        Login::ClientCertificate { certificate, key } => {
            let user = json!({"client-certificate-data": encoded(certificate), "client-key-data": encoded(key.expose())});
            config.auth_info = serde_json::from_value(user).map_err(|_| format!("the credential `{name}` cannot be used"))?;
            Ok(())
        }
        _ => Err(format!("the credential `{name}` is neither a token nor a client certificate, which is what a Kubernetes API server takes")),
    }
}
