//! Tests of the published view.

use super::*;
use crate::ledger::EntryId;
use grid::name::Run;

fn entry(by: &str, fact: Fact) -> LedgerEntry {
    LedgerEntry {
        id: EntryId::random(),
        at_ms: 7,
        by: by.to_owned(),
        key: None,
        changes: vec![LedgerChange::Fact(fact)],
    }
}

#[test]
fn the_creator_of_an_app_is_that_of_its_latest_creation() {
    let app: AppName = "hello".parse().expect("valid");
    let created = Fact::AppCreated {
        app: app.clone(),
        hostnames: vec![],
    };
    let destroyed = Fact::AppDestroyed {
        app: app.clone(),
        before: Run(1),
    };
    let mut view = LedgerView::default();
    let mut by = |at, name: &str, fact: &Fact| {
        let applied = view.apply_entry(Seq(at), &entry(name, fact.clone()));
        applied.expect("fits");
        view.origin(&app).map(|origin| origin.created_by.clone())
    };
    assert_eq!(by(1, "me", &created), Some("me".into()));
    assert_eq!(by(2, "me", &destroyed), None);
    assert_eq!(by(3, "you", &created), Some("you".into()));
    assert_eq!(view.at, Seq(3));
    assert_eq!(
        view.outcome(&app, Version::FIRST),
        None,
        "nothing is released"
    );
}
