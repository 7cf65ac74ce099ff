//! House rules that a program can check: each test checks one rule for this repository.
//!
//! A rule is a function from files, or from cargo's metadata of the crates, to violations, each of which says file,
//! line and what to do. Rules read sources as text, and are tested beside their code with samples that break them.

mod crates;
mod imports;
mod repository;
mod sizes;
mod source;
mod text;
mod type_names;
mod use_paths;

use imports::{Among, import_cycles};
use repository::{read_files, read_packages};

#[track_caller]
fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

/// Prints the violations of a rule that is not enforced yet.
fn report(rule: &str, violations: &[String]) {
    println!("== {rule}: {}", violations.len());
    for violation in violations {
        println!("{violation}");
    }
}

#[test]
fn crates_depend_only_on_lower_crates() {
    assert_none(&crates::forbidden_edges(&read_packages(), &read_files()));
}

#[test]
fn number_and_depth_of_crates_are_limited() {
    assert_none(&crates::deep_chains(&read_packages()));
}

#[test]
fn every_dependency_is_used() {
    assert_none(&crates::unused_dependencies(
        &read_packages(),
        &read_files(),
    ));
}

#[test]
fn folders_side_by_side_import_in_one_direction() {
    assert_none(&import_cycles(&read_files(), Among::Folders));
}

#[test]
fn files_side_by_side_import_in_one_direction() {
    report(
        "files_side_by_side_import_in_one_direction",
        &import_cycles(&read_files(), Among::Files),
    );
}

#[test]
fn type_names_are_unique() {
    assert_none(&type_names::repeated_types(&read_files()));
}

#[test]
fn files_are_short() {
    assert_none(&sizes::long_files(&read_files()));
}

#[test]
fn functions_are_short() {
    assert_none(&sizes::long_functions(&read_files()));
}

#[test]
fn folders_have_few_files() {
    assert_none(&sizes::full_folders(&read_files()));
}

#[test]
fn files_begin_with_a_header_comment() {
    assert_none(&text::missing_headers(&read_files()));
}

#[test]
fn modules_are_files_of_their_own_folder() {
    assert_none(&text::misplaced_modules(&read_files()));
}

#[test]
fn no_code_is_unfinished_or_switched_off() {
    assert_none(&text::leftovers(&read_files()));
}

#[test]
fn unsafe_code_is_in_two_files() {
    assert_none(&text::unsafe_code(&read_files()));
}

#[test]
fn every_guest_has_a_host_test() {
    let files = read_files();
    let any = files.iter().any(|file| text::guest(&file.path).is_some());
    assert!(any, "there are guests");
    assert_none(&text::guests_without_test(&files));
}

#[test]
fn no_file_names_a_machine_path_or_a_registry_host() {
    assert_none(&text::machine_names(&read_files()));
}
