//! `dyno addons`: an app's databases and caches.

use anyhow::{Context, Result, bail};
use api::resource::{AddonResource, CreateAddonRequest, PageResource};
use grid::desired::AddonService;
use grid::name::{AddonName, AttachmentName};

use crate::args::{AddonsArgs, AddonsCommand};
use crate::client::{ApiResponse, TargetApp};
use crate::command::release::settle;
use crate::terminal::{self, ProgressLine, clean, table};

pub(crate) fn run(args: &AddonsArgs) -> Result<()> {
    let app = TargetApp::find(&args.on)?;
    match &args.command {
        None => list(&app),
        Some(AddonsCommand::Create {
            service,
            attach_as,
            name,
        }) => create(&app, *service, attach_as.as_ref(), name.as_ref()),
        Some(AddonsCommand::Attach { addon, attach_as }) => attach(&app, addon, attach_as.as_ref()),
        Some(AddonsCommand::Detach { addon }) => detach(&app, addon),
        Some(AddonsCommand::Destroy { addon, confirm }) => destroy(&app, addon, confirm),
    }
}

fn list(app: &TargetApp) -> Result<()> {
    let answer = app.client().list(&app.path("/addons"))?;
    app.server.show(&answer, || {
        let PageResource { items, .. } = answer.read::<PageResource<AddonResource>>()?;
        if items.is_empty() {
            let next = "yet: dyno addons create postgresql, redis or memcached";
            terminal::note("No add-ons", next);
            return Ok(());
        }
        let rows = items.iter().map(|addon| {
            [
                clean(addon.attached_as.as_deref().unwrap_or("-")),
                clean(&addon.service),
                clean(&addon.name),
                clean(&addon.state.to_string()),
                clean(&addon.config_names.join(", ")),
                clean(&shared(app, addon)),
            ]
        });
        let header = [
            "as",
            "service",
            "name",
            "state",
            "config vars",
            "shared with",
        ];
        terminal::print(&table(header, rows))
    })
}

/// The other apps that have it, the one that it was made for first.
fn shared(app: &TargetApp, addon: &AddonResource) -> String {
    let owner = addon
        .owner
        .iter()
        .filter(|owner| **owner != app.name.as_str());
    let mut apps: Vec<String> = owner.map(|owner| format!("{owner} (its own)")).collect();
    let others = addon.shared_with.iter();
    let others = others.filter(|other| Some(*other) != addon.owner.as_ref());
    apps.extend(others.cloned());
    apps.join(", ")
}

fn create(
    app: &TargetApp,
    service: AddonService,
    attach_as: Option<&AttachmentName>,
    name: Option<&AddonName>,
) -> Result<()> {
    let request = CreateAddonRequest {
        service: Some(service.name().to_owned()),
        name: name.map(ToString::to_string),
        attach_as: attach_as.map(ToString::to_string),
        addon: None,
    };
    let working = ProgressLine::start(&format!("Creating {service} for {}", app.name));
    let answer = post(app, &request)?;
    drop(working);
    attached(app, "Created", &answer)
}

fn attach(app: &TargetApp, addon: &AddonName, attach_as: Option<&AttachmentName>) -> Result<()> {
    let request = CreateAddonRequest {
        addon: Some(addon.to_string()),
        attach_as: attach_as.map(ToString::to_string),
        ..CreateAddonRequest::default()
    };
    let answer = post(app, &request)?;
    attached(app, "Attached", &answer)
}

fn post(app: &TargetApp, request: &CreateAddonRequest) -> Result<ApiResponse> {
    app.client().post(&app.path("/addons"), request)
}

/// Says what the app has now, and waits for the release that has it.
fn attached(app: &TargetApp, verb: &str, answer: &ApiResponse) -> Result<()> {
    let addon: AddonResource = answer.read()?;
    let vars = addon.config_names.join(", ");
    let made = match answer.release() {
        Some(version) => format!("which makes {version}"),
        None => "for the first release".to_owned(),
    };
    let said = format!("{} ({}): {vars}, {made}", addon.name, addon.service);
    terminal::note(verb, &clean(&said));
    settled(app, answer)
}

/// Waits for the release that a change made, if it made one.
fn settled(app: &TargetApp, answer: &ApiResponse) -> Result<()> {
    if let Some(version) = answer.release() {
        settle(app, version, ProgressLine::quiet())?;
        terminal::note("Up", &format!("{} {}", app.name, clean(version)));
    }
    app.server.show(answer, || Ok(()))
}

/// The add-on of this name, or that the app calls so.
fn find(app: &TargetApp, named: &str) -> Result<AddonResource> {
    let answer = app.client().list(&app.path("/addons"))?;
    let PageResource { items, .. } = answer.read::<PageResource<AddonResource>>()?;
    let is_named =
        |addon: &AddonResource| addon.name == named || addon.attached_as.as_deref() == Some(named);
    let found = items.into_iter().find(is_named);
    found.with_context(|| {
        let (app, named) = (&app.name, clean(named));
        format!("{app} has no add-on {named}: `dyno addons -a {app}` shows those that it has")
    })
}

fn is_own(app: &TargetApp, addon: &AddonResource) -> bool {
    addon.owner.as_deref() == Some(app.name.as_str())
}

fn detach(app: &TargetApp, named: &str) -> Result<()> {
    let addon = find(app, named)?;
    let name = clean(&addon.name);
    if is_own(app, &addon) {
        let app = &app.name;
        bail!(
            "{name} was made for {app} and stays with it: `dyno addons destroy {name} -a {app} --confirm {app}` \
             ends it, and all that is in it"
        );
    }
    let answer = app
        .client()
        .delete(&app.path(&format!("/addons/{}", addon.name)))?;
    terminal::note("Detached", &format!("{name} from {}", app.name));
    settled(app, &answer)
}

fn destroy(app: &TargetApp, named: &str, confirm: &str) -> Result<()> {
    let addon = find(app, named)?;
    let name = clean(&addon.name);
    if !is_own(app, &addon) {
        let app = &app.name;
        bail!(
            "{name} was made for another app: `dyno addons detach {name} -a {app}` takes it from {app}"
        );
    }
    if confirm != app.name.as_str() && confirm != addon.name {
        let app = &app.name;
        bail!("--confirm fits neither the app {app} nor the add-on {name}: nothing was destroyed");
    }
    let answer = app
        .client()
        .delete(&app.path(&format!("/addons/{}", addon.name)))?;
    let left = answer.json().is_object();
    app.server.show(&answer, || {
        terminal::note("Destroyed", &format!("{name}, and all that was in it"));
        if left {
            terminal::warning(&format!(
                "its server cannot be reached: {name} is shown as destroying, and goes as soon as it can be"
            ));
        }
        Ok(())
    })
}
