//! `run`: everything that goes on until it is told to stop. The lock and the
//! ports come first, so that a second start fails before it changes anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::trail::keep_sealing;
use super::{AppError, Post, RunLock, Stop, base_of_links, engine, lock, open};
use crate::config::Settings;
use crate::controller::{self, ControllerConfig};
use crate::engine::{Engine, RootNamespaces, Surroundings};
use crate::files::{self, FileSurroundings, Listener, Options, Passes, Prune};
use crate::store::{self, Store};
use crate::web::{self, Operations, Outside, Programs, Readiness, Tokens};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// What had begun was finished.
    Softly,
    /// It was cut short.
    Hard,
}

/// A run whose ports are open and whose database is ready, and that has done
/// nothing yet.
#[derive(Debug)]
pub struct Prepared {
    settings: Settings,
    pages: TcpListener,
    operations: TcpListener,
    tokens: Tokens,
    store: Store,
    lock: Option<RunLock>,
}

/// Takes the lock, opens the ports and the database.
pub async fn prepare(settings: Settings) -> Result<Prepared, AppError> {
    let lock = match store::sqlite_path(&settings.database_url) {
        Some(path) => Some(lock::take(&path)?),
        None => None,
    };
    let pages = web::listen(settings.listen.at, settings.listen.flag).await?;
    let operations = web::listen(settings.ops_listen.at, settings.ops_listen.flag).await?;
    let tokens = Tokens::read(settings.service_tokens_file.clone()).await?;
    let store = open(&settings).await?;
    Ok(Prepared { settings, pages, operations, tokens, store, lock })
}

impl Prepared {
    /// Where the pages listen.
    pub fn pages_at(&self) -> SocketAddr {
        self.pages.local_addr().unwrap_or(self.settings.listen.at)
    }

    /// Where health and metrics listen.
    pub fn operations_at(&self) -> SocketAddr {
        self.operations.local_addr().unwrap_or(self.settings.ops_listen.at)
    }

    /// An engine for one source.
    pub async fn engine(&self, source: String, roots: RootNamespaces) -> Result<Engine, AppError> {
        engine(&self.settings, self.store.clone(), source, roots).await
    }

    /// Follows a folder until told to stop.
    pub async fn files(
        self,
        engine: Engine,
        options: Options,
        prune: Prune,
        listener: &mut dyn Listener,
        stop: Stop,
    ) -> Result<Ended, AppError> {
        let base = base_of_links(&self.settings, self.pages_at());
        let world = FileSurroundings::new(options.secrets_dir.clone());
        let mails = Mails { base, world: Arc::new(world.clone()), public_only: None };
        let running = Running::begin(self, &engine, mails, Registry::default(), stop.clone())?;
        running.readiness.set(true);
        let passes = Passes::new(engine, world, prune);
        let source = files::watch(passes, options, listener, stop.soft.clone());
        running.until(async { source.await.map_err(AppError::from) }).await
    }

    /// Follows a cluster until told to stop.
    pub async fn cluster(
        self,
        engine: Engine,
        client: kube::Client,
        namespaces: Vec<String>,
        stop: Stop,
    ) -> Result<Ended, AppError> {
        let config = ControllerConfig { namespaces, ..ControllerConfig::default() };
        let mut registry = Registry::default();
        config.metrics.register(&mut registry);
        let mails = Mails {
            base: self.settings.public_url.clone(),
            world: Arc::new(controller::secrets(client.clone())),
            public_only: Some(self.settings.mail_allow_hosts.clone()),
        };
        let mut running = Running::begin(self, &engine, mails, registry, stop.clone())?;
        let (synced, readiness, soft) = (config.synced.clone(), running.readiness.clone(), stop.soft.clone());
        running.spawn(async move {
            while !soft.is_cancelled() && !synced.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            readiness.set(!soft.is_cancelled());
            Ok(())
        });
        let source = controller::run(config, engine, client, stop.soft.clone());
        running.until(async { source.await.map_err(AppError::from) }).await
    }
}

/// How mails leave: the base of their links, where credentials of tenants'
/// servers are, and whether these must have public addresses, with exceptions.
struct Mails {
    base: Option<String>,
    world: Arc<dyn Surroundings>,
    public_only: Option<Vec<String>>,
}

/// What goes on beside the source: pages, operations, outbox, sealing.
struct Running {
    parts: JoinSet<Result<(), AppError>>,
    readiness: Readiness,
    stop: Stop,
    _lock: Option<RunLock>,
}

impl Running {
    fn begin(
        prepared: Prepared,
        engine: &Engine,
        mails: Mails,
        mut registry: Registry,
        stop: Stop,
    ) -> Result<Self, AppError> {
        let Prepared { settings, pages, operations, tokens, store, lock } = prepared;
        let readiness = Readiness::default();
        let Mails { base, world, public_only } = mails;
        let post = Post::new(&settings, engine.clone(), base, world, public_only)?;
        post.register(&mut registry);
        let mut running = Self { parts: JoinSet::new(), readiness: readiness.clone(), stop, _lock: lock };
        let soft = || running.stop.soft.clone();
        let outside = Outside::new(settings.public_url.as_deref(), settings.trusted_proxies.clone());
        let calls = web::Metrics::default();
        calls.register(&mut registry);
        let programs = Programs::new(engine.clone(), tokens.clone(), calls, settings.public_url.as_deref());
        let served = web::serve(pages, web::site(engine.clone(), outside, programs), soft());
        let followed = tokens.follow(soft());
        let state = Operations { store, readiness, registry: Arc::new(registry) };
        // Health is told until the very end.
        let watched = web::serve(operations, web::operations(state), running.stop.hard.clone());
        let posted = post.run(soft());
        let sealed = keep_sealing(engine.clone(), soft());
        running.spawn(async { served.await.map_err(AppError::from) });
        running.spawn(async { watched.await.map_err(AppError::from) });
        running.spawn(async {
            followed.await;
            Ok(())
        });
        running.spawn(async {
            posted.await;
            Ok(())
        });
        running.spawn(async {
            sealed.await;
            Ok(())
        });
        Ok(running)
    }

    fn spawn(&mut self, part: impl Future<Output = Result<(), AppError>> + Send + 'static) {
        let hard = self.stop.hard.clone();
        self.parts.spawn(async move {
            tokio::select! {
                ended = part => ended,
                () = hard.cancelled() => Ok(()),
            }
        });
    }

    /// Waits for the source to end, by itself or because it was told to, and
    /// then for everything else. A part that fails ends the whole.
    async fn until(mut self, source: impl Future<Output = Result<(), AppError>>) -> Result<Ended, AppError> {
        let Stop { soft, hard } = self.stop.clone();
        let mut source = std::pin::pin!(source);
        let first = tokio::select! {
            ended = &mut source => Some(ended),
            failed = first_failure(&mut self.parts) => Some(Err(failed)),
            () = soft.cancelled() => None,
        };
        self.readiness.set(false);
        soft.cancel();
        let result = match first {
            Some(result) => result,
            None => tokio::select! {
                ended = &mut source => ended,
                () = hard.cancelled() => Ok(()),
            },
        };
        let rest = async {
            // The operations port goes on to the end; it is not waited for.
            while self.parts.len() > 1 {
                if self.parts.join_next().await.is_none() {
                    break;
                }
            }
        };
        let ended = tokio::select! {
            () = rest => Ended::Softly,
            () = hard.cancelled() => Ended::Hard,
        };
        self.parts.abort_all();
        result.map(|()| ended)
    }
}

async fn first_failure(parts: &mut JoinSet<Result<(), AppError>>) -> AppError {
    loop {
        match parts.join_next().await {
            Some(Ok(Err(error))) => return error,
            Some(Err(error)) => return error.into(),
            Some(Ok(Ok(()))) => {}
            None => std::future::pending().await,
        }
    }
}
