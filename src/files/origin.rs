//! Where an object was found, and on which line one of its fields stands, so
//! that a fault can be looked up with one click. Best effort: whoever writes a
//! whole object on one line gets that line.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where an object, or a broken part of a file, was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The file, as the caller would name it.
    pub file: Arc<Path>,
    /// The line, from 1; none for the file as a whole.
    pub line: Option<usize>,
}

impl Origin {
    /// The file as a whole.
    pub fn file(file: impl Into<Arc<Path>>) -> Self {
        Self { file: file.into(), line: None }
    }
}

/// Written so that editors and terminals recognise it: `acme.yaml:12`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file.display()),
            None => write!(f, "{}", self.file.display()),
        }
    }
}

/// The part of a file that holds one object.
#[derive(Clone, Debug)]
pub(super) struct Excerpt {
    pub(super) file: Arc<Path>,
    pub(super) text: Arc<str>,
    /// Line of the document's first line, from 1.
    pub(super) first: usize,
    /// Bytes of the text that belong to the document.
    pub(super) range: std::ops::Range<usize>,
    /// Where in the document the object is: empty, or `items[3]`.
    pub(super) within: String,
}

impl Excerpt {
    /// The place of a field, or of the nearest thing above it that is found.
    pub(super) fn origin(&self, field: &str) -> Origin {
        let document = self.text.get(self.range.clone()).unwrap_or_default();
        let path = match (self.within.as_str(), field) {
            ("", field) => field.to_owned(),
            (within, "") => within.to_owned(),
            (within, field) => format!("{within}.{field}"),
        };
        Origin { file: self.file.clone(), line: Some(self.first + line_of(document, &path)) }
    }
}

/// One line with something on it.
#[derive(Clone, Copy)]
struct Line<'a> {
    number: usize,
    indent: usize,
    content: &'a str,
}

/// How many lines after the beginning of `document` the field stands.
fn line_of(document: &str, path: &str) -> usize {
    let mut lines: Vec<Line<'_>> = document
        .lines()
        .enumerate()
        .map(|(number, text)| {
            let content = text.trim_start();
            Line { number, indent: text.len() - content.len(), content: content.trim_end() }
        })
        .filter(|line| {
            let bare = line.content;
            !(bare.is_empty() || bare.starts_with('#') || bare == "---" || bare.starts_with("--- #"))
        })
        .collect();
    let mut found = lines.first().map_or(0, |line| line.number);
    for step in steps(path) {
        let inner = match &step {
            Step::Field(name) => below_key(&lines, name),
            Step::Bracket(text) => match text.parse() {
                Ok(index) => below_index(&lines, index).or_else(|| below_key(&lines, text)),
                Err(_) => below_key(&lines, text),
            },
        };
        let Some((at, rest)) = inner else { break };
        found = at;
        lines = rest;
    }
    found
}

enum Step {
    Field(String),
    Bracket(String),
}

/// `spec.byTier[2].max` in steps; a key in brackets may hold dots.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = vec![];
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (key, after) = inner.split_once(']').unwrap_or((inner, ""));
            steps.push(Step::Bracket(key.to_owned()));
            rest = after;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            if !name.is_empty() {
                steps.push(Step::Field(name.to_owned()));
            }
            rest = after.strip_prefix('.').unwrap_or(after);
        }
    }
    steps
}

/// The line of a key at the outermost level, and the lines below it.
fn below_key<'a>(lines: &[Line<'a>], name: &str) -> Option<(usize, Vec<Line<'a>>)> {
    let level = level(lines)?;
    let at = lines.iter().position(|line| line.indent == level && is_key(line.content, name))?;
    let below = lines
        .iter()
        .skip(at + 1)
        // The entries of a list may stand as far to the left as its key.
        .take_while(|line| line.indent > level || (line.indent == level && is_entry(line.content)))
        .copied()
        .collect();
    Some((lines[at].number, below))
}

/// The line of an entry of a list, and its lines with the dash taken away.
fn below_index<'a>(lines: &[Line<'a>], index: usize) -> Option<(usize, Vec<Line<'a>>)> {
    let level = level(lines)?;
    let entry = |line: &Line<'_>| line.indent == level && is_entry(line.content);
    let at = lines.iter().enumerate().filter(|(_, line)| entry(line)).nth(index)?.0;
    let first = lines[at];
    let content = first.content.trim_start_matches('-').trim_start();
    let indent = first.indent + (first.content.len() - content.len());
    let below = std::iter::once(Line { indent, content, ..first })
        .chain(lines.iter().skip(at + 1).take_while(|line| line.indent > level).copied())
        .filter(|line| !line.content.is_empty())
        .collect();
    Some((first.number, below))
}

/// How far the outermost level is indented; the brackets of JSON do not count.
fn level(lines: &[Line<'_>]) -> Option<usize> {
    lines.iter().find(|line| !line.content.starts_with(['{', '}', '[', ']'])).map(|line| line.indent)
}

fn is_entry(content: &str) -> bool {
    content == "-" || content.starts_with("- ")
}

fn is_key(content: &str, name: &str) -> bool {
    let rest = content.strip_prefix(name).or_else(|| {
        let quote = content.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        content.strip_prefix(quote)?.strip_prefix(name)?.strip_prefix(quote)
    });
    rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: &str = "---\n# a tenant\nkind: Tenant\nmetadata:\n  name: acme\n  annotations:\n    tenantry.dev/paused: \"x\"\nspec:\n  limits:\n    devices: 5\n    accounts:\n      byTier:\n      - tier: Admin\n        max: 1\n      - tier: Basic\n        max: -2\n  mail: {from: a@b}\n";

    #[test]
    fn a_field_is_found_on_its_line_or_on_the_nearest_above() {
        for (path, line) in [
            ("", 2),
            ("kind", 2),
            ("metadata.name", 4),
            ("metadata.annotations[tenantry.dev/paused]", 6),
            ("spec", 7),
            ("spec.limits.devices", 9),
            ("spec.limits.accounts.byTier[1]", 14),
            ("spec.limits.accounts.byTier[1].max", 15),
            ("spec.limits.accounts.byTier[0].max", 13),
            ("spec.mail.from", 16),
            ("spec.displayName", 7),
            (".spec.limits", 8),
        ] {
            assert_eq!(line_of(OBJECT, path), line, "{path}");
        }
    }

    #[test]
    fn json_over_several_lines_is_found_too() {
        let text = "{\n  \"kind\": \"Tenant\",\n  \"spec\": {\n    \"limits\": {\n      \"devices\": 5\n    }\n  }\n}\n";
        assert_eq!(line_of(text, "spec.limits.devices"), 4);
    }
}
