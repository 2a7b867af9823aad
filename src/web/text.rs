//! Every word that a page says, in English and German. `{product}`, `{tenant}`
//! and `{login}` are filled in by `page`; nothing else is.

mod account;
mod resend;
mod signin;

use axum::http::{HeaderMap, header};

use super::link::Closed;
use super::page::Notice;
use crate::domain::activation::Purpose;
use crate::domain::password::{MAX_LENGTH, MIN_LENGTH, Weakness};

pub(super) use account::{AccountLabels, capability, labels as account_labels, more, operation, rule, tier};
pub(super) use resend::{ResendLabels, asked, asked_too_often, labels as resend};
pub(super) use signin::{LoginLabels, leaving, left, login, problem, way_in};

/// A language that the pages speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    En,
    De,
}

impl Language {
    /// The value of `lang`.
    pub(super) const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }

    /// The language of a locale such as `de-AT`, if it is one of these.
    pub(super) fn of_locale(locale: &str) -> Option<Self> {
        match locale.trim().split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "en" => Some(Self::En),
            "de" => Some(Self::De),
            _ => None,
        }
    }

    /// The first of these languages that a browser asks for, else English.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        wanted
            .unwrap_or_default()
            .split(',')
            .take(16)
            .filter_map(|part| Self::of_locale(part.split(';').next().unwrap_or_default()))
            .next()
            .unwrap_or(Self::En)
    }
}

/// A heading and what follows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage {
    pub(super) title: &'static str,
    pub(super) text: &'static str,
}

const fn passage(title: &'static str, text: &'static str) -> Passage {
    Passage { title, text }
}

/// The words around the form.
pub(super) struct Labels {
    pub(super) login: &'static str,
    pub(super) password: &'static str,
    pub(super) hint: String,
    /// While the password is typed: it is too short, or no longer.
    pub(super) short: &'static str,
    pub(super) enough: &'static str,
    pub(super) again: &'static str,
    /// Before the title of a page that shows its form again.
    pub(super) error: &'static str,
    /// Before the support address.
    pub(super) support: &'static str,
}

/// Labels of fields and the like.
pub(super) fn labels(language: Language) -> Labels {
    match language {
        Language::En => Labels {
            login: "You sign in as",
            password: "New password",
            hint: format!(
                "At least {MIN_LENGTH} characters. Several words that do not belong together are strong and easy to remember."
            ),
            short: "Not long enough yet",
            enough: "Long enough",
            again: "New password again",
            error: "Error",
            support: "Questions? Write to",
        },
        Language::De => Labels {
            login: "Sie melden sich an als",
            password: "Neues Passwort",
            hint: format!(
                "Mindestens {MIN_LENGTH} Zeichen. Mehrere Wörter, die nicht zusammengehören, sind stark und leicht zu merken."
            ),
            short: "Noch nicht lang genug",
            enough: "Lang genug",
            again: "Neues Passwort wiederholen",
            error: "Fehler",
            support: "Fragen? Schreiben Sie an",
        },
    }
}

/// The form's heading and introduction, and its button.
pub(super) const fn form(purpose: Purpose, language: Language) -> (Passage, &'static str) {
    match (language, purpose) {
        (Language::En, Purpose::Activate) => (
            passage(
                "Choose your password",
                "Your account at {tenant} is ready. Choose a password to activate it.",
            ),
            "Activate account",
        ),
        (Language::En, Purpose::SetPassword) => (
            passage(
                "Choose your password",
                "Your account at {tenant} is ready. Choose the password that you will sign in with.",
            ),
            "Set password",
        ),
        (Language::En, Purpose::Confirm) => (
            passage(
                "Confirm your address",
                "Confirm that this e-mail address is yours. That activates your account at {tenant}.",
            ),
            "Confirm address",
        ),
        (Language::En, Purpose::ChangeEmail) => (
            passage(
                "Confirm your new address",
                "Confirm that this e-mail address is yours. From then on you sign in to your account at {tenant} with it; your password stays the same.",
            ),
            "Use this address",
        ),
        (Language::De, Purpose::Activate) => (
            passage(
                "Passwort wählen",
                "Ihr Konto bei {tenant} ist bereit. Wählen Sie ein Passwort, um es zu aktivieren.",
            ),
            "Konto aktivieren",
        ),
        (Language::De, Purpose::SetPassword) => (
            passage(
                "Passwort wählen",
                "Ihr Konto bei {tenant} ist bereit. Wählen Sie das Passwort, mit dem Sie sich anmelden werden.",
            ),
            "Passwort speichern",
        ),
        (Language::De, Purpose::Confirm) => (
            passage(
                "Adresse bestätigen",
                "Bestätigen Sie, dass diese E-Mail-Adresse Ihnen gehört. Damit wird Ihr Konto bei {tenant} aktiv.",
            ),
            "Adresse bestätigen",
        ),
        (Language::De, Purpose::ChangeEmail) => (
            passage(
                "Neue Adresse bestätigen",
                "Bestätigen Sie, dass diese E-Mail-Adresse Ihnen gehört. Von da an melden Sie sich mit ihr bei Ihrem Konto bei {tenant} an; Ihr Passwort bleibt dasselbe.",
            ),
            "Diese Adresse verwenden",
        ),
    }
}

/// After a link was used.
pub(super) const fn done(purpose: Purpose, language: Language) -> Passage {
    match (language, purpose) {
        (Language::En, Purpose::Activate | Purpose::Confirm) => {
            passage("Your account is active", "You can now sign in to your account at {tenant} as {login}.")
        }
        (Language::En, Purpose::SetPassword) => {
            passage("Your password is set", "You can now sign in to your account at {tenant} as {login}.")
        }
        (Language::En, Purpose::ChangeEmail) => passage(
            "Your new address is confirmed",
            "From now on you sign in to your account at {tenant} as {login}.",
        ),
        (Language::De, Purpose::Activate | Purpose::Confirm) => {
            passage("Ihr Konto ist aktiv", "Sie können sich jetzt bei {tenant} als {login} anmelden.")
        }
        (Language::De, Purpose::SetPassword) => passage(
            "Ihr Passwort ist gespeichert",
            "Sie können sich jetzt bei {tenant} als {login} anmelden.",
        ),
        (Language::De, Purpose::ChangeEmail) => passage(
            "Ihre neue Adresse ist bestätigt",
            "Von jetzt an melden Sie sich bei {tenant} als {login} an.",
        ),
    }
}

/// A genuine link that does nothing any more; `again`: the page offers to send
/// another one.
pub(super) const fn closed(why: Closed, again: bool, language: Language) -> Passage {
    match (language, why) {
        (Language::En, Closed::Used) => passage(
            "This link has been used",
            "Each link works once. If it was you who used it, everything is done and you can sign in. If it was not, tell your administrator at {tenant}.",
        ),
        (Language::En, Closed::Replaced) if again => passage(
            "There is a newer link",
            "This link was replaced by a newer one. Look for the latest mail from {product} and use the link in it. If you cannot find it, have another one sent.",
        ),
        (Language::En, Closed::Replaced) => passage(
            "There is a newer link",
            "This link was replaced by a newer one. Look for the latest mail from {product} and use the link in it. If there is none, ask your administrator at {tenant} for one.",
        ),
        (Language::En, Closed::Expired) if again => passage(
            "This link has expired",
            "Links work only for a while, to keep your account safe. Have a new one sent to {login}.",
        ),
        (Language::En, Closed::Needless) => passage(
            "Your account is active already",
            "This link is not needed any more. You can sign in to your account at {tenant}.",
        ),
        (Language::En, Closed::Expired) => passage(
            "This link has expired",
            "Links work only for a while, to keep your account safe. Ask your administrator at {tenant} to send you a new one.",
        ),
        (Language::En, Closed::Disabled) => passage(
            "This account is disabled",
            "Nothing was changed. Ask your administrator at {tenant} to enable the account; you will then get a new mail.",
        ),
        (Language::En, Closed::Taken) => passage(
            "This address is in use",
            "The address cannot become your login, because another account uses it. You can sign in as before. Ask your administrator at {tenant} for help.",
        ),
        (Language::De, Closed::Used) => passage(
            "Dieser Link wurde schon benutzt",
            "Jeder Link gilt einmal. Haben Sie ihn selbst benutzt, ist alles erledigt und Sie können sich anmelden. Wenn nicht, sagen Sie es Ihrer Administration bei {tenant}.",
        ),
        (Language::De, Closed::Replaced) if again => passage(
            "Es gibt einen neueren Link",
            "Dieser Link wurde durch einen neueren ersetzt. Suchen Sie die letzte Mail von {product} und benutzen Sie den Link darin. Finden Sie keine, lassen Sie sich noch einen senden.",
        ),
        (Language::De, Closed::Replaced) => passage(
            "Es gibt einen neueren Link",
            "Dieser Link wurde durch einen neueren ersetzt. Suchen Sie die letzte Mail von {product} und benutzen Sie den Link darin. Gibt es keine, bitten Sie Ihre Administration bei {tenant} um eine.",
        ),
        (Language::De, Closed::Expired) if again => passage(
            "Dieser Link ist abgelaufen",
            "Links gelten nur eine Zeit lang, damit Ihr Konto sicher bleibt. Lassen Sie sich einen neuen an {login} senden.",
        ),
        (Language::De, Closed::Needless) => passage(
            "Ihr Konto ist schon aktiv",
            "Dieser Link wird nicht mehr gebraucht. Sie können sich bei {tenant} anmelden.",
        ),
        (Language::De, Closed::Expired) => passage(
            "Dieser Link ist abgelaufen",
            "Links gelten nur eine Zeit lang, damit Ihr Konto sicher bleibt. Bitten Sie Ihre Administration bei {tenant}, Ihnen einen neuen zu senden.",
        ),
        (Language::De, Closed::Disabled) => passage(
            "Dieses Konto ist gesperrt",
            "Es wurde nichts geändert. Bitten Sie Ihre Administration bei {tenant}, das Konto freizugeben; Sie bekommen dann eine neue Mail.",
        ),
        (Language::De, Closed::Taken) => passage(
            "Diese Adresse ist vergeben",
            "Mit dieser Adresse können Sie sich nicht anmelden, weil ein anderes Konto sie benutzt. Ihre bisherige Anmeldung gilt weiter. Bitten Sie Ihre Administration bei {tenant} um Hilfe.",
        ),
    }
}

/// A page that knows of no account.
pub(super) const fn notice(notice: Notice, language: Language) -> Passage {
    match (language, notice) {
        (Language::En, Notice::Unknown) => passage(
            "This link does not work",
            "It may be incomplete. Open the link in the mail once more, or copy the whole of it into the address bar. If that does not help, get a new one.",
        ),
        (Language::En, Notice::Unreadable) => passage(
            "That did not arrive whole",
            "Nothing was changed. Go back, or open the link in the mail once more, and fill in the form again.",
        ),
        (Language::En, Notice::TooLarge) => {
            passage("That is too long", "Nothing was changed. Go back and enter less.")
        }
        (Language::En, Notice::Nowhere) => passage(
            "There is no such page",
            "If you followed a link in a mail, open it once more, or copy the whole of it into the address bar.",
        ),
        (Language::En, Notice::Method) => {
            passage("That is not possible here", "Go back, or open the link in the mail once more.")
        }
        (Language::En, Notice::Busy) => passage(
            "Please try again in a moment",
            "The service is busy or being restarted. A link that you were sent stays valid; reload the page in a minute.",
        ),
        (Language::En, Notice::Internal) => passage(
            "Something went wrong",
            "It is not your fault, and it has been recorded. A link that you were sent stays valid; try again later.",
        ),
        (Language::De, Notice::Unknown) => passage(
            "Dieser Link funktioniert nicht",
            "Vielleicht ist er unvollständig. Öffnen Sie den Link in der Mail noch einmal oder kopieren Sie ihn ganz in die Adresszeile. Hilft das nicht, fordern Sie einen neuen an.",
        ),
        (Language::De, Notice::Unreadable) => passage(
            "Das kam nicht vollständig an",
            "Es wurde nichts geändert. Gehen Sie zurück oder öffnen Sie den Link in der Mail noch einmal und füllen Sie das Formular neu aus.",
        ),
        (Language::De, Notice::TooLarge) => passage(
            "Das ist zu lang",
            "Es wurde nichts geändert. Gehen Sie zurück und geben Sie weniger ein.",
        ),
        (Language::De, Notice::Nowhere) => passage(
            "Diese Seite gibt es nicht",
            "Wenn Sie einem Link in einer Mail gefolgt sind, öffnen Sie ihn noch einmal oder kopieren Sie ihn ganz in die Adresszeile.",
        ),
        (Language::De, Notice::Method) => passage(
            "Das geht hier nicht",
            "Gehen Sie zurück oder öffnen Sie den Link in der Mail noch einmal.",
        ),
        (Language::De, Notice::Busy) => passage(
            "Bitte gleich noch einmal versuchen",
            "Der Dienst ist ausgelastet oder startet gerade neu. Ein Link, den Sie bekommen haben, bleibt gültig; laden Sie die Seite in einer Minute neu.",
        ),
        (Language::De, Notice::Internal) => passage(
            "Da ist etwas schiefgegangen",
            "Es liegt nicht an Ihnen und wurde vermerkt. Ein Link, den Sie bekommen haben, bleibt gültig; versuchen Sie es später noch einmal.",
        ),
    }
}

/// Why a password is refused, and what to do.
pub(super) fn weak(weakness: Weakness, language: Language) -> String {
    match language {
        Language::En => match weakness {
            Weakness::Short(0) => "Choose a password.".to_owned(),
            Weakness::Short(1) => format!("This password has one character. It needs at least {MIN_LENGTH}; several words in a row are easy to remember."),
            Weakness::Short(length) => format!("This password has {length} characters. It needs at least {MIN_LENGTH}; several words in a row are easy to remember."),
            Weakness::Long => format!("This password is longer than {MAX_LENGTH} characters. Choose a shorter one."),
            Weakness::Control => "This password contains a line break or another character that cannot be typed. Leave it out.".to_owned(),
            Weakness::Hash => "This is not a password, but the form in which passwords are stored. Choose a password.".to_owned(),
            Weakness::Repeated => "This password repeats the same few characters. Use several different words instead.".to_owned(),
            Weakness::Sequence => "This password is mostly a row of neighbouring keys, letters or digits. Use several different words instead.".to_owned(),
            Weakness::OwnName => "This password is mostly your name or address. Use words that have nothing to do with them.".to_owned(),
            Weakness::Common => "This password is one of those that are guessed first. Use several words that do not belong together.".to_owned(),
        },
        Language::De => match weakness {
            Weakness::Short(0) => "Wählen Sie ein Passwort.".to_owned(),
            Weakness::Short(length) => format!("Dieses Passwort hat nur {length} Zeichen. Es braucht mindestens {MIN_LENGTH}; mehrere Wörter hintereinander merken sich leicht."),
            Weakness::Long => format!("Dieses Passwort ist länger als {MAX_LENGTH} Zeichen. Wählen Sie ein kürzeres."),
            Weakness::Control => "Dieses Passwort enthält einen Zeilenumbruch oder ein anderes Zeichen, das sich nicht tippen lässt. Lassen Sie es weg.".to_owned(),
            Weakness::Hash => "Das ist kein Passwort, sondern die Form, in der Passwörter gespeichert werden. Wählen Sie ein Passwort.".to_owned(),
            Weakness::Repeated => "Dieses Passwort wiederholt dieselben wenigen Zeichen. Nehmen Sie mehrere verschiedene Wörter.".to_owned(),
            Weakness::Sequence => "Dieses Passwort besteht vor allem aus benachbarten Tasten, Buchstaben oder Ziffern. Nehmen Sie mehrere verschiedene Wörter.".to_owned(),
            Weakness::OwnName => "Dieses Passwort besteht vor allem aus Ihrem Namen oder Ihrer Adresse. Nehmen Sie Wörter, die nichts damit zu tun haben.".to_owned(),
            Weakness::Common => "Dieses Passwort gehört zu denen, die zuerst erraten werden. Nehmen Sie mehrere Wörter, die nicht zusammengehören.".to_owned(),
        },
    }
}

/// The two passwords differ.
pub(super) const fn different(language: Language) -> &'static str {
    match language {
        Language::En => "The two passwords differ. Type the same one twice.",
        Language::De => "Die beiden Passwörter sind verschieden. Geben Sie zweimal dasselbe ein.",
    }
}
