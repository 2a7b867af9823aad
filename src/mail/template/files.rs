//! Where the texts come from: those compiled in, and an operator's folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::super::message::Purpose;
use super::{PARTS, TemplateError, file_name};

/// No letter is longer; a larger file is a mistake.
pub(super) const MAX_SIZE: u64 = 256 * 1024;

/// A file in an operator's folder.
pub(super) struct File {
    /// Path below the folder, with `/` on every system.
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) source: String,
}

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../templates/", $name)))),*]
    };
}

const BUILT_IN: [(&str, &str); 29] = built_in![
    "layout.html",
    "en/letter.txt",
    "en/letter.html",
    "en/activate.subject",
    "en/activate.txt",
    "en/activate.html",
    "en/confirm.subject",
    "en/confirm.txt",
    "en/confirm.html",
    "en/set-password.subject",
    "en/set-password.txt",
    "en/set-password.html",
    "en/change-email.subject",
    "en/change-email.txt",
    "en/change-email.html",
    "de/letter.txt",
    "de/letter.html",
    "de/activate.subject",
    "de/activate.txt",
    "de/activate.html",
    "de/confirm.subject",
    "de/confirm.txt",
    "de/confirm.html",
    "de/set-password.subject",
    "de/set-password.txt",
    "de/set-password.html",
    "de/change-email.subject",
    "de/change-email.txt",
    "de/change-email.html",
];

/// The texts that are compiled in, by name.
pub(super) fn embedded() -> BTreeMap<String, String> {
    BUILT_IN.iter().map(|(name, source)| ((*name).to_owned(), (*source).to_owned())).collect()
}

/// The letters that `sources` make up. Each needs all its parts, or a reader
/// would get a subject in one language and a text in another.
pub(super) fn letters(
    sources: &BTreeMap<String, String>,
) -> Result<BTreeSet<(String, Purpose)>, TemplateError> {
    let languages: BTreeSet<&str> =
        sources.keys().filter_map(|name| name.split_once('/')).map(|(language, _)| language).collect();
    let mut letters = BTreeSet::new();
    for language in languages {
        for purpose in Purpose::ALL {
            let names = PARTS.map(|part| file_name(language, purpose, part));
            let missing: Vec<&String> = names.iter().filter(|name| !sources.contains_key(*name)).collect();
            match missing.first() {
                None => {
                    letters.insert((language.to_owned(), purpose));
                }
                Some(_) if missing.len() == names.len() => {}
                Some(missing) => {
                    return Err(TemplateError::Incomplete { missing: (*missing).clone() });
                }
            }
        }
    }
    Ok(letters)
}

/// The templates in `folder`, in order of their names. Hidden entries are
/// passed over: editors leave them, and a mounted ConfigMap keeps its versions
/// in them. Notes for people (`.md`) are welcome.
pub(super) fn read_folder(folder: &Path) -> Result<Vec<File>, TemplateError> {
    let mut files = Vec::new();
    for (name, path) in entries(folder)? {
        if path.is_dir() {
            for (inner, path) in entries(&path)? {
                files.push((format!("{name}/{inner}"), path));
            }
        } else {
            files.push((name, path));
        }
    }
    files.into_iter().map(|(name, path)| read_file(name, path)).collect()
}

fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, TemplateError> {
    let failed = |source| TemplateError::Read { file: folder.to_owned(), source };
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && !name.ends_with(".md") {
            entries.push((name, entry.path()));
        }
    }
    entries.sort();
    Ok(entries)
}

fn read_file(name: String, path: PathBuf) -> Result<File, TemplateError> {
    if !is_template_name(&name) {
        return Err(TemplateError::Name { file: path });
    }
    let failed = |source| TemplateError::Read { file: path.clone(), source };
    if std::fs::metadata(&path).map_err(failed)?.len() > MAX_SIZE {
        return Err(TemplateError::Size { file: path });
    }
    let source = std::fs::read_to_string(&path).map_err(failed)?;
    Ok(File { name, path, source })
}

fn is_template_name(name: &str) -> bool {
    let Some((language, file)) = name.split_once('/') else { return name == "layout.html" };
    let Some((stem, part)) = file.split_once('.') else { return false };
    let known = match stem {
        "letter" => matches!(part, "txt" | "html"),
        _ => stem.parse::<Purpose>().is_ok() && PARTS.contains(&part),
    };
    known && is_language(language)
}

fn is_language(tag: &str) -> bool {
    tag.split('-').enumerate().all(|(index, piece)| {
        let length = if index == 0 { 2..=3 } else { 1..=8 };
        let lower = |c: char| c.is_ascii_lowercase() || (index > 0 && c.is_ascii_digit());
        length.contains(&piece.len()) && piece.chars().all(lower)
    })
}
