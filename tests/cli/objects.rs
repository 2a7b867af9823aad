//! Mistakes in files, one by one: each is one line with file, line, object and
//! field, and the other objects go on.

use super::{Place, account, fails, tenant};

/// Applies a mistake beside a sound object: the line is told, the sound object
/// is created, the exit code is 1, and `validate` says the same.
async fn mistake(text: &str, line: &str) {
    let place = Place::with(text);
    place.write("objects/b.yaml", tenant("sound", "{}"));
    let applied = place.apply().await;
    fails(&applied, 1, &format!("error: {line}"));
    let sound = applied.stdout.lines().find(|line| line.contains("default/sound")).unwrap();
    assert!(sound.contains("created") && sound.contains("True"), "{applied:?}");
    fails(&place.validate().await, 1, line);
}

#[tokio::test]
async fn an_unknown_field_is_named_with_what_was_meant() {
    mistake(
        &tenant("acme", "\n  displayNam: ACME"),
        "objects/a.yaml:6: Tenant default/acme: spec.displayNam: is not a field here: did you mean displayName?",
    )
    .await;
}

#[tokio::test]
async fn a_wrong_type_says_what_is_expected() {
    mistake(
        &tenant("acme", "\n  limits:\n    devices: many"),
        "objects/a.yaml:7: Tenant default/acme: spec.limits.devices: must be a whole number, not text",
    )
    .await;
    mistake(
        &tenant("acme", "\n  enabled: On"),
        "objects/a.yaml:6: Tenant default/acme: spec.enabled: must be true or false, without quotes, not text",
    )
    .await;
}

#[tokio::test]
async fn broken_yaml_has_a_line_and_a_column() {
    mistake(
        "kind: Tenant\n metadata: {}\n",
        "objects/a.yaml:2:10: is not YAML: mapping values are not allowed in this context",
    )
    .await;
    mistake(
        "a:\n\tb: 1\n",
        "objects/a.yaml:2:1: is not YAML: a tab stands where spaces belong: indent with spaces",
    )
    .await;
}

#[tokio::test]
async fn a_file_of_two_megabytes_is_not_read() {
    let text = format!("{}#{}", tenant("acme", "{}"), "#".repeat(2_000_000));
    mistake(&text, "objects/a.yaml: is 1.9 MiB large, at most 1 MiB is read: split it into several files")
        .await;
}

#[tokio::test]
async fn a_name_that_stands_there_twice_names_both_places() {
    mistake(
        &format!("{}{}", tenant("acme", "{}"), tenant("acme", "{displayName: Other}")),
        "objects/a.yaml:7: Tenant default/acme: is written twice, also at objects/a.yaml:1: remove one of the two",
    )
    .await;
}

#[tokio::test]
async fn control_characters_do_not_get_through() {
    mistake(
        &tenant("acme", "\n  displayName: \"a\\u0007b\""),
        "objects/a.yaml:6: Tenant default/acme: spec.displayName: must be one line that neither begins nor ends with a space, without control characters",
    )
    .await;
    let place = Place::with(&format!(
        "{}{}",
        tenant("acme", "{}"),
        account("kim", "")
            .replace("email: kim@acme.example", "email: \"kim@acme.example\\r\\nBcc: eve@evil.example\"")
    ));
    fails(
        &place.apply().await,
        1,
        "error: objects/a.yaml:14: SubAdmin default/kim: spec.email: must be an e-mail address such as kim@example.org",
    );
}

#[tokio::test]
async fn an_unknown_kind_of_ours_is_no_other_kind() {
    mistake(
        "apiVersion: tenantry.dev/v1alpha1\nkind: Subadmin\nmetadata: {name: kim}\n",
        "objects/a.yaml:2: tenantry.dev/v1alpha1 \"Subadmin\" is not known here: the kinds are Tenant, SubAdmin, Role and DeviceGrant of tenantry.dev/v1alpha1, and AccessTest for assertions",
    )
    .await;
}

/// What only the database can judge stands in the table.
async fn refused(text: &str, name: &str, reason: &str, words: &str) {
    let place = Place::with(text);
    place.write("objects/b.yaml", tenant("sound", "{}"));
    let list = place.applied(&[]).await;
    let object = list.iter().find(|object| object["name"] == name).unwrap();
    assert_eq!((&object["ready"], &object["reason"]), (&false.into(), &reason.into()), "{object}");
    assert!(object["message"].as_str().unwrap().contains(words), "{object}");
    let sound = list.iter().find(|object| object["name"] == "sound").unwrap();
    assert_eq!(sound["ready"], true, "{sound}");
}

#[tokio::test]
async fn a_reference_to_nothing_waits_and_says_for_what() {
    refused(&tenant("acme", "{parentRef: {name: nowhere}}"), "acme", "RefNotFound", "Tenant default/nowhere")
        .await;
    let place = Place::with(&tenant("acme", "{parentRef: {name: nowhere}}"));
    fails(
        &place.validate().await,
        1,
        "objects/a.yaml:5: Tenant default/acme: spec.parentRef: names Tenant default/nowhere, which is not in these files: add it or correct the name",
    );
}

#[tokio::test]
async fn parents_in_a_circle_are_both_named() {
    let text = format!("{}{}", tenant("a", "{parentRef: {name: b}}"), tenant("b", "{parentRef: {name: a}}"));
    refused(&text, "a", "ParentCycle", "Tenant default/b").await;
    refused(&text, "b", "ParentCycle", "Tenant default/a").await;
}

#[tokio::test]
async fn a_secret_without_the_key_names_the_key() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, labels: {tenantry.dev/use: password}}\nstringData: {other: x}\n---\n";
    let account = account("kim", "  emailVerified: true\n  passwordSecretRef: {name: s}\n");
    refused(&format!("{}{account}{secret}", tenant("acme", "{}")), "kim", "SecretInvalid", "no key password")
        .await;
    refused(&format!("{}{account}", tenant("acme", "{}")), "kim", "SecretNotFound", "Secret s").await;
}

#[tokio::test]
async fn r12_the_order_of_files_does_not_matter() {
    let texts = [
        account("kim", "  managedByRef: {name: robin}\n"),
        account("robin", "  tier: Root\n"),
        tenant("acme", "{}"),
    ];
    let mut seen = vec![];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let place = Place::new();
        for (name, index) in ["a", "b", "c"].iter().zip(order) {
            place.write(&format!("objects/{name}.yaml"), &texts[index]);
        }
        seen.push(place.applied(&[]).await);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    assert!(seen[0].iter().all(|object| object["ready"] == true), "{seen:?}");
}

/// Two rules broken at once: each is told with its line, and what only follows
/// from one of them is not.
const AGAINST_THE_RULES: &str = "apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata: {name: acme}
spec:
  limits:
    accounts: {total: 3}
---
apiVersion: tenantry.dev/v1alpha1
kind: SubAdmin
metadata: {name: ada}
spec:
  tenantRef: {name: acme}
  username: ada
  email: ada@example.org
  tier: Admin
  passwordSecretRef: {name: elsewhere}
  permissions:
    allow:
      - {resources: [cameras.archive], operations: [view]}
---
apiVersion: tenantry.dev/v1alpha1
kind: SubAdmin
metadata: {name: bob}
spec:
  tenantRef: {name: acme}
  managedByRef: {name: ada}
  username: bob
  email: bob@example.org
  permissions:
    allow:
      - {resources: [cameras.*], operations: [view]}
---
apiVersion: tenantry.dev/v1alpha1
kind: SubAdmin
metadata: {name: eve}
spec:
  tenantRef: {name: acme}
  managedByRef: {name: ada}
  username: eve
  email: eve@example.org
  tier: Admin
---
apiVersion: tenantry.dev/v1alpha1
kind: SubAdmin
metadata: {name: fay}
spec:
  tenantRef: {name: acme}
  managedByRef: {name: eve}
  username: fay
  email: fay@example.org
";

#[tokio::test]
async fn validate_says_what_the_rules_would_say() {
    let place = Place::with(AGAINST_THE_RULES);
    let finished = place.validate().await;
    assert_eq!(finished.code(), Some(1));
    let said = |start: &str, word: &str| {
        finished.stderr.lines().any(|line| line.starts_with(start) && line.contains(word))
    };
    assert!(
        said(
            "objects/a.yaml:30: SubAdmin default/bob: spec.permissions.allow: ExceedsManager: ",
            "cameras.*"
        ),
        "{finished:?}"
    );
    assert!(said("objects/a.yaml:", "SubAdmin default/eve: "), "{finished:?}");
    assert!(said("objects/a.yaml:", "TierNotAllowed: "), "{finished:?}");
    assert!(!finished.stderr.contains("fay"), "{finished:?}");
    assert!(finished.stdout.contains("5 objects in 1 file, 2 faults"), "{finished:?}");
    assert!(!place.path("tenantry.db").exists());

    // The rule about root namespaces is asked where they are named.
    let alone = Place::with(AGAINST_THE_RULES.split("---\n").next().unwrap());
    assert_eq!(alone.validate().await.code(), Some(0));
    let finished = alone.call(&["validate", "-f", "objects", "--root-namespaces", "platform"]).await;
    assert_eq!(finished.code(), Some(1));
    assert!(
        finished.stderr.contains("Tenant default/acme: spec.parentRef: RootNotAllowed: "),
        "{finished:?}"
    );
}

/// What only the rules can tell, although the schema is kept and every name
/// leads to something in these files.
const BETWEEN_THE_LINES: &str = "
---
apiVersion: tenantry.dev/v1alpha1
kind: Role
metadata: {name: ops}
spec:
  tenantRef: {name: acme}
---
apiVersion: tenantry.dev/v1alpha1
kind: SubAdmin
metadata: {name: twice}
spec:
  tenantRef: {name: acme}
  username: twice
  email: twice@example.org
  roles: [{name: ops}, {name: ops, namespace: default}]
---
apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata: {name: limited}
spec:
  limits:
    accounts:
      byRole: [{roleRef: {name: ops}, max: 1}, {roleRef: {name: ops, namespace: default}, max: 2}]
---
apiVersion: tenantry.dev/v1alpha1
kind: SubAdmin
metadata: {name: far}
spec:
  tenantRef: {name: other}
  username: far
  email: far@example.org
  roles: [{name: ops}]
---
apiVersion: tenantry.dev/v1alpha1
kind: SubAdmin
metadata: {name: kim}
spec:
  tenantRef: {name: acme}
  username: kim
  email: kim@example.org
  tier: Root
---
apiVersion: tenantry.dev/v1alpha1
kind: SubAdmin
metadata: {name: bob}
spec:
  tenantRef: {name: acme}
  username: bob
  email: bob@example.org
---
apiVersion: tenantry.dev/v1alpha1
kind: SubAdmin
metadata: {name: lee}
spec:
  tenantRef: {name: other}
  username: lee
  email: lee@example.org
---
apiVersion: tenantry.dev/v1alpha1
kind: DeviceGrant
metadata: {name: outside}
spec:
  tenantRef: {name: acme}
  mode: Share
  to: {subAdminRefs: [{name: lee}]}
---
apiVersion: tenantry.dev/v1alpha1
kind: DeviceGrant
metadata: {name: among}
spec:
  tenantRef: {name: acme}
  managedByRef: {name: kim}
  mode: Share
  to: {subAdminRefs: [{name: kim}, {name: bob}]}
  devices: {all: true}
---
apiVersion: tenantry.dev/v1alpha1
kind: SubAdmin
metadata: {name: below}
spec:
  tenantRef: {name: acme}
  managedByRef: {name: twice}
  username: below
  email: below@example.org
";

#[tokio::test]
async fn validate_tells_what_only_the_rules_see_and_nothing_that_only_follows() {
    let place = Place::with(&format!("{}{}{BETWEEN_THE_LINES}", tenant("acme", "{}"), tenant("other", "{}")));
    let finished = place.validate().await;
    for (object, word) in [
        ("SubAdmin default/twice: spec.roles[1]", "names Role default/ops a second time"),
        ("Tenant default/limited: spec.limits.accounts.byRole", "limits Role default/ops twice"),
        ("SubAdmin default/far: spec.roles", "RefNotFound: "),
        (
            "DeviceGrant default/outside: spec.to.subAdminRefs",
            "does not exist in the granting tenant or below it",
        ),
        ("DeviceGrant default/among: spec.to.subAdminRefs", "itself among others"),
    ] {
        assert!(
            finished.stderr.lines().any(|line| line.contains(object) && line.contains(word)),
            "{object}: {finished:?}"
        );
    }
    assert!(!finished.stderr.contains("default/below"), "it follows from another: {finished:?}");
    assert!(finished.stdout.contains("5 faults"), "{finished:?}");
    // Nothing that a database would have to refuse gets there.
    let applied = place.apply().await;
    assert_eq!(applied.code(), Some(1));
    assert!(!applied.stderr.contains("could not be reconciled"), "{applied:?}");
}
