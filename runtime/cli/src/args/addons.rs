//! `dyno addons`: the commands about an app's databases and caches.

use clap::{Args as ClapArgs, Subcommand};
use grid::desired::AddonService;
use grid::name::{AddonName, AttachmentName};

use super::apps::AppOptions;

/// `dyno addons`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  dyno addons\n  dyno addons create postgresql\n  dyno addons create redis --as CACHE -a shop"
)]
pub(crate) struct AddonsArgs {
    #[command(flatten)]
    pub(crate) on: AppOptions,
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
        /// postgresql, redis or memcached
        #[arg(value_name = "SERVICE")]
        service: AddonService,
        /// What its config vars begin with, as in NAME_URL [default: DATABASE, REDIS or MEMCACHED]
        #[arg(long = "as", value_name = "NAME")]
        attach_as: Option<AttachmentName>,
        /// A name for it on the server [default: the service's, and some digits]
        #[arg(long, value_name = "NAME")]
        name: Option<AddonName>,
    },
    /// Give an app the config vars of another app's add-on
    #[command(
        after_help = "Examples:\n  dyno addons attach postgresql-1f9a03bc -a reports\n  dyno addons attach postgresql-1f9a03bc -a reports --as SHOP"
    )]
    Attach {
        /// Its name, as `dyno addons` of its own app shows it
        #[arg(value_name = "ADDON")]
        addon: AddonName,
        /// What its config vars begin with, as in NAME_URL [default: DATABASE, REDIS or MEMCACHED]
        #[arg(long = "as", value_name = "NAME")]
        attach_as: Option<AttachmentName>,
    },
    /// Take the config vars of another app's add-on from an app again
    #[command(after_help = "Example:\n  dyno addons detach SHOP -a reports")]
    Detach {
        /// Its name, or what the app calls it
        #[arg(value_name = "ADDON|NAME")]
        addon: String,
    },
    /// Destroy an add-on, and all that is in it
    #[command(
        after_help = "Examples:\n  dyno addons destroy DATABASE -a shop --confirm shop\n  dyno addons destroy postgresql-1f9a03bc --confirm postgresql-1f9a03bc"
    )]
    Destroy {
        /// Its name, or what the app calls it
        #[arg(value_name = "ADDON|NAME")]
        addon: String,
        /// The app's name, or the add-on's, once more
        #[arg(long, value_name = "NAME")]
        confirm: String,
    },
}
