//! `tenantry test`: assertions about access, asked of files or of a database,
//! so that a pipeline can prove that a change opens nothing.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::Verdict;
use super::fail::{Fail, out_error};
use super::out::{Format, Out, tame};
use super::what_if::{AppliedAs, tell_refused};
use crate::app;
use crate::config::Settings;
use crate::engine::questions::{Ask, Malformed, Questions, Said, Words};
use crate::files::{self, Assertion, Loaded};
use crate::store::Store;

/// Questions that are asked together.
const BATCH: usize = 500;

/// Check assertions about access: who may do what, and who may not
///
/// Assertions stand in documents of kind AccessTest, beside the objects or apart from them. If PATH
/// holds objects too, they are judged on an empty database in memory and the assertions are asked
/// there; no database is opened. With --on-database they are judged on top of what is there, and
/// nothing stays. If PATH holds assertions only, the database answers as it is. Exits with 1 if
/// any assertion fails.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry test -f accounts/ --devices devices.csv\n  tenantry test -f access-tests.yaml\n  tenantry test -f accounts/ --on-database -o json\n\nA document of assertions:\n  kind: AccessTest\n  assertions:\n  - {account: kim, resource: device/cam-17, may: [view], mayNot: [operate, manage]}\n  - {account: na, may: ManageUsers, resource: subadmin/acme/kim}"
)]
pub(super) struct Test {
    /// A folder of YAML and JSON, or a file
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    path: PathBuf,

    /// Judge the objects in PATH on top of the database instead of an empty one
    #[arg(long)]
    on_database: bool,

    /// Devices for objects judged on an empty database, as `devices import` reads them
    #[arg(long, value_name = "FILE", conflicts_with = "on_database")]
    devices: Option<PathBuf>,

    #[command(flatten)]
    applied_as: AppliedAs,

    /// Print what became of each assertion as a list for programs
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

/// What became of one assertion, for programs.
#[derive(Serialize)]
struct Outcome {
    file: String,
    line: Option<usize>,
    account: String,
    may: bool,
    operation: String,
    resource: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    creator: Option<String>,
    passed: bool,
    allowed: Option<bool>,
    reason: String,
    message: String,
}

impl Test {
    pub(super) async fn run(self, settings: &Settings, out: &mut Out) -> Result<Verdict, Fail> {
        let loaded = files::load(&self.path);
        loaded.faults.iter().for_each(|fault| out_error(&format!("error: {fault}")));
        if loaded.assertions.is_empty() && loaded.faults.is_empty() {
            return Err(Fail::Because(format!(
                "{} holds no assertion: write a document of kind AccessTest with a list assertions",
                self.path.display()
            )));
        }
        let store = self.store(settings, &loaded).await?;
        let questions = Questions::new(store);
        let source = self.applied_as.named();
        let outcomes = ask_all(&questions, &loaded.assertions, source).await?;
        questions.store().close().await;
        let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
        match self.output {
            Some(format) => out.value(format, &outcomes)?,
            None => report(out, &outcomes, failed)?,
        }
        Ok(Verdict::from(failed == 0 && loaded.faults.is_empty()))
    }

    /// Where the assertions are asked.
    async fn store(&self, settings: &Settings, loaded: &Loaded) -> Result<Store, Fail> {
        if loaded.objects.is_empty() {
            return match &self.devices {
                None => Ok(app::open_existing(settings).await?),
                Some(_) => Err(Fail::Usage(
                    "--devices is for objects judged on an empty database, and -f holds none".to_owned(),
                )),
            };
        }
        if self.on_database {
            let store = app::open_existing(settings).await?.rehearsal().await?;
            tell_refused(&self.applied_as.rehearse(&store, loaded, &self.path).await?);
            return Ok(store);
        }
        let store = files::in_memory().await?;
        let mut passes = self.applied_as.rehearse(&store, loaded, &self.path).await?;
        if let Some(devices) = &self.devices {
            super::devices::import_into(&store, devices).await?;
            // Grants find what has been imported.
            passes = self.applied_as.rehearse(&store, loaded, &self.path).await?;
        }
        tell_refused(&passes);
        Ok(store)
    }
}

/// Asks every assertion, in the order of the files.
async fn ask_all(
    questions: &Questions,
    assertions: &[Assertion],
    source: Option<&str>,
) -> Result<Vec<Outcome>, Fail> {
    let mut outcomes = Vec::with_capacity(assertions.len());
    for batch in assertions.chunks(BATCH) {
        let (mut asks, mut places) = (vec![], vec![]);
        for assertion in batch {
            let mut outcome = Outcome::of(assertion);
            match question(assertion, source) {
                Ok(ask) => {
                    places.push(outcomes.len());
                    asks.push(ask);
                }
                Err(why) => {
                    outcome.reason = "Malformed".to_owned();
                    outcome.message = why.to_string();
                }
            }
            outcomes.push(outcome);
        }
        let said = questions.say_all(&asks, false).await?;
        for (place, said) in places.into_iter().zip(said) {
            if let Some(outcome) = outcomes.get_mut(place) {
                outcome.answered(said);
            }
        }
    }
    Ok(outcomes)
}

fn question(assertion: &Assertion, source: Option<&str>) -> Result<Ask, Malformed> {
    let Assertion { account, operation, resource, creator, .. } = assertion;
    Ask::read(Words { account, operation, resource, creator: creator.as_deref(), source })
}

impl Outcome {
    fn of(assertion: &Assertion) -> Self {
        let Assertion { at, account, may, operation, resource, creator } = assertion;
        Self {
            file: at.file.display().to_string(),
            line: at.line,
            account: account.clone(),
            may: *may,
            operation: operation.clone(),
            resource: resource.clone(),
            creator: creator.clone(),
            passed: false,
            allowed: None,
            reason: String::new(),
            message: String::new(),
        }
    }

    fn answered(&mut self, said: Said) {
        self.passed = said.allowed == self.may;
        self.allowed = Some(said.allowed);
        said.reason.clone_into(&mut self.reason);
        self.message = said.message;
    }
}

/// One line for each assertion, and for one that fails a second one with why
/// and where it stands.
fn report(out: &mut Out, outcomes: &[Outcome], failed: usize) -> Result<(), Fail> {
    for outcome in outcomes {
        let Outcome { account, operation, resource, .. } = outcome;
        let may = if outcome.may { "may" } else { "may not" };
        let whose =
            outcome.creator.as_deref().map(|c| format!(" created by {}", tame(c))).unwrap_or_default();
        let said = format!("{} {may} {} {}{whose}", tame(account), tame(operation), tame(resource));
        if outcome.passed {
            out.line(&format!("{}  {said}", out.green("ok  ")))?;
            continue;
        }
        let is = match outcome.allowed {
            Some(true) => "it is allowed",
            Some(false) => "it is denied",
            None => "it cannot be asked",
        };
        let line = outcome.line.map(|line| format!(":{line}")).unwrap_or_default();
        out.line(&format!("{}  {said}", out.red("FAIL")))?;
        out.line(&format!(
            "      {}{line}: {is}: {}: {}",
            tame(&outcome.file),
            outcome.reason,
            tame(&outcome.message)
        ))?;
    }
    out.line(&format!("{} passed, {failed} failed", outcomes.len() - failed))
}
