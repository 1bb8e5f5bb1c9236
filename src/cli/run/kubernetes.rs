//! `bowline run --kubernetes`: the controller over the objects of a cluster.

use std::path::PathBuf;
use std::sync::Arc;

use bowline::api::Text;
use bowline::controller::kubernetes::gate::{Alone, Gate, Shared};
use bowline::controller::kubernetes::watch::Watched;
use bowline::controller::kubernetes::{self, Heart, Settings};
use bowline::controller::lease::{Leases, identity};
use bowline::controller::metrics::Metrics;
use bowline::failure::Failure;
use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::sync::watch;

use crate::cli::options::Options;
use crate::cli::{Outcome, interrupted, log, operations, session};

/// What has to do with a cluster.
#[derive(Args, Clone, Debug)]
#[allow(clippy::doc_markdown)] // these comments are what --help prints
pub struct Cluster {
    /// Reconcile the Estates of a Kubernetes cluster instead of an estate in a folder or repository
    #[arg(long, conflicts_with_all = ["listen", "webhook_secret"])]
    pub kubernetes: bool,

    /// The kubeconfig [default: the pod's own service account, else $KUBECONFIG or ~/.kube/config]
    #[arg(long, value_name = "FILE", requires = "kubernetes")]
    kubeconfig: Option<PathBuf>,

    /// The context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME", requires = "kubernetes")]
    context: Option<String>,

    /// Watch this namespace only; may be repeated [default: all]
    #[arg(long, value_name = "NAMESPACE", requires = "kubernetes", env = "BOWLINE_NAMESPACES", value_delimiter = ',')]
    namespace: Vec<Text>,

    /// Files for the sources of Estates in the cluster: those below FOLDER/NAMESPACE may be read by the Estate of that namespace
    #[arg(long, value_name = "FOLDER", requires = "kubernetes", env = "BOWLINE_FILES", hide_env_values = true)]
    files: Option<PathBuf>,

    /// There is no other replica, so that no Leases are needed to share the Estates
    #[arg(long, requires = "kubernetes", env = "BOWLINE_ALONE")]
    alone: bool,
}

/// Reconciles until it is told to stop.
pub async fn run(options: &Options, arguments: &Cluster, operations: &operations::Operations) -> Result<Outcome, Failure> {
    if options.at.is_some() {
        return Err(Failure::new("--at means nothing with --kubernetes").hint("`bowline plan --at` over the same documents shows what would be planned then"));
    }
    let client = client(arguments).await?;
    let (halt, stop) = watch::channel(false);
    let instance = std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME")).ok().filter(|name| !name.is_empty());
    let (watched, metrics) = (Arc::new(Watched::default()), Arc::new(Metrics::new()));
    let gate: Arc<dyn Gate> = if arguments.alone {
        Arc::new(Alone)
    } else {
        let leases = Leases::new(client.clone(), &identity(instance.as_deref().unwrap_or_default())).with_metrics(metrics.clone());
        Arc::new(Shared::new(leases, watched.clone()))
    };
    let heart = Arc::new(Heart::new(watched.clone()));
    let looked_after = operations.serve(heart.clone(), metrics.clone()).await?;
    let settings = Settings {
        client,
        namespaces: arguments.namespace.iter().filter(|name| !name.is_empty()).cloned().collect(),
        access: session::access(options)?,
        state: options.state_folder(),
        files: arguments.files.clone(),
        instance,
        gate,
        metrics,
        heart,
        redactors: log::redactors(),
    };
    let signal = async {
        interrupted().await;
        let _ = halt.send(true);
    };
    let (ended, ()) = tokio::join!(kubernetes::run(settings, watched, stop), signal);
    if let Some(serving) = looked_after {
        serving.abort();
    }
    ended.map(|()| Outcome::Done)
}

async fn client(arguments: &Cluster) -> Result<Client, Failure> {
    let options = KubeConfigOptions { context: arguments.context.clone(), ..KubeConfigOptions::default() };
    let unusable = |error: &dyn std::fmt::Display| {
        Failure::new(format!("the cluster's API server cannot be found: {error}"))
            .hint("name a kubeconfig with --kubeconfig, or run Bowline in a pod of the cluster")
    };
    let config = match &arguments.kubeconfig {
        Some(file) => {
            let kubeconfig = Kubeconfig::read_from(file).map_err(|error| unusable(&error))?;
            Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| unusable(&error))?
        }
        None if arguments.context.is_some() => Config::from_kubeconfig(&options).await.map_err(|error| unusable(&error))?,
        None => match Config::incluster() {
            Ok(config) => config,
            Err(_) => Config::from_kubeconfig(&options).await.map_err(|error| unusable(&error))?,
        },
    };
    Client::try_from(config).map_err(|error| unusable(&error))
}
