//! From what became of a request to the page that shows it: status, words and
//! design. Text from outside is escaped by the template; the password is never
//! part of a page.

use std::sync::LazyLock;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use data_encoding::BASE64;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::link::{Closed, Subject};
use super::text::{self, Language, Passage};
use crate::domain::password::{MIN_LENGTH, Weakness};

/// A page that knows of no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// The link is none of ours, or not whole.
    Unknown,
    /// The form could not be read.
    Unreadable,
    /// The form was larger than any form is.
    TooLarge,
    /// No such address.
    Nowhere,
    /// No such method.
    Method,
    /// Too much to do, or the database is away.
    Busy,
    /// A fault of ours.
    Internal,
}

/// Why the form comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Objection {
    Weak(Weakness),
    Different,
}

const STYLE: &str = include_str!("templates/style.css");

static TEMPLATES: LazyLock<Result<Environment<'static>, minijinja::Error>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.add_template("page.html", include_str!("templates/page.html"))?;
    Ok(environment)
});

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = BASE64.encode(&Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    // Base64 is always a header value; if it were not, stricter is safer.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// Nothing but the one stylesheet, known by its hash.
pub(super) fn content_security_policy() -> HeaderValue {
    POLICY.clone()
}

/// What the template shows.
#[derive(Serialize)]
struct View<'a> {
    lang: &'static str,
    tone: &'static str,
    title: &'static str,
    text: String,
    error_prefix: Option<&'static str>,
    product: Option<&'a str>,
    support: Option<Support<'a>>,
    support_label: &'static str,
    form: Option<Form<'a>>,
}

#[derive(Serialize)]
struct Support<'a> {
    address: &'a str,
    link: String,
}

impl<'a> Support<'a> {
    /// What would begin a subject or a second recipient is escaped.
    fn new(address: &'a str) -> Self {
        let mut link = "mailto:".to_owned();
        for c in address.chars() {
            match c {
                '%' | '?' | '&' | '#' | ',' => link.push_str(&format!("%{:02X}", u32::from(c))),
                other => link.push(other),
            }
        }
        Self { address, link }
    }
}

#[derive(Serialize)]
struct Form<'a> {
    token: &'a str,
    button: &'static str,
    login: &'a str,
    login_label: &'static str,
    password: Option<PasswordFields>,
}

#[derive(Serialize)]
struct PasswordFields {
    label: &'static str,
    again: &'static str,
    hint: String,
    minimum: usize,
    problem: Option<String>,
    /// The problem is with the repetition.
    different: bool,
}

/// The form of an open link; again and with the reason if it was refused.
pub(super) fn form(
    subject: &Subject,
    token: &str,
    language: Language,
    objection: Option<Objection>,
) -> Response {
    let language = Language::of_locale(&subject.locale).unwrap_or(language);
    let labels = text::labels(language);
    let (passage, button) = text::form(subject.purpose, language);
    let problem = objection.map(|objection| match objection {
        Objection::Weak(weakness) => text::weak(weakness, language),
        Objection::Different => text::different(language).to_owned(),
    });
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let password = subject.purpose.asks_password().then_some(PasswordFields {
        label: labels.password,
        again: labels.again,
        hint: labels.hint,
        minimum: MIN_LENGTH,
        problem,
        different: objection == Some(Objection::Different),
    });
    let view = View {
        error_prefix: objection.map(|_| labels.error),
        form: Some(Form { token, button, login: &subject.login, login_label: labels.login, password }),
        ..about(subject, "plain", passage, language)
    };
    render(status, &view)
}

/// The link was used just now.
pub(super) fn done(subject: &Subject, language: Language) -> Response {
    let language = Language::of_locale(&subject.locale).unwrap_or(language);
    render(StatusCode::OK, &about(subject, "good", text::done(subject.purpose, language), language))
}

/// A genuine link that does nothing any more.
pub(super) fn closed(why: Closed, subject: &Subject, language: Language) -> Response {
    let language = Language::of_locale(&subject.locale).unwrap_or(language);
    let status = match why {
        Closed::Used | Closed::Replaced | Closed::Expired => StatusCode::GONE,
        Closed::Disabled => StatusCode::FORBIDDEN,
        Closed::Taken => StatusCode::CONFLICT,
    };
    render(status, &about(subject, "bad", text::closed(why, language), language))
}

/// A page that knows of no account.
pub(super) fn notice(notice: Notice, language: Language) -> Response {
    let status = match notice {
        Notice::Unknown | Notice::Nowhere => StatusCode::NOT_FOUND,
        Notice::Unreadable => StatusCode::BAD_REQUEST,
        Notice::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Notice::Method => StatusCode::METHOD_NOT_ALLOWED,
        Notice::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Notice::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let Passage { title, text } = text::notice(notice, language);
    let view = View {
        lang: language.tag(),
        tone: "bad",
        title,
        text: text.to_owned(),
        error_prefix: None,
        product: None,
        support: None,
        support_label: "",
        form: None,
    };
    render(status, &view)
}

fn about<'a>(subject: &'a Subject, tone: &'static str, passage: Passage, language: Language) -> View<'a> {
    let product = subject.product.as_deref();
    // One pass over fixed text: what is filled in is not looked at again.
    let mut text = String::new();
    let mut rest = passage.text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        text.push_str(before);
        text.push_str(match name {
            "tenant" => &subject.tenant,
            "login" => &subject.login,
            _ => product.unwrap_or(&subject.tenant),
        });
        rest = after;
    }
    text.push_str(rest);
    View {
        lang: language.tag(),
        tone,
        title: passage.title,
        text,
        error_prefix: None,
        product: Some(product.unwrap_or(&subject.tenant)),
        support: subject.support.as_deref().map(Support::new),
        support_label: text::labels(language).support,
        form: None,
    }
}

fn render(status: StatusCode, view: &View<'_>) -> Response {
    let filled = TEMPLATES.as_ref().map_err(ToString::to_string).and_then(|templates| {
        let template = templates.get_template("page.html").map_err(|e| e.to_string())?;
        template
            .render(context! { style => STYLE, view => Value::from(Serde(view)) })
            .map_err(|e| e.to_string())
    });
    match filled {
        Ok(html) => (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
        Err(error) => {
            // A test renders every page, so this is for a page yet to be written.
            tracing::error!(error, "a page could not be filled in");
            (StatusCode::INTERNAL_SERVER_ERROR, view.title).into_response()
        }
    }
}
