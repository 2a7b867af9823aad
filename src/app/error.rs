//! What stops a command before or while it works. Each says what to do; what
//! caused it is in the source.

use std::io;
use std::path::PathBuf;

use super::key::KeyError;
use crate::controller::ControllerError;
use crate::engine::EngineError;
use crate::files::WatchError;
use crate::mail::{AddressError, CaError, ComposeError, SendError, TemplateError};
use crate::outbox::Unready;
use crate::store::StoreError;
use crate::web::{ServeError, TokensError};

/// Why a command cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder of the database file.
    #[error("the folder {folder} of the database does not exist: create it, or change --database-url")]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// A question to a database that nobody has made.
    #[error(
        "there is no database {path}: name it by --database-url, or make it by `tenantry apply` or `tenantry run`"
    )]
    NoDatabase {
        /// The file.
        path: PathBuf,
    },
    /// The key of links.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A pass.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The pages or the operations port.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// `--service-tokens-file`
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// The cluster.
    #[error(transparent)]
    Controller(#[from] ControllerError),
    /// Following a folder.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// `--mail-ca-file`
    #[error("--mail-ca-file cannot be used")]
    MailCa(#[from] CaError),
    /// `--mail-templates`
    #[error("--mail-templates cannot be used")]
    MailTemplates(#[source] TemplateError),
    /// `--mail-url`
    #[error("--mail-url cannot be used")]
    Mail(#[from] SendError),
    /// The sender or the address for answers of a tenant.
    #[error("mail.from or mail.replyTo of the tenant cannot be used")]
    MailFrom(#[source] AddressError),
    /// Nobody to write as.
    #[error("there is no sender: give --mail-from, or spec.mail.from of a Tenant")]
    NoSender,
    /// The way to a tenant's mail server.
    #[error(transparent)]
    MailServer(#[from] Unready),
    /// A test message.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// A second `run` on the same SQLite file.
    #[error(
        "another `tenantry run` works on {database} already: stop it, or give this one another --database-url (the lock is {lock})"
    )]
    AlreadyRunning {
        /// The database file.
        database: PathBuf,
        /// The file that is locked.
        lock: PathBuf,
    },
    /// The lock file cannot be used.
    #[error("the lock file {path} cannot be written: make its folder writable, or change --database-url")]
    LockFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A path of files to follow or apply.
    #[error("{path} cannot be read: check the path")]
    Path {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `--secrets-dir`
    #[error("the folder {path} of --secrets-dir cannot be read: check the path and its permissions")]
    SecretsDir {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Signals cannot be listened to.
    #[error("signals cannot be received from the system")]
    Signals(#[source] io::Error),
    /// A task has failed: a fault of the program.
    #[error("a part of the program failed: please report this")]
    Task(#[from] tokio::task::JoinError),
}
