//! What a mail server's certificate says of itself, for people. Whether it is
//! believed, the TLS library decides; nothing here does.

use std::net::IpAddr;

use jiff::Timestamp;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::seen::Certificate;
use crate::mail::text::one_line;

/// Names that are kept; a shared server's certificate may have hundreds.
const MAX_NAMES: usize = 20;
/// The longest of any text in it, in characters.
const MAX_TEXT: usize = 200;

/// Reads a certificate in DER; none if it is not one.
pub(super) fn read(der: &[u8]) -> Option<Certificate> {
    let certificate = x509_cert::Certificate::from_der(der).ok()?;
    let content = certificate.tbs_certificate();
    let names = content.get_extension::<SubjectAltName>().ok().flatten();
    let names = names.map(|(_, names)| names.0).unwrap_or_default();
    let time = |time: &x509_cert::time::Time| Timestamp::try_from(time.to_system_time()).ok();
    Some(Certificate {
        subject: tame(&content.subject().to_string()),
        issuer: tame(&content.issuer().to_string()),
        names: names.iter().filter_map(host).take(MAX_NAMES).collect(),
        not_before: time(&content.validity().not_before)?,
        not_after: time(&content.validity().not_after)?,
    })
}

fn host(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(tame(name.as_str())),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

/// Anybody can write anything into a certificate.
fn tame(text: &str) -> String {
    one_line(text, MAX_TEXT)
}
