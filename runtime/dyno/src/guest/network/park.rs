//! Connections whose response has ended: kept for the app's next request, and closed after a while.
//!
//! Tasks: one while an app has idle connections, which closes those that nobody took for [`IDLE_AFTER`]; one for each
//! connection that is not ready at once.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::guest::network::connection::{ClientConnection, ConnectionTarget};
use crate::guest::network::pool::IDLE_AFTER;
use crate::guest::network::shared::AppNetwork;

/// How long a connection has to become idle after a response's last byte: its request may still be on the way.
const REST_MAX: Duration = Duration::from_secs(1);

/// Keeps a connection whose response has ended for the app's next request, if it can take one and there is room.
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
        return keep(&there, target, connection);
    }
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    let app = Weak::clone(app);
    runtime.spawn(async move {
        let ready = tokio::time::timeout(REST_MAX, connection.sender.ready()).await;
        if let (Ok(Ok(())), Some(app)) = (ready, app.upgrade()) {
            keep(&app, target, connection);
        }
    });
}

fn keep(app: &Arc<AppNetwork>, target: ConnectionTarget, connection: ClientConnection) {
    let place = Arc::clone(&app.node.idle).try_acquire_owned();
    let (Ok(place), Ok(runtime)) = (place, tokio::runtime::Handle::try_current()) else {
        return;
    };
    if app.pool.put(target, connection, place) {
        runtime.spawn(sweep(Arc::downgrade(app)));
    }
}

async fn sweep(app: Weak<AppNetwork>) {
    loop {
        tokio::time::sleep(IDLE_AFTER / 2).await;
        if !app.upgrade().is_some_and(|app| app.pool.sweep()) {
            return;
        }
    }
}
