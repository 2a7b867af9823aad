//! What letters look like: the texts that are built in, and those that an
//! operator puts in their place. Everything that can be wrong with a text of
//! one's own is found when the folder is read, not when an invitation is due.

mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use minijinja::value::Value;
use minijinja::{Environment, UndefinedBehavior, context};

use super::address::MailAddress;
use super::message::{Letter, Purpose};
use super::text::{MAX_NAME, one_line};

/// The language of a letter whose reader's language is not there.
const FALLBACK: &str = "en";

/// The product where nobody gave it a name.
const OWN_NAME: &str = "Tenantry";

const PARTS: [&str; 3] = ["subject", "txt", "html"];

/// What a template may use, named in the error about anything else.
const VARIABLES: &str =
    "product_name, tenant, username, link, expires, support_email, support_link, language";

/// The texts of all letters in all languages.
pub struct Templates {
    environment: Environment<'static>,
    letters: BTreeSet<(String, Purpose)>,
    overridden: BTreeMap<String, PathBuf>,
}

/// One letter, filled in.
pub(super) struct Rendered {
    pub(super) language: String,
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

/// What is wrong with a template. Names the file, and says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The folder or a file in it cannot be read.
    #[error("cannot read the mail template {}; check that it exists, is readable and is UTF-8 text", .file.display())]
    Read {
        /// Folder or file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// More than a letter ever needs.
    #[error("the mail template {} is larger than {} KiB; shorten it", .file.display(), files::MAX_SIZE / 1024)]
    Size {
        /// The file.
        file: PathBuf,
    },
    /// The file would never be used.
    #[error("{} is not the name of a mail template; expected layout.html, LANGUAGE/letter.{{txt,html}} or LANGUAGE/PURPOSE.{{subject,txt,html}}, where LANGUAGE is lower-case such as de or pt-br and PURPOSE is one of activate, confirm, set-password, change-email", .file.display())]
    Name {
        /// The file.
        file: PathBuf,
    },
    /// A letter would be half in one language and half in another.
    #[error(
        "the mail template {missing} is missing; a letter in a new language needs its .subject, .txt and .html"
    )]
    Incomplete {
        /// The file that is missing.
        missing: String,
    },
    /// It cannot be parsed or filled in.
    #[error(
        "the mail template {file}, line {line}: {problem}; correct it, or remove it to use the built-in text"
    )]
    Broken {
        /// The file.
        file: String,
        /// The line in it.
        line: usize,
        /// What is wrong there.
        problem: String,
        /// The engine's own error.
        source: minijinja::Error,
    },
    /// It can be filled in, but the result is no letter.
    #[error("the mail template {file} {problem}; correct it, or remove it to use the built-in text")]
    Useless {
        /// The file.
        file: String,
        /// What the letter lacks.
        problem: &'static str,
    },
}

impl Templates {
    /// The built-in texts, in English and German.
    ///
    /// # Errors
    /// Never in a released program: a test renders every one of them.
    pub fn embedded() -> Result<Self, TemplateError> {
        Self::from_files(files::embedded(), BTreeMap::new())
    }

    /// The built-in texts with the files in `folder` in the place of those of
    /// the same name, and with the languages that it adds.
    ///
    /// # Errors
    /// For the first file that is unreadable, misnamed, broken, or leaves the
    /// link out of a letter.
    pub fn with_overrides(folder: &Path) -> Result<Self, TemplateError> {
        let mut sources = files::embedded();
        let mut overridden = BTreeMap::new();
        for file in files::read_folder(folder)? {
            overridden.insert(file.name.clone(), file.path);
            sources.insert(file.name, file.source);
        }
        let templates = Self::from_files(sources, overridden)?;
        templates.rehearse()?;
        Ok(templates)
    }

    /// The languages in which there is a letter for `purpose`.
    pub fn languages(&self, purpose: Purpose) -> impl Iterator<Item = &str> {
        self.letters.iter().filter(move |(_, of)| *of == purpose).map(|(language, _)| language.as_str())
    }

    /// The languages that have any letter of their own.
    pub fn all_languages(&self) -> Vec<&str> {
        let all: BTreeSet<&str> = self.letters.iter().map(|(language, _)| language.as_str()).collect();
        all.into_iter().collect()
    }

    /// How many files of an operator's folder are in use.
    pub fn overridden(&self) -> usize {
        self.overridden.len()
    }

    fn from_files(
        sources: BTreeMap<String, String>,
        overridden: BTreeMap<String, PathBuf>,
    ) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // The engine's errors would otherwise carry the values at hand, the link among them.
        environment.set_debug(false);
        let letters = files::letters(&sources)?;
        let mut templates = Self { environment, letters, overridden };
        for (name, source) in sources {
            let added = templates.environment.add_template_owned(name, source);
            added.map_err(|error| templates.broken(error))?;
        }
        Ok(templates)
    }

    /// The letter in the reader's language, else in its main language, else in
    /// English.
    pub(super) fn render(&self, letter: &Letter) -> Result<Rendered, TemplateError> {
        let language = self.language_for(letter.purpose, &letter.locale);
        let fields = Fields::of(letter, language);
        let part = |part: &str| {
            let name = file_name(language, letter.purpose, part);
            let context = fields.context(part == "html");
            self.environment
                .get_template(&name)
                .and_then(|template| template.render(context))
                .map_err(|error| self.broken(error))
        };
        Ok(Rendered {
            language: language.to_owned(),
            subject: part("subject")?,
            text: part("txt")?,
            html: part("html")?,
        })
    }

    fn language_for(&self, purpose: Purpose, locale: &str) -> &str {
        let wanted = locale.to_ascii_lowercase().replace('_', "-");
        let mut candidate = wanted.as_str();
        loop {
            if let Some(found) = self.languages(purpose).find(|language| *language == candidate) {
                return found;
            }
            match candidate.rsplit_once('-') {
                Some((shorter, _)) => candidate = shorter,
                None => return FALLBACK,
            }
        }
    }

    /// Fills in every letter once with and once without a support address.
    fn rehearse(&self) -> Result<(), TemplateError> {
        for (language, purpose) in &self.letters {
            for with_support in [true, false] {
                let Some(letter) = sample(language, *purpose, with_support) else { continue };
                let rendered = self.render(&letter)?;
                let useless = |part: &str, problem| TemplateError::Useless {
                    file: self.shown(&file_name(language, *purpose, part)),
                    problem,
                };
                if one_line(&rendered.subject, 1).is_empty() {
                    return Err(useless("subject", "makes an empty subject"));
                }
                if !rendered.text.contains(letter.link.as_str()) {
                    return Err(useless("txt", "leaves out the link ({{ link }})"));
                }
                if !rendered.html.contains(&html_escaped(letter.link.as_str())) {
                    return Err(useless("html", "leaves out the link ({{ link }})"));
                }
            }
        }
        Ok(())
    }

    /// The engine's error with the file as the operator knows it.
    fn broken(&self, error: minijinja::Error) -> TemplateError {
        // An error inside a block or an included file is wrapped once per level.
        let mut innermost = &error;
        while let Some(deeper) =
            std::error::Error::source(innermost).and_then(|e| e.downcast_ref::<minijinja::Error>())
        {
            innermost = deeper;
        }
        let mut problem = innermost
            .detail()
            .map_or_else(|| innermost.kind().to_string(), |detail| format!("{}: {detail}", innermost.kind()));
        if innermost.kind() == minijinja::ErrorKind::UndefinedError {
            problem = format!("{problem} (there are {VARIABLES})");
        }
        TemplateError::Broken {
            file: self.shown(innermost.name().unwrap_or("?")),
            line: innermost.line().unwrap_or(0),
            problem: one_line(&problem, 400),
            source: error,
        }
    }

    fn shown(&self, name: &str) -> String {
        match self.overridden.get(name) {
            Some(path) => path.display().to_string(),
            None => format!("{name} (built in)"),
        }
    }
}

impl std::fmt::Debug for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Templates")
            .field("letters", &self.letters)
            .field("overridden", &self.overridden.keys())
            .finish_non_exhaustive()
    }
}

/// What a template can use.
struct Fields<'a> {
    letter: &'a Letter,
    language: &'a str,
}

impl<'a> Fields<'a> {
    const fn of(letter: &'a Letter, language: &'a str) -> Self {
        Self { letter, language }
    }

    fn context(&self, html: bool) -> Value {
        // Destructured whole, so that a new field is decided about here.
        let Letter {
            purpose: _,
            locale: _,
            product_name,
            support_email,
            username,
            tenant_display_name,
            link,
            expires_at,
        } = self.letter;
        // The engine would also escape every slash, and mail filters that look
        // for links in the source of a message would not see this one.
        let link = if html {
            Value::from_safe_string(html_escaped(link.as_str()))
        } else {
            Value::from(link.as_str())
        };
        let product_name = name_or(product_name, OWN_NAME);
        context! {
            tenant => name_or(tenant_display_name, &product_name),
            product_name,
            username => one_line(username, MAX_NAME),
            link,
            expires => readable(*expires_at, self.language),
            support_email => support_email.as_ref().map(MailAddress::as_str),
            support_link => support_email.as_ref().map(mailto),
            language => self.language,
        }
    }
}

/// The letter of `mail test`, which nobody but its sender waits for.
pub(super) fn trial(product_name: &str) -> Rendered {
    let product = name_or(product_name, OWN_NAME);
    let text = format!(
        "This is a test message of {product}.\n\nIt shows that mail can be sent from here, and how it arrives.\nThere is nothing to do.\n"
    );
    let paragraphs: Vec<_> = text
        .trim_end()
        .split("\n\n")
        .map(|paragraph| format!("<p>{}</p>", html_escaped(paragraph).replace('\n', " ")))
        .collect();
    Rendered {
        language: FALLBACK.to_owned(),
        subject: format!("Test message of {product}"),
        html: format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>Test message</title>\n</head>\n<body style=\"font-family:sans-serif;font-size:16px;line-height:1.5\">\n{}\n</body>\n</html>\n",
            paragraphs.join("\n")
        ),
        text,
    }
}

/// A name fit for a letter; one that consists of nothing visible would leave a
/// hole in a sentence.
fn name_or(name: &str, fallback: &str) -> String {
    let name = one_line(name, MAX_NAME);
    if name.is_empty() { fallback.to_owned() } else { name }
}

fn file_name(language: &str, purpose: Purpose, part: &str) -> String {
    format!("{language}/{purpose}.{part}")
}

fn html_escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// A link to write to `address`; what would start a subject or a second
/// recipient is escaped.
fn mailto(address: &MailAddress) -> String {
    let address = address.as_str().replace('%', "%25");
    format!("mailto:{}", address.replace('?', "%3F").replace('&', "%26").replace('#', "%23"))
}

/// `time` in UTC, to the minute, never later than it is.
fn readable(time: Timestamp, language: &str) -> String {
    const GERMAN_MONTHS: [&str; 12] = [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ];
    let time = time.to_zoned(TimeZone::UTC);
    match language.split('-').next() {
        Some("en") => time.strftime("%-d %B %Y at %H:%M UTC").to_string(),
        Some("de") => {
            let index = usize::from(time.month().unsigned_abs()).saturating_sub(1);
            let month = GERMAN_MONTHS.get(index).copied().unwrap_or_default();
            format!("{}. {month} {}", time.day(), time.strftime("%Y um %H:%M Uhr (UTC)"))
        }
        // Understood everywhere, for languages that an operator added.
        _ => time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    }
}

fn sample(language: &str, purpose: Purpose, with_support: bool) -> Option<Letter> {
    let support = MailAddress::parse("support@example.org").ok();
    Some(Letter {
        purpose,
        locale: language.to_owned(),
        product_name: "Product".to_owned(),
        support_email: support.filter(|_| with_support),
        username: "user".to_owned(),
        tenant_display_name: "Tenant".to_owned(),
        link: url::Url::parse("https://example.org/activate?token=sample&x=1").ok()?,
        expires_at: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(72),
    })
}

#[cfg(test)]
mod tests;
