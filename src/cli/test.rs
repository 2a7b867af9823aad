//! `tenantry test`: assertions about access, asked of files or of a database,
//! so that a pipeline can prove that a change opens nothing.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::Verdict;
use super::apply::why;
use super::fail::{Fail, out_error};
use super::out::{Format, Out, tame};
use super::what_if::{AppliedAs, refused, tell_elsewhere, tell_notes};
use crate::app;
use crate::config::Settings;
use crate::domain::object::ObjectKey;
use crate::engine::questions::{Ask, Malformed, Questions, Said, Unknown, Words};
use crate::files::{self, Assertion, Done, Loaded, Origin};
use crate::store::Store;

/// Questions that are asked together.
const BATCH: usize = 500;
/// The reason of an assertion that is no question.
const MALFORMED: &str = "Malformed";

/// Check assertions about access: who may do what, and who may not
///
/// Assertions stand in documents of kind AccessTest, beside the objects or apart from them. If PATH
/// holds objects too, they are judged on an empty database in memory and the assertions are asked
/// there; no database is opened. With --on-database they are judged on top of what is there, and
/// nothing stays. If PATH holds assertions only, the database answers as it is.
///
/// An assertion about an account, a device or an object that is not there fails, whatever it says:
/// a slip in a name proves nothing. Exits with 1 if any assertion fails, if anything in PATH cannot
/// be read, or if any object in PATH would not be ready; a grant whose devices are still to come is
/// ready.
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

    /// Print a list for programs: each object that would not be ready, and what became of each
    /// assertion
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

/// What the test found, one by one, for programs: assertions, and before them
/// objects that would not be ready.
#[derive(Serialize)]
#[serde(untagged)]
enum Item<'a> {
    Object(&'a Refused),
    Assertion(&'a Outcome),
}

/// An object of the files that would not be ready, so that the assertions were
/// asked without it.
#[derive(Serialize)]
struct Refused {
    file: Option<String>,
    line: Option<usize>,
    kind: &'static str,
    namespace: String,
    name: String,
    passed: bool,
    reason: String,
    message: String,
}

/// What became of one assertion.
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
        tell_notes(&loaded);
        loaded.faults.iter().for_each(|fault| out_error(&format!("error: {fault}")));
        if loaded.assertions.is_empty() && loaded.faults.is_empty() {
            return Err(Fail::Because(format!(
                "{} holds no assertion: write a document of kind AccessTest with a list assertions",
                self.path.display()
            )));
        }
        let (store, refused) = self.store(settings, &loaded).await?;
        let questions = Questions::new(store);
        let source = self.applied_as.named();
        let outcomes = ask_all(&questions, &loaded.assertions, source).await?;
        questions.store().close().await;
        let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
        match self.output {
            Some(format) => {
                let objects = refused.iter().map(Item::Object);
                let all: Vec<_> = objects.chain(outcomes.iter().map(Item::Assertion)).collect();
                out.value(format, &all)?;
            }
            None => {
                report_refused(out, &refused)?;
                report(out, &outcomes)?;
                out.line(&summary(outcomes.len() - failed, failed, refused.len()))?;
            }
        }
        Ok(Verdict::from(failed == 0 && refused.is_empty() && loaded.faults.is_empty()))
    }

    /// Where the assertions are asked, and the objects that are not in force
    /// there as they are written.
    async fn store(&self, settings: &Settings, loaded: &Loaded) -> Result<(Store, Vec<Refused>), Fail> {
        if loaded.objects.is_empty() {
            return match &self.devices {
                None => Ok((app::open_existing(settings).await?, vec![])),
                Some(_) => Err(Fail::Usage(
                    "--devices is for objects judged on an empty database, and -f holds none".to_owned(),
                )),
            };
        }
        let store = match self.on_database {
            true => app::open_existing(settings).await?.rehearsal().await?,
            false => files::in_memory().await?,
        };
        let mut passes = self.applied_as.rehearse(&store, loaded, &self.path).await?;
        if let Some(devices) = &self.devices {
            super::devices::import_into(&store, devices).await?;
            // Grants find what has been imported.
            passes = self.applied_as.rehearse(&store, loaded, &self.path).await?;
        }
        let refused = refused(&passes);
        tell_elsewhere(&refused);
        let refused = refused.into_iter().map(Refused::from).collect();
        Ok((store, refused))
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
                    MALFORMED.clone_into(&mut outcome.reason);
                    outcome.message = why.to_string();
                }
            }
            outcomes.push(outcome);
        }
        let judged = questions.judge_all(&asks).await?;
        for (place, judged) in places.into_iter().zip(judged) {
            if let Some(outcome) = outcomes.get_mut(place) {
                outcome.judged(judged);
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

    /// An assertion about somebody or something that is not there fails,
    /// whatever it says: a slip in a name would prove that nothing is allowed.
    fn judged(&mut self, judged: Result<Said, Unknown>) {
        match judged {
            Ok(said) => {
                self.passed = said.allowed == self.may;
                self.allowed = Some(said.allowed);
                said.reason.clone_into(&mut self.reason);
                self.message = said.message;
            }
            Err(unknown) => {
                unknown.reason().clone_into(&mut self.reason);
                self.message = unknown.to_string();
            }
        }
    }

    /// What is wrong with one that failed.
    fn is(&self) -> &'static str {
        match self.allowed {
            Some(true) => "it is allowed",
            Some(false) => "it is denied",
            None if self.reason == MALFORMED => "it cannot be asked",
            None => "it cannot be judged",
        }
    }
}

impl From<&Done> for Refused {
    fn from(done: &Done) -> Self {
        let (reason, message) = why(done);
        let ObjectKey { kind, namespace, name } = &done.key;
        Self {
            file: done.origin.as_ref().map(|at| at.file.display().to_string()),
            line: done.origin.as_ref().and_then(|at| at.line),
            kind: kind.as_str(),
            namespace: namespace.clone(),
            name: name.clone(),
            passed: false,
            reason: reason.to_owned(),
            message: message.to_owned(),
        }
    }
}

/// Two lines for each object that would not be ready: which, and why and where
/// it stands.
fn report_refused(out: &mut Out, refused: &[Refused]) -> Result<(), Fail> {
    for Refused { file, line, kind, namespace, name, reason, message, passed: _ } in refused {
        let at = place(file.as_deref().unwrap_or_default(), *line);
        let object = format!("{kind} {}/{}", tame(namespace), tame(name));
        out.line(&format!("{}  {object} is ready", out.red("FAIL")))?;
        out.line(&format!("      {at}: it would not be: {reason}: {}", tame(message)))?;
    }
    Ok(())
}

/// One line for each assertion, and for one that fails a second one with why
/// and where it stands.
fn report(out: &mut Out, outcomes: &[Outcome]) -> Result<(), Fail> {
    for outcome in outcomes {
        let Outcome { account, operation, resource, file, line, reason, message, .. } = outcome;
        let may = if outcome.may { "may" } else { "may not" };
        let whose =
            outcome.creator.as_deref().map(|c| format!(" created by {}", tame(c))).unwrap_or_default();
        let said = format!("{} {may} {} {}{whose}", tame(account), tame(operation), tame(resource));
        if outcome.passed {
            out.line(&format!("{}  {said}", out.green("ok  ")))?;
            continue;
        }
        let (at, is) = (place(file, *line), outcome.is());
        out.line(&format!("{}  {said}", out.red("FAIL")))?;
        out.line(&format!("      {at}: {is}: {reason}: {}", tame(message)))?;
    }
    Ok(())
}

fn place(file: &str, line: Option<usize>) -> String {
    tame(&Origin { file: Path::new(file).into(), line }.to_string())
}

fn summary(passed: usize, failed: usize, refused: usize) -> String {
    let refused = match refused {
        0 => String::new(),
        1 => ", 1 object would not be ready".to_owned(),
        more => format!(", {more} objects would not be ready"),
    };
    format!("{passed} passed, {failed} failed{refused}")
}
