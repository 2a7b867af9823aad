//! What is logged, and how. Logs go to standard error; standard output belongs
//! to what a command was asked for.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Begins logging: `--log` first, then `RUST_LOG`, else `default`. A second
/// call changes nothing.
pub fn start(filter: Option<&str>, format: LogFormat, default: &str) -> Result<(), String> {
    let from_environment = std::env::var("RUST_LOG").ok().filter(|text| !text.trim().is_empty());
    let text = filter.map(str::to_owned).or(from_environment).unwrap_or_else(|| default.to_owned());
    let filter = EnvFilter::try_new(&text)
        .map_err(|error| format!("--log {text:?} is not a filter such as info or tenantry=debug: {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_target(false).with_ansi(io::stderr().is_terminal()).try_init(),
    };
    // Somebody else, a test for example, has begun already.
    drop(started);
    Ok(())
}
