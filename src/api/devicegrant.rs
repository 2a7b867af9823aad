//! The kind DeviceGrant: which devices, to whom, to do what. Types only; anything may use them.

#![expect(unreachable_pub, reason = "the derived schemas repeat each type inside a function, `pub` included")]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds;
use super::shared::{Condition, LabelSelector, LocalRef, ObjectRef, Permissions};

/// Which devices, to whom, to do what.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "tenantry.dev",
    version = "v1alpha1",
    kind = "DeviceGrant",
    plural = "devicegrants",
    singular = "devicegrant",
    shortname = "dgrant",
    category = "tenantry",
    namespaced,
    status = "DeviceGrantStatus",
    derive = "PartialEq",
    doc = "Which devices, to whom, to do what. An Assign moves devices to one receiver; a Share gives permissions and leaves the devices where they are.",
    selectable = ".spec.tenantRef.name",
    printcolumn = r#"{"name": "Tenant", "type": "string", "jsonPath": ".spec.tenantRef.name", "description": "The tenant that gives"}"#,
    printcolumn = r#"{"name": "Mode", "type": "string", "jsonPath": ".spec.mode", "description": "Assign moves the devices, Share leaves them"}"#,
    printcolumn = r#"{"name": "Applied", "type": "integer", "jsonPath": ".status.devices.applied", "description": "Devices to which the grant applies"}"#,
    printcolumn = r#"{"name": "Requested", "type": "integer", "jsonPath": ".status.devices.requested", "description": "Devices that were asked for"}"#,
    printcolumn = r#"{"name": "Project", "type": "string", "jsonPath": ".spec.project", "description": "The project that the grant belongs to"}"#,
    printcolumn = r#"{"name": "Expires", "type": "string", "jsonPath": ".spec.expiresAt", "description": "When the grant ends", "priority": 1}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status", "description": "Whether the database holds what this object says"}"#,
    printcolumn = r#"{"name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].reason", "description": "Why it is ready or not"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "description": "Time since creation"}"#
)]
#[x_kube(
    validation = Rule::new("self.tenantRef == oldSelf.tenantRef")
        .message("cannot be changed: create the grant in the other tenant instead")
        .field_path(".tenantRef"),
    validation = Rule::new("self.mode == oldSelf.mode")
        .message("cannot be changed: delete the grant and create it with the other mode")
        .field_path(".mode"),
    validation = Rule::new("self.mode != 'Assign' || has(self.to.tenantRef) || (has(self.to.subAdminRefs) && size(self.to.subAdminRefs) == 1)")
        .message("an Assign moves devices to one receiver: name one tenant or exactly one account, or use mode: Share")
        .field_path(".to"),
    validation = Rule::new("self.mode != 'Assign' || (has(self.devices) && ((has(self.devices.deviceIds) && size(self.devices.deviceIds) > 0) || (has(self.devices.unitIds) && size(self.devices.unitIds) > 0) || has(self.devices.selector) || (has(self.devices.all) && self.devices.all)))")
        .message("an Assign needs devices: name deviceIds, unitIds, a selector or all: true")
        .field_path(".devices"),
    validation = Rule::new("!has(self.notBefore) || !has(self.expiresAt) || self.notBefore < self.expiresAt")
        .message("must be later than notBefore")
        .field_path(".expiresAt")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceGrantSpec {
    /// The Tenant, in the same namespace, that gives. Cannot be changed.
    pub tenant_ref: LocalRef,
    /// The account that created this object and answers for it; absent: the platform itself,
    /// accepted only in a root namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_by_ref: Option<ObjectRef>,
    /// `Assign`: the devices move to the receiver, who holds them alone. `Share`: the receiver gets
    /// permissions and the devices stay. Cannot be changed.
    pub mode: GrantMode,
    /// Who receives: exactly one of the three.
    pub to: Receivers,
    /// Which devices. A Share without any means rules that ask for no device.
    #[serde(default, skip_serializing_if = "DeviceSelection::is_empty")]
    pub devices: DeviceSelection,
    /// What the receiver may do with the devices. Absent on an Assign to an account: everything
    /// that the giver may do with them.
    #[serde(default, skip_serializing_if = "Permissions::is_empty")]
    pub permissions: Permissions,
    /// A label that groups grants; the accounts that its grants reach are the project's members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::short_line")]
    pub project: Option<String>,
    /// When the grant begins to have effect, this moment included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::time")]
    pub not_before: Option<String>,
    /// When the grant ends, this moment not included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::time")]
    pub expires_at: Option<String>,
    /// Where the devices of an Assign go when it ends. Default `ReturnToGrantor`.
    #[serde(default)]
    pub reclaim: Reclaim,
}

/// Whether devices move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum GrantMode {
    /// The devices move to the receiver.
    Assign,
    /// The receiver gets permissions; the devices stay.
    #[default]
    Share,
}

/// Who receives a grant: exactly one of the three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
#[x_kube(
    validation = Rule::new("(has(self.tenantRef) ? 1 : 0) + (has(self.subAdminRefs) && size(self.subAdminRefs) > 0 ? 1 : 0) + (has(self.groups) && size(self.groups) > 0 ? 1 : 0) == 1")
        .message("needs exactly one of tenantRef, subAdminRefs and groups: write one grant for each")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Receivers {
    /// A tenant: every account of it, not of those below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_ref: Option<ObjectRef>,
    /// Accounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "bounds::refs")]
    pub sub_admin_refs: Vec<ObjectRef>,
    /// Groups of the tenant that gives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "bounds::groups")]
    pub groups: Vec<String>,
}

/// Which devices are meant: everything that any of the four names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceSelection {
    /// Ids of devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "bounds::ids")]
    pub device_ids: Vec<String>,
    /// Ids of units.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "bounds::ids")]
    pub unit_ids: Vec<String>,
    /// Labels of devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// All devices that the giver holds; false means the same as absent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
}

impl DeviceSelection {
    /// Whether no device is named, which means the same as an absent block.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

/// Where the devices of an Assign go when it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Reclaim {
    /// Back to the giver.
    #[default]
    ReturnToGrantor,
    /// They stay with the receiver.
    Retain,
}

/// What the controller reports about a DeviceGrant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceGrantStatus {
    /// How many devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<DeviceCounts>,
    /// The first 20 ids that wait, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "atomic"))]
    pub pending_ids: Vec<IdWithReason>,
    /// The first 20 ids that were refused, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "atomic"))]
    pub refused_ids: Vec<IdWithReason>,
    /// The last generation that was judged; -1: none yet.
    #[serde(default = "super::shared::unseen")]
    #[schemars(schema_with = "bounds::generation")]
    pub observed_generation: i64,
    /// The generation in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::generation")]
    pub applied_generation: Option<i64>,
    /// Facts about this object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "bounds::conditions")]
    pub conditions: Vec<Condition>,
}

/// The status of an object that nobody has looked at.
impl Default for DeviceGrantStatus {
    fn default() -> Self {
        Self {
            devices: None,
            pending_ids: Vec::new(),
            refused_ids: Vec::new(),
            observed_generation: super::shared::unseen(),
            applied_generation: None,
            conditions: Vec::new(),
        }
    }
}

/// How many devices a grant asks for and reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceCounts {
    /// Ids and units asked for by name, and devices that a selector or `all` finds.
    #[serde(default)]
    #[schemars(schema_with = "bounds::count")]
    pub requested: i64,
    /// Those found in the inventory and within the giver's reach.
    #[serde(default)]
    #[schemars(schema_with = "bounds::count")]
    pub matched: i64,
    /// Those to which the grant applies.
    #[serde(default)]
    #[schemars(schema_with = "bounds::count")]
    pub applied: i64,
    /// Those that wait.
    #[serde(default)]
    #[schemars(schema_with = "bounds::count")]
    pub pending: i64,
    /// Those that were refused.
    #[serde(default)]
    #[schemars(schema_with = "bounds::count")]
    pub refused: i64,
}

/// An id, and why the grant does not apply to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdWithReason {
    /// Id of a device or a unit.
    #[schemars(schema_with = "bounds::mark")]
    pub id: String,
    /// Why.
    #[schemars(schema_with = "bounds::report")]
    pub why: String,
}
