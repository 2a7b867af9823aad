//! The four kinds as Kubernetes types: what people write in YAML and read back in a status. This
//! room says what an object looks like and judges whether one looks right; it knows neither the
//! rules, the database nor a cluster. Anything may call it; it calls nothing else in the crate.

mod bounds;
mod crds;
pub mod devicegrant;
mod kind;
pub mod role;
pub mod shared;
pub mod subadmin;
pub mod tenant;
pub mod validate;

pub use crds::{crd, crds, crds_yaml};
pub use devicegrant::{DeviceGrant, DeviceGrantSpec, DeviceGrantStatus};
pub use kind::Kind;
pub use role::{Role, RoleSpec, RoleStatus};
pub use subadmin::{SubAdmin, SubAdminSpec, SubAdminStatus};
pub use tenant::{Tenant, TenantSpec, TenantStatus};

pub use shared::{
    Capability, Condition, ConditionStatus, LabelSelector, LocalRef, ObjectRef, PermissionRule, Permissions,
    QuotaLine, SecretRef, Tier,
};
pub use validate::{Fault, Validate, faults_in, faults_in_change, faults_in_status, with_defaults};

/// The API group of the four kinds.
pub const GROUP: &str = "tenantry.dev";
/// The version of the four kinds.
pub const VERSION: &str = "v1alpha1";
/// Group and version as manifests write them.
pub const API_VERSION: &str = "tenantry.dev/v1alpha1";
/// The category that lists all four kinds: `kubectl get tenantry`.
pub const CATEGORY: &str = "tenantry";
/// The finalizer that an object carries while the database holds anything of it.
pub const FINALIZER: &str = "tenantry.dev/cleanup";
/// The label by which a Secret's owner says what Tenantry may use it for: `mail` or `password`.
pub const USE_LABEL: &str = "tenantry.dev/use";

/// The most characters of a text in a status, such as the message of a condition.
pub const REPORT_MAX: usize = 4096;
/// The most characters of a short text in a status, and of the value of an annotation of ours.
pub const MARK_MAX: usize = 512;

/// A text cut to at most `most` characters, so that a status holding it can be written.
pub fn fit(text: &str, most: usize) -> std::borrow::Cow<'_, str> {
    if text.chars().nth(most).is_none() {
        return text.into();
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut.into()
}

/// Annotations that people set on objects.
pub mod annotation {
    /// `"true"`: no change at all, a deletion waits, rights already given stay.
    pub const PAUSED: &str = "tenantry.dev/paused";
    /// Any new value sends the activation mail again.
    pub const RESEND_ACTIVATION: &str = "tenantry.dev/resend-activation";
    /// Any new value assigns the Roles again at their current revisions.
    pub const REASSIGN_ROLES: &str = "tenantry.dev/reassign-roles";
    /// Equal to `status.impact.digest`: a cascading deletion may go on.
    pub const CONFIRM_DELETE: &str = "tenantry.dev/confirm-delete";
    /// `"true"`: take over an unmanaged row of the same natural key in the same tenant.
    pub const ADOPT: &str = "tenantry.dev/adopt";
}
