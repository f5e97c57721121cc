//! From a URL to a client.

use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{Client, ConnectionAddr, IntoConnectionInfo, RedisResult};

/// A connection on which nothing happens is looked after this long: a network that forgot it is found out before a
/// delivery has to wait for it.
const IDLE: Duration = Duration::from_secs(10);
/// How long the kernel waits for what it sent to be received.
#[cfg(target_os = "linux")]
const RECEIVED_WITHIN: Duration = Duration::from_secs(3);

pub(super) fn client(url: &str) -> RedisResult<Client> {
    let info = url.into_connection_info()?;
    if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
        choose_cryptography();
    }
    Client::open(info.set_tcp_settings(tcp_settings()))
}

fn tcp_settings() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(IDLE);
    let settings = TcpSettings::default()
        .set_nodelay(true)
        // What a connection that is given up has not delivered, it must not deliver later.
        .set_linger_time(Duration::ZERO);
    #[cfg(target_os = "linux")]
    let (keepalive, settings) =
        (keepalive.with_interval(RECEIVED_WITHIN), settings.set_user_timeout(RECEIVED_WITHIN));
    settings.set_keepalive(keepalive)
}

/// The Redis client takes the process's cryptography, and panics when there is none, or when a build brings two.
#[cfg(feature = "redis-tls")]
fn choose_cryptography() {
    use rustls::crypto::{CryptoProvider, ring};

    if CryptoProvider::get_default().is_none() {
        // An error: another thread has just chosen.
        let _ = ring::default_provider().install_default();
    }
}

#[cfg(not(feature = "redis-tls"))]
fn choose_cryptography() {}

#[cfg(all(test, feature = "redis-tls"))]
mod tests {
    use super::*;

    #[test]
    fn tls_has_its_cryptography() {
        client("rediss://localhost").expect("a client");
        assert!(rustls::crypto::CryptoProvider::get_default().is_some());
    }
}
