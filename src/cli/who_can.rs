//! `tenantry who-can`: everybody who may do something, or has an administrative
//! right on an object, each with what decided.

use clap::Args;
use serde::Serialize;

use super::Verdict;
use super::fail::{Fail, out_error};
use super::out::{Format, Out, tame};
use super::what_if::WhatIf;
use crate::config::Settings;
use crate::engine::questions::{Ask, Page, Questions, Who, Words};

const PAGE: usize = 200;

/// Who may do this? Each account with the reason
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry who-can view device/cam-17\n  tenantry who-can operate device/cam-17 -o json\n  tenantry who-can view dashboard\n  tenantry who-can ManageUsers subadmin/acme/kim\n  tenantry who-can view device/cam-17 -f accounts/     as if these files were applied"
)]
pub(super) struct WhoCan {
    /// What is done, such as view or operate; or a capability, such as ManageUsers
    #[arg(value_name = "OPERATION|CAPABILITY")]
    operation: String,

    /// On what: a resource, with a device id behind a slash if it is about one; for a capability
    /// tenant/NAMESPACE/NAME, subadmin/..., role/... or group/NAMESPACE/TENANT/GROUP
    #[arg(value_name = "RESOURCE[/ID]|KIND/REF")]
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

/// Stands for everybody in the question: each account that is found takes its
/// place.
const ANYBODY: &str = "anybody";

impl WhoCan {
    fn ask(&self) -> Result<Ask, Fail> {
        let Self { operation, resource, what_if, output: _ } = self;
        let source = what_if.source();
        Ask::read(Words { account: ANYBODY, operation, resource, creator: None, source }).map_err(Fail::usage)
    }

    pub(super) async fn run(self, settings: &Settings, out: &mut Out) -> Result<Verdict, Fail> {
        let ask = self.ask()?;
        let questions = self.what_if.questions(settings).await?;
        let mut list = out.list(self.output);
        let header = line("ACCOUNT", "REASON");
        let mut after = Some(String::new());
        while let Some(from) = after {
            let page = page(&questions, &ask, &from).await?;
            for who in page.items {
                let row = Row { account: who.account, reason: who.reason };
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

async fn page(questions: &Questions, ask: &Ask, after: &str) -> Result<Page<Who>, Fail> {
    match ask {
        Ask::Access(asked) => Ok(questions.who_can(asked, after, PAGE).await?),
        Ask::Right(asked) => {
            questions.who_may(asked, after, PAGE).await?.map_err(|why| Fail::Because(why.to_string()))
        }
    }
}

fn line(account: &str, reason: &str) -> String {
    format!("{account:<32}  {reason}")
}
