//! `tenantry export users`: the user list as a table for spreadsheets, page by
//! page, sorted by the bytes of the usernames.

use clap::{Args, Subcommand, ValueEnum};

use super::Verdict;
use super::fail::Fail;
use super::out::Out;
use crate::app;
use crate::config::Settings;
use crate::engine::questions::Questions;
use crate::store::users::User;

const PAGE: usize = 500;

/// Export the user list
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry export users --format csv > users.csv\n  tenantry export users --format csv --as kim"
)]
pub(super) struct Export {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Users(Users),
}

/// The user list, one row for each account
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry export users --format csv > users.csv\n  tenantry export users --format csv --as kim\n\nA value that a spreadsheet would take for a formula begins with an apostrophe."
)]
struct Users {
    /// How the list is written
    #[arg(long, value_name = "FORMAT")]
    format: Table,

    /// Only what this account may see, which needs ManageUsers: username or e-mail
    #[arg(long = "as", value_name = "ACCOUNT")]
    reader: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Table {
    /// Comma-separated values with a header.
    Csv,
}

const HEADER: [&str; 11] = [
    "username",
    "email",
    "company",
    "mobile",
    "tenant",
    "tier",
    "enabled",
    "active",
    "groups",
    "roles",
    "managed_by",
];

impl Export {
    pub(super) async fn run(self, settings: &Settings, out: &mut Out) -> Result<Verdict, Fail> {
        let Command::Users(Users { format: Table::Csv, reader }) = self.command;
        let questions = Questions::new(app::open_existing(settings).await?);
        let mut after = String::new();
        let mut begun = false;
        loop {
            let page = questions.users(reader.as_deref(), &after, PAGE).await?;
            let page = page.map_err(|refused| Fail::Because(refused.to_string()))?;
            if !begun {
                out.text(&csv_line(HEADER.map(str::to_owned))?)?;
                begun = true;
            }
            for user in page.items {
                out.text(&csv_line(fields(user).map(|field| harmless(&field)))?)?;
            }
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
        questions.store().close().await;
        Ok(Verdict::Good)
    }
}

fn fields(user: User) -> [String; 11] {
    let User {
        key: _,
        username,
        email,
        company,
        mobile,
        tenant,
        tier,
        enabled,
        active,
        groups,
        roles,
        manager,
    } = user;
    [
        username,
        email,
        company.unwrap_or_default(),
        mobile.unwrap_or_default(),
        tenant,
        tier,
        enabled.to_string(),
        active.to_string(),
        groups.join(";"),
        roles.join(";"),
        manager.unwrap_or_default(),
    ]
}

/// What a spreadsheet would take for a formula is marked as text: by an
/// apostrophe in front of it.
fn harmless(field: &str) -> String {
    if field.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        format!("'{field}")
    } else {
        field.to_owned()
    }
}

fn csv_line(fields: [String; 11]) -> Result<String, Fail> {
    let cannot =
        |error: &dyn std::error::Error| Fail::Because(format!("the output cannot be written: {error}"));
    let mut writer = csv::Writer::from_writer(vec![]);
    writer.write_record(&fields).map_err(|error| cannot(&error))?;
    let bytes = writer.into_inner().map_err(|error| cannot(&error))?;
    String::from_utf8(bytes).map_err(|error| cannot(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_a_spreadsheet_would_compute_begins_with_an_apostrophe() {
        for formula in ["=1+1", "+49 30 1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(harmless(formula), format!("'{formula}"));
        }
        for text in ["kim", "a=b", "", "/acme"] {
            assert_eq!(harmless(text), text);
        }
    }
}
