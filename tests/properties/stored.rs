//! A world of plain memory written into a real database, as the engine would
//! have left it, and with what a controller that has not run for a while leaves
//! behind: Assigns that are over but whose links nobody has ended, grants
//! without an object, marks of devices that a grant does not have. None of that
//! changes what accounts may do.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use tenantry::domain::access::facts::{Covers, Offer};
use tenantry::domain::grant::Mode;
use uuid::Uuid;

use crate::model::{Held, To, World, account_id, now, tenant_id};

fn grant_id(at: usize) -> Uuid {
    Uuid::from_u128(0x4000 + at as u128)
}

fn object_id(kind: u128, at: usize) -> Uuid {
    Uuid::from_u128(0x9000_0000 + kind * 0x1_0000 + at as u128)
}

/// The database's clock cannot be stopped: what lies in the world's past lies
/// well in the past, and so does its future.
fn moved(time: Timestamp, real: Timestamp) -> Timestamp {
    match time.as_second() - now().as_second() {
        past if past <= 0 => real + SignedDuration::from_secs(past - 5_000),
        future => real + SignedDuration::from_secs(future + 5_000),
    }
}

/// The table of grants with the columns that are written.
const GRANT: &str = "device_grant (id, object_id, tenant_id, namespace, name, mode, project, selection, permissions, not_before, expires_at, reclaim, managed_by, born, created_at)";

struct Script {
    text: String,
    /// A new number each time, the same in every run.
    dice: u64,
    grants: usize,
}

fn quoted(text: impl ToString) -> String {
    format!("'{}'", text.to_string().replace('\'', "''"))
}

fn or_null(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "NULL".to_owned(), quoted)
}

fn json(value: &impl serde::Serialize) -> String {
    quoted(serde_json::to_string(value).unwrap())
}

/// One link of a chain: grant (none: kept), tenant, account.
type Link = (Option<usize>, usize, Option<usize>);

impl World {
    /// What gave a device on, from its home.
    fn links(&self, device: usize) -> Vec<Link> {
        let mut links = vec![];
        for (at, grant) in self.grants.iter().enumerate() {
            if grant.mode == Mode::Assign && grant.devices.as_ref().is_some_and(|d| d.contains(&device)) {
                match &grant.to {
                    To::Tenant(tenant) => links.push((Some(at), *tenant, None)),
                    To::Accounts(to) => {
                        links.extend(to.iter().map(|to| (Some(at), self.accounts[*to].tenant, Some(*to))));
                    }
                    To::Group(_) => {}
                }
            }
        }
        let end = links.last().map(|(_, tenant, account)| (*tenant, *account));
        match self.devices[device] {
            Held::ByTenant(tenant) if end.is_some() && end != Some((tenant, None)) => {
                links.push((None, tenant, None));
            }
            Held::ByAccount(account) if end != Some((self.accounts[account].tenant, Some(account))) => {
                links.push((None, self.accounts[account].tenant, Some(account)));
            }
            _ => {}
        }
        links
    }

    /// The grants as seen from a device of the database: an Assign is about
    /// what it has given.
    pub(crate) fn offers_as_stored(&self, device: usize) -> Vec<Offer> {
        let links = self.links(device);
        let mut offers = self.offers(Some(device));
        for (at, offer) in offers.iter_mut().enumerate() {
            if offer.mode == Mode::Assign {
                let given = links.iter().any(|(grant, ..)| *grant == Some(at));
                offer.covers = if given { Covers::Asked } else { Covers::Others };
            }
        }
        offers
    }
}

impl Script {
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % sides
    }

    fn pick(&mut self, from: usize) -> usize {
        usize::try_from(self.roll(from as u64)).unwrap()
    }

    fn add(&mut self, table: &str, values: &[String]) {
        writeln!(self.text, "INSERT INTO {table} VALUES ({});", values.join(", ")).unwrap();
    }

    fn object(&mut self, id: Uuid, kind: &str, namespace: &str, name: &str) {
        writeln!(
            self.text,
            "INSERT INTO object (id, source, kind, namespace, name, born, generation, verdict) VALUES ('{id}', 's', '{kind}', {}, {}, '2026-01-01T00:00:00Z', 1, '{{}}');",
            quoted(namespace), quoted(name)
        )
        .unwrap();
    }

    /// A grant beyond those of the world.
    fn grant(
        &mut self,
        mode: &str,
        tenant: usize,
        rules: &str,
        times: (String, String),
        object: bool,
    ) -> usize {
        let at = self.grants;
        self.grants += 1;
        let (id, name) = (grant_id(at), format!("x{at}"));
        let object_id = object_id(4, at);
        if object {
            self.object(object_id, "DeviceGrant", "root", &name);
        }
        self.add(
            GRANT,
            &[
                quoted(id),
                if object { quoted(object_id) } else { "NULL".to_owned() },
                quoted(tenant_id(tenant)),
                "'root'".to_owned(),
                quoted(name),
                quoted(mode),
                "NULL".to_owned(),
                "'{\"all\":true}'".to_owned(),
                quoted(rules),
                times.0,
                times.1,
                "'ReturnToGrantor'".to_owned(),
                "NULL".to_owned(),
                "'2026-01-01T00:00:00Z'".to_owned(),
                "'2026-01-01T00:00:00Z'".to_owned(),
            ],
        );
        at
    }

    fn receiver(&mut self, grant: usize, tenant: Option<usize>, account: Option<usize>, group: Option<&str>) {
        let position = self.text.len();
        self.add(
            "grant_receiver",
            &[
                quoted(grant_id(grant)),
                position.to_string(),
                or_null(tenant.map(tenant_id)),
                or_null(account.map(account_id)),
                or_null(group),
            ],
        );
    }

    fn mark(&mut self, grant: usize, device: usize, state: &str) {
        self.add(
            "grant_device",
            &[quoted(grant_id(grant)), quoted(format!("d{device}")), quoted(state), "NULL".to_owned()],
        );
    }

    fn link(&mut self, device: usize, position: usize, (grant, tenant, account): Link) {
        self.add(
            "device_assignment",
            &[
                quoted(format!("d{device}")),
                position.to_string(),
                or_null(grant.map(grant_id)),
                quoted(tenant_id(tenant)),
                "NULL".to_owned(),
                quoted(tenant_id(tenant)),
                or_null(account.map(account_id)),
            ],
        );
    }
}

/// The statements that empty a database and make it hold this world.
pub(crate) fn script(world: &World, seed: u64, real: Timestamp) -> String {
    let mut script = Script { text: String::new(), dice: seed, grants: world.grants.len() };
    for table in [
        "device_assignment",
        "grant_device",
        "grant_receiver",
        "device_grant",
        "device",
        "account_role",
        "account_group",
        "account_ancestor",
        "account",
        "tenant_ancestor",
        "tenant",
        "object",
    ] {
        writeln!(script.text, "DELETE FROM {table};").unwrap();
    }
    people(world, &mut script);
    grants(world, &mut script, real);
    for device in 0..world.devices.len() {
        chain(world, &mut script, device, real);
    }
    nothing(world, &mut script);
    script.text
}

fn people(world: &World, script: &mut Script) {
    let mut order: Vec<usize> = (0..world.tenants.len()).collect();
    order.sort_by_key(|at| world.line(*at).len());
    for at in order {
        let row = &world.tenants[at];
        script.object(object_id(1, at), "Tenant", &row.key.namespace, &row.key.name);
        let line = world.line(at);
        writeln!(
            script.text,
            "INSERT INTO tenant (id, object_id, parent_id, root_id, name, path, display_name, enabled, permitted, allowed_namespaces, account_limits, owner_name, deletion_policy, created_at)
             VALUES ('{}', '{}', {}, '{}', 't{at}', '/t{at}', 't', {}, {}, '{{}}', '{{}}', {}, 'Refuse', '2026-01-01T00:00:00Z');",
            tenant_id(at), object_id(1, at), or_null(row.parent.map(tenant_id)), tenant_id(*line.last().unwrap()),
            row.tenant.settings.enabled, row.tenant.permitted, or_null(row.tenant.settings.owner.as_deref())
        )
        .unwrap();
        for (distance, above) in line.into_iter().enumerate() {
            script.add(
                "tenant_ancestor",
                &[quoted(tenant_id(at)), quoted(tenant_id(above)), distance.to_string()],
            );
        }
    }
    let mut order = world.living();
    order.sort_by_key(|at| world.managers(*at).len());
    for at in order {
        let row = &world.accounts[at];
        let s = &row.account.settings;
        script.object(object_id(2, at), "SubAdmin", &row.key.namespace, &row.key.name);
        writeln!(
            script.text,
            "INSERT INTO account (id, object_id, tenant_id, name, username, username_key, email, email_key, tier, enabled, email_verified, locale, link_lifetime,
                scope, permissions, individual_access, effective, deletion_policy, managed_by, created_at)
             VALUES ('{}', '{}', '{}', {}, 'a{at}', 'a{at}', 'a{at}@example.org', 'a{at}@example.org', '{}', {}, true, 'en', 60, {}, {}, NULL, {}, 'Delete', {}, '2026-01-01T00:00:00Z');",
            account_id(at), object_id(2, at), tenant_id(row.tenant), quoted(&row.key.name), s.tier.as_str(), s.enabled,
            s.scope.as_ref().map_or_else(|| "NULL".to_owned(), json), json(&s.permissions), json(&row.account.effective),
            or_null(row.manager.map(account_id))
        )
        .unwrap();
        for (distance, above) in world.managers(at).into_iter().enumerate() {
            script.add(
                "account_ancestor",
                &[quoted(account_id(at)), quoted(account_id(above)), distance.to_string()],
            );
        }
        for group in &row.groups {
            script.add("account_group", &[quoted(account_id(at)), quoted(group)]);
        }
        for (position, role) in row.roles.iter().enumerate() {
            script.add(
                "account_role",
                &[
                    quoted(account_id(at)),
                    position.to_string(),
                    "NULL".to_owned(),
                    quoted(&role.namespace),
                    quoted(&role.name),
                    quoted(&role.revision),
                    "false".to_owned(),
                    json(&role.content),
                ],
            );
        }
    }
}

fn grants(world: &World, script: &mut Script, real: Timestamp) {
    for (at, grant) in world.grants.iter().enumerate() {
        script.object(object_id(3, at), "DeviceGrant", "root", &format!("g{at}"));
        let selection = if grant.devices.is_some() { "'{\"all\":true}'" } else { "'{}'" };
        let (from, until) = grant.times;
        script.add(
            GRANT,
            &[
                quoted(grant_id(at)),
                quoted(object_id(3, at)),
                quoted(tenant_id(grant.tenant)),
                "'root'".to_owned(),
                quoted(format!("g{at}")),
                quoted(grant.mode.as_str()),
                "NULL".to_owned(),
                selection.to_owned(),
                json(&grant.permissions),
                or_null(from.map(|t| moved(t, real))),
                or_null(until.map(|t| moved(t, real))),
                "'ReturnToGrantor'".to_owned(),
                or_null(grant.giver.map(account_id)),
                "'2026-01-01T00:00:00Z'".to_owned(),
                "'2026-01-01T00:00:00Z'".to_owned(),
            ],
        );
        match &grant.to {
            To::Tenant(tenant) => script.receiver(at, Some(*tenant), None, None),
            To::Accounts(accounts) => {
                accounts.iter().for_each(|to| script.receiver(at, None, Some(*to), None))
            }
            To::Group(name) => script.receiver(at, Some(grant.tenant), None, Some(name)),
        }
        for device in grant.devices.iter().flatten() {
            let given =
                grant.mode == Mode::Share || world.links(*device).iter().any(|(by, ..)| *by == Some(at));
            // Between two passes a Share may be marked for another time.
            let state = match (given, script.roll(4)) {
                (false, _) => "pending",
                (true, 0) if grant.mode == Mode::Share => "idle",
                _ => "applied",
            };
            script.mark(at, *device, state);
        }
    }
}

fn chain(world: &World, script: &mut Script, device: usize, real: Timestamp) {
    let links = world.links(device);
    let held = match world.devices[device] {
        Held::Nobody => None,
        Held::ByTenant(tenant) => Some((tenant, None)),
        Held::ByAccount(account) => Some((world.accounts[account].tenant, Some(account))),
    };
    let home = links.first().map_or(held.map(|(tenant, _)| tenant), |(grant, tenant, _)| {
        Some(grant.map_or(*tenant, |grant| world.grants[grant].tenant))
    });
    let mut all = links;
    let mut stored = held;
    let mut marks = vec![];
    let overdue = script.roll(3) == 0;
    if let Some(home) = home.filter(|_| overdue) {
        // An Assign that is over, or has not begun, and one behind it.
        let living = world.living();
        let hour = SignedDuration::from_hours(1);
        let over = match script.roll(2) {
            0 => ("NULL".to_owned(), quoted(real - hour)),
            _ => (quoted(real + hour), "NULL".to_owned()),
        };
        let grants = [
            script.grant(
                "Assign",
                home,
                "{\"allow\":[{\"resources\":[\"*\"],\"operations\":[\"*\"]}]}",
                over,
                true,
            ),
            script.grant(
                "Assign",
                home,
                "{\"deny\":[{\"resources\":[\"*\"],\"operations\":[\"*\"]}]}",
                ("NULL".to_owned(), "NULL".to_owned()),
                true,
            ),
        ];
        let depth = 1 + script.pick(2);
        for grant in grants.into_iter().take(depth) {
            let to = living[script.pick(living.len())];
            let account = (script.roll(2) == 0).then_some(to);
            let tenant = world.accounts[to].tenant;
            script.receiver(grant, if account.is_some() { None } else { Some(tenant) }, account, None);
            marks.push(grant);
            all.push((Some(grant), tenant, account));
            stored = Some((tenant, account));
        }
    }
    script.add(
        "device",
        &[
            quoted(format!("d{device}")),
            "NULL".to_owned(),
            "'n'".to_owned(),
            "'{}'".to_owned(),
            or_null(home.map(tenant_id)),
            or_null(stored.map(|(tenant, _)| tenant_id(tenant))),
            or_null(stored.and_then(|(_, account)| account).map(account_id)),
            "'2026-01-01T00:00:00Z'".to_owned(),
        ],
    );
    for grant in marks {
        script.mark(grant, device, "applied");
    }
    for (position, link) in all.into_iter().enumerate() {
        script.link(device, position, link);
    }
}

/// Grants that would allow or deny everything to everybody if they counted.
fn nothing(world: &World, script: &mut Script) {
    let none = || ("NULL".to_owned(), "NULL".to_owned());
    let rules = "{\"allow\":[{\"resources\":[\"*\"],\"operations\":[\"*\"]}],\"deny\":[{\"resources\":[\"device\"],\"operations\":[\"view\"]}]}";
    for (object, state) in [(false, "applied"), (true, "pending"), (true, "refused"), (true, "waiting")] {
        let grant = script.grant("Share", 0, rules, none(), object);
        for tenant in 0..world.tenants.len() {
            script.receiver(grant, Some(tenant), None, None);
        }
        for device in 0..world.devices.len() {
            script.mark(grant, device, state);
        }
    }
}
