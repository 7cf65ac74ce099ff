//! The rights of an add-on's Redis user.
//!
//! Owns the lists of ACL rules. Must not know how a user is created.

/// The commands that an add-on's user may run, on names with its prefix: all but those that concern the server or other
/// users. Listing names, other databases, and data that scripts and functions leave behind would show or change what
/// belongs to other apps. INFO is allowed, although it shows figures of the whole server, since clients ask it for the
/// version.
pub(super) const RIGHTS: [&str; 16] = [
    "+@all",
    "-@admin",
    "-@dangerous",
    "-@scripting",
    "-scan",
    "-randomkey",
    "-dbsize",
    "-move",
    "-copy",
    "-pubsub",
    "-select",
    "-client",
    "+select|0",
    "+info",
    "+eval",
    "+evalsha",
];
/// Rights that are added one by one, since older servers do not know some of these commands.
pub(super) const RIGHTS_IF_KNOWN: [&str; 12] = [
    "+sort_ro",
    "+client|setname",
    "+client|getname",
    "+client|setinfo",
    "+client|id",
    "+client|info",
    "+client|reply",
    "+client|no-touch",
    "+eval_ro",
    "+evalsha_ro",
    "+script|load",
    "+script|exists",
];
