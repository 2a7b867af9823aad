//! The words of `/account`: rights and rules as people say them.

use super::Language;
use crate::domain::capability::Capability;
use crate::domain::permission::{Pattern, Rule};
use crate::domain::tier::Tier;

/// The words around what an account has.
#[derive(serde::Serialize)]
pub(in crate::web) struct AccountLabels {
    pub(in crate::web) title: &'static str,
    pub(in crate::web) login: &'static str,
    pub(in crate::web) username: &'static str,
    pub(in crate::web) company: &'static str,
    pub(in crate::web) tenant: &'static str,
    pub(in crate::web) tier: &'static str,
    pub(in crate::web) sign_out: &'static str,
    pub(in crate::web) rights: &'static str,
    pub(in crate::web) no_rights: &'static str,
    pub(in crate::web) individual: &'static str,
    pub(in crate::web) administer: &'static str,
    pub(in crate::web) may: &'static str,
    pub(in crate::web) never: &'static str,
    pub(in crate::web) everything: &'static str,
    pub(in crate::web) by_role: &'static str,
    pub(in crate::web) by_grant: &'static str,
    pub(in crate::web) devices: &'static str,
    pub(in crate::web) no_devices: &'static str,
    pub(in crate::web) no_later: &'static str,
    pub(in crate::web) next: &'static str,
    pub(in crate::web) first: &'static str,
    pub(in crate::web) from: &'static str,
    pub(in crate::web) show: &'static str,
}

pub(in crate::web) const fn labels(language: Language) -> AccountLabels {
    match language {
        Language::En => AccountLabels {
            title: "Your account",
            login: "Signed in as",
            username: "Username",
            company: "Company",
            tenant: "Belongs to",
            tier: "Level",
            sign_out: "Sign out",
            rights: "What you may do",
            no_rights: "You have no rights of your own yet. What others share with you stands with your devices.",
            individual: "Individual access is on: of devices and records you see only what you, and the people below you, created.",
            administer: "Administer",
            may: "Allowed",
            never: "Never allowed",
            everything: "Everything in {tenant} and below it.",
            by_role: "by the role {role}",
            by_grant: "shared with you: {grant}",
            devices: "Your devices",
            no_devices: "There is no device that you may see.",
            no_later: "There are no devices from there on.",
            next: "More devices",
            first: "Back to the first ones",
            from: "Show from this id on",
            show: "Show",
        },
        Language::De => AccountLabels {
            title: "Ihr Konto",
            login: "Angemeldet als",
            username: "Benutzername",
            company: "Firma",
            tenant: "Gehört zu",
            tier: "Stufe",
            sign_out: "Abmelden",
            rights: "Was Sie dürfen",
            no_rights: "Sie haben noch keine eigenen Rechte. Was andere mit Ihnen teilen, steht bei Ihren Geräten.",
            individual: "Der individuelle Zugriff ist an: Von Geräten und Aufzeichnungen sehen Sie nur, was Sie und die Menschen unter Ihnen angelegt haben.",
            administer: "Verwalten",
            may: "Erlaubt",
            never: "Nie erlaubt",
            everything: "Alles in {tenant} und darunter.",
            by_role: "durch die Rolle {role}",
            by_grant: "mit Ihnen geteilt: {grant}",
            devices: "Ihre Geräte",
            no_devices: "Es gibt kein Gerät, das Sie sehen dürfen.",
            no_later: "Von dort an gibt es keine Geräte.",
            next: "Weitere Geräte",
            first: "Zurück zu den ersten",
            from: "Ab dieser Kennung zeigen",
            show: "Zeigen",
        },
    }
}

/// So many more that the page does not show.
pub(in crate::web) fn more(count: usize, language: Language) -> String {
    match language {
        Language::En => format!("and {count} more"),
        Language::De => format!("und {count} weitere"),
    }
}

pub(in crate::web) const fn tier(tier: Tier, language: Language) -> &'static str {
    match (language, tier) {
        (_, Tier::Root) => "Root",
        (Language::En, Tier::SuperAdmin) => "Super administrator",
        (Language::En, Tier::Admin) => "Administrator",
        (Language::En, Tier::Basic) => "Basic",
        (Language::De, Tier::SuperAdmin) => "Superadministration",
        (Language::De, Tier::Admin) => "Administration",
        (Language::De, Tier::Basic) => "Basis",
    }
}

pub(in crate::web) const fn capability(capability: Capability, language: Language) -> &'static str {
    use Capability as C;
    match (language, capability) {
        (Language::En, C::ManageTenants) => "customers below yours",
        (Language::En, C::ManageUsers) => "people and their accounts",
        (Language::En, C::ManageUserGroups) => "groups of people",
        (Language::En, C::ManageRoles) => "roles",
        (Language::En, C::AssignAssetPermissions) => "who may use which devices",
        (Language::En, C::ManageApplications) => "applications",
        (Language::En, C::ManageAuditLogs) => "the audit trail: your own changes, and who signed in",
        (Language::En, C::ManageResources) => "resources",
        (Language::En, C::ManagePlugins) => "plug-ins",
        (Language::En, C::ManageProjects) => "projects",
        (Language::En, C::ManageBranding) => "names and looks",
        (Language::En, C::ManageSubscription) => "the subscription",
        (Language::De, C::ManageTenants) => "Kunden unterhalb des Ihren",
        (Language::De, C::ManageUsers) => "Personen und ihre Konten",
        (Language::De, C::ManageUserGroups) => "Gruppen von Personen",
        (Language::De, C::ManageRoles) => "Rollen",
        (Language::De, C::AssignAssetPermissions) => "wer welche Geräte benutzen darf",
        (Language::De, C::ManageApplications) => "Anwendungen",
        (Language::De, C::ManageAuditLogs) => "das Protokoll: Ihre eigenen Änderungen und Anmeldungen",
        (Language::De, C::ManageResources) => "Ressourcen",
        (Language::De, C::ManagePlugins) => "Erweiterungen",
        (Language::De, C::ManageProjects) => "Projekte",
        (Language::De, C::ManageBranding) => "Namen und Aussehen",
        (Language::De, C::ManageSubscription) => "das Abonnement",
    }
}

/// A rule as a sentence: `devices: view, operate`.
pub(in crate::web) fn rule(rule: &Rule, language: Language) -> String {
    let list = |patterns: &[Pattern], word: fn(&str, Language) -> Option<&'static str>| {
        patterns.iter().map(|pattern| words(pattern.as_str(), word, language)).collect::<Vec<_>>().join(", ")
    };
    format!("{}: {}", list(&rule.resources, resource), list(&rule.operations, known_operation))
}

/// A dotted word for people. What stands in no vocabulary is shown as written,
/// its parts set apart.
fn words(text: &str, word: fn(&str, Language) -> Option<&'static str>, language: Language) -> String {
    let all = match language {
        Language::En => "everything",
        Language::De => "alles",
    };
    if text == "*" {
        return all.to_owned();
    }
    let (stem, below) = text.strip_suffix(".*").map_or((text, false), |stem| (stem, true));
    let mut parts: Vec<String> = stem
        .split('.')
        .enumerate()
        .map(|(n, part)| match word(part, language) {
            Some(known) if n == 0 => known.to_owned(),
            _ => part.replace('-', " "),
        })
        .collect();
    // `device.*` and `device` are the same to whoever reads the list.
    if below && parts.len() > 1 {
        parts.push(all.to_owned());
    }
    parts.join(" › ")
}

fn resource(word: &str, language: Language) -> Option<&'static str> {
    Some(match (language, word) {
        (Language::En, "device") => "devices",
        (Language::En, "bucket") => "buckets",
        (Language::En, "dashboard") => "dashboards",
        (Language::En, "endpoint") => "endpoints",
        (Language::De, "device" | "devices") => "Geräte",
        (Language::De, "bucket") => "Speicher",
        (Language::De, "dashboard") => "Übersichten",
        (Language::De, "endpoint") => "Endpunkte",
        (Language::De, "cameras") => "Kameras",
        (Language::De, "administration") => "Verwaltung",
        (Language::De, "analytics") => "Auswertungen",
        (Language::De, "reports") => "Berichte",
        (Language::De, "logging") => "Protokolle",
        (Language::De, "complaints") => "Beschwerden",
        _ => return None,
    })
}

/// An operation in words.
pub(in crate::web) fn operation(word: &str, language: Language) -> &str {
    known_operation(word, language).unwrap_or(word)
}

fn known_operation(word: &str, language: Language) -> Option<&'static str> {
    Some(match (language, word) {
        (Language::De, "view") => "ansehen",
        (Language::De, "operate") => "bedienen",
        (Language::De, "manage") => "verwalten",
        (Language::De, "share") => "teilen",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(resources: &[&str], operations: &[&str], language: Language) -> String {
        let patterns = |words: &[&str]| words.iter().map(|word| Pattern::new(*word)).collect();
        rule(&Rule { resources: patterns(resources), operations: patterns(operations) }, language)
    }

    #[test]
    fn rules_are_said_in_words() {
        assert_eq!(said(&["device"], &["view", "operate"], Language::En), "devices: view, operate");
        assert_eq!(said(&["*"], &["*"], Language::En), "everything: everything");
        assert_eq!(said(&["device.*"], &["*"], Language::De), "Geräte: alles");
        assert_eq!(said(&["cameras.logins"], &["view"], Language::En), "cameras › logins: view");
        assert_eq!(
            said(&["bucket.north-temps", "analytics.streams.*"], &["view"], Language::De),
            "Speicher › north temps, Auswertungen › streams › alles: ansehen"
        );
    }
}
