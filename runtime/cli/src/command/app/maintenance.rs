//! `dyno maintenance`: turns the maintenance page on or off.

use anyhow::Result;
use api::resource::{AppResource, UpdateAppRequest};

use crate::args::{MaintenanceArgs, OnOff};
use crate::client::RemoteApp;
use crate::terminal;

pub(crate) fn run(args: &MaintenanceArgs) -> Result<()> {
    let app = RemoteApp::find(&args.on)?;
    let answer = match args.switch {
        None => app.client().get(&app.path(""))?,
        Some(switch) => {
            let request = UpdateAppRequest {
                maintenance: Some(switch == OnOff::On),
                ..UpdateAppRequest::default()
            };
            app.client().patch(&app.path(""), &request)?
        }
    };
    app.server.show(&answer, || {
        let on = answer.read::<AppResource>()?.maintenance;
        terminal::print(if on { "on" } else { "off" })
    })
}
