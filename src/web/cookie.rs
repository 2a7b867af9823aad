//! The three cookies of the pages: the session, the other half of a form's
//! hidden field, and what makes a browser known to an account that it has
//! signed in to. All of them are for this host and no script; over TLS their
//! names say so too, and browsers enforce it.

use axum::http::{HeaderMap, HeaderValue, header};

use super::outside::Outside;

/// A browser sends more than this only by mistake.
const MOST: usize = 64;

/// How long a browser stays known, in seconds.
const KNOWN_FOR: u32 = 180 * 24 * 3600;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cookie {
    Session,
    Form,
    Device,
}

impl Cookie {
    const fn name(self) -> &'static str {
        match self {
            Self::Session => "tenantry-session",
            Self::Form => "tenantry-form",
            Self::Device => "tenantry-device",
        }
    }

    /// Its value, if the browser has sent exactly one.
    pub(super) fn sent<'a>(self, headers: &'a HeaderMap, outside: &Outside) -> Option<&'a str> {
        let name = self.full_name(outside);
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut values = lines
            .flat_map(|line| line.split(';'))
            .take(MOST)
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(found, _)| *found == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value),
            // Two of one name: somebody else has set one of them.
            _ => None,
        }
    }

    fn full_name(self, outside: &Outside) -> String {
        // Browsers take a name with this prefix only over TLS, for one host
        // and for all of it.
        let prefix = if outside.secure() { "__Host-" } else { "" };
        format!("{prefix}{}", self.name())
    }

    /// Makes the browser keep it.
    pub(super) fn set(self, value: &str, outside: &Outside) -> Option<HeaderValue> {
        let lasting = if self == Self::Device { format!("; Max-Age={KNOWN_FOR}") } else { String::new() };
        self.header(value, &lasting, outside)
    }

    /// Makes the browser forget it.
    pub(super) fn forget(self, outside: &Outside) -> Option<HeaderValue> {
        self.header("", "; Max-Age=0", outside)
    }

    fn header(self, value: &str, lasting: &str, outside: &Outside) -> Option<HeaderValue> {
        let name = self.full_name(outside);
        let secure = if outside.secure() { "; Secure" } else { "" };
        // Values are made here, of letters, digits, `-`, `_` and `.`.
        HeaderValue::try_from(format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{lasting}")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(line: &str) -> Option<String> {
        let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(line).unwrap())]);
        Cookie::Session.sent(&headers, &Outside::default()).map(str::to_owned)
    }

    #[test]
    fn a_cookie_is_read_by_its_whole_name_and_not_if_there_are_two() {
        assert_eq!(sent("a=b; tenantry-session=x; c=d").as_deref(), Some("x"));
        assert_eq!(sent("xtenantry-session=x"), None);
        assert_eq!(sent("tenantry-session=x; tenantry-session=y"), None);
        assert_eq!(sent(";;;=;"), None);
    }

    #[test]
    fn over_tls_the_name_binds_a_cookie_to_this_host() {
        let plain = Outside::new(Some("http://127.0.0.1:8080"), vec![]);
        let tls = Outside::new(Some("https://accounts.example.org/below"), vec![]);
        assert_eq!(
            Cookie::Session.set("abc", &plain).unwrap(),
            "tenantry-session=abc; Path=/; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            Cookie::Session.set("abc", &tls).unwrap(),
            "__Host-tenantry-session=abc; Path=/; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            Cookie::Device.set("abc", &tls).unwrap(),
            "__Host-tenantry-device=abc; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=15552000"
        );
        assert_eq!(
            Cookie::Form.forget(&plain).unwrap(),
            "tenantry-form=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
        );
    }
}
