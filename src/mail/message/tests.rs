use super::*;
use crate::mail::testing::{self, Opened, TOKEN, open};

/// Everything that strangers have tried in a name or an address.
const HOSTILE: [&str; 12] = [
    "x\r\nBcc: everyone@acme.example",
    "x\nBcc: everyone@acme.example",
    "x\r\n\r\n<b>body</b>",
    "x\r\n.\r\nMAIL FROM:<a@b.example>",
    "\u{0}\u{1b}[31mred\u{7}",
    "a\u{2028}Bcc: b\u{85}c",
    "\"><script>alert(1)</script>",
    "</title></head><img src=https://evil.example/x>",
    "=?utf-8?q?=0D=0ABcc:_everyone?=",
    "\", everyone <everyone@acme.example>, \"",
    "{{ link }}{% raw %}",
    "\u{202E}gnp.exe\u{2066}",
];

fn composed(envelope: &Envelope, letter: &Letter) -> Result<Message, ComposeError> {
    compose(&Templates::embedded().unwrap(), envelope, letter)
}

fn header<'a>(opened: &'a Opened, name: &str) -> &'a str {
    let mut values = opened.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
    let value = &values.next().unwrap_or_else(|| panic!("no {name}")).1;
    assert!(values.next().is_none(), "{name} twice");
    value
}

#[test]
fn every_letter_in_every_language_looks_as_it_did() {
    for purpose in Purpose::ALL {
        for locale in ["en", "de"] {
            let message = composed(&testing::envelope(), &testing::letter(purpose, locale)).unwrap();
            let Opened { headers, text, html } = open(&message);
            let head: String = headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
            testing::snapshot(&format!("{purpose}.{locale}.txt"), &format!("{head}\n{text}"));
            testing::snapshot(&format!("{purpose}.{locale}.html"), &html);
        }
    }
}

#[test]
fn a_letter_loads_nothing_from_anywhere_and_leads_nowhere_else() {
    for purpose in Purpose::ALL {
        for locale in ["en", "de"] {
            let letter = testing::letter(purpose, locale);
            let html = open(&composed(&testing::envelope(), &letter).unwrap()).html;
            for loading in ["src=", "url(", "<style", "<link", "<script", "<img", "@import", "background="] {
                assert!(!html.contains(loading), "{loading} in {purpose}.{locale}");
            }
            assert_eq!(html.matches("://").count(), html.matches(letter.link.as_str()).count());
        }
    }
}

#[test]
fn a_letter_without_a_support_address_does_not_mention_one() {
    for locale in ["en", "de"] {
        let mut letter = testing::letter(Purpose::Activate, locale);
        letter.support_email = None;
        let opened = open(&composed(&testing::envelope(), &letter).unwrap());
        testing::snapshot(&format!("activate.{locale}.no-support.txt"), &opened.text);
        for text in [opened.text, opened.html] {
            assert!(!text.contains("mailto:") && !text.contains("help@"), "{text}");
            assert!(!text.contains("Questions") && !text.contains("Fragen"), "{text}");
        }
    }
}

#[test]
fn the_same_letter_is_the_same_bytes_every_time() {
    assert_eq!(testing::message().formatted(), testing::message().formatted());
}

#[test]
fn r8_the_message_keeps_its_given_identity_and_date_and_says_that_it_is_automatic() {
    let opened = open(&testing::message());
    assert_eq!(header(&opened, "Message-ID"), "<0001@acme.example>");
    assert_eq!(header(&opened, "Date"), "Mon, 02 Mar 2026 09:30:00 +0000");
    assert_eq!(header(&opened, "Auto-Submitted"), "auto-generated");
    assert_eq!(header(&opened, "Reply-To"), "help@acme.example");
    for header in &opened.headers {
        assert!(!header.1.contains(TOKEN), "the link belongs into the body only: {header:?}");
    }
}

#[test]
fn nothing_that_strangers_write_adds_a_header_a_line_or_a_tag() {
    let plain = open(&testing::message());
    let names =
        |opened: &Opened| -> Vec<String> { opened.headers.iter().map(|(name, _)| name.clone()).collect() };
    type Field = (&'static str, fn(&mut Envelope, &mut Letter, &str));
    let fields: [Field; 6] = [
        ("product name", |_, letter, text| letter.product_name = text.to_owned()),
        ("username", |_, letter, text| letter.username = text.to_owned()),
        ("tenant", |_, letter, text| letter.tenant_display_name = text.to_owned()),
        ("locale", |_, letter, text| letter.locale = text.to_owned()),
        ("from name", |envelope, _, text| {
            envelope.from = Mailbox::new(Some(text), envelope.from.address().clone());
        }),
        ("reply name", |envelope, _, text| {
            let address = MailAddress::parse("help@acme.example").unwrap();
            envelope.reply_to = Some(Mailbox::new(Some(text), address));
        }),
    ];
    let long = "a very long name ".repeat(1000);
    for (field, set) in fields {
        for text in HOSTILE.into_iter().chain([long.as_str(), ""]) {
            let (mut envelope, mut letter) = (testing::envelope(), testing::letter(Purpose::Activate, "en"));
            set(&mut envelope, &mut letter, text);
            let message = composed(&envelope, &letter).unwrap();
            let raw = String::from_utf8(message.formatted()).unwrap();
            let opened = open(&message);
            let context = format!("{field}: {text:?}\n{raw}");

            assert_eq!(names(&opened), names(&plain), "{context}");
            assert_eq!(header(&opened, "To"), "kim@north.example", "{context}");
            assert!(raw.is_ascii() && !raw.replace("\r\n", "").contains(['\r', '\n']), "{context}");
            assert!(!raw.contains("\r\n.\r\n"), "{context}");
            assert!(raw.lines().all(|line| line.len() < 998), "{context}");
            assert_eq!(opened.text.lines().count(), plain.text.lines().count(), "{context}");
            let tags = |html: &str| html.matches('<').count();
            assert_eq!(tags(&opened.html), tags(&plain.html), "{context}");
            for (part, links) in [(&opened.text, 1), (&opened.html, 3)] {
                assert!(!part.contains(|c: char| c.is_control() && c != '\n'), "{context}");
                assert!(!part.contains('\u{202E}'), "{context}");
                assert_eq!(part.matches(TOKEN).count(), links, "{context}");
            }
            let envelope = message.envelope();
            assert_eq!(envelope.to().len(), 1, "{context}");
            assert_eq!(envelope.to()[0].to_string(), "kim@north.example", "{context}");
        }
    }
}

#[test]
fn hostile_addresses_and_message_ids_are_refused() {
    for text in HOSTILE {
        let mut envelope = testing::envelope();
        envelope.to = text.to_owned();
        let error = composed(&envelope, &testing::letter(Purpose::Activate, "en")).unwrap_err();
        assert!(matches!(error, ComposeError::Recipient(_)), "{text:?}: {error}");
        assert_eq!(error.retry(), Retry::Never);

        for message_id in [text.to_owned(), format!("<{text}>"), format!("<{text}@acme.example>")] {
            let mut envelope = testing::envelope();
            envelope.message_id = message_id;
            let error = composed(&envelope, &testing::letter(Purpose::Activate, "en")).unwrap_err();
            assert!(matches!(error, ComposeError::MessageId), "{text:?}: {error}");
        }
    }
}

#[test]
fn only_web_links_are_sent() {
    for link in ["javascript:alert(1)", "mailto:a@b.example", "file:///etc/passwd", "data:text/html,x"] {
        let mut letter = testing::letter(Purpose::Activate, "en");
        letter.link = link.parse().unwrap();
        let error = composed(&testing::envelope(), &letter).unwrap_err();
        assert!(matches!(error, ComposeError::Link), "{link}");
        assert_eq!(error.retry(), Retry::OnChange);
    }
}

#[test]
fn a_link_with_several_parameters_survives_in_both_parts() {
    let mut letter = testing::letter(Purpose::Activate, "en");
    letter.link = "https://a.example/x?token=a-b_c&l='de'&q=\"<>".parse().unwrap();
    let opened = open(&composed(&testing::envelope(), &letter).unwrap());
    let link = letter.link.as_str();
    assert!(opened.text.lines().any(|line| line == link), "{}", opened.text);
    let escaped = link.replace('&', "&amp;").replace('\'', "&#39;");
    assert!(opened.html.contains(&format!("href=\"{escaped}\"")), "{}", opened.html);
}

#[test]
fn a_support_address_cannot_carry_parameters_into_its_link() {
    let mut letter = testing::letter(Purpose::Activate, "en");
    letter.support_email = Some(MailAddress::parse("a?bcc=x&y%0A@acme.example").unwrap());
    let opened = open(&composed(&testing::envelope(), &letter).unwrap());
    assert!(opened.html.contains("mailto:a%3Fbcc=x%26y%250A@acme.example\""), "{}", opened.html);
}

#[test]
fn display_names_with_quotes_and_other_scripts_arrive_whole() {
    for (name, encoded) in [
        ("Acme", "Acme <no-reply@acme.example>"),
        ("Acme Inc", "\"Acme Inc\" <no-reply@acme.example>"),
        ("Acme \"North\"", "\"Acme \\\"North\\\"\" <no-reply@acme.example>"),
        ("Müller & Söhne", "=?utf-8?b?TcO8bGxlciAmIFPDtmhuZQ==?= <no-reply@acme.example>"),
        ("アクメ", "=?utf-8?b?44Ki44Kv44Oh?= <no-reply@acme.example>"),
    ] {
        let mut envelope = testing::envelope();
        envelope.from = Mailbox::new(Some(name), envelope.from.address().clone());
        let message = composed(&envelope, &testing::letter(Purpose::Activate, "en")).unwrap();
        assert_eq!(header(&open(&message), "From"), encoded);
        assert_eq!(message.envelope().from().unwrap().to_string(), "no-reply@acme.example");
    }
}

#[test]
fn a_sender_without_a_name_writes_under_the_products_name() {
    let mut envelope = testing::envelope();
    envelope.from = Mailbox::parse("no-reply@acme.example").unwrap();
    envelope.reply_to = None;
    let opened = open(&composed(&envelope, &testing::letter(Purpose::Activate, "en")).unwrap());
    assert_eq!(header(&opened, "From"), "\"Acme Fleet\" <no-reply@acme.example>");
    assert!(!opened.headers.iter().any(|(name, _)| name == "Reply-To"));
}

#[test]
fn the_longest_addresses_are_written_to() {
    let label = "d".repeat(61);
    let address = format!("{}@{label}.{label}.{label}.exa", "l".repeat(64));
    assert_eq!(address.len(), 254);
    let mut envelope = testing::envelope();
    envelope.to = address.clone();
    let message = composed(&envelope, &testing::letter(Purpose::Activate, "en")).unwrap();
    assert_eq!(header(&open(&message), "To"), address);
}

#[test]
fn a_message_id_is_made_of_safe_characters_at_the_senders_domain() {
    let sender = MailAddress::parse("no-reply@acme.example").unwrap();
    assert_eq!(message_id("0195-ab", &sender), "<0195-ab@acme.example>");
    for text in HOSTILE {
        let id = message_id(text, &sender);
        assert!(is_message_id(&id), "{text:?} {id}");
    }
    let literal = MailAddress::parse("no-reply@[127.0.0.1]");
    assert!(literal.is_ok_and(|sender| is_message_id(&message_id("1", &sender))));
}

#[test]
fn dates_before_1970_do_not_stop_a_letter() {
    let mut envelope = testing::envelope();
    envelope.date = Timestamp::MIN;
    let message = composed(&envelope, &testing::letter(Purpose::Activate, "en")).unwrap();
    assert_eq!(header(&open(&message), "Date"), "Thu, 01 Jan 1970 00:00:00 +0000");
    envelope.date = Timestamp::MAX;
    composed(&envelope, &testing::letter(Purpose::Activate, "en")).unwrap();
}

#[test]
fn purposes_are_read_back_by_their_names() {
    for purpose in Purpose::ALL {
        assert_eq!(purpose.as_str().parse(), Ok(purpose));
    }
    assert_eq!("Activate".parse::<Purpose>(), Err(UnknownPurpose));
}

#[test]
fn letter_and_envelope_keep_link_and_addresses_out_of_debug_output() {
    let shown = format!("{:?} {:?}", testing::letter(Purpose::Activate, "en"), testing::envelope());
    assert!(!shown.contains(TOKEN) && !shown.contains("kim") && !shown.contains("no-reply"), "{shown}");
}
