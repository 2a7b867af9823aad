//! Standard output: buffered, never a panic when the reader goes, plain when
//! it is no terminal.

use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write};

use clap::ValueEnum;
use serde::Serialize;

use super::fail::Fail;

/// `-o`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For programs.
    Json,
    /// For programs, and for reading long values.
    Yaml,
}

/// Where a command writes.
pub(super) struct Out {
    inner: BufWriter<Stdout>,
    terminal: bool,
    color: bool,
}

impl Out {
    pub(super) fn new() -> Self {
        let terminal = io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { inner: BufWriter::new(io::stdout()), terminal, color: terminal && !plain && !dumb }
    }

    /// How wide a line may be; none where lines are read by programs.
    pub(super) fn width(&self) -> Option<u16> {
        let told = || std::env::var("COLUMNS").ok()?.parse().ok();
        self.terminal
            .then(|| terminal_size::terminal_size().map(|(width, _)| width.0).or_else(told))
            .flatten()
    }

    pub(super) fn line(&mut self, text: &str) -> Result<(), Fail> {
        Ok(writeln!(self.inner, "{text}")?)
    }

    pub(super) fn text(&mut self, text: &str) -> Result<(), Fail> {
        Ok(self.inner.write_all(text.as_bytes())?)
    }

    pub(super) fn flush(&mut self) -> Result<(), Fail> {
        Ok(self.inner.flush()?)
    }

    pub(super) fn value<T: Serialize>(&mut self, format: Format, value: &T) -> Result<(), Fail> {
        let cannot =
            |error: &dyn std::error::Error| Fail::Because(format!("the output cannot be written: {error}"));
        match format {
            Format::Json => {
                let text = serde_json::to_string_pretty(value).map_err(|error| cannot(&error))?;
                self.line(&text)
            }
            Format::Yaml => {
                let text = serde_yaml::to_string(value).map_err(|error| cannot(&error))?;
                self.text(&text)
            }
        }
    }

    /// A long list, one item after the other.
    pub(super) fn list(&self, format: Option<Format>) -> List {
        List { format, count: 0 }
    }

    pub(super) fn green(&self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(super) fn red(&self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(super) fn yellow(&self, text: &str) -> String {
        self.paint("33", text)
    }

    pub(super) fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(super) fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(super) fn underlined(&self, text: &str) -> String {
        self.paint("4", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A list under way; it needs no more memory for a million items than for ten.
pub(super) struct List {
    format: Option<Format>,
    count: u64,
}

impl List {
    /// Writes one item: `row` for people, after `header` if it is the first.
    pub(super) fn item<T: Serialize>(
        &mut self,
        out: &mut Out,
        item: &T,
        header: &str,
        row: impl Fn(&T) -> String,
    ) -> Result<(), Fail> {
        self.count += 1;
        match self.format {
            Some(Format::Json) => {
                out.text(if self.count == 1 { "[\n  " } else { ",\n  " })?;
                let text = serde_json::to_string(item)
                    .map_err(|error| Fail::because("the output cannot be written", error))?;
                out.text(&text)
            }
            Some(Format::Yaml) => out.value(Format::Yaml, &[item]),
            None => {
                if self.count == 1 {
                    out.line(header)?;
                }
                out.line(row(item).trim_end())
            }
        }
    }

    /// Ends the list and says how many there were.
    pub(super) fn end(&self, out: &mut Out) -> Result<u64, Fail> {
        match (self.format, self.count) {
            (Some(_), 0) => out.line("[]")?,
            (Some(Format::Json), _) => out.line("\n]")?,
            _ => {}
        }
        Ok(self.count)
    }
}

/// What is shown of text that somebody else wrote: nothing that moves the
/// cursor or begins a new line.
pub(super) fn tame(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
