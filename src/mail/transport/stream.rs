//! The bytes between lettre and a mail server that may be hostile. A tenant
//! chooses its own server, so what comes back is bounded and handed on line by
//! line before lettre's buffers see it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::io::{AsyncRead as _, AsyncWrite as _};
#[expect(deprecated, reason = "the only way to run implicit TLS over a stream of our own")]
use lettre::transport::smtp::client::AsyncNetworkStream;
use lettre::transport::smtp::client::{AsyncTokioStream, TlsParameters};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::hello::Pen;

/// More than this without a word from us in between is no SMTP conversation:
/// lettre reads a whole line before it looks at its length, so an endless one
/// would fill the memory. Room for a reply of lettre's own limit (100 kB)
/// inside TLS, and for a long chain of certificates.
const MAX_UNANSWERED: usize = 256 * 1024;

const CHUNK: usize = 8 * 1024;

/// A TCP stream that bounds what the peer says and delivers it in lines.
///
/// Line by line, because lettre keeps its read buffer when STARTTLS turns the
/// connection into an encrypted one: replies that an attacker slipped in
/// behind the plain-text "220 go ahead" would be believed as if they had come
/// encrypted. Held back here, they meet the TLS handshake, which refuses them.
#[derive(Debug)]
pub(super) struct Guarded {
    stream: TcpStream,
    buffer: Box<[u8; CHUNK]>,
    start: usize,
    end: usize,
    unanswered: usize,
    pen: Pen,
}

impl Guarded {
    pub(super) fn new(stream: TcpStream, pen: Pen) -> Self {
        Self { stream, buffer: Box::new([0; CHUNK]), start: 0, end: 0, unanswered: 0, pen }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.start == this.end {
            let mut fresh = ReadBuf::new(&mut this.buffer[..]);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut fresh))?;
            (this.start, this.end) = (0, fresh.filled().len());
            this.unanswered += this.end;
            if this.unanswered > MAX_UNANSWERED {
                let error = io::Error::other("the server's reply is too long to be SMTP");
                return Poll::Ready(Err(error));
            }
        }
        let waiting = &this.buffer[this.start..this.end];
        let line = waiting.iter().position(|byte| *byte == b'\n').map_or(waiting.len(), |at| at + 1);
        let taken = line.min(out.remaining());
        out.put_slice(&waiting[..taken]);
        this.pen.hears(&waiting[..taken]);
        this.start += taken;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.unanswered = 0;
        this.pen.sends(data);
        Pin::new(&mut this.stream).poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Guarded {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

/// A guarded stream inside TLS from its first byte.
#[derive(Debug)]
#[expect(deprecated, reason = "see the import")]
pub(super) struct Encrypted {
    stream: AsyncNetworkStream,
    pen: Pen,
}

impl Encrypted {
    /// Runs the handshake.
    #[expect(deprecated, reason = "see the import")]
    pub(super) async fn handshake(
        stream: Guarded,
        tls: TlsParameters,
    ) -> Result<Self, lettre::transport::smtp::Error> {
        let pen = stream.pen.shared();
        let mut stream = AsyncNetworkStream::use_existing_tokio1(Box::new(stream));
        stream.upgrade_tls(tls).await?;
        Ok(Self { stream, pen })
    }

    /// The server's own certificate.
    pub(super) fn certificate(&self) -> Option<Vec<u8>> {
        self.stream.peer_certificate().ok()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let target = out.initialize_unfilled();
        let read = ready!(Pin::new(&mut this.stream).poll_read(cx, target))?;
        this.pen.hears(&target[..read]);
        out.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.pen.sends(data);
        Pin::new(&mut this.stream).poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_close(cx)
    }
}

impl AsyncTokioStream for Encrypted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}
