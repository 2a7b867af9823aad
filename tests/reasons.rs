//! `docs/reasons.md` lists every reason that a condition can have, in the
//! words of the code.

use tenantry::domain::verdict::Reason;

fn table() -> String {
    let mut lines = vec![
        "# Reasons".to_owned(),
        String::new(),
        "Why a condition has the status that it has. The message beside it says what to do.".to_owned(),
        String::new(),
        "| reason | meaning |".to_owned(),
        "| --- | --- |".to_owned(),
    ];
    for (reason, meaning) in Reason::ALL {
        lines.push(format!("| `{reason}` | {} |", meaning.trim()));
    }
    lines.join("\n") + "\n"
}

#[test]
fn the_documentation_lists_every_reason() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reasons.md");
    if std::env::var_os("TENANTRY_WRITE_DOCS").is_some() {
        std::fs::write(path, table()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == table(), "docs/reasons.md is stale; run `make docs`");
}
