//! What people wrote, in the domain's terms: the parts of specs that several
//! kinds share. The schema has judged the form already.

use std::collections::BTreeSet;

use crate::domain::account::Ref;

/// References as written, with their namespaces filled in.
pub(crate) fn refs(list: &[crate::api::ObjectRef], own: &str) -> BTreeSet<Ref> {
    list.iter().map(|r| Ref { namespace: r.namespace_from(own).to_owned(), name: r.name.clone() }).collect()
}

/// Rules as written in a spec.
pub(crate) fn permissions(written: &crate::api::Permissions) -> crate::domain::permission::Permissions {
    use crate::domain::permission::{Pattern, Permissions, Rule};
    let rules = |list: &[crate::api::PermissionRule]| {
        list.iter()
            .map(|rule| Rule {
                resources: rule.resources.iter().map(Pattern::new).collect(),
                operations: rule.operations.iter().map(Pattern::new).collect(),
            })
            .collect()
    };
    Permissions { allow: rules(&written.allow), deny: rules(&written.deny) }
}

/// A label selector as written in a spec.
pub(crate) fn selector(written: &crate::api::LabelSelector) -> crate::domain::tenant::Selector {
    use crate::api::shared::LabelOperator;
    use crate::domain::tenant::{Operator, Requirement, Selector};
    Selector {
        labels: written.match_labels.clone(),
        expressions: written
            .match_expressions
            .iter()
            .map(|r| Requirement {
                key: r.key.clone(),
                operator: match r.operator {
                    LabelOperator::In => Operator::In,
                    LabelOperator::NotIn => Operator::NotIn,
                    LabelOperator::Exists => Operator::Exists,
                    LabelOperator::DoesNotExist => Operator::DoesNotExist,
                },
                values: r.values.clone(),
            })
            .collect(),
    }
}

/// A capability as written in a spec.
pub(crate) fn capability(written: crate::api::Capability) -> crate::domain::capability::Capability {
    use crate::api::Capability as Api;
    use crate::domain::capability::Capability;
    match written {
        Api::ManageTenants => Capability::ManageTenants,
        Api::ManageUsers => Capability::ManageUsers,
        Api::ManageUserGroups => Capability::ManageUserGroups,
        Api::ManageRoles => Capability::ManageRoles,
        Api::AssignAssetPermissions => Capability::AssignAssetPermissions,
        Api::ManageApplications => Capability::ManageApplications,
        Api::ManageAuditLogs => Capability::ManageAuditLogs,
        Api::ManageResources => Capability::ManageResources,
        Api::ManagePlugins => Capability::ManagePlugins,
        Api::ManageProjects => Capability::ManageProjects,
        Api::ManageBranding => Capability::ManageBranding,
    }
}

/// A tier as written in a spec.
pub(crate) fn tier(written: crate::api::Tier) -> crate::domain::tier::Tier {
    use crate::domain::tier::Tier;
    match written {
        crate::api::Tier::Basic => Tier::Basic,
        crate::api::Tier::Admin => Tier::Admin,
        crate::api::Tier::SuperAdmin => Tier::SuperAdmin,
        crate::api::Tier::Root => Tier::Root,
    }
}
