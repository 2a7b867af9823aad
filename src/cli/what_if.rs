//! Which database answers: the one that `--database-url` names, or what it
//! would be if some files were applied. Commands that ask flatten [`WhatIf`].

use std::path::PathBuf;

use clap::Args;

use super::fail::{Fail, out_error};
use crate::app;
use crate::config::Settings;
use crate::domain::verdict::with_causes;
use crate::engine::RootNamespaces;
use crate::engine::questions::Questions;
use crate::files::{self, Loaded, Passes};
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

    /// Where to ask.
    pub(super) async fn questions(&self, settings: &Settings) -> Result<Questions, Fail> {
        Ok(Questions::new(self.store(settings).await?.0))
    }

    /// The database, or what it would be, and the files if there are any.
    pub(super) async fn store(&self, settings: &Settings) -> Result<(Store, Option<Loaded>), Fail> {
        let Some(path) = &self.path else { return Ok((app::open_existing(settings).await?, None)) };
        let loaded = files::load(path);
        loaded.faults.iter().for_each(|fault| out_error(&format!("error: {fault}")));
        if loaded.objects.is_empty() {
            let path = path.display();
            return Err(Fail::Because(format!("{path} holds no object of Tenantry: check the path")));
        }
        // Where nothing has been applied yet, it would be the first.
        let rehearsal = match app::missing(settings) {
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

/// Says on standard error which objects would be refused: the answers are
/// without them.
pub(super) fn tell_refused(passes: &Passes) {
    let refused: Vec<_> = passes.done().filter(|done| !done.is_ready()).collect();
    for done in refused.iter().take(MAX_SHOWN) {
        let ready = done.report.as_ref().and_then(|report| report.condition("Ready"));
        let why = ready.map(|ready| format!("{}: {}", ready.reason, ready.message));
        let why = why.or_else(|| done.problem.clone()).unwrap_or_default();
        out_error(&format!("note: {} would not be ready: {why}", done.key));
    }
    if refused.len() > MAX_SHOWN {
        let more = refused.len() - MAX_SHOWN;
        out_error(&format!("note: {more} more objects would not be ready: see tenantry validate"));
    }
}
