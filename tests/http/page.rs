//! `docs/http.md`: its commands are run as they stand, and answer as it says.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Tenantry, eventually, free_port, in_tree};
use crate::site::{PASSWORD, PATIENCE};

const BEGIN: &str = "<!-- problems: written by `make docs` -->\n";
const END: &str = "<!-- end of problems -->\n";

fn page() -> String {
    std::fs::read_to_string(in_tree("docs/http.md")).unwrap()
}

/// The page's blocks in order: language and text.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = vec![];
    for rest in page.split("\n```").skip(1).step_by(2) {
        let (language, text) = rest.split_once('\n').unwrap();
        blocks.push((language.to_owned(), text.to_owned()));
    }
    blocks
}

/// Whether an answer is as the page shows it; `…` stands for any text.
fn fits(shown: &Value, told: &Value) -> bool {
    match (shown, told) {
        (Value::String(shown), Value::String(told)) => shown == "…" || shown == told,
        (Value::Array(shown), Value::Array(told)) => {
            shown.len() == told.len() && shown.iter().zip(told).all(|(shown, told)| fits(shown, told))
        }
        (Value::Object(shown), Value::Object(told)) => {
            shown.len() == told.len()
                && shown.iter().all(|(key, shown)| told.get(key).is_some_and(|told| fits(shown, told)))
        }
        (shown, told) => shown == told,
    }
}

/// Runs a block in a shell; what it prints, and the variables that it sets.
fn shell(folder: &std::path::Path, block: &str, variables: &mut BTreeMap<String, String>) -> String {
    let script = format!("{block}\nprintf %s \"${{token-}}\" > variable");
    let done = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .envs(&*variables)
        .env("no_proxy", "*")
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(done.status.success(), "{block}\n{}", String::from_utf8_lossy(&done.stderr));
    variables.insert("token".to_owned(), std::fs::read_to_string(folder.join("variable")).unwrap());
    String::from_utf8(done.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_page_about_http_answers_as_it_says() {
    let page = page();
    let blocks = blocks(&page);
    let folder = tempfile::tempdir().unwrap();
    let mut variables = BTreeMap::new();
    let (language, first) = &blocks[0];
    assert_eq!(language, "sh");
    shell(folder.path(), first, &mut variables);
    let token = variables["token"].clone();
    assert!(
        token.len() == 64
            && !std::fs::read_to_string(folder.path().join("service-tokens")).unwrap().contains(&token)
    );

    let (pages, operations) = (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
    let example = in_tree("examples/quickstart");
    let call = |arguments: &[&str]| Tenantry::new(arguments).dir(folder.path());
    let running = call(&[
        "run",
        "--from",
        example.to_str().unwrap(),
        "--service-tokens-file",
        "service-tokens",
        "--listen",
        &pages,
        "--ops-listen",
        &operations,
    ])
    .spawn();
    let link = running.wait_for_line("/activate?token=", PATIENCE).await;
    running.wait_for_line("this follows", PATIENCE).await;
    let import = example.join("devices.csv");
    let imported = call(&["devices", "import", import.to_str().unwrap()]).finish(PATIENCE).await;
    assert_eq!(imported.code(), Some(0), "{imported:?}");
    eventually("the devices are handed over", PATIENCE, || async {
        let checked = call(&["check", "kim", "view", "device/door-001"]).finish(PATIENCE).await;
        (checked.code() == Some(0)).then_some(())
    })
    .await;
    // The first invitation is Robin's.
    let link = link.split_whitespace().last().unwrap();
    let secret = link.split_once("token=").unwrap().1;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let form = [("token", secret), ("password", PASSWORD), ("again", PASSWORD)];
    let activated = client.post(link).form(&form).send().await.unwrap();
    assert!(activated.status().is_success(), "{}", activated.text().await.unwrap());

    let mut compared = 0;
    for (place, (language, block)) in blocks.iter().enumerate().skip(1) {
        if language != "sh" {
            continue;
        }
        let block = block.replace("http://127.0.0.1:8080", &format!("http://{pages}"));
        assert!(block.contains(&pages), "{block}");
        let told = shell(folder.path(), &block, &mut variables);
        if let Some((_, shown)) = blocks.get(place + 1).filter(|(language, _)| language == "json") {
            let shown: Value = serde_json::from_str(shown).unwrap_or_else(|error| panic!("{error}: {shown}"));
            let told: Value = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"));
            assert!(fits(&shown, &told), "{block}\nshown {shown:#}\ntold {told:#}");
            if let Some(session) = told["session"].as_str() {
                variables.insert("session".to_owned(), session.to_owned());
            }
            compared += 1;
        } else {
            // Looking at the session, and ending it, which says nothing.
            let told: Value = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"));
            assert_eq!(told["account"], "robin");
        }
    }
    assert_eq!(compared, 6);
    assert_eq!(page.matches("curl ").count(), 8, "a command that no block holds");
}

#[test]
fn the_page_lists_every_problem() {
    let mut table = "| status | `type` | |\n| --- | --- | --- |\n".to_owned();
    for (status, name, title) in tenantry::web::problems() {
        table += &format!("| {status} | `{name}` | {title} |\n");
    }
    let page = page();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    if std::env::var_os("TENANTRY_WRITE_DOCS").is_some() {
        std::fs::write(in_tree("docs/http.md"), format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    }
    assert!(written == table, "docs/http.md is stale; run `make docs`");
}
