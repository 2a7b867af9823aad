//! Mail into a folder: one `.eml` file per message, for development and for
//! the first steps with Tenantry.

use std::io;
use std::path::{Path, PathBuf};

use lettre::Message;
use lettre::message::header::{Header as _, MessageId};
use tokio::io::AsyncWriteExt as _;

use super::Accepted;
use super::failure::{FailureClass, SendError};

/// Writes messages to a folder, which is created when it is needed.
#[derive(Debug, Clone)]
pub struct DirectoryTransport {
    folder: PathBuf,
}

impl DirectoryTransport {
    /// A transport into `folder`.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Where the files go.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes `message` and answers with the path of its file. The name comes
    /// from the Message-ID, so sending again replaces the file by itself.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub async fn send(&self, message: &Message) -> Result<Accepted, SendError> {
        let name = message
            .headers()
            .get_raw(&MessageId::name())
            .map(file_name)
            .filter(|name| !name.is_empty())
            .ok_or_else(|| SendError::unsendable("the message has no Message-ID"))?;
        let path = self.folder.join(format!("{name}.eml"));
        self.write(&path, &message.formatted()).await.map_err(|source| self.failure(source))?;
        Ok(Accepted { reply: path.display().to_string() })
    }

    /// Writes a small file and removes it again.
    ///
    /// # Errors
    /// When that is not possible.
    pub async fn probe(&self) -> Result<(), SendError> {
        let path = self.folder.join(".probe");
        let tried = async {
            self.write(&path, b"").await?;
            tokio::fs::remove_file(&path).await
        };
        tried.await.map_err(|source| self.failure(source))
    }

    /// A reader of the folder sees a whole message or none: the bytes go to a
    /// hidden name first. Readable by the owner only, since a link is inside.
    async fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        create_private(&self.folder).await?;
        let hidden = path.file_name().map(|name| {
            let mut hidden = std::ffi::OsString::from(".");
            hidden.push(name);
            hidden.push(".part");
            hidden
        });
        let part = self.folder.join(hidden.ok_or(io::ErrorKind::InvalidFilename)?);
        let written = async {
            let mut options = tokio::fs::OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            options.mode(0o600);
            let mut file = options.open(&part).await?;
            file.write_all(bytes).await?;
            file.sync_all().await?;
            tokio::fs::rename(&part, path).await
        };
        let result = written.await;
        if result.is_err() {
            // Best effort: what went wrong is reported either way.
            let _ = tokio::fs::remove_file(&part).await;
        }
        result
    }

    fn failure(&self, source: io::Error) -> SendError {
        // A full disk passes; a folder that may not be written needs the operator.
        let class = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FailureClass::Transient,
            _ => FailureClass::Settings,
        };
        SendError::folder(&self.folder, class, source)
    }
}

async fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = tokio::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(folder).await
}

/// A Message-ID as a file name: nothing that a file system or a shell could
/// read as more than a name, and never hidden.
fn file_name(id: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "@._+=-".contains(c) { c } else { '_' };
    id.trim()
        .trim_start_matches('<')
        .trim_end_matches('>')
        .trim_start_matches(['.', '-'])
        .chars()
        .map(safe)
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::testing;
    use crate::mail::transport::{Retry, Transport};

    #[tokio::test]
    async fn a_message_comes_back_from_the_folder_byte_for_byte() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("a/b");
        let transport = Transport::Directory(DirectoryTransport::new(&folder));
        let message = testing::message();

        let accepted = transport.send(&message).await.unwrap();
        assert_eq!(accepted.reply, folder.join("0001@acme.example.eml").display().to_string());
        assert_eq!(std::fs::read(&accepted.reply).unwrap(), message.formatted());

        let again = transport.send(&message).await.unwrap();
        assert_eq!(again, accepted, "the same message is the same file");
        let files: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
        assert_eq!(files.len(), 1, "{files:?}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn only_the_owner_can_read_the_link_in_a_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("outbox");
        let transport = DirectoryTransport::new(&folder);
        let accepted = transport.send(&testing::message()).await.unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(Path::new(&accepted.reply)), 0o600);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_made_is_named_with_what_to_do() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("file");
        std::fs::write(&file, "").unwrap();
        let transport = DirectoryTransport::new(file.join("outbox"));
        for error in
            [transport.probe().await.unwrap_err(), transport.send(&testing::message()).await.unwrap_err()]
        {
            assert_eq!(error.class(), FailureClass::Settings);
            assert_eq!(error.retry(), Retry::OnChange);
            assert!(error.to_string().contains("file/outbox"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_probe_leaves_an_empty_folder_behind() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("outbox");
        DirectoryTransport::new(&folder).probe().await.unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn a_file_name_never_leaves_the_folder() {
        for (id, name) in [
            ("<0001@acme.example>", "0001@acme.example"),
            ("<../../etc/passwd>", "_.._etc_passwd"),
            ("<a/b\\c:d*e\n@x>", "a_b_c_d_e_@x"),
            ("<-rf>", "rf"),
            ("<.>", ""),
        ] {
            assert_eq!(file_name(id), name, "{id:?}");
        }
    }
}
