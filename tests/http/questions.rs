//! `POST /v1/check` and `POST /v1/explain`: the answers of the command line,
//! one or many in a call, and what is said to questions that are none.

use serde_json::{Value, json};

use crate::on_both;
use crate::site::{PATIENCE, Site};

/// Questions with the arguments of the command line that ask the same.
fn questions() -> Vec<(Value, Vec<&'static str>)> {
    let of = |question: Value, arguments: &str| {
        (question, arguments.split(' ').map(str::to_owned).map(|word| &*word.leak()).collect())
    };
    vec![
        of(
            json!({"account": "kim", "operation": "view", "resource": "device", "device": "north-007"}),
            "kim view device/north-007",
        ),
        of(
            json!({"account": "KIM@north.example", "operation": "share", "resource": "device", "device": "north-007"}),
            "KIM@north.example share device/north-007",
        ),
        of(
            json!({"account": "noor", "operation": "view", "resource": "device", "device": "south-001"}),
            "noor view device/south-001",
        ),
        of(
            json!({"account": "kim", "operation": "*", "resource": "cameras.*", "device": null}),
            "kim * cameras.*",
        ),
        of(
            json!({"account": "noor", "operation": "view", "resource": "cameras.archive", "creator": "kim"}),
            "noor view cameras.archive --creator kim",
        ),
        of(
            json!({"account": "kim", "operation": "view", "resource": "cameras.archive", "creator": "nobody"}),
            "kim view cameras.archive --creator nobody",
        ),
        of(
            json!({"account": "ines", "operation": "view", "resource": "cameras.archive"}),
            "ines view cameras.archive",
        ),
        of(json!({"account": "lou", "operation": "view", "resource": "device"}), "lou view device"),
        of(json!({"account": "nobody", "operation": "view", "resource": "device"}), "nobody view device"),
        of(
            json!({"account": "noor", "capability": "ManageUsers", "object": "subadmin/default/kim"}),
            "noor ManageUsers subadmin/default/kim",
        ),
        of(
            json!({"account": "noor", "capability": "ManageUsers", "object": "subadmin/default/robin", "source": null}),
            "noor ManageUsers subadmin/default/robin",
        ),
        of(
            json!({"account": "robin", "capability": "ManageSubscription", "object": "tenant/default/acme"}),
            "robin ManageSubscription tenant/default/acme",
        ),
        of(
            json!({"account": "robin", "capability": "ManageUserGroups", "object": "group/default/north/night/shift"}),
            "robin ManageUserGroups group/default/north/night/shift",
        ),
        of(
            json!({"account": "nobody", "capability": "ManageRoles", "object": "role/default/installer"}),
            "nobody ManageRoles role/default/installer",
        ),
    ]
}

async fn on_the_command_line(site: &Site, command: &str, arguments: &[&str]) -> Value {
    let words = [&[command], arguments, &["-o", "json"]].concat();
    let done = site.beside(&words).finish(PATIENCE).await;
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

on_both! {
    /// Alone and in a batch, a program hears what the command line says.
    async fn check_and_explain_say_what_the_command_line_says(site) {
        for (path, command) in [("/v1/check", "check"), ("/v1/explain", "explain")] {
            let all: Vec<Value> = questions().into_iter().map(|(question, _)| question).collect();
            let batch = site.post(path, &json!({ "questions": all })).await;
            assert_eq!(batch.status, 200, "{batch:?}");
            let answers = batch.json();
            assert_eq!(answers["answers"].as_array().unwrap().len(), all.len());
            let mut allowed = 0;
            for (place, (question, arguments)) in questions().into_iter().enumerate() {
                let told = on_the_command_line(&site, command, &arguments).await;
                let alone = site.post(path, &question).await;
                assert_eq!((alone.status, &alone.json()), (200, &told), "{question}");
                assert_eq!(answers["answers"][place], told, "{question}");
                allowed += u32::from(told["allowed"] == true);
                assert_eq!(told["filtered"], question["account"] == "ines", "{told}");
            }
            assert!((4..10).contains(&allowed), "a world that says the same to everything: {allowed}");
        }
    }
}

on_both! {
    async fn a_question_that_cannot_be_asked_takes_no_other_one_along(site) {
        let good = json!({"account": "kim", "operation": "view", "resource": "device", "device": "north-007"});
        let bad = [
            (json!({"account": "kim", "operation": "View", "resource": "device"}), "malformed-question", "operation"),
            (json!({"account": "kim", "operation": "view", "resource": "a..b"}), "malformed-question", "resource"),
            (json!({"account": "kim\u{0}", "operation": "view", "resource": "device"}), "malformed-question", "account"),
            (json!({"account": " ", "operation": "view", "resource": "device"}), "malformed-question", "account"),
            (json!({"account": "k".repeat(255), "operation": "view", "resource": "device"}), "malformed-question", "account"),
            (json!({"account": "kim", "operation": "view", "resource": "device", "device": ""}), "malformed-question", "device"),
            (json!({"account": "kim", "operation": "view", "resource": "a", "creator": "\n"}), "malformed-question", "creator"),
            (json!({"account": "kim", "capability": "ManageAll", "object": "tenant/a/b"}), "malformed-question", "capability"),
            (json!({"account": "kim", "capability": "ManageUsers", "object": "pod/a/b"}), "malformed-question", "object"),
            (json!({"account": "kim", "capability": "ManageSubscription", "object": "role/a/b"}), "malformed-question", "object"),
            (json!({"account": "kim", "capability": "ManageUsers", "object": "role/a/b", "source": "\u{0}"}), "malformed-question", "source"),
            (json!({"account": "kim", "operation": "view", "resource": "device", "secret-word": 1}), "unknown-field", ""),
            (json!({"account": "kim", "capability": "ManageUsers", "object": "role/a/b", "resource": "device"}), "unknown-field", ""),
            (json!({"account": "kim", "operation": "view"}), "malformed-body", ""),
            (json!({"account": 7, "operation": "view", "resource": "device"}), "malformed-body", ""),
            (json!({"questions": []}), "unknown-field", ""),
            (json!(["kim", "view", "device", null, null]), "malformed-body", ""),
            (json!("kim"), "malformed-body", ""),
            (json!(null), "malformed-body", ""),
            (json!({}), "malformed-body", ""),
        ];
        let mut mixed = vec![good.clone()];
        for (question, problem, field) in &bad {
            mixed.push(question.clone());
            if question.get("questions").is_some() {
                continue;
            }
            for path in ["/v1/check", "/v1/explain"] {
                let reply = site.post(path, question).await;
                assert_eq!((reply.status, &*reply.problem()), (400, *problem), "{question}");
                let told = reply.json();
                assert_eq!(told["field"].as_str().unwrap_or_default(), *field, "{question}");
                assert!(!told.to_string().contains("secret-word"), "what was sent is repeated: {told}");
            }
        }
        mixed.push(good.clone());
        let reply = site.post("/v1/check", &json!({ "questions": mixed })).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let answers = reply.json()["answers"].clone();
        assert_eq!(answers.as_array().unwrap().len(), bad.len() + 2);
        let answer = site.check(&good).await;
        assert!(answers[0] == answer && answers[bad.len() + 1] == answer && answer["allowed"] == true);
        for (place, (question, problem, _)) in bad.iter().enumerate() {
            let told = &answers[place + 1];
            let kind = told["type"].as_str().unwrap_or_else(|| panic!("{question}: {told}"));
            assert!(kind.ends_with(problem) && told["status"] == 400, "{question}: {told}");
        }
        let empty = site.post("/v1/check", &json!({ "questions": [] })).await;
        assert_eq!(empty.json(), json!({ "answers": [] }));
    }
}

on_both! {
    /// The documented bound is the bound.
    async fn five_hundred_questions_fit_into_one_call_and_no_more(site) {
        let question = |n: usize| {
            let device = format!("north-{:03}", n % 130 + 1);
            json!({"account": "noor", "operation": "operate", "resource": "device", "device": device})
        };
        let all: Vec<Value> = (0..500).map(question).collect();
        let reply = site.post("/v1/check", &json!({ "questions": all })).await;
        let answers = reply.json()["answers"].as_array().unwrap().clone();
        let allowed = answers.iter().filter(|answer| answer["allowed"] == true).count();
        let there = (0..500).filter(|n| n % 130 < 120).count();
        assert_eq!((answers.len(), allowed), (500, there));
        // Rights cost more to judge, and as many fit.
        let right = |n: usize| {
            let of = ["kim", "lou", "noor", "robin"][n % 4];
            json!({"account": "noor", "capability": "ManageUsers", "object": format!("subadmin/default/{of}")})
        };
        let all: Vec<Value> = (0..500).map(right).collect();
        let reply = site.post("/v1/check", &json!({ "questions": all })).await;
        let answers = reply.json()["answers"].as_array().unwrap().clone();
        assert_eq!(answers.iter().filter(|answer| answer["allowed"] == true).count(), 250, "{reply:?}");
        let more: Vec<Value> = (0..501).map(question).collect();
        for path in ["/v1/check", "/v1/explain"] {
            let reply = site.post(path, &json!({ "questions": more })).await;
            assert_eq!((reply.status, &*reply.problem()), (413, "batch-too-large"));
            assert!(reply.json()["detail"].as_str().unwrap().contains("500"), "{reply:?}");
        }
    }
}
