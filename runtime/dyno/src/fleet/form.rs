//! What a dyno is while it runs no call.

use std::sync::Arc;

use crate::instance::booted::{GuestInstance, boot};
use crate::instance::store::BootContext;
use crate::life::DynoLife;
use crate::program::server::Server;
use crate::release::PreparedProcess;

/// A dyno that runs no call.
pub(crate) enum DynoForm {
    /// With an instance, which takes the next request.
    Awake(Box<GuestInstance>),
    /// Without one: the next request makes it first.
    Asleep(Arc<PreparedProcess>),
    /// A server, whose program runs by itself.
    Serving(Box<Server>),
}

impl DynoForm {
    /// The instance, made now if the dyno slept; and whether it did.
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
        // Boxed, so that calls of dynos that are awake need no room for a boot.
        let instance = Box::pin(boot(context, ready, Arc::clone(life))).await?;
        Ok((instance, true))
    }
}
