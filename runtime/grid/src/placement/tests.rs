//! Tests of the choice of a node for a new dyno.

use proptest::prelude::*;

use super::*;

fn node(number: usize) -> NodeId {
    format!("n{number}").parse().expect("valid")
}

fn on(numbers: &[usize]) -> BTreeMap<NodeId, u32> {
    let mut homes = BTreeMap::new();
    for number in numbers {
        *homes.entry(node(*number)).or_default() += 1;
    }
    homes
}

fn candidate(number: usize, free_bytes: u64, dynos: u32) -> Candidate {
    Candidate {
        node: node(number),
        free_bytes,
        free_dynos: 10,
        dynos,
        slug: SlugPresence::Ready,
    }
}

#[test]
fn a_single_node_takes_all_dynos() {
    let nodes = [candidate(1, 100, 5)];
    assert_eq!(choose_node(&nodes, &on(&[1, 1]), 10), Some(node(1)));
}

#[test]
fn a_second_dyno_goes_to_another_node_or_is_not_placed() {
    let nodes = [candidate(1, 100, 0), candidate(2, 100, 50)];
    assert_eq!(choose_node(&nodes, &on(&[1]), 10), Some(node(2)));
    let full = [candidate(1, 100, 0), candidate(2, 5, 50)];
    assert_eq!(choose_node(&full, &on(&[1]), 10), None);
    assert_eq!(
        choose_node(&full, &on(&[1, 2]), 10),
        Some(node(1)),
        "two nodes have one already"
    );
}

#[test]
fn ties_go_to_the_first_node_by_name() {
    let nodes = [candidate(2, 100, 0), candidate(1, 100, 0)];
    assert_eq!(choose_node(&nodes, &on(&[]), 10), Some(node(1)));
}

fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let one = (0u64..100, 0u32..4, 0u32..9);
    prop::collection::vec(one, 0..6).prop_map(|all| {
        let make = |(number, (free_bytes, free_dynos, dynos))| Candidate {
            node: node(number),
            free_bytes,
            free_dynos,
            dynos,
            slug: [
                SlugPresence::Ready,
                SlugPresence::Coming,
                SlugPresence::Missing,
                SlugPresence::Failed(Time::ZERO),
            ][number % 4],
        };
        all.into_iter().enumerate().map(make).collect()
    })
}

proptest! {
    #[test]
    fn the_chosen_node_has_room_and_keeps_dynos_of_an_app_apart(
        nodes in candidates(), homes in prop::collection::vec(0usize..6, 0..5), need in 0u64..100,
    ) {
        let siblings = on(&homes);
        if let Some(chosen) = choose_node(&nodes, &siblings, need) {
            let candidate = nodes.iter().find(|c| c.node == chosen).expect("a candidate");
            prop_assert!(candidate.has_room_for(need));
            let together = siblings.keys().eq([&chosen]);
            prop_assert!(!(together && nodes.len() >= 2));
        } else if siblings.is_empty() {
            prop_assert!(!nodes.iter().any(|c| c.has_room_for(need)));
        }
    }

    #[test]
    fn the_order_of_nodes_does_not_matter(
        nodes in candidates(), homes in prop::collection::vec(0usize..6, 0..5), need in 0u64..100,
    ) {
        let siblings = on(&homes);
        let mut reversed = nodes.clone();
        reversed.reverse();
        prop_assert_eq!(choose_node(&nodes, &siblings, need), choose_node(&reversed, &siblings, need));
    }
}
