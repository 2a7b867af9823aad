//! Good and bad objects of each kind. Each bad one breaks one rule or bound; the tests demand that
//! every CEL rule is broken by one of them.

use serde_json::{Value, json};
use tenantry::api::Kind;

/// A spec, what it was before if it is a change, and the fault that is expected, if any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Example {
    pub(crate) kind: Kind,
    pub(crate) spec: &'static str,
    pub(crate) before: Option<&'static str>,
    pub(crate) field: &'static str,
    pub(crate) message: &'static str,
}

impl Example {
    fn new(kind: Kind, spec: &'static str) -> Self {
        Self { kind, spec, before: None, field: "", message: "" }
    }

    fn wrong(self, field: &'static str, message: &'static str) -> Self {
        Self { field, message, ..self }
    }

    fn before(self, spec: &'static str) -> Self {
        Self { before: Some(spec), ..self }
    }

    pub(crate) fn document(&self) -> Value {
        self.with(self.spec)
    }

    pub(crate) fn old(&self) -> Option<Value> {
        self.before.map(|spec| self.with(spec))
    }

    fn with(&self, spec: &str) -> Value {
        let spec: Value = serde_yaml::from_str(spec).unwrap();
        json!({
            "apiVersion": "tenantry.dev/v1alpha1",
            "kind": self.kind.as_str(),
            "metadata": {"name": "example", "namespace": "customers"},
            "spec": spec,
        })
    }
}

fn tenant(spec: &'static str) -> Example {
    Example::new(Kind::Tenant, spec)
}

fn role(spec: &'static str) -> Example {
    Example::new(Kind::Role, spec)
}

fn account(spec: &'static str) -> Example {
    Example::new(Kind::SubAdmin, spec)
}

fn grant(spec: &'static str) -> Example {
    Example::new(Kind::DeviceGrant, spec)
}

pub(crate) fn good() -> Vec<Example> {
    vec![
        tenant("{}"),
        tenant("{parentRef: {name: acme, namespace: root}, managedByRef: {name: na}}"),
        tenant("{ownerRef: {name: kim}}").before("{}"),
        tenant("{ownerRef: {name: kim}, displayName: North}").before("{ownerRef: {name: kim}}"),
        // An empty block means the same as none.
        tenant("{limits: {accounts: {}}, mail: {server: {}}, branding: {}, allowedNamespaces: {}}"),
        tenant("{limits: {accounts: {byTier: [], byRole: []}}, mail: {server: {tls: StartTLS}}}"),
        // So does null.
        tenant("{displayName: null, parentRef: null, limits: null, enabled: null, mail: {server: null}}"),
        tenant("{allowedNamespaces: {from: All}}"),
        tenant("{allowedNamespaces: {from: Selector, selector: {matchLabels: {customer: acme}}}}"),
        tenant(
            "{allowedNamespaces: {from: Selector, selector: {matchExpressions: [{key: a/b, operator: In, values: [x]}, {key: c, operator: Exists, values: []}]}}}",
        ),
        tenant(
            "{limits: {devices: 0, tenants: 5, accounts: {total: 10, byTier: [{tier: Admin, max: 2}], byRole: [{roleRef: {name: a}, max: 1}, {roleRef: {name: a, namespace: b}, max: 1}]}}}",
        ),
        tenant(
            "{mail: {from: 'ACME <no-reply@acme.example>', replyTo: help@acme.example, server: {host: mail.acme.example, port: 587, tls: Implicit, credentialsSecretRef: {name: smtp}}}}",
        ),
        tenant("{mail: {server: {host: '::1', tls: None}}, limits: {devices: 3.0}}"),
        tenant("{displayName: 'Größe & Söhne 東京', branding: {productName: Hub, supportEmail: help@größe.example}}"),
        role("{tenantRef: {name: acme}}"),
        role("{tenantRef: {name: acme}, capabilities: [], permissions: {allow: [], deny: []}}"),
        role(
            "{tenantRef: {name: acme}, permissions: {allow: [{resources: ['*', cameras.*, bucket.north-temps], operations: [view]}], deny: [{resources: [device], operations: ['*']}]}, capabilities: [ManageUsers, ManageRoles], individualAccess: true, propagation: Immediate}",
        )
        .before("{tenantRef: {name: acme}}"),
        account("{tenantRef: {name: acme}, username: kim, email: kim@example.org}"),
        account(
            "{tenantRef: {name: acme}, username: Kim Lee, email: kim@example.org, capabilities: {}, manageableScope: {}, activation: {}, permissions: {}, roles: [], groups: []}",
        ),
        account(
            "{tenantRef: {name: acme}, username: kim, email: k.i+m@sub.example.org, tier: Root, permissions: {allow: [{resources: ['*'], operations: ['*']}], deny: []}}",
        ),
        account(
            "{tenantRef: {name: acme}, username: kim, email: kim@example.org, tier: Admin, individualAccess: false, permissions: {deny: [{resources: [device], operations: [manage]}]}, roles: [{name: a}, {name: a, namespace: b}, {name: c, revision: 0123456789ab}], groups: [Night shift, Day shift]}",
        ),
        account(
            "{tenantRef: {name: acme}, username: kim, email: kim@example.org, capabilities: {from: List, names: [ManageUsers]}, manageableScope: {from: List, tenants: [{name: north}], groups: [staff], roles: [{name: a}]}}",
        ),
        account("{tenantRef: {name: acme}, username: kim, email: kim@example.org, capabilities: {from: List}}"),
        account("{tenantRef: {name: acme}, username: kim, email: kim@example.org, activation: {expiresAfter: 10m, locale: pt-BR}}"),
        account("{tenantRef: {name: acme}, username: kim, email: kim@example.org, activation: {expiresAfter: 719h59m60s}}"),
        account("{tenantRef: {name: acme}, username: new, email: new@example.org, tier: Admin}")
            .before("{tenantRef: {name: acme}, username: kim, email: kim@example.org}"),
        grant("{tenantRef: {name: acme}, mode: Share, to: {groups: [staff]}}"),
        grant("{tenantRef: {name: acme}, mode: Share, to: {groups: [staff], subAdminRefs: []}, devices: {}, permissions: {}}"),
        grant("{tenantRef: {name: acme}, mode: Share, to: {subAdminRefs: [{name: a}, {name: b, namespace: c}]}, devices: {all: false}}"),
        grant("{tenantRef: {name: acme}, mode: Assign, to: {tenantRef: {name: north}}, devices: {all: true}}"),
        grant("{tenantRef: {name: acme}, mode: Assign, to: {subAdminRefs: [{name: a}]}, devices: {deviceIds: [d-1, 'AA:BB'], unitIds: []}, reclaim: Retain}"),
        grant(
            "{tenantRef: {name: acme}, mode: Assign, to: {subAdminRefs: [{name: a}]}, devices: {selector: {matchLabels: {site: north}}}, project: North, notBefore: '2030-01-01T00:00:00Z', expiresAt: '2030-01-01T02:00:00+01:00'}",
        )
        .before("{tenantRef: {name: acme}, mode: Assign, to: {tenantRef: {name: north}}, devices: {unitIds: [u]}}"),
    ]
}

pub(crate) fn bad() -> Vec<Example> {
    const KIM: &str = "{tenantRef: {name: acme}, username: kim, email: kim@example.org}";
    vec![
        // Rules: Tenant
        tenant("{ownerRef: {name: lee}}")
            .before("{ownerRef: {name: kim}}")
            .wrong("spec.ownerRef", "cannot be changed"),
        tenant("{}")
            .before("{ownerRef: {name: kim}}")
            .wrong("spec.ownerRef", "cannot be changed or removed"),
        tenant("{ownerRef: null}")
            .before("{ownerRef: {name: kim}}")
            .wrong("spec.ownerRef", "cannot be changed or removed"),
        tenant("{allowedNamespaces: {from: Selector}}")
            .wrong("spec.allowedNamespaces.selector", "is needed with from: Selector"),
        tenant("{allowedNamespaces: {from: All, selector: {matchLabels: {a: b}}}}")
            .wrong("spec.allowedNamespaces.selector", "read only with from: Selector"),
        tenant("{allowedNamespaces: {selector: {matchLabels: {a: b}}}}")
            .wrong("spec.allowedNamespaces.selector", "read only with from: Selector"),
        tenant("{allowedNamespaces: {from: Selector, selector: {matchLabels: {}, matchExpressions: []}}}")
            .wrong("spec.allowedNamespaces.selector", "would match everything"),
        tenant("{allowedNamespaces: {from: Selector, selector: {matchLabels: {'': b}}}}")
            .wrong("spec.allowedNamespaces.selector.matchLabels", "1 to 317 characters"),
        tenant("{allowedNamespaces: {from: Selector, selector: {matchExpressions: [{key: a, operator: NotIn}]}}}")
            .wrong("spec.allowedNamespaces.selector.matchExpressions[0].values", "name at least one"),
        tenant("{allowedNamespaces: {from: Selector, selector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}}")
            .wrong("spec.allowedNamespaces.selector.matchExpressions[0].values", "take no values"),
        tenant("{limits: {accounts: {byRole: [{roleRef: {name: a}, max: 1}, {roleRef: {name: a}, max: 2}]}}}")
            .wrong("spec.limits.accounts.byRole", "limited twice"),
        tenant("{mail: {server: {port: 25}}}").wrong("spec.mail.server.host", "name the mail server"),
        tenant("{mail: {server: {tls: None}}}").wrong("spec.mail.server.host", "name the mail server"),
        tenant("{mail: {server: {host: a, tls: None, credentialsSecretRef: {name: s}}}}")
            .wrong("spec.mail.server.credentialsSecretRef", "password in the open"),
        // Rules: Role
        role("{tenantRef: {name: north}}")
            .before("{tenantRef: {name: acme}}")
            .wrong("spec.tenantRef", "cannot be changed"),
        // Rules: SubAdmin
        account("{tenantRef: {name: north}, username: kim, email: kim@example.org}")
            .before(KIM)
            .wrong("spec.tenantRef", "cannot be changed"),
        account("{tenantRef: {name: acme}, username: kim, email: kim@example.org, tier: Root, individualAccess: true}")
            .wrong("spec.individualAccess", "refused on tier: Root"),
        account("{tenantRef: {name: acme}, username: kim, email: kim@example.org, tier: Root, permissions: {deny: [{resources: [a], operations: [b]}]}}")
            .wrong("spec.permissions.deny", "refused on tier: Root"),
        account("{tenantRef: {name: acme}, username: kim, email: kim@example.org, roles: [{name: a}, {name: b}, {name: a, revision: 0123456789ab}]}")
            .wrong("spec.roles", "the same Role twice"),
        account("{tenantRef: {name: acme}, username: kim, email: kim@example.org, capabilities: {names: [ManageUsers]}}")
            .wrong("spec.capabilities.names", "only with from: List"),
        account("{tenantRef: {name: acme}, username: kim, email: kim@example.org, manageableScope: {groups: [a]}}")
            .wrong("spec.manageableScope.from", "only with from: List"),
        account("{tenantRef: {name: acme}, username: kim, email: kim@example.org, activation: {expiresAfter: 9m59s}}")
            .wrong("spec.activation.expiresAfter", "between 10m and 720h"),
        account("{tenantRef: {name: acme}, username: kim, email: kim@example.org, activation: {expiresAfter: 720h1s}}")
            .wrong("spec.activation.expiresAfter", "between 10m and 720h"),
        // Rules: DeviceGrant
        grant("{tenantRef: {name: b}, mode: Share, to: {groups: [g]}}")
            .before("{tenantRef: {name: a}, mode: Share, to: {groups: [g]}}")
            .wrong("spec.tenantRef", "cannot be changed"),
        grant("{tenantRef: {name: a}, mode: Share, to: {tenantRef: {name: b}}}")
            .before("{tenantRef: {name: a}, mode: Assign, to: {tenantRef: {name: b}}, devices: {all: true}}")
            .wrong("spec.mode", "cannot be changed"),
        grant("{tenantRef: {name: a}, mode: Share, to: {}}").wrong("spec.to", "exactly one of"),
        grant("{tenantRef: {name: a}, mode: Share, to: {groups: []}}").wrong("spec.to", "exactly one of"),
        grant("{tenantRef: {name: a}, mode: Share, to: {groups: [g], tenantRef: {name: b}}}")
            .wrong("spec.to", "exactly one of"),
        grant("{tenantRef: {name: a}, mode: Assign, to: {groups: [g]}, devices: {all: true}}")
            .wrong("spec.to", "one tenant or exactly one account"),
        grant("{tenantRef: {name: a}, mode: Assign, to: {subAdminRefs: [{name: b}, {name: c}]}, devices: {all: true}}")
            .wrong("spec.to", "one tenant or exactly one account"),
        grant("{tenantRef: {name: a}, mode: Assign, to: {tenantRef: {name: b}}}")
            .wrong("spec.devices", "an Assign needs devices"),
        grant("{tenantRef: {name: a}, mode: Assign, to: {tenantRef: {name: b}}, devices: {deviceIds: [], all: false}}")
            .wrong("spec.devices", "an Assign needs devices"),
        grant("{tenantRef: {name: a}, mode: Share, to: {groups: [g]}, notBefore: '2030-01-01T01:00:00+01:00', expiresAt: '2030-01-01T00:00:00Z'}")
            .wrong("spec.expiresAt", "later than notBefore"),
        grant("{tenantRef: {name: a}, mode: Share, to: {groups: [g]}, devices: {selector: {}}}")
            .wrong("spec.devices.selector", "would match everything"),
        grant("{tenantRef: {name: a}, mode: Share, to: {groups: [g]}, devices: {selector: {matchLabels: {'': b}}}}")
            .wrong("spec.devices.selector.matchLabels", "1 to 317 characters"),
        grant("{tenantRef: {name: a}, mode: Share, to: {groups: [g]}, devices: {selector: {matchExpressions: [{key: a, operator: In}]}}}")
            .wrong("spec.devices.selector.matchExpressions[0].values", "name at least one"),
        grant("{tenantRef: {name: a}, mode: Share, to: {groups: [g]}, devices: {selector: {matchExpressions: [{key: a, operator: DoesNotExist, values: [b]}]}}}")
            .wrong("spec.devices.selector.matchExpressions[0].values", "take no values"),
        // Bounds and shapes
        tenant("{display: North}").wrong("spec.display", "is not a field here"),
        tenant("{displayname: North}").wrong("spec.displayname", "did you mean displayName?"),
        tenant("{displayName: ''}").wrong("spec.displayName", "is empty"),
        tenant("{displayName: \"a\\u0007b\"}").wrong("spec.displayName", "must be one line"),
        tenant("{displayName: \"a\\nb\"}").wrong("spec.displayName", "must be one line"),
        tenant("{displayName: \"a\\u202Eb\"}").wrong("spec.displayName", "must be one line"),
        tenant("{displayName: 7}").wrong("spec.displayName", "put it in quotes"),
        tenant("{enabled: 'true'}").wrong("spec.enabled", "without quotes"),
        tenant("{parentRef: {}}").wrong("spec.parentRef.name", "is missing: add it (Name of the object)"),
        tenant("{parentRef: {name: Acme}}").wrong("spec.parentRef.name", "lower-case letters"),
        tenant("{parentRef: {name: a, namespace: a.b}}").wrong("spec.parentRef.namespace", "lower-case letters"),
        tenant("{limits: {devices: -1}}").wrong("spec.limits.devices", "at least 0"),
        tenant("{limits: {devices: 1000000001}}").wrong("spec.limits.devices", "at most 1000000000"),
        tenant("{limits: {devices: many}}").wrong("spec.limits.devices", "a whole number"),
        tenant("{limits: {accounts: {byTier: [{tier: Basic, max: 1}, {tier: Admin, max: 1}, {tier: Basic, max: 2}]}}}")
            .wrong("spec.limits.accounts.byTier[2]", "is there already, as entry 0"),
        tenant("{limits: {accounts: {byTier: [{tier: Admin}]}}}").wrong("spec.limits.accounts.byTier[0].max", "is missing"),
        tenant("{mail: {from: no address}}").wrong("spec.mail.from", "an e-mail address"),
        tenant("{mail: {from: \"A\\r\\nBcc: b@c.example <d@e.example>\"}}").wrong("spec.mail.from", "an e-mail address"),
        tenant("{mail: {server: {host: 'a b'}}}").wrong("spec.mail.server.host", "a host name"),
        tenant("{mail: {server: {host: a, port: 65536}}}").wrong("spec.mail.server.port", "at most 65535"),
        tenant("{deletionPolicy: cascade}").wrong("spec.deletionPolicy", "did you mean Cascade?"),
        role("{tenantRef: {name: acme}, capabilities: [ManageSubscription]}")
            .wrong("spec.capabilities[0]", "is never given"),
        role("{tenantRef: {name: acme}, capabilities: [ManageUsers, ManageUsers]}")
            .wrong("spec.capabilities[1]", "is there already"),
        role("{tenantRef: {name: acme}, permissions: {allow: [{resources: [], operations: [view]}]}}")
            .wrong("spec.permissions.allow[0].resources", "at least 1"),
        role("{tenantRef: {name: acme}, permissions: {allow: [{resources: [device/7], operations: [view]}]}}")
            .wrong("spec.permissions.allow[0].resources[0]", "dotted words"),
        role("{tenantRef: {name: acme}, permissions: {deny: [{resources: [device]}]}}")
            .wrong("spec.permissions.deny[0].operations", "is missing"),
        role("{}").wrong("spec.tenantRef", "is missing"),
        account("{tenantRef: {name: acme}, username: kim, email: secret.person}").wrong("spec.email", "an e-mail address"),
        account("{tenantRef: {name: acme}, username: kim, email: 'secret.person @example.org'}")
            .wrong("spec.email", "an e-mail address"),
        account("{tenantRef: {name: acme}, username: secret.person@x, email: kim@example.org}")
            .wrong("spec.username", "without @"),
        account("{tenantRef: {name: acme}, username: kim, email: kim@example.org, mobile: \"secret.person\\t\"}")
            .wrong("spec.mobile", "must be one line"),
        account("{tenantRef: {name: acme}, username: kim, email: kim@example.org, tier: Owner}")
            .wrong("spec.tier", "use one of Basic, Admin, SuperAdmin, Root"),
        account("{tenantRef: {name: acme}, username: kim, email: kim@example.org, roles: [{name: a, revision: v2}]}")
            .wrong("spec.roles[0].revision", "at least 12"),
        account("{tenantRef: {name: acme}, username: kim, email: kim@example.org, activation: {expiresAfter: 3d}}")
            .wrong("spec.activation.expiresAfter", "72h, 90m or 1h30m"),
        account("{tenantRef: {name: acme}, username: kim, email: kim@example.org, groups: [a, a]}")
            .wrong("spec.groups[1]", "is there already"),
        grant("{tenantRef: {name: a}, mode: Share, to: {groups: [g]}, expiresAt: '2030-02-30T00:00:00Z'}")
            .wrong("spec.expiresAt", "must be a time such as"),
        grant("{tenantRef: {name: a}, mode: Share, to: {groups: [g]}, expiresAt: tomorrow, notBefore: '2030-01-01T00:00:00Z'}")
            .wrong("spec.expiresAt", "at least 20"),
        grant("{tenantRef: {name: a}, mode: Move, to: {groups: [g]}}").wrong("spec.mode", "use one of Assign, Share"),
        grant("{tenantRef: {name: a}, to: {groups: [g]}}").wrong("spec.mode", "write one of Assign, Share"),
        grant("{tenantRef: {name: a}, mode: Share, to: {groups: [g]}, devices: {deviceIds: ['a b']}}")
            .wrong("spec.devices.deviceIds[0]", "one word"),
    ]
}
