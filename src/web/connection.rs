//! Connections with a bound on their number and on the time that a client may
//! take. A client that sends a request byte by byte, or never reads the answer,
//! would otherwise hold its connection for as long as it likes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// So many connections are open at a time; more wait in the system's queue.
const AT_ONCE: usize = 512;

/// From one answer (or the beginning) to the next one, idling included. Longer
/// than the work on a request may take.
const PATIENCE: Duration = Duration::from_secs(45);

/// Accepts connections that end themselves.
pub(super) struct Bounded {
    listener: TcpListener,
    room: Arc<Semaphore>,
    patience: Duration,
}

impl Bounded {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self::with(listener, AT_ONCE, PATIENCE)
    }

    fn with(listener: TcpListener, at_once: usize, patience: Duration) -> Self {
        Self { listener, room: Arc::new(Semaphore::new(at_once)), patience }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let room = loop {
            // Closed never.
            if let Ok(room) = Arc::clone(&self.room).acquire_owned().await {
                break room;
            }
        };
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    // Without it small answers wait; it is only a courtesy.
                    let _ = stream.set_nodelay(true);
                    let connection = Connection {
                        stream,
                        patience: self.patience,
                        deadline: Box::pin(sleep(self.patience)),
                        _room: room,
                    };
                    return (connection, address);
                }
                // The client is gone already, or the process has no file
                // descriptors left; neither is a reason to stop listening.
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be accepted");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// One connection. Its deadline moves when bytes of an answer leave.
pub(super) struct Connection {
    stream: TcpStream,
    patience: Duration,
    deadline: Pin<Box<Sleep>>,
    _room: OwnedSemaphorePermit,
}

impl Connection {
    fn in_time<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        match self.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(late) = self.in_time(cx) {
            return Poll::Ready(late);
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(written) => {
                let next = Instant::now() + self.patience;
                self.deadline.set(sleep_until(next));
                Poll::Ready(written)
            }
            Poll::Pending => self.in_time(cx),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn served(at_once: usize, patience: Duration) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new().route("/", axum::routing::get(async || "hello"));
        let bounded = Bounded::with(listener, at_once, patience);
        tokio::spawn(async move { axum::serve(bounded, router).await });
        address
    }

    #[tokio::test]
    async fn a_client_that_never_finishes_its_request_is_hung_up_on() {
        let address = served(8, Duration::from_millis(300)).await;
        let mut slow = TcpStream::connect(address).await.unwrap();
        let started = Instant::now();
        let trickle = async {
            for byte in b"GET / HTTP/1.1\r\nHost: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".iter() {
                if slow.write_all(&[*byte]).await.is_err() {
                    break;
                }
                sleep(Duration::from_millis(40)).await;
            }
            let mut rest = vec![];
            let _ = slow.read_to_end(&mut rest).await;
            rest
        };
        let rest = trickle.await;
        assert!(started.elapsed() < Duration::from_secs(3));
        assert!(!String::from_utf8_lossy(&rest).contains("hello"));
    }

    #[tokio::test]
    async fn a_connection_beyond_the_bound_waits_until_there_is_room() {
        let address = served(1, Duration::from_millis(400)).await;
        let idle = TcpStream::connect(address).await.unwrap();
        sleep(Duration::from_millis(50)).await;
        let mut next = TcpStream::connect(address).await.unwrap();
        next.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        next.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("hello"), "{answer}");
        drop(idle);
    }
}
