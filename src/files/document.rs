//! The text of a file as documents, each on its own: what is broken in one of
//! them does not stop the others.

use std::ops::Range;

use serde_json::Value;
use serde_yaml::Value as Yaml;

/// One document of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// Its first line, from 1.
    pub(super) first: usize,
    /// Its bytes.
    pub(super) range: Range<usize>,
}

/// Why a document cannot be read.
#[derive(Debug)]
pub(super) struct Broken {
    /// The line in the file, from 1.
    pub(super) line: Option<usize>,
    /// The column, from 1.
    pub(super) column: Option<usize>,
    /// What is wrong.
    pub(super) message: String,
}

/// Splits a file where a line begins with `---` or `...`: YAML lets neither
/// stand in the first column for anything else. Documents without content,
/// only comments for example, are left out.
pub(super) fn split(text: &str) -> Vec<Document> {
    let mut documents = vec![];
    let mut begin = (1, 0);
    let mut content = false;
    let mut at = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let number = index + 1;
        let bare = line.trim_end();
        let starts = bare == "---" || bare.starts_with("--- ") || bare.starts_with("---\t");
        let ends = bare == "..." || bare.starts_with("... ");
        if starts || ends {
            if content {
                documents.push(Document { first: begin.0, range: begin.1..at });
            }
            content = false;
            begin = if ends { (number + 1, at + line.len()) } else { (number, at) };
        }
        let said = bare.strip_prefix("---").unwrap_or(bare).trim();
        let directive = line.starts_with('%');
        content |= !ends && !directive && !said.is_empty() && !said.starts_with('#');
        at += line.len();
    }
    if content {
        documents.push(Document { first: begin.0, range: begin.1..at });
    }
    documents
}

/// Reads one document of YAML.
pub(super) fn yaml(text: &str, first: usize) -> Result<Value, Broken> {
    let read = serde_yaml::from_str::<Yaml>(text).and_then(|mut value| value.apply_merge().map(|()| value));
    let value = read.map_err(|error| broken(text, first, &error))?;
    json(value).map_err(|message| Broken { line: Some(first), column: None, message })
}

/// Reads one document of JSON.
pub(super) fn strict_json(text: &str) -> Result<Value, Broken> {
    // By way of the YAML value, which refuses a key that stands there twice.
    let value = serde_json::from_str::<Yaml>(text).map_err(|error| {
        let message = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        Broken {
            line: Some(error.line().max(1)),
            column: Some(error.column()),
            message: format!("is not JSON: {}", message.replace(&place, "")),
        }
    })?;
    json(value).map_err(|message| Broken { line: Some(1), column: None, message })
}

fn broken(text: &str, first: usize, error: &serde_yaml::Error) -> Broken {
    let line = error.location().map(|place| place.line());
    let column = error.location().map(|place| place.column());
    // The parser's words can name a second line, the one where the block
    // began, counted within the document: read again where the document
    // stands in the file.
    let padded = "\n".repeat(first - 1) + text;
    let again = serde_yaml::from_str::<Yaml>(&padded).err();
    let mut message = again.as_ref().unwrap_or(error).to_string();
    let at = again.as_ref().and_then(serde_yaml::Error::location);
    if let Some(place) = at.or_else(|| error.location()) {
        message = message.replacen(&format!(" at line {} column {}", place.line(), place.column()), "", 1);
    }
    let tabbed = line
        .and_then(|line| text.lines().nth(line.saturating_sub(1)))
        .is_some_and(|line| line.trim_start_matches(' ').starts_with('\t'));
    if tabbed {
        message = "a tab stands where spaces belong: indent with spaces".to_owned();
    }
    Broken { line: line.map(|line| line + first - 1), column, message: format!("is not YAML: {message}") }
}

/// What YAML can say and Kubernetes cannot is refused rather than guessed.
fn json(value: Yaml) -> Result<Value, String> {
    Ok(match value {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => Value::Bool(value),
        Yaml::String(value) => Value::String(value),
        Yaml::Number(number) => {
            let whole = number.as_i64().map(Value::from).or_else(|| number.as_u64().map(Value::from));
            let any =
                whole.or_else(|| number.as_f64().and_then(serde_json::Number::from_f64).map(Value::Number));
            any.ok_or_else(|| format!("{number} is not a number that an object can hold"))?
        }
        Yaml::Sequence(items) => Value::Array(items.into_iter().map(json).collect::<Result<_, _>>()?),
        Yaml::Mapping(fields) => {
            let mut object = serde_json::Map::new();
            for (key, value) in fields {
                let Yaml::String(key) = key else {
                    let key = serde_yaml::to_string(&key).unwrap_or_default();
                    return Err(format!("the key {} is not text: put it in quotes", key.trim()));
                };
                object.insert(key, json(value)?);
            }
            Value::Object(object)
        }
        Yaml::Tagged(tagged) => {
            return Err(format!("the tag {} means nothing here: remove it", tagged.tag));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        split(text).iter().map(|document| document.first).collect()
    }

    #[test]
    fn documents_know_their_lines_and_empty_ones_do_not_count() {
        assert_eq!(lines("a: 1\n---\nb: 1\n"), [1, 2]);
        assert_eq!(lines("# only words\n---\n---\n\na: 1\n...\n# more\n"), [3]);
        assert_eq!(lines("%YAML 1.2\n--- # first\na: |\n  ---\n  x\n--- {b: 1}\n"), [2, 6]);
        assert_eq!(lines(""), Vec::<usize>::new());
    }

    #[test]
    fn broken_yaml_is_located_in_the_file_and_not_in_the_document() {
        let text = "a: 1\n---\nb: 1\n c: 2\n";
        let second = &split(text)[1];
        let broken = yaml(&text[second.range.clone()], second.first).unwrap_err();
        assert_eq!((broken.line, broken.column), (Some(4), Some(3)), "{broken:?}");
        assert!(!broken.message.contains("line 2 "), "{broken:?}");
    }

    #[test]
    fn what_kubernetes_cannot_say_is_refused() {
        for (text, word) in [
            ("a: !x 1", "tag !x"),
            ("true: 1", "the key true"),
            ("a: .nan", "number"),
            ("a: 1\na: 2", "duplicate"),
            ("a:\n\tb: 1", "tab"),
        ] {
            let broken = yaml(text, 1).unwrap_err();
            assert!(broken.message.contains(word), "{text}: {broken:?}");
        }
        let twice = strict_json("{\"a\": 1,\n \"a\": 2}").unwrap_err();
        assert_eq!(twice.line, Some(2));
    }

    #[test]
    fn a_bomb_of_aliases_is_refused_and_not_unpacked() {
        let mut text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (name, before) in ["b", "c", "d", "e", "f", "g", "h", "i", "j"].iter().zip("abcdefghi".chars()) {
            text.push_str(&format!("{name}: &{name} [*{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}]\n"));
        }
        assert!(yaml(&text, 1).is_err());
    }
}
