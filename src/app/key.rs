//! The key of links (R8): read from its file, or made beside a new SQLite
//! database. It never enters the database; only its fingerprint does.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};

use super::AppError;
use crate::config::Settings;
use crate::domain::activation::LinkKey;
use crate::store::{self, Access, Store};

/// Larger than any key that makes sense.
const MAX_FILE: u64 = 64 * 1024;

/// Where the key of a database is, unless a flag says otherwise.
pub fn default_file(database_url: &str) -> Option<PathBuf> {
    store::sqlite_path(database_url).map(|path| path.with_extension("key"))
}

/// Reads the key, or makes one for a database that has never had any.
pub(super) async fn load(settings: &Settings, store: &Store) -> Result<LinkKey, AppError> {
    if let Some(file) = &settings.key_file {
        return match read(file) {
            Err(KeyError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Err(KeyError::Missing(file.clone()).into())
            }
            other => Ok(other?),
        };
    }
    let file = default_file(&settings.database_url).ok_or(KeyError::Required)?;
    if file.exists() {
        return Ok(read(&file)?);
    }
    let mut tx = store.begin(Access::Read).await?;
    if tx.setting("link-key").await?.is_some() {
        return Err(KeyError::Lost(file).into());
    }
    drop(tx);
    Ok(create(&file)?)
}

/// The key of a database that has had one already; none for one that never
/// had. Makes nothing.
pub(super) async fn known(settings: &Settings, store: &Store) -> Result<Option<LinkKey>, AppError> {
    let mut tx = store.begin(Access::Read).await?;
    let Some(known) = tx.setting("link-key").await? else { return Ok(None) };
    drop(tx);
    let key = load(settings, store).await?;
    if key.fingerprint() == known { Ok(Some(key)) } else { Err(KeyError::Other.into()) }
}

/// What is wrong with the key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// PostgreSQL without `--key-file`.
    #[error(
        "--key-file is required with PostgreSQL: make a key with `head -c 32 /dev/urandom | base64 > tenantry.key` and give every replica the same one"
    )]
    Required,
    /// The file that a flag names does not exist.
    #[error(
        "the key file {0} does not exist: check --key-file, or make a key with `head -c 32 /dev/urandom | base64 > {0}`"
    )]
    Missing(PathBuf),
    /// The key beside a database that was used is gone.
    #[error(
        "the key file {0} is missing, but links were made with it: put it back, or give it with --key-file; without it every link sent so far is lost"
    )]
    Lost(PathBuf),
    /// It is not the key of this database.
    #[error("this database was used with another key: give the old one with --key-file")]
    Other,
    /// The file cannot be read.
    #[error("the key file {path} cannot be read: check its permissions")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be made.
    #[error(
        "the key file {path} cannot be written: make its folder writable, or give another with --key-file"
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds no key.
    #[error(
        "the key file {0} does not hold at least 32 bytes in hex or base64: make one with `head -c 32 /dev/urandom | base64`"
    )]
    Unusable(PathBuf),
}

/// Reads a key file: hex or base64, white space around it ignored.
pub fn read(path: &Path) -> Result<LinkKey, KeyError> {
    let cannot = |source| KeyError::Read { path: path.to_owned(), source };
    let meta = fs::metadata(path).map_err(cannot)?;
    if !meta.is_file() || meta.len() > MAX_FILE {
        return Err(KeyError::Unusable(path.to_owned()));
    }
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(KeyError::Unusable(path.to_owned()));
        }
        other => other.map_err(cannot)?,
    };
    let packed: String = text.split_whitespace().collect();
    let hex = HEXLOWER_PERMISSIVE.decode(packed.as_bytes());
    let bytes = hex.or_else(|_| BASE64.decode(packed.as_bytes()));
    bytes.ok().and_then(LinkKey::new).ok_or_else(|| KeyError::Unusable(path.to_owned()))
}

/// Makes a key that only its owner can read. Whoever was faster wins.
fn create(path: &Path) -> Result<LinkKey, KeyError> {
    let cannot = |source| KeyError::Write { path: path.to_owned(), source };
    let bytes: [u8; 32] = rand::random();
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(format!("{}\n", HEXLOWER.encode(&bytes)).as_bytes())?;
        file.sync_all()
    });
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other.map_err(cannot)?,
    }
    read(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_in_hex_and_in_base64_and_a_short_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let bytes = [7; 32];
        let expected = LinkKey::new(bytes.to_vec()).unwrap().fingerprint();
        for text in [
            HEXLOWER.encode(&bytes),
            format!("{}\n", BASE64.encode(&bytes)),
            data_encoding::HEXUPPER.encode(&bytes),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(read(&path).unwrap().fingerprint(), expected);
        }
        for wrong in ["", "short", &HEXLOWER.encode(&[7; 31])] {
            fs::write(&path, wrong).unwrap();
            assert!(matches!(read(&path), Err(KeyError::Unusable(_))), "{wrong}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_new_key_belongs_to_its_owner_alone_and_is_never_replaced() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tenantry.key");
        let first = create(&path).unwrap().fingerprint();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(create(&path).unwrap().fingerprint(), first);
    }
}
