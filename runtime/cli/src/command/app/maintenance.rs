//! `dyno maintenance`: whether every request is answered with a maintenance page.

use anyhow::Result;
use serde_json::json;

use crate::args::{Maintenance, Switch};
use crate::client::App;
use crate::client::types;
use crate::terminal;

pub(crate) fn run(args: &Maintenance) -> Result<()> {
    let app = App::of(&args.on)?;
    let answer = match args.switch {
        None => app.client().get(&app.path(""))?,
        Some(switch) => {
            let maintenance = switch == Switch::On;
            app.client()
                .patch(&app.path(""), &json!({ "maintenance": maintenance }))?
        }
    };
    app.server.show(&answer, || {
        let on = answer.read::<types::App>()?.maintenance;
        terminal::print(if on { "on" } else { "off" })
    })
}
