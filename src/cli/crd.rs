//! `tenantry crd`: the CustomResourceDefinitions of the four kinds.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::Verdict;
use super::fail::{Fail, chain};
use super::out::Out;
use crate::api;

/// Print the CustomResourceDefinitions
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry crd | kubectl apply --server-side -f -\n  tenantry crd --out-dir crds"
)]
pub(super) struct Crd {
    /// Write one file for each kind into this folder instead
    #[arg(long, value_name = "DIR")]
    out_dir: Option<PathBuf>,
}

impl Crd {
    pub(super) fn run(self, out: &mut Out) -> Result<Verdict, Fail> {
        if let Some(folder) = &self.out_dir {
            fs::create_dir_all(folder).map_err(|error| {
                Fail::because(format!("the folder {} cannot be made", folder.display()), error)
            })?;
        }
        for (index, kind) in api::Kind::ALL.into_iter().enumerate() {
            let text = api::crds_yaml(&api::crd(kind)).map_err(|error| Fail::Because(chain(&error)))?;
            match &self.out_dir {
                Some(folder) => {
                    let path = folder.join(file_name(kind));
                    fs::write(&path, text).map_err(|error| {
                        Fail::because(format!("{} cannot be written", path.display()), error)
                    })?;
                }
                None => {
                    if index > 0 {
                        out.line("---")?;
                    }
                    out.text(&text)?;
                }
            }
        }
        Ok(Verdict::Good)
    }
}

fn file_name(kind: api::Kind) -> String {
    format!("{}.yaml", kind.plural())
}
