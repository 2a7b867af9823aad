//! What `run --from` tells on standard output: the first thing that a new user
//! of Tenantry sees. One line for each object, where each mail is, the link to
//! open; later only what has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::apply::{action, why};
use super::fail::{Fail, out_error};
use super::out::{Out, tame};
use super::validate::counted;
use crate::app::{Letter, letters};
use crate::config::Settings;
use crate::domain::activation::Purpose;
use crate::domain::object::{Kind, ObjectKey};
use crate::engine::{Action, Engine};
use crate::files::{Done, Listener, PassMade};
use crate::mail::MailUrl;
use crate::store;

/// Objects with a line of their own at the beginning; of more only those that
/// are not ready have one.
const MAX_LINES: usize = 40;

/// The teller.
pub(super) struct Story<'a> {
    out: &'a mut Out,
    engine: Engine,
    path: PathBuf,
    settings: Settings,
    base: Option<String>,
    pages: SocketAddr,
    operations: SocketAddr,
    /// Logs are for programs: nothing is told beside them.
    quiet: bool,
    /// What was told of each object last.
    told: BTreeMap<ObjectKey, Told>,
    letters: BTreeSet<PathBuf>,
}

/// What a line said: whether the object is ready, why, and whether its account
/// is active.
#[derive(PartialEq, Eq)]
struct Told {
    ready: bool,
    reason: String,
    message: String,
    active: bool,
}

/// Where the run listens and what it works on.
pub(super) struct Scene {
    pub(super) engine: Engine,
    pub(super) path: PathBuf,
    pub(super) settings: Settings,
    pub(super) base: Option<String>,
    pub(super) pages: SocketAddr,
    pub(super) operations: SocketAddr,
    pub(super) quiet: bool,
}

impl<'a> Story<'a> {
    pub(super) fn new(out: &'a mut Out, scene: Scene) -> Self {
        let Scene { engine, path, settings, base, pages, operations, quiet } = scene;
        Self {
            out,
            engine,
            path,
            settings,
            base,
            pages,
            operations,
            quiet,
            told: BTreeMap::new(),
            letters: BTreeSet::new(),
        }
    }

    fn begin(&mut self, pass: &PassMade<'_>) -> Result<(), Fail> {
        let path = self.path.display().to_string();
        let name = self.out.bold("Tenantry");
        let files = counted(pass.loaded.objects.len(), pass.loaded.files);
        self.out.line(&format!("{name} follows {path}: {files}"))?;
        self.out.line("")
    }

    /// A line for each object whose state is new.
    fn objects(&mut self, done: &[Done], first: bool) -> Result<(), Fail> {
        let mut hidden = 0;
        let news: Vec<&Done> = done.iter().filter(|done| self.is_news(done)).collect();
        let wide = |text: fn(&Done) -> usize| news.iter().map(|done| text(done)).max().unwrap_or(0);
        let name_width = wide(|done| done.key.namespace.len() + done.key.name.len() + 1).min(48);
        for (index, done) in news.iter().enumerate() {
            if first && index >= MAX_LINES && done.is_ready() {
                hidden += 1;
                continue;
            }
            let line = self.object(done, name_width);
            self.out.line(&line)?;
        }
        if hidden > 0 {
            self.out.line(&format!("  … and {hidden} more that are ready"))?;
        }
        Ok(())
    }

    fn is_news(&mut self, done: &Done) -> bool {
        let (reason, message) = why(done);
        let now = Told {
            ready: done.is_ready(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            active: is_active(done),
        };
        let news = self.told.get(&done.key) != Some(&now);
        self.told.insert(done.key.clone(), now);
        news || matches!(
            done.action,
            Some(Action::Created | Action::Updated | Action::Repaired | Action::Deleted)
        )
    }

    fn object(&self, done: &Done, name_width: usize) -> String {
        let waiting = done.report.as_ref().is_some_and(|report| report.condition("Reconciling").is_some());
        let mark = match done.is_ready() {
            true => self.out.green("✓"),
            false if waiting => self.out.yellow("…"),
            false => self.out.red("✗"),
        };
        let (reason, message) = why(done);
        let name = tame(&format!("{}/{}", done.key.namespace, done.key.name));
        let what = match (action(done), is_active(done)) {
            ("unchanged", true) => self.out.green("active"),
            (word, true) => format!("{word}, {}", self.out.green("active")),
            (word, false) => word.to_owned(),
        };
        let mut line = format!("  {mark} {:<11}  {name:<name_width$}  {what}", done.key.kind.as_str());
        if !done.is_ready() {
            let place = done.origin.as_ref().map(|at| self.out.dim(&format!(" ({at})"))).unwrap_or_default();
            line.push_str(&format!("\n      {}: {}{place}", self.out.bold(reason), tame(message)));
        }
        line
    }

    /// Mails that are in the folder now and were not before.
    async fn mails(&mut self, done: &[Done]) -> Result<(), Fail> {
        let (MailUrl::Directory(folder), Some(base)) = (&self.settings.mail_url, &self.base) else {
            return Ok(());
        };
        let accounts: Vec<ObjectKey> =
            done.iter().filter(|done| done.key.kind == Kind::SubAdmin).map(|done| done.key.clone()).collect();
        let found = letters(&self.engine, folder, base, &accounts).await?;
        for letter in found {
            if self.letters.insert(letter.file.clone()) {
                self.letter(&letter)?;
            }
        }
        Ok(())
    }

    fn letter(&mut self, letter: &Letter) -> Result<(), Fail> {
        let what = match letter.purpose {
            Purpose::Activate => "is invited",
            Purpose::Confirm | Purpose::ChangeEmail => "is asked to confirm an address",
            Purpose::SetPassword => "is asked to choose a password",
        };
        let username = self.out.bold(&tame(&letter.username));
        let link = self.out.underlined(&letter.link);
        self.out.line("")?;
        self.out.line(&format!("  ✉ {username} {what}"))?;
        self.out.line(&format!("      mail  {}", short(&letter.file)))?;
        self.out.line(&format!("      open  {link}"))
    }

    fn end_of_first(&mut self) -> Result<(), Fail> {
        let database = match store::sqlite_path(&self.settings.database_url) {
            Some(path) => path.display().to_string(),
            None => "PostgreSQL".to_owned(),
        };
        let mails = match &self.settings.mail_url {
            MailUrl::Directory(folder) => format!("{}, one file each", short(folder)),
            MailUrl::Smtp(_) => self.settings.mail_url.to_string(),
        };
        let lines = [
            ("Pages", format!("http://{}", self.pages)),
            ("Health", format!("http://{}/readyz", self.operations)),
            ("Database", database),
            ("Mails", mails),
        ];
        self.out.line("")?;
        for (name, value) in lines {
            let name = self.out.dim(&format!("{name:<9}"));
            self.out.line(&format!("  {name} {value}"))?;
        }
        self.out.line("")?;
        let path = self.path.display().to_string();
        self.out.line(&format!("Change a file in {path} and this follows. Ctrl-C stops."))
    }

    /// The reader went away, which stops nothing.
    fn over(&mut self, result: Result<(), Fail>) {
        match result.and_then(|()| self.out.flush()) {
            Ok(()) => {}
            Err(Fail::Pipe) => self.quiet = true,
            Err(fail) => {
                self.quiet = true;
                fail.print();
            }
        }
    }

    async fn tell(&mut self, pass: PassMade<'_>) -> Result<(), Fail> {
        if pass.first {
            self.begin(&pass)?;
        }
        self.objects(pass.done, pass.first)?;
        if pass.first {
            self.end_of_first()?;
        }
        self.mails(pass.done).await
    }
}

fn is_active(done: &Done) -> bool {
    let phase = done.report.as_ref().and_then(|report| report.status.get("phase"));
    phase.is_some_and(|phase| phase == "Active")
}

fn short(path: &Path) -> String {
    path.strip_prefix("./").unwrap_or(path).display().to_string()
}

#[async_trait]
impl Listener for Story<'_> {
    async fn passed(&mut self, pass: PassMade<'_>) {
        for fault in pass.faults {
            out_error(&format!("error: {fault}"));
        }
        if let Some(why) = pass.kept_back {
            out_error(&format!("note: {why}"));
        }
        if pass.first {
            pass.loaded.notes.iter().for_each(|note| out_error(&format!("note: {note}")));
        }
        if !self.quiet {
            let told = self.tell(pass).await;
            self.over(told);
        }
    }

    async fn looked(&mut self, done: &[Done]) {
        if self.quiet {
            return;
        }
        let told = match self.objects(done, false) {
            Ok(()) => self.mails(done).await,
            failed => failed,
        };
        self.over(told);
    }

    async fn failed(&mut self, problem: &str) {
        out_error(&format!("error: {problem}; trying again"));
    }
}
