//! A real mail server: OpenSMTPD with STARTTLS, implicit TLS and AUTH, which
//! accepts every recipient and delivers into one maildir.
//!
//! OpenSMTPD has fixed places for its socket and its queue. Where the machine
//! permits it, each instance gets a mount namespace with folders of its own
//! there; elsewhere test runs wait for one another.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::guarded::{Guarded, free_port, run};
use super::message::Message;
use super::run::{Folder, or_panic, own_uid, shared};
use super::{certificates, in_tree};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Mail {
    folder: PathBuf,
    watch: u32,
    command: Vec<String>,
    plain: u16,
    starttls: u16,
    smtps: u16,
    expired: u16,
    password: String,
    ca: PathBuf,
    version: String,
}

impl Mail {
    /// Every message to this domain is refused for good (550).
    pub(crate) const REFUSED: &str = "refused.example";
    /// Every message to this domain is put off (451).
    pub(crate) const LATER: &str = "later.example";

    /// The server of this test run. Tests share its maildir, so each takes
    /// addresses of its own: `mail.address("kim")`.
    pub(crate) async fn shared() -> &'static Self {
        static CELL: OnceLock<Mail> = OnceLock::new();
        shared(&CELL, "mail", start).await
    }

    /// An address that no other test writes to.
    pub(crate) fn address(&self, name: &str) -> String {
        format!("{name}@{:08x}.example", rand::random::<u32>())
    }

    /// The port without TLS; it takes no password.
    pub(crate) fn plain_port(&self) -> u16 {
        self.plain
    }

    /// The port that insists on STARTTLS and on a password.
    pub(crate) fn starttls_port(&self) -> u16 {
        self.starttls
    }

    /// The port with TLS from the first byte, and a password.
    pub(crate) fn smtps_port(&self) -> u16 {
        self.smtps
    }

    /// `smtp://user:password@127.0.0.1:...?tls=starttls`, where the certificate
    /// has expired.
    pub(crate) fn expired_url(&self) -> String {
        format!("smtp://{}:{}@127.0.0.1:{}?tls=starttls", self.user(), self.password, self.expired)
    }

    #[expect(clippy::unused_self, reason = "reads as the other questions do")]
    pub(crate) fn user(&self) -> &'static str {
        "tenantry"
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    /// The authority that signed the certificate for 127.0.0.1 and localhost;
    /// a program trusts it through the variable `SSL_CERT_FILE`.
    pub(crate) fn ca(&self) -> &Path {
        &self.ca
    }

    /// As `smtpd -h` tells it.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// `smtp://127.0.0.1:...?tls=none`
    pub(crate) fn plain_url(&self) -> String {
        format!("smtp://127.0.0.1:{}?tls=none", self.plain)
    }

    /// `smtp://user:password@127.0.0.1:...?tls=starttls`
    pub(crate) fn starttls_url(&self) -> String {
        format!("smtp://{}:{}@127.0.0.1:{}?tls=starttls", self.user(), self.password, self.starttls)
    }

    /// `smtps://user:password@127.0.0.1:...`
    pub(crate) fn smtps_url(&self) -> String {
        format!("smtps://{}:{}@127.0.0.1:{}", self.user(), self.password, self.smtps)
    }

    /// All that has been delivered, oldest first.
    pub(crate) fn messages(&self) -> Vec<Message> {
        let new = self.folder.join("maildir/new");
        let mut files: Vec<_> = fs::read_dir(&new)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|e| Some((e.metadata().ok()?.modified().ok()?, e.path())))
            .collect();
        files.sort();
        files.iter().map(|(_, path)| or_panic(Message::read(path))).collect()
    }

    /// How many messages have been delivered.
    pub(crate) fn delivered(&self) -> usize {
        fs::read_dir(self.folder.join("maildir/new")).map_or(0, Iterator::count)
    }

    /// What has been delivered to this address, oldest first.
    pub(crate) fn messages_to(&self, to: &str) -> Vec<Message> {
        let mut found = self.messages();
        found.retain(|message| message.delivered_to.eq_ignore_ascii_case(to));
        found
    }

    /// The first message to this address.
    pub(crate) async fn wait_for_mail(&self, to: &str, timeout: Duration) -> Message {
        self.wait_for_mails(to, 1, timeout).await.remove(0)
    }

    /// The messages to this address, once there are at least `count` of them.
    pub(crate) async fn wait_for_mails(&self, to: &str, count: usize, timeout: Duration) -> Vec<Message> {
        let start = Instant::now();
        loop {
            let found = self.messages_to(to);
            if found.len() >= count {
                return found;
            }
            assert!(
                start.elapsed() < timeout,
                "{} of {count} mails to {to} after {timeout:?}; the mail server wrote:\n{}",
                found.len(),
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the server has written about its sessions.
    pub(crate) fn log(&self) -> String {
        self.guarded().output()
    }

    fn guarded(&self) -> Guarded {
        let folder = Folder { path: self.folder.clone(), watch: self.watch };
        Guarded::at(&folder, "smtpd").with_privileges()
    }

    fn serve(&self) -> Result<(), String> {
        let guarded = self.guarded();
        guarded.start(self.watch, "TERM", &self.command)?;
        guarded.until(Duration::from_secs(160), || {
            greets(self.plain) && greets(self.starttls) && connects(self.smtps)
        })
    }
}

fn start(folder: &Folder) -> Result<Mail, String> {
    let smtpd = "/usr/sbin/smtpd";
    if !Path::new(smtpd).exists() {
        return Err(format!("no {smtpd}: `make deps` installs OpenSMTPD"));
    }
    if run(&mut as_root("true")).is_err() {
        return Err("OpenSMTPD runs as root only: run the tests as root, or let `sudo` work \
                    without a password (`sudo -v` before `make test`)"
            .to_owned());
    }
    let version = version(smtpd)?;
    let keys = certificates::make(folder)?;
    let password = format!("{:032x}", rand::random::<u128>());
    let (plain, starttls, smtps, expired) = (free_port(), free_port(), free_port(), free_port());

    // Deliveries never run as root; the user who runs the tests reads them.
    let owner = if own_uid() == 0 { 65_534 } else { own_uid() };
    let maildir = folder.folder("maildir")?;
    if own_uid() == 0 {
        let path = &maildir;
        std::os::unix::fs::chown(path, Some(owner), Some(owner))
            .map_err(|e| format!("chown {}: {e}", path.display()))?;
    }
    let hash = run(Command::new("openssl").args(["passwd", "-6", &password]))?;
    let place = folder.path.display();
    folder.write("logins", &format!("tenantry {}\n", hash.trim()), false)?;
    folder.write("everyone", "@ inbox\n", false)?;
    folder.write("owners", &format!("inbox {owner}:{owner}:{place}\n"), false)?;
    folder.write("refused", &format!("@{}\n", Mail::REFUSED), false)?;
    folder.write("later", &format!("@{}\n", Mail::LATER), false)?;
    let key = keys.key.display();
    let certificate = keys.certificate.display();
    let old = keys.expired.display();
    let settings = format!(
        r#"pki tests cert "{certificate}"
pki tests key "{key}"
pki old cert "{old}"
pki old key "{key}"
table logins file:{place}/logins
table everyone file:{place}/everyone
table owners file:{place}/owners
table refused file:{place}/refused
table later file:{place}/later
filter refuse phase rcpt-to match rcpt-to <refused> reject "550 5.1.1 no such mailbox"
filter putoff phase rcpt-to match rcpt-to <later> reject "451 4.3.0 try again later"
filter both chain {{ refuse, putoff }}
listen on 127.0.0.1 port {plain} hostname localhost filter both
listen on 127.0.0.1 port {starttls} tls-require pki tests auth <logins> hostname localhost filter both
listen on 127.0.0.1 port {expired} tls-require pki old auth <logins> hostname localhost filter both
listen on 127.0.0.1 port {smtps} smtps pki tests auth <logins> hostname localhost filter both
action keep maildir "{place}/maildir" virtual <everyone> userbase <owners>
match from any for any action keep
"#
    );
    let settings = folder.write("smtpd.conf", &settings, false)?;
    // The daemon believes no certificate that somebody else could change.
    run(as_root("chown").arg("0:0").args([&keys.key, &keys.certificate, &keys.expired]))?;
    let part = Mail {
        folder: folder.path.clone(),
        watch: folder.watch,
        command: command(folder, smtpd, &settings, &version)?,
        plain,
        starttls,
        smtps,
        expired,
        password,
        ca: keys.authority,
        version,
    };
    part.serve()?;
    Ok(part)
}

fn command(folder: &Folder, smtpd: &str, settings: &Path, version: &str) -> Result<Vec<String>, String> {
    let mut server = vec!["env".to_owned()];
    if version.contains("OpenSMTPD 6.") {
        server.push(format!("LD_PRELOAD={}", repair(folder)?));
    }
    server.extend([smtpd, "-d", "-f"].map(str::to_owned));
    server.push(settings.to_string_lossy().into_owned());

    let mut apart = as_root("unshare");
    let script = if run(apart.args(["--mount", "mount", "-t", "tmpfs", "tmpfs", "/run"])).is_ok() {
        "exec unshare --mount sh -c 'mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/spool && exec \"$@\"' sh \"$@\""
    } else {
        "exec 9>/run/lock/tenantry-tests-smtpd && flock --timeout 150 9 || {
            echo 'without the right to mount only one OpenSMTPD runs on a machine; another run has it'
            exit 1
        }
        exec \"$@\""
    };
    let mut command: Vec<String> = ["sh", "-c", script, "sh"].map(str::to_owned).into();
    command.extend(server);
    Ok(command)
}

fn as_root(program: &str) -> Command {
    let mut command = Command::new(if own_uid() == 0 { program } else { "sudo" });
    if own_uid() != 0 {
        command.args(["-n", program]);
    }
    command
}

/// See the C file. A compiler is at hand wherever Rust is.
fn repair(folder: &Folder) -> Result<String, String> {
    let library = folder.file("smtpd_openssl3.so");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-o"]);
    run(cc.arg(&library).arg(in_tree("tests/harness/smtpd_openssl3.c")))?;
    Ok(library.to_string_lossy().into_owned())
}

fn version(smtpd: &str) -> Result<String, String> {
    // It tells its version together with its usage, and calls that a failure.
    let output = Command::new(smtpd).arg("-h").output().map_err(|e| format!("{smtpd}: {e}"))?;
    let text =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("version: "));
    line.map(|line| line.trim().to_owned()).ok_or_else(|| format!("{smtpd} -h: {text}"))
}

fn connects(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn greets(port: u16) -> bool {
    let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return false;
    };
    let mut line = String::new();
    stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
        && BufReader::new(stream).read_line(&mut line).is_ok()
        && line.starts_with("220 ")
}
