//! The file of service tokens, followed while the program runs: Secrets that
//! are mounted are swapped. A file that cannot be used changes nothing and is
//! said once.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio_util::sync::CancellationToken;

use crate::domain::service::{Malformed, Program, ServiceTokens};

/// No file is larger.
const MAX_FILE: u64 = 64 * 1024;

/// How often the file is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// What is wrong with the file.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// It cannot be read.
    #[error("the service tokens file {path} cannot be read: check --service-tokens-file and its permissions")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is larger than any that makes sense.
    #[error(
        "the service tokens file {0} is larger than 64 KiB or is not text: one line for each token, NAME:SHA256"
    )]
    Unusable(PathBuf),
    /// A line is wrong.
    #[error("the service tokens file {path} cannot be used")]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, and why.
        source: Malformed,
    },
}

/// The tokens that are good now. Cheap to clone; clones see the same.
#[derive(Clone)]
pub struct Tokens {
    path: Option<PathBuf>,
    seen: Arc<RwLock<(String, ServiceTokens)>>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Tokens {
    /// Reads the file; without one no token is good.
    pub async fn read(path: Option<PathBuf>) -> Result<Self, TokensError> {
        let seen = match &path {
            None => (String::new(), ServiceTokens::default()),
            Some(path) => {
                let text = read(path).await?;
                let tokens = parse(path, &text)?;
                (text, tokens)
            }
        };
        if path.is_none() {
            tracing::info!("no --service-tokens-file is given: /v1 answers 401 to everybody");
        } else if seen.1.is_empty() {
            tracing::warn!("the service tokens file holds no token: /v1 answers 401 to everybody");
        }
        Ok(Self { path, seen: Arc::new(RwLock::new(seen)) })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).1.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whose token this is.
    pub(super) fn find(&self, token: &str) -> Option<Program> {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        seen.1.find(token).cloned()
    }

    /// Follows the file until told to stop.
    pub async fn follow(self, stop: CancellationToken) {
        let Some(path) = self.path.clone() else { return stop.cancelled().await };
        let mut said = String::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            match self.again(&path).await {
                Ok(None) => said.clear(),
                Ok(Some(tokens)) => {
                    said.clear();
                    tracing::info!(tokens, "service tokens read again");
                }
                Err(error) => {
                    let error = crate::domain::verdict::with_causes(&error);
                    if error != said {
                        tracing::warn!(%error, "service tokens stay as they were");
                        said = error;
                    }
                }
            }
        }
    }

    /// Reads the file again; how many tokens there are if it has changed.
    async fn again(&self, path: &Path) -> Result<Option<usize>, TokensError> {
        let text = read(path).await?;
        if self.seen.read().unwrap_or_else(PoisonError::into_inner).0 == text {
            return Ok(None);
        }
        let tokens = parse(path, &text)?;
        let count = tokens.len();
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = (text, tokens);
        Ok(Some(count))
    }
}

fn parse(path: &Path, text: &str) -> Result<ServiceTokens, TokensError> {
    ServiceTokens::parse(text).map_err(|source| TokensError::Line { path: path.to_owned(), source })
}

async fn read(path: &Path) -> Result<String, TokensError> {
    let cannot = |source| TokensError::Read { path: path.to_owned(), source };
    if !tokio::fs::metadata(path).await.map_err(cannot)?.is_file() {
        return Err(TokensError::Unusable(path.to_owned()));
    }
    let file = tokio::fs::File::open(path).await.map_err(cannot)?;
    let mut bytes = vec![];
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).await.map_err(cannot)?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|len| len <= MAX_FILE);
    String::from_utf8(bytes).ok().filter(|_| fits).ok_or_else(|| TokensError::Unusable(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "shop:3f1d9d5e8a3c4b7f9e2d1c0b8a7f6e5d4c3b2a190807060504030201f0e0d0c0";

    #[tokio::test]
    async fn a_file_that_breaks_leaves_the_tokens_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        std::fs::write(&path, LINE).unwrap();
        let tokens = Tokens::read(Some(path.clone())).await.unwrap();
        assert_eq!(tokens.again(&path).await.unwrap(), None);
        let large = "#".repeat(70_000);
        for broken in ["shop:nothing", &large] {
            std::fs::write(&path, broken).unwrap();
            assert!(tokens.again(&path).await.is_err());
            assert_eq!(tokens.seen.read().unwrap().1.len(), 1);
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(tokens.again(&path).await, Err(TokensError::Read { .. })));
        std::fs::write(&path, format!("{LINE}\n{}", LINE.replace('3', "4"))).unwrap();
        assert_eq!(tokens.again(&path).await.unwrap(), Some(2));
    }

    #[tokio::test]
    async fn a_broken_file_is_refused_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        assert!(matches!(Tokens::read(Some(path.clone())).await, Err(TokensError::Read { .. })));
        assert!(Tokens::read(Some(folder.path().to_owned())).await.is_err());
        std::fs::write(&path, "0123456789abcdef0123456789abcdef").unwrap();
        let error = Tokens::read(Some(path)).await.err().unwrap();
        let text = crate::domain::verdict::with_causes(&error);
        assert!(text.contains("line 1") && !text.contains("0123456789abcdef"), "{text}");
    }
}
