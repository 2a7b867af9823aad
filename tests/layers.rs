//! The rooms of the house and the arrows between them: each file's `use` lines
//! and paths name only rooms below its own. `docs/architecture.md` draws it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Every room and the rooms that it may call.
const ROOMS: [(&str, &[&str]); 13] = [
    ("domain", &[]),
    ("api", &[]),
    ("failpoint", &[]),
    ("mail", &["failpoint"]),
    ("store", &["failpoint", "domain"]),
    ("engine", &["store", "api", "domain"]),
    ("outbox", &["engine", "failpoint", "mail", "store", "api", "domain"]),
    ("web", &["engine", "store", "domain"]),
    ("files", &["engine", "store", "api", "domain"]),
    ("controller", &["engine", "store", "api", "domain"]),
    ("config", &["mail", "store"]),
    ("app", &["config", "controller", "files", "web", "outbox", "engine", "mail", "store", "domain"]),
    ("cli", &["app", "config", "controller", "files", "engine", "mail", "store", "api", "domain"]),
];

/// Libraries that belong to one room, or to few: the rules know neither the
/// cluster nor the database nor mail.
const LIBRARIES: [(&str, &[&str]); 8] = [
    ("sqlx", &["store"]),
    ("kube", &["api", "controller", "app", "cli"]),
    ("k8s_openapi", &["api", "controller", "cli"]),
    ("lettre", &["mail", "outbox"]),
    ("axum", &["web"]),
    ("clap", &["cli", "config"]),
    ("notify", &["files"]),
    ("minijinja", &["mail", "web"]),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file with the room that it is in; tests beside the code may
/// build what they need from any room.
fn files() -> Vec<(String, PathBuf)> {
    let mut found = vec![];
    let mut folders = vec![source()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") && !name.contains("test") {
                let room = path.strip_prefix(source()).unwrap().components().next().unwrap();
                let room = room.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
                found.push((room, path));
            }
        }
    }
    found.sort();
    found
}

/// The code of a file without its tests, comments and texts in quotes.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// The rooms that code names: `crate::room`, and `crate::{room, other::Thing}`.
fn named(code: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    };
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => {
                rooms.insert(word(rest));
            }
            Some(list) => {
                let mut depth = 1;
                let mut begins = true;
                for (index, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 1 => begins = true,
                        c if begins && c.is_ascii_alphabetic() => {
                            rooms.insert(word(&list[index..]));
                            begins = false;
                        }
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
        }
    }
    rooms
}

#[test]
fn arrows_point_downwards_only() {
    let below: BTreeMap<&str, &[&str]> = ROOMS.into_iter().collect();
    let mut wrong = vec![];
    for (room, path) in files() {
        // The library's list of rooms, the binary, and help for tests.
        if matches!(room.as_str(), "lib" | "main" | "testing") {
            continue;
        }
        let Some(allowed) = below.get(room.as_str()) else {
            wrong.push(format!("{} is in no known room", path.display()));
            continue;
        };
        for other in named(&code(&path)) {
            if below.contains_key(other.as_str()) && other != room && !allowed.contains(&other.as_str()) {
                wrong.push(format!("{}: {room} must not call {other}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn there_is_no_circle_among_the_rooms() {
    let mut order: Vec<&str> = vec![];
    for (room, below) in ROOMS {
        // Listed bottom up: whatever a room may call stands before it.
        assert!(below.iter().all(|other| order.contains(other)), "{room}: {below:?}");
        order.push(room);
    }
}

#[test]
fn a_library_stays_in_its_room() {
    let mut wrong = vec![];
    for (room, path) in files() {
        let code = code(&path);
        for (library, rooms) in LIBRARIES {
            let uses = code.lines().any(|line| {
                let line = line.trim_start();
                line.starts_with(&format!("use {library}::")) || line.starts_with(&format!("use {library};"))
            });
            let uses =
                uses || code.contains(&format!(" {library}::")) || code.contains(&format!("({library}::"));
            if uses && !rooms.contains(&room.as_str()) && !matches!(room.as_str(), "lib" | "main" | "testing")
            {
                wrong.push(format!("{}: {library} belongs to {rooms:?}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_room_begins_with_what_it_is_for() {
    let mut silent = vec![];
    for (_, path) in files() {
        let text = std::fs::read_to_string(&path).unwrap();
        if !text.starts_with("//!") {
            silent.push(path);
        }
    }
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn the_reader_of_use_lines_sees_every_form() {
    let code = "use crate::store::{Tx, Access};\nuse crate::{api, domain::object::{Kind, Topic}, mail as post};\nlet x = crate::engine::pass::last();";
    let expected = ["api", "domain", "engine", "mail", "store"].map(str::to_owned);
    assert_eq!(named(code), expected.into_iter().collect());
}
