//! The texts that programs send, as the OpenAPI document describes them: the
//! same bounds that `engine::questions` keeps (a test compares them).

use schemars::{Schema, SchemaGenerator, json_schema};

/// No control characters.
const LINE: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";
/// The same, and something that is no space.
const NAME: &str =
    r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$";
/// A dotted word or a pattern of such words.
const DOTTED: &str = r"^(\*|[a-z0-9-]+(\.[a-z0-9-]+)*(\.\*)?)$";
/// An object of a question about a right.
const OBJECT: &str = concat!(
    r"^((tenant|subadmin|role)(/[^/\u0000-\u001f\u007f-\u009f]{1,253}){2}",
    r"|group(/[^/\u0000-\u001f\u007f-\u009f]{1,253}){2}/[^\u0000-\u001f\u007f-\u009f]{1,253})$"
);

/// A tenant.
const TENANT: &str = r"^tenant(/[^/\u0000-\u001f\u007f-\u009f]{1,253}){2}$";

macro_rules! text {
    ($($(#[$doc:meta])* $name:ident: $min:literal to $max:literal, $pattern:ident;)*) => {$(
        $(#[$doc])*
        pub(super) fn $name(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": "string", "minLength": $min, "maxLength": $max, "pattern": $pattern })
        }
    )*};
}

text! {
    /// A username or an e-mail.
    account: 1 to 254, NAME;
    /// An operation or a resource.
    dotted: 1 to 253, DOTTED;
    /// An id of a device.
    device: 1 to 253, LINE;
    /// An object.
    object: 1 to 800, OBJECT;
    /// A tenant's object.
    tenant: 1 to 800, TENANT;
    /// A source of objects.
    source: 0 to 4096, LINE;
    /// Where a list goes on.
    after: 0 to 254, LINE;
}

/// An account, or none.
pub(super) fn account_or_null(generator: &mut SchemaGenerator) -> Schema {
    or_null(account(generator))
}

/// An id of a device, or none.
pub(super) fn device_or_null(generator: &mut SchemaGenerator) -> Schema {
    or_null(device(generator))
}

/// A source, or none.
pub(super) fn source_or_null(generator: &mut SchemaGenerator) -> Schema {
    or_null(source(generator))
}

fn or_null(mut schema: Schema) -> Schema {
    schema.insert("type".to_owned(), serde_json::json!(["string", "null"]));
    schema
}

#[cfg(test)]
mod tests {
    use schemars::SchemaGenerator;
    use serde_json::json;

    use super::*;
    use crate::domain::capability::Capability;
    use crate::engine::questions::{Asked, AskedRight, account_name};

    const TEXTS: [&str; 46] = [
        "",
        " ",
        "  ",
        "\t",
        "\n",
        "a",
        " a ",
        "a b",
        "a\n",
        "\na",
        "a\0",
        "a\u{7f}",
        "a\u{85}",
        "\u{a0}",
        "\u{2003}",
        "ä",
        "日本",
        "kim@example.org",
        "view",
        "a.b",
        "a.*",
        "*",
        "**",
        "a*",
        "*.a",
        ".a",
        "a.",
        "a..b",
        "A",
        "-",
        "0",
        "a.*.b",
        "view\n",
        "tenant/a/b",
        "tenant/a",
        "tenant/a/b/c",
        "group/a/b/c",
        "group/a/b/c/d",
        "group/a/b",
        "role//b",
        "role/a/",
        "pod/a/b",
        "subadmin/ä/b c",
        "Tenant/a/b",
        "tenant/a/b\n",
        "/a/b",
    ];

    fn texts() -> Vec<String> {
        let long = [252, 253, 254, 255, 4096, 4097].into_iter().flat_map(|n| ["a".repeat(n), "ä".repeat(n)]);
        let objects = [253, 254].map(|n| format!("role/{}/b", "n".repeat(n)));
        let groups = [253, 254].map(|n| format!("group/a/b/{}", "n".repeat(n)));
        TEXTS.iter().map(|text| (*text).to_owned()).chain(long).chain(objects).chain(groups).collect()
    }

    fn compare(name: &str, schema: fn(&mut SchemaGenerator) -> Schema, accepted: impl Fn(&str) -> bool) {
        let schema = schema(&mut SchemaGenerator::default());
        let validator = jsonschema::draft202012::new(schema.as_value()).unwrap();
        for text in texts() {
            let documented = validator.is_valid(&json!(text));
            assert_eq!(
                documented,
                accepted(&text),
                "{name}: {:?}",
                text.chars().take(40).collect::<String>()
            );
        }
    }

    #[test]
    fn what_is_documented_is_what_is_accepted() {
        let asked = |account: &str, operation: &str, resource: &str, device: Option<&str>| {
            Asked::new(account, operation, resource, device, None).is_ok()
        };
        compare("account", account, |text| asked(text, "a", "a", None) && account_name(text).is_ok());
        compare("operation", dotted, |text| asked("a", text, "a", None));
        compare("resource", dotted, |text| asked("a", "a", text, None));
        compare("device", device, |text| asked("a", "a", "a", Some(text)));
        let users = Capability::ManageUsers;
        compare("object", object, |text| AskedRight::new("a", users, text, None).is_ok());
        let subscription = Capability::ManageSubscription;
        compare("tenant", tenant, |text| AskedRight::new("a", subscription, text, None).is_ok());
        compare("source", source, |text| AskedRight::new("a", users, "role/a/b", Some(text)).is_ok());
    }
}
