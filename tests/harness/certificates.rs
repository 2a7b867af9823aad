//! A certificate authority of one day with a server certificate, for
//! `127.0.0.1` and `localhost`, and one more that has expired, made by
//! `openssl`.

use std::path::PathBuf;
use std::process::Command;

use super::guarded::run;
use super::run::Folder;

pub(crate) struct Certificates {
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// For the same key; ended years ago.
    pub(crate) expired: PathBuf,
}

const REQUEST: &str = "\
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
[ca]
default_ca = past
[past]
database = index
new_certs_dir = .
default_md = sha256
rand_serial = yes
policy = names
[names]
commonName = supplied
";

/// Makes all below `folder`.
pub(crate) fn make(folder: &Folder) -> Result<Certificates, String> {
    folder.write("openssl.conf", REQUEST, false)?;
    openssl(
        folder,
        "req -x509 -new -config openssl.conf -extensions authority -days 2 -subj /CN=tests \
         -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt",
    )?;
    openssl(
        folder,
        "req -new -config openssl.conf -subj /CN=localhost \
         -newkey rsa:2048 -nodes -keyout server.key -out server.csr",
    )?;
    openssl(
        folder,
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -set_serial 2 -days 2 \
         -extfile openssl.conf -extensions server -out server.crt",
    )?;
    folder.write("index", "", false)?;
    openssl(
        folder,
        "ca -batch -notext -config openssl.conf -in server.csr -cert ca.crt -keyfile ca.key \
         -startdate 20200101000000Z -enddate 20200102000000Z \
         -extfile openssl.conf -extensions server -out expired.crt",
    )?;
    Ok(Certificates {
        authority: folder.file("ca.crt"),
        certificate: folder.file("server.crt"),
        key: folder.file("server.key"),
        expired: folder.file("expired.crt"),
    })
}

fn openssl(folder: &Folder, arguments: &str) -> Result<(), String> {
    let mut command = Command::new("openssl");
    command.current_dir(&folder.path).args(arguments.split_whitespace());
    run(&mut command).map(drop)
}
