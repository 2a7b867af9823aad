//! A question about a right as somebody writes it.

use std::fmt;

use super::super::asked::{Malformed, SOURCE, bounded, name, part};
use crate::domain::capability::Capability;
use crate::domain::object::{Kind, ObjectKey};
use crate::domain::tenant::key as tenant_key;

/// What a right is used on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A Tenant, a SubAdmin or a Role.
    Object(ObjectKey),
    /// A group of a tenant; it need not have members yet.
    Group {
        /// The tenant's object.
        tenant: ObjectKey,
        /// The group's name.
        name: String,
    },
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(key) => key.fmt(f),
            Self::Group { tenant, name } => write!(f, "group {name} of {tenant}"),
        }
    }
}

/// A well-formed question about a right.
#[derive(Clone, PartialEq, Eq)]
pub struct AskedRight {
    pub(in crate::engine::questions) account: String,
    pub(in crate::engine::questions) capability: Capability,
    pub(in crate::engine::questions) thing: Thing,
    pub(in crate::engine::questions) source: Option<String>,
}

/// Accounts may be named by their e-mail, which stands in no log.
impl fmt::Debug for AskedRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AskedRight")
            .field("capability", &self.capability)
            .field("thing", &self.thing)
            .finish_non_exhaustive()
    }
}

impl AskedRight {
    /// The capability that a word names, if it names one: other words are
    /// operations.
    pub fn capability(word: &str) -> Option<Capability> {
        Self::meant(word).filter(|capability| capability.as_str() == word)
    }

    /// The capability that a word names in letters of any case. No operation is
    /// called so: a slip would be denied as one that nobody was ever given.
    pub(in crate::engine::questions) fn meant(word: &str) -> Option<Capability> {
        let mut all = Capability::GIVEN.into_iter().chain([Capability::ManageSubscription]);
        all.find(|capability| capability.as_str().eq_ignore_ascii_case(word))
    }

    /// The question, if it is well-formed: `thing` is `tenant/NAMESPACE/NAME`,
    /// `subadmin/...`, `role/...`, or `group/NAMESPACE/TENANT/GROUP`. `source`
    /// says whose objects are meant if several sources have one of the name.
    pub fn new(
        account: &str,
        capability: Capability,
        thing: &str,
        source: Option<&str>,
    ) -> Result<Self, Malformed> {
        let thing = parse(thing).ok_or(Malformed::Thing)?;
        if capability == Capability::ManageSubscription
            && !matches!(&thing, Thing::Object(key) if key.kind == Kind::Tenant)
        {
            return Err(Malformed::Subscription);
        }
        let source = source.filter(|source| !source.is_empty());
        if source.is_some_and(|source| !bounded(source, SOURCE)) {
            return Err(Malformed::Source);
        }
        let source = source.map(str::to_owned);
        Ok(Self { account: name("account", account)?, capability, thing, source })
    }

    /// The same question by another account, which exists.
    pub(in crate::engine::questions) fn by(&self, account: &str) -> Self {
        Self { account: account.to_owned(), ..self.clone() }
    }
}

fn parse(text: &str) -> Option<Thing> {
    let parts: Vec<&str> = text.splitn(4, '/').collect();
    if !parts.iter().all(|text| part(text)) {
        return None;
    }
    match parts.as_slice() {
        ["group", namespace, tenant, group] => {
            Some(Thing::Group { tenant: tenant_key(namespace, tenant), name: (*group).to_owned() })
        }
        [kind, namespace, name] => {
            let kind = match *kind {
                "tenant" => Kind::Tenant,
                "subadmin" => Kind::SubAdmin,
                "role" => Kind::Role,
                _ => return None,
            };
            Some(Thing::Object(ObjectKey::new(kind, *namespace, *name)))
        }
        _ => None,
    }
}
