//! A run driven by the OpenAPI document alone: schemathesis invents calls, good
//! and bad, and holds every answer against the document.

use std::process::Command;

use crate::harness::in_tree;
use crate::site::{Site, TOKEN};

/// Bounded below the bound on a test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_driven_run_meets_no_500_and_nothing_undocumented() {
    let site = Site::postgres("fuzz").await;
    let document = format!("{}/v1/openapi.json", site.url);
    let told = tokio::task::spawn_blocking(move || {
        let mut tool = Command::new(in_tree("tests/tools/schemathesis"));
        tool.args([&document, TOKEN]).output().unwrap()
    })
    .await
    .unwrap();
    let (out, err) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    assert!(told.status.success(), "{out}\n{err}\n{}", site.running.stderr());
    // It has tested something: all but the document itself.
    let paths = site.document["paths"].as_object().unwrap();
    let operations: usize = paths.values().map(|path| path.as_object().unwrap().len()).sum();
    assert!(out.contains(&format!("Tested: {}", operations - 1)), "{out}");
    assert!(!site.running.stderr().contains("panicked"), "{}", site.running.stderr());
}
