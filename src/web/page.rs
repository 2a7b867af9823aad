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
use super::signin::Visitor;
use super::text::{self, Language, LoginLabels, Passage, ResendLabels};
use crate::domain::password::{MIN_LENGTH, Weakness};
use crate::engine::Person;

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
    for (name, source) in [
        ("layout.html", include_str!("templates/layout.html")),
        ("page.html", include_str!("templates/page.html")),
        ("login.html", include_str!("templates/login.html")),
        ("resend.html", include_str!("templates/resend.html")),
        ("leaving.html", include_str!("templates/leaving.html")),
        ("account.html", include_str!("templates/account.html")),
    ] {
        environment.add_template(name, source)?;
    }
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

/// What every page shows.
#[derive(Default, Serialize)]
pub(super) struct View<'a> {
    pub(super) lang: &'static str,
    pub(super) tone: &'static str,
    pub(super) title: &'static str,
    pub(super) text: String,
    pub(super) error_prefix: Option<&'static str>,
    pub(super) product: Option<&'a str>,
    support: Option<Support<'a>>,
    support_label: &'static str,
    /// Room for lists.
    pub(super) wide: bool,
    way: Option<Way>,
}

/// A way on to another page.
#[derive(Serialize)]
struct Way {
    href: &'static str,
    label: &'static str,
}

/// The page behind a link.
#[derive(Serialize)]
struct Linked<'a> {
    #[serde(flatten)]
    view: View<'a>,
    form: Option<Form<'a>>,
    again: Option<Again<'a>>,
}

/// A link that is over says whose it is: another one takes one press.
#[derive(Serialize)]
struct Again<'a> {
    token: &'a str,
    button: &'static str,
}

impl<'a> From<View<'a>> for Linked<'a> {
    fn from(view: View<'a>) -> Self {
        Self { view, form: None, again: None }
    }
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
    /// Shown while it is typed, by the stylesheet alone.
    short: &'static str,
    enough: &'static str,
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
        short: labels.short,
        enough: labels.enough,
        minimum: MIN_LENGTH,
        problem,
        different: objection == Some(Objection::Different),
    });
    let view =
        View { error_prefix: objection.map(|_| labels.error), ..about(subject, "plain", passage, language) };
    let form = Form { token, button, login: &subject.login, login_label: labels.login, password };
    render(status, "page.html", &Linked { form: Some(form), ..view.into() })
}

/// The link was used just now.
pub(super) fn done(subject: &Subject, language: Language) -> Response {
    let language = Language::of_locale(&subject.locale).unwrap_or(language);
    let view = about(subject, "good", text::done(subject.purpose, language), language);
    render(StatusCode::OK, "page.html", &Linked::from(View { way: Some(way_in(language)), ..view }))
}

/// A genuine link that does nothing any more.
pub(super) fn closed(why: Closed, subject: &Subject, token: &str, language: Language) -> Response {
    let language = Language::of_locale(&subject.locale).unwrap_or(language);
    let status = match why {
        Closed::Used | Closed::Replaced | Closed::Expired | Closed::Needless => StatusCode::GONE,
        Closed::Disabled => StatusCode::FORBIDDEN,
        Closed::Taken => StatusCode::CONFLICT,
    };
    let again = matches!(why, Closed::Replaced | Closed::Expired) && subject.awaits;
    let tone = if why == Closed::Needless { "good" } else { "bad" };
    let view = about(subject, tone, text::closed(why, again, language), language);
    // Whoever used it can sign in; whoever has another address still can.
    let signs_in = matches!(why, Closed::Used | Closed::Taken | Closed::Needless);
    let view = View { way: signs_in.then(|| way_in(language)), ..view };
    let again = again.then(|| Again { token, button: text::resend(language).button });
    render(status, "page.html", &Linked { again, ..view.into() })
}

/// The form that asks for a new link by an address; again if what was typed is
/// none.
pub(super) fn resend(email: &str, wrong: bool, status: StatusCode, language: Language) -> Response {
    let labels = text::resend(language);
    let view = View {
        error_prefix: wrong.then(|| text::labels(language).error),
        ..bare("plain", labels.passage, language)
    };
    let problem = wrong.then_some(labels.wrong);
    let status = if wrong { StatusCode::UNPROCESSABLE_ENTITY } else { status };
    render(status, "resend.html", &ResendView { view, labels, email, problem })
}

/// A new link was asked for. Whether one was sent, nobody learns here.
pub(super) fn asked(language: Language) -> Response {
    let view = View { way: Some(way_in(language)), ..bare("good", text::asked(language), language) };
    render(StatusCode::OK, "page.html", &Linked::from(view))
}

/// A new link was asked for too often.
pub(super) fn asked_too_often(minutes: u64, language: Language) -> Response {
    let (title, text) = text::asked_too_often(minutes, language);
    let view = View { text, ..bare("bad", Passage { title, text: "" }, language) };
    render(StatusCode::TOO_MANY_REQUESTS, "page.html", &Linked::from(view))
}

#[derive(Serialize)]
struct ResendView<'a> {
    #[serde(flatten)]
    view: View<'a>,
    labels: ResendLabels,
    email: &'a str,
    problem: Option<&'static str>,
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
    let view = bare("bad", text::notice(notice, language), language);
    let way = (notice == Notice::Unknown)
        .then(|| Way { href: "resend", label: text::resend(language).passage.title });
    render(status, "page.html", &Linked::from(View { way, ..view }))
}

fn way_in(language: Language) -> Way {
    Way { href: "login", label: text::way_in(language) }
}

/// A page that is about nobody.
fn bare(tone: &'static str, passage: Passage, language: Language) -> View<'static> {
    let Passage { title, text } = passage;
    View { lang: language.tag(), tone, title, text: text.to_owned(), ..View::default() }
}

fn about<'a>(subject: &'a Subject, tone: &'static str, passage: Passage, language: Language) -> View<'a> {
    let product = subject.product.as_deref();
    let filled = |name: &str| match name {
        "tenant" => &subject.tenant,
        "login" => &subject.login,
        _ => product.unwrap_or(&subject.tenant),
    };
    View {
        lang: language.tag(),
        tone,
        title: passage.title,
        text: fill(passage.text, filled),
        product: Some(product.unwrap_or(&subject.tenant)),
        support: subject.support.as_deref().map(Support::new),
        support_label: text::labels(language).support,
        ..View::default()
    }
}

/// Fixed text with what stands in braces filled in.
pub(super) fn fill<'a>(fixed: &str, value: impl Fn(&str) -> &'a str) -> String {
    // One pass: what is filled in is not looked at again.
    let mut text = String::new();
    let mut rest = fixed;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        text.push_str(before);
        text.push_str(value(name));
        rest = after;
    }
    text.push_str(rest);
    text
}

/// Why the form to sign in comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoginProblem {
    /// Address and password do not fit, or the account is of no use.
    Refused,
    /// The form does not go with the browser's cookie.
    Stale,
    /// Too many failures; for so many minutes.
    Throttled(u64),
}

#[derive(Serialize)]
struct LoginView<'a> {
    #[serde(flatten)]
    view: View<'a>,
    form: &'a str,
    email: &'a str,
    problem: Option<String>,
    labels: LoginLabels,
}

/// The form to sign in; again and with the reason if it did not work.
pub(super) fn login(form: &str, email: &str, problem: Option<LoginProblem>, language: Language) -> Response {
    let labels = text::login(language);
    let status = match problem {
        None => StatusCode::OK,
        Some(LoginProblem::Refused | LoginProblem::Stale) => StatusCode::FORBIDDEN,
        Some(LoginProblem::Throttled(_)) => StatusCode::TOO_MANY_REQUESTS,
    };
    let view = View {
        error_prefix: problem.map(|_| text::labels(language).error),
        ..bare("plain", labels.passage, language)
    };
    let problem = problem.map(|problem| text::problem(problem, language));
    render(status, "login.html", &LoginView { view, form, email, problem, labels })
}

#[derive(Serialize)]
struct LeavingView<'a> {
    #[serde(flatten)]
    view: View<'a>,
    form: &'a str,
    button: &'static str,
    back: &'static str,
}

/// Asks whether to sign out.
pub(super) fn leaving(visitor: &Visitor, language: Language, status: StatusCode) -> Response {
    let (Passage { title, text }, button, back) = text::leaving(language);
    let login = &visitor.person.account.settings.email;
    let view = View { title, text: fill(text, |_| login), ..of_person(&visitor.person, language) };
    render(status, "leaving.html", &LeavingView { view, form: &visitor.form, button, back })
}

/// Signed out.
pub(super) fn left(language: Language) -> Response {
    let view = View { way: Some(way_in(language)), ..bare("good", text::left(language), language) };
    render(StatusCode::OK, "page.html", &Linked::from(view))
}

/// What every page of somebody signed in shows.
pub(super) fn of_person(person: &Person, language: Language) -> View<'_> {
    let levels = || person.chain.0.iter();
    let branding = || levels().filter_map(|level| level.tenant.settings.branding.as_ref());
    let product = branding().find_map(|b| b.product_name.as_deref());
    View {
        lang: language.tag(),
        tone: "plain",
        product: product.or(person.chain.own().map(|tenant| tenant.settings.display_name.as_str())),
        support: branding().find_map(|b| b.support_email.as_deref()).map(Support::new),
        support_label: text::labels(language).support,
        ..View::default()
    }
}

/// A page from its template. What is shown has a `title`, as [`View`] has.
pub(super) fn render(status: StatusCode, template: &str, view: &impl Serialize) -> Response {
    let filled = TEMPLATES.as_ref().map_err(ToString::to_string).and_then(|templates| {
        let template = templates.get_template(template).map_err(|e| e.to_string())?;
        template
            .render(context! { style => STYLE, view => Value::from(Serde(view)) })
            .map_err(|e| e.to_string())
    });
    match filled {
        Ok(html) => (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
        Err(error) => {
            // A test renders every page, so this is for a page yet to be written.
            tracing::error!(error, "a page could not be filled in");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
