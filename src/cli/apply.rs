//! `tenantry apply`: one pass from files, the mails that it queued, and a table
//! of what became of each object.

mod shown;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::Verdict;
use super::fail::{Fail, out_error};
use super::out::{Format, Out};
use crate::app::{self, Drained, Post};
use crate::config::Settings;
use crate::domain::object::Kind;
use crate::domain::verdict::{Reason, with_causes};
use crate::engine::RootNamespaces;
use crate::files::{self, Done, FileSurroundings, Passes, Prune};
use crate::mail::MailUrl;
use crate::store::Access;

pub(super) use shown::{action, why};

/// How far ahead wake-ups count as due: what would be looked at again soon is
/// looked at now, because nobody does it later.
const AHEAD: Duration = Duration::from_secs(3600);
/// How long mails may take before the command ends.
const MAIL_PATIENCE: Duration = Duration::from_secs(30);
/// How long mail servers of tenants are tried before the command ends.
const PROBE_PATIENCE: Duration = Duration::from_secs(10);

/// Bring the database in line with files, once
///
/// Parents go first, whatever the order of the files. A bad object never stops another; a refused
/// change leaves what was in force before. Mails that this queues are sent before it ends, and mail
/// servers of Tenants that are new, changed or did not work are tried (the condition MailReady).
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry apply -f examples/quickstart\n  tenantry apply -f accounts/ --prune\n  tenantry apply -f accounts/ --prune --confirm-delete acme/north=3f9ad0c1\n  tenantry apply -f accounts/ -o json | jq '.[] | select(.ready | not)'"
)]
pub(super) struct Apply {
    /// A folder of YAML and JSON, or a file
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    path: PathBuf,

    #[command(flatten)]
    source: SourceArguments,

    /// Confirm that a Tenant goes with all it holds; the digest is in its status. Repeatable
    #[arg(long, value_name = "REF=DIGEST", requires = "prune", value_parser = confirmation)]
    confirm_delete: Vec<((String, String), String)>,

    /// Print what became of each object as a list for programs
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

/// How files are a source, for `run --from` and `apply`.
#[derive(Args, Clone)]
pub(super) struct SourceArguments {
    /// Remove what this source applied before and no longer holds
    #[arg(long, env = "TENANTRY_PRUNE")]
    pub(super) prune: bool,

    /// The name of this source in the database [default: the full path, or the cluster's own]
    #[arg(long, value_name = "NAME", env = "TENANTRY_SOURCE")]
    pub(super) source: Option<String>,

    /// Secrets as files: DIR/namespace/name/key
    #[arg(long, value_name = "DIR", env = "TENANTRY_SECRETS_DIR")]
    pub(super) secrets_dir: Option<PathBuf>,

    /// Where Tenants without a parent and objects without a manager are accepted [default: the
    /// controller's own namespace; with files any]
    #[arg(long, value_name = "NAMES", env = "TENANTRY_ROOT_NAMESPACES", value_delimiter = ',')]
    pub(super) root_namespaces: Vec<String>,
}

impl SourceArguments {
    pub(super) fn roots(&self) -> Option<RootNamespaces> {
        RootNamespaces::named(&self.root_namespaces)
    }
}

fn confirmation(text: &str) -> Result<((String, String), String), String> {
    let wrong = || "write namespace/name=digest, such as acme/north=3f9ad0c1".to_owned();
    let (reference, digest) = text.split_once('=').ok_or_else(wrong)?;
    let (namespace, name) = reference.split_once('/').ok_or_else(wrong)?;
    if namespace.is_empty() || name.is_empty() || name.contains('/') || digest.is_empty() {
        return Err(wrong());
    }
    Ok(((namespace.to_owned(), name.to_owned()), digest.to_owned()))
}

impl Apply {
    pub(super) async fn run(self, settings: &Settings, out: &mut Out) -> Result<Verdict, Fail> {
        let source = app::source_of(&self.path, self.source.source.as_deref())?;
        let roots = self.source.roots().unwrap_or(RootNamespaces::Any);
        let loaded = files::load(&self.path);
        loaded.notes.iter().for_each(|note| out_error(&format!("note: {note}")));
        loaded.faults.iter().for_each(|fault| out_error(&format!("error: {fault}")));
        if loaded.objects.is_empty() && loaded.faults.is_empty() {
            return Err(Fail::Because(format!(
                "{} holds no object of Tenantry: check the path",
                self.path.display()
            )));
        }
        let store = app::open(settings).await?;
        let engine = app::engine(settings, store.clone(), source, roots).await?;
        let base = app::base_of_links(settings, settings.listen.at);
        let world = FileSurroundings::new(app::secrets_of(self.source.secrets_dir)?);
        let post = Post::new(settings, engine.clone(), base, Arc::new(world.clone()), None)?;
        let confirmed: BTreeMap<_, _> = self.confirm_delete.into_iter().collect();
        let prune = Prune { enabled: self.source.prune, confirmed };
        let mut passes = Passes::new(engine.clone(), world, prune);
        if let Some(why) = passes.take(&loaded).await? {
            out_error(&format!("note: {why}"));
        }
        let passed = passes.all(AHEAD, &mut |_| {}).await;
        let mut drained = Drained::default();
        if passed.is_ok() {
            hurry(&passes).await?;
            let (mails, tried) = tokio::join!(post.drain(MAIL_PATIENCE), post.try_servers(PROBE_PATIENCE));
            drained = mails?;
            tried?;
            passes.settle(AHEAD, &mut |_| {}).await?;
        }
        if let Err(error) = app::seal_rest(&engine).await {
            out_error(&format!(
                "warning: the audit trail could not be sealed; `tenantry run` or the next `apply` does it: {}",
                with_causes(&error)
            ));
        }
        let done: Vec<Done> = passes.done().cloned().collect();
        match self.output {
            Some(format) => out.value(format, &shown::values(&done))?,
            None if done.is_empty() => {}
            None => out.line(&shown::table(&done, out.width()))?,
        }
        // The table first: it says how far things went before a failure.
        out.flush()?;
        passed?;
        done.iter().for_each(tell_digest);
        tell_mails(drained, &settings.mail_url);
        store.close().await;
        Ok(Verdict::from(loaded.faults.is_empty() && done.iter().all(Done::is_ready)))
    }
}

/// Mails of the accounts at hand are tried now, even if a retry was due later.
async fn hurry(passes: &Passes) -> Result<(), Fail> {
    let accounts: Vec<uuid::Uuid> = passes
        .done()
        .filter(|done| done.key.kind == Kind::SubAdmin)
        .filter_map(|done| done.report.as_ref()?.status.get("accountId")?.as_str()?.parse().ok())
        .collect();
    if accounts.is_empty() {
        return Ok(());
    }
    let mut tx = passes.engine().store().begin(Access::Write).await?;
    tx.hurry_mails(&accounts).await?;
    tx.commit().await?;
    Ok(())
}

/// Files have no status in which the digest could be read.
fn tell_digest(done: &Done) {
    let report = done.report.as_ref().filter(|report| done.removal && !report.finished);
    let digest = report
        .filter(|report| {
            report.condition("Ready").is_some_and(|ready| ready.reason == Reason::ConfirmationRequired)
        })
        .and_then(|report| report.impact_digest());
    if let Some(digest) = digest {
        let (namespace, name) = (&done.key.namespace, &done.key.name);
        out_error(&format!(
            "note: to go on with {}: --prune --confirm-delete {namespace}/{name}={digest}",
            done.key
        ));
    }
}

fn tell_mails(drained: Drained, url: &MailUrl) {
    let Drained { sent, left } = drained;
    let of = |count: usize| if count == 1 { "1 mail".to_owned() } else { format!("{count} mails") };
    if sent > 0 {
        let way = match url {
            MailUrl::Directory(folder) => format!("written to {}", folder.display()),
            MailUrl::Smtp(_) => "sent".to_owned(),
        };
        out_error(&format!("note: {} {way}", of(sent)));
    }
    if left > 0 {
        out_error(&format!(
            "warning: {} could not be sent and wait in the database: `tenantry run` or the next `apply` tries again; see the condition InvitationSent for why",
            of(left)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confirmation_names_a_tenant_and_a_digest() {
        let right = confirmation("acme/north=3f").unwrap();
        assert_eq!(right, (("acme".to_owned(), "north".to_owned()), "3f".to_owned()));
        for wrong in ["north=3f", "acme/north", "acme/=3f", "a/b/c=3f", "acme/north="] {
            assert!(confirmation(wrong).is_err(), "{wrong}");
        }
    }
}
