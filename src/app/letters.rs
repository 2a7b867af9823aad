//! Where a mail is and what its link is, for whoever develops with a folder of
//! mails. With a real mail server nobody but the recipient learns the link.

use std::path::{Path, PathBuf};

use crate::domain::activation::Purpose;
use crate::domain::object::ObjectKey;
use crate::engine::Engine;
use crate::store::{Access, StoreError};

/// A mail in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The object of its recipient.
    pub key: ObjectKey,
    /// The recipient's username.
    pub username: String,
    /// The file.
    pub file: PathBuf,
    /// What its link achieves.
    pub purpose: Purpose,
    /// The link.
    pub link: String,
}

/// The newest mail of each account whose link still works, if it is in
/// `folder` already.
pub async fn letters(
    engine: &Engine,
    folder: &Path,
    base: &str,
    accounts: &[ObjectKey],
) -> Result<Vec<Letter>, StoreError> {
    let mut found = vec![];
    if accounts.is_empty() {
        return Ok(found);
    }
    let files = files(folder);
    let mut tx = engine.store().begin(Access::Read).await?;
    for key in accounts {
        let Some(account) = tx.account_of(engine.source(), key).await? else { continue };
        let account = account.account;
        let Some(link) = tx.latest_activation(account.id).await? else { continue };
        let begin = link.id.to_string();
        let file = files.iter().find(|file| file.file_name().is_some_and(|name| starts_with(name, &begin)));
        let Some(file) = file.filter(|_| link.state == "open") else { continue };
        let token = engine.link_key().token(link.id, &link.nonce, link.purpose);
        found.push(Letter {
            key: key.clone(),
            username: account.settings.username,
            file: file.clone(),
            purpose: link.purpose,
            link: format!("{base}/activate?token={token}"),
        });
    }
    Ok(found)
}

/// Files are named after the Message-ID, which begins with the link's own id.
fn starts_with(name: &std::ffi::OsStr, begin: &str) -> bool {
    name.as_encoded_bytes().starts_with(begin.as_bytes())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "eml"))
        .collect()
}
