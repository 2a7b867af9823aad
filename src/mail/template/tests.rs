use super::*;
use crate::mail::testing;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    folder
}

fn refusal(files: &[(&str, &str)]) -> String {
    let folder = folder(files);
    let error = Templates::with_overrides(folder.path()).unwrap_err();
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    line.replace(folder.path().to_str().unwrap(), "DIR")
}

#[test]
fn every_built_in_letter_can_be_filled_in() {
    let templates = Templates::embedded().unwrap();
    templates.rehearse().unwrap();
    for purpose in Purpose::ALL {
        assert_eq!(templates.languages(purpose).collect::<Vec<_>>(), ["de", "en"]);
    }
}

#[test]
fn an_unknown_language_falls_back_to_its_main_language_and_then_to_english() {
    let templates = Templates::embedded().unwrap();
    for (locale, language) in [
        ("en", "en"),
        ("de", "de"),
        ("DE", "de"),
        ("de-AT", "de"),
        ("de_CH", "de"),
        ("de-Latn-AT", "de"),
        ("fr", "en"),
        ("fr-CA", "en"),
        ("dex", "en"),
        ("", "en"),
        ("-", "en"),
        ("../de", "en"),
    ] {
        let rendered = templates.render(&testing::letter(Purpose::Activate, locale)).unwrap();
        assert_eq!(rendered.language, language, "{locale:?}");
    }
}

#[test]
fn the_expiry_is_readable_and_never_later_than_it_is() {
    let time: Timestamp = "2026-03-05T09:07:59.9Z".parse().unwrap();
    assert_eq!(readable(time, "en"), "5 March 2026 at 09:07 UTC");
    assert_eq!(readable(time, "de"), "5. März 2026 um 09:07 Uhr (UTC)");
    assert_eq!(readable(time, "pt-br"), "2026-03-05 09:07 UTC");
}

#[test]
fn a_file_in_the_folder_takes_the_place_of_the_built_in_one() {
    let folder = folder(&[
        ("en/activate.subject", "Welcome to {{ product_name }}, {{ username }}\n"),
        ("README.md", "notes"),
        (".hidden", "{{"),
        ("..data/en/activate.txt", "{{"),
    ]);
    let templates = Templates::with_overrides(folder.path()).unwrap();
    let rendered = templates.render(&testing::letter(Purpose::Activate, "en")).unwrap();
    assert_eq!(rendered.subject, "Welcome to Acme Fleet, kim");
    let other = templates.render(&testing::letter(Purpose::Confirm, "en")).unwrap();
    assert_eq!(other.subject, "Confirm your address for Acme Fleet");
}

#[test]
fn the_folder_may_change_the_design_and_add_a_language() {
    let folder = folder(&[
        ("layout.html", "<p>{% block title %}{% endblock %}</p><a href=\"{{ link }}\">x</a>"),
        ("pt-br/activate.subject", "Ative a sua conta"),
        ("pt-br/activate.txt", "Olá {{ username }}: {{ link }} ({{ expires }})"),
        ("pt-br/activate.html", "{% extends 'layout.html' %}{% block title %}{{ tenant }}{% endblock %}"),
    ]);
    let templates = Templates::with_overrides(folder.path()).unwrap();
    let mut letter = testing::letter(Purpose::Activate, "pt-BR");
    letter.tenant_display_name = "A & B".to_owned();
    let rendered = templates.render(&letter).unwrap();
    assert_eq!(rendered.language, "pt-br");
    assert!(rendered.text.ends_with("(2026-03-05 09:30 UTC)"), "{}", rendered.text);
    assert!(rendered.html.starts_with("<p>A &amp; B</p>"), "{}", rendered.html);
    let english = templates.render(&testing::letter(Purpose::Confirm, "pt-BR")).unwrap();
    assert_eq!(english.language, "en");
    assert!(english.html.starts_with("<p>Confirm your address</p>"), "{}", english.html);
}

#[test]
fn a_broken_template_is_named_with_its_line_and_what_to_do() {
    for (name, content, expected) in [
        (
            "en/activate.txt",
            "Hello\n{{ link }}\n{{ usernam }}\n",
            "the mail template DIR/en/activate.txt, line 3: undefined value",
        ),
        (
            "en/activate.txt",
            "Hello\n{% if %}\n",
            "the mail template DIR/en/activate.txt, line 2: syntax error",
        ),
        (
            "de/letter.html",
            "\n\n\n{{ product_name | shout }}",
            "the mail template DIR/de/letter.html, line 4: unknown filter",
        ),
        (
            "en/confirm.html",
            "{% extends 'design.html' %}",
            "the mail template DIR/en/confirm.html, line 1: template not found",
        ),
    ] {
        let line = refusal(&[(name, content)]);
        assert!(line.starts_with(expected), "{line}");
        assert!(line.ends_with("; correct it, or remove it to use the built-in text"), "{line}");
    }
    let line = refusal(&[("en/activate.txt", "{{ usernam }}")]);
    assert!(line.contains("usernam") && line.contains(VARIABLES), "{line}");
}

#[test]
fn a_letter_that_would_lack_its_link_or_its_subject_is_refused() {
    assert_eq!(
        refusal(&[("en/activate.txt", "Hello {{ username }}")]),
        "the mail template DIR/en/activate.txt leaves out the link ({{ link }}); correct it, or remove it to use the built-in text"
    );
    let line = refusal(&[("layout.html", "<p>{% block title %}{% endblock %}</p>")]);
    assert!(line.contains("html (built in) leaves out the link"), "{line}");
    let line = refusal(&[("en/activate.subject", " \n")]);
    assert!(line.contains("activate.subject makes an empty subject"), "{line}");
}

#[test]
fn a_misnamed_or_unreadable_file_is_refused_rather_than_ignored() {
    for name in [
        "activate.txt",
        "en/activat.txt",
        "en/activate.htm",
        "en/activate.txt~",
        "en/letter.subject",
        "EN/activate.txt",
        "english/activate.txt",
        "en/deep/activate.txt",
    ] {
        let line = refusal(&[(name, "{{ link }}")]);
        assert!(line.contains("is not the name of a mail template; expected layout.html"), "{line}");
    }
    let line = refusal(&[("fr/activate.txt", "{{ link }}")]);
    assert!(line.starts_with("the mail template fr/activate.subject is missing"), "{line}");

    let big = "x".repeat(300 * 1024);
    assert!(refusal(&[("layout.html", &big)]).contains("is larger than 256 KiB"));

    let folder = folder(&[("layout.html", "")]);
    std::fs::write(folder.path().join("layout.html"), b"\xff\xfe").unwrap();
    let error = Templates::with_overrides(folder.path()).unwrap_err();
    assert!(matches!(error, TemplateError::Read { .. }), "{error}");
    let error = Templates::with_overrides(&folder.path().join("nowhere")).unwrap_err();
    assert!(error.to_string().contains("nowhere; check that it exists"), "{error}");
}

#[test]
fn a_template_that_fails_on_a_real_letter_does_not_tell_its_link() {
    let folder = folder(&[(
        "en/activate.txt",
        "{{ link }}{% if username == 'kim' %}{{ username.first.letter }}{% endif %}",
    )]);
    let templates = Templates::with_overrides(folder.path()).unwrap();
    let error = templates.render(&testing::letter(Purpose::Activate, "en")).err().unwrap();
    let source = std::error::Error::source(&error).unwrap();
    for shown in [format!("{error}"), format!("{error:?}"), format!("{error:#?}"), format!("{source:#}")] {
        assert!(!shown.contains(testing::TOKEN), "{shown}");
    }
}
