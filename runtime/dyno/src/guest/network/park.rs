//! Parks connections whose response has ended for the app's next request, and closes them after a while.
//!
//! Tasks: one for each app with idle connections, which closes those that are idle longer than [`IDLE_AFTER`]; one
//! for each connection that is not ready for a request at once.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::guest::network::connection::{ClientConnection, ConnectionTarget};
use crate::guest::network::pool::IDLE_AFTER;
use crate::guest::network::shared::AppNetwork;

/// The longest wait for a connection to become ready after the last byte of a response: the request may not have been
/// sent completely.
const REST_MAX: Duration = Duration::from_secs(1);

/// Keeps a connection whose response has ended for the app's next request, if the connection is usable and the pool
/// has room.
pub(crate) fn park(
    app: &Weak<AppNetwork>,
    target: ConnectionTarget,
    mut connection: ClientConnection,
) {
    let Some(there) = app.upgrade() else {
        return;
    };
    if connection.sender.is_closed() {
        return;
    }
    if connection.sender.is_ready() {
        return keep_idle(&there, target, connection);
    }
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    let app = Weak::clone(app);
    runtime.spawn(async move {
        let ready = tokio::time::timeout(REST_MAX, connection.sender.ready()).await;
        if let (Ok(Ok(())), Some(app)) = (ready, app.upgrade()) {
            keep_idle(&app, target, connection);
        }
    });
}

fn keep_idle(app: &Arc<AppNetwork>, target: ConnectionTarget, connection: ClientConnection) {
    let place = Arc::clone(&app.node.idle).try_acquire_owned();
    let (Ok(place), Ok(runtime)) = (place, tokio::runtime::Handle::try_current()) else {
        return;
    };
    if app.pool.add_idle(target, connection, place) {
        runtime.spawn(close_expired_until_empty(Arc::downgrade(app)));
    }
}

async fn close_expired_until_empty(app: Weak<AppNetwork>) {
    loop {
        tokio::time::sleep(IDLE_AFTER / 2).await;
        if !app.upgrade().is_some_and(|app| app.pool.close_expired()) {
            return;
        }
    }
}
