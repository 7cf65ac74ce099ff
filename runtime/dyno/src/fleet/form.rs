//! The form of a dyno while it runs no call: asleep, an instance, or a connection to a server.

use std::sync::Arc;

use crate::instance::booted::{GuestInstance, boot_handler};
use crate::instance::store::BootContext;
use crate::life::DynoLife;
use crate::program::server::ServerProgram;
use crate::release::PreparedProcess;

/// A dyno that runs no call.
pub(crate) enum DynoForm {
    /// Awake: its instance takes the next request.
    Awake(Box<GuestInstance>),
    /// Asleep: the next request first boots an instance.
    Asleep(Arc<PreparedProcess>),
    /// A server, whose program runs by itself.
    Serving(Box<ServerProgram>),
}

impl DynoForm {
    /// Returns the instance, booted now if the dyno was asleep, and whether it was asleep.
    pub(crate) async fn wake(
        self,
        context: &BootContext,
        life: &Arc<DynoLife>,
    ) -> wasmtime::Result<(Box<GuestInstance>, bool)> {
        let ready = match self {
            DynoForm::Awake(instance) => return Ok((instance, false)),
            DynoForm::Asleep(ready) => ready,
            DynoForm::Serving(_) => wasmtime::bail!("a server has no instance to call"),
        };
        // Boxed, so that calls of awake dynos need no memory for a boot.
        let instance = Box::pin(boot_handler(context, ready, Arc::clone(life))).await?;
        Ok((instance, true))
    }
}
