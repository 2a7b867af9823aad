use std::path::Path;

use secrecy::ExposeSecret as _;

use super::*;

fn server(text: &str) -> ServerSettings {
    match MailUrl::parse(text) {
        Ok(MailUrl::Smtp(server)) => server,
        other => panic!("{text}: {other:?}"),
    }
}

fn login(server: &ServerSettings) -> (String, String) {
    let credentials = server.credentials.as_ref().unwrap();
    (credentials.username.clone(), credentials.password.expose_secret().to_owned())
}

#[test]
fn every_documented_form_of_a_mail_url_is_read() {
    for (text, host, port, tls) in [
        ("smtp://mail.example", "mail.example", 587, Tls::StartTls),
        ("SMTP://Mail.Example", "mail.example", 587, Tls::StartTls),
        ("smtp://mail.example/", "mail.example", 587, Tls::StartTls),
        ("smtp://mail.example:2525?tls=starttls", "mail.example", 2525, Tls::StartTls),
        ("smtp://mail.example?tls=none", "mail.example", 25, Tls::None),
        ("smtp://127.0.0.1:1025?tls=none", "127.0.0.1", 1025, Tls::None),
        ("smtp://[::1]:1025?tls=none", "::1", 1025, Tls::None),
        ("smtps://mail.example", "mail.example", 465, Tls::Implicit),
        ("smtps://user:secret@mail.example:8465", "mail.example", 8465, Tls::Implicit),
        ("  smtp://mail.example\n", "mail.example", 587, Tls::StartTls),
        ("smtp://bücher.example", "xn--bcher-kva.example", 587, Tls::StartTls),
    ] {
        let server = server(text);
        assert_eq!((server.host(), server.port(), server.tls()), (host, port, tls), "{text}");
    }
    for (text, path) in
        [("dir:./outbox", "./outbox"), ("dir:/var/mail", "/var/mail"), ("dir:///var/mail", "///var/mail")]
    {
        assert!(matches!(MailUrl::parse(text), Ok(MailUrl::Directory(p)) if p == Path::new(path)));
    }
}

#[test]
fn credentials_are_percent_decoded() {
    let server = server("smtp://kim%40acme.example:p%40ss%2Fw%C3%B6rd+1%25@mail.example");
    assert_eq!(login(&server), ("kim@acme.example".into(), "p@ss/wörd+1%".into()));
}

#[test]
fn every_malformed_mail_url_gets_one_line_that_repeats_nothing_of_it() {
    use MailUrlError as E;
    for (text, why) in [
        ("", E::Scheme),
        ("mail.example:587", E::Scheme),
        ("http://u:hunter2@mail.example", E::Scheme),
        ("smtp:u:hunter2@mail.example", E::Scheme),
        ("hunter2://mail.example", E::Scheme),
        ("smtp://", E::Malformed),
        ("smtp://u:hunter2@", E::Malformed),
        ("smtp://u:hunter2@:25", E::Malformed),
        ("smtp://u:hunt#er2@mail.example", E::Malformed),
        ("smtp://u:hunt/er2@mail.example", E::Malformed),
        ("smtp://u:hunt er2@mail.example", E::Malformed),
        ("smtp://u:hunt\ner2@mail.example", E::Malformed),
        ("smtp://u:hunter2@mail.example:99999", E::Malformed),
        ("smtp://u:12/hunter2@mail.example", E::Trailing),
        ("smtp://u:12?hunter2@mail.example", E::Trailing),
        ("smtp://u:12#hunter2@mail.example", E::Trailing),
        ("smtp://u:hunter2@mail.example/queue", E::Trailing),
        ("smtp://u:hunter2@mail.example?ssl=on", E::Trailing),
        ("smtp://u:hunter2@mail.example?tls=none&tls=none", E::Trailing),
        ("smtp://u:hunter2@mail.example?tls=implicit", E::TlsWord),
        ("smtps://u:hunter2@mail.example?tls=none", E::TlsTwice),
        ("smtp://u:hunter2%@mail.example", E::Percent),
        ("smtp://u:hunter2%zz@mail.example", E::Percent),
        ("smtp://u:hunter2%ff@mail.example", E::Percent),
        ("smtp://u:hunter2@mail.example:0", E::Settings(SettingsError::Port)),
        ("smtp://u:hunter2@mail.example?tls=none", E::Settings(SettingsError::CredentialsWithoutTls)),
        ("smtp://u:hunter2@127.0.0.1?tls=none", E::Settings(SettingsError::CredentialsWithoutTls)),
        ("smtp://u@mail.example", E::Settings(SettingsError::HalfCredentials)),
        ("smtp://:hunter2@mail.example", E::Settings(SettingsError::HalfCredentials)),
        ("smtp://u:hunter2%0A@mail.example", E::Settings(SettingsError::ControlInCredentials)),
        ("smtp://u:hunter2%00@mail.example", E::Settings(SettingsError::ControlInCredentials)),
        ("smtp://u:hunter2@mail..example", E::Settings(SettingsError::Host)),
        ("smtp://u:hunter2@hunt|er2", E::Malformed),
        ("dir:", E::Folder),
        ("dir://outbox", E::Folder),
    ] {
        let error = MailUrl::parse(text).map(|url| url.to_string()).expect_err(text);
        assert_eq!(error, why, "{text}");
        let line = error.to_string();
        assert!(!line.contains("hunt") && !line.contains("er2"), "{text}: {line}");
        assert!(!line.contains('\n'), "{line}");
    }
}

#[test]
fn nothing_that_is_printed_shows_the_user_name_or_the_password() {
    let url = MailUrl::parse("smtp://postmaster:hunter2@mail.example:2525").unwrap();
    assert_eq!(url.to_string(), "smtp://***@mail.example:2525");
    assert_eq!(MailUrl::parse("smtp://[::1]?tls=none").unwrap().to_string(), "smtp://[::1]:25?tls=none");
    assert_eq!(MailUrl::parse("dir:./outbox").unwrap().to_string(), "dir:./outbox");
    for text in [format!("{url:?}"), format!("{url:#?}"), url.to_string()] {
        assert!(!text.contains("hunter2") && !text.contains("postmaster"), "{text}");
    }
}
