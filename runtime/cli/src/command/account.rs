//! Commands about this user's access to servers: logins and tokens.

pub(super) mod login;
pub(super) mod tokens;
