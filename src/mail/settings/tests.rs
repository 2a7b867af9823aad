use super::*;

#[test]
fn a_tenants_server_is_checked_like_the_url() {
    let settings = |host: &str| ServerSettings::new(host, None, Tls::StartTls, None);
    assert_eq!(settings("::1").unwrap().authority(), "[::1]:587");
    assert_eq!(settings("mail.example.").unwrap().host(), "mail.example");
    for host in ["", ".", "a b", "a/b", "user@host", "host:25", "ho\r\nst", "%00", &"a".repeat(64)] {
        assert_eq!(settings(host).err(), Some(SettingsError::Host), "{host:?}");
    }
    let credentials = Credentials::new("u".into(), "p".to_owned().into()).unwrap();
    assert_eq!(
        ServerSettings::new("mail.example", None, Tls::None, Some(credentials)).err(),
        Some(SettingsError::CredentialsWithoutTls)
    );
}

#[test]
fn a_file_without_certificates_is_refused_when_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    assert!(matches!(CaBundle::read(&path), Err(CaError::Read { .. })));
    for content in [
        "",
        "hello",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ] {
        std::fs::write(&path, content).unwrap();
        let error = CaBundle::read(&path).unwrap_err();
        assert!(error.to_string().contains("ca.pem holds no usable"), "{error}");
    }
}
