//! The reverse questions and the user list, as people and programs read them.

use super::{Place, account, fails, tenant};

const DEVICES: &str = "device_id,unit_id,name,labels,tenant\nd1,,One,,default/acme\nd2,,Two,,default/acme\n";

async fn place() -> Place {
    let view = "  permissions:\n    allow: [{resources: [device], operations: [view]}]\n";
    let place = Place::with(&format!(
        "{}{}{}",
        tenant("acme", "{}"),
        account("ada", "  tier: Root\n  company: =cmd()\n"),
        account("kim", view)
    ));
    assert_eq!(place.apply().await.code(), Some(0));
    place.write("devices.csv", DEVICES);
    assert_eq!(place.call(&["devices", "import", "devices.csv"]).await.code(), Some(0));
    place
}

fn json(finished: &super::Finished) -> serde_json::Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

#[tokio::test]
async fn who_can_lists_each_account_with_the_reason() {
    let place = place().await;
    let list = json(&place.call(&["who-can", "view", "device/d1", "-o", "json"]).await);
    let expected = serde_json::json!([
        {"account": "ada", "reason": "RootHoldsAll"}, {"account": "kim", "reason": "AllowedByAccount"},
    ]);
    assert_eq!(list, expected);
    let operate = place.call(&["who-can", "operate", "device/d1"]).await;
    let lines: Vec<_> = operate.stdout.lines().map(|l| l.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(lines, [["ACCOUNT", "REASON"], ["ada", "RootHoldsAll"]]);
    let nobody = place.call(&["who-can", "view", "device/none", "-o", "json"]).await;
    assert_eq!((json(&nobody), nobody.code()), (serde_json::json!([]), Some(0)));
    let wrong = place.call(&["who-can", "VIEW", "device/d1"]).await;
    assert_eq!(wrong.code(), Some(2), "{wrong:?}");

    // The same of an administrative right.
    let list = json(&place.call(&["who-can", "ManageUsers", "subadmin/default/kim", "-o", "json"]).await);
    assert_eq!(list, serde_json::json!([{"account": "ada", "reason": "Permitted"}]));
    let nothing = place.call(&["who-can", "ManageUsers", "subadmin/default/nobody"]).await;
    fails(&nothing, 1, "error: there is no SubAdmin default/nobody in the database: correct the name");
    let wrong = place.call(&["who-can", "ManageUsers", "device/d1"]).await;
    assert_eq!(wrong.code(), Some(2), "{wrong:?}");
}

#[tokio::test]
async fn what_can_shows_rules_and_devices() {
    let place = place().await;
    let object = json(&place.call(&["what-can", "kim", "-o", "json"]).await);
    let view = serde_json::json!([{"operation": "view", "reason": "AllowedByAccount"}]);
    let devices =
        serde_json::json!([{"device": "d1", "operations": view}, {"device": "d2", "operations": view}]);
    assert_eq!((&object["account"], &object["active"]), (&"kim".into(), &false.into()));
    assert_eq!(object["devices"], devices);
    assert_eq!(object["rules"][0]["reason"], "AllowedByAccount");
    let yaml = place.call(&["what-can", "KIM@acme.example", "-o", "yaml"]).await;
    let read: serde_json::Value = serde_yaml::from_str(&yaml.stdout).unwrap();
    assert_eq!(read, object);
    assert_eq!(object["individualAccess"], false);
    let text = place.call(&["what-can", "kim"]).await.stdout;
    assert!(text.contains("allow view on device (AllowedByAccount") && text.contains("d2"), "{text}");
    assert!(!text.contains("Individual access"), "{text}");
    // Administrative rights, and where they count.
    assert_eq!(object["capabilities"], serde_json::json!([]));
    let ada = json(&place.call(&["what-can", "ada", "-o", "json"]).await);
    let rights: Vec<_> = ada["capabilities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["capability"].as_str().unwrap())
        .collect();
    assert_eq!((rights.len(), rights.contains(&"ManageSubscription")), (12, true), "{ada}");
    assert!(ada["capabilities"].as_array().unwrap().iter().all(|one| one["tenant"] == "/acme"));
    let text = place.call(&["what-can", "ada"]).await.stdout;
    assert!(
        text.contains("Administrative rights:\n  AssignAssetPermissions, ManageApplications, "),
        "{text}"
    );
    assert!(text.contains(" in /acme and below\n  ManageSubscription of /acme\n"), "{text}");

    // Individual access hides most of it, and it is said.
    let own =
        "  individualAccess: true\n  permissions:\n    allow: [{resources: [device], operations: [view]}]\n";
    place.write("own/k.yaml", account("kim", own));
    let source = place.path("objects").canonicalize().unwrap().display().to_string();
    let as_if = ["what-can", "kim", "-f", "own", "--source", &source];
    let text = place.call(&as_if).await.stdout;
    assert!(
        text.contains("it sees only what it or accounts below it created (Individual access).\n"),
        "{text}"
    );
    let narrowed = json(&place.call(&[&as_if[..], &["-o", "json"]].concat()).await);
    assert_eq!((&narrowed["individualAccess"], &narrowed["devices"]), (&true.into(), &serde_json::json!([])));

    // Whoever is disabled may do nothing, and it is said why.
    let disabled =
        "  enabled: false\n  permissions:\n    allow: [{resources: [device], operations: [view]}]\n";
    place.write("more/k.yaml", account("kim", disabled));
    let text = place.call(&["what-can", "kim", "-f", "more", "--source", &source]).await;
    assert_eq!(text.stdout, "kim may do nothing: account kim is disabled\n", "{text:?}");
    let unknown = place.call(&["what-can", "nobody@acme.example"]).await;
    fails(&unknown, 1, "error: no account has this username or e-mail: correct it");
}

#[tokio::test]
async fn a_long_answer_is_whole_and_valid_in_every_form() {
    let place = place().await;
    let mut more = DEVICES.to_owned();
    (0..1_203).for_each(|n| more.push_str(&format!("e{n:05},,E,,default/acme\n")));
    place.write("devices.csv", more);
    assert_eq!(place.call(&["devices", "import", "devices.csv"]).await.code(), Some(0));
    let object = json(&place.call(&["what-can", "ada", "-o", "json"]).await);
    let ids: Vec<_> =
        object["devices"].as_array().unwrap().iter().map(|d| d["device"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1_205);
    assert!(ids.is_sorted(), "in order of id");
    let yaml = place.call(&["what-can", "ada", "-o", "yaml"]).await;
    assert_eq!(serde_yaml::from_str::<serde_json::Value>(&yaml.stdout).unwrap(), object);
    assert_eq!(
        place.call(&["what-can", "ada"]).await.stdout.lines().filter(|l| l.starts_with('e')).count(),
        1_203
    );
}

#[tokio::test]
async fn the_user_list_is_a_table_without_formulas_and_only_for_whoever_manages_users() {
    let place = place().await;
    let list = place.call(&["export", "users", "--format", "csv"]).await;
    assert_eq!(list.code(), Some(0), "{list:?}");
    let lines: Vec<&str> = list.stdout.lines().collect();
    assert_eq!(lines[0], "username,email,company,mobile,tenant,tier,enabled,active,groups,roles,managed_by");
    assert_eq!(lines[1], "ada,ada@acme.example,'=cmd(),,/acme,Root,true,false,,,");
    assert_eq!((lines.len(), lines[2].split(',').next()), (3, Some("kim")));
    assert_eq!(place.call(&["export", "users", "--format", "csv", "--as", "ada"]).await.stdout, list.stdout);
    let refused = place.call(&["export", "users", "--format", "csv", "--as", "kim"]).await;
    fails(
        &refused,
        1,
        "error: the account lacks ManageUsers; only with it may an account export the user list",
    );
    assert_eq!(refused.stdout, "");
    // Who answers for somebody is not told to those below (R4).
    let below = "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata: {name: north}\nspec: {parentRef: {name: acme}}\n";
    place.write("objects/n.yaml", below);
    let sam = account("sam", "  tier: SuperAdmin\n  managedByRef: {name: ada}\n");
    place.write("objects/s.yaml", sam.replace("tenantRef: {name: acme}", "tenantRef: {name: north}"));
    let lee = account("lee", "  managedByRef: {name: sam}\n");
    place.write("objects/t.yaml", lee.replace("tenantRef: {name: acme}", "tenantRef: {name: north}"));
    let applied = place.apply().await;
    assert_eq!(applied.code(), Some(0), "{applied:?}");
    let managers = async |who: &str| {
        let list = place.call(&["export", "users", "--format", "csv", "--as", who]).await.stdout;
        let column = |line: &str| line.rsplit(',').next().unwrap().to_owned();
        list.lines().skip(1).map(column).collect::<Vec<_>>()
    };
    assert_eq!(managers("ada").await, ["", "", "sam", "ada"]);
    assert_eq!(managers("sam").await, ["sam", ""]);
    let help = place.call(&["export", "--help"]).await.stdout;
    assert!(!help.contains("manifests"), "plain export is not promised: {help}");
}
