//! The table of features in `docs/features.md`: each row's example is a file of
//! the tree, each test that it names is one of ours, and what has no test is
//! not claimed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const COLUMNS: &str = "| feature | field(s) that express it | rule | example file | test | state |";
const SOURCES: usize = 5;

/// One feature of one of the source systems.
#[derive(Debug)]
struct Row {
    feature: String,
    example: String,
    tests: Vec<String>,
    state: String,
}

fn in_tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What stands between backquotes in a cell.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The tables of features, one after the other, each with its rows.
fn tables() -> Vec<Vec<Row>> {
    let text = std::fs::read_to_string(in_tree("docs/features.md")).unwrap();
    let (_, tables) = text.split_once(COLUMNS).unwrap();
    tables.split(COLUMNS).map(|table| table.lines().skip(2).map_while(row).collect()).collect()
}

/// A line of a table; none where the table ends.
fn row(line: &str) -> Option<Row> {
    let cells = line.strip_prefix('|')?.strip_suffix('|').unwrap_or_else(|| panic!("a torn row: {line}"));
    let cells: Vec<&str> = cells.split('|').map(str::trim).collect();
    let [feature, fields, _rule, example, tests, state] = cells[..] else {
        panic!("a row has six cells: {line}")
    };
    assert!(!feature.is_empty() && !quoted(fields).is_empty(), "a row without feature or field: {line}");
    let [example] = &quoted(example)[..] else { panic!("a row has one example: {line}") };
    let names = quoted(tests);
    assert_eq!(names.is_empty(), tests.is_empty(), "tests stand between backquotes: {line}");
    Some(Row { feature: feature.to_owned(), example: example.clone(), tests: names, state: state.to_owned() })
}

fn rows() -> impl Iterator<Item = Row> {
    tables().into_iter().flatten()
}

/// The name of every function in the sources and their tests.
fn functions() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut folders = vec![in_tree("src"), in_tree("tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let defined = text.lines().filter_map(|line| line.split_once("fn ")?.1.split_once('('));
                names.extend(defined.map(|(name, _)| name.to_owned()));
            }
        }
    }
    names
}

#[test]
fn every_source_has_a_table_with_rows() {
    let tables = tables();
    assert_eq!(tables.len(), SOURCES);
    assert!(tables.iter().all(|rows| rows.len() > 5), "a table has lost its rows");
}

#[test]
fn every_example_of_a_feature_is_in_the_tree() {
    for row in rows() {
        assert!(row.example.starts_with("examples/"), "{row:?}");
        assert!(in_tree(&row.example).is_file(), "{}: no file {}", row.feature, row.example);
    }
}

#[test]
fn every_test_of_a_feature_is_in_the_sources() {
    let functions = functions();
    for row in rows() {
        for test in &row.tests {
            assert!(functions.contains(test), "{}: no test {test}", row.feature);
        }
    }
}

#[test]
fn only_what_a_test_names_is_claimed() {
    for row in rows() {
        match row.state.as_str() {
            "done" | "recorded" => assert!(!row.tests.is_empty(), "{}: no test", row.feature),
            "not yet" => assert!(row.tests.is_empty(), "{}: a test, and not yet?", row.feature),
            other => panic!("{}: {other} is no state", row.feature),
        }
    }
}
