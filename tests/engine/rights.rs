//! Questions about administrative rights say yes exactly when a pass accepts
//! (R1, R2), for every pair of manager and object.

use crate::fleet::{account, lands, tenant};
use crate::on_both;
use crate::world::{ACME, World, all_ready};
use tenantry::domain::access::answer::Effect;
use tenantry::domain::capability::Capability::{
    self, ManageRoles, ManageSubscription, ManageTenants, ManageUserGroups, ManageUsers,
};
use tenantry::domain::object::{Kind, ObjectKey};
use tenantry::engine::Report;
use tenantry::engine::questions::{AskedRight, Questions, RightAnswer};

/// Refusals of an act; others are about what an object would give.
const OF_THE_ACT: [&str; 4] = ["TierNotAllowed", "CapabilityMissing", "OutOfScope", "ManagerDisabled"];
const MANAGERS: [&str; 7] = ["ada", "sam", "na", "kim", "off", "bo", "ia"];

async fn ask(world: &World, who: &str, right: Capability, thing: &str) -> RightAnswer {
    let asked = AskedRight::new(who, right, thing, None).unwrap();
    Questions::new(world.engine.store().clone()).ask_right(&asked, true).await.unwrap()
}

fn role(name: &str, tenant: &str, more: &str) -> String {
    format!(
        "
kind: Role
metadata: {{namespace: root, name: {name}}}
spec: {{tenantRef: {{name: {tenant}}}, {more}}}"
    )
}

async fn household(world: &mut World) {
    lands(world).await;
    all_ready(&world.apply(&role("operator", "acme", "")).await);
    all_ready(&world.apply(&account("sam", "north", "tier: SuperAdmin, managedByRef: {name: ada}")).await);
    all_ready(&world.apply(&account("na", "acme", "tier: SuperAdmin, managedByRef: {name: ada}, manageableScope: {from: List, tenants: [{name: north}], groups: [field], roles: [{name: operator}]}")).await);
    all_ready(&world.apply(&account("kim", "acme", "tier: Admin, managedByRef: {name: ada}")).await);
    all_ready(
        &world
            .apply(&account("off", "acme", "tier: SuperAdmin, enabled: false, managedByRef: {name: ada}"))
            .await,
    );
    all_ready(&world.apply(&account("bo", "acme", "managedByRef: {name: ada}")).await);
    all_ready(
        &world
            .apply(&account(
                "ia",
                "acme",
                "tier: SuperAdmin, individualAccess: true, managedByRef: {name: ada}",
            ))
            .await,
    );
}

/// Whether a pass lets each manager have the object, and what is said to the
/// question, are the same. `document` is the object with `BY` for its manager.
async fn agree(world: &mut World, document: &str, by: &str, right: Capability, thing: &str) -> usize {
    let with = |who: &str| document.replace("BY", who);
    all_ready(&world.apply(&with(by)).await);
    let mut allowed = 0;
    for who in MANAGERS {
        let answer = ask(world, who, right, thing).await;
        let manifest = world.manifest(&with(who));
        let reports = world.apply(&with(who)).await;
        let ready = reports[&manifest.key].condition("Ready").unwrap().clone();
        let refused = !ready.status && OF_THE_ACT.contains(&ready.reason.to_string().as_str());
        assert_eq!(answer.allowed, !refused, "{who} {right} {thing}: {answer:?} {ready:?}");
        if refused {
            assert_eq!(answer.reason, ready.reason.as_str(), "{who} {thing}");
        }
        // What is said decided, and the way to the opposite answer with it: it
        // takes all of several reasons to allow, and the first to deny.
        let effect = if answer.allowed { Effect::Allows } else { Effect::Denies };
        let steps = answer.steps.iter().filter(|step| step.effect == effect);
        let reasons: Vec<&str> = steps.map(|step| step.message.as_str()).collect();
        let decided = if answer.allowed { reasons.join("; ") } else { reasons[0].to_owned() };
        assert_eq!(decided, answer.message, "{who} {thing}: {answer:?}");
        assert!(!answer.changes.is_empty() && !answer.message.is_empty(), "{who} {thing}: {answer:?}");
        let denies = answer.steps.iter().any(|step| step.effect == Effect::Denies);
        assert_eq!(denies, !answer.allowed, "{who} {thing}: {answer:?}");
        for object in answer.steps.iter().filter_map(|step| step.object.as_ref()) {
            assert!(object.generation.is_some(), "{answer:?}");
        }
        allowed += usize::from(answer.allowed);
        // Whoever took it over would have to give it back.
        let key = &manifest.key;
        assert!(world.delete(key.kind, &key.namespace, &key.name).await.finished);
        all_ready(&world.apply(&with(by)).await);
    }
    allowed
}

on_both! {
    async fn r2_a_right_is_answered_as_a_pass_judges_it_for_every_manager_and_object(world) {
        household(&mut world).await;
        let mut counts = vec![];
        for (name, home, more, by) in [
            ("t1", "acme", "", "ada"),
            ("t2", "north", "", "ada"),
            ("t3", "acme", "groups: [field], ", "ada"),
            ("t4", "acme", "roles: [{name: operator}], ", "ada"),
            ("t5", "acme", "tier: Admin, ", "ada"),
            ("t6", "north", "", "na"),
        ] {
            let document = account(name, home, &format!("{more}managedByRef: {{name: BY}}"));
            counts.push(agree(&mut world, &document, by, ManageUsers, &format!("subadmin/root/{name}")).await);
        }
        for (name, home, by) in [("r1", "acme", "ada"), ("r2", "north", "na")] {
            let document = role(name, home, "managedByRef: {name: BY}");
            counts.push(agree(&mut world, &document, by, ManageRoles, &format!("role/root/{name}")).await);
        }
        for (name, above, by) in [("east", "north", "sam"), ("west", "acme", "ada")] {
            let document = tenant(name, above, "managedByRef: {name: BY}");
            counts.push(agree(&mut world, &document, by, ManageTenants, &format!("tenant/root/{name}")).await);
        }
        assert!(counts.iter().all(|n| (1..MANAGERS.len()).contains(n)), "nothing is for all or for nobody: {counts:?}");
    }
}

on_both! {
    async fn r2_groups_are_managed_where_they_are_assigned_or_created(world) {
        household(&mut world).await;
        all_ready(&world.apply(&account("f", "acme", "groups: [field, office], managedByRef: {name: ada}")).await);
        // An account of its own brings no authority over groups of others.
        for who in ["na", "kim"] {
            for group in ["field", "office", "new"] {
                let name = format!("m-{who}");
                let home = if who == "na" { "north" } else { "acme" };
                let thing = format!("group/root/{home}/{group}");
                let plain = account(&name, home, &format!("managedByRef: {{name: {who}}}"));
                all_ready(&world.apply(&plain).await);
                let answer = ask(&world, who, ManageUserGroups, &thing).await;
                let joined = account(&name, home, &format!("managedByRef: {{name: {who}}}, groups: [{group}]"));
                let manifest = world.manifest(&joined);
                let reports = world.apply(&joined).await;
                assert_eq!(answer.allowed, reports[&manifest.key].ready(), "{who} {thing}: {answer:?}");
                world.apply(&plain).await;
            }
        }
        assert!(ask(&world, "na", ManageUserGroups, "group/root/acme/field").await.allowed);
        assert_eq!(ask(&world, "na", ManageUserGroups, "group/root/acme/office").await.reason, "OutOfScope");
    }
}

on_both! {
    async fn r4_a_stranger_and_nobody_are_answered_in_the_same_words(world) {
        household(&mut world).await;
        for (right, kind, there) in [(ManageUsers, "subadmin", "kim"), (ManageRoles, "role", "operator"), (ManageTenants, "tenant", "south")] {
            let stranger = ask(&world, "sam", right, &format!("{kind}/root/{there}")).await;
            let nobody = ask(&world, "sam", right, &format!("{kind}/root/nobody")).await;
            assert_eq!((stranger.allowed, stranger.reason), (false, "OutOfScope"));
            assert_eq!(stranger.message.replace(there, "nobody"), nobody.message);
            assert_eq!(stranger.objects, nobody.objects);
        }
        let unknown = ask(&world, "nobody", ManageUsers, "subadmin/root/kim").await;
        assert_eq!((unknown.allowed, unknown.reason), (false, "UnknownAccount"));
    }
}

on_both! {
    async fn the_subscription_is_the_owners_and_without_one_the_roots(world) {
        household(&mut world).await;
        let answers = async |world: &World, thing: &str| {
            let mut allowed = vec![];
            for who in MANAGERS {
                if ask(world, who, ManageSubscription, thing).await.allowed {
                    allowed.push(who);
                }
            }
            allowed
        };
        assert_eq!(answers(&world, "tenant/root/north").await, ["ada"]);
        all_ready(&world.apply(&tenant("north", "acme", "ownerRef: {name: sam}")).await);
        assert_eq!(answers(&world, "tenant/root/north").await, ["sam"]);
        assert_eq!(answers(&world, "tenant/root/acme").await, ["ada"]);
        world.apply(&tenant("south", "acme", "ownerRef: {name: later}")).await;
        assert_eq!(answers(&world, "tenant/root/south").await, Vec::<&str>::new(), "held back while the owner is missing");
    }
}

on_both! {
    async fn status_shows_the_subscription_to_whoever_has_it_at_home(world) {
        household(&mut world).await;
        let shows = |report: &Report| report.status["effective"]["capabilities"].as_array().unwrap().contains(&"ManageSubscription".into());
        for (who, expected) in [("ada", true), ("kim", false), ("sam", false)] {
            assert_eq!(shows(&world.again(Kind::SubAdmin, "root", who).await), expected, "{who}");
        }
        // Whoever gains or loses it is told without being asked.
        let key = |who: &str| ObjectKey::new(Kind::SubAdmin, "root", who);
        let reports = world.apply(&tenant("north", "acme", "ownerRef: {name: sam}")).await;
        assert!(shows(&reports[&key("sam")]));
        assert!(!reports.contains_key(&key("na")), "only of their own tenant");
        let owned = ACME.replace("displayName: ACME", "displayName: ACME, ownerRef: {name: kim}");
        let reports = world.apply(owned.split("---").next().unwrap()).await;
        assert_eq!((shows(&reports[&key("kim")]), shows(&reports[&key("ada")])), (true, false));
    }
}

on_both! {
    async fn r2_whoever_has_a_right_is_listed_and_nobody_else(world) {
        household(&mut world).await;
        all_ready(&world.apply(&account("t1", "acme", "groups: [field], managedByRef: {name: ada}")).await);
        all_ready(&world.apply(&tenant("north", "acme", "ownerRef: {name: sam}")).await);
        let questions = Questions::new(world.engine.store().clone());
        for (right, thing) in [
            (ManageUsers, "subadmin/root/t1"),
            (ManageUsers, "subadmin/root/kim"),
            (ManageRoles, "role/root/operator"),
            (ManageTenants, "tenant/root/north"),
            (ManageUserGroups, "group/root/acme/field"),
            (ManageSubscription, "tenant/root/north"),
            (ManageSubscription, "tenant/root/acme"),
        ] {
            let mut expected = vec![];
            for who in MANAGERS {
                if ask(&world, who, right, thing).await.allowed {
                    expected.push(who.to_owned());
                }
            }
            expected.sort();
            let asked = AskedRight::new("anybody", right, thing, None).unwrap();
            let (mut after, mut found) = (String::new(), vec![]);
            loop {
                let page = questions.who_may(&asked, &after, 2).await.unwrap().unwrap();
                found.extend(page.items.into_iter().map(|who| who.account));
                let Some(next) = page.next else { break };
                after = next;
            }
            assert_eq!(found, expected, "{right} {thing}");
            assert!(!found.is_empty());
        }
        let nobody = AskedRight::new("anybody", ManageUsers, "subadmin/root/nobody", None).unwrap();
        let none = questions.who_may(&nobody, "", 2).await.unwrap().unwrap_err();
        assert_eq!(none.to_string(), "there is no SubAdmin root/nobody in the database: correct the name");
    }
}

/// Advice of an explanation.
async fn advice(world: &World, who: &str, right: Capability, thing: &str) -> Vec<String> {
    let answer = ask(world, who, right, thing).await;
    assert!(!answer.allowed && answer.suffices, "{answer:?}");
    answer.changes
}

on_both! {
    async fn r2_advice_about_a_group_of_another_tenant_works(world) {
        household(&mut world).await;
        all_ready(&world.apply(&account("s", "south", "groups: [field], managedByRef: {name: ada}")).await);
        let na = |scope: &str| account("na", "acme", &format!("tier: SuperAdmin, managedByRef: {{name: ada}}, manageableScope: {{{scope}}}"));
        // Listing the name would not help: it is another group than acme's.
        let theirs = "group/root/south/field";
        let [change] = &advice(&world, "na", ManageUserGroups, theirs).await[..] else { panic!("one change") };
        assert!(change.starts_with("write from: Tenant in spec.manageableScope of the account na"), "{change}");
        all_ready(&world.apply(&na("from: Tenant")).await);
        assert!(ask(&world, "na", ManageUserGroups, theirs).await.allowed);
        // One that nobody has begun belongs to whoever manages the tenant.
        all_ready(&world.apply(&na("from: List, tenants: [{name: north}], groups: [field]")).await);
        let new = "group/root/south/new";
        assert_eq!(advice(&world, "na", ManageUserGroups, new).await, ["add root/south to spec.manageableScope.tenants of the account na"]);
        all_ready(&world.apply(&na("from: List, tenants: [{name: north}, {name: south}], groups: [field]")).await);
        assert!(ask(&world, "na", ManageUserGroups, new).await.allowed);
        // At home the name is enough.
        all_ready(&world.apply(&account("f", "acme", "groups: [office], managedByRef: {name: ada}")).await);
        assert_eq!(advice(&world, "na", ManageUserGroups, "group/root/acme/office").await, ["add office to spec.manageableScope.groups of the account na"]);
    }
}

on_both! {
    async fn r1_advice_names_no_tier_above_root(world) {
        household(&mut world).await;
        assert_eq!(
            advice(&world, "kim", ManageUsers, "subadmin/root/ada").await,
            ["lower spec.tier of SubAdmin root/ada and use an account that outranks it then: none outranks a Root"]
        );
        assert_eq!(
            advice(&world, "kim", ManageUsers, "subadmin/root/off").await,
            ["lower spec.tier of SubAdmin root/off, or use an account of a higher tier than SuperAdmin"]
        );
        // A Basic account outranks nobody, however low.
        assert_eq!(advice(&world, "bo", ManageUsers, "subadmin/root/kim").await[0], "use an account of a higher tier than Admin");
    }
}

on_both! {
    async fn why_costs_one_statement_more_however_many_objects_mattered(world) {
        household(&mut world).await;
        let questions = Questions::new(world.engine.store().clone());
        for (who, right, thing) in [
            ("ada", ManageUsers, "subadmin/root/kim"),
            ("na", ManageRoles, "role/root/operator"),
            ("bo", ManageTenants, "tenant/root/north"),
        ] {
            let asked = AskedRight::new(who, right, thing, None).unwrap();
            let mut sent = vec![];
            let mut answers = vec![];
            for why in [false, true] {
                let before = world.engine.store().statements();
                answers.push(questions.ask_right(&asked, why).await.unwrap());
                sent.push(world.engine.store().statements() - before);
            }
            assert!(sent[0] <= 11 && sent[1] == sent[0] + 1, "{thing}: {sent:?}");
            let [plain, told] = &answers[..] else { panic!("two answers") };
            assert_eq!((plain.allowed, plain.reason, &plain.message), (told.allowed, told.reason, &told.message));
            assert!(plain.steps.is_empty() && told.steps.len() > 1, "{answers:?}");
        }
    }
}

on_both! {
    async fn an_object_that_several_sources_have_is_asked_about_by_its_source(world) {
        household(&mut world).await;
        // A root tenant of the same name in another place.
        let north = world.manifest("
kind: Tenant
metadata: {namespace: root, name: north}
spec: {displayName: Elsewhere}");
        let report = world.other_source().reconcile(&north, &world.outside).await.unwrap();
        assert!(report.ready(), "{:?}", report.conditions);
        let answer = ask(&world, "ada", ManageTenants, "tenant/root/north").await;
        assert_eq!((answer.reason, answer.changes), ("Ambiguous", vec!["name its source".to_owned()]));
    }
}
