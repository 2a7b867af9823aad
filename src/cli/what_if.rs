//! Which database answers: the one that `--database-url` names, or what it
//! would be if some files were applied. Commands that ask flatten [`WhatIf`].

use std::path::PathBuf;

use clap::Args;

use super::apply::why;
use super::fail::{Fail, out_error};
use crate::app;
use crate::config::Settings;
use crate::domain::verdict::{Reason, with_causes};
use crate::engine::RootNamespaces;
use crate::engine::questions::Questions;
use crate::files::{self, Done, Loaded, Passes};
use crate::store::Store;

/// Refused objects that are named; all are counted.
const MAX_SHOWN: usize = 20;

#[derive(Args)]
pub(super) struct WhatIf {
    /// Answer as if these files were applied; nothing is changed
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    path: Option<PathBuf>,

    #[command(flatten)]
    source: AppliedAs,
}

/// As what files would be applied.
#[derive(Args)]
pub(super) struct AppliedAs {
    /// The source that the files are applied as [default: their full path]; without files, the
    /// source whose objects are meant if several have one of the same name
    #[arg(long, value_name = "NAME", env = "TENANTRY_SOURCE")]
    source: Option<String>,

    /// Where Tenants without a parent and objects without a manager are accepted [default: any]
    #[arg(long, value_name = "NAMES", env = "TENANTRY_ROOT_NAMESPACES", value_delimiter = ',')]
    root_namespaces: Vec<String>,
}

impl WhatIf {
    /// The source that was named, if one was.
    pub(super) fn source(&self) -> Option<&str> {
        self.source.named()
    }

    /// The source whose objects are meant: the one that was named, else that of
    /// the files.
    pub(super) fn source_meant(&self) -> Result<Option<String>, Fail> {
        match (self.source(), &self.path) {
            (Some(name), _) => Ok(Some(name.to_owned())),
            (None, Some(path)) => Ok(Some(app::source_of(path, None)?)),
            (None, None) => Ok(None),
        }
    }

    /// Where to ask. Answers from files alone say so: they know no device.
    pub(super) async fn questions(&self, settings: &Settings) -> Result<Questions, Fail> {
        let missing = app::missing(settings).filter(|_| self.path.is_some());
        let (store, _) = self.store(settings).await?;
        if let Some(database) = missing {
            out_error(&format!(
                "note: there is no database {}: the files are judged alone, without an inventory of devices; name it by --database-url if there should be one",
                database.display()
            ));
        }
        Ok(Questions::new(store))
    }

    /// The database, or what it would be, and the files if there are any.
    pub(super) async fn store(&self, settings: &Settings) -> Result<(Store, Option<Loaded>), Fail> {
        let Some(path) = &self.path else { return Ok((app::open_existing(settings).await?, None)) };
        let loaded = files::load(path);
        tell_notes(&loaded);
        tell_faults(&loaded)?;
        if loaded.objects.is_empty() {
            let path = path.display();
            return Err(Fail::Because(format!("{path} holds no object of Tenantry: check the path")));
        }
        let rehearsal = match app::missing(settings) {
            // Where nothing has been applied yet, it would be the first.
            Some(_) => files::in_memory().await?,
            None => app::open(settings).await?.rehearsal().await?,
        };
        tell_refused(&self.source.rehearse(&rehearsal, &loaded, path).await?);
        Ok((rehearsal, Some(loaded)))
    }
}

impl AppliedAs {
    /// The source that was named, if one was.
    pub(super) fn named(&self) -> Option<&str> {
        self.source.as_deref().filter(|name| !name.is_empty())
    }

    /// Judges the files in a store of which nothing stays.
    pub(super) async fn rehearse(
        &self,
        store: &Store,
        loaded: &Loaded,
        path: &std::path::Path,
    ) -> Result<Passes, Fail> {
        let source = app::source_of(path, self.source.as_deref())?;
        let roots = RootNamespaces::named(&self.root_namespaces).unwrap_or(RootNamespaces::Any);
        files::rehearse(store, loaded, &source, roots)
            .await
            .map_err(|error| Fail::Because(format!("the files could not be tried: {}", with_causes(&error))))
    }
}

/// Says on standard error what the files hold besides objects of ours.
pub(super) fn tell_notes(loaded: &Loaded) {
    loaded.notes.iter().for_each(|note| out_error(&format!("note: {note}")));
}

/// Says what is wrong with the files. There is no answer if something in them
/// could not be read: what decides may stand just there. An object that was
/// read and is wrong would be refused, and the answer is without it.
fn tell_faults(loaded: &Loaded) -> Result<(), Fail> {
    let word = if loaded.is_complete() { "note" } else { "error" };
    loaded.faults.iter().for_each(|fault| out_error(&format!("{word}: {fault}")));
    match loaded.is_complete() {
        true => Ok(()),
        false => Err(Fail::Because(
            "there is no answer, because not everything in the files could be read: repair that first"
                .to_owned(),
        )),
    }
}

/// The objects that would not be ready.
pub(super) fn refused(passes: &Passes) -> Vec<&Done> {
    passes.done().filter(|done| !done.is_ready()).collect()
}

/// Says on standard error which objects would be refused: the answers are
/// without them.
fn tell_refused(passes: &Passes) {
    let refused = refused(passes);
    for done in refused.iter().take(MAX_SHOWN) {
        let (reason, message) = why(done);
        out_error(&format!("note: {} would not be ready: {reason}: {message}", done.key));
    }
    if refused.len() > MAX_SHOWN {
        let more = refused.len() - MAX_SHOWN;
        out_error(&format!("note: {more} more objects would not be ready: see tenantry validate"));
    }
    tell_elsewhere(&refused);
}

/// Rows of another source are often those of the same files under another
/// name: says how that is told.
pub(super) fn tell_elsewhere(refused: &[&Done]) {
    if refused.iter().any(|done| why(done).0 == Reason::ManagedElsewhere.as_str()) {
        out_error(
            "note: ManagedElsewhere: if these files are applied under another name than their path, give that name with --source",
        );
    }
}
