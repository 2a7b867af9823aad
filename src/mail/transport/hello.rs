//! What lettre keeps to itself about a connection: the greeting, and which TLS
//! the server chose. Both pass by in the clear, so the streams take notes while
//! somebody watches, and only then.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// More than this of either is not kept.
const ENOUGH: usize = 4 * 1024;

/// Notes of one connection.
#[derive(Debug, Default)]
struct Notes {
    greeting: Vec<u8>,
    /// From the server's first answer to a ClientHello on.
    handshake: Vec<u8>,
}

/// One stream's pen: it knows what has been said on that stream already.
#[derive(Clone, Debug, Default)]
pub(super) struct Pen {
    notes: Option<Arc<Mutex<Notes>>>,
    spoke: bool,
    encrypts: bool,
}

/// TLS as the server chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    version: u16,
    cipher: u16,
}

impl Pen {
    /// Takes notes; the default one does not.
    pub(super) fn writing() -> Self {
        Self { notes: Some(Arc::default()), ..Self::default() }
    }

    /// For a stream around or inside this one: the same notes.
    pub(super) fn shared(&self) -> Self {
        Self { notes: self.notes.clone(), ..Self::default() }
    }

    /// Something is about to be sent.
    pub(super) fn sends(&mut self, data: &[u8]) {
        self.spoke = true;
        // No SMTP command begins with the number of a handshake record.
        self.encrypts |= self.notes.is_some() && data.starts_with(&[22, 3]);
    }

    /// Something has come.
    pub(super) fn hears(&self, data: &[u8]) {
        let Some(mut notes) = self.notes() else { return };
        let page = match (self.encrypts, self.spoke) {
            (true, _) => &mut notes.handshake,
            (false, false) => &mut notes.greeting,
            (false, true) => return,
        };
        let room = ENOUGH.saturating_sub(page.len()).min(data.len());
        page.extend_from_slice(&data[..room]);
    }

    /// The greeting as it came.
    pub(super) fn greeting(&self) -> String {
        self.notes().map(|notes| String::from_utf8_lossy(&notes.greeting).into_owned()).unwrap_or_default()
    }

    /// What the server chose, if the notes tell.
    pub(super) fn chosen(&self) -> Option<Chosen> {
        self.notes().and_then(|notes| Chosen::read(&notes.handshake))
    }

    fn notes(&self) -> Option<MutexGuard<'_, Notes>> {
        Some(self.notes.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Chosen {
    /// From the record with the ServerHello (RFC 8446, 4.1.3; RFC 5246,
    /// 7.4.1.3). A server that asks for another ClientHello first says the same
    /// there.
    fn read(record: &[u8]) -> Option<Self> {
        let mut hello = Reader(record);
        let (kind, _version, _length) = (hello.number(1)?, hello.number(2)?, hello.number(2)?);
        let (message, length) = (hello.number(1)?, hello.number(3)?);
        if (kind, message) != (22, 2) {
            return None;
        }
        let mut hello = Reader(hello.0.get(..length)?);
        let mut version = hello.number(2)?;
        hello.skip(32)?;
        let session = hello.number(1)?;
        hello.skip(session)?;
        let cipher = hello.number(2)?;
        hello.skip(1)?;
        // Extensions; a server of old has none.
        if let Some(length) = hello.number(2) {
            let mut extensions = Reader(hello.0.get(..length)?);
            while let (Some(name), Some(length)) = (extensions.number(2), extensions.number(2)) {
                match name {
                    43 => version = extensions.number(2)?,
                    _ => extensions.skip(length)?,
                }
            }
        }
        Some(Self { version: u16::try_from(version).ok()?, cipher: u16::try_from(cipher).ok()? })
    }

    pub(super) fn protocol(self) -> String {
        match self.version {
            0x0304 => "TLS 1.3".to_owned(),
            0x0303 => "TLS 1.2".to_owned(),
            other => format!("TLS version {other:#06x}"),
        }
    }

    /// Names of IANA's registry, of the suites that the TLS library here has.
    pub(super) fn cipher(self) -> String {
        match self.cipher {
            0x1301 => "TLS_AES_128_GCM_SHA256".to_owned(),
            0x1302 => "TLS_AES_256_GCM_SHA384".to_owned(),
            0x1303 => "TLS_CHACHA20_POLY1305_SHA256".to_owned(),
            0xc02b => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256".to_owned(),
            0xc02c => "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384".to_owned(),
            0xc02f => "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".to_owned(),
            0xc030 => "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384".to_owned(),
            0xcca8 => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256".to_owned(),
            0xcca9 => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256".to_owned(),
            other => format!("cipher suite {other:#06x}"),
        }
    }
}

/// Numbers of so many bytes, one after the other.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&mut self, bytes: usize) -> Option<usize> {
        let (head, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(head.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.get(bytes..)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_hello(extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([9; 32]);
        body.extend([2, 7, 7]);
        body.extend([0x13, 0x02, 0]);
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);
        let length = u16::try_from(body.len()).unwrap();
        let mut record = vec![22, 3, 3];
        record.extend((length + 4).to_be_bytes());
        record.extend([2, 0]);
        record.extend(length.to_be_bytes());
        record.extend(body);
        record
    }

    #[test]
    fn the_chosen_version_is_read_from_the_servers_hello() {
        let newer = Chosen::read(&server_hello(&[0, 51, 0, 1, 5, 0, 43, 0, 2, 3, 4])).unwrap();
        assert_eq!(
            (newer.protocol().as_str(), newer.cipher().as_str()),
            ("TLS 1.3", "TLS_AES_256_GCM_SHA384")
        );
        let older = Chosen::read(&server_hello(&[])).unwrap();
        assert_eq!(older.protocol(), "TLS 1.2");
    }

    #[test]
    fn a_hello_that_is_cut_or_is_none_tells_nothing() {
        let whole = server_hello(&[0, 43, 0, 2, 3, 4]);
        for length in 0..whole.len() {
            assert_eq!(Chosen::read(&whole[..length]), None, "{length}");
        }
        assert_eq!(Chosen::read(b"HTTP/1.1 400 Bad Request\r\n\r\n"), None);
    }

    #[test]
    fn notes_are_of_the_greeting_and_the_handshake_and_of_nothing_else() {
        let mut pen = Pen::writing();
        pen.hears(b"220 mail.example\r\n");
        pen.sends(b"EHLO me\r\n");
        pen.hears(b"250 AUTH\r\n");
        assert_eq!(pen.greeting(), "220 mail.example\r\n");
        pen.sends(&[22, 3, 1, 0]);
        pen.hears(&server_hello(&[0, 43, 0, 2, 3, 4]));
        assert_eq!(pen.chosen().unwrap().protocol(), "TLS 1.3");
        pen.hears(&[0; 10_000]);
        assert!(pen.notes().unwrap().handshake.len() <= ENOUGH);
        let mut idle = Pen::default();
        idle.hears(b"220 x");
        idle.sends(&[22, 3]);
        assert_eq!((idle.greeting().as_str(), idle.chosen()), ("", None));
    }
}
