//! The bound of every kind of text, number and time in the four kinds, said once. The types beside
//! this file name one of these for each field; nothing else may call them. Each pattern means the
//! same to Go's `regexp` (the API server) and to Rust's `regex` (`validate`): no `\s`, `\d` or `\w`,
//! which the two read differently outside ASCII.

use schemars::{Schema, SchemaGenerator, json_schema};

use super::{MARK_MAX, REPORT_MAX};

/// No control characters, line or paragraph separators, nor marks that reverse the reading
/// direction (they make one name look like another).
macro_rules! not_plain {
    () => {
        r"\p{Cc}\p{Zl}\p{Zp}\x{202A}-\x{202E}\x{2066}-\x{2069}"
    };
}

/// One line of text that neither begins nor ends with a space.
pub(super) const LINE: &str =
    concat!("^[^ ", not_plain!(), "]([^", not_plain!(), "]*[^ ", not_plain!(), "])?$");
/// As [`LINE`], and no `@`.
pub(super) const USERNAME: &str =
    concat!("^[^ @", not_plain!(), "]([^@", not_plain!(), "]*[^ @", not_plain!(), "])?$");
/// Text without any kind of space.
pub(super) const WORD: &str = r"^[^\p{Cc}\p{Z}\x{202A}-\x{202E}\x{2066}-\x{2069}]+$";
/// An address: no spaces, quotes, brackets or control characters anywhere.
macro_rules! address {
    () => {
        concat!(
            r"[\p{L}\p{N}\p{M}!#$%&'*+/=?^_{|}~`-]+(\.[\p{L}\p{N}\p{M}!#$%&'*+/=?^_{|}~`-]+)*@",
            r"[\p{L}\p{N}]([\p{L}\p{N}\p{M}-]*[\p{L}\p{N}\p{M}])?",
            r"(\.[\p{L}\p{N}]([\p{L}\p{N}\p{M}-]*[\p{L}\p{N}\p{M}])?)*"
        )
    };
}
/// `kim@example.org`
pub(super) const EMAIL: &str = concat!("^", address!(), "$");
/// `kim@example.org` or `ACME <kim@example.org>`
pub(super) const MAILBOX: &str = concat!(
    "^(",
    address!(),
    "|",
    r#"[^ <>@",;:\\"#,
    not_plain!(),
    r#"][^<>@",;:\\"#,
    not_plain!(),
    "]* <",
    address!(),
    ">)$"
);
/// A name of an object: DNS-1123 subdomain.
pub(super) const OBJECT_NAME: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$";
/// A name of a namespace: DNS-1123 label.
pub(super) const NAMESPACE: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
/// A key inside a Secret.
pub(super) const SECRET_KEY: &str = "^[A-Za-z0-9._-]+$";
/// Dotted words; `a.*` for all under `a`, `*` for everything.
pub(super) const DOTTED: &str = r"^(\*|[a-z0-9-]+(\.[a-z0-9-]+)*(\.\*)?)$";
/// The first 12 hex digits of SHA-256.
pub(super) const REVISION: &str = "^[0-9a-f]{12}$";
/// A key of a label: an optional DNS prefix and a name.
pub(super) const LABEL_KEY: &str = concat!(
    r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*/)?",
    "[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"
);
/// A value of a label.
pub(super) const LABEL_VALUE: &str = "^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$";
/// A time as Kubernetes writes it, RFC 3339.
pub(super) const TIME: &str = concat!(
    "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]",
    r"(\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
);
/// A length of time as Kubernetes writes it: `72h`, `90m`, `1h30m`.
pub(super) const DURATION: &str = "^([0-9]{1,3}h)?([0-9]{1,5}m)?([0-9]{1,7}s)?$";
/// A language tag.
pub(super) const LOCALE: &str = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$";
/// A host name or an address.
pub(super) const HOST: &str = r"^([A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$";
/// A CamelCase word.
pub(super) const REASON: &str = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$";

/// What a pattern asks for, in words that go on after "must be".
pub(super) fn meaning(pattern: &str) -> &'static str {
    match pattern {
        LINE => "one line that neither begins nor ends with a space, without control characters",
        USERNAME => "one line without @ and control characters",
        WORD => "one word without spaces and control characters",
        EMAIL => "an e-mail address such as kim@example.org",
        MAILBOX => "an e-mail address such as kim@example.org or ACME <kim@example.org>",
        OBJECT_NAME => "a name of lower-case letters, digits, - and . such as acme-north",
        NAMESPACE => "a name of lower-case letters, digits and - such as acme-north",
        SECRET_KEY => "a key of letters, digits, -, _ and .",
        DOTTED => "dotted words of lower-case letters, digits and - such as device, cameras.* or *",
        REVISION => "the 12 hex digits that the Role shows as its revision",
        LABEL_KEY => "a key of a label such as region or example.org/region",
        LABEL_VALUE => "a value of a label: letters, digits, -, _ and .",
        TIME => "a time such as 2030-01-31T12:00:00Z",
        DURATION => "a length of time such as 72h, 90m or 1h30m",
        LOCALE => "a language such as en or pt-BR",
        HOST => "a host name such as mail.example.org, or an address",
        REASON => "one word of letters and digits",
        _ => "of another form",
    }
}

/// The largest number of anything that is counted.
const COUNT_MAX: i64 = 1_000_000_000;

macro_rules! text {
    ($($(#[$doc:meta])* $name:ident: $min:literal to $max:literal, $pattern:ident;)*) => {$(
        $(#[$doc])*
        pub(super) fn $name(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "type": "string", "minLength": $min, "maxLength": $max, "pattern": $pattern
            })
        }
    )*};
}

text! {
    /// A name shown to people.
    line: 1 to 253, LINE;
    /// A short text of a person: a telephone number, a group, a project.
    short_line: 1 to 128, LINE;
    /// A username.
    username: 1 to 128, USERNAME;
    /// An e-mail address.
    email: 3 to 254, EMAIL;
    /// An e-mail address with or without a name before it.
    mailbox: 3 to 384, MAILBOX;
    /// A name of an object.
    object_name: 1 to 253, OBJECT_NAME;
    /// A name of a namespace.
    namespace: 1 to 63, NAMESPACE;
    /// A key inside a Secret.
    secret_key: 1 to 253, SECRET_KEY;
    /// A resource or an operation.
    dotted: 1 to 128, DOTTED;
    /// A revision of a Role.
    revision: 12 to 12, REVISION;
    /// An id of a device or a unit.
    device_id: 1 to 128, WORD;
    /// A key of a label.
    label_key: 1 to 317, LABEL_KEY;
    /// A value of a label.
    label_value: 0 to 63, LABEL_VALUE;
    /// A length of time.
    duration: 2 to 17, DURATION;
    /// A language tag.
    locale: 2 to 35, LOCALE;
    /// A host.
    host: 1 to 253, HOST;
    /// A type of a condition.
    condition_type: 1 to 316, REASON;
    /// A reason of a condition.
    reason: 1 to 128, REASON;
}

/// Text in a status that is written by the controller only.
pub(super) fn report(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": REPORT_MAX })
}

/// A short word in a status that is written by the controller only.
pub(super) fn mark(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": MARK_MAX })
}

/// A point in time.
pub(super) fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "format": "date-time", "minLength": 20, "maxLength": 40, "pattern": TIME
    })
}

/// A number of things, from none.
pub(super) fn count(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int64", "minimum": 0, "maximum": COUNT_MAX })
}

/// What is left of a number of things: it may be negative after a limit was lowered from above.
pub(super) fn balance(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "integer", "format": "int64", "minimum": -COUNT_MAX, "maximum": COUNT_MAX
    })
}

/// A generation of an object; -1 for an object that nobody has looked at.
pub(super) fn generation(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "integer", "format": "int64", "minimum": -1, "maximum": 9_007_199_254_740_991_i64
    })
}

/// A port.
pub(super) fn port(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int32", "minimum": 1, "maximum": 65535 })
}

/// Rules of permissions.
pub(super) fn rules(generator: &mut SchemaGenerator) -> Schema {
    let item = generator.subschema_for::<super::shared::PermissionRule>();
    json_schema!({
        "type": "array", "maxItems": 64, "items": item, "x-kubernetes-list-type": "atomic"
    })
}

/// Resources or operations of one rule.
pub(super) fn dotted_list(generator: &mut SchemaGenerator) -> Schema {
    let item = dotted(generator);
    json_schema!({
        "type": "array", "minItems": 1, "maxItems": 32, "items": item,
        "x-kubernetes-list-type": "atomic"
    })
}

/// Capabilities.
pub(super) fn capabilities(generator: &mut SchemaGenerator) -> Schema {
    let item = generator.subschema_for::<super::shared::Capability>();
    json_schema!({
        "type": "array", "maxItems": 16, "items": item, "x-kubernetes-list-type": "set"
    })
}

/// Groups.
pub(super) fn groups(generator: &mut SchemaGenerator) -> Schema {
    let item = short_line(generator);
    json_schema!({
        "type": "array", "maxItems": 64, "items": item, "x-kubernetes-list-type": "set"
    })
}

/// References to objects.
pub(super) fn refs(generator: &mut SchemaGenerator) -> Schema {
    let item = generator.subschema_for::<super::shared::ObjectRef>();
    json_schema!({
        "type": "array", "maxItems": 256, "items": item, "x-kubernetes-list-type": "atomic"
    })
}

/// Ids of devices or units: too many to look at one by one in a CEL rule.
pub(super) fn ids(generator: &mut SchemaGenerator) -> Schema {
    let item = device_id(generator);
    json_schema!({
        "type": "array", "maxItems": 10_000, "items": item, "x-kubernetes-list-type": "atomic"
    })
}

/// Labels to match.
pub(super) fn labels(generator: &mut SchemaGenerator) -> Schema {
    let value = label_value(generator);
    json_schema!({
        "type": "object", "maxProperties": 16, "additionalProperties": value
    })
}

/// Values of a label to match.
pub(super) fn label_values(generator: &mut SchemaGenerator) -> Schema {
    let item = label_value(generator);
    json_schema!({
        "type": "array", "maxItems": 32, "items": item, "x-kubernetes-list-type": "atomic"
    })
}

/// Conditions.
pub(super) fn conditions(generator: &mut SchemaGenerator) -> Schema {
    let item = generator.subschema_for::<super::shared::Condition>();
    json_schema!({
        "type": "array", "maxItems": 32, "items": item,
        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]
    })
}

/// Lines of quota.
pub(super) fn quota(generator: &mut SchemaGenerator) -> Schema {
    let item = generator.subschema_for::<super::shared::QuotaLine>();
    json_schema!({
        "type": "array", "maxItems": 96, "items": item,
        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]
    })
}

/// Capabilities as they are in force, `ManageSubscription` among them.
pub(super) fn effective_capabilities(generator: &mut SchemaGenerator) -> Schema {
    let item = reason(generator);
    json_schema!({
        "type": "array", "maxItems": 32, "items": item, "x-kubernetes-list-type": "set"
    })
}
