//! What is written by hand with the same client, and with the same settings for it.

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{Client, IntoConnectionInfo};
use webhooks::{EventKey, Token};

use crate::AnyError;

/// A connection as the store has it: what is said at once leaves at once, and as many commands may wait.
pub(crate) async fn connect(url: &str) -> Result<ConnectionManager, AnyError> {
    let info = url.into_connection_info()?.set_tcp_settings(TcpSettings::default().set_nodelay(true));
    let config = ConnectionManagerConfig::new().set_pipeline_buffer_size(1_024);
    Ok(ConnectionManager::new_with_config(Client::open(info)?, config).await?)
}

/// The floor: one command, with a value as long as ours.
pub(super) async fn claim(mut connection: ConnectionManager, key: EventKey) -> Result<(), AnyError> {
    let value = format!("1l{}|30000|86400000|1|1|", Token::random());
    let mut set = redis::cmd("SET");
    set.arg(key.to_string()).arg(value).arg("NX").arg("PX").arg(86_400_000);
    let fresh: bool = set.query_async(&mut connection).await?;
    if fresh { Ok(()) } else { Err("not fresh".into()) }
}

/// What a handler written by hand would do: no check that the claim is still its own.
pub(super) async fn claim_and_settle(
    mut connection: ConnectionManager,
    key: EventKey,
) -> Result<(), AnyError> {
    claim(connection.clone(), key.clone()).await?;
    let mut set = redis::cmd("SET");
    set.arg(key.to_string()).arg("1c").arg("PX").arg(86_400_000);
    Ok(set.query_async(&mut connection).await?)
}

/// What a duplicate costs a handler written by hand.
pub(super) async fn duplicate(mut connection: ConnectionManager, key: EventKey) -> Result<(), AnyError> {
    let mut set = redis::cmd("SET");
    set.arg(key.to_string()).arg("1c").arg("NX").arg("PX").arg(86_400_000);
    let fresh: bool = set.query_async(&mut connection).await?;
    if fresh { Err("fresh".into()) } else { Ok(()) }
}
