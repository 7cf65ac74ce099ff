//! Access tokens, from creation to revocation.

use super::*;
use crate::access::{self, AccessError, Role, TOKEN_NAME_CHARS_MAX, Token};
use crate::handle::ControlError;

async fn create(bench: &Bench, name: &str, role: Role, app: Option<AppName>) -> (Token, String) {
    let (spec, secret) = access::mint_token(name, role, app);
    let created = bench.control.create_token(spec.clone(), me(), None).await;
    let token = spec.into_token(&me(), created.expect("accepted").at_ms);
    (token, secret.reveal().to_owned())
}

async fn revoke(bench: &Bench, token: &Token) -> Result<(), AccessError> {
    let revoked = bench.control.revoke_token(token.id.clone(), me(), None);
    match revoked.await {
        Ok(_) => Ok(()),
        Err(ControlError::Access(misfit)) => Err(misfit),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_valid_until_revoked() {
    let bench = Bench::new().await;
    assert!(bench.control.view().tokens.is_empty());
    let (admin, admin_secret) = create(&bench, "me", Role::Admin, None).await;
    let (token, secret) = create(&bench, "ci", Role::Deploy, Some(app())).await;
    let tokens = bench.control.view().tokens.clone();
    assert_eq!(tokens.authenticate(&secret), Some(&token));
    assert_eq!(tokens.authenticate(&admin_secret), Some(&admin));
    assert_eq!((token.created_ms, token.created_by.as_str()), (1_000, "me"));
    revoke(&bench, &token).await.expect("not the last one");
    let tokens = bench.control.view().tokens.clone();
    assert_eq!(tokens.authenticate(&secret), None);
    assert_eq!(tokens.authenticate(&admin_secret), Some(&admin));
    let again = revoke(&bench, &token).await;
    assert_eq!(again, Err(AccessError::NoSuchToken(token.id.clone())));
    // The next reconciler gives the same answers.
    let next = Bench::on(Arc::clone(&bench.ledger)).await;
    let tokens = next.control.view().tokens.clone();
    assert_eq!(tokens.iter().collect::<Vec<_>>(), [&admin]);
}

#[tokio::test(start_paused = true)]
async fn altered_secrets_are_refused() {
    let bench = Bench::new().await;
    let (_, secret) = create(&bench, "me", Role::Admin, None).await;
    assert_eq!(secret.len(), "dyno_".len() + 43);
    assert!(secret.starts_with("dyno_"));
    let tokens = bench.control.view().tokens.clone();
    assert!(tokens.authenticate(&secret).is_some());
    for index in 0..secret.len() {
        let mut near = secret.clone().into_bytes();
        near[index] = if near[index] == b'A' { b'B' } else { b'A' };
        let near = String::from_utf8(near).expect("ASCII");
        assert!(tokens.authenticate(&near).is_none(), "changed at {index}");
        assert!(tokens.authenticate(&secret[..index]).is_none());
    }
    for odd in [
        format!("{secret}="),
        format!(" {secret}"),
        secret.to_uppercase(),
    ] {
        assert!(tokens.authenticate(&odd).is_none(), "{odd:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_admin_token_cannot_be_revoked() {
    let bench = Bench::new().await;
    let (first, _) = create(&bench, "first", Role::Admin, None).await;
    create(&bench, "of one app", Role::Admin, Some(app())).await;
    create(&bench, "reader", Role::Read, None).await;
    let refused = revoke(&bench, &first).await;
    assert_eq!(refused, Err(AccessError::LastAdmin(first.id.clone())));
    let (second, _) = create(&bench, "second", Role::Admin, None).await;
    revoke(&bench, &first).await.expect("there is another one");
    let refused = revoke(&bench, &second).await;
    assert_eq!(refused, Err(AccessError::LastAdmin(second.id.clone())));
}

#[tokio::test(start_paused = true)]
async fn names_that_cannot_be_shown_in_a_line_are_refused() {
    let bench = Bench::new().await;
    let long = "x".repeat(TOKEN_NAME_CHARS_MAX + 1);
    for name in ["", "two\nlines", "\u{1b}[31m", &long] {
        let (token, _) = access::mint_token(name, Role::Read, None);
        let refused = bench.control.create_token(token, me(), None).await;
        assert!(
            matches!(refused, Err(ControlError::Access(AccessError::Name))),
            "{name:?}"
        );
    }
    let (token, _) = access::mint_token("CI of the çödé", Role::Read, None);
    let created = bench.control.create_token(token.clone(), me(), None).await;
    created.expect("accepted");
    let refused = bench.control.create_token(token, me(), None).await;
    assert!(matches!(
        refused,
        Err(ControlError::Access(AccessError::TokenExists(_)))
    ));
}

#[tokio::test(start_paused = true)]
async fn destroying_an_app_revokes_the_tokens_of_this_app_only() {
    let bench = Bench::new().await;
    let (admin, _) = create(&bench, "admin", Role::Admin, None).await;
    let other = "other".parse().expect("valid");
    let (kept, kept_secret) = create(&bench, "other app", Role::Deploy, Some(other)).await;
    let (_, secret) = create(&bench, "this app", Role::Admin, Some(app())).await;
    bench.accept(Command::DestroyApp { app: app() }).await;
    let tokens = bench.control.view().tokens.clone();
    assert_eq!(tokens.authenticate(&secret), None);
    assert_eq!(tokens.authenticate(&kept_secret), Some(&kept));
    assert!(tokens.get(&admin.id).is_some());
    // The next reconciler replays the same entries.
    let (_reconciler, control, _outputs) = begin(&bench.ledger).await;
    assert_eq!(control.view().tokens.authenticate(&secret), None);
}
