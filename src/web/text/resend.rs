//! The words of `/resend`. None of them says whether there is such an account.

use super::{Language, Passage, passage};

/// The words around the form that asks for a new link.
#[derive(serde::Serialize)]
pub(in crate::web) struct ResendLabels {
    #[serde(skip)]
    pub(in crate::web) passage: Passage,
    pub(in crate::web) email: &'static str,
    pub(in crate::web) button: &'static str,
    pub(in crate::web) wrong: &'static str,
    pub(in crate::web) back: &'static str,
}

pub(in crate::web) const fn labels(language: Language) -> ResendLabels {
    match language {
        Language::En => ResendLabels {
            passage: passage(
                "Get a new link",
                "Enter the address that your invitation was sent to. If an account waits for it, a new link is sent there.",
            ),
            email: "E-mail address",
            button: "Send me a new link",
            wrong: "That is no whole e-mail address. Enter it with the part after the @.",
            back: "Back to signing in",
        },
        Language::De => ResendLabels {
            passage: passage(
                "Neuen Link anfordern",
                "Geben Sie die Adresse ein, an die Ihre Einladung ging. Wartet ein Konto darauf, wird ein neuer Link dorthin gesendet.",
            ),
            email: "E-Mail-Adresse",
            button: "Neuen Link senden",
            wrong: "Das ist keine ganze E-Mail-Adresse. Geben Sie auch den Teil nach dem @ ein.",
            back: "Zurück zur Anmeldung",
        },
    }
}

/// After asking, whatever came of it.
pub(in crate::web) const fn asked(language: Language) -> Passage {
    match language {
        Language::En => passage(
            "Check your mail",
            "If an account waits for it, a new link is on its way. It replaces every earlier one and can take a few minutes; look among the spam as well. If nothing comes, your account is active already or has another address: sign in, or ask your administrator.",
        ),
        Language::De => passage(
            "Sehen Sie in Ihre Mail",
            "Wartet ein Konto darauf, ist ein neuer Link unterwegs und ersetzt alle früheren. Das kann einige Minuten dauern; sehen Sie auch im Spam nach. Kommt nichts, ist Ihr Konto schon aktiv oder hat eine andere Adresse: Melden Sie sich an, oder fragen Sie Ihre Administration.",
        ),
    }
}

/// A new link was asked for too often.
pub(in crate::web) fn asked_too_often(minutes: u64, language: Language) -> (&'static str, String) {
    match (language, minutes) {
        (Language::En, 1) => ("Please wait a little", "A new link was asked for several times already. Look among the spam for it, or wait a minute and try again.".to_owned()),
        (Language::En, _) => ("Please wait a little", format!("A new link was asked for several times already. Look among the spam for it, or wait {minutes} minutes and try again.")),
        (Language::De, 1) => ("Bitte warten Sie ein wenig", "Ein neuer Link wurde schon mehrmals angefordert. Sehen Sie im Spam nach, oder warten Sie eine Minute und versuchen Sie es dann noch einmal.".to_owned()),
        (Language::De, _) => ("Bitte warten Sie ein wenig", format!("Ein neuer Link wurde schon mehrmals angefordert. Sehen Sie im Spam nach, oder warten Sie {minutes} Minuten und versuchen Sie es dann noch einmal.")),
    }
}
