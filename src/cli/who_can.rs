//! `tenantry who-can`: everybody who may do something, each with what decided.

use clap::Args;
use serde::Serialize;

use super::Verdict;
use super::fail::{Fail, out_error};
use super::out::{Format, Out, tame};
use super::what_if::WhatIf;
use crate::config::Settings;
use crate::engine::questions::Asked;

const PAGE: usize = 200;

/// Who may do this? Each account with the reason
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry who-can view device/cam-17\n  tenantry who-can operate device/cam-17 -o json\n  tenantry who-can view dashboard"
)]
pub(super) struct WhoCan {
    /// What is done, such as view or operate
    operation: String,

    /// On what: a resource, with a device id behind a slash if it is about one
    #[arg(value_name = "RESOURCE[/ID]")]
    resource: String,

    #[command(flatten)]
    what_if: WhatIf,

    /// Print a list for programs
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

#[derive(Serialize)]
struct Row {
    account: String,
    reason: &'static str,
}

impl WhoCan {
    pub(super) async fn run(self, settings: &Settings, out: &mut Out) -> Result<Verdict, Fail> {
        let (resource, device) = match self.resource.split_once('/') {
            Some((resource, device)) => (resource, Some(device)),
            None => (self.resource.as_str(), None),
        };
        // Each account found takes the place of this one.
        let asked = Asked::new("anybody", &self.operation, resource, device, None).map_err(Fail::usage)?;
        let questions = self.what_if.questions(settings).await?;
        let mut list = out.list(self.output);
        let header = line("ACCOUNT", "REASON");
        let mut after = Some(String::new());
        while let Some(from) = after {
            let page = questions.who_can(&asked, &from, PAGE).await?;
            for who in page.items {
                let row = Row { account: who.account, reason: who.reason.as_str() };
                list.item(out, &row, &header, |row| line(&tame(&row.account), row.reason))?;
            }
            after = page.next;
        }
        if list.end(out)? == 0 {
            out_error("nobody may do this; the default is deny");
        }
        questions.store().close().await;
        Ok(Verdict::Good)
    }
}

fn line(account: &str, reason: &str) -> String {
    format!("{account:<32}  {reason}")
}
