//! What a command says when it cannot go on: one line on standard error with
//! the chain of causes, and an exit code.

use std::error::Error;
use std::fmt;
use std::io;

use crate::app::AppError;

/// Why a command ends early.
#[derive(Debug)]
pub(super) enum Fail {
    /// It was called wrongly.
    Usage(String),
    /// It could not be done.
    Because(String),
    /// Nobody reads the output any more, which is no failure.
    Pipe,
}

impl Fail {
    /// Wrong flags.
    pub(super) fn usage(error: impl Error) -> Self {
        Self::Usage(chain(&error))
    }

    /// Something failed for a reason.
    pub(super) fn because(what: impl fmt::Display, error: impl Error) -> Self {
        Self::Because(format!("{what}: {}", chain(&error)))
    }

    /// The exit code.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Because(_) => 1,
            Self::Pipe => 0,
        }
    }

    /// Says it.
    pub(super) fn print(&self) {
        match self {
            Self::Usage(text) | Self::Because(text) => out_error(&format!("error: {text}")),
            Self::Pipe => {}
        }
    }
}

/// A line on standard error; a closed one is not worth failing for.
pub(super) fn out_error(line: &str) {
    use io::Write as _;
    let _ = writeln!(io::stderr().lock(), "{line}");
}

impl From<AppError> for Fail {
    fn from(error: AppError) -> Self {
        Self::Because(chain(&error))
    }
}

impl From<crate::store::StoreError> for Fail {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Because(chain(&error))
    }
}

impl From<crate::engine::EngineError> for Fail {
    fn from(error: crate::engine::EngineError) -> Self {
        Self::Because(chain(&error))
    }
}

/// An error writing to standard output.
impl From<io::Error> for Fail {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Pipe,
            _ => Self::because("the output cannot be written", error),
        }
    }
}

/// An error and what caused it, in one line; a cause that only repeats what
/// was said is left out.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
