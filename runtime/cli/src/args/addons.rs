//! `dyno addons`: the commands about an app's databases and caches.

use clap::{Args as ClapArgs, Subcommand};
use grid::desired::AddonService;
use grid::name::{AddonName, AttachmentName};

use super::apps::AppTarget;

/// `dyno addons`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  dyno addons\n  dyno addons create postgresql\n  dyno addons create redis --as CACHE -a shop"
)]
pub(crate) struct AddonsArgs {
    #[command(flatten)]
    pub(crate) on: AppTarget,
    #[command(subcommand)]
    pub(crate) command: Option<AddonsCommand>,
}

/// What to do with add-ons, if not to list them.
#[derive(Debug, Subcommand)]
pub(crate) enum AddonsCommand {
    /// Create a database or a cache for an app, and set its config vars
    #[command(
        after_help = "Examples:\n  dyno addons create postgresql\n  dyno addons create memcached -a shop\n  dyno addons create redis --as CACHE --name shop-cache"
    )]
    Create {
        /// The service: postgresql, redis or memcached
        #[arg(value_name = "SERVICE")]
        service: AddonService,
        /// The start of its config vars' names, as in NAME_URL [default: DATABASE, REDIS or MEMCACHED]
        #[arg(long = "as", value_name = "NAME")]
        attach_as: Option<AttachmentName>,
        /// The add-on's name on the server [default: the service and some digits]
        #[arg(long, value_name = "NAME")]
        name: Option<AddonName>,
    },
    /// Share the add-on of another app: set its config vars for this app
    #[command(
        after_help = "Examples:\n  dyno addons attach postgresql-1f9a03bc -a reports\n  dyno addons attach postgresql-1f9a03bc -a reports --as SHOP"
    )]
    Attach {
        /// The add-on's name, as `dyno addons` shows it for its own app
        #[arg(value_name = "ADDON")]
        addon: AddonName,
        /// The start of its config vars' names, as in NAME_URL [default: DATABASE, REDIS or MEMCACHED]
        #[arg(long = "as", value_name = "NAME")]
        attach_as: Option<AttachmentName>,
    },
    /// Stop sharing the add-on of another app: remove its config vars
    #[command(after_help = "Example:\n  dyno addons detach SHOP -a reports")]
    Detach {
        /// The add-on's name, or its name in the app, such as DATABASE
        #[arg(value_name = "ADDON|NAME")]
        addon: String,
    },
    /// Delete an add-on with all its data
    #[command(
        after_help = "Examples:\n  dyno addons destroy DATABASE -a shop --confirm shop\n  dyno addons destroy postgresql-1f9a03bc --confirm postgresql-1f9a03bc"
    )]
    Destroy {
        /// The add-on's name, or its name in the app, such as DATABASE
        #[arg(value_name = "ADDON|NAME")]
        addon: String,
        /// The app's or the add-on's name again, to confirm
        #[arg(long, value_name = "NAME")]
        confirm: String,
    },
}
