//! The table of Individual access, row by row (R5).

use std::collections::BTreeSet;

use tenantry::domain::access::answer::{Decision, Ground};
use tenantry::domain::access::decide;
use tenantry::domain::access::facts::{Device, Holder, Level, Lineage, Named, Person, Question, Subject};
use tenantry::domain::access::sections::{SECTIONS, filtered};
use tenantry::domain::permission::{Pattern, Permissions, Rule};
use tenantry::domain::tier::Tier;
use uuid::Uuid;

use crate::model::now;

const NA: Uuid = Uuid::from_u128(1);
const BELOW: Uuid = Uuid::from_u128(2);
const FURTHER_BELOW: Uuid = Uuid::from_u128(3);
const COLLEAGUE: Uuid = Uuid::from_u128(4);

/// What the table's second column says, section by section: whose entries the
/// administrator finds there.
const TABLE: [(&str, &str); 19] = [
    ("cameras.logins", "Cameras > Camera > Location > Logins tab"),
    ("cameras.actions", "Cameras > Camera > User actions tab"),
    ("cameras.analytics", "Cameras > Camera > Analytics tab"),
    ("cameras.archive", "Cameras > Archive video"),
    ("devices.intercoms", "Devices > Intercom tree > Intercom"),
    ("devices.bridges", "Devices > Bridge list"),
    ("devices.cameras", "Devices > Camera list"),
    ("administration.administrators", "Administration > Administrators"),
    ("administration.users", "Administration > Users > Users tab"),
    ("administration.subusers", "Administration > Users > Subusers tab"),
    ("analytics.streams", "Analytics > Streams tab"),
    ("analytics.events", "Analytics > Events tab"),
    ("reports.users", "Reports > On users"),
    ("reports.system", "Reports > About the system"),
    ("reports.activity", "Reports > User activity"),
    ("logging.administrators", "Logging > User actions > Administrators"),
    ("logging.actions", "Logging > User actions"),
    ("complaints.cameras", "Complaints > Cameras > Selected camera"),
    ("complaints.analytics", "Complaints > Analytics > Cameras"),
];

fn system() -> Lineage {
    let level =
        Level { id: Uuid::from_u128(9), key: None, path: "/system".into(), enabled: true, permitted: true };
    Lineage(vec![level])
}

fn administrator(individual_access: bool, allow: &[&str]) -> Subject {
    Subject {
        id: NA,
        key: None,
        username: "na".into(),
        tier: Tier::Admin,
        enabled: true,
        tenant: system(),
        groups: BTreeSet::new(),
        roles: vec![],
        permissions: Permissions {
            allow: allow.iter().map(|resource| Rule::single(resource, "view")).collect(),
            deny: vec![],
        },
        individual_access,
        scope: None,
    }
}

fn person(id: Uuid, above: &[Uuid]) -> Person {
    let managers = std::iter::once(id).chain(above.iter().copied()).collect();
    Person { id, key: None, tenant: system(), managers, groups: BTreeSet::new(), roles: BTreeSet::new() }
}

fn ask(subject: &Subject, resource: &str, creator: Option<Person>) -> Decision {
    let question = Question {
        operation: Pattern::new("view"),
        resource: Pattern::new(resource),
        device: None,
        creator: creator.map(Named::Known),
    };
    decide(Some(subject), &question, &[], now())
}

#[test]
fn r5_the_sections_are_those_of_the_table_in_its_order() {
    assert_eq!(TABLE.map(|(section, _)| section), SECTIONS);
}

#[test]
fn r5_in_each_section_of_the_table_an_administrator_finds_its_own_and_what_those_below_created() {
    for (section, title) in TABLE {
        let on = administrator(true, &[section]);
        let about_section = ask(&on, section, None);
        assert!(about_section.allowed && about_section.filtered, "{title}: {about_section:?}");
        assert!(
            about_section.message.contains("only what the account or accounts below it created"),
            "{title}"
        );
        for own in [person(NA, &[]), person(BELOW, &[NA]), person(FURTHER_BELOW, &[BELOW, NA])] {
            assert!(ask(&on, section, Some(own)).allowed, "{title}");
        }
        let strange = ask(&on, section, Some(person(COLLEAGUE, &[])));
        assert_eq!(strange.reason, Ground::IndividualAccess, "{title}");
    }
}

#[test]
fn r5_switched_off_each_section_shows_everything_within_the_granted_permissions() {
    for (section, title) in TABLE {
        let off = administrator(false, &[section]);
        let about_section = ask(&off, section, None);
        assert!(about_section.allowed && !about_section.filtered, "{title}");
        assert!(ask(&off, section, Some(person(COLLEAGUE, &[]))).allowed, "{title}");
    }
}

#[test]
fn r5_within_what_is_its_own_an_administrator_is_still_governed_by_permissions() {
    for (section, title) in TABLE {
        let others: Vec<&str> = SECTIONS.into_iter().filter(|other| *other != section).collect();
        let on = administrator(true, &others);
        assert_eq!(ask(&on, section, Some(person(BELOW, &[NA]))).reason, Ground::NotAllowed, "{title}");
        assert_eq!(ask(&on, section, None).reason, Ground::NotAllowed, "{title}");
    }
}

#[test]
fn r5_other_sections_fall_under_the_granted_permissions_alone() {
    for section in
        ["provisioning", "documents", "settings.system", "cameras", "reports", "bucket.north", "devices"]
    {
        let on = administrator(true, &[section]);
        let about_section = ask(&on, section, None);
        assert!(about_section.allowed && !about_section.filtered, "{section}");
        assert!(ask(&on, section, Some(person(COLLEAGUE, &[]))).allowed, "{section}");
        assert!(!filtered(&Pattern::new(section)), "{section}");
    }
    assert!(filtered(&Pattern::new("cameras.archive.clips")) && filtered(&Pattern::new("cameras.*")));
}

#[test]
fn r5_devices_are_filtered_by_who_holds_them() {
    let on = administrator(true, &["device"]);
    let ask = |holder: Holder| {
        let device = Device { id: "d1".into(), holder };
        let question = Question {
            operation: Pattern::new("view"),
            resource: Pattern::new("device"),
            device: Some(Named::Known(device)),
            creator: None,
        };
        decide(Some(&on), &question, &[], now()).reason
    };
    assert_eq!(ask(Holder::Account(person(FURTHER_BELOW, &[BELOW, NA]))), Ground::AllowedByAccount);
    assert_eq!(ask(Holder::Account(person(NA, &[]))), Ground::AllowedByAccount);
    assert_eq!(ask(Holder::Account(person(COLLEAGUE, &[]))), Ground::IndividualAccess);
    assert_eq!(ask(Holder::Tenant(system())), Ground::IndividualAccess);
    assert_eq!(ask(Holder::Nobody), Ground::DeviceNotVisible);
}
