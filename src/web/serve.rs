//! Listening and serving until told to stop.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::connection::Bounded;
use super::outside::Peer;

/// How long requests under way may take once the process is to end.
const FAREWELL: Duration = Duration::from_secs(10);

/// Listening or serving failed.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {}; {}", .reason, .advice)]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What is in the way.
        reason: &'static str,
        /// What to do, with the flag.
        advice: String,
        /// The system's words.
        source: io::Error,
    },
    /// The listener broke.
    #[error("serving on {address} ended")]
    Serve {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
}

/// Listens on `address`; `flag` is the option that chose it (`--listen` or
/// `--ops-listen`).
pub async fn listen(address: SocketAddr, flag: &str) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| {
        let (reason, advice) = match source.kind() {
            io::ErrorKind::AddrInUse => {
                ("another program uses this port", format!("stop it or choose another port with {flag}"))
            }
            io::ErrorKind::PermissionDenied => {
                ("this user may not use this port", format!("choose a port above 1023 with {flag}"))
            }
            io::ErrorKind::AddrNotAvailable => (
                "this machine does not have this address",
                format!("choose one that it has, or 0.0.0.0 for all, with {flag}"),
            ),
            _ => ("the system refuses it", format!("choose another address with {flag}")),
        };
        ServeError::Listen { address, reason, advice, source }
    })
}

/// Serves until `shutdown`, then lets requests under way finish, for a while.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let address = listener.local_addr().map_or_else(|_| "?".to_owned(), |a| a.to_string());
    let serving = axum::serve(Bounded::new(listener), router.into_make_service_with_connect_info::<Peer>())
        .with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        ended = serving => ended.map_err(|source| ServeError::Serve { address, source }),
        () = late => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_one_clear_line_with_address_and_flag() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let error = listen(address, "--listen").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot listen on {address}: another program uses this port; stop it or choose another port with --listen"
            )
        );
    }

    #[tokio::test]
    async fn a_foreign_address_names_the_flag() {
        let error = listen("203.0.113.1:0".parse().unwrap(), "--ops-listen").await.unwrap_err();
        assert!(error.to_string().contains("--ops-listen"), "{error}");
    }

    #[tokio::test]
    async fn serving_ends_when_told_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, Router::new(), shutdown.clone()));
        // An idle connection does not hold it up.
        let _idle = tokio::net::TcpStream::connect(address).await.unwrap();
        shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(5), serving).await.unwrap().unwrap().unwrap();
    }
}
