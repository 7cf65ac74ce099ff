//! A platform that offers the database servers of a test, and requests about its add-ons.
//!
//! Must not know the tests.

use std::process::Command;

use serde_json::{Value, json};
use testkit::http::json_items;
use testkit::{CommandOutput, Server, ServerRig, wait_until};

/// Settings of services, as environment variables of a server.
#[derive(Default)]
pub(crate) struct Offer(Vec<(&'static str, String)>);

impl Offer {
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Offer {
        self.0.push((name, value.into()));
        self
    }

    /// The command that starts a server with these services.
    pub(crate) fn command(&self, rig: &ServerRig) -> Command {
        let mut command = rig.serve_command(&rig.data_folder(), &[]);
        let variables = self.0.iter();
        command.envs(variables.map(|(name, value)| (format!("DYNO_SERVICE_{name}"), value)));
        command
    }

    pub(crate) fn start<'a>(&self, rig: &'a ServerRig) -> Server<'a> {
        rig.start_command(&mut self.command(rig))
    }
}

/// The add-ons of an app.
#[track_caller]
pub(crate) fn addons(server: &Server<'_>, app: &str) -> Vec<Value> {
    json_items(&server.get_json(&format!("/v1/apps/{app}/addons"))).to_owned()
}

/// Creates an app without a release.
#[track_caller]
pub(crate) fn new_app(server: &Server<'_>, app: &str) {
    let body = json!({ "name": app });
    server
        .request("POST", "/v1/apps", &body)
        .json_of_status(201);
}

/// The config vars of an app.
#[track_caller]
pub(crate) fn vars(server: &Server<'_>, app: &str) -> Value {
    server.get_json(&format!("/v1/apps/{app}/config-vars"))
}

#[track_caller]
pub(crate) fn var(server: &Server<'_>, app: &str, name: &str) -> String {
    let vars = vars(server, app);
    let value = vars[name].as_str();
    value
        .unwrap_or_else(|| panic!("{name} in {vars}"))
        .to_owned()
}

/// Destroys an add-on of an app, named by its attachment.
pub(crate) fn destroy(server: &Server<'_>, app: &str, attached: &str) -> CommandOutput {
    server.run(&["addons", "destroy", attached, "-a", app, "--confirm", app])
}

/// Waits until no add-on is being created or destroyed.
#[track_caller]
pub(crate) fn wait_until_settled(server: &Server<'_>, app: &str) {
    wait_until("every add-on is there or gone", || {
        addons(server, app)
            .iter()
            .all(|addon| addon["state"] == "ready")
    });
}
