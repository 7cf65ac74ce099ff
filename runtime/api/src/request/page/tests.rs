//! Tests of the paging of lists.

use super::*;

fn paging(limit: Option<usize>, after: Option<&str>) -> Paging {
    let after = after.map(str::to_owned);
    Paging { limit, after }
}

fn page(paging: &Paging) -> Page<String> {
    let list = ["a", "b", "c", "d"].map(str::to_owned);
    paging
        .page(list, String::clone, |item| item)
        .expect("a page")
}

#[test]
fn pages_follow_each_other_without_gap_or_repetition() {
    let (mut seen, mut after) = (Vec::new(), None);
    for expected in [vec!["a", "b", "c"], vec!["d"]] {
        let page = page(&paging(Some(3), after.as_deref()));
        assert_eq!(page.items, expected);
        seen.extend(page.items);
        after = page.next;
    }
    assert_eq!((seen.len(), after), (4, None));
    assert_eq!(
        page(&paging(Some(4), None)).next,
        None,
        "no empty page follows"
    );
    // The item of the cursor may be gone.
    assert_eq!(page(&paging(None, Some("bb"))).items, ["c", "d"]);
}

#[test]
fn limits_and_cursors_are_checked() {
    let list = || Vec::<grid::name::Version>::new();
    let cut = |paging: Paging| paging.page(list(), |v| std::cmp::Reverse(*v), |v| v.number());
    assert!(cut(paging(Some(0), None)).is_err());
    assert!(cut(paging(Some(LIMIT_MAX + 1), None)).is_err());
    assert!(cut(paging(None, Some("x"))).is_err());
    assert!(cut(paging(None, Some("v3"))).is_ok());
}
