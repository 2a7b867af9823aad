//! `tenantry validate`: what can be said about files without the account
//! database: their form, their references, and what the rules say of them.

use std::path::PathBuf;

use clap::Args;

use super::Verdict;
use super::fail::{Fail, out_error};
use super::out::{Format, Out};
use crate::engine::RootNamespaces;
use crate::files::{self, FaultLine};

/// Check files without a database or a cluster
///
/// Schema, validation rules, objects that stand there twice, references and circles within the
/// files, and every rule that `apply` would ask on an empty database: tiers, authority, limits,
/// roles. Each fault is one line: file, line, object, field, what is wrong and what to do.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry validate -f examples/quickstart\n  tenantry validate -f tenants.yaml -o json"
)]
pub(super) struct Validate {
    /// A folder of YAML and JSON, or a file
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    path: PathBuf,

    /// Where Tenants without a parent and objects without a manager are accepted [default: any]
    #[arg(long, value_name = "NAMES", env = "TENANTRY_ROOT_NAMESPACES", value_delimiter = ',')]
    root_namespaces: Vec<String>,

    /// Print the faults as a list for programs
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

impl Validate {
    pub(super) async fn run(self, out: &mut Out) -> Result<Verdict, Fail> {
        let loaded = files::load(&self.path);
        let mut faults = loaded.faults.clone();
        faults.extend(files::reference_faults(&loaded));
        let roots = RootNamespaces::named(&self.root_namespaces).unwrap_or(RootNamespaces::Any);
        faults.extend(files::rule_faults(&loaded, roots).await?);
        faults.sort();
        for note in &loaded.notes {
            out_error(&format!("note: {note}"));
        }
        match self.output {
            Some(format) => out.value(format, &faults.iter().map(FaultLine::from).collect::<Vec<_>>())?,
            None => faults.iter().for_each(|fault| out_error(&fault.to_string())),
        }
        let (objects, count) = (loaded.objects.len(), faults.len());
        if objects == 0 && faults.is_empty() {
            return Err(Fail::Because(format!(
                "{} holds no object of Tenantry: check the path",
                self.path.display()
            )));
        }
        if self.output.is_none() {
            let what = match count {
                0 => "nothing wrong".to_owned(),
                1 => "1 fault".to_owned(),
                more => format!("{more} faults"),
            };
            out.line(&format!("{}, {what}", counted(objects, loaded.files)))?;
        }
        Ok(Verdict::from(faults.is_empty()))
    }
}

/// `9 objects in 4 files`
pub(super) fn counted(objects: usize, files: usize) -> String {
    let of =
        |count: usize, word: &str| if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") };
    format!("{} in {}", of(objects, "object"), of(files, "file"))
}
