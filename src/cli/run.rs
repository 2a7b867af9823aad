//! `tenantry run`: the controller, against a cluster or a folder.

use std::path::PathBuf;

use clap::Args;

use super::Verdict;
use super::apply::SourceArguments;
use super::fail::{Fail, out_error};
use super::out::Out;
use super::story::{Scene, Story};
use crate::app::run::{Ended, prepare};
use crate::app::{self, AppError, Stop};
use crate::config::Settings;
use crate::controller;
use crate::engine::RootNamespaces;
use crate::files::{Options, Prune};

/// Follow a cluster, or a folder of YAML, and keep the database in line with it
///
/// Without --from it is the controller of a cluster: it takes the cluster from KUBECONFIG,
/// ~/.kube/config or the pod that it runs in. With --from it follows a folder and no cluster is
/// needed. In both it serves the pages behind the links in mails and sends these mails.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry run --from examples/quickstart\n  tenantry run --from accounts/ --prune --listen 127.0.0.1:8000\n  tenantry run --namespaces acme,globex --root-namespaces platform --database-url postgres://tenantry@db/tenantry --key-file /etc/tenantry/key --public-url https://accounts.example.org"
)]
pub(super) struct Run {
    /// Follow this folder, or file, instead of a cluster
    #[arg(long, value_name = "PATH", env = "TENANTRY_FROM")]
    pub(super) from: Option<PathBuf>,

    /// Watch only these namespaces of the cluster [default: all]
    #[arg(
        long,
        value_name = "NAMES",
        env = "TENANTRY_NAMESPACES",
        value_delimiter = ',',
        conflicts_with = "from"
    )]
    namespaces: Vec<String>,

    #[command(flatten)]
    source: SourceArguments,

    /// Mail servers of tenants that may lie on loopback, link-local or private addresses
    #[arg(long, value_name = "HOSTS", env = "TENANTRY_MAIL_ALLOW_HOSTS", value_delimiter = ',')]
    mail_allow_hosts: Vec<String>,
}

impl Run {
    pub(super) async fn run(
        self,
        mut settings: Settings,
        json_log: bool,
        out: &mut Out,
    ) -> Result<Verdict, Fail> {
        settings.mail_allow_hosts = words(&self.mail_allow_hosts);
        let stop = Stop::on_signals().map_err(|error| Fail::from(AppError::Signals(error)))?;
        let ended = match self.from.clone() {
            Some(path) => self.follow_folder(path, settings, json_log, out, stop).await?,
            None => self.follow_cluster(settings, stop).await?,
        };
        Ok(Verdict::from(ended == Ended::Softly))
    }

    async fn follow_folder(
        self,
        path: PathBuf,
        settings: Settings,
        quiet: bool,
        out: &mut Out,
        stop: Stop,
    ) -> Result<Ended, Fail> {
        let source = app::source_of(&path, self.source.source.as_deref())?;
        let roots = self.source.roots().unwrap_or(RootNamespaces::Any);
        let secrets_dir = app::secrets_of(self.source.secrets_dir)?;
        let prepared = prepare(settings.clone()).await?;
        let engine = prepared.engine(source, roots).await?;
        let base = app::base_of_links(&settings, prepared.pages_at());
        if base.is_none() {
            out_error(
                "warning: --public-url is not given and the pages listen for more than this machine: mails wait until it is",
            );
        }
        let scene = Scene {
            engine: engine.clone(),
            path: path.clone(),
            settings,
            base,
            pages: prepared.pages_at(),
            operations: prepared.operations_at(),
            quiet,
        };
        let mut story = Story::new(out, scene);
        let prune = Prune { enabled: self.source.prune, ..Prune::default() };
        let options = Options { path, secrets_dir };
        Ok(prepared.files(engine, options, prune, &mut story, stop).await?)
    }

    async fn follow_cluster(self, settings: Settings, stop: Stop) -> Result<Ended, Fail> {
        if self.source.prune || self.source.secrets_dir.is_some() {
            return Err(Fail::Usage(
                "--prune and --secrets-dir are for files: give --from PATH as well".to_owned(),
            ));
        }
        let client = controller::connect().await.map_err(AppError::from)?;
        let prepared = prepare(settings.clone()).await?;
        if settings.public_url.is_none() {
            out_error(
                "warning: --public-url is not given: mails wait until it is, because their links need it",
            );
        }
        let source = match self.source.source.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => name.to_owned(),
            None => controller::cluster_source(&client).await.map_err(AppError::from)?,
        };
        let own = || RootNamespaces::Listed(controller::own_namespace().into_iter().collect());
        let roots = self.source.roots().unwrap_or_else(own);
        if roots == RootNamespaces::Listed(vec![]) {
            out_error(
                "warning: no namespace is a root namespace, so that no Tenant without a parent is accepted: give --root-namespaces",
            );
        }
        let engine = prepared.engine(source, roots).await?;
        Ok(prepared.cluster(engine, client, words(&self.namespaces), stop).await?)
    }
}

fn words(list: &[String]) -> Vec<String> {
    list.iter().map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
}
