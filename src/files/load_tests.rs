use super::*;
use std::fs;

fn loaded(files: &[(&str, &str)]) -> (Loaded, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let loaded = load(folder.path());
    let root = format!("{}/", folder.path().display());
    let faults: Vec<_> = loaded.faults.iter().map(|fault| fault.to_string().replace(&root, "")).collect();
    (loaded, faults.join("\n"))
}

fn keys(loaded: &Loaded) -> Vec<String> {
    loaded.objects.iter().map(|object| object.key.to_string()).collect()
}

fn tenant(name: &str, spec: &str) -> String {
    format!("apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata: {{name: {name}}}\nspec: {spec}\n")
}

#[test]
fn r12_parents_come_first_whatever_the_order_of_files() {
    let (loaded, faults) = loaded(&[
        ("a.yaml", &tenant("leaf", "{parentRef: {name: middle}}")),
        ("b.yaml", &tenant("middle", "{parentRef: {name: top}}")),
        ("c.yaml", &tenant("top", "{}")),
        ("d.yaml", &tenant("other", "{}")),
    ]);
    assert_eq!(faults, "");
    assert_eq!(
        keys(&loaded),
        ["Tenant default/other", "Tenant default/top", "Tenant default/middle", "Tenant default/leaf"]
    );
}

#[test]
fn a_broken_document_is_named_and_the_others_go_on() {
    let text = format!("{}---\nkind: [\n---\n{}", tenant("a", "{}"), tenant("b", "{}"));
    let (loaded, faults) = loaded(&[("x.yaml", &text), ("y.yaml", &tenant("c", "{}"))]);
    assert_eq!(keys(&loaded), ["Tenant default/a", "Tenant default/b", "Tenant default/c"]);
    assert!(faults.starts_with("x.yaml:") && faults.contains("is not YAML: "), "{faults}");
    assert!(!loaded.is_complete());
}

#[test]
fn an_object_written_twice_is_refused_once_and_both_places_are_named() {
    let (loaded, faults) = loaded(&[
        ("a.yaml", &tenant("acme", "{displayName: One}")),
        ("b.yaml", &format!("# second\n{}", tenant("acme", "{displayName: Two}"))),
    ]);
    assert_eq!(keys(&loaded), ["Tenant default/acme"]);
    assert!(loaded.objects[0].spec.is_none());
    assert!(faults.contains("b.yaml:2: Tenant default/acme: is written twice, also at "), "{faults}");
    assert!(faults.ends_with("a.yaml:1: remove one of the two"), "{faults}");
    assert!(loaded.is_complete());
}

#[test]
fn other_kinds_are_left_aside_with_one_note_for_each() {
    let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\n";
    let (loaded, faults) = loaded(&[("a.yaml", other), ("kustomization.yaml", "resources: [a.yaml]\n")]);
    assert_eq!(faults, "");
    assert_eq!(loaded.notes.len(), 3, "{:?}", loaded.notes);
    assert!(loaded.notes[0].starts_with("2 objects of kind ConfigMap (v1)"), "{:?}", loaded.notes);
}

#[test]
fn an_unknown_kind_of_ours_and_a_thing_that_is_no_object_are_faults() {
    let (_, faults) = loaded(&[
        ("a.yaml", "apiVersion: tenantry.dev/v1alpha1\nkind: Subadmin\n"),
        ("b.yaml", "- 1\n- 2\n"),
    ]);
    assert!(faults.contains("a.yaml:2: tenantry.dev/v1alpha1 \"Subadmin\" is not known here"), "{faults}");
    assert!(faults.contains("b.yaml:1: is not an object"), "{faults}");
}

#[test]
fn a_list_is_taken_apart_and_a_fault_in_it_has_its_line() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: tenantry.dev/v1alpha1\n  kind: Tenant\n  metadata: {name: a}\n  spec: {}\n- apiVersion: tenantry.dev/v1alpha1\n  kind: Tenant\n  metadata: {name: b}\n  spec:\n    enabled: On\n";
    let (loaded, faults) = loaded(&[("a.yaml", text)]);
    assert_eq!(keys(&loaded), ["Tenant default/a", "Tenant default/b"]);
    assert!(
        faults.starts_with("a.yaml:12: Tenant default/b: spec.enabled: must be true or false"),
        "{faults}"
    );
}

#[test]
fn a_field_that_is_no_field_is_named_with_its_line_and_what_was_meant() {
    let text = "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata:\n  name: acme\nspec:\n  displayNam: Acme\n";
    let (loaded, faults) = loaded(&[("a.yaml", text)]);
    assert!(
        faults.starts_with(
            "a.yaml:6: Tenant default/acme: spec.displayNam: is not a field here: did you mean displayName"
        ),
        "{faults}"
    );
    assert!(
        loaded.objects[0].faults[0].starts_with("spec.displayNam: "),
        "no place: rows never depend on it"
    );
}

#[test]
fn an_object_without_a_name_hides_something() {
    let (loaded, faults) =
        loaded(&[("a.yaml", "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nspec: {}\n")]);
    assert!(loaded.objects.is_empty() && !loaded.is_complete());
    assert!(faults.contains("metadata.name: is missing"), "{faults}");
}

#[test]
fn references_within_files_are_followed_and_circles_found() {
    let (loaded, _) = loaded(&[
        ("a.yaml", &tenant("a", "{parentRef: {name: b}}")),
        ("b.yaml", &tenant("b", "{parentRef: {name: a}}")),
        ("c.yaml", &tenant("c", "{parentRef: {name: nowhere}}")),
    ]);
    let faults: Vec<_> =
        crate::files::reference_faults(&loaded).iter().map(|fault| fault.message.clone()).collect();
    assert_eq!(faults.iter().filter(|fault| fault.contains("leads back to")).count(), 2, "{faults:?}");
    assert!(faults.iter().any(|fault| fault.contains("Tenant default/nowhere, which is not in these files")));
}
