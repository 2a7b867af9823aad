//! Composition: which parts a command needs, in which order they begin, and
//! how they end. Only the commands call it; it may call everything below, and
//! prints nothing.
//!
//! `open` the database, `engine` with its key, then either one pass (`apply`)
//! or [`run::files`] and [`run::cluster`], which keep the pages, the outbox and
//! the source going until they are told to [`stop`](Stop).

mod error;
mod key;
mod letters;
mod lock;
mod log;
mod post;
mod stop;
mod trail;
mod trial;

pub mod run;

use std::path::{Path, PathBuf};

use crate::config::Settings;
use crate::engine::{Engine, RootNamespaces};
use crate::store::{self, Store};
use crate::web::Tokens;

pub use error::AppError;
pub use key::{KeyError, default_file as default_key_file, read as read_key};
pub use letters::{Letter, letters};
pub use lock::RunLock;
pub use log::start as start_logging;
pub use post::{Drained, Post, templates};
pub use stop::{PATIENCE, Stop};
pub use trail::{Reader, Trail, read as read_trail, seal_rest, verify as verify_trail};
pub use trial::{Trial, trial};

/// Opens the database and brings its schema up to date.
pub async fn open(settings: &Settings) -> Result<Store, AppError> {
    if let Some(path) = store::sqlite_path(&settings.database_url) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(AppError::NoFolder { folder: folder.to_owned() });
        }
    }
    let store = Store::connect(&settings.database_url).await?;
    store.migrate().await?;
    Ok(store)
}

/// The database file that is missing, if the settings name SQLite.
pub fn missing(settings: &Settings) -> Option<PathBuf> {
    store::sqlite_path(&settings.database_url).filter(|path| !path.exists())
}

/// As [`open`], for a question: an empty database in a wrong place would answer
/// that everything is denied.
pub async fn open_existing(settings: &Settings) -> Result<Store, AppError> {
    match missing(settings) {
        Some(path) => Err(AppError::NoDatabase { path }),
        None => open(settings).await,
    }
}

/// An engine for one source, under the key that the database knows.
pub async fn engine(
    settings: &Settings,
    store: Store,
    source: String,
    roots: RootNamespaces,
) -> Result<Engine, AppError> {
    let key = key::load(settings, &store).await?;
    let engine = Engine::new(store, source, roots, key, rand::random());
    engine.check_key().await?;
    Ok(engine)
}

/// How many service tokens `--service-tokens-file` holds; none without a file.
pub async fn count_service_tokens(settings: &Settings) -> Result<Option<usize>, AppError> {
    match &settings.service_tokens_file {
        None => Ok(None),
        Some(path) => Ok(Some(Tokens::read(Some(path.clone())).await?.len())),
    }
}

/// The name of a source of files: what was given, else the canonical path.
pub fn source_of(path: &Path, given: Option<&str>) -> Result<String, AppError> {
    match given.filter(|name| !name.is_empty()) {
        Some(name) => Ok(name.to_owned()),
        None => Ok(canonical(path)?.display().to_string()),
    }
}

/// The folder of Secrets, if it can be read.
pub fn secrets_of(folder: Option<PathBuf>) -> Result<Option<PathBuf>, AppError> {
    if let Some(path) = &folder {
        std::fs::read_dir(path).map_err(|source| AppError::SecretsDir { path: path.clone(), source })?;
    }
    Ok(folder)
}

fn canonical(path: &Path) -> Result<PathBuf, AppError> {
    path.canonicalize().map_err(|source| AppError::Path { path: path.to_owned(), source })
}

/// The base of links when nobody gave one: where the pages listen, as long as
/// only this machine can be meant.
pub fn base_of_links(settings: &Settings, listening: std::net::SocketAddr) -> Option<String> {
    let derived = || listening.ip().is_loopback().then(|| format!("http://{listening}"));
    settings.public_url.clone().or_else(derived)
}
