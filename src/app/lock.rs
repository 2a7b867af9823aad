//! One `run` at a time on one SQLite file: a lock beside it, held as long as
//! the process lives. The system gives it back whatever happens.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::AppError;

/// The lock; gone with the value.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

/// Takes the lock beside the database file.
pub(super) fn take(database: &Path) -> Result<RunLock, AppError> {
    let path = beside(database);
    let open = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let file = open.map_err(|source| AppError::LockFile { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(RunLock { _file: file }),
        Err(TryLockError::WouldBlock) => {
            Err(AppError::AlreadyRunning { database: database.to_owned(), lock: path })
        }
        Err(TryLockError::Error(source)) => Err(AppError::LockFile { path, source }),
    }
}

fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}
