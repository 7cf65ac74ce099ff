//! Tests of paging.

use super::*;

fn paging(limit: Option<usize>, after: Option<&str>) -> ListPaging {
    let after = after.map(str::to_owned);
    ListPaging { limit, after }
}

fn cut_letters(paging: &ListPaging) -> PageResource<String> {
    let list = ["a", "b", "c", "d"].map(str::to_owned);
    paging
        .cut_page(list, String::clone, |item| item)
        .expect("a page")
}

#[test]
fn pages_follow_each_other_without_gap_or_repetition() {
    let (mut seen, mut after) = (Vec::new(), None);
    for expected in [vec!["a", "b", "c"], vec!["d"]] {
        let page = cut_letters(&paging(Some(3), after.as_deref()));
        assert_eq!(page.items, expected);
        seen.extend(page.items);
        after = page.next;
    }
    assert_eq!((seen.len(), after), (4, None));
    assert_eq!(
        cut_letters(&paging(Some(4), None)).next,
        None,
        "no empty page follows"
    );
    // The item of the cursor may have been removed since.
    assert_eq!(cut_letters(&paging(None, Some("bb"))).items, ["c", "d"]);
}

#[test]
fn wrong_limits_and_cursors_are_refused() {
    let list = || Vec::<grid::name::Version>::new();
    let cut =
        |paging: ListPaging| paging.cut_page(list(), |v| std::cmp::Reverse(*v), |v| v.number());
    assert!(cut(paging(Some(0), None)).is_err());
    assert!(cut(paging(Some(LIMIT_MAX + 1), None)).is_err());
    assert!(cut(paging(None, Some("x"))).is_err());
    assert!(cut(paging(None, Some("v3"))).is_ok());
}
