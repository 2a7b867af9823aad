//! `tenantry devices import`: line by line, a thousand in one transaction. A
//! wrong line is named and left out; the others go on.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::super::Verdict;
use super::super::fail::{Fail, out_error};
use super::super::out::Out;
use super::line::{Device, Form};
use super::{TenantRef, resolve};
use crate::app;
use crate::config::Settings;
use crate::store::devices::{Import as Row, Imported};
use crate::store::{Access, Store};

const BATCH: usize = 1_000;
const MAX_LINE: u64 = 64 * 1024;
/// Faults that are shown; all are counted.
const MAX_SHOWN: u64 = 100;
const RERUNS: u32 = 8;

/// Import devices from CSV or NDJSON
///
/// Columns: device_id,unit_id,name,labels,tenant. Labels are written k=v;k=v. A tenant is written
/// namespace/name and is the holder of new devices only: devices that are known keep theirs.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry devices import devices.csv\n  tenantry devices import devices.ndjson\n  platform-export | tenantry devices import -"
)]
pub(super) struct Import {
    /// The file; - is standard input
    file: PathBuf,

    /// The source whose Tenants are meant, if several have one of the same name
    #[arg(long, value_name = "NAME", env = "TENANTRY_SOURCE")]
    source: Option<String>,
}

impl Import {
    pub(super) async fn run(self, settings: &Settings, out: &mut Out) -> Result<Verdict, Fail> {
        let input = Input::open(&self.file)?;
        let store = app::open(settings).await?;
        let work = Work::through(input, store, self.source.filter(|name| !name.is_empty())).await?;
        work.store.close().await;
        let Imported { added, changed, unchanged } = work.sum;
        let mut text = format!("{added} added, {changed} changed, {unchanged} unchanged");
        if work.faults > 0 {
            text.push_str(&format!(", {} left out", work.faults));
        }
        out.line(&text)?;
        Ok(Verdict::from(work.faults == 0))
    }
}

/// Imports a file of devices into a database that is open already; wrong lines
/// are named, and one of them is enough to fail.
pub(in super::super) async fn import_into(store: &Store, file: &Path) -> Result<(), Fail> {
    let work = Work::through(Input::open(file)?, store.clone(), None).await?;
    match work.faults {
        0 => Ok(()),
        _ => Err(Fail::Because(format!("{} is not in order: repair the lines named above", file.display()))),
    }
}

/// What is imported.
struct Input {
    name: String,
    size: Option<u64>,
    lines: Box<dyn Read + Send>,
}

impl Input {
    fn open(path: &Path) -> Result<Self, Fail> {
        if path.as_os_str() == "-" {
            return Ok(Self { name: "standard input".to_owned(), size: None, lines: Box::new(io::stdin()) });
        }
        let cannot = |error| Fail::because(format!("{} cannot be read", path.display()), error);
        let file = File::open(path).map_err(cannot)?;
        let meta = file.metadata().map_err(cannot)?;
        if meta.is_dir() {
            return Err(Fail::Because(format!("{} is a folder: give a file", path.display())));
        }
        Ok(Self { name: path.display().to_string(), size: Some(meta.len()), lines: Box::new(file) })
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress(size: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = match size {
        Some(size) => ProgressBar::new(size).with_style(style("{bar:32} {percent:>3}%  {msg}  {eta} left")),
        None => ProgressBar::new_spinner().with_style(style("{spinner} {msg}")),
    };
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

struct Work {
    name: String,
    source: Option<String>,
    store: Store,
    progress: ProgressBar,
    tenants: HashMap<TenantRef, Result<Uuid, String>>,
    /// Digests of the ids so far: a device on two lines would depend on their
    /// order.
    seen: HashSet<[u8; 16]>,
    batch: Vec<Row>,
    sum: Imported,
    faults: u64,
}

impl Work {
    /// Imports everything; what came of it.
    async fn through(input: Input, store: Store, source: Option<String>) -> Result<Self, Fail> {
        let Input { name, size, lines } = input;
        let mut work = Self {
            name,
            source,
            store,
            progress: progress(size),
            tenants: HashMap::new(),
            seen: HashSet::new(),
            batch: vec![],
            sum: Imported::default(),
            faults: 0,
        };
        let result = work.all(BufReader::with_capacity(1 << 16, lines)).await;
        work.progress.finish_and_clear();
        result.map(|()| work)
    }

    async fn all(&mut self, mut input: impl BufRead) -> Result<(), Fail> {
        let mut form: Option<Form> = None;
        let mut bytes = vec![];
        for number in 1_u64.. {
            bytes.clear();
            let read = input.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes);
            let read = read.map_err(|error| Fail::because(format!("{} cannot be read", self.name), error))?;
            if read == 0 {
                break;
            }
            self.progress.inc(read as u64);
            if read as u64 == MAX_LINE && bytes.last() != Some(&b'\n') {
                self.fault(number, "is longer than 64 KiB: a device stands on one line");
                skip_line(&mut input)
                    .map_err(|error| Fail::because(format!("{} cannot be read", self.name), error))?;
                continue;
            }
            let Ok(text) = std::str::from_utf8(&bytes) else {
                self.fault(number, "is not UTF-8 text");
                continue;
            };
            let text = text.strip_prefix('\u{feff}').filter(|_| number == 1).unwrap_or(text);
            let text = text.trim_end_matches(['\n', '\r']);
            if text.trim().is_empty() {
                continue;
            }
            let known = match &form {
                Some(form) => form,
                None => {
                    let (found, header) = Form::of(text)
                        .map_err(|why| Fail::Because(format!("{}:{number}: {why}", self.name)))?;
                    let found = form.insert(found);
                    if header {
                        continue;
                    }
                    found
                }
            };
            match known.read(text) {
                Ok(device) => self.take(number, device).await?,
                Err(why) => self.fault(number, &why),
            }
        }
        self.send().await
    }

    fn fault(&mut self, line: u64, why: &str) {
        self.faults += 1;
        if self.faults <= MAX_SHOWN {
            let text = format!("{}:{line}: {why}", self.name);
            self.progress.suspend(|| out_error(&text));
        } else if self.faults == MAX_SHOWN + 1 {
            self.progress.suspend(|| out_error("more faults are counted but not shown: repair these first"));
        }
    }

    async fn take(&mut self, line: u64, device: Device) -> Result<(), Fail> {
        let mut digest = [0; 16];
        digest.copy_from_slice(&Sha256::digest(device.id.as_bytes())[..16]);
        if !self.seen.insert(digest) {
            self.fault(line, "device_id: stands on an earlier line already: remove one of the two");
            return Ok(());
        }
        let Device { id, unit_id, name, labels, tenant } = device;
        let tenant = match tenant {
            None => None,
            Some(tenant) => match self.tenant(&tenant).await? {
                Ok(id) => Some(id),
                Err(why) => {
                    self.fault(line, &format!("tenant: {why}"));
                    return Ok(());
                }
            },
        };
        self.batch.push(Row { id, unit_id, name, labels, tenant });
        if self.batch.len() >= BATCH {
            self.send().await?;
        }
        Ok(())
    }

    async fn tenant(&mut self, tenant: &TenantRef) -> Result<Result<Uuid, String>, Fail> {
        if let Some(known) = self.tenants.get(tenant) {
            return Ok(known.clone());
        }
        let mut tx = self.store.begin(Access::Read).await?;
        let found = resolve(&mut tx, self.source.as_deref(), tenant).await?;
        self.tenants.insert(tenant.clone(), found.clone());
        Ok(found)
    }

    /// One transaction, run again when another one got in its way.
    async fn send(&mut self) -> Result<(), Fail> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let mut attempt = 0;
        let done = loop {
            match self.attempt().await {
                Ok(done) => break done,
                Err(error) if error.is_transient() && attempt < RERUNS => {
                    attempt += 1;
                    tokio::time::sleep(Duration::from_millis(20 << attempt)).await;
                }
                Err(error) => return Err(error.into()),
            }
        };
        let Imported { added, changed, unchanged } = done;
        self.sum.added += added;
        self.sum.changed += changed;
        self.sum.unchanged += unchanged;
        self.batch.clear();
        self.progress
            .set_message(format!("{} devices", self.sum.added + self.sum.changed + self.sum.unchanged));
        Ok(())
    }

    async fn attempt(&self) -> Result<Imported, crate::store::StoreError> {
        let mut tx = self.store.begin(Access::Write).await?;
        let done = tx.import_devices(&self.batch).await?;
        tx.commit().await?;
        Ok(done)
    }
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(buffer.len(), |end| end + 1);
        input.consume(length);
        if end.is_some() {
            return Ok(());
        }
    }
}
