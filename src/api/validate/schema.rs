//! Walks a value along a structural schema and says where it leaves it. Knows the keywords that the
//! four definitions use, and refuses what it does not know.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use regex::Regex;
use serde_json::{Map, Value};

use super::super::bounds;
use super::Fault;
use super::path::Path;
use super::spelling;

/// Enough for anybody to repair; a list of 10,000 wrong ids is one mistake, not 10,000.
const MOST_FAULTS: usize = 50;

/// One look at one object.
pub(super) struct Walk<'a> {
    patterns: &'a HashMap<String, Regex>,
    faults: Vec<Fault>,
    more: usize,
    sound: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(patterns: &'a HashMap<String, Regex>) -> Self {
        Self { patterns, faults: Vec::new(), more: 0, sound: true }
    }

    /// Notes that something is wrong here.
    pub(super) fn fault(&mut self, path: &Path<'_>, message: impl Into<String>) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(Fault { field: path.to_string(), message: message.into() });
        } else {
            self.more += 1;
        }
    }

    /// Whether every value had the type that its place asks for.
    pub(super) fn shape_is_sound(&self) -> bool {
        self.sound
    }

    pub(super) fn into_faults(mut self) -> Vec<Fault> {
        if self.more > 0 {
            self.faults.push(Fault {
                field: String::new(),
                message: format!("{} more faults are not shown: repair these first", self.more),
            });
        }
        self.faults
    }

    fn misshapen(&mut self, path: &Path<'_>, message: impl Into<String>) {
        self.sound = false;
        self.fault(path, message);
    }

    /// Judges a value.
    pub(super) fn value(&mut self, path: &Path<'_>, schema: &Value, value: &Value) {
        let Some(schema) = schema.as_object() else {
            return self.misshapen(path, "cannot be judged: the definition has no schema for it");
        };
        match (text(schema, "type"), value) {
            (Some("object"), Value::Object(fields)) => self.object(path, schema, fields),
            (Some("array"), Value::Array(items)) => self.array(path, schema, items),
            (Some("string"), Value::String(string)) => self.string(path, schema, string),
            (Some("integer"), Value::Number(number)) if number.is_i64() || number.is_u64() => {
                self.integer(path, schema, number);
            }
            (Some("boolean"), Value::Bool(_)) => {}
            (Some("string"), Value::Number(_) | Value::Bool(_)) => {
                self.misshapen(path, "must be text: put it in quotes");
            }
            (expected, _) => {
                let expected = match expected {
                    Some("object") => "a block of fields",
                    Some("array") => "a list",
                    Some("string") => "text",
                    Some("integer") => "a whole number",
                    Some("boolean") => "true or false, without quotes",
                    _ => return self.misshapen(path, "cannot be judged: its type is unknown"),
                };
                self.misshapen(path, format!("must be {expected}, not {}", name_of(value)));
            }
        }
    }

    fn object(&mut self, path: &Path<'_>, schema: &Map<String, Value>, fields: &Map<String, Value>) {
        if let Some(values) = schema.get("additionalProperties") {
            if let Some(most) = number(schema, "maxProperties")
                && fields.len() as u64 > most
            {
                self.fault(path, format!("has {} entries: at most {most} are allowed", fields.len()));
            }
            for (key, value) in fields {
                self.value(&path.key(key), values, value);
            }
            return;
        }
        let empty = Map::new();
        let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        for (name, value) in fields {
            match known.get(name) {
                Some(schema) => self.value(&path.field(name), schema, value),
                None => {
                    let hint = spelling::hint(name, known.keys().map(String::as_str));
                    self.fault(&path.field(name), format!("is not a field here: {hint}"));
                }
            }
        }
        let required = schema.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                let meaning = known.get(name).map(meaning).unwrap_or_default();
                self.misshapen(&path.field(name), format!("is missing: {meaning}"));
            }
        }
    }

    fn array(&mut self, path: &Path<'_>, schema: &Map<String, Value>, items: &[Value]) {
        let length = items.len() as u64;
        if let Some(most) = number(schema, "maxItems")
            && length > most
        {
            self.fault(path, format!("has {length} entries: at most {most} are allowed"));
        }
        if let Some(least) = number(schema, "minItems")
            && length < least
        {
            self.fault(path, format!("has {length} entries: at least {least} is needed"));
        }
        let Some(item) = schema.get("items") else {
            return self.misshapen(path, "cannot be judged: the definition has no schema for it");
        };
        for (index, value) in items.iter().enumerate() {
            self.value(&path.index(index), item, value);
        }
        match text(schema, "x-kubernetes-list-type") {
            Some("set") => self.unlike(path, items.iter().map(Value::to_string)),
            Some("map") => {
                let keys: Vec<&str> = schema
                    .get("x-kubernetes-list-map-keys")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                let key_of = |item: &Value| {
                    keys.iter()
                        .map(|key| item.get(key).map(Value::to_string).unwrap_or_default())
                        .collect::<Vec<_>>()
                        .join(" ")
                };
                self.unlike(path, items.iter().map(key_of));
            }
            _ => {}
        }
    }

    fn unlike(&mut self, path: &Path<'_>, keys: impl Iterator<Item = String>) {
        let mut seen = HashMap::new();
        for (index, key) in keys.enumerate() {
            match seen.entry(key) {
                Entry::Occupied(first) => {
                    let first: usize = *first.get();
                    self.fault(
                        &path.index(index),
                        format!("is there already, as entry {first}: remove one of the two"),
                    );
                }
                Entry::Vacant(place) => {
                    place.insert(index);
                }
            }
        }
    }

    fn string(&mut self, path: &Path<'_>, schema: &Map<String, Value>, value: &str) {
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            let words = words.iter().filter_map(Value::as_str);
            if !words.clone().any(|word| word == value) {
                let message = match value {
                    "ManageSubscription" => {
                        "is never given, the owner of the tenant has it: remove it".to_owned()
                    }
                    _ => format!("is not a known word: {}", spelling::hint(value, words)),
                };
                self.misshapen(path, message);
            }
            return;
        }
        let length = value.chars().count() as u64;
        let length_faults = self.faults.len();
        if let Some(most) = number(schema, "maxLength")
            && length > most
        {
            self.fault(path, format!("has {length} characters: at most {most} are allowed"));
        }
        if let Some(least) = number(schema, "minLength")
            && length < least
        {
            self.fault(
                path,
                match length {
                    0 => "is empty: write something or remove it".to_owned(),
                    _ => format!("has {length} characters: at least {least} are needed"),
                },
            );
        }
        // What has the wrong length seldom has the right form; one line says enough.
        if self.faults.len() > length_faults {
            return;
        }
        if let Some(pattern) = text(schema, "pattern")
            && !self.patterns.get(pattern).is_some_and(|regex| regex.is_match(value))
        {
            return self.misshapen(path, format!("must be {}", bounds::meaning(pattern)));
        }
        if text(schema, "format") == Some("date-time") && value.parse::<jiff::Timestamp>().is_err() {
            self.misshapen(path, format!("must be {}", bounds::meaning(bounds::TIME)));
        }
    }

    fn integer(&mut self, path: &Path<'_>, schema: &Map<String, Value>, value: &serde_json::Number) {
        // Bounds are kept as floating-point numbers by the Kubernetes types; all of them are exact.
        let value = value.as_f64().unwrap_or(f64::NAN);
        let bound = |name| schema.get(name).and_then(Value::as_f64);
        if let Some(least) = bound("minimum").filter(|least| value < *least) {
            self.fault(path, format!("is too small: at least {least} is needed"));
        }
        if let Some(most) = bound("maximum").filter(|most| value > *most) {
            self.fault(path, format!("is too large: at most {most} is allowed"));
        }
    }
}

/// Compiles every pattern of a schema. One that does not compile is left out, and so matches
/// nothing.
pub(super) fn patterns(schema: &Value, found: &mut HashMap<String, Regex>) {
    match schema {
        Value::Object(keywords) => {
            if let Some(pattern) = text(keywords, "pattern")
                && !found.contains_key(pattern)
                && let Ok(regex) = Regex::new(pattern)
            {
                found.insert(pattern.to_owned(), regex);
            }
            keywords.values().for_each(|value| patterns(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| patterns(value, found)),
        _ => {}
    }
}

/// The parts of a schema that say something to the evaluator of rules; the rest, such as the items
/// of a list of ten thousand ids, would only cost time. Defaults have been applied before.
pub(super) fn only_rules(schema: &Value) -> Option<Value> {
    let keywords = schema.as_object()?;
    let mut kept = Map::new();
    for (name, value) in keywords {
        match name.as_str() {
            "x-kubernetes-validations" => {
                kept.insert(name.clone(), value.clone());
            }
            "format" if value == "date-time" => {
                kept.insert(name.clone(), value.clone());
            }
            "items" => {
                if let Some(item) = only_rules(value) {
                    kept.insert(name.clone(), item);
                }
            }
            // Also tells the evaluator that the keys are people's words and not names of fields.
            "additionalProperties" => {
                let value = only_rules(value).unwrap_or(Value::Bool(true));
                kept.insert(name.clone(), value);
            }
            "properties" => {
                let fields: Map<String, Value> = value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter_map(|(name, schema)| Some((name.clone(), only_rules(schema)?)))
                    .collect();
                if !fields.is_empty() {
                    kept.insert(name.clone(), Value::Object(fields));
                }
            }
            _ => {}
        }
    }
    (!kept.is_empty()).then_some(Value::Object(kept))
}

fn text<'s>(schema: &'s Map<String, Value>, keyword: &str) -> Option<&'s str> {
    schema.get(keyword).and_then(Value::as_str)
}

fn number(schema: &Map<String, Value>, keyword: &str) -> Option<u64> {
    schema.get(keyword).and_then(Value::as_u64)
}

/// What to write into a missing field.
fn meaning(schema: &Value) -> String {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        return format!("write one of {}", words.join(", "));
    }
    let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let end = description.find([';', ':', '.', ',']).unwrap_or(description.len());
    format!("add it ({})", &description[..end])
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a block of fields",
    }
}
