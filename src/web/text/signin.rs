//! The words of `/login` and `/logout`.

use super::{Language, Passage, passage};
use crate::web::page::LoginProblem;

/// The words around the form to sign in.
#[derive(serde::Serialize)]
pub(in crate::web) struct LoginLabels {
    #[serde(skip)]
    pub(in crate::web) passage: Passage,
    pub(in crate::web) email: &'static str,
    pub(in crate::web) password: &'static str,
    pub(in crate::web) button: &'static str,
    pub(in crate::web) help: &'static str,
    /// The way to a new link.
    pub(in crate::web) resend: &'static str,
}

pub(in crate::web) const fn login(language: Language) -> LoginLabels {
    match language {
        Language::En => LoginLabels {
            passage: passage("Sign in", "Use the e-mail address and the password of your account."),
            email: "E-mail address",
            password: "Password",
            button: "Sign in",
            help: "Invited, but no password yet?",
            resend: "Get a new link",
        },
        Language::De => LoginLabels {
            passage: passage("Anmelden", "Mit der E-Mail-Adresse und dem Passwort Ihres Kontos."),
            email: "E-Mail-Adresse",
            password: "Passwort",
            button: "Anmelden",
            help: "Eingeladen, aber noch kein Passwort?",
            resend: "Neuen Link anfordern",
        },
    }
}

/// Why the form comes again. The words for a wrong password and for an address
/// that nobody has are the same.
pub(in crate::web) fn problem(problem: LoginProblem, language: Language) -> String {
    match (language, problem) {
        (Language::En, LoginProblem::Refused) => "This address and password do not fit together, or the account cannot be used at the moment. Check both and try again.".to_owned(),
        (Language::En, LoginProblem::Stale) => "This form was open for too long, or your browser keeps no cookies for this page. Allow them and try again.".to_owned(),
        (Language::En, LoginProblem::Throttled(1)) => "Too many attempts have failed. Wait a minute, then try again.".to_owned(),
        (Language::En, LoginProblem::Throttled(minutes)) => format!("Too many attempts have failed. Wait {minutes} minutes, then try again."),
        (Language::De, LoginProblem::Refused) => "Diese Adresse und dieses Passwort passen nicht zusammen, oder das Konto lässt sich gerade nicht benutzen. Prüfen Sie beides und versuchen Sie es noch einmal.".to_owned(),
        (Language::De, LoginProblem::Stale) => "Dieses Formular war zu lange offen, oder Ihr Browser behält für diese Seite keine Cookies. Erlauben Sie sie und versuchen Sie es noch einmal.".to_owned(),
        (Language::De, LoginProblem::Throttled(1)) => "Zu viele Versuche sind fehlgeschlagen. Warten Sie eine Minute und versuchen Sie es dann noch einmal.".to_owned(),
        (Language::De, LoginProblem::Throttled(minutes)) => format!("Zu viele Versuche sind fehlgeschlagen. Warten Sie {minutes} Minuten und versuchen Sie es dann noch einmal."),
    }
}

/// Asks whether to sign out, with the words of the two ways on.
pub(in crate::web) const fn leaving(language: Language) -> (Passage, &'static str, &'static str) {
    match language {
        Language::En => {
            (passage("Sign out?", "You are signed in as {login}."), "Sign out", "Back to your account")
        }
        Language::De => {
            (passage("Abmelden?", "Sie sind als {login} angemeldet."), "Abmelden", "Zurück zu Ihrem Konto")
        }
    }
}

/// After signing out.
pub(in crate::web) const fn left(language: Language) -> Passage {
    match language {
        Language::En => passage(
            "You are signed out",
            "You can sign in again. If others use this computer, close the window: a browser may go back to what it has shown.",
        ),
        Language::De => passage(
            "Sie sind abgemeldet",
            "Sie können sich wieder anmelden. Benutzen auch andere dieses Gerät, schließen Sie das Fenster: Ein Browser kann zu dem zurückgehen, was er gezeigt hat.",
        ),
    }
}

/// The way to `/login` from another page.
pub(in crate::web) const fn way_in(language: Language) -> &'static str {
    match language {
        Language::En => "Sign in",
        Language::De => "Anmelden",
    }
}
