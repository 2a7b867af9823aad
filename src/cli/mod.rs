//! The command line: one file for each command, from arguments to exit code.
//! Commands check their arguments, call the application and show what came of
//! it; only they print. `main` calls [`main`], nothing else calls this.

mod activation;
mod apply;
mod audit;
mod completions;
mod crd;
mod devices;
mod doctor;
mod export;
mod fail;
mod mail;
mod migrate;
mod out;
mod questions;
mod run;
mod story;
mod test;
mod validate;
mod what_can;
mod what_if;
mod who_can;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::app;
use crate::config::{LogFormat, Shared};

use fail::Fail;
use out::Out;

/// Accounts as code: tenants, administrators, roles and device grants as YAML; an account database
/// and activation mails as the result.
#[derive(Parser)]
#[command(
    name = "tenantry",
    version,
    max_term_width = 100,
    after_help = "Begin here:\n  tenantry run --from examples/quickstart     follow a folder; no cluster needed\n  tenantry validate -f FOLDER                 what is wrong with these files?\n  tenantry doctor                             is everything there that it needs?\n\nExit codes: 0 success, 1 refused or not ready, 2 wrong usage."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Run),
    Apply(apply::Apply),
    Validate(validate::Validate),
    Test(test::Test),
    Check(questions::Check),
    Explain(questions::Explain),
    Devices(devices::Devices),
    Activation(activation::Activation),
    Mail(mail::Mail),
    WhoCan(who_can::WhoCan),
    WhatCan(what_can::WhatCan),
    Export(export::Export),
    Audit(audit::Audit),
    Migrate(migrate::Migrate),
    Crd(crd::Crd),
    Completions(completions::Completions),
    Doctor(doctor::Doctor),
}

/// What a command came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Everything is as it should be.
    Good,
    /// Refused, or not ready.
    Bad,
}

impl From<bool> for Verdict {
    fn from(good: bool) -> Self {
        if good { Self::Good } else { Self::Bad }
    }
}

/// Parses, runs, and says with which code to exit.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match parse(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are success; a closed pipe is nobody's fault.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match cli.run() {
        Ok(Verdict::Good) | Err(Fail::Pipe) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => ExitCode::from(1),
        Err(fail) => {
            fail.print();
            ExitCode::from(fail.code())
        }
    }
}

fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let matches = command(arguments).try_get_matches_from(arguments)?;
    Cli::from_arg_matches(&matches)
}

/// The command under the name that it was called by: kubectl finds plugins by
/// the names of their files.
fn command(arguments: &[OsString]) -> clap::Command {
    let called = arguments.first().and_then(|path| Path::new(path).file_stem()?.to_str());
    match called {
        Some("kubectl-tenantry") => Cli::command().bin_name("kubectl tenantry"),
        _ => Cli::command().bin_name("tenantry"),
    }
}

impl Cli {
    fn run(self) -> Result<Verdict, Fail> {
        let Self { command, shared } = self;
        let default = match &command {
            // During an outage the libraries below say the same thing many times.
            Command::Run(run) if run.from.is_none() => {
                "tenantry=info,warn,kube_client=off,kube_runtime=off,sqlx=error"
            }
            // A slow statement is no news to who waits for it.
            _ => "warn,sqlx=error",
        };
        app::start_logging(shared.log.as_deref(), shared.log_format, default).map_err(Fail::Usage)?;
        let mut out = Out::new();
        let verdict = match command {
            Command::Crd(command) => command.run(&mut out),
            Command::Completions(command) => command.run(&mut out, Cli::command()),
            // It needs no settings, so wrong ones do not stop it.
            Command::Validate(command) => runtime()?.block_on(command.run(&mut out)),
            command => {
                let settings = shared.settings().map_err(Fail::usage)?;
                let json_log = shared.log_format == LogFormat::Json;
                let runtime = runtime()?;
                let verdict = runtime.block_on(async {
                    match command {
                        Command::Run(command) => command.run(settings, json_log, &mut out).await,
                        Command::Apply(command) => command.run(&settings, &mut out).await,
                        Command::Check(command) => command.run(&settings, &mut out).await,
                        Command::Explain(command) => command.run(&settings, &mut out).await,
                        Command::Test(command) => command.run(&settings, &mut out).await,
                        Command::Devices(command) => command.run(&settings, &mut out).await,
                        Command::Activation(command) => command.run(&settings, &mut out).await,
                        Command::Mail(command) => command.run(&settings, &mut out).await,
                        Command::WhoCan(command) => command.run(&settings, &mut out).await,
                        Command::WhatCan(command) => command.run(&settings, &mut out).await,
                        Command::Export(command) => command.run(&settings, &mut out).await,
                        Command::Audit(command) => command.run(&settings, &mut out).await,
                        Command::Migrate(command) => command.run(&settings, &mut out).await,
                        Command::Doctor(command) => command.run(&settings, &mut out).await,
                        Command::Crd(_) | Command::Completions(_) | Command::Validate(_) => Ok(Verdict::Good),
                    }
                });
                // Reading standard input cannot be interrupted; do not wait for it.
                runtime.shutdown_background();
                verdict
            }
        };
        out.flush()?;
        verdict
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Fail> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Fail::because("the program cannot start its threads", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_kubectl_plugin_calls_itself_by_that_name() {
        let arguments = ["/usr/local/bin/kubectl-tenantry", "apply", "--help"].map(OsString::from);
        let help = parse(&arguments).err().unwrap().to_string();
        assert!(help.contains("Usage: kubectl tenantry apply"), "{help}");
    }

    #[test]
    fn every_command_shows_examples_in_its_help() {
        for command in Cli::command().get_subcommands() {
            let mut command = command.clone();
            assert!(command.render_long_help().to_string().contains("Examples:"), "{}", command.get_name());
        }
    }
}
