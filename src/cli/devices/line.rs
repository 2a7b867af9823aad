//! One line of an inventory: CSV or JSON, taken apart and judged.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::TenantRef;

/// The columns, in their usual order.
pub(super) const COLUMNS: [&str; 5] = ["device_id", "unit_id", "name", "labels", "tenant"];
const MAX_ID: usize = 128;
const MAX_NAME: usize = 253;
const MAX_LABELS: usize = 64;

/// A device as a line has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) id: String,
    pub(super) unit_id: Option<String>,
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) tenant: Option<TenantRef>,
}

/// How lines are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Values by position, each of a column by its index in [`COLUMNS`].
    Csv(Vec<usize>),
    /// One JSON object on each line.
    Json,
}

impl Form {
    /// The form that the first line shows, and whether that line is a header.
    pub(super) fn of(first: &str) -> Result<(Self, bool), String> {
        if first.trim_start().starts_with('{') {
            return Ok((Self::Json, false));
        }
        let values = csv_values(first)?;
        let names: Vec<String> = values.iter().map(|value| value.trim().to_ascii_lowercase()).collect();
        if !names.iter().any(|name| name == "device_id") {
            return Ok((Self::Csv((0..COLUMNS.len()).collect()), false));
        }
        let mut order = vec![];
        for name in &names {
            match COLUMNS.iter().position(|column| column == name) {
                Some(at) if !order.contains(&at) => order.push(at),
                Some(_) => return Err(format!("the column {name} stands there twice: remove one")),
                None => {
                    let name = name.escape_debug();
                    return Err(format!(
                        "the column {name} is not known: the columns are {}",
                        COLUMNS.join(",")
                    ));
                }
            }
        }
        Ok((Self::Csv(order), true))
    }

    /// Takes one line apart.
    pub(super) fn read(&self, line: &str) -> Result<Device, String> {
        match self {
            Self::Json => json(line),
            Self::Csv(order) => {
                let values = csv_values(line)?;
                if values.len() > order.len() {
                    return Err(format!(
                        "has {} values for {} columns: put values with commas in quotes",
                        values.len(),
                        order.len()
                    ));
                }
                let mut columns: [&str; 5] = [""; 5];
                for (value, at) in values.iter().zip(order) {
                    columns[*at] = value.trim();
                }
                let [id, unit, name, labels, tenant] = columns;
                device(id, unit, name, pairs(labels)?, tenant)
            }
        }
    }
}

fn csv_values(line: &str) -> Result<Vec<String>, String> {
    if line.bytes().filter(|byte| *byte == b'"').count() % 2 == 1 {
        return Err("a quote is not closed: a device stands on one line".to_owned());
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(512)
        .from_reader(line.as_bytes());
    let mut record = csv::StringRecord::new();
    reader.read_record(&mut record).map_err(|_| "is not CSV".to_owned())?;
    Ok(record.iter().map(str::to_owned).collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    device_id: String,
    #[serde(default)]
    unit_id: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    labels: Option<JsonLabels>,
    #[serde(default)]
    tenant: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum JsonLabels {
    Map(BTreeMap<String, String>),
    Text(String),
}

fn json(line: &str) -> Result<Device, String> {
    let Json { device_id, unit_id, name, labels, tenant } = serde_json::from_str(line).map_err(|error| {
        let text = error.to_string();
        format!("is not a device in JSON: {}", text.split(" at line ").next().unwrap_or(&text))
    })?;
    let labels = match labels {
        None => BTreeMap::new(),
        Some(JsonLabels::Map(map)) => map,
        Some(JsonLabels::Text(text)) => pairs(&text)?,
    };
    let text = |value: Option<String>| value.unwrap_or_default();
    device(&device_id, &text(unit_id), &text(name), labels, &text(tenant))
}

/// `k=v;k=v`
fn pairs(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut labels = BTreeMap::new();
    for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or("labels: write key=value;key=value".to_owned())?;
        if labels.insert(key.trim().to_owned(), value.trim().to_owned()).is_some() {
            return Err("labels: the same key stands there twice: remove one".to_owned());
        }
    }
    Ok(labels)
}

fn device(
    id: &str,
    unit: &str,
    name: &str,
    labels: BTreeMap<String, String>,
    tenant: &str,
) -> Result<Device, String> {
    if id.is_empty() {
        return Err("device_id: is empty: every device needs one".to_owned());
    }
    word("device_id", id)?;
    word("unit_id", unit)?;
    if name.chars().count() > MAX_NAME {
        return Err(format!("name: has more than {MAX_NAME} characters: shorten it"));
    }
    if name.chars().any(char::is_control) {
        return Err("name: holds a control character: remove it".to_owned());
    }
    if labels.len() > MAX_LABELS {
        return Err(format!("labels: are {}, at most {MAX_LABELS} are kept: remove some", labels.len()));
    }
    for (key, value) in &labels {
        if !is_label_key(key) {
            return Err(
                "labels: a key is letters, digits, -, _, . and /, such as region or example.org/region"
                    .to_owned(),
            );
        }
        if !is_label_value(value) {
            return Err("labels: a value is at most 63 letters, digits, -, _ and .".to_owned());
        }
    }
    let tenant = match tenant {
        "" => None,
        text => Some(text.parse::<TenantRef>().map_err(|why| format!("tenant: {why}"))?),
    };
    Ok(Device {
        id: id.to_owned(),
        unit_id: (!unit.is_empty()).then(|| unit.to_owned()),
        name: if name.is_empty() { id.to_owned() } else { name.to_owned() },
        labels,
        tenant,
    })
}

fn word(field: &str, text: &str) -> Result<(), String> {
    if text.chars().count() > MAX_ID {
        return Err(format!("{field}: has more than {MAX_ID} characters: shorten it"));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(format!("{field}: holds a space or a control character: remove it"));
    }
    Ok(())
}

/// As the selectors of grants can name them; longer prefixes than 253 are cut
/// off by the length as a whole.
fn is_label_key(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let prefixed =
        prefix.is_none_or(|prefix| !prefix.is_empty() && prefix.len() <= 253 && prefix.chars().all(lower));
    prefixed && !name.is_empty() && is_label_value(name)
}

fn is_label_value(value: &str) -> bool {
    let edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    value.len() <= 63
        && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && edge(value.chars().next())
        && edge(value.chars().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(first: &str, line: &str) -> Result<Device, String> {
        Form::of(first)?.0.read(line)
    }

    #[test]
    fn a_header_decides_the_order_and_without_one_it_is_the_usual() {
        let usual = read("d1,u1,Door,a=b;c=d,acme/north", "d1,u1,Door,a=b;c=d,acme/north").unwrap();
        let header = read("tenant,device_id,labels,name,unit_id", "acme/north,d1,a=b;c=d,Door,u1").unwrap();
        assert_eq!(usual, header);
        assert_eq!(usual.labels["c"], "d");
        assert_eq!(usual.tenant.unwrap().to_string(), "acme/north");
        let json = read(
            "{",
            r#"{"device_id":"d1","unit_id":"u1","name":"Door","labels":{"a":"b","c":"d"},"tenant":"acme/north"}"#,
        );
        assert_eq!(json.unwrap(), header);
    }

    #[test]
    fn short_lines_and_quotes_are_understood() {
        let device = read("device_id,unit_id,name", "\"d,1\",,\"say \"\"hi\"\"\"").unwrap();
        assert_eq!((device.id.as_str(), device.name.as_str(), device.unit_id), ("d,1", "say \"hi\"", None));
        assert_eq!(read("d1", "d1").unwrap().name, "d1");
    }

    #[test]
    fn each_wrong_line_says_which_value_and_why() {
        let long = "x".repeat(129);
        let many = (0..65).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(";");
        for (line, word) in [
            (",u", "device_id: is empty"),
            ("a b", "device_id: holds a space"),
            (long.as_str(), "more than 128 characters"),
            ("d,,\"open", "quote is not closed"),
            ("d,,,novalue", "labels: write key=value"),
            ("d,,,a=1;a=2", "twice"),
            ("d,,,a b=1", "labels: a key"),
            ("d,,,a=ü", "labels: a value"),
            (&format!("d,,,{many}"), "labels: are 65"),
            ("d,,,,north", "tenant: a tenant is written namespace/name"),
            ("d,,,,a/b,more", "6 values for 5 columns"),
        ] {
            let error = read("d1", line).unwrap_err();
            assert!(error.contains(word), "{line}: {error}");
        }
        assert!(Form::of("device_id,colour").unwrap_err().contains("colour"));
        assert!(read("{", "{\"device_id\":\"d\",\"colour\":1}").unwrap_err().contains("unknown field"));
    }
}
