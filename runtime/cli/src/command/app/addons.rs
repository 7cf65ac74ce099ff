//! `dyno addons`: an app's databases and caches.

use anyhow::{Context, Result, bail};
use api::resource::{AddonResource, CreateAddonRequest, PageResource};
use grid::desired::AddonService;
use grid::name::{AddonName, AttachmentName};

use crate::args::{AddonsArgs, AddonsCommand};
use crate::client::{ApiResponse, RemoteApp};
use crate::command::release::wait_for_release;
use crate::terminal::{self, ProgressLine, clean, table};

pub(crate) fn run(args: &AddonsArgs) -> Result<()> {
    let app = RemoteApp::find(&args.on)?;
    match &args.command {
        None => list_addons(&app),
        Some(AddonsCommand::Create {
            service,
            attach_as,
            name,
        }) => create_addon(&app, *service, attach_as.as_ref(), name.as_ref()),
        Some(AddonsCommand::Attach { addon, attach_as }) => {
            attach_addon(&app, addon, attach_as.as_ref())
        }
        Some(AddonsCommand::Detach { addon }) => detach_addon(&app, addon),
        Some(AddonsCommand::Destroy { addon, confirm }) => destroy_addon(&app, addon, confirm),
    }
}

fn list_addons(app: &RemoteApp) -> Result<()> {
    let answer = app.client().list(&app.path("/addons"))?;
    app.server.show(&answer, || {
        let PageResource { items, .. } = answer.read::<PageResource<AddonResource>>()?;
        if items.is_empty() {
            let next = "yet: dyno addons create postgresql, redis or memcached";
            terminal::print_note("No add-ons", next);
            return Ok(());
        }
        let rows = items.iter().map(|addon| {
            [
                clean(addon.attached_as.as_deref().unwrap_or("-")),
                clean(&addon.service),
                clean(&addon.name),
                clean(&addon.state.to_string()),
                clean(&addon.config_names.join(", ")),
                clean(&describe_sharing(app, addon)),
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

/// The other apps that have the add-on, its owner first.
fn describe_sharing(app: &RemoteApp, addon: &AddonResource) -> String {
    let owner = addon
        .owner
        .iter()
        .filter(|owner| **owner != app.name.as_str());
    let mut apps: Vec<String> = owner.map(|owner| format!("{owner} (owner)")).collect();
    let others = addon.shared_with.iter();
    let others = others.filter(|other| Some(*other) != addon.owner.as_ref());
    apps.extend(others.cloned());
    apps.join(", ")
}

fn create_addon(
    app: &RemoteApp,
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
    let progress = ProgressLine::start(&format!("Creating {service} for {}", app.name));
    let answer = post_addon(app, &request)?;
    drop(progress);
    show_attached(app, "Created", &answer)
}

fn attach_addon(
    app: &RemoteApp,
    addon: &AddonName,
    attach_as: Option<&AttachmentName>,
) -> Result<()> {
    let request = CreateAddonRequest {
        addon: Some(addon.to_string()),
        attach_as: attach_as.map(ToString::to_string),
        ..CreateAddonRequest::default()
    };
    let answer = post_addon(app, &request)?;
    show_attached(app, "Attached", &answer)
}

fn post_addon(app: &RemoteApp, request: &CreateAddonRequest) -> Result<ApiResponse> {
    app.client().post(&app.path("/addons"), request)
}

/// Shows the add-on's config vars, and waits for the release that has them.
fn show_attached(app: &RemoteApp, verb: &str, answer: &ApiResponse) -> Result<()> {
    let addon: AddonResource = answer.read()?;
    let vars = addon.config_names.join(", ");
    let made = match answer.release() {
        Some(version) => format!("which makes {version}"),
        None => "for the first release".to_owned(),
    };
    let said = format!("{} ({}): {vars}, {made}", addon.name, addon.service);
    terminal::print_note(verb, &clean(&said));
    wait_for_change(app, answer)
}

/// Waits for the release that a change made, if any.
fn wait_for_change(app: &RemoteApp, answer: &ApiResponse) -> Result<()> {
    if let Some(version) = answer.release() {
        wait_for_release(app, version, ProgressLine::new())?;
        terminal::print_note("Up", &format!("{} {}", app.name, clean(version)));
    }
    app.server.show(answer, || Ok(()))
}

/// The add-on with this name, on the server or in the app.
fn find_addon(app: &RemoteApp, named: &str) -> Result<AddonResource> {
    let answer = app.client().list(&app.path("/addons"))?;
    let PageResource { items, .. } = answer.read::<PageResource<AddonResource>>()?;
    let is_named =
        |addon: &AddonResource| addon.name == named || addon.attached_as.as_deref() == Some(named);
    let found = items.into_iter().find(is_named);
    found.with_context(|| {
        let (app, named) = (&app.name, clean(named));
        format!("{app} has no add-on {named}: `dyno addons -a {app}` shows its add-ons")
    })
}

fn is_own(app: &RemoteApp, addon: &AddonResource) -> bool {
    addon.owner.as_deref() == Some(app.name.as_str())
}

fn detach_addon(app: &RemoteApp, named: &str) -> Result<()> {
    let addon = find_addon(app, named)?;
    let name = clean(&addon.name);
    if is_own(app, &addon) {
        let app = &app.name;
        bail!(
            "{name} belongs to {app}: to delete it with all its data, run \
             `dyno addons destroy {name} -a {app} --confirm {app}`"
        );
    }
    let answer = app
        .client()
        .delete(&app.path(&format!("/addons/{}", addon.name)))?;
    terminal::print_note("Detached", &format!("{name} from {}", app.name));
    wait_for_change(app, &answer)
}

fn destroy_addon(app: &RemoteApp, named: &str, confirm: &str) -> Result<()> {
    let addon = find_addon(app, named)?;
    let name = clean(&addon.name);
    if !is_own(app, &addon) {
        let app = &app.name;
        bail!(
            "{name} belongs to another app: `dyno addons detach {name} -a {app}` removes it from {app}"
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
        terminal::print_note("Destroyed", &format!("{name}, with all its data"));
        if left {
            terminal::print_warning(&format!(
                "its server cannot be reached: {name} is deleted as soon as the server answers; until then its state is destroying"
            ));
        }
        Ok(())
    })
}
