//! What letters say: texts of an operator's own, and text from strangers in
//! every field that reaches a mail.

use mailparse::MailHeaderMap as _;

use super::{Place, account, tenant};

fn mails(place: &Place) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(place.path("outbox")).into_iter().flatten();
    let mut mails: Vec<_> = entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    mails.sort();
    mails
}

#[tokio::test]
async fn texts_of_an_operators_own_take_the_place_of_the_built_in_ones() {
    let objects = tenant("acme", "{branding: {productName: ACME Doors}}")
        + &account("ada", "acme", "ada@acme.example", "")
        + &account("ana", "acme", "ana@acme.example", ", activation: {locale: pt-br}");
    let place = Place::with(&objects);
    place.write("texts/en/activate.subject", "Welcome to {{ product_name }}, {{ username }}\n");
    place.write("texts/pt-br/activate.subject", "Bem-vinda");
    place.write("texts/pt-br/activate.txt", "Olá {{ username }}: {{ link }}\n");
    place.write("texts/pt-br/activate.html", "{% extends 'layout.html' %}{% block title %}Olá{% endblock %}");
    place.applied(&["--mail-templates", "texts"]).await;
    let subjects: Vec<String> = mails(&place)
        .iter()
        .map(|raw| mailparse::parse_mail(raw).unwrap().headers.get_first_value("Subject").unwrap())
        .collect();
    assert_eq!(subjects.len(), 2);
    for expected in ["Welcome to ACME Doors, ada", "Bem-vinda"] {
        assert!(subjects.contains(&expected.to_owned()), "{subjects:?}");
    }
}

#[tokio::test]
async fn a_wrong_text_stops_the_command_at_its_start_with_file_and_line() {
    let place = Place::with(&(tenant("acme", "{}") + &account("ada", "acme", "ada@acme.example", "")));
    place.write("texts/en/activate.txt", "Hello\n{{ link }}\n{{ usernam }}\n");
    let line = "error: --mail-templates cannot be used: the mail template texts/en/activate.txt, line 3: undefined value";
    let (pages, operations) = ("127.0.0.1:0", "127.0.0.1:0");
    for arguments in [
        &["apply", "-f", "source"][..],
        &["run", "--from", "source", "--listen", pages, "--ops-listen", operations],
    ] {
        let done =
            place.command(arguments).env("TENANTRY_MAIL_TEMPLATES", "texts").finish(super::PATIENCE).await;
        assert_eq!(done.code(), Some(1), "{done:?}");
        let told = done.stderr.lines().find(|told| told.starts_with(line));
        assert!(told.is_some_and(|told| told.contains("usernam")), "{done:?}");
    }
    assert!(mails(&place).is_empty());
    let listen = ["--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"];
    let doctor = |folder: &'static str| {
        let mut arguments = vec!["doctor", "--no-cluster", "--mail-templates", folder];
        arguments.extend(listen);
        let place = &place;
        async move { place.call(&arguments).await }
    };
    let done = doctor("texts").await;
    assert_eq!(done.code(), Some(1), "{done:?}");
    assert!(
        done.stdout.contains("FAIL  letters      --mail-templates cannot be used: the mail template"),
        "{done:?}"
    );
    place.write("texts/en/activate.txt", "Hello\n{{ link }}\n");
    let done = doctor("texts").await;
    assert!(done.stdout.contains("OK    letters      1 of texts are used; languages: de, en"), "{done:?}");
    let done = doctor("nowhere").await;
    assert!(done.stdout.contains("FAIL  letters") && done.stdout.contains("nowhere"), "{done:?}");
}

/// What strangers have tried.
const HOSTILE: [&str; 6] = [
    r"x\r\nBcc: everyone@evil.example",
    r"x\nSubject: other",
    r"x\r\n\r\n<b>body</b>",
    r"=?utf-8?q?=0D=0ABcc:_everyone@evil.example?=",
    r#"\", everyone <everyone@evil.example>, \""#,
    r"</title></head><img src=https://evil.example/x>",
];

const FIELDS: [&str; 9] = [
    "displayName",
    "productName",
    "supportEmail",
    "from",
    "replyTo",
    "username",
    "email",
    "company",
    "locale",
];

/// A tenant with an account, with hostile text in one of their fields.
fn attacked(field: &str, number: usize, text: &str) -> String {
    let with = |name: &str, plain: &str| {
        if field == name { format!("\"{text}\"") } else { plain.to_owned() }
    };
    let spec = format!(
        "{{displayName: {}, branding: {{productName: {}, supportEmail: {}}}, mail: {{from: {}, replyTo: {}}}}}",
        with("displayName", "ACME"),
        with("productName", "Doors"),
        with("supportEmail", "help@acme.example"),
        with("from", "acme@acme.example"),
        with("replyTo", "reply@acme.example"),
    );
    let person = format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: SubAdmin\nmetadata: {{name: a{number}}}\nspec: {{tenantRef: {{name: t{number}}}, username: {}, email: {}, company: {}, activation: {{locale: {}}}}}\n---\n",
        with("username", &format!("a{number}")),
        with("email", &format!("a{number}@acme.example")),
        with("company", "ACME"),
        with("locale", "en"),
    );
    tenant(&format!("t{number}"), &spec) + &person
}

/// Every header and every address of a letter is one of ours.
fn is_like_any_other(raw: &[u8], context: &str) {
    let context = format!("{context}\n{}", String::from_utf8_lossy(raw));
    let mail = mailparse::parse_mail(raw).unwrap();
    let mut names: Vec<String> = mail.headers.iter().map(|header| header.get_key()).collect();
    names.sort();
    let expected = [
        "Auto-Submitted",
        "Content-Language",
        "Content-Type",
        "Date",
        "From",
        "MIME-Version",
        "Message-ID",
        "Reply-To",
        "Subject",
        "To",
    ];
    assert_eq!(names, expected, "{context}");
    let to = mail.headers.get_first_value("To").unwrap();
    assert!(to.len() == "a0@acme.example".len() && to.ends_with("@acme.example"), "{context}");
    for name in ["From", "Reply-To"] {
        let addresses = mailparse::addrparse_header(mail.headers.get_first_header(name).unwrap()).unwrap();
        let single = addresses.extract_single_info().unwrap();
        assert!(single.addr.ends_with("@acme.example"), "{context}");
    }
    assert_eq!(mail.subparts.len(), 2, "{context}");
    let html = mail.subparts[1].get_body().unwrap();
    assert!(!html.contains("<img") && !html.contains("<b>"), "{context}");
}

#[tokio::test]
async fn nothing_in_any_field_adds_a_header_a_recipient_or_a_tag() {
    let mut arrived = 0;
    for field in FIELDS {
        let objects: Vec<_> =
            HOSTILE.iter().enumerate().map(|(number, text)| attacked(field, number, text)).collect();
        let place = Place::with(&objects.concat());
        let done = place.call(&["apply", "-f", "source"]).await;
        // Either the schema refuses it, or the letter is like any other.
        let sent = mails(&place);
        for raw in &sent {
            is_like_any_other(raw, &format!("{field}: {done:?}"));
        }
        arrived += sent.len();
        assert!(field != "email" || sent.is_empty(), "a hostile address was written to: {done:?}");
    }
    assert!(arrived >= HOSTILE.len(), "{arrived} letters are too few to show anything");
}
