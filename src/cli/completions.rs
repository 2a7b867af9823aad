//! `tenantry completions`: what a shell needs to complete the command line.

use clap::Args;
use clap_complete::Shell;

use super::Verdict;
use super::fail::Fail;
use super::out::Out;

/// Print completions for a shell
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry completions bash > ~/.local/share/bash-completion/completions/tenantry\n  tenantry completions zsh > \"${fpath[1]}/_tenantry\"\n  tenantry completions fish > ~/.config/fish/completions/tenantry.fish"
)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, out: &mut Out, mut command: clap::Command) -> Result<Verdict, Fail> {
        let mut text = vec![];
        clap_complete::generate(self.shell, &mut command, "tenantry", &mut text);
        out.text(&String::from_utf8_lossy(&text))?;
        Ok(Verdict::Good)
    }
}
