//! The text of the statement, in the shapes that a question can have. Each part
//! is one column of the one row: what belongs to one thing stands in columns,
//! what there may be several of in a JSON array of arrays, so that it travels
//! as it is and the order of its fields is written down here alone.

use super::super::sql::Sql;

/// What a question names decides what has to be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// The account is named by e-mail.
    pub(super) by_email: bool,
    /// It is about a device.
    pub(super) device: bool,
    /// It is about what somebody created; true: named by e-mail.
    pub(super) creator: Option<bool>,
}

macro_rules! flag {
    (postgres, $value:literal) => {
        concat!($value, "::int")
    };
    (sqlite, $value:literal) => {
        $value
    };
}

macro_rules! document {
    (postgres, $value:literal) => {
        $value
    };
    (sqlite, $value:literal) => {
        concat!("json(", $value, ")")
    };
}

macro_rules! seconds {
    (postgres, $value:literal) => {
        concat!("extract(epoch FROM ", $value, ")::bigint")
    };
    (sqlite, $value:literal) => {
        concat!("unixepoch(", $value, ")")
    };
}

macro_rules! array {
    (postgres, $($item:expr),+) => { concat!("json_build_array(", $($item),+, ")") };
    (sqlite, $($item:expr),+) => { concat!("json_array(", $($item),+, ")") };
}

macro_rules! all {
    (postgres, $item:expr, $from:expr) => {
        concat!("(SELECT json_agg(", $item, ") ", $from, ")")
    };
    (sqlite, $item:expr, $from:expr) => {
        concat!("(SELECT json_group_array(", $item, ") ", $from, ")")
    };
}

macro_rules! text {
    (postgres, $value:expr) => {
        concat!($value, "::text")
    };
    (sqlite, $value:expr) => {
        $value
    };
}

/// A tenant and all above it.
macro_rules! lineage {
    ($on:ident, $tenant:literal) => {
        text!(
            $on,
            all!(
                $on,
                array!(
                    $on,
                    "u.distance, t.id, t.path, ", flag!($on, "t.enabled"), ", ", flag!($on, "t.permitted"),
                    ", p.namespace, p.name, p.applied_generation"
                ),
                concat!(
                    "FROM tenant_ancestor u JOIN tenant t ON t.id = u.ancestor_id LEFT JOIN object p ON p.id = t.object_id WHERE u.tenant_id = ",
                    $tenant
                )
            )
        )
    };
}

/// Groups, roles and managers of another account.
macro_rules! person {
    ($on:ident, $account:literal, $object:literal, $prefix:literal) => {
        concat!(
            $account,
            ".id AS ",
            $prefix,
            "_id, ",
            $object,
            ".namespace AS ",
            $prefix,
            "_namespace, ",
            $object,
            ".name AS ",
            $prefix,
            "_name, ",
            $object,
            ".applied_generation AS ",
            $prefix,
            "_generation, ",
            text!(
                $on,
                all!(
                    $on,
                    array!($on, "m.distance, m.ancestor_id"),
                    concat!("FROM account_ancestor m WHERE m.account_id = ", $account, ".id")
                )
            ),
            " AS ",
            $prefix,
            "_managers, ",
            text!(
                $on,
                all!($on, "n.name", concat!("FROM account_group n WHERE n.account_id = ", $account, ".id"))
            ),
            " AS ",
            $prefix,
            "_groups, ",
            text!(
                $on,
                all!(
                    $on,
                    array!($on, "b.namespace, b.name"),
                    concat!("FROM account_role b WHERE b.account_id = ", $account, ".id")
                )
            ),
            " AS ",
            $prefix,
            "_roles"
        )
    };
}

/// A grant as it is offered to the account. Receivers are those that may be
/// about it or its groups.
macro_rules! offers {
    ($on:ident, $from:literal, $where:literal) => {
        text!(
            $on,
            all!(
                $on,
                array!(
                    $on,
                    "g.namespace, g.name, q.applied_generation, g.tenant_id, g.mode, ", document!($on, "g.permissions"), ", ",
                    seconds!($on, "g.not_before"), ", ", seconds!($on, "g.expires_at"), ", g.managed_by, i.tier, ",
                    all!(
                        $on,
                        array!($on, "r.account_id, r.tenant_id, r.group_name"),
                        "FROM grant_receiver r WHERE r.grant_id = g.id AND (r.account_id = c.id OR r.tenant_id = c.tenant_id)"
                    ),
                    ", g.id"
                ),
                concat!(
                    "FROM ", $from, " JOIN object q ON q.id = g.object_id LEFT JOIN account i ON i.id = g.managed_by WHERE ", $where
                )
            )
        )
    };
}

macro_rules! asker {
    ($on:ident) => {
        concat!(
            "c.id, c.username, c.tier, c.enabled, c.activated_at IS NOT NULL AS active, ",
            text!($on, "c.permissions"), " AS permissions, ", text!($on, "c.scope"), " AS scope, ", text!($on, "c.effective"), " AS effective, ",
            "o.namespace, o.name, o.applied_generation AS generation, ",
            text!(
                $on,
                concat!(
                    "(SELECT ", array!($on, "z.namespace, z.name, z.applied_generation"),
                    " FROM account f JOIN object z ON z.id = f.object_id WHERE f.id = c.managed_by)"
                )
            ), " AS manager, ",
            lineage!($on, "c.tenant_id"), " AS lineage, ",
            text!($on, all!($on, "n.name", "FROM account_group n WHERE n.account_id = c.id")), " AS groups, ",
            text!(
                $on,
                all!(
                    $on,
                    array!($on, "b.position, b.role_id, b.namespace, b.name, b.revision, ", flag!($on, "b.pinned"), ", ", document!($on, "b.content"), ", p.applied_generation"),
                    "FROM account_role b LEFT JOIN role k ON k.id = b.role_id LEFT JOIN object p ON p.id = k.object_id WHERE b.account_id = c.id"
                )
            ),
            " AS roles"
        )
    };
}

macro_rules! now {
    (postgres) => {
        "extract(epoch FROM date_trunc('second', now()))::bigint AS now, "
    };
    (sqlite) => {
        "unixepoch() AS now, "
    };
}

macro_rules! question {
    ($on:ident, $login:literal) => {
        concat!(
            "SELECT ", now!($on), asker!($on), ", ",
            offers!(
                $on,
                "grant_receiver w JOIN device_grant g ON g.id = w.grant_id",
                "(w.account_id = c.id OR w.tenant_id = c.tenant_id) AND g.mode = 'Share' AND g.selection = '{}'"
            ), " AS offers FROM (SELECT 1) AS one LEFT JOIN account c ON c.", $login, " = $1 LEFT JOIN object o ON o.id = c.object_id"
        )
    };
    ($on:ident, $login:literal, creator $parameter:literal $creator:literal) => {
        concat!(
            "SELECT ", now!($on), asker!($on), ", ",
            offers!(
                $on,
                "grant_receiver w JOIN device_grant g ON g.id = w.grant_id",
                "(w.account_id = c.id OR w.tenant_id = c.tenant_id) AND g.mode = 'Share' AND g.selection = '{}'"
            ), " AS offers, ", creator!($on),
            " FROM (SELECT 1) AS one LEFT JOIN account c ON c.", $login, " = $1 LEFT JOIN object o ON o.id = c.object_id",
            " LEFT JOIN account e ON e.", $creator, " = ", $parameter, " LEFT JOIN object x ON x.id = e.object_id"
        )
    };
    ($on:ident, $login:literal, device) => {
        concat!(
            "SELECT ", now!($on), asker!($on), ", ", device!($on),
            " FROM (SELECT 1) AS one LEFT JOIN account c ON c.", $login, " = $1 LEFT JOIN object o ON o.id = c.object_id", held!()
        )
    };
    ($on:ident, $login:literal, device, creator $parameter:literal $creator:literal) => {
        concat!(
            "SELECT ", now!($on), asker!($on), ", ", device!($on), ", ", creator!($on),
            " FROM (SELECT 1) AS one LEFT JOIN account c ON c.", $login, " = $1 LEFT JOIN object o ON o.id = c.object_id", held!(),
            " LEFT JOIN account e ON e.", $creator, " = ", $parameter, " LEFT JOIN object x ON x.id = e.object_id"
        )
    };
}

macro_rules! creator {
    ($on:ident) => {
        concat!(person!($on, "e", "x", "creator"), ", ", lineage!($on, "e.tenant_id"), " AS creator_lineage")
    };
}

macro_rules! held {
    () => {
        " LEFT JOIN device d ON d.id = $2 LEFT JOIN account h ON h.id = d.holder_account LEFT JOIN object y ON y.id = h.object_id"
    };
}

macro_rules! device {
    ($on:ident) => {
        concat!(
            "d.id AS device, d.home_tenant AS home, d.holder_tenant, ",
            text!(
                $on,
                all!(
                    $on,
                    array!(
                        $on,
                        "a.position, a.grant_id, ", flag!($on, "(g.object_id IS NOT NULL)"), ", g.reclaim, ",
                        seconds!($on, "g.not_before"), ", ", seconds!($on, "g.expires_at"), ", a.receiver_tenant, a.receiver_account"
                    ),
                    "FROM device_assignment a LEFT JOIN device_grant g ON g.id = a.grant_id WHERE a.device_id = d.id"
                )
            ), " AS links, ",
            lineage!($on, "d.holder_tenant"), " AS holder_lineage, ", person!($on, "h", "y", "holder"), ", ",
            offers!(
                $on,
                "grant_device w JOIN device_grant g ON g.id = w.grant_id",
                "w.device_id = d.id AND w.state IN ('applied', 'idle')"
            ), " AS offers"
        )
    };
}

macro_rules! both {
    ($($shape:tt)*) => { Sql { postgres: question!(postgres, $($shape)*), sqlite: question!(sqlite, $($shape)*) } };
}

impl Shape {
    /// The statement of this shape: $1 the account, then the device, then the
    /// creator, as far as they are named.
    pub(super) const fn sql(self) -> Sql {
        let Self { by_email, device, creator } = self;
        match (by_email, device, creator) {
            (false, false, None) => both!("username_key"),
            (true, false, None) => both!("email_key"),
            (false, true, None) => both!("username_key", device),
            (true, true, None) => both!("email_key", device),
            (false, false, Some(false)) => both!("username_key", creator "$2" "username_key"),
            (false, false, Some(true)) => both!("username_key", creator "$2" "email_key"),
            (true, false, Some(false)) => both!("email_key", creator "$2" "username_key"),
            (true, false, Some(true)) => both!("email_key", creator "$2" "email_key"),
            (false, true, Some(false)) => both!("username_key", device, creator "$3" "username_key"),
            (false, true, Some(true)) => both!("username_key", device, creator "$3" "email_key"),
            (true, true, Some(false)) => both!("email_key", device, creator "$3" "username_key"),
            (true, true, Some(true)) => both!("email_key", device, creator "$3" "email_key"),
        }
    }
}

macro_rules! holder {
    ($on:ident, $tenant:literal, $account:literal) => {
        concat!(
            "SELECT ",
            lineage!($on, $tenant),
            " AS holder_lineage, ",
            person!($on, "h", "y", "holder"),
            " FROM (SELECT 1) AS one LEFT JOIN account h ON h.id = ",
            $account,
            " LEFT JOIN object y ON y.id = h.object_id"
        )
    };
}

/// $1 a tenant, $2 an account of it, or null.
pub(super) const HOLDER: Sql =
    Sql { postgres: holder!(postgres, "$1", "$2"), sqlite: holder!(sqlite, "$1", "$2") };

macro_rules! devices {
    ($on:ident, $ids:literal) => {
        concat!(
            "SELECT ", device!($on), " FROM ", $ids, " ids JOIN device d ON d.id = ids.value JOIN account c ON c.id = $1",
            " LEFT JOIN account h ON h.id = d.holder_account LEFT JOIN object y ON y.id = h.object_id ORDER BY d.id"
        )
    };
}

/// $1 the account that asks, $2 devices: one row each.
pub(super) const DEVICES: Sql = Sql {
    postgres: devices!(postgres, "jsonb_array_elements_text($2)"),
    sqlite: devices!(sqlite, "json_each($2)"),
};

macro_rules! persons {
    ($on:ident, $which:literal) => {
        concat!(
            "SELECT h.username, h.username_key, ", person!($on, "h", "y", "holder"), ", ", lineage!($on, "h.tenant_id"), " AS holder_lineage",
            " FROM account h JOIN tenant_ancestor w ON w.tenant_id = h.tenant_id AND w.ancestor_id = $1 LEFT JOIN object y ON y.id = h.object_id WHERE ", $which
        )
    };
}

/// $1 a tenant: the accounts in it and below; $2 only this one, or null; $3
/// after, $4 at most.
pub(super) const PERSONS: Sql = Sql {
    postgres: persons!(
        postgres,
        "($2::uuid IS NULL OR h.id = $2) AND h.username_key > $3 ORDER BY h.username_key LIMIT $4"
    ),
    sqlite: persons!(
        sqlite,
        "($2 IS NULL OR h.id = $2) AND h.username_key > $3 ORDER BY h.username_key LIMIT $4"
    ),
};

/// $1 a tenant: of the accounts in it and below those with these folded
/// usernames, $2.
pub(super) const NAMED: Sql = Sql {
    postgres: persons!(postgres, "h.username_key IN (SELECT jsonb_array_elements_text($2))"),
    sqlite: persons!(sqlite, "h.username_key IN (SELECT value FROM json_each($2))"),
};
