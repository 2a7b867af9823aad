//! What is wrong with a source, one line each: where, what, why, what to do.

use std::fmt;

use serde::Serialize;

use super::origin::Origin;
use crate::domain::object::ObjectKey;

/// Something wrong with a file, a document or an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where.
    pub at: Origin,
    /// The column, if that is known.
    pub column: Option<usize>,
    /// Which object, if it is known.
    pub object: Option<ObjectKey>,
    /// Which field; empty for the object or file as a whole.
    pub field: String,
    /// What is wrong, and what to do.
    pub message: String,
    /// An object may hide here that nobody could read, so that nothing can
    /// be said to be missing from the source.
    pub unread: bool,
}

/// `acme.yaml:12: SubAdmin acme/kim: spec.tier: is not a known word: ...`
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.at)?;
        if let (Some(_), Some(column)) = (self.at.line, self.column) {
            write!(f, ":{column}")?;
        }
        f.write_str(": ")?;
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        // One line, whatever was quoted.
        f.write_str(&self.message.replace(['\n', '\r'], " "))
    }
}

/// A fault for programs.
#[derive(Clone, Debug, Serialize)]
pub struct FaultLine {
    file: String,
    line: Option<usize>,
    column: Option<usize>,
    kind: Option<&'static str>,
    namespace: Option<String>,
    name: Option<String>,
    field: String,
    message: String,
}

impl From<&Fault> for FaultLine {
    fn from(fault: &Fault) -> Self {
        let Fault { at, column, object, field, message, unread: _ } = fault;
        Self {
            file: at.file.display().to_string(),
            line: at.line,
            column: *column,
            kind: object.as_ref().map(|key| key.kind.as_str()),
            namespace: object.as_ref().map(|key| key.namespace.clone()),
            name: object.as_ref().map(|key| key.name.clone()),
            field: field.clone(),
            message: message.clone(),
        }
    }
}
