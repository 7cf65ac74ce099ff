//! Services that were made for apps: databases, caches.
//!
//! Owns the shapes of add-ons and attachments. Must not know how a service is made, or speak to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ConfigVars;
use crate::name::{AddonName, AppName, AttachmentName, Endpoint, Version};

/// A kind of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddonService {
    /// A database and a role of their own.
    Postgresql,
    /// A user of its own, limited to names with a prefix, or a database number.
    Redis,
    /// A cache without users: every client that reaches it may use all of it.
    Memcached,
}

impl AddonService {
    /// All of them.
    pub const ALL: [AddonService; 3] = [
        AddonService::Postgresql,
        AddonService::Redis,
        AddonService::Memcached,
    ];

    /// Its name, such as `postgresql`.
    pub const fn name(self) -> &'static str {
        match self {
            AddonService::Postgresql => "postgresql",
            AddonService::Redis => "redis",
            AddonService::Memcached => "memcached",
        }
    }

    /// The default name of an attachment, such as `DATABASE`.
    pub const fn attached_as(self) -> &'static str {
        match self {
            AddonService::Postgresql => "DATABASE",
            AddonService::Redis => "REDIS",
            AddonService::Memcached => "MEMCACHED",
        }
    }

    /// The endings of the app's config vars, such as `URL` for `DATABASE_URL`.
    pub const fn var_endings(self) -> &'static [&'static str] {
        match self {
            AddonService::Postgresql => &["URL"],
            AddonService::Redis => &["PREFIX", "URL"],
            AddonService::Memcached => &["SERVERS"],
        }
    }
}

impl fmt::Display for AddonService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Text that is no [`AddonService`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a service is one of postgresql, redis and memcached")]
pub struct AddonServiceError;

impl FromStr for AddonService {
    type Err = AddonServiceError;

    fn from_str(text: &str) -> Result<Self, AddonServiceError> {
        let mut all = AddonService::ALL.into_iter();
        all.find(|service| service.name() == text)
            .ok_or(AddonServiceError)
    }
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretText(pub Arc<str>);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The state of an add-on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddonState {
    /// It was requested. Parts of it may exist on the database server.
    Creating,
    /// It was made.
    Ready(AddonDetails),
    /// It is to be destroyed, and is attached to no app. Parts of it may still exist.
    Destroying(Option<AddonDetails>),
}

/// The result of making an add-on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddonDetails {
    /// Values of the config vars by the endings of their names, such as `URL`.
    pub values: ConfigVars,
    /// The addresses of the service.
    pub reach: Arc<BTreeSet<Endpoint>>,
    /// The number of a Redis database, where it has one of its own instead of a user.
    pub number: Option<u16>,
}

impl AddonDetails {
    /// The config vars of an app whose attachment has this name.
    pub fn name_vars(&self, name: &AttachmentName) -> ConfigVars {
        let values = self.values.0.iter();
        let named = values.map(|(ending, value)| (format!("{name}_{ending}"), value.clone()));
        ConfigVars(Arc::new(named.collect()))
    }
}

/// The request to make an add-on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAddon {
    /// Its name.
    pub name: AddonName,
    /// Its kind.
    pub service: AddonService,
    /// The app that the add-on is made for, and destroyed with.
    pub owner: AppName,
    /// The name of the attachment of that app.
    pub attach_as: AttachmentName,
    /// The password of its user or role: letters and digits.
    pub password: SecretText,
    /// When it was requested, in milliseconds since 1970.
    pub created_ms: u64,
    /// The user who requested it.
    pub created_by: String,
}

/// A service that was made for an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addon {
    /// The request.
    pub request: Arc<NewAddon>,
    /// The state.
    pub state: AddonState,
}

/// An add-on as one app has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The add-on.
    pub addon: AddonName,
    /// The app's config vars that belong to it: nothing else may change them.
    pub vars: ConfigVars,
    /// The addresses of the add-on, which the app's dynos may reach.
    pub reach: Arc<BTreeSet<Endpoint>>,
    /// The first release with these config vars.
    pub since: Version,
}

/// Config vars that belonged to an add-on in earlier releases, and no longer do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FormerAttachment {
    names: BTreeSet<String>,
    since: Version,
    until: Version,
}

/// The attachments of an app, present and former ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachments {
    by_name: BTreeMap<AttachmentName, Attachment>,
    former: Vec<FormerAttachment>,
}

impl Attachments {
    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&AttachmentName, &Attachment)> {
        self.by_name.iter()
    }

    /// The attachment of this name.
    pub fn get(&self, name: &AttachmentName) -> Option<&Attachment> {
        self.by_name.get(name)
    }

    /// The name of the attachment of an add-on, if the app has one.
    pub fn name_of(&self, addon: &AddonName) -> Option<&AttachmentName> {
        let mut all = self.by_name.iter();
        all.find(|(_, attachment)| attachment.addon == *addon)
            .map(|(name, _)| name)
    }

    /// The add-on that a config var belongs to.
    pub fn owner_of(&self, var: &str) -> Option<&AddonName> {
        let mut all = self.by_name.values();
        all.find(|attachment| attachment.vars.0.contains_key(var))
            .map(|attachment| &attachment.addon)
    }

    /// The addresses of all add-ons, which the app's dynos may reach.
    pub fn reach(&self) -> Arc<BTreeSet<Endpoint>> {
        let all = self.by_name.values();
        let all = all.flat_map(|attachment| attachment.reach.iter().cloned());
        Arc::new(all.collect())
    }

    /// The addresses of all add-ons but one.
    pub fn reach_without(&self, addon: &AddonName) -> BTreeSet<Endpoint> {
        let others = self.by_name.values();
        let others = others.filter(|attachment| attachment.addon != *addon);
        others
            .flat_map(|attachment| attachment.reach.iter().cloned())
            .collect()
    }

    /// The config vars of all attachments.
    pub fn vars(&self) -> impl Iterator<Item = (&String, &String)> {
        let all = self.by_name.values();
        all.flat_map(|attachment| attachment.vars.0.iter())
    }

    /// The config vars that a new release takes over from an old one: without those of the add-ons of that time, with
    /// those of the present ones. So a rollback keeps the present attachments.
    pub fn carried_vars(
        &self,
        config: &BTreeMap<String, String>,
        version: Version,
    ) -> BTreeMap<String, String> {
        let had = |former: &&FormerAttachment| (former.since..former.until).contains(&version);
        let gone = self.former.iter().filter(had);
        let gone: BTreeSet<&String> = gone.flat_map(|former| &former.names).collect();
        let kept = config.iter().filter(|(name, _)| !gone.contains(name));
        kept.chain(self.vars())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    pub(super) fn add(&mut self, name: AttachmentName, attachment: Attachment) {
        self.by_name.insert(name, attachment);
    }

    /// Removes an add-on; its config vars are not part of the release `until` and later ones.
    pub(super) fn remove(&mut self, addon: &AddonName, until: Version) -> bool {
        let Some(name) = self.name_of(addon).cloned() else {
            return false;
        };
        if let Some(attachment) = self.by_name.remove(&name) {
            self.former.push(FormerAttachment {
                names: attachment.vars.0.keys().cloned().collect(),
                since: attachment.since,
                until,
            });
        }
        true
    }

    /// Forgets former attachments that no release has. `first` is the oldest release.
    pub(super) fn prune(&mut self, first: Version) {
        self.former.retain(|former| former.until > first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{DesiredState, Fact, FactError, Release};
    use crate::name::SlugId;

    fn name<T: FromStr<Err: fmt::Debug>>(text: &str) -> T {
        text.parse().expect("a name")
    }

    fn made(url: &str, reach: &str) -> AddonDetails {
        let values = BTreeMap::from([("URL".to_owned(), url.to_owned())]);
        AddonDetails {
            values: ConfigVars(Arc::new(values)),
            reach: Arc::new(BTreeSet::from([name(reach)])),
            number: None,
        }
    }

    fn requested(addon: &str, owner: &str) -> Fact {
        let service = AddonService::Postgresql;
        let addon = NewAddon {
            name: name(addon),
            service,
            owner: name(owner),
            attach_as: name(service.attached_as()),
            password: SecretText("hunter2".into()),
            created_ms: 1,
            created_by: "me".to_owned(),
        };
        assert!(!format!("{addon:?}").contains("hunter2"));
        let addon = Arc::new(addon);
        Fact::AddonRequested { addon }
    }

    fn is_made(addon: &str, made: &AddonDetails) -> Fact {
        Fact::AddonMade {
            app: name("shop"),
            addon: name(addon),
            made: made.clone(),
        }
    }

    fn attached(addon: &str, attach_as: &str, made: &AddonDetails) -> Fact {
        Fact::AddonAttached {
            app: name("shop"),
            addon: name(addon),
            name: name(attach_as),
            vars: made.name_vars(&name(attach_as)),
            reach: Arc::clone(&made.reach),
        }
    }

    fn of(addon: &str, fact: fn(AppName, AddonName) -> Fact) -> Fact {
        fact(name("shop"), name(addon))
    }

    fn released(version: u32, config: &[(&str, &str)]) -> Fact {
        let config = config
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let release = Release {
            version: name(&format!("v{version}")),
            slug: SlugId::new([1; 32]),
            description: String::new(),
            config: Arc::new(config.collect()),
            processes: BTreeMap::new(),
            created_ms: 0,
            created_by: String::new(),
            reach: Arc::default(),
        };
        Fact::ReleaseCreated {
            app: name("shop"),
            release: Arc::new(release),
        }
    }

    const DETACHED: fn(AppName, AddonName) -> Fact =
        |app, addon| Fact::AddonDetached { app, addon };
    const DESTROYING: fn(AppName, AddonName) -> Fact =
        |app, addon| Fact::AddonDestroying { app, addon };
    const GONE: fn(AppName, AddonName) -> Fact = |app, addon| Fact::AddonGone { app, addon };

    fn with_shop() -> DesiredState {
        let app = Fact::AppCreated {
            app: name("shop"),
            hostnames: vec![],
        };
        DesiredState::from_facts([&app]).expect("fits")
    }

    #[test]
    fn add_on_facts_fit_only_in_order() {
        let mut desired = with_shop();
        let made = made("u", "db:1");
        let wrong = requested("db-1", "nobody");
        assert!(matches!(
            desired.apply_fact(&wrong),
            Err(FactError::NoSuchApp(_))
        ));
        desired
            .apply_fact(&requested("db-1", "shop"))
            .expect("fits");
        let again = desired.apply_fact(&requested("db-1", "shop"));
        assert!(matches!(again, Err(FactError::AddonExists(_))));
        let early = desired.apply_fact(&attached("db-1", "DATABASE", &made));
        assert!(matches!(early, Err(FactError::NoSuchAddon(_))));
        desired.apply_fact(&is_made("db-1", &made)).expect("fits");
        assert!(
            desired.apply_fact(&is_made("db-1", &made)).is_err(),
            "it is there"
        );
        assert!(
            desired.apply_fact(&of("db-1", GONE)).is_err(),
            "it is there"
        );
        assert!(
            desired.apply_fact(&of("db-1", DETACHED)).is_err(),
            "nobody has it"
        );
        desired.apply_fact(&of("db-1", DESTROYING)).expect("fits");
        let addon = &desired.addons[&name("db-1")];
        assert_eq!(addon.state, AddonState::Destroying(Some(made.clone())));
        assert!(
            desired
                .apply_fact(&attached("db-1", "DATABASE", &made))
                .is_err()
        );
        desired.apply_fact(&of("db-1", GONE)).expect("fits");
        assert!(desired.addons.is_empty());
        // An add-on that was never created is removed at once.
        desired
            .apply_fact(&requested("db-1", "shop"))
            .expect("fits");
        desired.apply_fact(&of("db-1", GONE)).expect("fits");
    }

    #[test]
    fn a_rollback_restores_own_config_vars_and_not_those_of_add_ons() {
        let (old, new) = (made("old", "db:1"), made("new", "db:2"));
        let facts = [
            released(1, &[("MINE", "1"), ("CACHE_URL", "my own")]),
            requested("db-1", "shop"),
            is_made("db-1", &old),
            attached("db-1", "DATABASE", &old),
            released(
                2,
                &[
                    ("MINE", "1"),
                    ("CACHE_URL", "my own"),
                    ("DATABASE_URL", "old"),
                ],
            ),
            of("db-1", DETACHED),
            of("db-1", DESTROYING),
            released(3, &[("MINE", "1")]),
            requested("db-2", "shop"),
            is_made("db-2", &new),
            attached("db-2", "CACHE", &new),
            released(
                4,
                &[
                    ("MINE", "2"),
                    ("CACHE_URL", "new"),
                    ("DATABASE_URL", "by hand"),
                ],
            ),
        ];
        let mut desired = with_shop();
        for fact in &facts {
            desired.apply_fact(fact).expect("fits");
        }
        let carried = |desired: &DesiredState, version: u32| {
            let app = desired.app(&name("shop")).expect("an app");
            let version = name(&format!("v{version}"));
            let carried = app
                .attachments
                .carried_vars(&app.releases[&version].config, version);
            let pairs = carried
                .iter()
                .map(|(name, value)| format!("{name}={value}"));
            pairs.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(carried(&desired, 1), "CACHE_URL=new MINE=1");
        assert_eq!(carried(&desired, 2), "CACHE_URL=new MINE=1");
        assert_eq!(carried(&desired, 3), "CACHE_URL=new MINE=1");
        assert_eq!(
            carried(&desired, 4),
            "CACHE_URL=new DATABASE_URL=by hand MINE=2"
        );
        let app = desired.app(&name("shop")).expect("an app");
        assert_eq!(*app.attachments.reach(), BTreeSet::from([name("db:2")]));
        assert!(app.attachments.reach_without(&name("db-2")).is_empty());
        assert_eq!(app.attachments.owner_of("CACHE_URL"), Some(&name("db-2")));
        assert_eq!(app.attachments.owner_of("DATABASE_URL"), None);
        // Values that no release contains are forgotten.
        let pruned = Fact::ReleasesPruned {
            app: name("shop"),
            before: name("v4"),
        };
        desired.apply_fact(&pruned).expect("fits");
        let app = desired.app(&name("shop")).expect("an app");
        assert!(app.attachments.former.is_empty());
    }
}
