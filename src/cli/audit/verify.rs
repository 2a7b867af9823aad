//! `tenantry audit verify`: the chain, entry by entry. It changes nothing.

use clap::Args;
use serde_json::json;

use super::super::Verdict;
use super::super::fail::{Fail, out_error};
use super::super::out::{Format, Out};
use crate::app;
use crate::config::Settings;
use crate::domain::audit::{Unsealed, Verified};

/// Prove that no sealed entry was changed, removed or moved
///
/// Entries are sealed within seconds by `tenantry run`, or at the end of `tenantry apply`. The key
/// file is needed: nobody can seal, or prove, without it. Keep the digest that this prints somewhere
/// else, and give it with --expect later: it then proves as well that the trail still contains
/// everything that it contained on that day.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry audit verify\n  tenantry audit verify -o json | jq -r .head > head.txt\n  tenantry audit verify --expect $(cat head.txt)\n\nExit codes: 0 whole, 1 broken or the expected digest is missing."
)]
pub(super) struct Verify {
    /// A digest that this command printed earlier and that the chain must still contain
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    expect: Option<String>,

    /// Print what was found for programs
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

fn digest(text: &str) -> Result<String, String> {
    let text = text.trim().to_ascii_lowercase();
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(text)
    } else {
        Err("a digest is 64 hex digits, as `tenantry audit verify` prints it".to_owned())
    }
}

impl Verify {
    pub(super) async fn run(self, settings: &Settings, out: &mut Out) -> Result<Verdict, Fail> {
        let store = app::open_existing(settings).await?;
        let expect = self.expect.as_deref();
        let verified = app::verify_trail(settings, &store, expect).await?.unwrap_or_else(|| nothing(expect));
        store.close().await;
        let Verified { sealed, proved, head, broken, expected, unsealed } = &verified;
        let whole = broken.is_none();
        match self.output {
            Some(format) => {
                let broken = broken.map(
                    |b| json!({"sequence": b.sequence, "fault": b.fault.as_str(), "message": b.to_string()}),
                );
                let tail = json!({"count": unsealed.count, "since": unsealed.since});
                let value = json!({
                    "whole": whole, "sealed": sealed, "proved": proved, "head": head,
                    "broken": broken, "expected": expected, "unsealed": tail,
                });
                out.value(format, &value)?;
            }
            None => {
                let told = if whole { "sealed and whole" } else { "sealed, but the chain is broken" };
                out.line(&format!("{}  {told}", entries(*sealed)))?;
                if let Some(head) = head {
                    out.line(&format!("head       {head}"))?;
                }
                if let Some(since) = unsealed.since {
                    out.line(&format!("unsealed   {} since {since}", entries(unsealed.count)))?;
                }
            }
        }
        out.flush()?;
        if let Some(broken) = broken {
            out_error(&format!("error: {broken} (proved before that: {})", entries(*proved)));
        }
        if *expected == Some(false) {
            out_error(
                "error: the digest of --expect is not in the proved part of the chain: entries up to it were removed or replaced, or it belongs to another database",
            );
        }
        Ok(Verdict::from(whole && *expected != Some(false)))
    }
}

/// A database that has never been used with a key.
fn nothing(expect: Option<&str>) -> Verified {
    Verified {
        sealed: 0,
        proved: 0,
        head: None,
        broken: None,
        expected: expect.map(|_| false),
        unsealed: Unsealed::default(),
    }
}

fn entries(count: i64) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}
